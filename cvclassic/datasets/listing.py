"""Names of very many files: listed folder by folder, and kept packed, a chunk of images at a time."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple, Protocol

from cvclassic.datasets.files import Unused
from cvclassic.decoding import Content
from cvclassic.decoding.remote import REQUESTS

BLOCK = 4096  # names that are packed together while a folder is listed
PackedNames = bytes


class Lister(Protocol):
    """The part of a `Tree` that lists class folders, and that goes to where the pictures are read."""

    shown: str  # what errors call it

    def subfolders(self, at: str) -> list[str]:
        """See `Tree`."""

    def files(self, at: str) -> tuple[list[str], list[Unused]]:
        """See `Tree`."""

    def content(self, name: str) -> Content:
        """See `Tree`."""


class Listed(NamedTuple):
    """The pictures of a class, by the names of their files."""

    blocks: list[PackedNames]
    n: int
    skipped: Counter[str]  # files that are passed over, by the reason


def list_folders(tree: Lister, folders: Sequence[str]) -> list[Listed]:
    """The pictures in each of these folders, sorted by name; several folders are listed at a time.

    While a folder is listed all of its names are in memory, then some bytes of each.
    """

    def list_one(folder: str) -> Listed:
        names, skipped = tree.files(folder)
        return Listed(list(cut(names, BLOCK)), len(names), Counter(each.why for each in skipped))

    with ThreadPoolExecutor(min(REQUESTS, len(folders))) as pool:
        return list(pool.map(list_one, folders))


def cut(names: Iterable[str], n: int) -> Iterator[PackedNames]:
    """Names in packs of `n`; the last one may have fewer."""
    names = iter(names)
    while some := list(islice(names, n)):
        yield pack(some)


def pack(names: Sequence[str]) -> PackedNames:
    """Names in few bytes; bytes in them that are no UTF-8 are kept, as Python's file functions give them."""
    return zlib.compress("\0".join(names).encode("utf-8", "surrogateescape"))


def unpack(packed: PackedNames) -> list[str]:
    """The names of a pack."""
    return zlib.decompress(packed).decode("utf-8", "surrogateescape").split("\0")


def unpack_all(packs: Iterable[PackedNames]) -> Iterator[str]:
    """The names of several packs, one after the other."""
    for packed in packs:
        yield from unpack(packed)
