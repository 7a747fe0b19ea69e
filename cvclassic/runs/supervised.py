"""One job in a process of its own, on this machine: its limits, what it leaves, and why it came to nothing.

The executors share it: `runs.local`, and what a cluster's workers do (`runs.cluster_worker`).
"""

import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path

from cvclassic.runs.fit import failed
from cvclassic.runs.job import Job, Outcome
from cvclassic.runs.launcher import POLL_SECONDS, Launcher
from cvclassic.runs.worker import OUTCOME, Handover

WEIGH_SECONDS = 0.1  # between two looks at a job's memory, or longer: they take 5 % of a core at most
MOST_OF_MEMORY = 0.9
GIB = 2**30


def supervise(
    job: Job,
    family: str,
    handover: Handover,
    launcher: Launcher,
    *,
    timeout: float,
    memory_limit: int,
    heard: Callable[[], None],
) -> Outcome:
    """Let a worker process do the job, and return what came of it; one that breaks its limits or dies has failed.

    Parameters
    ----------
    handover : Handover
        The job and where its files go; see `cvclassic.runs.worker`.
    timeout : float
        Seconds that it may take, from when the launcher's libraries are loaded.
    memory_limit : int
        Bytes that its processes may use together.
    heard : callable
        Called many times a second while it runs. What it raises ends the job, and is raised here.
    """
    try:
        launcher.wait_until_ready(timeout)
        limits = _Limits(timeout, memory_limit)
        launcher.start(handover)
        while (code := launcher.wait(POLL_SECONDS)) is None:
            if limits.broken(launcher):
                launcher.end()
                return failed(job, family, limits.reason)
            heard()
    except BaseException:
        launcher.end()  # before the images, which the worker maps, are removed
        raise
    if (handover.folder / OUTCOME).exists():
        return taken(handover.folder / OUTCOME, job, family)
    return failed(job, family, _why_it_died(code, last_line(handover.log) or launcher.said))


def limit_of(gib: float | None, memory: int) -> int:
    """The bytes of a memory limit in GiB: where there is none, most of the `memory` that there is."""
    return int(MOST_OF_MEMORY * memory if gib is None else gib * GIB)


def taken(path: Path, job: Job, family: str) -> Outcome:
    """What the worker has left: an outcome, or why there is none."""
    try:
        with open(path, "rb") as file:
            left = pickle.load(file)
        path.unlink()
    except Exception as error:  # unpickling what is damaged raises nearly anything
        left = f"what its worker left is damaged: {type(error).__name__}: {error}"
    if isinstance(left, Outcome) and left.result.job == job:
        return left
    reason = left if isinstance(left, str) else f"what its worker left is no outcome of this job but a {type(left)}"
    return failed(job, family, " ".join(reason.split()))


def last_line(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 400))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:  # not there yet
        return ""
    return lines[-1].strip() if lines else ""


class _Limits:
    """A job's limits of time and memory; `reason` tells which was broken."""

    def __init__(self, seconds: float, memory: int):
        self._seconds, self._bytes = seconds, memory
        self._started = self._next_look = time.monotonic()
        self.reason = ""

    def broken(self, launcher: Launcher) -> bool:
        now = time.monotonic()
        if now - self._started > self._seconds:
            self.reason = f"over the time limit of {self._seconds:,.10g} s (--timeout)"
        elif now >= self._next_look:
            used = launcher.memory(self._bytes)
            self._next_look = now + max(WEIGH_SECONDS, 20 * (time.monotonic() - now))
            if used > self._bytes:
                limit = f"over the memory limit of {self._bytes / GIB:,.4g} GiB (--memory-limit)"
                self.reason = f"{limit}; it used {used / GIB:,.4g} GiB"
        return bool(self.reason)


def _why_it_died(code: int, last_line: str) -> str:
    if code < 0:
        name = {number.value: number.name for number in signal.Signals}.get(-code, f"signal {-code}")
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"the worker ended with exit code {code}: {last_line or 'no output'}"
