"""Pictures in object stores, by the commands and in memory: as if they lay on disk."""

import functools
import http.server
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cvclassic.datasets import load
from cvclassic.decoding import cache
from cvclassic.errors import DataError, InputError, MissingDependencyError
from tests.damaged_pictures import flipped, saved
from tests.object_store import SECRET, object_store

fsspec = pytest.importorskip("fsspec")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes of different sizes and formats, and what else lies in folders."""
    folder = tmp_path_factory.mktemp("pictures")
    for label, n in {"cat": 9, "dög b": 5}.items():
        (folder / label / "more").mkdir(parents=True)
        for k in range(n):
            kind = ("PNG", "JPEG")[k % 2]
            content = saved(kind, side=24 + 5 * k, seed=k + 100 * len(label))
            (folder / label / ("more" if k == 3 else "") / f"{k}.{kind.lower()}").write_bytes(content)
    (folder / "cat" / ".hidden.png").write_bytes(b"x")
    (folder / "cat" / "notes.txt").write_bytes(b"x")
    (folder / "cat" / "broken.png").write_bytes(flipped())
    (folder / "cat" / "empty.jpg").write_bytes(b"")
    (folder / "readme.txt").write_bytes(b"x")
    return folder


@pytest.fixture(scope="module")
def store(pictures):
    """A server that has these pictures."""
    with object_store() as running:
        running.put(pictures, "pictures")
        for label in ("cat", "dög b"):
            running.files.pipe_file(f"bucket/pictures/{label}/", b"")  # as consoles mark folders
        yield running


def in_memory(folder, name):
    """The files of a folder under memory://name."""
    files = fsspec.filesystem("memory")
    for path in folder.rglob("*"):
        if path.is_file():
            files.pipe_file(f"/{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"memory://{name}"


def assert_same(found, expected):
    """Two data sets with the same images in the same splits."""
    assert found.names == expected.names
    assert found.class_names == expected.class_names
    assert found.warnings == expected.warnings
    for name in ("images", "labels", "train", "validation", "test"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))


def test_an_object_store_gives_what_the_folder_gives(store, pictures):
    found = load("s3://bucket/pictures")
    assert_same(found, load(str(pictures)))
    assert len(found.warnings) == 1
    assert "cat/broken.png, cat/empty.jpg" in found.warnings[0]
    assert found.name == "pictures"
    assert found.provenance.startswith("s3://bucket/pictures, 14 image files")
    assert_same(load("s3://bucket/pictures/"), found)


def test_files_that_a_store_says_are_unchanged_come_from_the_cache(store, tmp_path, monkeypatch):
    monkeypatch.setenv("CVCLASSIC_CACHE", str(tmp_path))
    first = load("s3://bucket/pictures", image_size=32)
    asked = []
    read = cache._read_checked
    monkeypatch.setattr(cache, "_read_checked", lambda *args: asked.append(args) or read(*args))
    assert_same(load("s3://bucket/pictures", image_size=32), first)
    assert len(asked) == 2  # the unreadable ones, which something installed since might read

    store.files.pipe_file("bucket/pictures/cat/0.png", saved("PNG", seed=77))
    try:
        changed = load("s3://bucket/pictures", image_size=32)
        differ = np.flatnonzero((changed.images != first.images).any((1, 2, 3)))
        assert [changed.names[k] for k in differ] == ["cat/0.png"]
    finally:
        store.files.pipe_file("bucket/pictures/cat/0.png", saved("PNG", side=24, seed=300))


def test_memory_file_and_zip_urls(pictures, tmp_path):
    expected = load(str(pictures))
    assert_same(load(in_memory(pictures, "pictures-in-memory")), expected)
    assert_same(load(f"file://{pictures}"), expected)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(pictures.rglob("*.*")):
            archive.write(path, path.relative_to(pictures).as_posix())
    fsspec.filesystem("memory").pipe_file("/archives/set.zip", (tmp_path / "set.zip").read_bytes())
    assert_same(load("zip://::memory://archives/set.zip"), expected)
    with pytest.raises(InputError, match=r"Name zip://::memory://archives/set\.zip"):
        load("memory://archives/set.zip")


def test_a_web_server_that_lists_its_folders(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for k in range(4):
            (tmp_path / label / f"{k}.png").write_bytes(saved("PNG", seed=k + ord(label[0])))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            assert_same(load(f"http://127.0.0.1:{server.server_port}/"), load(str(tmp_path)))
        finally:
            server.shutdown()


def test_a_table_in_a_store(store, pictures, tmp_path):
    rows = ["path,label", "cat/0.png,a", "cat/2.png,a", "s3://bucket/pictures/cat/1.jpeg,a"]
    rows += [f"dög b/{name},b" for name in ("0.png", "1.jpeg", "2.png", "none.png")]
    store.files.pipe_file("bucket/pictures/table.csv", "\n".join(rows).encode())
    found = load("s3://bucket/pictures/table.csv", image_size=32)
    assert found.names == ("cat/0.png", "cat/1.jpeg", "cat/2.png", "dög b/0.png", "dög b/1.jpeg", "dög b/2.png")
    whole = load(str(pictures), image_size=32)
    assert np.array_equal(found.images, whole.images[[whole.names.index(name) for name in found.names]])
    assert "none.png" in found.warnings[0]


@pytest.mark.parametrize("path", ["../other/1.png", "/etc/1.png", "s3://other/1.png", "cat/../../1.png"])
def test_a_table_in_a_store_names_nothing_outside(path):
    fsspec.filesystem("memory").pipe_file("/tables/t.csv", f"path,label\ncat/0.png,a\n{path},b\n".encode())
    with pytest.raises(DataError, match=r"line 3: .* lies outside of memory://tables"):
        load("memory://tables/t.csv")


def test_names_that_lead_out_are_passed_over_and_told():
    files = fsspec.filesystem("memory")
    for label in ("cat", "dog"):
        for k in range(4):
            files.pipe_file(f"/odd/{label}/{k}.png", saved("PNG", seed=k + ord(label[0])))
    files.store["/odd/cat/../../escape.png"] = files.store["/odd/cat/0.png"]
    found = load("memory://odd")
    assert len(found.names) == 8
    assert not any(".." in name for name in found.names)


@pytest.mark.parametrize(
    ("url", "error", "told"),
    [
        ("s3://no-such-bucket/x", DataError, "There is nothing at s3://no-such-bucket/x"),
        ("s3://bucket/nothing", DataError, "There is nothing at s3://bucket/nothing"),
        ("s3://bucket/pictures/cat", DataError, "no folder of class folders"),
        ("s3://key:secret@bucket/x", InputError, "holds a password"),
        ("https://host/x?signature=abc", InputError, "may be a signature"),
        ("reference://x", InputError, "no pictures are read by reference"),
        ("simplecache::s3://bucket/pictures", InputError, "no pictures are read by simplecache"),
        ("http://127.0.0.1:9/x", DataError, "does not answer"),
    ],
)
def test_what_is_wrong_is_told(store, url, error, told):
    with pytest.raises(error, match=told) as raised:
        load(url)
    assert "secret" not in str(raised.value)
    assert "abc" not in str(raised.value)


def test_a_store_that_refuses_is_no_damaged_picture(pictures, monkeypatch):
    """Else all that a lapsed permission hides would be left out."""
    url = in_memory(pictures, "refused")

    def refused(self, path, **_):
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", refused)
    with pytest.raises(DataError, match=r"may not be read \(PermissionError: Access Denied\). Give credentials"):
        load(url, image_size=32)


def test_drivers_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingDependencyError, match="pip install gcsfs"):
        load("gs://bucket/x")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingDependencyError, match=r"cvclassic\[dask\]"):
        load("memory://x")


def test_offline_touches_no_network():
    with pytest.raises(InputError, match="offline"):
        load("s3://bucket/pictures", offline=True)


def test_nothing_of_dask_or_fsspec_is_imported_for_a_folder(pictures):
    program = (
        "import sys; from cvclassic.datasets import load; load(sys.argv[1]);"
        "print([name for name in ('dask', 'distributed', 'fsspec', 'zarr') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(pictures)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.slow
def test_the_commands_take_urls_and_write_no_credentials(store, pictures, tmp_path):
    def run(*arguments):
        program = ["-m", "cvclassic"] if arguments[0] in ("check", "train", "predict") else ["compare.py"]
        return subprocess.run(
            [sys.executable, *program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
        )

    out, model = tmp_path / "run", tmp_path / "model.cvc"
    options = ["--preset", "quick", "--folds", "1"]
    done = run("s3://bucket/pictures", "--pipeline", "hog_linear_svm", "--out", str(out), *options)
    assert done.returncode == 0, done.stderr
    assert run("check", "s3://bucket/pictures").returncode == 0
    done = run("train", "hog_linear_svm", "s3://bucket/pictures", "--save", str(model), *options)
    assert done.returncode == 0, done.stderr
    here = run("predict", str(model), str(pictures / "cat"))
    far = run("predict", str(model), "s3://bucket/pictures/cat")
    assert (here.returncode, far.returncode) == (1, 1)  # two files can't be read
    assert far.stdout == here.stdout.replace(str(pictures), "s3://bucket/pictures")
    assert "s3://bucket/pictures/cat/empty.jpg: empty" in far.stderr
    lost = run("s3://no-such-bucket/x", "--out", str(tmp_path / "other"))
    assert lost.returncode == 2
    assert "Traceback" not in lost.stderr
    written = [path for folder in (out, tmp_path) for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 10
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
