"""The content of files far away: within the bounds of local ones, in few requests."""

import pickle
import zipfile

import pytest

from cvclassic.decoding import InputContract, UnreadableError, is_url, local_path, read_pictures, remote
from cvclassic.decoding.budget import Budget
from cvclassic.decoding.remote import identity, open_place
from cvclassic.errors import DataError
from tests.damaged_pictures import saved

fsspec = pytest.importorskip("fsspec")
CONTRACT = InputContract(32, 32, 3)


@pytest.fixture
def files():
    """An empty file system in memory."""
    found = fsspec.filesystem("memory")
    found.store.clear()
    found.pseudo_dirs[:] = [""]
    return found


@pytest.fixture
def asked(files, monkeypatch):
    """What was asked of the store: names of files with the first and the last byte."""
    requests = []
    read = type(files).cat_file

    def cat_file(self, path, start=None, end=None, **options):
        requests.append((path, start, end))
        return read(self, path, start=start, end=end, **options)

    monkeypatch.setattr(type(files), "cat_file", cat_file)
    return requests


def content_of(name):
    with open_place("memory://set").content(name)() as content:
        return content


def test_a_small_file_takes_one_request_and_a_large_one_two(files, asked, monkeypatch):
    content = saved("PNG", side=64)
    files.pipe_file("/set/a.png", content)
    assert content_of("a.png") == content
    assert len(asked) == 1
    for first in (64, len(content) - 1, len(content), len(content) + 1):
        asked.clear()
        monkeypatch.setattr(remote, "FIRST_BYTES", first)
        assert content_of("a.png") == content
        assert len(asked) == (2 if first < len(content) - 1 else 1)


def test_no_more_is_asked_for_than_a_picture_may_have(files, asked, monkeypatch):
    monkeypatch.setattr(remote, "FIRST_BYTES", 100)
    monkeypatch.setattr(remote, "READING", Budget(1000))
    files.pipe_file("/set/large.png", saved("PNG", side=48) + bytes(5000))
    with pytest.raises(UnreadableError, match=r"too large: .* bytes, and at most 1,000 are read"):
        content_of("large.png")
    assert asked == [("/set/large.png", 0, 101)]
    asked.clear()
    files.pipe_file("/set/text.png", b"x" * 5000)
    with pytest.raises(UnreadableError, match="no picture"):
        content_of("text.png")
    assert len(asked) == 1


def test_empty_and_missing_files(files):
    files.pipe_file("/set/empty.png", b"")
    with pytest.raises(UnreadableError, match=r"^empty$"):
        content_of("empty.png")
    with pytest.raises(UnreadableError, match=r"^not there$"):
        content_of("none.png")


def test_a_file_that_changes_between_two_requests(files, monkeypatch):
    monkeypatch.setattr(remote, "FIRST_BYTES", 100)
    content = saved("PNG", side=48)
    files.pipe_file("/set/a.png", content)
    monkeypatch.setattr(type(files), "info", lambda self, path: {"size": len(content) + 10})
    with pytest.raises(UnreadableError, match="cut off"):
        content_of("a.png")


def test_a_server_that_gives_all_whatever_is_asked_for(files, monkeypatch):
    content = saved("PNG", side=48)
    monkeypatch.setattr(remote, "FIRST_BYTES", 100)
    files.pipe_file("/set/a.png", content)
    monkeypatch.setattr(type(files), "cat_file", lambda self, path, **_: content)
    assert content_of("a.png") == content
    monkeypatch.setattr(remote, "READING", Budget(200))
    with pytest.raises(UnreadableError, match="too large"):
        content_of("a.png")


def test_paths_and_urls_are_read_together(files, tmp_path):
    content = saved("JPEG", seed=3)
    (tmp_path / "a.jpg").write_bytes(content)
    files.pipe_file("/set/a.jpg", content)
    found = read_pictures([tmp_path / "a.jpg", "memory://set/a.jpg", "memory://set/b.jpg"], CONTRACT)
    assert found.unreadable == {2: "not there"}
    assert (found.images[0] == found.images[1]).all()


def test_a_folder_that_can_t_be_listed_is_no_empty_one(files, monkeypatch):
    """fsspec's own `find` passes over it."""
    files.pipe_file("/set/cat/a.png", b"x")
    files.pipe_file("/set/dog/a.png", b"x")
    listed = type(files).ls

    def ls(self, path, detail=True, **options):
        if path.rstrip("/").endswith("dog"):
            raise PermissionError("not for you")
        return listed(self, path, detail=detail, **options)

    assert sorted(open_place("memory://set").names()) == ["cat/a.png", "dog/a.png"]
    monkeypatch.setattr(type(files), "ls", ls)
    with pytest.raises(DataError, match="may not be read"):
        open_place("memory://set").names()


def test_a_place_can_be_sent_to_other_processes(files):
    files.pipe_file("/set/cat/a.png", saved("PNG"))
    place = pickle.loads(pickle.dumps(open_place("memory://set")))
    assert list(place.names()) == ["cat/a.png"]
    assert place.folders() == ["cat"]
    assert place.url_of("cat/a.png") == "memory://set/cat/a.png"
    with zipfile.ZipFile(files.open("/a.zip", "wb"), "w") as archive:
        archive.writestr("x.png", saved("PNG"))
    assert open_place("zip://::memory://a.zip").url_of("x.png") == "zip://x.png::memory://a.zip"
    assert read_pictures(["zip://x.png::memory://a.zip"], CONTRACT).unreadable == {}


def test_identities_change_with_what_a_store_tells():
    told = {"size": 10, "ETag": '"abc"'}
    own = identity("s3://b", told)
    assert len(own) == 16
    assert own == identity("s3://b", dict(told))
    others = [
        identity("s3://c", told),
        identity("s3://b", {**told, "size": 11}),
        identity("s3://b", {**told, "ETag": 1}),
    ]
    assert len({own, *others}) == 4
    assert identity("http://b", {"size": 10, "type": "file"}) is None


@pytest.mark.parametrize(
    ("name", "url"),
    [("s3://b/x", True), ("zip://::s3://b/x.zip", True), ("memory://x", True), ("http://h/x", True)]
    + [(name, False) for name in ("C:\\x", "C:/x", "folder/x", "file:///x", "digits", "a:b", "")],
)
def test_what_is_a_url(name, url):
    assert is_url(name) == url


def test_file_urls_are_paths():
    assert local_path("file:///a/b c") == "/a/b c"
    assert local_path("/a/b") is None
