"""The container of a `.cvc` file: a zip whose members lie in it unpacked, read within bounds.

Nothing in it is compressed, so that what it holds can't be larger than the file itself; no member is ever written to
disk by its name. The same members always make the same bytes.
"""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cvclassic.errors import InputError

LARGEST_FILE = 2**31  # bytes; 50,000 support vectors of 3,072 values are 0.6 GB
LARGEST_DIRECTORY = 2**22
MOST_MEMBERS = 20_000
_END = struct.Struct("<4s4H2LH")  # the zip format's end record
_MADE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can tell: a time of its own would make each file another


def write_archive(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a file with these members, whole or not at all.

    Raises
    ------
    InputError
        Where it can't be written, or would be larger than what is read again.
    """
    size = sum(map(len, members.values()))
    if size > LARGEST_FILE - LARGEST_DIRECTORY or len(members) > MOST_MEMBERS:
        raise InputError(
            f"The model has {size:,} bytes in {len(members):,} arrays; a .cvc file holds up to {LARGEST_FILE:,} bytes "
            f"and {MOST_MEMBERS:,} arrays. Fit it on fewer images, or with a pipeline that keeps less of them."
        )
    with replaced(path) as file:
        _write(file, members)


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which gets the name `path` when all is written; InputError where that can't be."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(unfinished, "wb") as file:
            yield file
        os.replace(unfinished, path)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def archive_bytes(members: Mapping[str, bytes]) -> bytes:
    """The content of such a file."""
    file = io.BytesIO()
    _write(file, members)
    return file.getvalue()


class Archive:
    """The members of a `.cvc` file, each of which can be taken once.

    Parameters
    ----------
    source : path or bytes

    Raises
    ------
    InputError
        For what is missing, no regular file, too large, or no zip as `write_archive` makes it.
    """

    def __init__(self, source: Path | bytes):
        self._file = io.BytesIO(source) if isinstance(source, bytes) else _opened(source)
        try:
            size = self._file.seek(0, os.SEEK_END)
            _check_end(self._file, size)
            self._zip = zipfile.ZipFile(self._file)
            self._sizes = _checked_members(self._zip.infolist(), size)
        except InputError:
            self._file.close()
            raise
        except Exception as error:  # zipfile has many kinds
            self._file.close()
            raise InputError(f"its directory is damaged ({type(error).__name__})") from error

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_) -> None:
        self._zip.close()
        self._file.close()

    @property
    def left(self) -> list[str]:
        """Names of the members that were not taken."""
        return list(self._sizes)

    def take(self, name: str, *, most: int = LARGEST_FILE) -> bytes:
        """The content of a member, which is there once and for one taker; InputError where it is damaged."""
        if name not in self._sizes:
            raise InputError(f"it has no member {name[:80]!r}, or names it twice")
        size = self._sizes.pop(name)
        if size > most:
            raise InputError(f"{name} has {size:,} bytes; at most {most:,} are read")
        try:
            content = self._zip.read(name)
        except Exception as error:  # zipfile's, for a wrong checksum or header
            raise InputError(f"its member {name} is damaged ({type(error).__name__})") from error
        if len(content) != size:
            raise InputError(f"its member {name} is cut off")
        return content


def _write(file: IO[bytes], members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _MADE)
            info.create_system, info.external_attr = 3, 0o644 << 16  # the same from every system
            archive.writestr(info, content)


def _opened(path: Path) -> IO[bytes]:
    try:
        # Without O_NONBLOCK a pipe would be waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise InputError(f"it can't be opened ({getattr(error, 'strerror', None) or error})") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_FILE:
        os.close(descriptor)
        if stat.S_ISREG(found.st_mode):
            raise InputError(f"it has {found.st_size:,} bytes; at most {LARGEST_FILE:,} are read")
        raise InputError("it is no regular file")
    return os.fdopen(descriptor, "rb")


def _check_end(file: IO[bytes], size: int) -> None:
    """InputError unless the end record stands at the very end, and its directory is of a size that is read."""
    file.seek(max(size - _END.size, 0))
    end = file.read(_END.size)
    if len(end) < _END.size or not end.startswith(b"PK\5\6"):
        raise InputError("it is no .cvc file, or cut off: a zip's end is missing")
    _, disk, directory_disk, here, members, directory, start, comment = _END.unpack(end)
    if disk or directory_disk or comment or here != members:
        raise InputError("it is a zip of another kind than a .cvc file")
    if directory > LARGEST_DIRECTORY or members > MOST_MEMBERS or start + directory + _END.size != size:
        raise InputError(f"its directory of {members:,} members in {directory:,} bytes does not fit its size")


def _checked_members(found: list[zipfile.ZipInfo], size: int) -> dict[str, int]:
    sizes = {}
    for info in found:
        if info.filename in sizes:
            raise InputError(f"it has two members called {info.filename[:80]!r}")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
            raise InputError(f"its member {info.filename[:80]!r} is compressed or encrypted, which a .cvc file has not")
        sizes[info.filename] = info.file_size
    if sum(sizes.values()) > size:
        raise InputError(f"its members claim {sum(sizes.values()):,} bytes, and the file has {size:,}")
    return sizes
