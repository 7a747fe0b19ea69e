"""The standard sets, in small files of the same formats, whole, damaged and hostile."""

import gzip
import pickle
import struct
import tarfile
import tracemalloc
import zipfile
import zlib

import cv2
import numpy as np
import pytest

from cvclassic.datasets import load
from cvclassic.datasets.standard import CIFAR10, CIFAR10_CLASSES, CIFAR100_CLASSES, FASHION_MNIST
from cvclassic.errors import DataError

rng = np.random.default_rng(0)


def gray(n):
    return rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 10


def write_mnist(folder, **replaced):
    (x_train, y_train), (x_test, y_test) = gray(60), gray(20)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test} | replaced
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "mnist.npz", **arrays)
    return arrays


def write_fashion(folder):
    folder.mkdir(parents=True)
    parts = {"train": gray(60), "t10k": gray(20)}
    for part, (images, labels) in parts.items():
        images_head, labels_head = struct.pack(">4I", 0x803, *images.shape), struct.pack(">2I", 0x801, len(labels))
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images_head + images.tobytes()))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels_head + labels.tobytes()))
    return parts


def python2_batch(pixels, labels, label_key="labels"):
    """A batch as Python 2 pickled the official ones: protocol 2, byte strings, `numpy.core`."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def integer(value):
        return b"J" + struct.pack("<i", value)

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02"
        + b"K\x00\x85U\x01b\x87R"  # _reconstruct(ndarray, (0,), "b")
        + b"(K\x01" + integer(pixels.shape[0]) + integer(pixels.shape[1]) + b"\x86"
        + b"cnumpy\ndtype\nq\x03U\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + integer(-1) + integer(-1) + b"K\x00tb"
        + b"\x89T" + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tb"
    )  # fmt: skip
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}q\x00(" + text(b"data") + array + text(label_key.encode()) + numbers + b"u."


def cifar_batch(n=20, n_classes=10):
    return rng.integers(0, 256, (n, 3072), dtype=np.uint8), (np.arange(n) % n_classes).tolist()


def write_cifar10(folder, write=python2_batch):
    folder.mkdir(parents=True)
    batches = {name: cifar_batch() for name in CIFAR10.files}
    for name, (pixels, labels) in batches.items():
        (folder / name).write_bytes(write(pixels, labels))
    return batches


def python3_batch(protocol):
    return lambda pixels, labels: pickle.dumps({b"data": pixels, b"labels": labels}, protocol=protocol)


def test_mnist(tmp_path):
    arrays = write_mnist(tmp_path)
    mnist = load("mnist", data_dir=tmp_path, offline=True)
    assert np.array_equal(mnist.images, np.concatenate([arrays["x_train"], arrays["x_test"]]))
    assert np.array_equal(mnist.labels, np.concatenate([arrays["y_train"], arrays["y_test"]]))
    assert mnist.labels.dtype == np.int64
    assert np.array_equal(mnist.test, np.arange(60, 80))
    assert mnist.traits == {"handwriting"}
    assert "not the official pixels" in mnist.provenance
    assert "mnist.npz" in mnist.provenance


def test_fashion_mnist(tmp_path):
    parts = write_fashion(tmp_path / "fashion-mnist")
    fashion = load("fashion_mnist", data_dir=tmp_path, offline=True)
    assert np.array_equal(fashion.images[:60], parts["train"][0])
    assert np.array_equal(fashion.images[fashion.test], parts["t10k"][0])
    assert np.array_equal(fashion.labels[60:], parts["t10k"][1])
    assert fashion.class_names[9] == "ankle boot"
    assert fashion.traits == {"mirror"}


@pytest.mark.parametrize("write", [python2_batch, python3_batch(3), python3_batch(4)], ids=["python2", "3", "4"])
def test_cifar10(tmp_path, write):
    batches = write_cifar10(tmp_path / "cifar-10-batches-py", write)
    cifar = load("cifar10", data_dir=tmp_path, offline=True)
    pixels = np.concatenate([batches[name][0] for name in CIFAR10.files])
    assert cifar.images.shape == (120, 32, 32, 3)
    for channel in range(3):  # the file holds each image's red plane, then green, then blue
        assert np.array_equal(cifar.images[..., channel].reshape(120, -1), pixels.reshape(120, 3, -1)[:, channel])
    assert np.array_equal(cifar.labels, np.concatenate([batches[name][1] for name in CIFAR10.files]))
    assert np.array_equal(cifar.test, np.arange(100, 120))
    assert cifar.class_names == CIFAR10_CLASSES
    assert "not the official pixels" in cifar.provenance


def test_the_python2_form_is_what_pickle_makes_of_it():
    pixels, labels = cifar_batch()
    batch = pickle.loads(python2_batch(pixels, labels), encoding="bytes")
    assert np.array_equal(batch[b"data"], pixels)
    assert batch[b"labels"] == labels


def test_cifar100_reads_the_fine_labels(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test"):
        (folder / name).write_bytes(python2_batch(*cifar_batch(200, 100), label_key="fine_labels"))
    cifar = load("cifar100", data_dir=tmp_path, offline=True)
    assert cifar.n_classes == 100
    assert np.array_equal(cifar.test, np.arange(200, 400))
    assert (CIFAR100_CLASSES[0], CIFAR100_CLASSES[99]) == ("apple", "worm")
    assert list(CIFAR100_CLASSES) == sorted(set(CIFAR100_CLASSES))


def test_files_in_keras_cache_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    cache = tmp_path / "home" / "datasets"
    write_mnist(cache)
    write_cifar10(cache / "cifar-10-batches-py-target" / "cifar-10-batches-py")
    assert "home" in load("mnist", data_dir=tmp_path / "empty", offline=True).provenance
    assert "home" in load("cifar10", data_dir=tmp_path / "empty", offline=True).provenance
    assert not (tmp_path / "empty").exists()


def test_the_environment_names_the_data_folder_and_an_argument_overrules_it(tmp_path, monkeypatch):
    write_mnist(tmp_path / "a")
    write_mnist(tmp_path / "b")
    monkeypatch.setenv("CVCLASSIC_DATA", str(tmp_path / "a"))
    assert str(tmp_path / "a") in load("mnist", offline=True).provenance
    assert str(tmp_path / "b") in load("mnist", data_dir=tmp_path / "b", offline=True).provenance


def test_opencv_digits_split_each_row_in_halves(tmp_path):
    page = rng.integers(0, 256, (1000, 2000), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "digits.png"), page)
    digits = load("opencv_digits", data_dir=tmp_path)
    assert digits.images.shape == (5000, 20, 20)
    assert np.array_equal(digits.test, np.arange(2500, 5000))
    # Row 7 of the page holds ones; its column 3 is in the left half, its column 60 in the right.
    left, right = 7 * 50 + 3, 2500 + 7 * 50 + 10
    assert np.array_equal(digits.images[left], page[140:160, 60:80])
    assert np.array_equal(digits.images[right], page[140:160, 1200:1220])
    assert digits.labels[[left, right]].tolist() == [1, 1]
    assert np.bincount(digits.labels[:2500]).tolist() == [250] * 10


def test_an_archive_is_unpacked_whole_and_nothing_else_of_it(tmp_path):
    write_cifar10(tmp_path / "made" / "cifar-10-batches-py")
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    data = tmp_path / "data"
    data.mkdir()
    with tarfile.open(data / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "made" / "cifar-10-batches-py", "cifar-10-batches-py")
        tar.add(outside, "../escaped.txt")
        tar.add(outside, "cifar-10-batches-py/extra.txt")
    assert load("cifar10", data_dir=data, offline=True).images.shape == (120, 32, 32, 3)
    assert sorted(path.name for path in data.iterdir()) == ["cifar-10-batches-py", "cifar-10-python.tar.gz"]
    assert sorted(path.name for path in (data / "cifar-10-batches-py").iterdir()) == sorted(CIFAR10.files)
    assert not (tmp_path / "escaped.txt").exists()


def test_links_in_an_archive_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
        for name in CIFAR10.files:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
            tar.addfile(member)
    with pytest.raises(DataError, match="lacks cifar-10-batches-py/data_batch_1"):
        load("cifar10", data_dir=tmp_path, offline=True)
    assert not (tmp_path / "cifar-10-batches-py").exists()


def test_a_truncated_archive_leaves_nothing_behind(tmp_path):
    write_cifar10(tmp_path / "made" / "cifar-10-batches-py")
    archive = tmp_path / "data" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "made" / "cifar-10-batches-py", "cifar-10-batches-py")
    archive.write_bytes(archive.read_bytes()[:-20_000])
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz can't be read.*Delete it"):
        load("cifar10", data_dir=archive.parent, offline=True)
    assert list(archive.parent.iterdir()) == [archive]


def test_a_missing_set_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(DataError) as error:
        load("cifar10", data_dir=tmp_path / "data", offline=True)
    for part in (tmp_path / "data" / "cifar-10-batches-py", tmp_path / "keras" / "datasets", "--data-dir", "--offline"):
        assert str(part) in str(error.value)
    with pytest.raises(DataError, match=r"digits\.png is missing"):
        load("opencv_digits", data_dir=tmp_path)
    assert not (tmp_path / "data").exists()


def test_an_incomplete_set_says_what_is_missing(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar10(folder)
    (folder / "data_batch_3").unlink()
    with pytest.raises(DataError, match="incomplete: data_batch_3 missing"):
        load("cifar10", data_dir=tmp_path, offline=True)


def broken_npz(folder, kind):
    path = folder / "mnist.npz"
    write_mnist(folder)
    content = bytearray(path.read_bytes())
    if kind == "empty":
        content = b""
    elif kind == "text":
        content = b"<html>not found</html>"
    elif kind == "truncated":
        content = content[: len(content) // 2]
    elif kind == "bit flips":
        content[2000:2100] = bytes(100)
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "bit flips"])
def test_a_damaged_npz_is_named(tmp_path, kind):
    broken_npz(tmp_path, kind)
    with pytest.raises(DataError, match=r"mnist.npz can't be read: .*Delete it"):
        load("mnist", data_dir=tmp_path, offline=True)


class Hostile:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def test_a_pickle_inside_an_npz_is_not_loaded(tmp_path):
    write_mnist(tmp_path, x_test=np.array([Hostile(tmp_path / "marker")], dtype=object))
    with pytest.raises(DataError, match=r"mnist.npz can't be read"):
        load("mnist", data_dir=tmp_path, offline=True)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"x_train": np.zeros((60, 28, 28))}, "dtype float64"),
        ({"x_train": np.zeros((60, 32, 32), np.uint8)}, r"\(60, 32, 32\)"),
        ({"x_test": np.zeros((20, 784), np.uint8)}, r"\(20, 784\)"),
        ({"y_train": np.full(60, 10, np.uint8)}, "labels go from 10 to 10"),
        ({"y_train": np.zeros(59, np.uint8)}, r"\(59,\)"),
        ({"y_train": np.zeros(60)}, "dtype float64 for 60 images"),
        ({"y_train": np.zeros(60, np.uint8)}, "no training image of 1, 2, 3"),
    ],
)
def test_an_npz_with_the_wrong_arrays_is_refused(tmp_path, replaced, message):
    write_mnist(tmp_path, **replaced)
    with pytest.raises(DataError, match=message):
        load("mnist", data_dir=tmp_path, offline=True)


@pytest.mark.parametrize("text", [b"(" * 60, b"'a" + b" " * 50, b"{}" + b" " * 50, b"{'descr': 1}"], ids=range(4))
def test_a_header_that_is_none_is_named(tmp_path, text):
    """Python's own parser, which numpy.load asks, has errors of many kinds for it."""
    write_mnist(tmp_path)
    with zipfile.ZipFile(tmp_path / "mnist.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    head = members["x_test.npy"]
    members["x_test.npy"] = head[:10] + text.ljust(len(head.split(b"\n")[0]) - 10) + head[head.index(b"\n") :]
    with zipfile.ZipFile(tmp_path / "mnist.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match=r"mnist.npz can't be read: .*no header of an array.*Delete it"):
        load("mnist", data_dir=tmp_path, offline=True)


def test_an_npz_of_a_member_that_is_no_array_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "mnist.npz", "w") as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}.npy", b"no array, but bytes")
    with pytest.raises(DataError, match=r"mnist.npz can't be read: .*no .npy file"):
        load("mnist", data_dir=tmp_path, offline=True)


def test_an_npz_that_lacks_an_array_is_refused(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=gray(20)[0])
    with pytest.raises(DataError, match="y_train"):
        load("mnist", data_dir=tmp_path, offline=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzip",
        gzip.compress(b""),
        gzip.compress(struct.pack(">4I", 0x803, 60, 28, 28) + bytes(100)),
        gzip.compress(struct.pack(">4I", 0x803, 60, 28, 28) + bytes(60 * 784 + 1)),
        gzip.compress(struct.pack(">4I", 0x803, 60, 20, 20) + bytes(60 * 400)),
        gzip.compress(struct.pack(">4I", 0x803, 2**32 - 1, 28, 28)),
        gzip.compress(struct.pack(">2I", 0xD03, 60)),
        gzip.compress(struct.pack(">4I", 0x803, 60, 28, 28) + bytes(60 * 784))[:-30],
    ],
    ids=["empty", "no gzip", "nothing inside", "short", "long", "wrong size", "huge", "wrong type", "truncated"],
)
def test_a_damaged_idx_file_is_named(tmp_path, content):
    write_fashion(tmp_path / "fashion-mnist")
    (tmp_path / "fashion-mnist" / FASHION_MNIST.files[0]).write_bytes(content)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz can't be read: .*Delete it"):
        load("fashion_mnist", data_dir=tmp_path, offline=True)


def load_with_test_batch(tmp_path, content):
    write_cifar10(tmp_path / "cifar-10-batches-py")
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    return load("cifar10", data_dir=tmp_path, offline=True)


NUMPY_LOADER = b"\x80\x02cnumpy\nfromfile\nU\x01x\x85R."
WRONG_LABELS = pickle.dumps({"data": cifar_batch()[0], "labels": list(range(20))}, protocol=4)
TEXT_LABELS = pickle.dumps({"data": cifar_batch()[0], "labels": ["a"] * 20}, protocol=4)
FLOATS = pickle.dumps({"data": np.zeros((20, 3072)), "labels": [0] * 20}, protocol=4)
FLAT = pickle.dumps({"data": np.zeros(3072, np.uint8), "labels": [0]}, protocol=4)
OBJECTS = pickle.dumps({"data": np.array([None, 1], dtype=object), "labels": [0, 1]}, protocol=4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        python2_batch(*cifar_batch())[:-5000],
        b"<html>",
        pickle.dumps([1, 2]),
        pickle.dumps({"labels": [1]}),
        WRONG_LABELS,
        TEXT_LABELS,
        FLOATS,
        FLAT,
        OBJECTS,
    ],
    ids=["empty", "head", "truncated", "html", "list", "no data", "labels", "texts", "floats", "flat", "objects"],
)
def test_a_damaged_batch_is_named(tmp_path, content):
    with pytest.raises(DataError, match=r"test_batch can't be read: .*Delete it"):
        load_with_test_batch(tmp_path, content)


def test_a_hostile_batch_runs_nothing(tmp_path):
    marker = tmp_path / "marker"
    pickle.loads(pickle.dumps(Hostile(marker)))
    assert marker.exists()  # the payload works
    marker.unlink()
    for protocol in range(6):
        with pytest.raises(DataError, match=r"test_batch can't be read.*nothing in it was run"):
            load_with_test_batch(tmp_path / str(protocol), pickle.dumps({"data": Hostile(marker)}, protocol))
        assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        NUMPY_LOADER,
        b"\x80\x02cbuiltins\neval\nU\x041 + 1\x85R.",
        b"\x80\x04\x8c\x05numpy\x8c\x0bcore.memmap\x93.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",  # NEWOBJ
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a memo of two thousand million entries
        b"\x80\x02" + b")" + b"2\x86" * 60 + b".",  # DUP
        b"\x80\x02)q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"}h\x00K\x01s.",  # a key that takes 2^60 steps to hash
    ],
    ids=["numpy.fromfile", "eval", "attribute", "new object", "memo", "duplicates", "nested key"],
)
def test_a_batch_that_asks_for_more_than_an_array_is_refused(tmp_path, content):
    with pytest.raises(DataError, match="nothing in it was run"):
        load_with_test_batch(tmp_path, content)


def test_what_a_pickled_array_claims_is_not_allocated(tmp_path):
    claims = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x8a\x08" + bytes([0, 0, 0, 0, 0, 0, 0, 64])
    with pytest.raises(DataError, match="test_batch can't be read"):
        load_with_test_batch(tmp_path, b"\x80\x02}U\x04data" + claims + b"\x85U\x01b\x87Rs.")
    claims = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01b\x87R"
    with pytest.raises(DataError, match="test_batch can't be read"):
        load_with_test_batch(tmp_path / "again", b"\x80\x02}U\x04data" + claims + b"s.")


def test_labels_that_hold_one_another_many_times_are_not_walked_through(tmp_path):
    labels = [1]
    for _ in range(30):
        labels = [labels] * 30  # 30^30 numbers, in some bytes each
    content = pickle.dumps({b"data": cifar_batch()[0], b"labels": labels}, protocol=4)
    with pytest.raises(DataError, match="no list of whole numbers"):
        load_with_test_batch(tmp_path, content)


def test_what_stands_in_a_batch_fills_no_message(tmp_path):
    content = b"\x80\x02c" + b"a" * 100_000 + b"\n" + b"b" * 100_000 + b"\n."
    with pytest.raises(DataError, match="nothing in it was run") as error:
        load_with_test_batch(tmp_path, content)
    assert len(str(error.value)) < 600


def test_a_page_that_promises_many_pixels_is_not_decoded(tmp_path):
    content = bytearray(cv2.imencode(".png", np.zeros((20, 20), np.uint8))[1].tobytes())
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "digits.png").write_bytes(content)
    with pytest.raises(DataError, match="30000 x 30000 pixels"):
        load("opencv_digits", data_dir=tmp_path)


@pytest.mark.parametrize("kind", ["pax", "long name", "member"])
def test_an_archive_that_promises_much_is_refused_before_it_is_read(tmp_path, kind):
    """A head that tarfile would take into memory, or a member that it would skip for minutes."""
    member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1" if kind == "member" else "head")
    member.size = 8_000_000_000
    member.type = {"pax": tarfile.XHDTYPE, "long name": tarfile.GNUTYPE_LONGNAME, "member": tarfile.REGTYPE}[kind]
    head = member.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(gzip.compress(head + bytes(10**7)))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz can't be read.*Delete it"):
        load("cifar10", data_dir=tmp_path, offline=True)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-python.tar.gz"]


@pytest.mark.parametrize("content", [b"", b"no image", cv2.imencode(".png", np.zeros((20, 20), np.uint8))[1].tobytes()])
def test_a_wrong_page_of_digits_is_named(tmp_path, content):
    (tmp_path / "digits.png").write_bytes(content)
    with pytest.raises(DataError, match=r"digits.png can't be read"):
        load("opencv_digits", data_dir=tmp_path)
