"""How a run shows itself while it goes on: a live line on a terminal, one plain line per finished job elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from cvclassic.harmless import harmless
from cvclassic.runs.forecast import Forecast, duration
from cvclassic.runs.job import Job, Outcome, Result
from cvclassic.study.tables import fixed, percent

LONGEST_LINE = 60  # of a job's log


@contextlib.contextmanager
def show_progress(
    jobs: Sequence[Job], forecast: Forecast, console: Console
) -> Iterator[Callable[[Job, float, str, Outcome | None], None]]:
    """Print how long it will take, and give the listener of `run_locally`; `jobs` are those that will run.

    A terminal that has gone does no harm.
    """
    varied, started, finished = _varied(jobs), time.perf_counter(), 0
    running: dict[Job, float] = {}  # the seconds that each has taken so far
    unfinished = dict.fromkeys(jobs)

    def position(job: Job) -> str:
        return f"[{finished + 1}/{len(jobs)}] {named(job)}"

    def named(job: Job) -> str:
        return "  ".join(filter(None, (job.dataset, job.pipeline, job.told(varied))))

    def left() -> str:
        """What the rest of the run will take, where something is known of it."""
        whole = {job: seconds for job in unfinished if (seconds := forecast.seconds(job)) is not None}
        known = [max(seconds - running.get(job, 0.0), 0.0) for job, seconds in whole.items()]
        if not known:
            return ""
        return f"{'about' if len(known) == len(unfinished) else 'more than'} {duration(forecast.wall(known))} left"

    console.file = _Lasting(console.file)
    if line := _expected(jobs, forecast):
        console.print(Text(harmless(line)), soft_wrap=True)
    with console.status("starting") as status:

        def listen(job: Job, seconds: float, last_line: str, outcome: Outcome | None) -> None:
            nonlocal finished
            if outcome is None:
                running[job] = seconds
                run = ", ".join(filter(None, [f"run: {time.perf_counter() - started:.0f} s", left()]))
                if len(running) == 1:
                    line = f"{position(job)}  {seconds:.0f} s  {last_line[:LONGEST_LINE]}  ({run})"
                else:
                    each = "; ".join(f"{named(job)}  {taken:.0f} s" for job, taken in running.items())
                    line = f"[{finished}/{len(jobs)} done, {len(running)} running] {each}  ({run})"
                status.update(Text(harmless(line)))
                return
            console.print(Text(harmless(f"{position(job)}  {_told(outcome.result)}")), soft_wrap=True)
            finished += 1
            running.pop(job, None)
            del unfinished[job]

        yield listen


def _expected(jobs: Sequence[Job], forecast: Forecast) -> str:
    """How long the jobs will take, each pipeline and in all; empty where nothing is known of any."""
    found = forecast.by_pipeline(jobs)
    known = {name: seconds for name, seconds in found.items() if seconds is not None}
    if not known:
        return ""
    unknown = [name for name in found if name not in known]
    each = ", ".join(f"{name} {duration(seconds)}" for name, seconds in known.items())
    others = f"; of {', '.join(unknown)} nothing is known yet" if unknown else ""
    whole = forecast.wall(seconds for job in jobs if (seconds := forecast.seconds(job)) is not None)
    shared = "" if forecast.workers == 1 else f" if each of the {forecast.workers} workers is as fast as this machine"
    return f"This will take about {duration(whole)}{shared}, roughly: {each}{others}"


class _Lasting:
    """A stream that can be written to when the terminal behind it has gone; rich writes from a thread, too."""

    def __init__(self, file: TextIO):
        self._file = file

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._file.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def _varied(jobs: Sequence[Job]) -> set[str]:
    """Settings that not all jobs have alike, "seed" and "n_train" where there are several, and "fold"."""
    names = {name for job in jobs for name, _ in job.settings}
    varied = {"fold"} | {name for name in names if len({dict(job.settings).get(name) for job in jobs}) > 1}
    if len({job.seed for job in jobs if job.fold is None}) > 1:
        varied.add("seed")
    jobs = [job for job in jobs if job.fold is None]
    if len({(job.dataset, job.n_train) for job in jobs}) > len({job.dataset for job in jobs}):
        varied.add("n_train")
    return varied


def _told(result: Result) -> str:
    if not result.ok:
        return result.status
    tested = "" if result.test_accuracy is None else f"{percent(result.test_accuracy)} test accuracy, "
    return f"{tested}fit {fixed(result.fit_seconds, 1)} s"
