"""`.cvc` files that are damaged or hostile: an error of ours, nothing large allocated, nothing done."""

import contextlib
import io
import os
import random
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cvclassic.errors import InputError
from cvclassic.model import Model, load_model, read_model
from cvclassic.model.archive import archive_bytes
from cvclassic.model.arrays import from_npy, to_npy
from cvclassic.model.files import model_bytes
from tests.model.models import digits, small_model
from tests.model.mutations import members_of, mutated, with_description


@pytest.fixture(scope="module")
def content(gray_model) -> bytes:
    return model_bytes(gray_model)


@pytest.fixture(scope="module")
def contents(content, color_model) -> list[bytes]:
    """Files of several kinds of parts."""
    return [content, model_bytes(color_model), model_bytes(small_model("hog_color_svm", 2, color=True))]


def put(description: dict, path: str, value: object) -> None:
    """Set the value at a place such as "pipeline/parameters/steps/0"."""
    *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in way:
        description = description[step]
    description[last] = value


STEPS = "pipeline/parameters/steps"
HOG, SVM = f"{STEPS}/0/tuple/1", f"{STEPS}/1/tuple/1"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", 2, "format 2, and this version reads up to 1: update cvclassic"),
        ("format", True, "none of a model of format 1"),
        ("class_names", ["a", "b"], "classes_ of its LinearSVM does not fit"),
        ("class_names", ["a", "a", "b", "c"], "two of them are the same"),
        ("class_names", [1, 2, 3, 4], "no list of class names"),
        ("input/height", 10**9, "height of images is 1000000000"),
        ("input/width", 32, "image_shape_ of its HOG does not fit"),
        ("input/channels", 3, "image_shape_ of its HOG does not fit"),
        ("pipeline/class", "os.system", "'os.system', which is not known here"),
        ("pipeline/class", "sklearn.pipeline.make_pipeline", "which is not known here"),
        ("pipeline/class", "cvclassic.model.kinds_sklearn.KINDS", "which is not known here"),
        (f"{HOG}/parameters/orientations", 10**8, "orientations=100000000"),
        (f"{HOG}/parameters/orientations", 10, "n_features_in_ of its LinearSVM does not fit"),
        (f"{HOG}/parameters/cell_size", 10**400, "cell_size"),
        (f"{HOG}/parameters/cell_size", "big", "must be a positive int"),
        (f"{HOG}/parameters/extra", 1, "a parameter 'extra', which this version does not know"),
        (f"{HOG}/fitted/transform", 1, "an attribute 'transform', which it can't have"),
        (f"{SVM}/fitted/coef_", {"array": "model.json"}, "no member 'model.json', or names it twice"),
        (f"{SVM}/fitted/coef_", 1.0, "no coef_, or what can be none"),
        (f"{SVM}/fitted/n_features_in_", 7, "n_features_in_ of its LinearSVM does not fit"),
        (f"{SVM}/fitted/classes_", None, "no classes_"),
        ("calibration/slope", "steep", "no calibration"),
        ("calibration", {}, "calibration is damaged"),
        ("figures", [], "figures are damaged"),
    ],
)
def test_a_wrong_value_is_named(content, path, value, message):
    with pytest.raises(InputError) as caught:
        read_model(with_description(content, lambda description: put(description, path, value)))
    assert message in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(content, number):
    members = members_of(content)
    members["model.json"] = members["model.json"].replace(b'"slope": ', f'"slope": {number}, "x": '.encode())
    with pytest.raises(InputError, match="has the number"):
        read_model(archive_bytes(members))


def test_deep_json_and_two_values_of_one_name_are_refused(content):
    members = members_of(content)
    for text in (b"[" * 100_000, b'{"a":' * 100_000, b'{"format": 1, "format": 1}', b"\xff", b""):
        with pytest.raises(InputError, match=r"model\.json"):
            read_model(archive_bytes(members | {"model.json": text}))
    nested = "x"
    for _ in range(200):
        nested = {"tuple": [nested]}
    with pytest.raises(InputError, match="deep"):
        read_model(with_description(content, lambda description: put(description, STEPS, nested)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(content, value):
    members = members_of(content)
    name = max(members, key=lambda name: len(members[name]) * name.endswith(".npy"))
    weights = from_npy(members[name])
    weights.flat[3] = value
    with pytest.raises(InputError, match="NaN or infinite"):
        read_model(archive_bytes(members | {name: to_npy(weights)}))


def test_a_shape_that_the_content_has_not_is_refused_before_anything_is_allocated(content):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 9999999999), }\n"
    bomb = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(80)
    members = members_of(content)
    tracemalloc.start()
    with pytest.raises(InputError, match="claims the shape"):
        read_model(archive_bytes(members | {"parts/0000.npy": bomb}))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["|O", "<c16", "<U4", "<M8[s]", "|V8"])
def test_arrays_of_other_things_than_numbers_are_refused(content, dtype):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1,), }}\n".encode()
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)
    with pytest.raises(InputError, match=r"header of an array is damaged|has the type"):
        read_model(archive_bytes(members_of(content) | {"parts/0000.npy": array}))


def zipped(path: Path, members: list[tuple[str, bytes]], how: int) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, each in members:
            archive.writestr(name, each)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips_of_other_kinds_are_refused(content, tmp_path):
    members = list(members_of(content).items())
    path = tmp_path / "model.cvc"
    bomb = [*members, ("bomb", bytes(10**7))]
    for listed, how, message in (
        (bomb, zipfile.ZIP_DEFLATED, "compressed"),
        ([*members, members[0]], zipfile.ZIP_STORED, "two members called"),
        ([*members, ("../../escaped", b"x")], zipfile.ZIP_STORED, "'../../escaped', which is no part of a model"),
        ([*members, ("/tmp/escaped", b"x")], zipfile.ZIP_STORED, "'/tmp/escaped', which is no part of a model"),
        (members[1:], zipfile.ZIP_STORED, "no member 'model.json'"),
        ([], zipfile.ZIP_STORED, "no member 'model.json'"),
    ):
        with pytest.raises(InputError, match=message):
            load_model(zipped(path, listed, how))
    assert os.listdir(tmp_path) == ["model.cvc"]


def test_members_that_lie_over_one_another_are_refused(content):
    """A directory that names one member's bytes a thousand times would make a small file a large one."""
    end = content[-22:]
    size, start = int.from_bytes(end[12:16], "little"), int.from_bytes(end[16:20], "little")
    directory = content[start : start + size]
    entries, again = directory, b""
    for k in range(1000):
        again += entries.replace(b"parts/", f"p{k:04d}/".encode())
    count = (len(members_of(content)) * 1001).to_bytes(2, "little")
    entries += again
    end = end[:8] + count + count + len(entries).to_bytes(4, "little") + end[16:]
    with pytest.raises(InputError, match=r"claim|two members|cut off|damaged"):
        read_model(content[:start] + entries + end)


def test_every_shortened_file_is_refused(content):
    for length in {*range(0, len(content), 97), len(content) - 1}:
        with pytest.raises(InputError, match="can't be read as a model"):
            read_model(content[:length])


def test_a_flipped_bit_anywhere_is_noticed_or_changes_nothing(content, gray_model):
    images = digits(4, color=False)[0]
    expected = gray_model.predict(images)
    rng = random.Random(0)
    for _ in range(150):
        changed = bytearray(content)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        try:
            model = read_model(bytes(changed))
        except InputError:
            continue
        np.testing.assert_array_equal(model.predict(images), expected)  # a date, or what else a zip says of a member


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), which=st.integers(0, 2))
def test_changed_files_are_refused_or_predict(contents, seed, which):
    with contextlib.suppress(InputError):
        model = read_model(mutated(contents[which], random.Random(seed)))
        images = np.random.default_rng(seed).integers(0, 256, (2, *model.contract.shape)).astype(np.uint8)
        assert set(model.predict(images)) <= set(model.class_names)


def test_what_is_no_file_costs_nothing(tmp_path):
    sparse = tmp_path / "sparse.cvc"
    with open(sparse, "wb") as file:
        file.truncate(2**40)
    os.mkfifo(tmp_path / "pipe.cvc")
    (tmp_path / "loop.cvc").symlink_to(tmp_path / "loop.cvc")
    for name, message in (
        ("sparse.cvc", "bytes; at most"),
        ("pipe.cvc", "no regular file"),
        ("loop.cvc", "can't be opened"),
        (".", "no regular file"),
        ("missing.cvc", "There is no model file"),
        ("a\0b", "There is no model file"),
    ):
        with pytest.raises(InputError, match=message):
            load_model(tmp_path / name)


def test_the_content_of_a_picture_or_nothing_is_no_model():
    for content in (b"", b"PK", b"\x89PNG\r\n\x1a\n" + bytes(500), bytes(10_000), b"PK\5\6" + bytes(18)):
        with pytest.raises(InputError, match="can't be read as a model"):
            read_model(content)


def test_nothing_is_imported_by_a_name_in_a_file(content, tmp_path, monkeypatch):
    """The name of a class in a module that leaves a mark where it is imported."""
    (tmp_path / "marks.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\nclass Mark: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"'marks\.Mark', which is not known here"):
        read_model(with_description(content, lambda description: put(description, f"{SVM}/class", "marks.Mark")))
    assert "marks" not in sys.modules
    assert not (tmp_path / "mark").exists()


def test_a_model_that_cannot_be_written_leaves_nothing_behind(gray_model, tmp_path):
    with pytest.raises(InputError, match="can't be written: No such file"):
        gray_model.save(tmp_path / "missing" / "model.cvc")
    with pytest.raises(InputError, match="is a folder"):
        gray_model.save(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_model_that_cannot_be_saved_leaves_the_file_that_was_there(gray_model, tmp_path):
    path = gray_model.save(tmp_path / "model.cvc")
    before = path.read_bytes()
    odd = Model(gray_model.pipeline, gray_model.class_names, gray_model.contract, figures={"x": object()})
    with pytest.raises(InputError, match="figures can't be saved"):
        odd.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.cvc"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1", "?", ">f4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4), (1, 2, 3, 4)])
def test_arrays_are_what_numpy_reads_and_keep_their_order(shape, dtype, order):
    array = np.asarray(np.arange(np.prod(shape)).reshape(shape).astype(dtype), order=order)
    content = to_npy(array)
    np.testing.assert_array_equal(np.load(io.BytesIO(content), allow_pickle=False), array)
    found = from_npy(content)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder("<")
    assert found.strides == array.strides or 0 in shape
    assert found.flags.writeable
