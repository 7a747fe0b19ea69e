"""Arrays in files: those that NumPy wrote are read alike, and what is hostile is refused before it costs."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from cvclassic.datasets.npz import open_archive, open_member, read_header, read_rest


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i8", ">u4", "<f2", "<f4", ">f8", "?", "<c16"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_wrote_is_read(dtype, shape, order, rng):
    array = np.asarray(rng.integers(0, 100, shape)).astype(dtype, order=order)
    file = io.BytesIO(npy(array))
    header = read_header(file)
    assert (header.shape, header.dtype, header.size) == (array.shape, array.dtype, array.nbytes)
    found = read_rest(file, header)
    np.testing.assert_array_equal(found, array, strict=True)
    assert found.flags.writeable


def test_longer_headers_and_those_of_python_2_are_read():
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (60000L, 28L, 28L), }".ljust(150) + b"\n"
    for version, size in ((b"\1\0", "<H"), (b"\2\0", "<I"), (b"\3\0", "<I")):
        content = b"\x93NUMPY" + version + struct.pack(size, len(text)) + text
        assert read_header(io.BytesIO(content)).shape == (60000, 28, 28)


def header(text, version=b"\1\0", length=None):
    text = text.encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text) if length is None else length) + text


HEADERS = {
    "empty": b"",
    "cut off": header("{'descr': '|u1'", length=200),
    "another version": header("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }", b"\7\0"),
    "objects": npy(np.array([None])),
    "texts": npy(np.array(["a"])),
    "records": npy(np.zeros(2, [("a", "i4")])),
    "dates": npy(np.zeros(2, "M8[s]")),
    "an expression": header("{'descr': '|u1', 'fortran_order': False, 'shape': (9**9**9,), }"),
    "a call": header("{'descr': '|u1', 'fortran_order': False, 'shape': __import__('os').getcwd(), }"),
    "deep": header("(" * 9000),
    "minus": header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }"),
    "many sides": header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({'1, ' * 500}), }}"),
    "other digits": header("{'descr': '|u1', 'fortran_order': False, 'shape': (²,), }"),
    "no type": header("{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }"),
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_what_is_no_header_of_numbers_is_a_value_error(content):
    with pytest.raises((ValueError, TypeError, struct.error)):
        read_header(io.BytesIO(content))


def test_what_a_header_promises_is_not_allocated():
    content = npy(np.zeros(10, np.uint8)).replace(b"(10,), }", b"(9999999999,), }"[:8] + b"9999,), }")
    file = io.BytesIO(content)
    found = read_header(file)
    assert found.size > 10**4
    tracemalloc.start()
    with pytest.raises(ValueError, match="not the size"):
        read_rest(file, found)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def archive_of(path, members, packed=zipfile.ZIP_DEFLATED, comment=b""):
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = comment
    return path


def read(path, name="a"):
    with open_archive(path) as archive, open_member(archive, name) as file:
        return read_rest(file, read_header(file))


def test_archives_of_numpy_are_read_and_others_refused(tmp_path):
    array = np.arange(6).reshape(2, 3)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "fine.npz", a=array)
        np.testing.assert_array_equal(read(tmp_path / "fine.npz"), array, strict=True)
    with pytest.raises(KeyError):
        read(tmp_path / "fine.npz", "b")
    good = {"a.npy": npy(array)}
    for packed in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):  # LZMA's head says how much memory it takes
        with pytest.raises(ValueError, match="packed in a way"):
            read(archive_of(tmp_path / "other.npz", good, packed))
    with pytest.raises(ValueError, match="end is not that of a zip"):
        read(archive_of(tmp_path / "comment.npz", good, comment=b"hello"))
    many = {f"{number}.npy": b"" for number in range(2000)}
    with pytest.raises(ValueError, match="more members"):
        read(archive_of(tmp_path / "many.npz", many | good))
    content = archive_of(tmp_path / "fine.npz", good).read_bytes()
    (tmp_path / "large.npz").write_bytes(content[:-22] + b"PK\6\7" + bytes(16) + content[-22:])
    with pytest.raises(ValueError, match="more members"):  # the end record of large archives overrules the usual one
        read(tmp_path / "large.npz")


def test_a_member_that_goes_on_behind_its_end_is_refused(tmp_path):
    path = archive_of(tmp_path / "bomb.npz", {"a.npy": npy(np.zeros(3)) + bytes(10**7)})
    tracemalloc.start()
    with pytest.raises(ValueError, match="not the size"):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
