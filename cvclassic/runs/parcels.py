"""A folder of files as what can be sent to another machine, and back."""

from pathlib import Path, PurePosixPath

from cvclassic.errors import DataError
from cvclassic.runs.files import make_folders, write_content

Files = dict[str, bytes]
"""The content of each file by its path in the folder, with /."""


def packed(folder: Path) -> Files:
    """All files in `folder` and its folders, without links."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def unpack(files: Files, folder: Path) -> None:
    """Write the files into `folder`, which is there.

    Raises
    ------
    DataError
        For a path that would lead out of it; nothing is written then.
    OSError
    """
    for name in files:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or any(character in name for character in "\\:\0") or name.startswith("/"):
            raise DataError(f"is a file called {name!r}, which leads out of its folder")
    for name, content in files.items():
        path = folder / name
        make_folders(path.parent, [])
        write_content(path, content)
