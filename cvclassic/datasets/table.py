"""A CSV that names pictures: their paths and labels, and where it has such columns their groups and parts."""

import csv
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from cvclassic.datasets.layout import PART_NAMES, PARTS, WHOLE, Layout, judged_by_validation
from cvclassic.datasets.members import leads_out
from cvclassic.decoding import is_url
from cvclassic.errors import DataError

PATH, LABEL, GROUP, PART = COLUMNS = ("path", "label", "group", "part")
LARGEST_TABLE = 256 * 2**20  # bytes
_SEPARATORS = ",;\t"
_NAMED = 3  # of what is wrong in several lines


class _Row(NamedTuple):
    part: int
    label: str
    name: str  # relative to the CSV's folder, with /
    group: str | None
    line: int


def layout_of_table(path: Path) -> Layout:
    """The layout that a CSV describes; names are relative to its folder.

    Its first line names the columns, in any order and case: `path` (of a picture, relative to the CSV's folder) and
    `label`; optionally `group` (pictures with the same one stay in one part; empty: the picture stands for itself) and
    `part` (train, val or valid or validation, test). Others are passed over. Columns are separated by commas,
    semicolons or tabs.

    Raises
    ------
    DataError
        For what is no such table; a path that is named twice, or leads out of the CSV's folder; and what
        `layout_of_folders` refuses.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise DataError(f"{path} has more than {LARGEST_TABLE / 2**20:.0f} MiB, and is no table of pictures.")
        with open(path, newline="", encoding="utf-8-sig") as file:
            return layout_of_lines(file, str(path), os.path.abspath(path.parent))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read as CSV: {error}.") from error


def layout_of_lines(file: TextIO, path: str, folder: str) -> Layout:
    """What `layout_of_table` gives, of an open table; errors call it `path`.

    `folder` is a path, or a URL, in which all pictures lie.
    """
    try:
        rows, parts = _read(file, path, folder)
    except csv.Error as error:
        raise DataError(f"{path} can't be read as CSV: {error}.") from error
    class_names = sorted({row.label for row in rows})
    if len(class_names) < 2:
        raise DataError(f"{path} has {len(class_names)} labels; two or more are needed.")
    _check_named_once(path, rows)
    named, warnings = judged_by_validation(parts, "the validation part")
    order = [part for part in PARTS if part in named] or [WHOLE]
    place = [order.index(part) for part in named]
    rows = sorted(row._replace(part=place[row.part]) for row in rows)
    number = {name: k for k, name in enumerate(class_names)}
    return Layout(
        names=[row.name for row in rows],
        labels=np.array([number[row.label] for row in rows], np.int64),
        part_of=np.array([row.part for row in rows], np.int64),
        class_names=class_names,
        parts=order,
        places=[f"{path}, {part}" if part != WHOLE else path for part in order],
        skipped=[],
        warnings=warnings,
        groups=[row.group for row in rows] if any(row.group for row in rows) else None,
    )


def _read(file: TextIO, path: str, folder: str) -> tuple[list[_Row], list[str]]:
    """The rows, whose part is an index into the second: the parts that the table names, or the whole."""
    head = file.readline()
    separator = max(_SEPARATORS, key=head.count)
    columns = [name.strip().lower() for name in next(csv.reader([head], delimiter=separator), [])]
    lacking = [name for name in (PATH, LABEL) if name not in columns]
    if lacking:
        raise DataError(
            f"{path} has no column {' and no column '.join(lacking)}; its first line has "
            f"{', '.join(columns):.200}. It names the columns: {PATH} and {LABEL}, and if there are such {GROUP} "
            f"and {PART}."
        )
    twice = [name for name in COLUMNS if columns.count(name) > 1]
    if twice:
        raise DataError(f"{path} has two columns {twice[0]}; leave one.")
    table = csv.reader(file, delimiter=separator)
    found = [(table.line_num + 1, dict(zip(columns, row, strict=False))) for row in table if any(row)]
    parts = _parts(path, found)
    places = {part: k for k, part in enumerate(parts)}
    rows = list(_rows(path, folder, found, places))
    if not rows:
        raise DataError(f"{path} names no pictures.")
    return rows, parts


def _parts(path: str, found: list[tuple[int, dict[str, str]]]) -> list[str]:
    given = [row.get(PART, "").strip() for _, row in found]
    if not any(given):
        return [WHOLE]
    for (line, _), part in zip(found, given, strict=True):
        if part.lower() not in PART_NAMES:
            raise DataError(
                f"{path}, line {line}: part is {part!r:.80}; it is one of {', '.join(PART_NAMES)}, "
                "in each line or in none."
            )
    parts = {PART_NAMES[part.lower()] for part in given}
    if PARTS[0] not in parts or len(parts) < 2:
        raise DataError(f"{path} has the part {', '.join(sorted(parts))} alone; it needs train and test, or no parts.")
    return [part for part in PARTS if part in parts]


def _rows(path: str, folder: str, found: list[tuple[int, dict[str, str]]], places: dict[str, int]) -> Iterator[_Row]:
    for line, row in found:
        given, label = row.get(PATH, "").strip(), row.get(LABEL, "").strip()
        if not given or not label or "\0" in given:
            raise DataError(
                f"{path}, line {line}: it needs a path and a label, and has {given!r:.80} and {label!r:.80}."
            )
        name = _inside(folder, given)
        if name is None:
            raise DataError(
                f"{path}, line {line}: {given:.200} lies outside of {folder}, where the CSV is. Put the CSV into "
                "a folder above all pictures, and write their paths relative to it."
            )
        part = places[PART_NAMES[row[PART].strip().lower()]] if WHOLE not in places else 0
        yield _Row(part, label, name, row.get(GROUP, "").strip() or None, line)


def _inside(folder: str, given: str) -> str | None:
    """A path relative to the folder, with /; None where it leads out of it."""
    if is_url(folder):
        name = given.removeprefix(f"{folder}/")
        name = posixpath.normpath(name) if not is_url(name) else name
        return None if leads_out(name) else name  # a URL of elsewhere has //
    whole = os.path.normpath(os.path.join(folder, given))
    return os.path.relpath(whole, folder).replace(os.sep, "/") if whole.startswith(os.path.join(folder, "")) else None


def _check_named_once(path: str, rows: list[_Row]) -> None:
    seen: dict[str, int] = {}
    twice = [(row, seen[row.name]) for row in rows if seen.setdefault(row.name, row.line) != row.line]
    if twice:
        told = "; ".join(f"{row.name:.100} in lines {line} and {row.line}" for row, line in twice[:_NAMED])
        more = f"; and {len(twice) - _NAMED} more" if len(twice) > _NAMED else ""
        raise DataError(f"{path} names pictures twice: {told}{more}. Each picture has one line.")
