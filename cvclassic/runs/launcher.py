"""The run's end of the worker processes."""

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import psutil

from cvclassic.runs.processes import descendants, end_descendants, lives, memory_of, session_of
from cvclassic.runs.worker import ENDED, READY, Handover

LAST_WORDS_SECONDS = 1.0  # for what a dead launcher had written
POLL_SECONDS = 0.05
SEARCH_SECONDS = 0.5  # between two searches for what a worker has started: each looks at all processes of the machine
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def worker_environment(threads: int) -> dict[str, str]:
    """The environment of launchers and workers, whose libraries use so many threads."""
    environment = os.environ | {name: str(threads) for name in THREAD_VARIABLES}
    package_parent = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


class Launcher:
    """Starts worker processes for the jobs of one kind of pipeline, one at a time.

    Use it as a context manager: leaving it ends the launcher and all that it has started. They work in `folder`, by
    default this process's own.
    """

    def __init__(self, environment: Mapping[str, str], *, neural: bool, folder: Path | None = None):
        self._environment, self._folder = environment, folder
        self._arguments = ["--neural"] if neural else []
        self._launch()

    def __enter__(self) -> "Launcher":
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def wait_until_ready(self, seconds: float) -> None:
        """Return when the imports are done, have failed, or take too long; a launcher that has died starts anew."""
        if not lives(self._handle):
            self.end()
            self._launch()
        end = time.monotonic() + seconds
        while not self._ready and lives(self._handle) and time.monotonic() < end:
            self._next_message(POLL_SECONDS)

    def start(self, handover: Handover) -> None:
        """Start a worker for `handover`; `wait` tells how it ended. Its output goes to the log named there."""
        self._next_search = 0.0
        # In a thread: a launcher that hangs takes no handover, and the limits of the job must see that.
        threading.Thread(target=_send, args=(handover, self._process.stdin), daemon=True).start()

    def wait(self, seconds: float) -> int | None:
        """The exit code of the worker if it ends within `seconds`; negative where a signal ended it."""
        code = self._next_message(seconds)
        if code is None and not lives(self._handle):
            self.end()  # what the launcher leaves
            self._listener.join(LAST_WORDS_SECONDS)
            while code is None and not self._messages.empty():
                code = self._next_message(0)
            code = self._process.returncode if code is None else code
        return code

    def memory(self, enough: int) -> int:
        """Bytes that the worker and what it started use together; see `memory_of`."""
        if time.monotonic() >= self._next_search:
            self._known = descendants(self._handle)
            self._next_search = time.monotonic() + SEARCH_SECONDS
        return memory_of(self._known, enough)

    def end(self) -> None:
        """End the launcher and all that it has started, also where Ctrl-C is pressed again meanwhile.

        An interrupt reaches the main thread only; and where this ends before the thread begins, standard input closes
        with the process, and the launcher does the same.
        """
        ending = threading.Thread(target=self._end)
        try:
            ending.start()
        except RuntimeError:  # the interpreter is shutting down
            self._end()
        else:
            ending.join()

    def _end(self) -> None:
        if self._process.returncode is not None:  # its number may be another process's by now
            return
        end_descendants(self._handle, {*self._known, *session_of(self._handle)})
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _launch(self) -> None:
        self._ready, self.said, self._known, self._next_search = False, "", [], 0.0
        self._messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cvclassic.runs.worker", str(os.getpid()), *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            cwd=self._folder,
            start_new_session=True,  # Ctrl-C and a closed terminal are the run's business
        )
        self._handle = psutil.Process(self._process.pid)
        self._listener = threading.Thread(target=_listen_to, args=(self._process.stdout, self._messages), daemon=True)
        self._listener.start()

    def _next_message(self, seconds: float) -> int | None:
        """The exit code, where the next message within `seconds` is one."""
        with contextlib.suppress(queue.Empty):
            message = self._messages.get(timeout=seconds)
            if message.startswith(ENDED):
                return int(message.removeprefix(ENDED))
            self._ready = self._ready or message == READY
            self.said = message if message.strip() and message != READY else self.said
        return None


def _send(handover: Handover, stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError):  # the launcher died at once, or was ended; wait() finds out
        pickle.dump(handover, stream)
        stream.flush()


def _listen_to(stream: IO[bytes], messages: queue.SimpleQueue) -> None:
    with stream:
        for line in stream:
            messages.put(line.decode(errors="replace").rstrip("\n"))
