import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvclassic.datasets import from_arrays, groups, load
from cvclassic.datasets.groups import copies_warning, groups_of_files, together
from cvclassic.errors import DataError, InputError
from cvclassic.images import digests

FILES = [Path("cat/p1_left.png"), Path("cat/p1_right.png"), Path("dog/p2.png"), Path("dog/wild/x.png")]


def parts_of(dataset):
    return [dataset.groups[part] for part in (dataset.train, dataset.validation, dataset.test)]


def assert_apart(dataset):
    for part in (dataset, *dataset.folds):
        groups = [] if part.folds else parts_of(part)
        for number, own in enumerate(groups):
            for other in groups[number + 1 :]:
                assert not np.isin(own, other).any()


def test_what_shares_a_key_belongs_together_also_by_way_of_others():
    copies, patients = ["a", "b", "a", "c", "d", None], [1, 1, 2, 2, 3, None]
    groups = together(copies, patients)
    assert len(set(groups[:4])) == 1  # 0 and 1 by patient, 0 and 2 by copy, 2 and 3 by patient
    assert len(set(groups)) == 3
    assert together(["a", "b"], [None, None]) is None


def test_copies_are_told_by_their_pixels(rng):
    images = rng.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    images[3] = images[1]
    keys = [bytes(digest) for digest in digests(images)]
    assert [keys.count(key) for key in keys] == [1, 2, 1, 2, 1]
    assert copies_warning(keys) == "1 image is an exact copy of another; copies stay in one part"
    assert copies_warning(keys[:3]) is None


def test_a_pattern_a_subfolder_and_a_csv_tell_the_groups(tmp_path):
    assert groups_of_files(r"p(\d)", FILES, 1) == ["1", "1", "2", None]
    assert groups_of_files(r"^[^_.]+", FILES, 1) == ["p1", "p1", "p2", "x"]
    assert groups_of_files("subfolder", FILES, 1) == [None, None, None, "wild"]
    inside = [Path("train", file) for file in FILES]
    assert groups_of_files("subfolder", inside, 2) == [None, None, None, "wild"]
    table = tmp_path / "who.csv"
    table.write_text("file,patient\n" + "".join(f"{file.as_posix()},{k % 2 or ''}\n" for k, file in enumerate(FILES)))
    assert groups_of_files(f"{table}:patient", FILES, 1) == [None, "1", None, "1"]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("(", "no regular expression"),
        ("patient", "matches no file's name, such as 'p1_left.png'"),
        ("subfolder", "no class folder has folders"),
        ("who.csv", "name the column too: who.csv:COLUMN"),
        ("missing.csv:patient", "missing.csv can't be read"),
        ("who.csv:age", "no column 'age'; it has file, patient"),
    ],
)
def test_what_tells_no_group_is_refused(tmp_path, monkeypatch, group, message):
    monkeypatch.chdir(tmp_path)
    Path("who.csv").write_text("file,patient\ncat/p1_left.png,1\n")
    with pytest.raises(InputError, match=message):
        groups_of_files(group, FILES[:3], 1)


def test_a_csv_that_lacks_files_names_them(tmp_path):
    (tmp_path / "who.csv").write_text("file,patient\ncat/p1_left.png,1\n")
    with pytest.raises(DataError, match=r"no row for cat/p1_right.png, dog/p2.png, dog/wild/x.png; its column"):
        groups_of_files(f"{tmp_path / 'who.csv'}:patient", FILES, 1)


@pytest.fixture
def folder(tmp_path, rng):
    """Two classes of 24 pictures of 6 persons, some of them in both; two copies, one of them in the other class."""
    root = tmp_path / "people"
    for name in ("glad", "sad"):
        for k in range(24):
            path = root / name / f"person{k % 6}" / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    shutil.copy(root / "glad" / "person0" / "0.png", root / "glad" / "person0" / "copy.png")
    shutil.copy(root / "glad" / "person1" / "1.png", root / "sad" / "person2" / "copy.png")
    return root


def test_copies_and_groups_are_in_one_part_of_every_split_and_fold(folder):
    alone = load(str(folder))
    assert len(alone.labels) == 50
    assert len(set(alone.groups)) == 48
    assert "2 images are exact copies of another; copies stay in one part" in alone.warnings
    for seed in range(5):
        assert_apart(load(str(folder), seed=seed).with_folds(5, seed=seed))
    grouped = load(str(folder), group="subfolder")
    assert sorted(np.unique(grouped.groups, return_counts=True)[1]) == [8, 8, 8, 9, 17]  # the copy joins two persons
    assert_apart(grouped)
    folds = grouped.with_folds(3, seed=0)
    assert_apart(folds)
    assert np.array_equal(np.sort(np.concatenate([fold.test for fold in folds.folds])), np.arange(50))
    smaller = grouped.with_train_size(20, seed=0)
    assert_apart(smaller)
    assert np.array_equal(smaller.test, grouped.test)


def test_training_images_that_are_copies_of_given_test_images_are_left_out(folder, tmp_path, rng):
    for part in ("train", "test"):
        shutil.copytree(folder, tmp_path / "parts" / part)
    with pytest.raises(DataError, match=r"Of glad \(25 images\), sad \(25 images\) too few training images are left"):
        load(str(tmp_path / "parts"))
    for k, path in enumerate(sorted((tmp_path / "parts" / "test").rglob("*.png"))):
        if k % 7:
            path.unlink()
    parts = load(str(tmp_path / "parts"))
    assert len(parts.test) == 8
    assert parts.train_size == 50 - 9  # one of the eight has a copy beside it
    assert any("training images are copies of test images" in warning for warning in parts.warnings)
    X = rng.integers(0, 256, (20, 8, 8), dtype=np.uint8)
    arrays = from_arrays(X, np.arange(20) % 2, X[:3], np.arange(3) % 2)
    assert arrays.train_size == 17
    assert arrays.given_test


def test_groups_of_arrays_stay_together_and_are_checked(rng):
    X, y = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), np.arange(40) % 2
    dataset = from_arrays(X, y, groups=np.arange(40) // 4)
    assert_apart(dataset.with_folds(4, seed=1))
    assert from_arrays(X, y).groups is None
    with pytest.raises(InputError, match="groups has shape"):
        from_arrays(X, y, groups=[1, 2])
    with pytest.raises(InputError, match="nearly all of its images are of one group"):
        from_arrays(X, y, groups=np.where(y, 0, np.arange(40) + 1)).with_folds(4, seed=0)


def test_a_group_is_for_folders():
    with pytest.raises(InputError, match="digits has none"):
        load("digits", group="subfolder")


def test_an_expression_that_never_ends_is_ended(monkeypatch):
    monkeypatch.setattr(groups, "SEARCH_SECONDS", 0.5)
    with pytest.raises(InputError, match=r"takes more than 0.5 s. Let no part that repeats hold another"):
        groups_of_files("(a+)+$", [Path("a/" + "a" * 60 + "b.png")], 1)


@pytest.mark.parametrize(
    "pattern", ["(" * 5000 + ")" * 5000, "a{99999999999999999999}", "(?P<a>x)(?P<a>y)", "[" * 90_000]
)
def test_an_expression_that_python_refuses_is_told_in_few_words(pattern):
    with pytest.raises(InputError, match="that is no regular expression") as error:
        groups_of_files(pattern, FILES, 1)
    assert len(str(error.value)) < 700


def test_names_that_are_no_text_are_searched():
    assert groups_of_files(r"p(.)", [Path("a/p\udcff.png"), Path("a/pä.png")], 1) == ["\udcff", "ä"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no column 'file'; it is empty"),
        (b"file,patient\nx/1.png,\xff\xfe", "can't be read"),
        (b"file,patient\n" + b"x" * 200_000, "can't be read: field larger"),
        (b"file" + b"[" * 5000 + b",patient\n", "has no column 'file'; it has file"),
        (b"file,patient\nx/1.png", None),  # a row that ends before the column
        (b"file,patient\n" + b"y.png,1\n" * 1000 + b"x/1.png,7,8,9\n\n", "7"),
    ],
)
def test_tables_of_all_kinds(tmp_path, content, message):
    table = tmp_path / "who.csv"
    table.write_bytes(content)
    if message in (None, "7"):
        assert groups_of_files(f"{table}:patient", [Path("x/1.png")], 1) == [message]
        return
    with pytest.raises(InputError, match=message) as error:
        groups_of_files(f"{table}:patient", [Path("x/1.png")], 1)
    assert "who.csv" in str(error.value)
    assert len(str(error.value)) < 700


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that are files")
def test_a_table_that_is_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "who.csv")
    with pytest.raises(InputError, match=r"who.csv is no file of at most"):
        groups_of_files(f"{tmp_path / 'who.csv'}:patient", FILES, 1)
    monkeypatch.setattr(groups, "LARGEST_TABLE", 10)
    (tmp_path / "long.csv").write_text("file,patient\n")
    with pytest.raises(InputError, match=r"long.csv is no file of at most 10 bytes"):
        groups_of_files(f"{tmp_path / 'long.csv'}:patient", FILES, 1)
