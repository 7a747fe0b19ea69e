"""How a run shows itself while it goes on: a live line on a terminal, one plain line per finished job elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape

from cvclassic.experiment.result import Result, describe_settings
from cvclassic.report.summary import percent


@contextmanager
def show_progress(jobs: list[dict[str, Any]], console: Console) -> Iterator[Any]:
    """Give the function that `run_jobs` calls as `progress`; `jobs` are still to be run."""
    n_jobs, several = len(jobs), len({job["seed"] for job in jobs}) > 1
    started, finished = time.perf_counter(), 0

    def position(job: dict[str, Any]) -> str:
        parts = [job["dataset"], job["pipeline"], describe_settings(job["settings"]), several and f"seed {job['seed']}"]
        return f"[{finished + 1}/{n_jobs}] " + "  ".join(filter(None, parts))

    with console.status("starting") as status:

        def progress(job: dict[str, Any], seconds: float, last_line: str, result: Result | None) -> None:
            nonlocal finished
            if result is None:
                total = time.perf_counter() - started
                status.update(escape(f"{position(job)}  {seconds:.0f} s  {last_line[:60]}  (run: {total:.0f} s)"))
                return
            console.print(escape(f"{position(job)}  {_outcome(result)}"), highlight=False, soft_wrap=True)
            finished += 1

        yield progress


def _outcome(result: Result) -> str:
    if not result.ok:
        return result.status
    return f"{percent(result.test_accuracy)} test accuracy, fit {result.fit_seconds:.1f} s"
