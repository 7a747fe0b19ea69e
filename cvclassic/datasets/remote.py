"""Pictures far away as a layout: a folder of class folders in an object store, or a table of files in one."""

import io
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cvclassic.datasets.files import Unused, passed_over
from cvclassic.datasets.layout import Layout, layout_of_folders
from cvclassic.datasets.members import Member, Members, leads_out, passed_over_below
from cvclassic.datasets.table import LARGEST_TABLE, layout_of_lines
from cvclassic.decoding import Content
from cvclassic.decoding.remote import RemotePlace, identity, open_place
from cvclassic.errors import DataError, InputError

TABLES = frozenset({"csv", "tsv"})
ARCHIVES = frozenset({"zip", "tar", "gz", "tgz", "bz2", "xz"})
OUTSIDE = "a name that leads out of the folder"


class RemoteSet(NamedTuple):
    """What a URL holds.

    Attributes
    ----------
    layout : Layout
    content : callable
        Gives the content of a file by its name.
    identities : dict of str to bytes, or None
        Of each file what changes where it does; None where the store doesn't tell.
    is_table : bool
        Whether a table names the files.
    """

    layout: Layout
    content: Callable[[str], Content]
    identities: dict[str, bytes] | None
    is_table: bool = False


def read_remote_set(url: str) -> RemoteSet:
    """The layout of a URL; DataError where there is none, InputError for archives, which need another URL."""
    if suffix_of(url) in TABLES:
        layout, folder = layout_of_remote_table(url)
        return RemoteSet(layout, folder.content, None, is_table=True)
    place = open_folder(url)
    told = place.names()
    if not told:
        raise DataError(f"There are no files at {url}. Check the names of the bucket and the folder.")
    inside = [Member(name, place.content(name)) for name in told if not leads_out(name)]
    escaping = [Unused(name, OUTSIDE) for name in told if leads_out(name)]
    identities = {name: identity(place.url, each) for name, each in told.items()}
    known = None if None in identities.values() else identities
    tree = Members(url, inside, escaping)
    return RemoteSet(layout_of_folders(tree), tree.content, known)


class RemoteFolder:
    """A `listing.Lister` of class folders far away, each of which is listed on its own."""

    def __init__(self, place: RemotePlace):
        self.place = place
        self.shown = place.url

    def subfolders(self, at: str) -> list[str]:
        """Those that are not hidden, of the folder itself (`at` is ""), sorted."""
        return [name for name in self.place.folders() if not passed_over(f"{name}.png") and name != "__MACOSX"]

    def files(self, at: str) -> tuple[list[str], list[Unused]]:
        """See `Tree`."""
        found, skipped = [], []
        for name in sorted(self.place.names(at)):
            why = OUTSIDE if leads_out(name) else passed_over_below(name.removeprefix(f"{at}/"))
            skipped.append(Unused(name, why)) if why else found.append(name)
        return found, skipped

    def content(self, name: str) -> Content:
        """See `Tree`."""
        return self.place.content(name)


def open_folder(url: str, options: Mapping[str, object] | None = None) -> RemotePlace:
    """The folder that a URL means; InputError for an archive, with the URL that reads it where there is one."""
    if suffix_of(url) in ARCHIVES and "::" not in url:
        how = f"Name zip://::{url}, which reads it in its place." if url.endswith(".zip") else "Unpack it there."
        raise InputError(f"{url} is an archive, and far away. {how}")
    return open_place(url, options)


def layout_of_remote_table(url: str, options: Mapping[str, object] | None = None) -> tuple[Layout, RemotePlace]:
    """The layout that a table describes, and the folder that its names are relative to."""
    folder, _, _ = url.rpartition("/")
    text = open_place(url, options).text(LARGEST_TABLE)
    return layout_of_lines(io.StringIO(text, newline=""), url, folder), open_place(folder, options)


def suffix_of(url: str) -> str:
    """What stands behind the last dot of a URL's last part, in lower case; "" without one."""
    return url.rpartition("/")[2].rpartition(".")[2].lower() if "." in url.rpartition("/")[2] else ""
