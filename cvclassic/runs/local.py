"""The executor on this machine: each job in a process of its own, one after another, with limits and a sure end.

A launcher (see `runs.worker`) imports the libraries once and starts the workers. Whatever a job does, it costs no other
job; and however the run ends, all of its processes end with it.
"""

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from cvclassic.runs.fit import failed
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.handover import modules_to_send, pickled, why_not_handed_over
from cvclassic.runs.job import TRAINED_BY_KERAS, Job, Outcome
from cvclassic.runs.launcher import Launcher, worker_environment
from cvclassic.runs.models import ModelCard
from cvclassic.runs.plan import RunData
from cvclassic.runs.processes import machine_memory
from cvclassic.runs.record import available_threads, describe_place
from cvclassic.runs.supervised import last_line, limit_of, supervise
from cvclassic.runs.worker import Handover

Listener = Callable[[Job, float, str, Outcome | None], None]
"""Called while a job runs, with (job, seconds so far, last line of its log, None), and once more with its outcome."""


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
    runner = _Runner(data, folder, threads, modules_to_send(data, environment), listen, card)
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
                    yield runner.run(job, images, launchers[job.pipeline in neural])


@dataclass(frozen=True)
class _Runner:
    """What is the same for all jobs of a run."""

    data: RunData
    folder: RunFolder
    threads: int
    by_value: list[ModuleType]
    listen: Listener
    card: ModelCard | None

    def run(self, job: Job, images: Path, launcher: Launcher) -> Outcome:
        folder, log, started = self.folder.clear(job), self.folder.log_file(job), time.perf_counter()
        family, spec, memory = self.data.pipelines[job.pipeline].family, self.data.spec, machine_memory()
        try:
            work = pickled(job, self.data, self.by_value)
        except Exception as error:
            outcome = failed(job, family, why_not_handed_over(error))
        else:
            paths = tuple(map(os.path.abspath, sys.path))
            handover = Handover(work, images, folder, log, self.threads, paths, self.card)
            limits = {"timeout": spec.timeout, "memory_limit": limit_of(spec.memory_limit, memory)}
            outcome = supervise(
                job,
                family,
                handover,
                launcher,
                **limits,
                heard=lambda: self.listen(job, time.perf_counter() - started, last_line(log), None),
            )
        machine = describe_place(self.threads, memory)
        outcome = replace(outcome, result=replace(outcome.result, machine=machine))
        self.listen(job, time.perf_counter() - started, last_line(log), outcome)
        return outcome
