"""Which images belong together and never lie on two sides of a split: exact copies, and those of one group.

A group is a patient, an object, a recording: what its pictures share, they share for no reason of the class.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cvclassic.errors import DataError, InputError

SUBFOLDER = "subfolder"
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


def copies_warning(keys: Sequence[bytes]) -> str | None:
    """A line where images are exact copies of others."""
    n = len(keys) - len(set(keys))
    if not n:
        return None
    return f"{n:,} image{'s are exact copies' if n > 1 else ' is an exact copy'} of another; copies stay in one part"


def groups_of_files(group: str, files: Sequence[Path], class_depth: int) -> list[str | None]:
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
        Parts of such a path up to the class folder: 1, or 2 where train/ or test/ comes first.

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
    if group == SUBFOLDER:
        found = [file.parts[class_depth] if len(file.parts) > class_depth + 1 else None for file in files]
        if not any(found):
            raise InputError("group (--group) is 'subfolder', and no class folder has folders with images in it.")
        return found
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise InputError(
            f"group (--group) is {group!r}; that is no regular expression ({error}), nor 'subfolder', nor "
            "FILE.csv:COLUMN."
        ) from error
    matches = [pattern.search(file.name) for file in files]
    if not any(matches):
        raise InputError(
            f"group (--group) is {group!r}, which matches no file's name, such as {files[0].name!r}. It is a regular "
            "expression for the part of the name that tells the group, such as 'patient(\\d+)'."
        )
    return [match and (match.group(1) if pattern.groups else match.group()) for match in matches]


def _of_csv(path: Path, column: str, files: Sequence[Path]) -> list[str | None]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"group (--group): {path} can't be read: {error}.") from error
    known = list(rows[0]) if rows else []
    for needed in ("file", column):
        if needed not in known:
            raise InputError(f"group (--group): {path} has no column {needed!r}; it has {', '.join(map(str, known))}.")
    by_file = {Path(row["file"]).as_posix(): row[column] for row in rows if row["file"]}
    missing = [file.as_posix() for file in files if file.as_posix() not in by_file]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise DataError(
            f"{path} has no row for {', '.join(missing[:_NAMED])}{more}; its column `file` holds paths relative to the "
            "data set's folder. Add them, with an empty group for what stands for itself."
        )
    return [by_file[file.as_posix()] or None for file in files]
