"""Which images belong together and never lie on two sides of a split: copies, and those of one group.

A group is a patient, an object, a recording: what its pictures share, they share for no reason of the class.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cvclassic.errors import DataError, InputError

COPIES = "copies stay in one part"
SUBFOLDER = "subfolder"
LARGE_GROUP = 20  # images, or
LARGE_SHARE = 0.05  # of all images: what near copies may join into one group at most
CLASS_SHARE = 1 / 3  # and of the images of a class
LARGEST_TABLE = 2**26  # bytes of a CSV; a million files have about as many
SEARCH_SECONDS = 10  # for a regular expression in all names; 100,000 names take 0.1 s
_NAMED = 5  # files that an error names; the rest is counted


def together(*keys: Sequence[object]) -> np.ndarray | None:
    """Numbers (n,) int64 of what belongs together: images that share a key, directly or by way of other images.

    Parameters
    ----------
    *keys : sequences of length n
        Of each image something to compare; None is shared with no other.

    Returns
    -------
    ndarray, or None where no two images belong together
    """
    n = len(keys[0])
    first, second = [], []
    for of_images in keys:
        seen: dict[object, int] = {}
        for image, key in enumerate(of_images):
            if key is not None and (other := seen.setdefault(key, image)) != image:
                first.append(other)
                second.append(image)
    if not first:
        return None
    linked = coo_matrix((np.ones(len(first)), (first, second)), shape=(n, n))
    return connected_components(linked, directed=False)[1].astype(np.int64)


def join(groups: np.ndarray | None, near: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray | None, int, int]:
    """Groups that near copies are in too, where that makes no group too large to be drawn into one part.

    A group that near copies join has at most 20 images or 5 % of all, whichever is more, and of no class more than a
    third. Otherwise its parts stay what they were.

    Parameters
    ----------
    groups : ndarray of shape (n,), or None
        As `together` returns them.
    near : ndarray of shape (n,), int64
        Equal numbers are copies of one another, as in `near_copies.Copies`.
    labels : ndarray of shape (n,), int64

    Returns
    -------
    groups : ndarray of shape (n,), int64, or None
    n_joined, n_apart : int
        Parts that were joined to others, and parts that were not though they are near copies of others.
    """
    n = len(labels)
    parts = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    first = np.unique(near, return_index=True)[1][np.unique(near, return_inverse=True)[1]]
    links = np.concatenate([[np.unique(parts, return_index=True)[1][parts], first], [np.arange(n)] * 2], axis=0)
    linked = coo_matrix((np.ones(2 * n), (links[:2].ravel(), links[2:].ravel())), shape=(n, n))
    joined = connected_components(linked, directed=False)[1]
    of_classes = np.bincount(labels)
    counts = np.zeros((joined.max() + 1, len(of_classes)), np.int64)
    np.add.at(counts, (joined, labels), 1)
    large = (counts.sum(axis=1) > max(LARGE_GROUP, LARGE_SHARE * n)) | (counts > CLASS_SHARE * of_classes).any(axis=1)
    n_parts = np.bincount(joined[np.unique(parts, return_index=True)[1]])
    n_joined, n_apart = (int((n_parts[which] - 1).sum()) for which in (~large, large))
    if not n_joined:
        return groups, 0, n_apart
    numbers = np.where(large[joined], joined.max() + 1 + parts, joined)
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64), n_joined, n_apart


def near_copies_warning(n_joined: int, n_apart: int, searched: bool) -> list[str]:
    """Lines on near copies in a set whose splits are drawn; of `join`, and whether they were looked for."""
    if not searched:
        return ["near copies were not looked for among so many images, so that some may be on two sides of a split"]
    found = []
    if n_joined:
        of_others = "images are near copies of others" if n_joined > 1 else "image is a near copy of another"
        found.append(f"{n_joined:,} {of_others}; they stay in one part")
    if n_apart:
        why = "are in groups too large to stay in one part, unless you name groups (--group)"
        found.append(f"{n_apart:,} near copies {why}")
    return found


def copies_warning(keys: Sequence[object]) -> str | None:
    """A line where images are exact copies of others."""
    n = len(keys) - len(set(keys))
    if not n:
        return None
    return f"{n:,} image{'s are exact copies' if n > 1 else ' is an exact copy'} of another; {COPIES}"


def groups_of_files(group: str, files: Sequence[Path], class_depth: int | None) -> list[str | None]:
    """The group of each file, None for one that stands for itself.

    Parameters
    ----------
    group : str
        "subfolder": the first folder inside the class folder. FILE.csv:COLUMN: that column, with the file's path,
        relative to the data set's folder, in the column `file`. Anything else is a regular expression that is searched
        in the file's name: what its first group matches, or without one the whole match.
    files : sequence of Path
        Relative to the data set's folder.
    class_depth : int
        Parts of such a path up to the class folder: 1, or 2 where train/ or test/ comes first; None where there are no
        class folders.

    Raises
    ------
    InputError
        For an expression that can't be used or matches no file, a CSV that can't be read or lacks the columns or a
        file, or where no file has a subfolder.
    """
    table, colon, column = group.rpartition(":")
    if colon and table.lower().endswith(".csv"):
        return _of_csv(Path(table).expanduser(), column, files)
    if group.lower().endswith(".csv"):
        raise InputError(f"group (--group) is {group!r}; name the column too: {group}:COLUMN.")
    if group == SUBFOLDER and class_depth is None:
        raise InputError("group (--group) is 'subfolder', which is for class folders; give the CSV a column `group`.")
    if group == SUBFOLDER:
        found = [file.parts[class_depth] if len(file.parts) > class_depth + 1 else None for file in files]
        if not any(found):
            raise InputError("group (--group) is 'subfolder', and no class folder has folders with images in it.")
        return found
    matches = _searched(group, [file.name for file in files])
    if not any(match is not None for match in matches):
        raise InputError(
            f"group (--group) is {group!r:.200}, which matches no file's name, such as {files[0].name!r}. It is a "
            "regular expression for the part of the name that tells the group, such as 'patient(\\d+)'."
        )
    return matches


def _searched(pattern: str, names: Sequence[str]) -> list[str | None]:
    """What a regular expression finds in each name.

    In a process of its own, which can be ended: an expression such as (a+)+$ takes 2^n steps in a name of n letters.
    """
    question = json.dumps([pattern, list(names)]).encode()
    command = [sys.executable, "-I", "-S", "-c", _SEARCH]
    try:
        answer = subprocess.run(command, input=question, capture_output=True, timeout=SEARCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"group (--group) is {pattern!r:.200}; to search it in the names of {len(names):,} files takes more than "
            f"{SEARCH_SECONDS} s. Let no part that repeats hold another one, such as in (a+)+."
        ) from None
    found = json.loads(answer.stdout) if answer.returncode == 0 else "it needs too much memory or depth"
    if isinstance(found, str):
        raise InputError(
            f"group (--group) is {pattern!r:.200}; that is no regular expression ({found:.200}), nor 'subfolder', nor "
            "FILE.csv:COLUMN."
        )
    return found


# What the process does: its answer is a list, or a text that says what is wrong with the expression.
_SEARCH = """
import json, re, sys
text, names = json.load(sys.stdin)
try:
    pattern = re.compile(text)
    found = [pattern.search(name) for name in names]
    found = [match and (match.group(1) if pattern.groups else match.group()) for match in found]
except (re.error, OverflowError, RecursionError, MemoryError) as error:
    found = str(error) or type(error).__name__
print(json.dumps(found))
"""


def _of_csv(path: Path, column: str, files: Sequence[Path]) -> list[str | None]:
    wanted = {file.as_posix() for file in files}
    by_file: dict[str, str] = {}  # of the files that are there: a table may have any number of others
    try:
        if path.exists() and not (path.is_file() and path.stat().st_size <= LARGEST_TABLE):
            raise InputError(f"group (--group): {path} is no file of at most {LARGEST_TABLE:,} bytes.")
        with open(path, newline="", encoding="utf-8-sig") as table:
            rows = csv.reader(table)
            known = next(rows, [])
            for needed in ("file", column):
                if needed not in known:
                    has = f"it has {', '.join(known)}" if known else "it is empty"
                    raise InputError(f"group (--group): {path} has no column {needed!r:.60}; {has:.300}.")
            places = known.index("file"), known.index(column)
            for row in rows:
                row += [""] * (len(known) - len(row))
                name = Path(row[places[0]]).as_posix()
                if name in wanted:
                    by_file[name] = row[places[1]]
    except InputError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"group (--group): {path} can't be read: {error}.") from error
    missing = [file.as_posix() for file in files if file.as_posix() not in by_file]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise DataError(
            f"{path} has no row for {', '.join(missing[:_NAMED])}{more}; its column `file` holds paths relative to the "
            "data set's folder. Add them, with an empty group for what stands for itself."
        )
    return [by_file[file.as_posix()] or None for file in files]
