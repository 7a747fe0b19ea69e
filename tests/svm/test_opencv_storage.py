"""OpenCV's text formats: what it writes is read alike, and what is hostile ends in an error of ours at once."""

import gzip
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvclassic.errors import InputError
from cvclassic.svm import OpenCVSVM, opencv_files, opencv_storage
from cvclassic.svm.opencv_storage import StorageError, numbers, read_storage

MODELS = Path(__file__).parent / "opencv4_models"


def load(tmp_path, content, name="model.any"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return OpenCVSVM.load(path)


@pytest.mark.parametrize("suffix", [".xml", ".yml", ".json", ".xml.gz", ".yml.gz", ".json.gz"])
def test_what_file_storage_writes_is_read_alike(tmp_path, suffix, rng):
    rows = [rng.normal(size=n).astype(np.float32) for n in (3, 40, 1)]
    matrix = np.arange(-3, 9, dtype=np.int32).reshape(4, 3)
    path = str(tmp_path / f"tree{suffix}")
    storage = cv2.FileStorage(path, cv2.FILE_STORAGE_WRITE)
    storage.startWriteStruct("outer", cv2.FileNode_MAP)
    storage.write("text", "C_SVC")
    storage.write("whole", 7)
    storage.write("real", -1.5e-7)
    storage.write("matrix", matrix)
    storage.startWriteStruct("rows", cv2.FileNode_SEQ)
    for row in rows:
        storage.startWriteStruct("", cv2.FileNode_SEQ + cv2.FileNode_FLOW)
        for value in row.tolist():
            storage.write("", value)
        storage.endWriteStruct()
    storage.endWriteStruct()
    storage.startWriteStruct("maps", cv2.FileNode_SEQ)
    for value in (1, 2):
        storage.startWriteStruct("", cv2.FileNode_MAP + (cv2.FileNode_FLOW if value == 2 else 0))
        storage.write("a", value)
        storage.write("b", float(value) / 4)
        storage.endWriteStruct()
    storage.endWriteStruct()
    storage.endWriteStruct()
    storage.release()

    found = read_storage(Path(path))["outer"]
    assert list(found) == ["text", "whole", "real", "matrix", "rows", "maps"]
    assert found["text"] == "C_SVC"
    assert numbers(found["whole"]).tolist() == [7]
    assert numbers(found["real"]).tolist() == [-1.5e-7]
    np.testing.assert_array_equal(numbers(found["matrix"]["data"]), matrix.ravel())
    for row, leaf in zip(rows, found["rows"], strict=True):
        np.testing.assert_array_equal(numbers(leaf), row.astype(np.float64))
    assert [numbers(node["b"]).tolist() for node in found["maps"]] == [[0.25], [0.5]]


@pytest.mark.skipif(not hasattr(cv2, "ml"), reason="this OpenCV has no cv2.ml")
@pytest.mark.parametrize("suffix", [".xml", ".yml", ".json", ".json.gz"])
@pytest.mark.parametrize("kernel", ["LINEAR", "RBF"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_models_of_this_opencv_are_read_from_all_of_its_formats(tmp_path, rng, suffix, kernel, n_classes):
    X = rng.normal(size=(60, 5)).astype(np.float32)
    theirs = cv2.ml.SVM_create()
    theirs.setKernel(getattr(cv2.ml, f"SVM_{kernel}"))
    theirs.setGamma(0.3)
    theirs.train(X, cv2.ml.ROW_SAMPLE, (np.arange(60) % n_classes).astype(np.int32))
    theirs.save(str(tmp_path / f"model{suffix}"))
    ours = OpenCVSVM.load(tmp_path / f"model{suffix}")
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X)[1].ravel())


DEEP = {
    "xml": "<?xml version='1.0'?><opencv_storage>" + "<a>" * 100_000,
    "xml that ends": "<?xml version='1.0'?>" + "<a>" * 100_000 + "</a>" * 100_000,
    "json": '{"a":' * 100_000,
    "lists": '{"a":' + "[" * 100_000,
    "yaml": "%YAML:1.0\n---\n" + "\n".join(" " * depth + "a:" for depth in range(2000)),
    "yaml dashes": "%YAML:1.0\n---\na:\n" + "\n".join(" " * depth + "-" for depth in range(1, 2000)),
    "yaml brackets": "%YAML:1.0\n---\na: " + "{ a:" * 100_000,
}


@pytest.mark.parametrize("content", DEEP.values(), ids=DEEP)
def test_what_is_deeply_nested_is_refused(tmp_path, content):
    with pytest.raises(InputError, match="levels of them"):
        load(tmp_path, content)


BROKEN = {
    "an open list": '{"a":[',
    "an open map": "%YAML:1.0\n---\na: {",
    "an open text": '{"a":"',
    "a lone dash": "%YAML:1.0\n---\n-",
    "only a head": "%YAML:1.0",
    "a tab": "%YAML:1.0\n---\n\ta: 1",
    "a name alone": "%YAML:1.0\n---\nabc",
    "two of one name": '{"a": 1, "a": 2}',
    "behind the end": '{"a": 1} x',
    "no comma": '{"a": 1 "b": 2}',
    "xml with two roots": "<?xml version='1.0'?><a/><b/>",
    "xml with a text beside elements": "<?xml version='1.0'?><a>x<b/></a>",
    "an entity": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "an outer entity": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "another encoding": b'<?xml version="1.0" encoding="utf-7"?><a>+AGE-</a>',
    "no ASCII": '{"a": "ä"}',
    "zeros": bytes(5000),
    "another format": "hello",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_with_the_name_of_the_file(tmp_path, content):
    with pytest.raises(
        InputError, match=r"model\.any can't be read as a model of cv2\.ml\.SVM: it .*take a whole copy"
    ):
        load(tmp_path, content)


def test_entities_are_not_expanded(tmp_path):
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">{levels}]><opencv_storage>&a11;</opencv_storage>'
    with pytest.raises(InputError, match="document type"):
        load(tmp_path, bomb)


def test_sizes_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(opencv_storage, "LARGEST_TEXT", 100_000)
    for content in (gzip.compress(bytes(10**7)), b'{"a": ' + b" " * 200_000 + b"1}"):
        with pytest.raises(InputError, match="more than 100,000 bytes"):
            load(tmp_path, content)
    monkeypatch.setattr(opencv_storage, "MOST_NODES", 500)
    for content in ("<?xml version='1.0'?><a>" + "<_/>" * 600 + "</a>", '{"a": [' + "{}, " * 600 + "{}]}"):
        with pytest.raises(InputError, match="more than 500 values"):
            load(tmp_path, content)
    monkeypatch.undo()
    with pytest.raises(StorageError, match="longer than 20,000,000 characters"):
        numbers(" " * 20_000_001)
    monkeypatch.setattr(opencv_files, "MOST_WEIGHTS", 10)
    with pytest.raises(InputError, match="too many to be read here"):
        load(tmp_path, (MODELS / "rbf-10.yml").read_bytes())


WRONG = {
    "C of nan": ("C: 5.", "C: .Nan"),
    "C below 0": ("C: 5.", "C: -5."),
    "C of a text": ("C: 5.", "C: five"),
    "infinite gamma": ("gamma: 0.5", "gamma: 1e999"),
    "gamma of 0": ("gamma: 0.5", "gamma: 0."),
    "tolerance below 0": ("epsilon:0.001", "epsilon:-0.001"),
    "half an iteration": ("iterations:1000000", "iterations:0.5"),
    "more vectors than there are": ("sv_total: 68", "sv_total: 2147483648"),
    "no vectors": ("sv_total: 68", "sv_total: 0"),
    "fewer numbers in each": ("var_count: 16", "var_count: 15"),
    "more numbers in each": ("var_count: 16", "var_count: 1000000000"),
    "a vector that is too large": ("[ 0., 0.71875,", "[ 0., 1e300,"),
    "a class twice": ("data: [ 0, 1, 2,", "data: [ 0, 1, 1,"),
    "half a class": ("data: [ 0, 1, 2,", "data: [ 0, 0.5, 2,"),
    "a class too few": ("data: [ 0, 1, 2,", "data: [ 1, 2,"),
    "an anchor": ("gamma: 0.5", "gamma: &a 0.5"),
    "digits that Python reads and C doesn't": ("gamma: 0.5", "gamma: 1_0"),
}


@pytest.mark.parametrize(("right", "wrong"), WRONG.values(), ids=WRONG)
def test_numbers_that_cant_be_are_refused(tmp_path, right, wrong):
    text = (MODELS / "rbf-10.yml").read_text()
    assert text.count(right) >= 1
    with pytest.raises(InputError, match=r"model\.any can't be read as a model"):
        load(tmp_path, text.replace(right, wrong, 1))


@pytest.mark.parametrize("place", ["68", "-1", "99999999999999999999", "0.5"])
def test_a_function_of_vectors_that_are_not_there_is_refused(tmp_path, place):
    text = (MODELS / "rbf-10.yml").read_text()
    changed = re.sub(r"index: \[ \d+", f"index: [ {place}", text, count=1)
    assert changed != text
    with pytest.raises(InputError, match="decision function 0"):
        load(tmp_path, changed)
