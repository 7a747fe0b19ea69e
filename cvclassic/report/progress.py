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
    n_jobs, varied = len(jobs), _varied(jobs)
    started, finished = time.perf_counter(), 0

    def position(job: dict[str, Any]) -> str:
        settings = {name: value for name, value in job["settings"].items() if name in varied}
        n_train = f"{job['n_train']:,} images" if "n_train" in varied else ""
        seed = f"seed {job['seed']}" if "seed" in varied else ""
        parts = [job["dataset"], job["pipeline"], n_train, describe_settings(settings), seed]
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


def _varied(jobs: list[dict[str, Any]]) -> set[str]:
    """Settings that not all jobs have alike, "seed" where there are several, "n_train" where a data set has several."""
    values: dict[str, set[str | None]] = {"seed": {job["seed"] for job in jobs}}
    for name in {job["dataset"] for job in jobs}:
        sizes = {job["n_train"] for job in jobs if job["dataset"] == name}
        values["n_train"] = max(values.get("n_train", set()), sizes, key=len)
    for name in {name for job in jobs for name in job["settings"]}:
        values[name] = {job["settings"].get(name) for job in jobs}
    return {name for name, found in values.items() if len(found) > 1}


def _outcome(result: Result) -> str:
    if not result.ok:
        return result.status
    return f"{percent(result.test_accuracy)} test accuracy, fit {result.fit_seconds:.1f} s"
