"""Files far away, by fsspec: what lies below a URL, and what is in a file, within the bounds of local ones.

Drivers (s3fs, gcsfs, aiohttp) do the transport and its retries, and find credentials where they look for them: in the
environment or in their own files. A URL that holds some is refused, since URLs are shown and written down.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cvclassic.decoding.budget import READING
from cvclassic.decoding.heads import check_signature
from cvclassic.decoding.reading import Content
from cvclassic.decoding.reasons import CHANGED, CUT_OFF, EMPTY, MISSING, NO_FILE, UnreadableError, too_many_bytes
from cvclassic.decoding.urls import SCHEME
from cvclassic.errors import CVClassicError, DataError, InputError, MissingDependencyError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

REQUESTS = 16  # files that are asked for at a time: they wait for a network, not for a core
FIRST_BYTES = 4 * 2**20  # that are asked for at once; most pictures have no more
LONGEST_CAUSE = 300  # characters of what a driver says
# What is installed for each; the others come with fsspec, or are left out, as those that take code or files of texts
# for a file system.
DRIVERS = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az"), "adlfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    **dict.fromkeys(("hdfs",), "pyarrow"),
    **dict.fromkeys(("memory", "zip", "file", "local"), "fsspec"),
}
_MARKS = ("ETag", "etag", "md5Hash", "generation", "content_md5", "LastModified", "updated", "last_modified", "created")
_MARKS += ("mtime",)  # what tells a file from what it was, by the names of several drivers

Returned = TypeVar("Returned")


@dataclass(frozen=True)
class RemotePlace:
    """A folder or a file far away; it can be pickled, with the options that its file system was opened with.

    Attributes
    ----------
    url : str
        As it was given.
    root : str
        Its path in the file system.
    """

    url: str
    root: str
    _files: "AbstractFileSystem" = field(repr=False)

    def names(self, at: str = "") -> dict[str, Mapping[str, object]]:
        """What the driver says of each file below the folder `at`, by its name: a path relative to the place, with /.

        Raises
        ------
        DataError
            Where the place, or a folder in it, is not there, may not be read, or does not answer.
        """
        start = f"{self.root.rstrip('/')}/" if self.root else ""

        found = _asked(self.url, lambda: {told["name"]: told for told in _files_below(self._files, start + at)})
        inside = {name[len(start) :]: told for name, told in found.items() if name.startswith(start)}
        return {name: told for name, told in inside.items() if name and not name.endswith("/")}

    def folders(self) -> list[str]:
        """Names of the folders in the place, sorted; errors are those of `names`."""
        found = _asked(self.url, lambda: self._files.ls(self.root, detail=True))
        others = [each["name"].rstrip("/") for each in found if each["type"] == "directory"]
        # A driver may list the place itself among what is in it.
        return sorted({name.rpartition("/")[2] for name in others if name.strip("/") != self.root.strip("/")})

    def exists(self) -> bool:
        """Whether there is a file or a folder; errors are those of `names`."""
        return _asked(self.url, lambda: self._files.exists(self.root))

    def remove(self) -> None:
        """Remove the place with all that is in it; DataError where that fails."""
        _asked(self.url, lambda: self._files.rm(self.root, recursive=True))

    def content(self, name: str) -> Content:
        """What is in a file, by its name, as `read_contents` takes it.

        DataError where the store does not answer or refuses: then the file may be good.
        """
        return partial(remote_content, self._files, self._path(name), self.url_of(name))

    def itself(self) -> Content:
        """What is in the place, where it is a file."""
        return partial(remote_content, self._files, self.root, self.url)

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of a file; UnreadableError and DataError as of its content."""
        return _part(self._files, self._path(name), self.url_of(name), 0, size)

    def url_of(self, name: str) -> str:
        """The URL of a file in the place; of a chain, as `zip://::s3://…`, it is the first part that is of the file."""
        own, chained, others = self.url.partition("::")
        return f"{own if own.endswith('://') else own.rstrip('/') + '/'}{name}{chained}{others}"

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if self.root else name

    def text(self, most: int) -> str:
        """What stands in the place, where it is a file of at most so many bytes; DataError else."""
        content = _asked(self.url, lambda: self._files.cat_file(self.root, start=0, end=most + 1))
        if len(content) > most:
            raise DataError(f"{self.url} has more than {most / 2**20:.0f} MiB, and is no table of pictures.")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{self.url} is no text in UTF-8: {error}.") from error


def open_place(url: str, options: Mapping[str, object] | None = None) -> RemotePlace:
    """What a URL means; nothing is asked of the store yet.

    Parameters
    ----------
    url : str
    options : mapping, optional
        Of the driver: fsspec's `storage_options`.

    Raises
    ------
    InputError
        For a URL that holds a password or a signature, or one of a kind that is not read.
    MissingDependencyError
        Where fsspec or the driver is not installed.
    """
    parts = url.split("::")
    kinds = [found[1].lower() if (found := SCHEME.match(f"{part}::")) else part.lower() for part in parts]
    for part, kind in zip(parts, kinds, strict=True):
        if kind not in DRIVERS:
            raise InputError(f"{url:.200}: no pictures are read by {kind[:40]}; there are {', '.join(DRIVERS)}.")
        if re.search(r"://[^/]*:[^/]*@", part) or (kind in ("http", "https") and "?" in part):
            raise InputError(
                f"A URL of {kind} holds a password or a query, which may be a signature; URLs stand in reports and "
                "run folders. Give credentials as the driver takes them: docs/remote.md tells how."
            )
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingDependencyError(f'{url} needs fsspec: pip install "cvclassic[dask]"') from error
    try:
        # Without listings that an earlier call kept: files may have come since, and 10^6 names would stay in memory.
        files, root = url_to_fs(url, **({"use_listings_cache": False} | dict(options or {})))
    except ImportError as error:
        drivers = " ".join(sorted({DRIVERS[kind] for kind in kinds} - {"fsspec"}))
        raise MissingDependencyError(f"{url} needs a driver that is not installed: pip install {drivers}") from error
    except Exception as error:  # drivers may connect here, and raise nearly anything
        raise store_error(url, error) from error
    return RemotePlace(url, root, files)


def content_of(url: str) -> Content:
    """What is in the file that a URL means."""
    return open_place(url).itself()


def identity(url: str, told: Mapping[str, object]) -> bytes | None:
    """A hash of what a driver says of a file: another one where the file was changed. None where that can't be told."""
    marks = [(key, str(told[key])) for key in _MARKS if told.get(key)]
    if not marks:
        return None
    return hashlib.blake2b(repr((url, told.get("size"), marks)).encode(errors="replace"), digest_size=16).digest()


@contextmanager
def remote_content(files: "AbstractFileSystem", path: str, url: str) -> Iterator[bytes]:
    """What is in a file, while its bytes are counted among those that all threads may hold.

    No more bytes are asked for than a picture may have; most files take one request.

    Raises
    ------
    UnreadableError
        For what is not there, empty, too large, or in no format that is known.
    DataError
        Where the store does not answer or refuses.
    """
    with READING.taking(FIRST_BYTES):
        first = _part(files, path, url, 0, FIRST_BYTES + 1)
        check_signature(first[:64])
        if len(first) <= FIRST_BYTES:
            yield first
            return
    size = _size(files, path, url)
    if max(size, len(first)) > READING.most:
        raise too_many_bytes(max(size, len(first)), READING.most)
    with READING.taking(size):
        content = first if len(first) >= size else first + _part(files, path, url, len(first), size)
        if len(content) != size:
            raise UnreadableError(CUT_OFF if len(content) < size else CHANGED)
        yield content


def store_error(url: str, error: Exception) -> DataError:
    """What a driver's error means, and what to do."""
    kind = type(error).__name__
    said = f"{kind}: {error}" if str(error) else kind
    said = said if len(said) <= LONGEST_CAUSE else f"{said[:LONGEST_CAUSE]} …"
    if isinstance(error, FileNotFoundError):
        return DataError(f"There is nothing at {url} ({said}). Check the names of the bucket and the folder.")
    if isinstance(error, PermissionError) or "Credential" in kind or "Auth" in kind:
        return DataError(
            f"{url} may not be read ({said}). Give credentials where the driver looks for them (docs/remote.md), or "
            "ask the owner for permission to list and read it."
        )
    if is_unreachable(error):
        return DataError(f"{url} does not answer ({said}). Check the address and the network, and start again.")
    return DataError(f"{url} can't be read ({said}).")


def is_unreachable(error: Exception) -> bool:
    """Whether a driver's error says that the store does not answer."""
    kind = type(error).__name__
    return isinstance(error, TimeoutError | ConnectionError) or "Timeout" in kind or "Connect" in kind


def _files_below(files: "AbstractFileSystem", path: str) -> Iterator[Mapping[str, object]]:
    """What a driver says of each file; fsspec's `find` and `walk` pass over folders that can't be listed."""
    waiting = [path]
    while waiting:
        at = waiting.pop().rstrip("/")
        for each in files.ls(at, detail=True):
            if each["type"] != "directory":
                yield each
            elif each["name"].rstrip("/").startswith(f"{at}/" if at else ""):  # and is not the folder itself
                waiting.append(each["name"])


def _part(files: "AbstractFileSystem", path: str, url: str, start: int, end: int) -> bytes:
    """Some bytes of a file; all to its end where it has fewer."""
    try:
        found = files.cat_file(path, start=start, end=end)
    except FileNotFoundError as error:
        raise UnreadableError(MISSING) from error
    except IsADirectoryError as error:
        raise UnreadableError(NO_FILE) from error
    except Exception as error:  # one that is asked for bytes of an empty file refuses
        if start == 0 and not isinstance(error, PermissionError) and _is_empty(files, path):
            raise UnreadableError(EMPTY) from error
        raise store_error(url, error) from error
    if not found and start == 0:
        raise UnreadableError(EMPTY)
    return bytes(found)


def _is_empty(files: "AbstractFileSystem", path: str) -> bool:
    try:
        return files.info(path).get("size") == 0
    except Exception:  # the error before tells more
        return False


def _size(files: "AbstractFileSystem", path: str, url: str) -> int:
    size = _asked(url, lambda: files.info(path)).get("size")
    if not isinstance(size, int):
        raise UnreadableError(f"of a size that its server does not tell, and more than {FIRST_BYTES / 2**20:.0f} MiB")
    return size


def _asked(url: str, ask: Callable[[], Returned]) -> Returned:
    """What a store answers; DataError where it does not, or refuses."""
    try:
        return ask()
    except (CVClassicError, UnreadableError):
        raise
    except Exception as error:  # drivers raise errors of their libraries, too
        raise store_error(url, error) from error
