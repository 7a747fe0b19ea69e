"""Images that were read before, by the content of their files: decoding takes longer than reading back.

Files are dealt into some hundred or thousand entries by a hash of their content, so that a changed file costs the other
files of its entry only. An entry is one file of fixed layout without anything to parse; it is written whole or not at
all, and one whose length or checksum is wrong is not used.
"""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cvclassic.decoding.contract import InputContract
from cvclassic.decoding.files import regular_file, rest_of
from cvclassic.decoding.reading import (
    Content,
    Facts,
    Pictures,
    Progress,
    in_threads,
    kept,
    read_content,
    read_contents,
)
from cvclassic.decoding.reasons import UnreadableError

LAYOUT = 1  # of entries, and of the rules of decoding: another number, other entries
MOST_BYTES = 4 * 2**30  # of all entries; the oldest ones go
FILES_PER_ENTRY = 16
STALE_SECONDS = 3600.0  # after which what a process left half-written goes
_DIGEST = 16
_SUFFIX = ".pictures"


def read_set(
    contents: Sequence[Content],
    contract: InputContract,
    *,
    progress: Progress | None = None,
    identities: Sequence[bytes] | None = None,
    threads: int | None = None,
) -> Pictures:
    """What `read_contents` gives, from the cache as far as it has them; what it lacks is put there.

    The cache lies in `$CVCLASSIC_CACHE`, else in the user's cache folder. Where that can't be written nothing is kept.
    Files are known by their contents, or by `identities`, 16 bytes each, where these are known without reading.
    """
    image_bytes = int(np.prod(contract.shape))
    if not contents or len(contents) * image_bytes > MOST_BYTES // 2 or (folder := _folder()) is None:
        return read_contents(contents, contract, progress=progress, threads=threads)
    images = np.empty((len(contents), *contract.shape), np.uint8)
    facts = np.zeros((len(contents), len(Facts._fields)), np.int64)
    digests, unreadable = _digests(contents) if identities is None else (dict(enumerate(identities)), {})
    entries = [_Entry(folder, places, digests, contract) for places in _dealt(digests)]

    def read_entry(number: int) -> None:
        entry = entries[number]
        lacking = entry.load(images, facts)
        unchanged = True
        for place in lacking:
            known = digests[place] if identities is None else None
            found = _read_checked(contents[place], contract, known)
            if isinstance(found, str):
                unreadable[place], images[place] = found, 0
            else:
                images[place], facts[place], same = found
                unchanged &= same
        if unchanged and any(place not in unreadable for place in lacking):
            entry.store(images, facts)

    counted = None if progress is None else _by_entries(progress, len(contents), len(entries))
    in_threads(read_entry, range(len(entries)), counted, threads)
    _tidy(folder)
    return kept(images, facts, unreadable)


class _Entry:
    """The images of some files of a set."""

    def __init__(self, folder: Path, places: list[int], digests: dict[int, bytes], contract: InputContract):
        self.places = sorted(places, key=digests.__getitem__)
        self._contract = contract
        kind = (LAYOUT, cv2.__version__, contract.shape, contract.resize)
        key = hashlib.blake2b(repr(kind).encode(), digest_size=_DIGEST)
        for place in self.places:
            key.update(digests[place])
        self._path = folder / f"{key.hexdigest()}{_SUFFIX}"

    def load(self, images: np.ndarray, facts: np.ndarray) -> list[int]:
        """Fill in the rows of this entry, if it is there and whole; the places of the files that it lacks.

        Files that could not be read stand in it with zeros; what is installed since may read them.
        """
        n, fact_bytes = len(self.places), len(Facts._fields) * 8
        size = _DIGEST + n * (fact_bytes + int(np.prod(self._contract.shape)))
        try:
            with regular_file(self._path) as (file, found):
                content = rest_of(file, size) if found == size else b""
                if len(content) != size or _checksum(memoryview(content)[_DIGEST:]) != content[:_DIGEST]:
                    return self.places
            os.utime(self._path)  # used now: it stays when others go
        except (OSError, UnreadableError):
            return self.places
        facts[self.places] = np.frombuffer(content, np.int64, n * len(Facts._fields), _DIGEST).reshape(n, -1)
        pixels = np.frombuffer(content, np.uint8, offset=_DIGEST + n * fact_bytes)
        images[self.places] = pixels.reshape(n, *self._contract.shape)
        return [place for place in self.places if not facts[place, 0]]

    def store(self, images: np.ndarray, facts: np.ndarray) -> None:
        """Keep the rows of this entry, whole or not at all."""
        content = facts[self.places].tobytes() + images[self.places].tobytes()
        with contextlib.suppress(OSError):
            number, name = tempfile.mkstemp(dir=self._path.parent, prefix=".half-")
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(_checksum(content) + content)
                os.replace(name, self._path)
            except BaseException:
                os.unlink(name)
                raise


def cache_folder() -> Path:
    """Where decoded images are kept: `$CVCLASSIC_CACHE`, else the user's cache folder."""
    given = os.environ.get("CVCLASSIC_CACHE")
    if given:
        return Path(given).expanduser() / "pictures"
    import platformdirs

    return Path(platformdirs.user_cache_dir("cvclassic", appauthor=False)) / "pictures"


def _folder() -> Path | None:
    """The cache's folder, made for this user alone; None where that can't be."""
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _digests(contents: Sequence[Content]) -> tuple[dict[int, bytes], dict[int, str]]:
    """A hash of what is in each file, by place; and why others can't be read."""
    digests: dict[int, bytes] = {}
    unreadable: dict[int, str] = {}

    def look(place: int) -> None:
        try:
            with contents[place]() as content:
                digests[place] = _checksum(content)
        except UnreadableError as error:
            unreadable[place] = str(error)

    in_threads(look, range(len(contents)))
    return digests, unreadable


def _dealt(digests: dict[int, bytes]) -> list[list[int]]:
    """The places of the files of each entry; how many entries there are changes only where the files double."""
    bits = max(0, (len(digests) // FILES_PER_ENTRY).bit_length())
    entries: dict[int, list[int]] = {}
    for place in sorted(digests):
        entries.setdefault(int.from_bytes(digests[place][:4], "big") >> (32 - bits), []).append(place)
    return list(entries.values())


def _read_checked(
    content: Content, contract: InputContract, digest: bytes | None
) -> tuple[np.ndarray, Facts, bool] | str:
    """Image and facts of a file, and whether it still has the content of that hash, if any; or why it can't be read."""
    with contextlib.ExitStack() as stack:
        try:
            held = stack.enter_context(content())
        except UnreadableError as error:
            return str(error)
        found = read_content(lambda: contextlib.nullcontext(held), contract)
        return found if isinstance(found, str) else (*found, digest is None or _checksum(held) == digest)


def _checksum(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()


def _by_entries(progress: Progress, n_files: int, n_entries: int) -> Progress:
    """What counts entries, as files; all of them in the end."""
    done = told = 0

    def count(n: int) -> None:
        nonlocal done, told
        done += n
        files = n_files * done // n_entries
        progress(files - told)
        told = files

    return count


def _tidy(folder: Path) -> None:
    """Remove the entries that were not used for longest, where all take too much room, and what was never finished."""
    with contextlib.suppress(OSError):
        found = []
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.name.startswith(".half-") and status.st_mtime < time.time() - STALE_SECONDS:
                    os.unlink(entry.path)
                elif entry.name.endswith(_SUFFIX):
                    found.append((status.st_mtime, status.st_size, entry.path))
        excess = sum(size for _, size, _ in found) - MOST_BYTES
        for _, size, path in sorted(found):
            if excess <= 0:
                return
            with contextlib.suppress(OSError):
                os.unlink(path)
                excess -= size
