"""Downloads from a server on this machine: the code runs as it does against the real one, with other addresses."""

import hashlib
import http.server
import pickle
import socket
import tarfile
import threading

import numpy as np
import pytest

from cvclassic.datasets import default_names, load, standard, storage
from cvclassic.errors import DataError


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, folder):
        self.requested = []
        self.cut_short = False
        super().__init__(("127.0.0.1", 0), lambda *args: Handler(*args, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.requested.append(self.path)
        super().do_GET()

    def do_HEAD(self):
        self.server.requested.append(self.path)
        super().do_HEAD()

    def copyfile(self, source, outputfile):
        outputfile.write(source.read(100) if self.server.cut_short else source.read())

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves a small MNIST and a small CIFAR-10 archive under their own hashes."""
    folder = tmp_path / "served"
    folder.mkdir()
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (80, 28, 28), dtype=np.uint8), np.arange(80) % 10
    np.savez(folder / "mnist.npz", x_train=images[:60], y_train=labels[:60], x_test=images[60:], y_test=labels[60:])
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as tar:
        for name in standard.CIFAR10.files:
            batch = {"data": rng.integers(0, 256, (20, 3072), dtype=np.uint8), "labels": [*range(10), *range(10)]}
            (folder / name).write_bytes(pickle.dumps(batch, protocol=4))
            tar.add(folder / name, f"cifar-10-batches-py/{name}")
    with Server(folder) as server:
        for attribute in ("MNIST", "CIFAR10"):
            files = getattr(standard, attribute)
            served = [folder / url.rsplit("/", 1)[-1] for url, _ in files.downloads]
            downloads = tuple((f"{server.url}/{path.name}", f"sha256:{sha256(path)}") for path in served)
            monkeypatch.setattr(standard, attribute, files._replace(downloads=downloads))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_download_is_kept_and_not_repeated(server, tmp_path):
    data = tmp_path / "new" / "data"
    first = load("mnist", data_dir=data)
    n_requests = len(server.requested)
    assert n_requests > 0
    again = load("mnist", data_dir=data)
    assert len(server.requested) == n_requests
    assert np.array_equal(first.images, again.images)
    assert [path.name for path in data.iterdir()] == ["mnist.npz"]


def test_a_downloaded_archive_is_unpacked_and_removed(server, tmp_path):
    data = tmp_path / "data"
    assert load("cifar10", data_dir=data).images.shape == (120, 32, 32, 3)
    assert [path.name for path in data.iterdir()] == ["cifar-10-batches-py"]


def test_a_download_with_another_hash_is_not_kept(server, tmp_path, monkeypatch):
    ((url, _),) = standard.MNIST.downloads
    monkeypatch.setattr(standard, "MNIST", standard.MNIST._replace(downloads=((url, "sha256:" + "0" * 64),)))
    with pytest.raises(DataError, match=r"mnist.npz sent is not the published file"):
        load("mnist", data_dir=tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_download_that_breaks_off_is_not_kept(server, tmp_path):
    server.cut_short = True
    with pytest.raises(DataError, match="nothing was kept"):
        load("mnist", data_dir=tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_offline_asks_nobody(server, tmp_path):
    with pytest.raises(DataError, match="Without --offline"):
        load("mnist", data_dir=tmp_path / "data", offline=True)
    assert default_names(data_dir=tmp_path / "data", offline=True)[0] == ["digits", "shapes"]
    assert server.requested == []


def test_a_file_that_the_server_lacks(server, tmp_path, monkeypatch):
    downloads = ((f"{server.url}/gone.npz", "sha256:0"),)
    monkeypatch.setattr(standard, "MNIST", standard.MNIST._replace(downloads=downloads))
    with pytest.raises(DataError, match=r"gone.npz can't be reached"):
        load("mnist", data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        load("mnist", data_dir=tmp_path / "file")
    with pytest.raises(DataError, match="can't be written"):
        load("mnist", data_dir=tmp_path / "file" / "below")


def test_the_defaults_are_the_standard_sets_where_they_can_be_had(server, tmp_path, monkeypatch):
    data = tmp_path / "data"
    assert default_names(data_dir=data) == (["mnist", "cifar10"], None)
    assert not data.exists()  # asking is not fetching

    load("mnist", data_dir=data)
    names, note = default_names(data_dir=data, offline=True)
    assert names == ["mnist"]
    assert "cifar10 not found" in note

    load("cifar10", data_dir=data)
    server.requested.clear()
    assert default_names(data_dir=data) == (["mnist", "cifar10"], None)
    assert server.requested == []


def test_a_server_that_never_answers_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mnist.npz"
        for attribute in ("MNIST", "CIFAR10"):
            files = getattr(standard, attribute)
            monkeypatch.setattr(standard, attribute, files._replace(downloads=((url, "sha256:0"),)))
        names, note = default_names(data_dir=tmp_path)
    assert names == ["digits", "shapes"]
    assert "mnist and cifar10 not found" in note
    assert "--data-dir" in note


def test_the_progress_bar_counts_to_the_end(capsys):
    bar = storage._ProgressBar("mnist.npz")
    bar.total = 2_000_000
    for _ in range(4):
        bar.update(500_000)
    bar.close()
    assert capsys.readouterr().err.endswith("mnist.npz [" + "#" * 30 + "] 100% of 2.0 MB\n")
