"""Files that a list names, as in an archive or a bucket, taken for folders and files."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cvclassic.datasets.files import Unused, joined, passed_over, unused_beside
from cvclassic.decoding import Content

TWICE = "a second file of this name"


class Member(NamedTuple):
    """A regular file of a list; its name is a path with /, of which `leads_out` is false."""

    name: str
    content: Content


class Members:
    """A `Tree` of files by their names. `top` is a folder among them that counts as all there is, or ""."""

    def __init__(self, shown: str, members: Iterable[Member], skipped: Sequence[Unused] = (), *, top: str = ""):
        self.shown = shown
        self._contents: dict[str, Content] = {}
        self._skipped = list(skipped)
        for member in members:
            if member.name in self._contents:
                self._skipped.append(Unused(member.name, TWICE))
            else:
                self._contents[member.name] = member.content
        self._top = joined(top, "")
        self._names = sorted(name[len(self._top) :] for name in self._contents if name.startswith(self._top))

    def subfolders(self, at: str) -> list[str]:
        """See `Tree`."""
        start = joined(at, "")
        found = {name[len(start) :].partition("/") for name in self._names if name.startswith(start)}
        return sorted({first for first, slash, _ in found if slash and not passed_over(f"{first}.png")} - {"__MACOSX"})

    def files(self, at: str) -> tuple[list[str], list[Unused]]:
        """See `Tree`."""
        start = joined(at, "")
        found, skipped = [], []
        for name in self._names:
            if name.startswith(start):
                why = passed_over_below(name[len(start) :])
                skipped.append(Unused(name, why)) if why else found.append(name)
        return found, skipped

    def beside(self, at: str, wanted: Sequence[str]) -> list[Unused]:
        """See `Tree`; at the top, also what is in no folder because of its path."""
        start = joined(at, "")
        names = {name[len(start) :].partition("/")[0] for name in self._names if name.startswith(start)}
        return [*unused_beside(at, sorted(names - set(wanted))), *([] if at else self._skipped)]

    def content(self, name: str) -> Content:
        """See `Tree`."""
        return self._contents[self._top + name]


def leads_out(name: str) -> bool:
    """Whether a name, taken for a path, could mean something outside of where it is."""
    parts = name.split("/")
    return ".." in parts or "" in parts or "\0" in name


def passed_over_below(name: str) -> str | None:
    """Why a file below a class folder is passed over, by its path from there, if it is."""
    folders, _, last = name.rpartition("/")
    hidden = any(part.startswith(".") for part in folders.split("/"))
    return passed_over("." if hidden else last)


def common_top(members: Sequence[Member]) -> str:
    """The folder in which all pictures lie, where that is one; else ""."""
    names = [member.name for member in members]
    tops = {name.partition("/")[0] for name in names if passed_over(name.rpartition("/")[2]) is None}
    top = next(iter(tops)) if len(tops) == 1 else ""
    return "" if top in names else top
