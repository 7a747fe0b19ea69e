"""Files and folders: written whole or not at all, and removed without following a link."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then give it its name: nobody ever sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            write(file)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_content(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    write_whole(path, lambda file: file.write(content))


def remove(path: Path) -> None:
    """Remove a file, a link (not what it leads to) or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_folders(path: Path, made: list[Path]) -> None:
    """Make `path` and its parents; `made` has those that this process made."""
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            with contextlib.suppress(FileExistsError):  # by a process that starts at the same moment
                folder.mkdir()
                made.append(folder)


def remove_made(made: list[Path]) -> None:
    """Remove what this process made, the latest first; a folder that holds something else stays."""
    while made:
        path = made.pop()
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()
