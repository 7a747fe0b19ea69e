"""Zip and tar archives as they are: no member's path is trusted, and none is unpacked to where it says."""

import bz2
import gzip
import lzma
import os
import shutil
import struct
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from cvclassic.datasets.files import OTHER, Unused
from cvclassic.datasets.members import Member, Members, common_top, leads_out
from cvclassic.decoding import CUT_OFF, EMPTY, READING, UnreadableError, cache_folder, check_signature
from cvclassic.decoding.reasons import ENCRYPTED, too_many_bytes
from cvclassic.errors import DataError

MOST_MEMBERS = 1_000_000
MOST_GROWTH, GROWTH_FREE = 100, 2**30  # how many times larger than it is, and how many bytes more, an archive unpacks
LARGEST_HEADER = 2**20  # bytes of a tar's header; paths and attributes
ESCAPING = "a path that leads out of the archive"
DAMAGED = "damaged in the archive"
_COMPRESSED: dict[bytes, Callable[[Path], BinaryIO]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
_TAR_MAGIC, _TAR_PLACE = b"ustar", 257
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
    *(NotImplementedError, RuntimeError, struct.error),
)


@contextmanager
def opened_archive(path: Path) -> Iterator[Members]:
    """A zip, or a tar that may be compressed by gzip, bzip2 or xz; it can be read from within the context.

    Where all of its files lie in one folder, its top is that folder.

    Raises
    ------
    DataError
        For what is neither, is damaged, or unpacks to more than 100 times its size and 1 GiB.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
            first = file.read(_TAR_PLACE + len(_TAR_MAGIC))
            file.seek(0)
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror}.") from error
        if first.startswith(b"PK"):
            members, skipped = _zip_members(path, file, stack)
        elif first[_TAR_PLACE:] == _TAR_MAGIC:
            members, skipped = _tar_members(path, file, path.stat().st_size)
        else:
            unpack = next((unpack for start, unpack in _COMPRESSED.items() if first.startswith(start)), None)
            if unpack is None:
                raise DataError(
                    f"{path} is a file, and neither a zip nor a tar archive (which may be compressed by gzip, bzip2 or "
                    "xz), nor a CSV. A data set is one of these, or a folder of class folders of images."
                )
            members, skipped = _tar_members(path, *_unpacked(path, unpack, stack))
        members, escaping = _inside(members)
        yield Members(str(path), members, [*skipped, *escaping], top=common_top(members))


def _inside(members: Sequence[Member]) -> tuple[list[Member], list[Unused]]:
    """The members whose paths are harmless, and the others."""
    inside, escaping = [], []
    for member in members:
        name = member.name.removeprefix("./")
        if leads_out(name) or ":" in name.partition("/")[0]:  # a drive of Windows
            escaping.append(Unused(member.name, ESCAPING))
        else:
            inside.append(Member(name, member.content))
    return inside, escaping


def _zip_members(path: Path, file: BinaryIO, stack: ExitStack) -> tuple[list[Member], list[Unused]]:
    try:
        _check_zip_directory(path, file)
        archive = stack.enter_context(zipfile.ZipFile(file))
        found = archive.infolist()
    except _ZIP_ERRORS as error:
        raise _damaged(path, error) from error
    _check_growth(path, sum(member.file_size for member in found))
    members = [
        Member(member.filename, partial(_zip_content, archive, member))
        for member in found
        if not member.filename.endswith("/")  # `is_dir` asks for the last character of a name, which may be empty
    ]
    return members, []


def _check_zip_directory(path: Path, file: BinaryIO) -> None:
    """DataError for more members than are read, before zipfile keeps all of them in memory."""
    size = file.seek(0, os.SEEK_END)
    tail_size = min(size, 65_535 + 22)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    end = tail.rfind(b"PK\x05\x06")
    directory = size if end < 0 else struct.unpack("<I", tail[end + 12 : end + 16])[0]
    if directory == 0xFFFFFFFF:  # zip64, which says it elsewhere
        directory = size
    file.seek(0)
    if directory > MOST_MEMBERS * 100 and directory > size // 2:
        raise DataError(
            f"{path} has a list of members of {directory:,} bytes; at most {MOST_MEMBERS:,} members are read."
        )


@contextmanager
def _zip_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.flag_bits & 1:
        raise UnreadableError(ENCRYPTED)
    _check_size(member.file_size)
    with READING.taking(member.file_size):
        try:
            with archive.open(member) as file:
                content = file.read(member.file_size)  # no more, whatever is in there
                file.read(1)  # at its end the checksum is compared
        except _ZIP_ERRORS as error:
            raise UnreadableError(DAMAGED) from error
        yield _checked(content, member.file_size)


def _unpacked(path: Path, unpack: Callable[[Path], BinaryIO], stack: ExitStack) -> tuple[BinaryIO, int]:
    """The archive inside a compressed file, as a nameless file in the cache's folder; and its size."""
    folder = cache_folder()
    size = path.stat().st_size
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        room = shutil.disk_usage(folder).free // 2
        file = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115  the stack closes it
        written = 0
        with unpack(path) as source:
            while block := source.read(2**20):
                written += len(block)
                _check_growth(path, written, size)
                if written > room:
                    raise DataError(
                        f"{path} takes more than {room / 2**30:.1f} GiB unpacked, half of what is free in {folder}. "
                        "Make room, or name another folder by the environment's CVCLASSIC_CACHE."
                    )
                file.write(block)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, error) from error
    file.seek(0)
    return file, written


def _tar_members(path: Path, file: BinaryIO, size: int) -> tuple[list[Member], list[Unused]]:
    """The regular files of a tar archive; the bytes between their places are never all in memory."""
    members, skipped, lock, last = [], [], threading.Lock(), -1
    try:
        with tarfile.open(fileobj=_Bounded(file), mode="r:") as archive:
            for member in archive:
                if member.offset <= last or len(members) > MOST_MEMBERS:
                    raise tarfile.ReadError("its members lie one in another, or are too many")
                last = member.offset
                archive.members.clear()  # it would keep all of them
                if member.isreg() and not member.issparse():
                    content = partial(_tar_content, file, lock, member.offset_data, member.size, size)
                    members.append(Member(member.name, content))
                elif not member.isdir():
                    skipped.append(Unused(member.name, OTHER))
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, struct.error) as error:
        raise _damaged(path, error) from error
    if not members:
        raise _damaged(path, "it has no files")
    return members, skipped


@contextmanager
def _tar_content(file: BinaryIO, lock: threading.Lock, start: int, size: int, end: int) -> Iterator[bytes]:
    _check_size(size)
    if start + size > end:
        raise UnreadableError(CUT_OFF)
    with READING.taking(size):
        try:
            with lock:
                file.seek(start)
                content = file.read(size)
        except OSError as error:
            raise UnreadableError(DAMAGED) from error
        yield _checked(content, size)


class _Bounded:
    """A file of which no more than a header is read at once, whatever a header asks for."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, n: int) -> bytes:
        if not 0 <= n <= LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {n:,} bytes")
        return self._file.read(n)


def _check_size(size: int) -> None:
    if not size:
        raise UnreadableError(EMPTY)
    if size > READING.most:
        raise too_many_bytes(size, READING.most)


def _checked(content: bytes, size: int) -> bytes:
    if len(content) < size:
        raise UnreadableError(CUT_OFF)
    check_signature(content[:64])
    return content


def _check_growth(path: Path, unpacked: int, size: int | None = None) -> None:
    size = path.stat().st_size if size is None else size
    if unpacked > MOST_GROWTH * size + GROWTH_FREE:
        raise DataError(
            f"{path} has {size:,} bytes, and {unpacked:,} or more unpacked: pictures don't grow so much, and it was "
            "not read. Unpack it, if you trust it, and name the folder."
        )


def _damaged(path: Path, why: object) -> DataError:
    return DataError(f"{path} is damaged or no archive that can be read ({why}). Get a whole copy.")
