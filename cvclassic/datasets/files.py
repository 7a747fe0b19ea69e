"""The files below a folder: which are pictures that can be read, why others are not, and what is known of each."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

SUFFIXES = frozenset(
    {".bmp", ".dib", ".jpe", ".jpeg", ".jpg", ".jp2", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
# Of systems, not of people: what Windows, macOS and Synology leave in folders.
_DROPPINGS = frozenset({".ds_store", "thumbs.db", "desktop.ini", "@eadir"})
_NAMED = 5  # unreadable files that a warning names; the rest is counted

HIDDEN, LINK, OUTSIDE, OTHER = (
    "hidden",
    "a link that leads to no file",
    "outside of the class folders",
    "of another kind",
)
FOLDER_LINK = "a link to a folder"
EMPTY, CUT_OFF, NO_PICTURE, LOCKED = "empty", "cut off", "no picture, or a damaged one", "not readable for this user"


class Facts(NamedTuple):
    """What a picture's file is like, whatever becomes of its pixels."""

    size: int  # bytes
    height: int
    width: int
    channels: int  # 1 or 3, transparency not counted
    bits: int  # of each channel


class Unused(NamedTuple):
    """A file that is not in the data set."""

    name: str
    why: str


@dataclass(frozen=True, eq=False)
class Files:
    """The files of a folder.

    Attributes
    ----------
    names : tuple of str
        Of the images, in their order: paths relative to the folder, with /.
    facts : ndarray of shape (n, 5), int64
        `Facts` of each image.
    unreadable : tuple of Unused
        Those with an image's suffix that are empty, cut off or no picture.
    skipped : tuple of Unused
        All others, and folders that are not walked through.
    """

    names: tuple[str, ...]
    facts: np.ndarray
    unreadable: tuple[Unused, ...]
    skipped: tuple[Unused, ...]

    def of(self, rows: np.ndarray) -> "Files":
        """The same with these images only, by a mask."""
        names = tuple(name for name, kept in zip(self.names, rows, strict=True) if kept)
        return replace(self, names=names, facts=self.facts[rows])


def listed(folder: Path) -> tuple[list[str], list[Unused]]:
    """Paths of all image files below a folder, sorted, and what is passed over there.

    Hidden files and folders, links to folders, and files without an image's suffix are passed over.
    """
    found, skipped = [], []
    for where, folders, names in os.walk(folder, onerror=_raise):
        for name in folders:
            if name.startswith("."):
                skipped.append(Unused(os.path.join(where, name), HIDDEN))
            elif os.path.islink(os.path.join(where, name)):
                skipped.append(Unused(os.path.join(where, name), FOLDER_LINK))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = os.path.join(where, name)
            if why := _passed_over(path):
                skipped.append(Unused(path, why))
            else:
                found.append(path)
    return sorted(found), [each for each in sorted(skipped) if not _dropped_by_a_system(each.name)]


def beside(folder: Path, wanted: Sequence[str]) -> list[Unused]:
    """What lies in a folder beside the folders of these names."""
    found = [
        Unused(str(path), HIDDEN if path.name.startswith(".") else OUTSIDE)
        for path in sorted(folder.iterdir())
        if path.name not in wanted
    ]
    return [each for each in found if not _dropped_by_a_system(each.name)]


def bits_of(content: bytes) -> int:
    """Bits of each channel of an image file, from its head; 8 where that does not say."""
    if content.startswith(b"\x89PNG") and len(content) > 25:
        return 16 if content[24] == 16 else 8
    if content[:2] in (b"P2", b"P3", b"P5", b"P6"):
        head = [line.split(b"#")[0] for line in content[:1024].splitlines()]
        numbers = b" ".join(head).split()[1:4]
        return 16 if len(numbers) == 3 and numbers[2].isdigit() and int(numbers[2]) > 255 else 8
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _bits_of_tiff(content)
    return 8


def unreadable_warning(folder: Path, unreadable: Sequence[Unused]) -> str:
    """A line for files that could not be read."""
    named = ", ".join(each.name for each in unreadable[:_NAMED])
    more = f" and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
    return f"{len(unreadable)} image files in {folder} could not be read and were left out: {named}{more}"


def relative(path: str, folder: Path) -> str:
    """A path relative to the folder, with / on every system."""
    return Path(os.path.relpath(path, folder)).as_posix()


def _passed_over(path: str) -> str | None:
    name = os.path.basename(path)
    if name.startswith("."):
        return HIDDEN
    if os.path.splitext(name)[1].lower() not in SUFFIXES:
        return OTHER
    return None if os.path.isfile(path) else LINK


def _dropped_by_a_system(path: str) -> bool:
    name = os.path.basename(path).lower()
    return name in _DROPPINGS or name.startswith("._")


def _bits_of_tiff(content: bytes) -> int:
    """The first value of tag 258, BitsPerSample, in the first directory."""
    order = "little" if content.startswith(b"II") else "big"

    def number(place: int, size: int) -> int:
        return int.from_bytes(content[place : place + size], order)

    first = number(4, 4)
    for entry in range(first + 2, first + 2 + 12 * min(number(first, 2), 100), 12):
        if number(entry, 2) == 258:
            inline = number(entry + 4, 4) <= 2
            return max(number(entry + 8, 2) if inline else number(number(entry + 8, 4), 2), 1)
    return 8


def _raise(error: OSError) -> None:
    raise error
