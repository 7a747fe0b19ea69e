"""One process at a time works in a run's folder; others are told which one does."""

import contextlib
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from cvclassic.errors import DataError, InputError
from cvclassic.runs.encoding import read_content

LOCK, HOLDER = ".lock", ".holder"
PATIENCE = 0.5  # seconds that the holder may take to write down who it is


def take_lock(folder: Path) -> FileLock:
    """The lock of `folder`, held, with a file beside it that says by whom.

    Raises
    ------
    InputError
        Where another process holds it.
    OSError
        Where the folder can't be written.
    """
    is_new = not (folder / LOCK).exists()
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            f"{_holder(folder)} works on the run in {folder}, and nothing was changed. Wait for its end or end it, and "
            f"go on with --resume {folder}; or choose another --out."
        ) from None
    since = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        (folder / HOLDER).unlink(missing_ok=True)  # of a process that was killed; and no link is followed
        (folder / HOLDER).write_text(f"Process {os.getpid()} on {socket.gethostname()}, since {since},")
    except BaseException:
        with contextlib.suppress(OSError):
            (folder / HOLDER).unlink(missing_ok=True)
            if is_new:
                (folder / LOCK).unlink()
        lock.release()
        raise
    return lock


def _holder(folder: Path) -> str:
    """Who holds the lock, as the beginning of a sentence."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError, DataError):
            found = read_content(folder / HOLDER, most=400).decode(errors="replace")
            if found.endswith(","):  # written to its end
                return "".join(filter(str.isprintable, found))
        time.sleep(0.01)
    return "Another process"
