"""The executor on this machine: each job in a process of its own, one after another, with limits and a sure end.

A launcher (see `runs.worker`) imports the libraries once and starts the workers. Whatever a job does, it costs no other
job; and however the run ends, all of its processes end with it.
"""

import contextlib
import itertools
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from cvclassic.runs.fit import failed
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.handover import modules_to_send, pickled
from cvclassic.runs.job import TRAINED_BY_KERAS, Job, Outcome
from cvclassic.runs.launcher import POLL_SECONDS, Launcher, worker_environment
from cvclassic.runs.models import ModelCard
from cvclassic.runs.plan import RunData
from cvclassic.runs.processes import machine_memory
from cvclassic.runs.record import available_threads
from cvclassic.runs.worker import OUTCOME, Handover

Listener = Callable[[Job, float, str, Outcome | None], None]
"""Called while a job runs, with (job, seconds so far, last line of its log, None), and once more with its outcome."""

WEIGH_SECONDS = 0.1  # between two looks at a job's memory, or longer: they take 5 % of a core at most
MOST_OF_MEMORY = 0.9
GIB = 2**30


def run_locally(
    jobs: Sequence[Job], data: RunData, folder: RunFolder, *, listen: Listener, card: ModelCard | None = None
) -> Iterator[Outcome]:
    """Run the jobs one after another and yield what came of each, without its estimator.

    With a `card` they fit models to be taken home, and leave these in their folders (`runs.models.fit_whole`).

    A job that dies, hangs or takes too much is a failed outcome. All processes have ended when the iterator is closed,
    or left by an exception; close it where it is not exhausted (`contextlib.closing`).

    Raises
    ------
    InputError
        Where the run's folder can't be written.
    """
    threads = data.spec.threads or available_threads()
    environment = worker_environment(threads)
    executor = _Executor(data, folder, threads, modules_to_send(data, environment), listen, card)
    neural = {name for name, pipeline in data.pipelines.items() if pipeline.family in TRAINED_BY_KERAS}
    with contextlib.ExitStack() as at_the_end:
        launchers = {
            kind: at_the_end.enter_context(Launcher(environment, neural=kind))
            for kind in dict.fromkeys(job.pipeline in neural for job in jobs)
        }
        for launcher in launchers.values():  # none loads its libraries beside a job that is measured
            launcher.wait_until_ready(data.spec.timeout)
        for name, of_dataset in itertools.groupby(jobs, key=lambda job: job.dataset):
            with folder.images_file(data.datasets[name]) as images:
                for job in of_dataset:
                    yield executor.run(job, images, launchers[job.pipeline in neural])


@dataclass(frozen=True)
class _Executor:
    """What is the same for all jobs of a run."""

    data: RunData
    folder: RunFolder
    threads: int
    by_value: list[ModuleType]
    listen: Listener
    card: ModelCard | None

    def run(self, job: Job, images: Path, launcher: Launcher) -> Outcome:
        folder, log, started = self.folder.clear(job), self.folder.log_file(job), time.perf_counter()
        family = self.data.pipelines[job.pipeline].family
        try:
            work = pickled(job, self.data, self.by_value)
        except Exception as error:
            reason = f"it can't be handed to a worker process: {type(error).__name__}: {error}"
            outcome = failed(job, family, " ".join(reason.split()))
        else:
            paths = tuple(map(os.path.abspath, sys.path))
            handover = Handover(work, images, folder, log, self.threads, paths, self.card)
            reason = self._wait(job, handover, launcher, started)
            outcome = _taken(folder / OUTCOME, job, family) if reason is None else failed(job, family, reason)
        self.listen(job, time.perf_counter() - started, _last_line(log), outcome)
        return outcome

    def _wait(self, job: Job, handover: Handover, launcher: Launcher, started: float) -> str | None:
        """Let a worker do the job; why it came to nothing, or None where the worker has left something."""
        try:
            launcher.wait_until_ready(self.data.spec.timeout)
            limits = _Limits(self.data.spec.timeout, self.data.spec.memory_limit)
            launcher.start(handover)
            while (code := launcher.wait(POLL_SECONDS)) is None:
                if limits.broken(launcher):
                    launcher.end()
                    return limits.reason
                self.listen(job, time.perf_counter() - started, _last_line(handover.log), None)
        except BaseException:
            launcher.end()  # before the images, which the worker maps, are removed
            raise
        if (handover.folder / OUTCOME).exists():
            return None
        return _why_it_died(code, _last_line(handover.log) or launcher.said)


class _Limits:
    """A job's limits of time and memory; `reason` tells which was broken."""

    def __init__(self, seconds: float, gib: float | None):
        self._seconds = seconds
        self._bytes = int(MOST_OF_MEMORY * machine_memory() if gib is None else gib * GIB)
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


def _taken(path: Path, job: Job, family: str) -> Outcome:
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


def _why_it_died(code: int, last_line: str) -> str:
    if code < 0:
        name = {number.value: number.name for number in signal.Signals}.get(-code, f"signal {-code}")
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"the worker ended with exit code {code}: {last_line or 'no output'}"


def _last_line(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 400))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:  # not there yet
        return ""
    return lines[-1].strip() if lines else ""
