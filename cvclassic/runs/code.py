"""Whose Python files a run that goes on is about to run: they are code, wherever its folder came from."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from cvclassic.runs.job import RunRecord
from cvclassic.runs.pipelines import file_of


def content_mark(path: Path) -> str:
    """A hash of a file's content, by which it is known whether that has changed."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def files_to_run(record: RunRecord) -> list[str]:
    """A line for each pipeline file of the run that is none of cvclassic's: path, owner, and whether it has changed."""
    marks = {pipeline.name: pipeline.content for pipeline in record.pipelines}
    paths = [path for name in record.spec.pipelines if (path := file_of(name)) is not None and path.is_file()]
    return [_line(path.resolve(), marks.get(path.stem)) for path in paths]


def _line(path: Path, mark: str | None) -> str:
    when = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if mark is None:
        known = "what it held when the run began is not known"
    else:
        known = "as it was when the run began" if mark == content_mark(path) else "CHANGED since the run began"
    return f"Runs the Python file {path} (owned by {_owner(path)}, last written {when}; {known})."


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, NotImplementedError, OSError):  # a user without a name, or Windows
        return f"user {path.stat().st_uid}"
