"""Many files at once, each of which may be no picture."""

import os
import re
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from cvclassic.decoding import InputContract, UnreadableError, file_content, read_contents, read_pictures
from cvclassic.decoding.budget import Budget
from tests.damaged_pictures import KINDS, saved, write_damaged

CONTRACT = InputContract(32, 32, 3)
linux = pytest.mark.skipif(sys.platform != "linux", reason="pipes and /proc are Linux's")


def write_pictures(folder, n):
    paths = [folder / f"{k}.png" for k in range(n)]
    for k, path in enumerate(paths):
        Image.new("RGB", (40, 40), (k, 0, 0)).save(path)
    return paths


@pytest.mark.parametrize("n", [0, 1, 3, 64, 200])
def test_pictures_come_in_order_with_what_their_files_are_like(tmp_path, n):
    paths = write_pictures(tmp_path, n)
    told = []
    found = read_pictures(paths, CONTRACT, progress=told.append)
    assert found.images.shape == (n, 32, 32, 3)
    assert found.images[:, 0, 0, 0].tolist() == list(range(n))
    assert found.rows.tolist() == list(range(n))
    assert found.unreadable == {}
    assert found.facts.tolist() == [[path.stat().st_size, 40, 40, 3, 8] for path in paths]
    assert sum(told) == n


def test_a_gray_contract_gives_gray_images(tmp_path):
    found = read_pictures(write_pictures(tmp_path, 3), InputContract(16, 24, 1))
    assert found.images.shape == (3, 16, 24)


@linux
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_damage_costs_its_own_file(tmp_path, kind):
    good = write_pictures(tmp_path, 2)
    write, told = KINDS[kind]
    write(tmp_path / kind)
    found = read_pictures([good[0], tmp_path / kind, good[1]], CONTRACT)
    assert found.rows.tolist() == [0, 2]
    assert found.images[:, 0, 0, 0].tolist() == [0, 1]
    assert list(found.unreadable) == [1]
    assert re.search(told, found.unreadable[1]), found.unreadable


@linux
def test_what_is_no_file_is_said_to_be_none(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(tmp_path)  # a socket's path may be 108 bytes long
        try:
            listening.bind("socket.png")
        finally:
            os.chdir(here)
        names = ["folder.png", "link.png", "socket.png", "not there.png", "a\0b.png"]
        found = read_pictures([*(tmp_path / name for name in names[:-1]), names[-1], "/dev/zero"], CONTRACT)
    no_file = "no file, but a folder, pipe, device or socket"
    assert list(found.unreadable.values()) == [
        *(no_file, "not there", no_file, "not there"),
        *("not readable for this user", no_file),
    ]


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path):
    [path] = write_pictures(tmp_path, 1)
    path.chmod(0)
    assert read_pictures([path], CONTRACT).unreadable == {0: "not readable for this user"}


def test_a_large_file_that_is_no_picture_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "film.png"
    with open(path, "wb") as file:
        file.truncate(200 * 2**20)
    read, real = [], os.read
    monkeypatch.setattr(os, "read", lambda file, n: read.append(n) or real(file, n))
    with pytest.raises(UnreadableError, match="no picture"), file_content(path):
        pass
    assert sum(read) <= 64


def test_threads_wait_for_memory():
    """Never more is in use than there is, and what is asked for beyond all of it is all of it."""
    budget, used, most, lock = Budget(100), 0, 0, threading.Lock()

    def use(n):
        nonlocal used, most
        for _ in range(50):
            with budget.taking(n):
                with lock:
                    used += min(n, 100)
                    most = max(most, used)
                with lock:
                    used -= min(n, 100)

    threads = [threading.Thread(target=use, args=(n,)) for n in (10, 40, 60, 90, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert (used, most <= 100) == (0, True)


def test_large_files_are_read_a_few_at_a_time(tmp_path):
    """More threads than there is memory for large files; all are read in the end."""
    content = saved("PNG", side=1500)
    held = []

    def large():
        return file_content(path)

    path = tmp_path / "large.png"
    path.write_bytes(content)
    found = read_contents([large] * 12, CONTRACT, progress=held.append)
    assert len(found.images) == sum(held) == 12
    assert np.array_equal(found.images, np.repeat(found.images[:1], 12, axis=0))


MEMORY = """
import resource, sys, time
from pathlib import Path
import numpy as np
from PIL import Image
from cvclassic.decoding import InputContract, read_pictures
folder = Path(sys.argv[1])
paths = sorted(path for path in folder.rglob("*.*") if not path.name.startswith("."))
read_pictures(paths[:1], InputContract(32, 32, 3))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = read_pictures(paths, InputContract(32, 32, 3))
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
names = [str(paths[k].relative_to(folder)) for k in found.unreadable]
print(len(found.images), grown, *names)
"""


@linux
def test_a_folder_with_damaged_files_of_all_kinds(tmp_path):
    """All are named, all good ones used, in less than a gigabyte beside the images."""
    bad = write_damaged(tmp_path / "set", 300, each=3)
    ran = subprocess.run([sys.executable, "-c", MEMORY, tmp_path / "set"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    n, grown, *names = ran.stdout.split()
    assert int(n) == 300
    assert sorted(names) == sorted(bad)
    assert int(grown) < 2**20
