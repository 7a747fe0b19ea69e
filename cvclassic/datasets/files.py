"""The files of a data set: which are pictures that can be read, why others are not, and where they lie."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from cvclassic.decoding import SUFFIXES, Content, file_content

# Of systems, not of people: what Windows, macOS and Synology leave in folders.
_DROPPINGS = frozenset({".ds_store", "thumbs.db", "desktop.ini", "@eadir", "__macosx"})
UNREADABLE = "could not be read and were left out"
_NAMED = 5  # unreadable files that a warning names; the rest is counted

HIDDEN, LINK, OUTSIDE, OTHER = (
    "hidden",
    "a link that leads to no file",
    "outside of the class folders",
    "of another kind",
)
FOLDER_LINK = "a link to a folder"


class Unused(NamedTuple):
    """A file that is not in the data set."""

    name: str
    why: str


@dataclass(frozen=True, eq=False)
class Files:
    """The files of a data set.

    Attributes
    ----------
    names : tuple of str
        Of the images, in their order: paths relative to the data set, with /.
    facts : ndarray of shape (n, 5), int64
        `cvclassic.decoding.Facts` of each image.
    unreadable : tuple of Unused
        Those that were to be images, and are empty, cut off, too large, or no picture.
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


class Tree(Protocol):
    """Folders and files, on disk or in an archive. Names are relative to its top, which is "", with /."""

    shown: str  # what errors call it

    def subfolders(self, at: str) -> list[str]:
        """Names of the folders in `at` that are not hidden, sorted."""

    def files(self, at: str) -> tuple[list[str], list[Unused]]:
        """All files below `at` with an image's suffix, sorted, and what is passed over there."""

    def beside(self, at: str, wanted: Sequence[str]) -> list[Unused]:
        """What lies in `at` beside the folders of these names."""

    def content(self, name: str) -> Content:
        """What is in a file, as `cvclassic.decoding.read_contents` takes it."""


class Folder:
    """A `Tree` on disk.

    Hidden files and folders, links to folders inside of class folders, and files without an image's suffix are passed
    over.
    """

    def __init__(self, path: Path):
        self._path = path
        self.shown = str(path)

    def subfolders(self, at: str) -> list[str]:
        """Links to folders are among them."""
        return sorted(each.name for each in (self._path / at).iterdir() if each.is_dir() and not _is_hidden(each.name))

    def files(self, at: str) -> tuple[list[str], list[Unused]]:
        """See `Tree`."""
        found, skipped = [], []
        for where, folders, names in os.walk(self._path / at, onerror=_raise):
            for name in folders:
                if _is_hidden(name):
                    skipped.append(Unused(os.path.join(where, name), HIDDEN))
                elif os.path.islink(os.path.join(where, name)):
                    skipped.append(Unused(os.path.join(where, name), FOLDER_LINK))
            folders[:] = [name for name in folders if not _is_hidden(name)]
            for name in names:
                path = os.path.join(where, name)
                if why := passed_over(name) or (LINK if os.path.islink(path) and not os.path.exists(path) else None):
                    skipped.append(Unused(path, why))
                else:
                    found.append(path)
        skipped = [Unused(self._relative(path), why) for path, why in sorted(skipped)]
        return [self._relative(path) for path in sorted(found)], [each for each in skipped if not _dropped(each.name)]

    def beside(self, at: str, wanted: Sequence[str]) -> list[Unused]:
        """See `Tree`."""
        names = [each.name for each in sorted((self._path / at).iterdir()) if each.name not in wanted]
        return unused_beside(at, names)

    def content(self, name: str) -> Content:
        """See `Tree`."""
        return partial(file_content, os.path.join(self._path, name))

    def _relative(self, path: str) -> str:
        return path[len(os.path.join(self._path, "")) :].replace(os.sep, "/")


def passed_over(name: str) -> str | None:
    """Why a file of this name is passed over, if it is."""
    if _is_hidden(name):
        return HIDDEN
    return None if os.path.splitext(name)[1].lower() in SUFFIXES else OTHER


def unused_beside(at: str, names: Sequence[str]) -> list[Unused]:
    """Files and folders of these names in the folder `at`, which holds class folders."""
    found = [Unused(joined(at, name), HIDDEN if _is_hidden(name) else OUTSIDE) for name in names]
    return [each for each in found if not _dropped(each.name)]


def joined(at: str, name: str) -> str:
    """The name of what is called `name` in the folder `at`."""
    return f"{at}/{name}" if at else name


def unreadable_warning(unreadable: Sequence[Unused]) -> str:
    """A line for files that could not be read."""
    named = ", ".join(each.name for each in unreadable[:_NAMED])
    more = f" and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
    return f"{len(unreadable)} image files {UNREADABLE}: {named}{more}"


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _dropped(path: str) -> bool:
    """Whether a system leaves such files, not people."""
    name = path.rpartition("/")[2].lower()
    return name in _DROPPINGS or name.startswith("._")


def _raise(error: OSError) -> None:
    raise error
