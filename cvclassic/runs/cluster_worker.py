"""What a Dask worker does of a run: a job at a time, in a process of its own, with limits and a sure end.

`JobRoom` is on each worker from the run's beginning to its end, also on those that join later. It has the launchers,
which load their libraries once (`runs.launcher`), the images of a data set, written once, and a folder for the files of
the job that is under way. Its jobs end when the run cancels them, ends or is gone, and when the worker ends.
"""

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
from distributed import Worker, WorkerPlugin, get_worker

from cvclassic.runs.cluster import IMAGES_KEY
from cvclassic.runs.encoding import write_array
from cvclassic.runs.files import make_folders, remove, write_whole
from cvclassic.runs.job import Job, Outcome
from cvclassic.runs.launcher import Launcher, worker_environment
from cvclassic.runs.models import ModelCard
from cvclassic.runs.parcels import Files, packed, unpack
from cvclassic.runs.processes import machine_memory
from cvclassic.runs.reading import IMAGES, LOG
from cvclassic.runs.record import describe_place, library_versions
from cvclassic.runs.supervised import last_line, limit_of, supervise
from cvclassic.runs.worker import Handover

TELL_SECONDS = 0.5  # between two words on a job that is under way
DASKS_OWN = ("MALLOC_TRIM_THRESHOLD_",)  # what Dask's nanny sets for its workers, and a run elsewhere does not have
DECIDE = ("cvclassic", "numpy", "scikit-learn", "opencv", "keras")  # what figures and files depend on

Check = Callable[[], None]

_one_job = threading.Lock()  # of all runs on this worker


class Cancelled(Exception):
    """The run no longer wants the job."""


@dataclass(frozen=True)
class Order:
    """A job as it is sent: `work` as in a `Handover`, and `files` that its folder begins with.

    `pipeline` has the user's own pipeline file, by its path in the folder in which workers work. `threads` is None
    where the worker's own number holds. `images` names the images of its data set.
    """

    job: Job
    family: str
    neural: bool
    work: bytes
    images: str
    files: Files
    pipeline: Files
    threads: int | None
    timeout: float
    memory_limit: float | None
    search_path: tuple[str, ...]
    card: ModelCard | None


@dataclass(frozen=True)
class Delivery:
    """What comes back: the outcome, the files of the job's folder, and how long the job took in all."""

    outcome: Outcome
    files: Files
    seconds: float


@dataclass(frozen=True)
class Unfit:
    """The worker can't do any job of the run, and why."""

    reason: str


def do_job(room: str, order: Order, images: np.ndarray | Path) -> Delivery | Unfit:
    """The task that Dask runs: the job in the room of this name; `images` are its data set's, or their .npy file."""
    worker = get_worker()
    return worker.plugins[room].do(order, images, worker, worker.get_current_task())


class JobRoom(WorkerPlugin):
    """A run's place on a worker.

    Parameters
    ----------
    name : str
        The run's own; also the topic of Dask's events by which a job tells how it goes on.
    environment : mapping
        Variables of the run's environment that its jobs need.
    cores : mapping of a worker's name to cores
        Those that this worker is to use alone, where the run has started it.
    """

    def __init__(self, name: str, environment: Mapping[str, str], cores: Mapping[int, list[int]]):
        self.name = name
        self._environment, self._cores, self._versions = dict(environment), dict(cores), versions()

    def setup(self, worker: Worker) -> None:
        self._folder = Path(worker.local_directory) / self.name
        self._launchers: dict[tuple[bool, int], Launcher] = {}
        self._unwanted: dict[str, threading.Event] = {}
        self._closed = threading.Event()
        process = psutil.Process()
        if worker.name in self._cores and hasattr(process, "cpu_affinity"):
            process.cpu_affinity(self._cores[worker.name])

    async def teardown(self, worker: Worker) -> None:
        self._closed.set()
        await asyncio.to_thread(self._clear)

    def transition(self, key: str, start: str, finish: str, **others: object) -> None:
        """Dask tells of each task: one that is released while it runs is cancelled, or its run is gone."""
        if key in self._unwanted and finish not in ("memory", "error"):
            self._unwanted[key].set()
        if str(key).startswith(IMAGES_KEY + self.name) and finish in ("released", "forgotten"):
            threading.Thread(target=self._forget, args=(self._folder / key,), daemon=True).start()

    def do(self, order: Order, images: np.ndarray | Path, worker: Worker, key: str) -> Delivery | Unfit:
        """The job, as soon as no other one runs on this worker."""
        if reason := difference(self._versions, versions()):
            return Unfit(reason)
        unwanted = self._unwanted[key] = threading.Event()

        def check() -> None:
            if unwanted.is_set() or self._closed.is_set():
                raise Cancelled

        try:
            with _turn(check):
                return self._do(order, images, worker, key, check)
        finally:
            del self._unwanted[key]

    def _do(self, order: Order, images: np.ndarray | Path, worker: Worker, key: str, check: Check) -> Delivery:
        started, told = time.perf_counter(), 0.0
        threads = order.threads or worker.state.nthreads
        memory = min(machine_memory(), worker.memory_manager.memory_limit or np.inf)
        folder = self._folder / "job"
        remove(folder)
        make_folders(folder, [])
        unpack(order.files, folder)
        unpack(order.pipeline, self._folder)
        log, said = folder / LOG, {"key": key, "worker": worker.address}

        def heard() -> None:
            nonlocal told
            check()
            if time.perf_counter() > told + TELL_SECONDS:
                told = time.perf_counter()
                worker.log_event(self.name, said | {"seconds": told - started, "line": last_line(log)})

        heard()
        own_cores = worker.name in self._cores
        file = self._file_of(order.images, images)
        handover = Handover(order.work, file, folder, log, threads, order.search_path, order.card, own_cores)
        launcher = self._launcher(order.neural, threads)
        limits = {"timeout": order.timeout, "memory_limit": limit_of(order.memory_limit, int(memory))}
        outcome = supervise(order.job, order.family, handover, launcher, **limits, heard=heard)
        outcome = replace(outcome, result=replace(outcome.result, machine=describe_place(threads, int(memory))))
        return Delivery(outcome, packed(folder), time.perf_counter() - started)

    def _launcher(self, neural: bool, threads: int) -> Launcher:
        if (neural, threads) not in self._launchers:
            environment = worker_environment(threads) | self._environment
            environment = {name: value for name, value in environment.items() if name not in DASKS_OWN}
            self._launchers[neural, threads] = Launcher(environment, neural=neural, folder=self._folder)
        return self._launchers[neural, threads]

    def _file_of(self, key: str, images: np.ndarray | Path) -> Path:
        """The .npy file of the images, which is written for the first job on this worker that needs it."""
        if isinstance(images, Path):
            return images
        path = self._folder / key / IMAGES
        if not path.exists():
            make_folders(path.parent, [])
            write_whole(path, lambda file: write_array(file, images))
        return path

    def _forget(self, folder: Path) -> None:
        """Remove images that no job needs any more; without any, the run has ended or is gone."""
        shutil.rmtree(folder, ignore_errors=True)
        with _one_job:
            if not list(self._folder.glob(IMAGES_KEY + "*")):
                self._end_launchers()

    def _end_launchers(self) -> None:
        while self._launchers:
            self._launchers.popitem()[1].end()

    def _clear(self) -> None:
        self._end_launchers()
        shutil.rmtree(self._folder, ignore_errors=True)


def versions() -> dict[str, str]:
    """Of what decides figures, and whether what is sent can be read; "opencv" is that of whichever build there is."""
    found = library_versions()
    found["opencv"] = next((version for name, version in found.items() if name.startswith("opencv-")), "none")
    return {name: found.get(name, "none") for name in DECIDE} | {"python": found["python"].rpartition(".")[0]}


def difference(run: Mapping[str, str], worker: Mapping[str, str]) -> str:
    """How the versions of a worker differ from those of the run, in words; empty where they don't."""
    return ", ".join(f"{name} {worker[name]} instead of {run[name]}" for name in run if worker[name] != run[name])


@contextlib.contextmanager
def _turn(check: Check) -> Iterator[None]:
    while not _one_job.acquire(timeout=0.1):
        check()
    try:
        yield
    finally:
        _one_job.release()
