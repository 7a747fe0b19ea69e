"""Images that were read before come from the cache, and nothing that lies in it does harm."""

import os
import shutil
import subprocess
import sys
import time
from functools import partial

import cv2
import numpy as np
import pytest

from cvclassic.decoding import InputContract, cache, file_content, pixels, read_set
from tests.damaged_pictures import saved, write_damaged

CONTRACT = InputContract(32, 32, 3)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("CVCLASSIC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def paths(tmp_path):
    found = [tmp_path / f"{k:03}.png" for k in range(100)]
    for k, path in enumerate(found):
        path.write_bytes(saved("PNG", seed=k))
    return found


@pytest.fixture
def decoded(monkeypatch):
    """Grows by one for each picture that is decoded."""
    calls, real = [], pixels.read_image
    monkeypatch.setattr("cvclassic.decoding.reading.read_image", lambda *given: calls.append(1) or real(*given))
    return calls


def read(paths, contract=CONTRACT, **options):
    return read_set([partial(file_content, path) for path in paths], contract, **options)


def same(one, other):
    assert np.array_equal(one.images, other.images)
    assert np.array_equal(one.facts, other.facts)
    assert np.array_equal(one.rows, other.rows)
    assert one.unreadable == other.unreadable


def test_the_second_time_nothing_is_decoded(paths, decoded):
    told = []
    first = read(paths, progress=told.append)
    assert len(decoded) == sum(told) == 100
    same(first, read(paths, progress=told.append))
    assert (len(decoded), sum(told)) == (100, 200)


def test_the_content_counts_and_not_the_name(paths, decoded, tmp_path):
    first = read(paths)
    moved = [shutil.move(path, tmp_path / f"moved-{99 - k:03}.png") for k, path in enumerate(paths)]
    same(first, read(moved))
    assert len(decoded) == 100


def test_another_content_of_the_same_name_size_and_time_is_seen(paths, decoded):
    first = read(paths)
    status, content = paths[7].stat(), bytearray(saved("BMP", seed=7))
    paths[7].write_bytes(content)
    size = paths[7].stat().st_size
    second = read(paths)
    content[-1] ^= 255
    paths[7].write_bytes(content)
    os.utime(paths[7], ns=(status.st_atime_ns, status.st_mtime_ns))
    assert paths[7].stat().st_size == size
    third = read(paths)
    assert not np.array_equal(second.images[7], third.images[7])
    assert np.array_equal(np.delete(first.images, 7, axis=0), np.delete(third.images, 7, axis=0))
    assert 100 < len(decoded) < 200  # the other entries were used


@pytest.mark.parametrize("other", [InputContract(32, 48, 3), InputContract(32, 32, 3, "crop")])
def test_another_contract_has_entries_of_its_own(paths, decoded, other):
    read(paths)
    read(paths, other)
    assert len(decoded) == 200


def test_files_that_can_not_be_read_are_looked_at_again(tmp_path, decoded):
    bad = write_damaged(tmp_path / "set", 60, each=2)
    paths = sorted(path for path in (tmp_path / "set").rglob("*.*") if not path.name.startswith("."))
    first = read(paths)
    assert len(first.unreadable) == len(bad)
    n = len(decoded)
    same(first, read(paths))
    assert len(decoded) - n < len(bad)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"0"),
        lambda path: path.write_bytes(bytes(len(path.read_bytes()))),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        lambda path: (path.unlink(), os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 2**40)),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")
def test_damaged_and_hostile_entries_are_not_used(paths, own_cache, harm):
    first = read(paths)
    entries = list(own_cache.iterdir())
    assert len(entries) > 3
    for entry in entries:
        harm(entry)
    same(first, read(paths))


def test_two_processes_at_once_read_the_same(paths, own_cache):
    script = (
        "import sys; from functools import partial; from cvclassic.decoding import *;"
        "found = read_set([partial(file_content, path) for path in sys.argv[1:]], InputContract(32, 32, 3));"
        "print(found.images.sum(), len(found.images))"
    )
    command = [sys.executable, "-c", script, *map(str, paths)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert answers == {f"{read(paths).images.sum()} 100\n"}
    assert not [entry for entry in own_cache.iterdir() if entry.name.startswith(".half-")]


def test_where_nothing_can_be_kept_pictures_are_read_all_the_same(paths, decoded, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CVCLASSIC_CACHE", str(tmp_path / "file"))
    same(read(paths), read(paths))
    assert len(decoded) == 200


def test_entries_that_were_not_used_for_longest_go(paths, own_cache, monkeypatch):
    read(paths[:80])
    old = set(own_cache.iterdir())
    for entry in old:
        os.utime(entry, (1e9, 1e9))
    most = sum(entry.stat().st_size for entry in old) + 1000
    monkeypatch.setattr(cache, "MOST_BYTES", most)
    read(paths[80:])
    left = set(own_cache.iterdir())
    assert old & left < old
    assert sum(entry.stat().st_size for entry in left) <= most
    new = left - old
    read(paths[80:])
    assert new <= set(own_cache.iterdir())


def test_what_was_never_finished_goes_after_a_while(paths, own_cache):
    read(paths)
    for name, age in ((".half-old", 7200), (".half-new", 60)):
        (own_cache / name).touch()
        os.utime(own_cache / name, (time.time() - age,) * 2)
    read(paths)
    assert not (own_cache / ".half-old").exists()
    assert (own_cache / ".half-new").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are of POSIX")
def test_other_users_see_nothing(paths, own_cache):
    read(paths)
    assert own_cache.stat().st_mode & 0o077 == 0
    assert all(entry.stat().st_mode & 0o077 == 0 for entry in own_cache.iterdir())


def test_the_setting_of_opencv_is_as_it_was(paths):
    before = cv2.getNumThreads()
    read(paths)
    assert cv2.getNumThreads() == before
