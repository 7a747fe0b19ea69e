"""How a user's own pictures may lie: parts, archives, tables."""

import gzip
import io
import os
import shutil
import struct
import tarfile
import zipfile

import cv2
import numpy as np
import pytest

from cvclassic.datasets import archives, load
from cvclassic.errors import DataError, InputError
from tests.damaged_pictures import saved

PARTS = {"train": 6, "val": 3, "test": 2}


def picture(seed):
    return saved("PNG", seed=seed)


def write_set(folder, parts=None, classes=("cat", "dog"), n=6):
    """Pictures that all differ; names of all, relative to the folder."""
    names, seed = [], 0
    for part, count in (parts or {"": n}).items():
        for label in classes:
            (folder / part / label).mkdir(parents=True, exist_ok=True)
            for k in range(count):
                path = folder / part / label / f"{k}.png"
                path.write_bytes(picture(seed := seed + 1))
                names.append(path.relative_to(folder).as_posix())
    return names


def zipped(folder, path, prefix=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def tarred(folder, path, mode="w"):
    with tarfile.open(path, mode) as archive:
        archive.add(folder, arcname=folder.name)
    return path


# --- parts


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "VALID", "Test"), ("TRAIN", "Validation", "test")]
)
def test_a_validation_part_is_what_is_validated_on(tmp_path, names):
    write_set(tmp_path, dict(zip(names, PARTS.values(), strict=True)))
    found = load(str(tmp_path))
    parts = [{found.names[k].split("/")[0] for k in rows} for rows in (found.train, found.validation, found.test)]
    assert parts == [{name} for name in names]
    assert (len(found.train), len(found.validation), len(found.test)) == (12, 6, 4)
    assert found.given_test
    assert found.warnings == ()
    assert np.array_equal(found.labels[found.validation], [0, 0, 0, 1, 1, 1])


def test_fewer_images_of_a_set_with_a_validation_part_are_of_both_parts(tmp_path):
    write_set(tmp_path, {"train": 20, "val": 10, "test": 2})
    whole = load(str(tmp_path))
    previous = None
    for size in (4, 12, 30, 60):
        part = load(str(tmp_path), train_size=size)
        again = whole.with_train_size(size, seed=0)
        assert np.array_equal(part.train, again.train)
        assert np.array_equal(part.validation, again.validation)
        assert part.train_size == size
        assert set(part.train) <= set(whole.train)
        assert set(part.validation) <= set(whole.validation)
        assert set(part.labels[part.train]) == {0, 1}
        assert len(part.validation) == max(1, round(size / 3))
        assert previous is None or set(previous.train) <= set(part.train)
        previous = part
    with pytest.raises(InputError, match="use at most that"):
        whole.with_train_size(61, seed=0)


def test_without_a_test_part_the_validation_part_is_tested_on(tmp_path):
    write_set(tmp_path, {"train": 20, "val": 5})
    found = load(str(tmp_path))
    assert {found.names[k].split("/")[0] for k in found.test} == {"val"}
    assert {found.names[k].split("/")[0] for k in found.validation} == {"train"}
    assert found.given_validation is None
    assert found.warnings == (
        "there is no test part: val/ is what is tested on, and validation images are drawn from the training part",
    )


def test_copies_across_parts_are_left_out_where_they_would_be_learned_from(tmp_path):
    write_set(tmp_path, {"train": 6, "val": 3, "test": 3})
    shutil.copyfile(tmp_path / "test/cat/0.png", tmp_path / "train/cat/of test.png")
    shutil.copyfile(tmp_path / "test/cat/0.png", tmp_path / "val/cat/of test.png")
    shutil.copyfile(tmp_path / "val/dog/0.png", tmp_path / "train/dog/of val.png")
    shutil.copyfile(tmp_path / "val/dog/0.png", tmp_path / "train/dog/of val 2.png")
    found = load(str(tmp_path))
    assert not [name for name in found.names if "of" in name]
    assert (len(found.train), len(found.validation), len(found.test)) == (12, 6, 6)
    assert sorted(line for line in found.warnings if "left out" in line) == [
        "1 training images are copies of test images or of one group with them; they were left out of training",
        "1 validation images are copies of test images or of one group with them; they were left out of validation",
        "2 training images are copies of validation images or of one group with them; they were left out of training",
    ]
    kinds = {each.kind: each for each in found.findings}
    assert kinds["leaked_validation_images"].files == ("val/cat/of test.png", "val/dog/0.png")


def test_a_group_is_in_one_given_part_only(tmp_path):
    write_set(tmp_path, {"train": 6, "val": 3, "test": 3})
    for part in ("train", "val"):
        for label in ("cat", "dog"):
            (tmp_path / part / label / "0.png").rename(tmp_path / part / label / f"anna-{part}.png")
    found = load(str(tmp_path), group="(anna)")
    assert [name for name in found.names if "anna" in name] == ["val/cat/anna-val.png", "val/dog/anna-val.png"]


def test_a_validation_part_of_copies_is_refused(tmp_path):
    write_set(tmp_path, {"train": 6, "test": 3})
    shutil.copytree(tmp_path / "test", tmp_path / "val")
    with pytest.raises(DataError, match="All validation images are copies of test images"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: write_set(folder, {"train": 6, "val": 2, "valid": 2, "test": 2}), "for one part: val, valid"),
        (lambda folder: [(folder / part).mkdir(parents=True) for part in ("train", "test")], "no class folders"),
        (
            lambda folder: (
                write_set(folder, PARTS),
                shutil.rmtree(folder / "val/dog"),
                write_set(folder, {"test": 2}),
            ),
            "only in .*train: dog; only in .*test: dog|only in .*test: dog; only in .*train: dog",
        ),
    ],
)
def test_parts_that_can_not_be_are_refused(tmp_path, make, message):
    make(tmp_path / "set")
    with pytest.raises(DataError, match=message):
        load(str(tmp_path / "set"))


def test_folders_inside_of_a_class_are_of_that_class(tmp_path):
    write_set(tmp_path)
    (tmp_path / "cat" / "more" / "deep").mkdir(parents=True)
    (tmp_path / "cat" / "more" / "deep" / "x.png").write_bytes(picture(99))
    found = load(str(tmp_path))
    assert found.class_names[found.labels[found.names.index("cat/more/deep/x.png")]] == "cat"


# --- archives


@pytest.mark.parametrize("parts", [None, PARTS])
@pytest.mark.parametrize("kind", ["zip", "zip in a folder", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_an_archive_is_what_its_folder_is(tmp_path, kind, parts):
    folder = tmp_path / "photos"
    write_set(folder, parts)
    path = tmp_path / f"photos.{kind.partition(' ')[0]}"
    if kind.startswith("zip"):
        zipped(folder, path, "photos/" if kind != "zip" else "")
    else:
        tarred(folder, path, "w" + kind.replace("tar", "").replace(".", ":"))
    before = sorted(tmp_path.rglob("*"))
    expected, found = load(str(folder)), load(str(path))
    for name in ("images", "labels", "train", "validation", "test"):
        assert np.array_equal(getattr(expected, name), getattr(found, name)), name
    assert found.names == expected.names
    assert found.class_names == expected.class_names
    assert found.name == path.name
    assert sorted(tmp_path.rglob("*")) == before  # nothing is unpacked


def test_what_systems_put_into_archives_is_no_class(tmp_path):
    write_set(tmp_path / "photos")
    path = zipped(tmp_path / "photos", tmp_path / "photos.zip", "photos/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/photos/cat/._0.png", b"?")
        archive.writestr("photos/.DS_Store", b"?")
    found = load(str(path))
    assert found.class_names == ("cat", "dog")
    assert found.warnings == ()


HOSTILE = ["../dog/evil.png", "/etc/cat/evil.png", "cat/../../evil.png", "C:/cat/evil.png"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_that_lead_out_are_passed_over_and_told(tmp_path, kind):
    write_set(tmp_path / "set")
    path = tmp_path / f"set.{kind}"
    if kind == "zip":
        zipped(tmp_path / "set", path)
        with zipfile.ZipFile(path, "a") as archive:
            for name in HOSTILE:
                archive.writestr(name, picture(7))
    else:
        with tarfile.open(path, "w") as archive:
            for file in sorted((tmp_path / "set").rglob("*.png")):
                archive.add(file, arcname=file.relative_to(tmp_path / "set").as_posix())
            for name in HOSTILE:
                member = tarfile.TarInfo(name)
                member.size = len(picture(7))
                archive.addfile(member, io.BytesIO(picture(7)))
            link = tarfile.TarInfo("cat/link.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    found = load(str(path))
    assert len(found.images) == 12
    skipped = next(each for each in found.findings if each.kind == "skipped_files")
    assert set(HOSTILE) <= set(skipped.files)
    assert "a path that leads out of the archive" in skipped.text
    assert not list(tmp_path.parent.rglob("evil.png"))


def test_members_that_can_not_be_read_are_named(tmp_path):
    write_set(tmp_path / "set")
    path = zipped(tmp_path / "set", tmp_path / "set.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("cat/empty.png", b"")
        archive.writestr("cat/text.png", b"no picture")
        archive.writestr("cat/film.png", bytes(archives.READING.most + 1), compress_type=zipfile.ZIP_DEFLATED)
        archive.writestr("dog/wrong.png", picture(50))
    content = bytearray(path.read_bytes())
    place = content.index(picture(50)) + 100
    content[place] ^= 1
    path.write_bytes(content)
    found = load(str(path))
    assert len(found.images) == 12
    told = next(line for line in found.warnings if "could not be read" in line)
    for name in ("empty", "text", "film", "wrong"):
        assert f"/{name}.png" in told


def test_a_zip_whose_members_lie_about_their_size_costs_no_memory(tmp_path):
    """A member that unpacks to more than its head says is cut at that size, and its checksum is wrong then."""
    write_set(tmp_path / "set")
    path = zipped(tmp_path / "set", tmp_path / "set.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("cat/bomb.png", picture(1) + bytes(50_000_000), compress_type=zipfile.ZIP_DEFLATED)
    content, size = path.read_bytes(), struct.pack("<I", len(picture(1)) + 50_000_000)
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, struct.pack("<I", 1000)))
    found = load(str(path))
    assert "bomb.png" in found.warnings[0]


def bomb_zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(20):
            archive.writestr(f"cat/{k}.png", bytes(1_000_000))


def bomb_tar(path):
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(20):
            file.write(bytes(1_000_000))


def cut_zip(path):
    zipped(path.parent / "set", path)
    path.write_bytes(path.read_bytes()[:-300])


def cut_tar(path):
    tarred(path.parent / "set", path, "w:gz")
    path.write_bytes(path.read_bytes()[:-300])


def tar_with_a_large_header(path):
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 2**33
    path.write_bytes(member.tobuf() + bytes(1024))


def tar_in_a_circle(path):
    """A member of negative size, which would be read for ever."""
    member = tarfile.TarInfo("cat/x.png")
    content = bytearray(member.tobuf())
    content[124:136] = (-1024).to_bytes(12, "big", signed=True)
    checksum = sum(content[:148]) + 8 * 32 + sum(content[156:])
    content[148:156] = b"%06o\0 " % checksum
    path.write_bytes(bytes(content) + bytes(1024))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bomb_zip, "pictures don't grow so much"),
        (bomb_tar, "pictures don't grow so much"),
        (cut_zip, "damaged or no archive"),
        (cut_tar, "damaged or no archive"),
        (tar_with_a_large_header, "damaged or no archive"),
        (tar_in_a_circle, "damaged or no archive|no files"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "damaged or no archive"),
        (lambda path: path.write_bytes(b"no archive"), "neither a zip nor a tar archive"),
        (lambda path: path.write_bytes(b""), "neither a zip nor a tar archive"),
        (lambda path: os.mkfifo(path), "a device, pipe or socket"),
    ],
)
def test_archives_that_are_none_say_why(tmp_path, make, message, monkeypatch):
    monkeypatch.setattr(archives, "GROWTH_FREE", 2**20)  # in place of a gigabyte
    write_set(tmp_path / "set")
    make(tmp_path / "set.archive")
    with pytest.raises(DataError, match=message):
        load(str(tmp_path / "set.archive"))


# --- tables


def write_table(folder, lines, name="pictures.csv", encoding="utf-8"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def test_a_table_names_pictures_and_labels(tmp_path):
    names = write_set(tmp_path / "all")
    labels = ["no", "yes"] * 6
    lines = [f"{label},all/{name}" for name, label in zip(names, labels, strict=True)]
    found = load(str(write_table(tmp_path, ["Label,Path", *lines])))
    assert found.class_names == ("no", "yes")
    assert len(found.images) == 12
    by_name = {f"all/{name}": label for name, label in zip(names, labels, strict=True)}
    assert [found.class_names[label] for label in found.labels] == [by_name[name] for name in found.names]


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-8")])
def test_a_table_as_spreadsheets_write_it(tmp_path, separator, encoding):
    names = write_set(tmp_path)
    lines = [separator.join(("path", "label", "note"))]
    lines += [separator.join((f'"{name}"', name.split("/")[0], "a, b")) for name in names]
    found = load(str(write_table(tmp_path, lines, encoding=encoding)))
    assert found.class_names == ("cat", "dog")


def test_a_table_has_groups_and_parts(tmp_path):
    names = write_set(tmp_path, {"a": 6, "b": 3, "c": 3})
    part = {"a": "Train", "b": "valid", "c": "test"}
    rows = [name.split("/") for name in names]
    lines = [f"{'/'.join(row)},{row[1]},{part[row[0]]},{'anna' if row[2] == '0.png' else ''}" for row in rows]
    found = load(str(write_table(tmp_path, ["path,label,part,group", *lines])))
    assert {found.names[k][0] for k in found.validation} == {"b"}
    assert {found.names[k][0] for k in found.test} == {"c"}
    # Those of anna in the test part stay, the others of hers go.
    assert [name for name in found.names if name.endswith("0.png")] == ["c/cat/0.png", "c/dog/0.png"]


def test_pictures_of_a_group_in_a_table_stay_together(tmp_path):
    names = write_set(tmp_path, n=20)
    lines = [f"{name},{name[:3]},{int(name.split('/')[1][:-4]) // 4}" for name in names]
    found = load(str(write_table(tmp_path, ["path,label,group", *lines])))
    groups = [int(name.split("/")[1][:-4]) // 4 for name in found.names]
    for one, other in ((found.train, found.test), (found.validation, found.test), (found.train, found.validation)):
        assert not {groups[k] for k in one} & {groups[k] for k in other}


def test_pictures_of_a_table_that_are_not_there_are_named(tmp_path):
    names = write_set(tmp_path)
    path = write_table(tmp_path, ["path,label", *[f"{name},{name[:3]}" for name in [*names, "cat/gone.png"]]])
    found = load(str(path))
    assert len(found.images) == 12
    assert "cat/gone.png" in found.warnings[0]
    unreadable = next(each for each in found.findings if each.kind == "unreadable_files")
    assert "1 not there (cat/gone.png)" in unreadable.text


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,label", "a.png,x"], "no column path; its first line has file, label"),
        (["path", "a.png"], "no column label"),
        (["path,label,label", "a.png,x,y"], "two columns label"),
        (["path,label"], "names no pictures"),
        (["path,label", "cat/0.png,cat", "cat/1.png,"], "line 3: it needs a path and a label"),
        (["path,label", "cat/0.png,cat", "../x.png,dog"], "line 3: ../x.png lies outside of"),
        (["path,label", "cat/0.png,cat", "/etc/x.png,dog"], "line 3: /etc/x.png lies outside of"),
        (["path,label", "cat/0.png,cat", "cat/../cat/0.png,dog"], r"twice: cat/0.png in lines 2 and 3"),
        (["path,label", "cat/0.png,cat", "cat/1.png,cat"], "has 1 labels"),
        (["path,label,part", "cat/0.png,cat,train", "dog/1.png,dog,"], "line 3: part is ''"),
        (["path,label,part", "cat/0.png,cat,train", "dog/1.png,dog,train"], "the part train alone"),
        (["path,label", "cat/0.png,cat", "dog/0.png,dog"], r"3 image files or more; too few in cat \(1\), dog \(1\)"),
        (["path,label", "cat/0.png,cat", '"' + 200_000 * "x"], "can't be read as CSV"),
    ],
)
def test_a_table_that_is_none_says_why(tmp_path, lines, message):
    write_set(tmp_path)
    with pytest.raises(DataError, match=message):
        load(str(write_table(tmp_path, lines)))


def test_a_table_in_another_encoding_says_so(tmp_path):
    path = write_table(tmp_path, ["path,label", "ä.png,x"], encoding="latin-1")
    with pytest.raises(DataError, match="can't be read as CSV"):
        load(str(path))


def test_subfolders_are_no_groups_of_a_table(tmp_path):
    names = write_set(tmp_path)
    path = write_table(tmp_path, ["path,label", *[f"{name},{name[:3]}" for name in names]])
    with pytest.raises(InputError, match="give the CSV a column `group`"):
        load(str(path), group="subfolder")


# --- sizes


def pictures_of(folder, sides, n=4):
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for k in range(n):
            height, width = sides[k % len(sides)]
            image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / label / f"{k}.png"), image)


@pytest.mark.parametrize(
    ("sides", "resize", "size"),
    [
        ([(20, 20)], "pad", 32),
        ([(32, 32)], "pad", 32),
        ([(47, 47)], "pad", 32),
        ([(50, 50)], "pad", 48),
        ([(500, 300)], "pad", 64),
        ([(30, 60)], "pad", 48),
        ([(30, 60)], "crop", 32),
        ([(36, 72)], "stretch", 48),
        ([(20, 20), (64, 64), (64, 64), (900, 20)], "pad", 64),
    ],
)
def test_the_size_fits_the_pictures(tmp_path, sides, resize, size):
    pictures_of(tmp_path, sides)
    found = load(str(tmp_path), resize=resize)
    assert found.image_shape[:2] == (size, size)
    assert found.contract.resize == resize
    assert f"resized to {size} x {size}" in found.provenance


def test_images_that_do_not_fit_into_memory_are_refused_with_the_sum(tmp_path, monkeypatch):
    pictures_of(tmp_path, [(40, 40)])
    free = type("Memory", (), {"available": 700_000_000})
    monkeypatch.setattr("cvclassic.datasets.pictures.psutil.virtual_memory", lambda: free)
    with pytest.raises(InputError, match=r"8 x 4,000 x 4,000 x 3 bytes = 0.4 GB, and 0.7 GB of memory are free"):
        load(str(tmp_path), image_size=4000)
