"""The processes that do the jobs of a run: a launcher, and a worker for each job.

    python -m cvclassic.runs.worker PID [--neural]      (handovers come pickled on standard input)

This starts the launcher for the run in process PID. It imports what pipelines need (with --neural also Keras), says so
on standard output, and forks a worker for each handover. Imports take 2 to 7 s a process, which for small data sets is
longer than the work itself. Where the system can't fork, each worker is a new process, which gets its handover from the
launcher. No pipeline's code runs in the launcher, so that it can always end what it has started: it does so when a job
is done, and when standard input closes, as it does however the run ends.
"""

import contextlib
import gc
import importlib
import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
import psutil

from cvclassic.datasets import Dataset
from cvclassic.runs.files import write_whole
from cvclassic.runs.job import Outcome
from cvclassic.runs.processes import adopt_orphans, end_descendants, end_with, offer_to_the_kernel, outlive_parent

if TYPE_CHECKING:  # it imports the extractors
    from cvclassic.runs.models import ModelCard

T = TypeVar("T")
PRELOADED = (
    "sklearn.pipeline",
    "sklearn.decomposition",
    "sklearn.preprocessing",
    "sklearn.metrics",
    "cvclassic.features",
    "cvclassic.svm",
    "cvclassic.neural",
    "cvclassic.runs.models",
)
READY, ENDED = "launcher: ready", "launcher: ended "  # what the launcher says
ALONE = "--alone"  # a worker that was not forked
OUTCOME = ".outcome"  # in the job's folder: the pickled `Outcome`, or a text that says why there is none


@dataclass(frozen=True)
class Handover:
    """What a worker is told.

    `work` is the job and its `RunData`, by cloudpickle: unpickling them may run a pipeline's code. The images of its
    data set are in the .npy file `images`. `search_path` is where the run finds its modules. With a `card` it fits a
    model to be taken home. `own_cores` tells whether nothing else is meant to use the cores that this process may use:
    only then the job is bound to the first of them.
    """

    work: bytes
    images: Path
    folder: Path
    log: Path
    threads: int
    search_path: tuple[str, ...]
    card: "ModelCard | None" = None
    own_cores: bool = True


def main() -> NoReturn:
    """The launcher: a worker for each handover, until the run closes standard input."""
    end_with(int(sys.argv[1]))  # while libraries load, which holds the interpreter for seconds
    run = os.getppid()
    adopt_orphans()
    handovers: queue.SimpleQueue[Handover] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(handovers,), daemon=True).start()
    if sys.platform == "linux":
        _preload(neural="--neural" in sys.argv)
    outlive_parent()  # its end is seen by standard input from here on: what was started has to be ended first
    print(READY, flush=True)
    while True:
        handover = _awaited(lambda seconds: handovers.get(timeout=seconds), queue.Empty, run)
        worker = _fork(handover) if _can_fork() else _start(handover)
        code = _awaited(worker.wait, psutil.TimeoutExpired, run)  # negative where a signal ended it
        end_descendants(psutil.Process())
        print(f"{ENDED}{code}", flush=True)


def _receive(handovers: queue.SimpleQueue) -> None:
    """Take handovers until standard input closes, then end everything."""
    with contextlib.suppress(Exception):  # EOFError; nearly anything where the run ended in the midst of one
        while True:
            handovers.put(pickle.load(sys.stdin.buffer))
    _end_all()


def _end_all() -> NoReturn:
    end_descendants(psutil.Process())
    os._exit(1)


def _preload(neural: bool) -> None:
    """Import what most pipelines need; what can't be imported says why in the job that needs it."""
    for name in PRELOADED:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    if neural:
        from cvclassic.neural.backend import prepare_backend

        with contextlib.suppress(Exception):
            prepare_backend()
    gc.freeze()  # a collection in a worker needn't copy the pages of what is imported


def _can_fork() -> bool:
    """Whether a copy of this process can go on: not on macOS and Windows, nor with JAX's or torch's threads."""
    return sys.platform == "linux" and not {"jax", "torch"} & set(sys.modules)


def _fork(handover: Handover) -> psutil.Process:
    launcher, loaded = os.getpid(), _resident_files()
    with warnings.catch_warnings(action="ignore"):  # of BLAS's threads, which end and begin again around a fork
        worker = os.fork()
    if not worker:
        _be_worker(handover, launcher, loaded)
    return psutil.Process(worker)


def _start(handover: Handover) -> psutil.Process:
    """A new process as the worker; it gets the handover on its standard input."""
    command = [sys.executable, "-P", "-m", "cvclassic.runs.worker", str(os.getpid()), ALONE]
    worker = psutil.Popen(command, stdin=subprocess.PIPE)
    with contextlib.suppress(BrokenPipeError), worker.stdin:
        pickle.dump(handover, worker.stdin)
    return worker


def _awaited(ask: Callable[[float], T], not_yet: type[Exception], run: int) -> T:
    """What `ask(seconds)` gives when it no longer raises `not_yet`.

    Everything ends where the run is gone meanwhile: a fork of the run may still hold the other end of standard input.
    """
    while True:
        with contextlib.suppress(not_yet):
            return ask(1.0)
        if os.getppid() != run:
            _end_all()


def _be_worker(handover: Handover, launcher: int, loaded_before_fork: dict[str, int]) -> NoReturn:
    code = 1
    try:
        end_with(launcher)
        _work(handover, loaded_before_fork)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # no exit handlers of the launcher, and no waiting for a pipeline's threads


def _work(handover: Handover, loaded_before_fork: dict[str, int]) -> None:
    """Do the job and leave its outcome in its folder; the output goes to the job's log."""
    offer_to_the_kernel()
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # a pipeline that signals its group doesn't reach the launcher
    _redirect(handover.log)
    sys.path.extend(path for path in handover.search_path if path not in sys.path)
    _limit_threads(handover.threads, bind=handover.own_cores)
    try:
        job, data = pickle.loads(handover.work)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        _leave(handover, f"its pipeline can't be loaded in the worker: {type(error).__name__}: {error}")
        return
    from cvclassic.runs.embedded import EmbeddedFiles
    from cvclassic.runs.fit import run_job
    from cvclassic.runs.models import fit_whole, keep_model

    images = np.load(handover.images, mmap_mode="r")
    datasets = {name: _with_images(dataset, images) for name, dataset in data.datasets.items()}
    data = replace(data, datasets=datasets, embedded=EmbeddedFiles(handover.images.parent))
    if handover.card is not None:
        _leave(handover, fit_whole(job, data, handover.folder, handover.card))
        return
    outcome = run_job(job, data, folder=handover.folder)
    outcome = replace(keep_model(outcome, job, data, handover.folder), estimator=None, calibration=None)
    peak = outcome.result.peak_memory_mb
    if peak is not None:
        peak += _left_with_launcher(loaded_before_fork) / 2**20
        outcome = replace(outcome, result=replace(outcome.result, peak_memory_mb=peak))
    _leave(handover, outcome)


def _with_images(dataset: Dataset, images: np.ndarray) -> Dataset:
    smaller, folds = (
        tuple(replace(part, images=images) for part in parts) for parts in (dataset.smaller, dataset.folds)
    )
    return replace(dataset, images=images, smaller=smaller, folds=folds)


def _leave(handover: Handover, outcome: Outcome | str) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    write_whole(handover.folder / OUTCOME, lambda file: pickle.dump(outcome, file, protocol=5))


def _redirect(log: Path) -> None:
    """Output to the log; no input: standard input may be the launcher's, where the next handover comes."""
    files = [os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)]
    for standard, file in ((0, files[0]), (1, files[1]), (2, files[1])):
        os.dup2(file, standard)
    for file in files:
        os.close(file)
    sys.stdin = open(os.devnull)  # noqa: SIM115 - the launcher's object may be locked by its thread


def _limit_threads(threads: int, *, bind: bool) -> None:
    """The environment (set by the run) limits the libraries; where the system allows, also `bind` to cores."""
    import cv2

    cv2.setNumThreads(threads)
    process = psutil.Process()
    if bind and hasattr(process, "cpu_affinity"):
        cores = process.cpu_affinity()
        if threads < len(cores):
            process.cpu_affinity(cores[:threads])


def _resident_files() -> dict[str, int]:
    """The bytes of each mapped file, libraries above all, that this process has in memory."""
    return {m.path: m.rss for m in psutil.Process().memory_maps() if m.path.startswith("/")}


def _left_with_launcher(loaded_before_fork: dict[str, int]) -> int:
    """Bytes of libraries that the launcher has loaded and this fork of it never touched.

    A process that does the job alone loads them itself, and that is the memory to report.
    """
    own = _resident_files() if loaded_before_fork else {}
    return sum(max(resident - own.get(path, 0), 0) for path, resident in loaded_before_fork.items())


if __name__ == "__main__":
    if ALONE in sys.argv:
        _be_worker(pickle.load(sys.stdin.buffer), launcher=int(sys.argv[1]), loaded_before_fork={})
    main()
