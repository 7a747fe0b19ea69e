"""Data sets from arrays: labels of any kind become classes, a given split stays, and what can't be used is refused."""

import numpy as np
import pytest

from cvclassic import datasets
from cvclassic.datasets import from_arrays, known_name
from cvclassic.datasets.splits import split
from cvclassic.errors import InputError


def images(n, *shape):
    return np.random.default_rng(0).integers(0, 256, (n, *(shape or (12, 16, 3))), dtype=np.uint8)


def test_labels_of_any_sortable_type_become_classes_and_a_quarter_is_the_test_part():
    labels = np.array(["owl", "cat"])[np.arange(40) % 2]
    found = from_arrays(images(40), labels, name="birds")
    assert (found.name, found.class_names, found.image_shape) == ("birds", ("cat", "owl"), (12, 16, 3))
    assert np.array_equal(np.array(found.class_names)[found.labels], labels)
    assert len(found.test) == 10
    assert np.array_equal(np.sort(np.concatenate([found.train, found.validation, found.test])), np.arange(40))


def test_with_a_test_part_the_split_is_the_given_one():
    X, y = images(60), np.arange(60) % 3 + 5
    found = from_arrays(X[:40], y[:40], X[40:], y[40:])
    assert found.class_names == ("5", "6", "7")
    assert np.array_equal(found.test, np.arange(40, 60))
    assert np.array_equal(found.images, X)
    assert not set(found.validation) & set(found.train)


def test_the_splits_are_those_of_the_labels_where_nothing_belongs_together():
    labels = np.arange(300) % 3
    found = from_arrays(images(300), labels, seed=3, train_size=100)
    assert all(map(np.array_equal, (found.train, found.validation, found.test), split(labels, seed=3, train_size=100)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((images(10, 8, 8), np.arange(9) % 2), r"y has shape \(9,\)"),
        ((images(10, 8, 8), np.eye(2)[np.arange(10) % 2]), r"y has shape \(10, 2\)"),
        ((images(10, 8, 8), np.arange(10) % 2, images(4, 8, 8)), "Only one of X_test and y_test"),
        ((images(10, 8, 8), np.arange(10) % 2, images(4, 9, 9), np.arange(4) % 2), "one shape and dtype"),
        ((images(10, 8, 8), np.arange(10) % 2, images(4, 8, 8), np.arange(4)), "labels that y lacks: 2, 3"),
        ((images(10, 8, 8), np.zeros(10)), "Two classes or more"),
        ((images(10, 8, 8), np.arange(10)), "found .1, 1"),
        ((images(10, 8, 8), np.where(np.arange(10) % 2, np.nan, 1)), "NaN or infinite"),
        ((images(10, 8, 8), np.array([1, "a"] * 5, dtype=object)), "labels of types int, str"),
        ((images(10, 8, 8), [1, "1"] * 5), "labels that are texts and labels that are not"),
        ((images(10, 8, 8), np.array([None] * 10)), "labels of types NoneType"),
        ((images(10, 8, 8), np.array([1.0, np.nan] * 5, dtype=object)), "NaN or infinite"),
        ((images(10, 8, 8).astype(np.float32), np.arange(10) % 2), "Divide by 255"),
    ],
)
def test_what_is_no_data_set_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        from_arrays(*arguments)


def test_names_of_sets_are_understood_in_any_spelling_unless_a_folder_is_called_so(tmp_path, monkeypatch):
    names = ("MNIST", "CIFAR-10", "fashion-mnist", "digits", "./digits", "photos")
    assert [known_name(name) for name in names] == ["mnist", "cifar10", "fashion_mnist", "digits", None, None]
    assert datasets.load("Digits", train_size=100).name == "digits"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MNIST").mkdir()
    assert known_name("MNIST") is None
    assert known_name("mnist") == "mnist"


def test_a_home_folder_is_found_and_bytes_that_are_no_text_are_replaced(tmp_path, monkeypatch):
    import os

    import cv2

    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (b"cats", b"d\xffgs", b"d\xfegs"):
        folder = os.path.join(os.fsencode(tmp_path), b"pets", name)
        os.makedirs(folder)
        for k in range(6):
            cv2.imwrite(str(tmp_path / "image.png"), images(k + 1, 9, 9)[k])
            os.rename(tmp_path / "image.png", os.path.join(folder, b"%d.png" % k))
    found = datasets.load("~/pets", image_size=16)
    assert found.name == "pets"
    assert found.class_names == ("cats", "d?gs (1)", "d?gs (2)")
    found.class_names[1].encode()
