"""What the fuzz found that belongs to several rooms: an error is named, and no longer than a terminal bears."""

import zipfile

import pytest

from cvclassic.datasets.archives import opened_archive
from cvclassic.datasets.table import layout_of_table
from cvclassic.errors import InputError
from cvclassic.model import load_model
from tests.model.models import small_model
from tests.model.mutations import with_description

LONG = "a" * 50_000


def test_a_member_without_a_name_is_passed_over(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("x/1.png", b"x")
        archive.writestr("N", b"x")
    content = (tmp_path / "set.zip").read_bytes()
    places = [place for place in range(len(content)) if content.startswith((b"PK\1\2", b"PK\3\4"), place)]
    head, entry = places[1], places[3]
    content = bytearray(content[:entry] + content[entry:].replace(b"N", b"", 1))
    content[entry + 28] = content[head + 26] = 0  # the length of its name, once in the list and once before it
    end = content.rindex(b"PK\5\6")
    content[end + 12] -= 1
    (tmp_path / "set.zip").write_bytes(content)
    with opened_archive(tmp_path / "set.zip") as archive:
        assert archive.beside("", ["x"])[-1].why == "a path that leads out of the archive"


@pytest.mark.parametrize(
    "rows",
    [
        f"path,{LONG}\n1.png,cat\n",
        f"path,label,part\n1.png,cat,{LONG}\n",
        f"path,label\n{LONG},\n",
        f"path,label\n../{LONG},cat\n",
        f"path,label\n{LONG},cat\n{LONG},dog\n",
    ],
)
def test_what_stands_in_a_table_fills_no_message(tmp_path, rows):
    (tmp_path / "set.csv").write_text(rows)
    with pytest.raises(InputError, match=r"set\.csv") as error:
        layout_of_table(tmp_path / "set.csv")
    assert len(str(error.value)) < 900


def test_what_stands_in_a_model_fills_no_message(tmp_path):
    model = small_model("color_histogram_svm", 2, color=True)
    path = model.save(tmp_path / "model.cvc")

    def change(description):
        description["pipeline"]["parameters"]["steps"][0]["tuple"][1]["parameters"]["color_space"] = LONG

    path.write_bytes(with_description(path.read_bytes(), change))
    with pytest.raises(InputError, match=r"model\.cvc") as error:
        load_model(path)
    assert len(str(error.value)) < 900
