"""A cluster that can be worked on: started on this machine, or found at its address; and whether it can be used."""

import contextlib
import logging
import multiprocessing
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.runs.processes import machine_memory
from cvclassic.runs.record import available_cores

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10.0  # for a scheduler to answer
WORKER_SECONDS = 30.0  # for the first worker to be there
SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")


@dataclass(frozen=True)
class Cluster:
    """A scheduler with workers that can do a run's jobs.

    Attributes
    ----------
    client : distributed.Client
    address : str
        Of the scheduler.
    workers : int
        How many there are now.
    notes : tuple of str
        What is to be told before the run.
    shared : bool
        Whether workers read this machine's files.
    cores : dict of a worker's name to cores
        Those that each worker uses alone, where they were started here.
    """

    client: "Client"
    address: str
    workers: int
    notes: tuple[str, ...]
    shared: bool = False
    cores: dict[int, list[int]] = field(default_factory=dict)


@contextlib.contextmanager
def client_of(cluster: "str | Client") -> Iterator[Cluster]:
    """A cluster as `runs.cluster.connected` takes it; what was started for it ends when this is left."""
    n_local = _n_local(cluster) if isinstance(cluster, str) else None
    distributed = _distributed()
    from distributed.utils import silence_logging_cmgr

    with contextlib.ExitStack() as at_the_end:
        at_the_end.enter_context(silence_logging_cmgr(logging.CRITICAL))  # what is wrong is told in our errors
        cores = _shares(n_local) if n_local else {}
        if n_local:
            client = at_the_end.enter_context(_started(n_local, cores))
        elif isinstance(cluster, str):
            client = at_the_end.enter_context(_found(cluster))
        elif isinstance(cluster, distributed.Client) and not cluster.asynchronous:
            client = cluster
        else:
            raise InputError(
                f"cluster is {cluster!r}; give an address, 'local:N', or a distributed.Client that is not asynchronous."
            )
        address = client.scheduler.address
        workers = _checked(client, address)
        notes = [*_dashboard(client)]
        if n_local and n_local > len(available_cores()):
            notes.append(
                f"The {n_local} workers share {len(available_cores())} cores: jobs slow each other down, and their "
                "times say little"
            )
        yield Cluster(client, address, workers, tuple(notes), shared=bool(n_local), cores=cores)


def _n_local(cluster: str) -> int | None:
    """How many workers are to be started here; None for an address."""
    found = re.fullmatch(r"local:(\d+)", cluster.strip(), re.ASCII)
    if found and 1 <= int(found[1]) <= 10_000:
        return int(found[1])
    scheme, parted, place = cluster.partition("://")
    if found or not parted or scheme not in SCHEMES or not re.search(r":\d+$", place):
        raise InputError(
            f"--cluster {cluster} is no cluster: give local:4, for four workers on this machine, or the address of a "
            "scheduler that runs, such as tcp://HOST:8786 or tls://HOST:8786."
        )
    return None


def _distributed():
    try:
        import distributed
    except ImportError as error:
        raise MissingDependencyError(
            'A cluster needs Dask, which is not installed: pip install "cvclassic[dask]"'
        ) from error
    return distributed


def _shares(n: int) -> dict[int, list[int]]:
    """The cores of this machine dealt out to `n` workers; some share one where there are fewer."""
    cores = available_cores()
    each = max(1, len(cores) // n)
    return {k: [cores[(k * each + i) % len(cores)] for i in range(each)] for k in range(n)}


@contextlib.contextmanager
def _started(n: int, cores: dict[int, list[int]]) -> Iterator["Client"]:
    """A client of workers on this machine, which end with it."""
    from distributed import Client, LocalCluster

    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a script that each new process runs again
        raise InputError(HOW_TO_GUARD)
    threads, memory = len(cores[0]), machine_memory() // n
    with contextlib.ExitStack() as at_the_end:
        try:
            cluster = LocalCluster(
                n_workers=n,
                threads_per_worker=threads,
                memory_limit=memory,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
            at_the_end.callback(_quietly, cluster.close)
            client = Client(cluster, set_as_default=False)
            at_the_end.callback(_quietly, client.close)
        except Exception as error:
            at_the_end.close()
            raise InputError(f"The {n} workers of local:{n} did not start: {_told(error)}. {HOW_TO_GUARD}") from error
        yield client


HOW_TO_GUARD = (
    "In a script, call compare below the line  if __name__ == '__main__':  - for each worker process runs the rest of "
    "the script once."
)


@contextlib.contextmanager
def _found(address: str) -> Iterator["Client"]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # OSError, ValueError, TypeError for TLS without certificates, ...
        raise InputError(
            f"No scheduler answers at {address} within {CONNECT_SECONDS:.0f} s ({_told(error)}). Start one with "
            "`dask scheduler`; docs/cluster.md tells how."
        ) from error
    try:
        yield client
    finally:
        _quietly(client.close)


def _checked(client: "Client", address: str) -> int:
    """How many workers there are; InputError where there are none, or one that can't do what is asked."""
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except Exception as error:
        raise InputError(
            f"No worker was at the scheduler {address} within {WORKER_SECONDS:.0f} s. Start some with "
            f"`dask worker {address}`; docs/cluster.md tells how."
        ) from error
    from cvclassic.runs.cluster_worker import difference, versions

    own, wrong = versions(), []
    for worker, found in client.run(versions, on_error="return").items():
        if isinstance(found, Exception):
            wrong.append(f"{worker} can't load cvclassic ({_told(found)})")
        elif told := difference(own, found):
            wrong.append(f"{worker} has {told}")
    if wrong:
        raise InputError(
            f"Workers of {address} can't do this run: {'; '.join(wrong)}. Install what this machine has there too."
        )
    return len(client.nthreads())


def _dashboard(client: "Client") -> Iterator[str]:
    try:
        has_one = "dashboard" in client.scheduler_info(n_workers=0)["services"]
    except Exception:  # the note is not worth a run
        return
    if has_one:
        yield f"Dask's dashboard: {client.dashboard_link}"


def _quietly(close) -> None:
    with contextlib.suppress(Exception):  # it is gone already
        close()


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
