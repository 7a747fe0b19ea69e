"""The run's end of the worker processes: a launcher imports the libraries once, and forks each worker from there.

Imports take 2 to 7 s a process, which for small data sets is longer than the work itself. Where the system can't fork,
a launcher is a worker itself, of one job, and the next job starts another.
"""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

from cvclassic.experiment.worker import ENDED, READY, Order

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


class Launcher:
    """Starts worker processes for the jobs of one kind of pipeline, one at a time.

    Use it as a context manager: leaving it ends the launcher and a worker that is still at work.
    """

    def __init__(self, *, neural: bool, threads: int):
        self._arguments = ["--neural"] if neural else []
        self._threads = threads
        self._launch()

    def __enter__(self) -> "Launcher":
        return self

    def __exit__(self, *exception) -> None:
        self._kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait_until_ready(self) -> None:
        """Return when the imports are done, so that they don't run beside another worker's measurements."""
        if not self._ready:
            self._ready = self._messages.get() == READY

    def start(self, order: Order) -> None:
        """Start a worker for `order`; `wait` tells how it ended. Its output goes to worker.log in the job's folder."""
        if self._process.poll() is not None:
            self._launch()
        self.wait_until_ready()
        with contextlib.suppress(BrokenPipeError):  # the launcher died at once; wait() finds out
            pickle.dump(order, self._process.stdin)
            self._process.stdin.flush()

    def wait(self, seconds: float) -> int | None:
        """The exit code of the worker if it ends within `seconds`; negative where a signal ended it."""
        try:
            message = self._messages.get(timeout=seconds)
        except queue.Empty:
            if self._process.poll() is None:
                return None
            message = ""
        if message.startswith(ENDED):
            return int(message.removeprefix(ENDED))
        self._kill()  # a worker without its launcher
        return self._process.wait()

    def _launch(self) -> None:
        self._ready = False
        self._messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cvclassic.experiment.worker", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(self._threads),
            process_group=0,  # to end it together with its worker
        )
        threading.Thread(target=_listen, args=(self._process.stdout, self._messages), daemon=True).start()

    def _kill(self) -> None:
        """End the launcher and its worker, whichever of them is still there."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()


def _listen(stream, messages: queue.SimpleQueue) -> None:
    with stream:
        for line in stream:
            messages.put(line.decode().rstrip("\n"))
    messages.put("")  # the launcher is gone


def _environment(threads: int) -> dict[str, str]:
    environment = os.environ | {name: str(threads) for name in THREAD_VARIABLES}
    package_parent = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
