"""Where a run runs: on this machine, or on a cluster."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cvclassic.runs.job import Outcome
from cvclassic.runs.local import run_locally

if TYPE_CHECKING:  # it is an extra
    from distributed import Client


@dataclass(frozen=True)
class Executor:
    """What runs jobs.

    Attributes
    ----------
    run : callable
        Takes what `cvclassic.runs.local.run_locally` takes, and yields outcomes as they come.
    workers : int
        How many jobs it runs at the same time, as far as is known now.
    notes : tuple of str
        What is to be told before the run.
    own_threads : bool
        Whether each worker knows how many threads a job has where the run does not say.
    """

    run: Callable[..., Iterator[Outcome]] = run_locally
    workers: int = 1
    notes: tuple[str, ...] = ()
    own_threads: bool = False


@contextlib.contextmanager
def executor_on(cluster: "str | Client | None") -> Iterator[Executor]:
    """The executor of a run, until its end: on this machine for None, else on a cluster (`runs.cluster.connected`)."""
    if cluster is None:
        yield Executor()
        return
    from cvclassic.runs.cluster import connected

    with connected(cluster) as executor:
        yield executor
