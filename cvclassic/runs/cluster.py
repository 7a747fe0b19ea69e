"""The executor on a cluster: Dask places the jobs, one at a time on each worker.

Dask does the scheduling, the transport and the retries: a job whose worker is lost runs again elsewhere, as often as
the scheduler's `allowed-failures` says. On the worker's machine it runs as it does on this one (`runs.cluster_worker`).
"""

import contextlib
import itertools
import os
import queue
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cvclassic.errors import DataError, InputError
from cvclassic.runs.cluster_start import Cluster, client_of
from cvclassic.runs.code import content_mark
from cvclassic.runs.executor import Executor
from cvclassic.runs.fit import failed
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.handover import modules_to_send, pickled, why_not_handed_over
from cvclassic.runs.job import TRAINED_BY_KERAS, Job, Outcome
from cvclassic.runs.launcher import POLL_SECONDS, worker_environment
from cvclassic.runs.local import Listener
from cvclassic.runs.models import ModelCard
from cvclassic.runs.parcels import packed
from cvclassic.runs.plan import RunData
from cvclassic.runs.supervised import last_line

if TYPE_CHECKING:
    from distributed import Client, Future

    from cvclassic.runs.cluster_worker import Order
    from cvclassic.runs.parcels import Files

IMAGES_KEY = "images-"  # beginning of the names of images, which go on with the run's
OF_THE_RUN = ("CVCLASSIC_BACKBONE", "KERAS_BACKEND")  # variables of the environment that jobs on workers have too
LOOK_SECONDS = 1.0  # between two looks at which workers there are
NO_WORKER_SECONDS = 60.0  # that a run waits for one when it has lost all
TRIES = 4  # for a job whose images were lost with the workers that held them


@contextlib.contextmanager
def connected(cluster: "str | Client") -> Iterator[Executor]:
    """The executor on a cluster; what it has started ends when this is left, on the workers too.

    Parameters
    ----------
    cluster : str or distributed.Client
        "local:4" starts four worker processes on this machine, each with its share of the cores; else the address of a
        scheduler that runs, such as "tcp://HOST:8786", or a client of one.

    Raises
    ------
    InputError
        For what is no such thing; where no scheduler answers, or no worker is there, within a time that it tells; and
        where a worker has other versions of what figures depend on.
    MissingDependencyError
        Without Dask.
    """
    with client_of(cluster) as found:
        from cvclassic.runs.cluster_worker import JobRoom

        name = f"cvclassic-{uuid.uuid4().hex[:12]}"
        environment = {variable: os.environ[variable] for variable in OF_THE_RUN if variable in os.environ}
        room = JobRoom(name, environment, found.cores)
        heard: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
        found.client.subscribe_topic(name, lambda event: heard.put((event[1]["key"], event[1])))
        try:
            found.client.register_plugin(room, name=name)
            yield Executor(_OnCluster(found, name, heard).run, found.workers, found.notes, own_threads=True)
        finally:
            with contextlib.suppress(Exception):  # the scheduler is gone, and so is what it had
                found.client.unsubscribe_topic(name)
                found.client.unregister_worker_plugin(name)


@dataclass(frozen=True)
class _Sent:
    job: Job
    future: "Future"
    worker: str


class _OnCluster:
    """Runs jobs on a cluster; `name` is that of the `JobRoom` on its workers, and `heard` what these tell, by key."""

    def __init__(self, cluster: Cluster, name: str, heard: queue.SimpleQueue):
        self.cluster, self.name, self.heard = cluster, name, heard
        self._unfit: dict[str, str] = {}  # workers that can do no job, and why
        self._workers: set[str] = set()
        self._seen = self._looked = time.monotonic()
        self._numbers = itertools.count()

    def run(
        self,
        jobs: Sequence[Job],
        data: RunData,
        folder: RunFolder,
        *,
        listen: Listener,
        card: ModelCard | None = None,
    ) -> Iterator[Outcome]:
        """As `cvclassic.runs.local.run_locally`; outcomes come in the order in which jobs end.

        Raises
        ------
        InputError
            Where the run's folder can't be written, the scheduler is gone, or no worker was there for a minute.
        """
        self._seen = time.monotonic()
        with contextlib.closing(_Jobs(self, jobs, data, folder, listen, card)) as under_way:
            while under_way.left:
                yield from under_way.send(self.workers(folder))
                yield from under_way.take()

    def workers(self, folder: RunFolder) -> set[str]:
        """The addresses of those that can do jobs."""
        now = time.monotonic()
        if not self._workers or now > self._looked + LOOK_SECONDS:
            self._workers, self._looked = self._look(folder) - self._unfit.keys(), now
        if self._workers:
            self._seen = now
        elif now > self._seen + NO_WORKER_SECONDS:
            others = "".join(f"; {worker} can't be used: it has {why}" for worker, why in self._unfit.items())
            raise InputError(
                f"No worker has been at {self.cluster.address} for {NO_WORKER_SECONDS:.0f} s{others}. {_kept(folder)}"
            )
        return self._workers

    def exclude(self, worker: str, reason: str) -> None:
        """Send no job to this worker."""
        self._unfit[worker] = reason
        self._workers.discard(worker)

    def submit(self, order: "Order", images: "Future | Path", worker: str) -> "Future":
        """Send a job to a worker; Dask may move it to another one where that is lost."""
        from cvclassic.runs.cluster_worker import do_job

        key = f"job-{self.name}-{next(self._numbers)}"
        at = {"workers": [worker], "allow_other_workers": True, "key": key, "pure": False}
        future = self.cluster.client.submit(do_job, self.name, order, images, **at)
        future.add_done_callback(self._hear)
        return future

    def new_name(self) -> str:
        return f"{self.name}-{next(self._numbers)}"

    def _hear(self, future: "Future") -> None:
        try:
            self.heard.put((future.key, future.result()))
        except BaseException as error:  # of the job's task, or of Dask: `take` tells them apart
            self.heard.put((future.key, error))

    def _look(self, folder: RunFolder) -> set[str]:
        try:
            if self.cluster.client.status == "running":
                return set(self.cluster.client.nthreads())
            why = "the connection is closed"
        except Exception as error:  # of nearly any kind, where a connection breaks
            why = f"{type(error).__name__}: {error}"
        raise InputError(f"The scheduler at {self.cluster.address} is gone ({why}). {_kept(folder)}")


class _Jobs:
    """The jobs of one `run`: those that wait, and those that were sent."""

    def __init__(
        self,
        on: _OnCluster,
        jobs: Sequence[Job],
        data: RunData,
        folder: RunFolder,
        listen: Listener,
        card: ModelCard | None,
    ):
        self._on, self._data, self._folder, self._listen, self._card = on, data, folder, listen, card
        self._by_value = modules_to_send(data, worker_environment(1))
        self._waiting, self._sent = deque(jobs), {}
        self._images: dict[str, tuple[str, Future | Path, contextlib.ExitStack]] = {}
        self._tries: Counter[Job] = Counter()

    @property
    def left(self) -> bool:
        """Whether there is still something to be done."""
        return bool(self._waiting or self._sent)

    def send(self, workers: set[str]) -> Iterator[Outcome]:
        """Send a job to each worker that has none; what can't be sent has failed."""
        for worker in sorted(workers - {sent.worker for sent in self._sent.values()}):
            if not self._waiting:
                return
            job = self._waiting.popleft()
            try:
                order = self._order(job)
            except _NoWorker:  # the last one has gone this moment
                self._waiting.appendleft(job)
                return
            except _NotSent as error:
                yield self._ended(job, 0.0, failed(job, self._family(job), str(error)))
                continue
            _, images, _ = self._images[job.dataset]
            future = self._on.submit(order, images, worker)
            self._sent[future.key] = _Sent(job, future, worker)

    def take(self) -> Iterator[Outcome]:
        """What the workers have said meanwhile."""
        try:
            key, said = self._on.heard.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return
        sent = self._sent.get(key)
        if sent is None:  # of a job that was cancelled
            return
        if isinstance(said, dict):
            self._sent[key] = replace(sent, worker=said["worker"])
            self._listen(sent.job, said["seconds"], said["line"], None)
            return
        del self._sent[key]
        outcome, seconds = self._outcome(sent, said)
        if outcome is not None:
            yield self._ended(sent.job, seconds, outcome)

    def close(self) -> None:
        """Let go of all that was sent."""
        with contextlib.suppress(Exception):  # the scheduler is gone, and the jobs with it
            self._on.cluster.client.cancel([sent.future for sent in self._sent.values()], force=True)
        for _, _, stack in self._images.values():
            stack.close()

    def _outcome(self, sent: _Sent, said: object) -> tuple[Outcome | None, float]:
        """What came of a job, and the seconds it took; None where it is to run once more."""
        from cvclassic.runs.cluster_worker import Delivery, Unfit

        job, family = sent.job, self._family(sent.job)
        if isinstance(said, Delivery):
            try:
                self._folder.fill(job, said.files)
            except DataError as error:
                return failed(job, family, f"what its worker {sent.worker} left {error}"), said.seconds
            return said.outcome, said.seconds
        if isinstance(said, Unfit):
            self._on.exclude(sent.worker, said.reason)
        elif not sent.future.cancelled():
            return failed(job, family, _why(said, sent.worker)), 0.0
        else:  # what it needed was lost with the workers that held it
            self._forget_images(job.dataset)
            self._tries[job] += 1
            if self._tries[job] == TRIES:
                return failed(job, family, f"the workers that had its images were lost in each of {TRIES} tries"), 0.0
        self._waiting.appendleft(job)
        return None, 0.0

    def _ended(self, job: Job, seconds: float, outcome: Outcome) -> Outcome:
        if job.dataset not in {each.dataset for each in (*self._waiting, *(sent.job for sent in self._sent.values()))}:
            self._forget_images(job.dataset)
        self._listen(job, seconds, last_line(self._folder.log_file(job)), outcome)
        return outcome

    def _order(self, job: Job) -> "Order":
        from cvclassic.runs.cluster_worker import Order

        folder, spec, shared = self._folder.clear(job), self._data.spec, self._on.cluster.shared
        data, pipeline = (self._data, {}) if shared else _with_file(self._data, job)
        try:
            work = pickled(job, data, self._by_value)
        except Exception as error:
            raise _NotSent(why_not_handed_over(error)) from error
        return Order(
            job=job,
            family=self._family(job),
            neural=self._family(job) in TRAINED_BY_KERAS,
            work=work,
            images=self._placed(job.dataset),
            files=packed(folder),  # from which an interrupted training goes on
            pipeline=pipeline,
            threads=spec.threads,
            timeout=spec.timeout,
            memory_limit=spec.memory_limit,
            search_path=tuple(map(os.path.abspath, sys.path)) if shared else (),
            card=self._card,
        )

    def _placed(self, name: str) -> str:
        """The key of a data set's images, which are where workers find them from here on: once for each worker."""
        if name not in self._images:
            dataset, stack, client = self._data.datasets[name], contextlib.ExitStack(), self._on.cluster.client
            key = IMAGES_KEY + self._on.new_name()
            if self._on.cluster.shared:
                images = Path(os.path.abspath(stack.enter_context(self._folder.images_file(dataset))))
            else:
                images = _scattered(client, key, dataset.images)
                stack.callback(_release, images)
            self._images[name] = (key, images, stack)
        return self._images[name][0]

    def _forget_images(self, name: str) -> None:
        if name in self._images:
            self._images.pop(name)[2].close()

    def _family(self, job: Job) -> str:
        return self._data.pipelines[job.pipeline].family


class _NotSent(Exception):
    """Why a job can't be sent."""


class _NoWorker(Exception):
    """Nobody is there who could take what is sent."""


def _scattered(client: "Client", key: str, images: np.ndarray) -> "Future":
    """The images in the memory of each worker; one that joins later gets them from another."""
    try:
        return client.scatter({key: images}, broadcast=True)[key]
    except Exception as error:  # TimeoutError without workers, OSError without a scheduler, which `workers` tells of
        raise _NoWorker from error


def _with_file(data: RunData, job: Job) -> tuple[RunData, "Files"]:
    """`data` with a user's own pipeline file at the path that it has where workers work, and that file."""
    pipeline = data.pipelines[job.pipeline]
    if pipeline.path is None or pipeline.reference == pipeline.name:
        return data, {}
    try:
        content, path = pipeline.path.read_bytes(), Path("pipelines", content_mark(pipeline.path), pipeline.path.name)
    except OSError as error:
        raise _NotSent(f"its file {pipeline.path} can't be read: {error.strerror}") from error
    return replace(data, pipelines={pipeline.name: replace(pipeline, path=path)}), {path.as_posix(): content}


def _release(future: "Future") -> None:
    with contextlib.suppress(Exception):  # the scheduler is gone
        future.release()


def _why(error: BaseException, worker: str) -> str:
    """Why Dask gave no outcome of a job, in words."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        tries = error.allowed_failures + 1
        return f"its worker was lost in each of {tries} tries (the scheduler's allowed-failures), at last {worker}"
    return " ".join(f"its worker {worker} failed: {type(error).__name__}: {error}".split())


def _kept(folder: RunFolder) -> str:
    return (
        "What is finished is kept: mend that and continue with --resume "
        f"{folder.path} --cluster ADDRESS, or without --cluster on this machine."
    )
