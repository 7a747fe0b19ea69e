"""Arrays in .npy and .npz files that anybody may have made: read within bounds, and nothing in them is run.

The formats are those of `numpy.lib.format` and of zip files. `numpy.load` is not used, since it gives a header to
Python's own parser, whatever it holds, and allocates what a header promises.
"""

import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

LONGEST_HEADER = 10_000  # bytes, as in numpy.load
LARGEST_DIRECTORY = 2**16  # bytes of an archive's list of members, of which each takes about 60

# What numpy writes for arrays of numbers; Python 2 put an L behind long ones.
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[biufc]\d{1,2})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,19}L?, ?){0,31}(?:\d{1,19}L?)?)\), ?\} *\n?"
)


class Header(NamedTuple):
    """What an .npy file says of its array."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool

    @property
    def size(self) -> int:
        """The bytes of the array."""
        return prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes]) -> Header:
    """The header of an .npy file, which `file` then stands behind; ValueError where it is none of an array of numbers.

    Objects, which would have to be unpickled, and texts, dates and records are no numbers.
    """
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise ValueError("no .npy file")
    size_format = "<H" if magic[6] == 1 else "<I"
    (length,) = struct.unpack(size_format, file.read(struct.calcsize(size_format)))
    content = file.read(min(length, LONGEST_HEADER))
    found = _HEADER.fullmatch(content)
    if len(content) != length or found is None:
        raise ValueError(f"no header of an array of numbers: {content[:80]!r}")
    shape = tuple(int(side.strip().rstrip(b"L")) for side in found[3].split(b",") if side.strip())
    return Header(shape, np.dtype(found[1].decode()), found[2] == b"True")


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip file at `path`, with few members and without a comment, as numpy writes it; ValueError for another one.

    `zipfile` makes an object of every member that an archive lists, however many these are.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 42))
        tail = file.read(42)
        end = tail[-22:]
        if len(end) < 22 or end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
            raise ValueError("its end is not that of a zip file")
        if tail[:4] == b"PK\6\7" or struct.unpack("<I", end[12:16])[0] > LARGEST_DIRECTORY:
            raise ValueError("it lists more members than an .npz file has")
        with zipfile.ZipFile(file) as archive:
            yield archive


@contextmanager
def open_member(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """The file of an array; KeyError where there is none, ValueError for one that is packed otherwise than by numpy."""
    found = archive.getinfo(f"{name}.npy")
    if found.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or found.flag_bits & 1:
        raise ValueError(f"{name} is packed in a way that numpy doesn't use")
    with archive.open(found) as file:
        yield file


def read_rest(file: IO[bytes], header: Header) -> np.ndarray:
    """The array behind its header, (shape), writable; ValueError where there is less or more than that says.

    It takes the memory that the header says; look at `header.size` before.
    """
    content = file.read(header.size + 1)  # one more: what is too much shows, and the end has its checksum looked at
    if len(content) != header.size:
        raise ValueError("an array has not the size that it claims")
    order = "F" if header.fortran_order else "C"
    return np.frombuffer(content, header.dtype).reshape(header.shape, order=order).copy(order)
