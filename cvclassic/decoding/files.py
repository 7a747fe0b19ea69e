"""The content of one file: no more than a picture can have, and never of anything but a regular file."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from cvclassic.decoding.budget import READING
from cvclassic.decoding.heads import check_signature
from cvclassic.decoding.reasons import (
    EMPTY,
    LINK_LOOP,
    LOCKED,
    MISSING,
    NO_FILE,
    UnreadableError,
    too_many_bytes,
)

_FIRST = 64  # bytes by which the format is known
# O_NONBLOCK: opening a pipe must not wait for someone who writes into it. O_BINARY is Windows's.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_WHY = {errno.ENOENT: MISSING, errno.ENOTDIR: MISSING, errno.ELOOP: LINK_LOOP, errno.ENXIO: NO_FILE}


@contextmanager
def file_content(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """What is in a file, while its bytes are counted among those that all threads may hold.

    Raises
    ------
    UnreadableError
        For what is no regular file, can't be opened, is empty, larger than 256 MiB, or in no format that is known; of
        the last two the content is not read.
    """
    with regular_file(path) as (file, size):
        if not size:
            raise UnreadableError(EMPTY)
        if size > READING.most:
            raise too_many_bytes(size, READING.most)
        with READING.taking(size):
            try:
                first = os.read(file, _FIRST)
                check_signature(first)
                content = first + rest_of(file, size - len(first))
            except OSError as error:
                raise UnreadableError(LOCKED) from error
            yield content


@contextmanager
def regular_file(path: str | os.PathLike[str]) -> Iterator[tuple[int, int]]:
    """A file that is open for reading, as its number, and its size in bytes; UnreadableError for what is none."""
    try:
        file = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UnreadableError(_WHY.get(getattr(error, "errno", None), LOCKED)) from error
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableError(NO_FILE)
        yield file, found.st_size
    finally:
        os.close(file)


def rest_of(file: int, size: int) -> bytes:
    """The next `size` bytes; fewer where the file has become shorter."""
    parts = []
    while size > 0 and (part := os.read(file, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
