import subprocess
import sys

import pytest

from cvclassic.datasets import load, names
from cvclassic.errors import DataError, InputError


def test_every_named_set_has_a_line_of_its_own():
    listed = names()
    assert [name for name, _ in listed][:2] == ["digits", "shapes"]
    assert {name for name, _ in listed} >= {"mnist", "fashion_mnist", "cifar10", "cifar100", "opencv_digits"}
    assert len({description for _, description in listed}) == len(listed)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("minst", "mnist"), ("CIFAR-11", "cifar10"), ("Fashon-MNIST", "fashion_mnist")]
)
def test_an_unknown_name_suggests_the_closest(wrong, meant):
    with pytest.raises(InputError, match=f"did you mean {meant}"):
        load(wrong)


def test_a_path_without_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        load(str(tmp_path / "nowhere"))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        load(str(tmp_path / "file"))


def test_train_size_is_passed_on():
    digits = load("digits", train_size=100, seed=2)
    assert len(digits.train) + len(digits.validation) == 100
    assert len(load("digits", max_train_size=100).train) == 90
    with pytest.raises(InputError, match="has 1347 images"):
        load("digits", train_size=5000)


def test_importing_the_room_imports_neither_sklearn_nor_pooch():
    heavy = "{'sklearn', 'pooch', 'requests', 'keras'}"
    code = f"import sys, cvclassic.datasets; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
