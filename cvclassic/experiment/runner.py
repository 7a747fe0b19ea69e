"""The runner: lays out a run's folder, then gives each job to a worker process and waits for its result."""

import contextlib
import hashlib
import os
import platform
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from cvclassic.datasets import Dataset
from cvclassic.errors import InputError
from cvclassic.experiment.launcher import Launcher
from cvclassic.experiment.pipelines import PipelineFile
from cvclassic.experiment.plan import plan_jobs, stack_of, task_for
from cvclassic.experiment.result import (
    SCHEMA_VERSION,
    Result,
    job_folder,
    read_config,
    read_json,
    read_result,
    result_path,
    write_json,
    write_result,
    write_whole,
)
from cvclassic.experiment.settings import split_settings
from cvclassic.experiment.worker import Order

LIBRARIES = (
    "cvclassic",
    "numpy",
    "opencv-contrib-python-headless",
    "opencv-python-headless",
    "scikit-learn",
    "scikit-learn-intelex",
    "scikit-image",
    "numba",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "torch",
    "jax",
)
POLL_SECONDS = 0.05

# Called while a job runs, with (job, seconds so far, last line of its output), and once more with its result.
Progress = Callable[[dict[str, Any], float, str, Result | None], None]


def prepare_run(
    folder: Path,
    datasets: list[Dataset],
    pipelines: list[PipelineFile],
    *,
    stack: Any,
    seed: int,
    threads: int,
    options: dict[str, Any],
    settings: dict[str, str] | None = None,
    sweep: dict[str, list[str]] | None = None,
    repeats: int = 1,
    notes: Iterable[str] = (),
) -> None:
    """Write the folder of a new run: everything but results. What can't be written whole is removed again.

    Parameters
    ----------
    folder : the run's folder; it must not exist, or be empty
    datasets : with their splits; each is trained on by every pipeline whose `fits(task)` is true, and at each size
        where it has `smaller` ones
    pipelines : in the order in which they run
    stack : the `cvclassic.neural.TrainingStack` of all neural pipelines that bring none of their own
    seed : of the first of `repeats` jobs of each kind; the others follow
    options : what is needed to load the same data and stack again (for resuming), JSON-able
    settings : a value by name for every pipeline that has the parameter; see `experiment.settings`
    sweep : several values by name; every combination of them is a job
    notes : lines for the header of the report

    Raises
    ------
    InputError
        If the folder can't be written or is not empty, two data sets have one name, a setting has a name or value
        that can't be, or nothing is left to run.
    """
    _check_names([d.name for d in datasets])
    settings, sweep = settings or {}, sweep or {}
    jobs, skipped = plan_jobs(
        datasets, pipelines, stack=stack, seed=seed, settings=settings, sweep=sweep, repeats=repeats
    )
    if not jobs:
        raise InputError(f"None of the pipelines fits the data: {'; '.join(skipped)}.")
    first_created = _make_folder(folder)
    try:
        for dataset in datasets:
            _write_dataset(folder / dataset.name, dataset)
        config = {
            "schema_version": SCHEMA_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "options": options,
            "seed": seed,
            "threads": threads,
            "stack": _spelled_out(stack, sweep),
            "settings": settings,
            "sweep": sweep,
            "repeats": repeats,
            "train_sizes": _train_sizes(datasets),
            "time_budget": None if "time_budget" in sweep else stack.time_budget,
            "machine": describe_machine(),
            "versions": library_versions(),
            "notes": [*notes, *skipped],
            "datasets": [d.name for d in datasets],
            "pipelines": {p.name: _described(p, stack) for p in pipelines},
            "jobs": jobs,
        }
        write_json(folder / "run.json", config)
    except OSError as error:
        shutil.rmtree(first_created, ignore_errors=True)
        raise InputError(f"The run's folder {folder} can't be written: {error}.") from error


def run_jobs(
    folder: Path, datasets: list[Dataset], pipelines: list[PipelineFile], *, stack: Any, progress: Progress
) -> None:
    """Run every job of the run in `folder` that has no result, or a failed one, each in a worker process.

    Raises
    ------
    InputError
        If a data set is not, to the byte, the one that the run began with.
    """
    config = read_config(folder)
    by_name = {p.name: p for p in pipelines}
    pending = pending_jobs(folder)
    work = [(dataset, [job for job in pending if job["dataset"] == dataset.name]) for dataset in datasets]
    work = [(dataset, jobs) for dataset, jobs in work if jobs]
    for dataset, _ in work:
        _check_unchanged(folder, dataset)
    with contextlib.ExitStack() as at_the_end:
        launchers = _launchers(pending, by_name, config["threads"], at_the_end)
        for dataset, jobs in work:
            with _images_file(folder, dataset) as images:
                for job in jobs:
                    pipeline = by_name[job["pipeline"]]
                    order = _order(folder, job, dataset, pipeline, images, stack, config)
                    _run_job(folder, job, order, launchers[pipeline.family], progress)


def pending_jobs(folder: Path) -> list[dict[str, Any]]:
    """The jobs of the run in `folder` that have no result yet, or a failed one."""
    return [job for job in read_config(folder)["jobs"] if not _is_done(folder, job)]


def available_threads() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> str:
    """Processor, core count and system, in one line."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{processor}, {available_threads()} cores, {platform.system()} {platform.machine()}"


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide the figures, without importing them."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _spelled_out(stack: Any, sweep: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """The stack's fields, with the learning rate that its optimizer brings where the optimizer is one."""
    if "optimizer" not in (sweep or {}):
        stack = replace(stack, learning_rate=stack.initial_learning_rate())
    return asdict(stack)


def _described(pipeline: PipelineFile, stack: Any) -> dict[str, Any]:
    own = None if pipeline.stack is None else _spelled_out(stack_of(pipeline, stack, {}))
    return {"title": pipeline.title, "family": pipeline.family, "stack": own, "published": pipeline.published}


def _train_sizes(datasets: list[Dataset]) -> list[int] | None:
    """All sizes of training parts, validation included, ascending; None where no data set has more than one."""
    if not any(dataset.smaller for dataset in datasets):
        return None
    return sorted({part.train_size for dataset in datasets for part in (*dataset.smaller, dataset)})


def _check_names(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"Two data sets are called {name!r}; name each once, or rename one folder.")


def _make_folder(folder: Path) -> Path:
    """Make `folder` and its parents; return the topmost one that was made, for taking it all back."""
    if folder.is_dir() and any(folder.iterdir()):
        what = "already holds a run; --resume continues it" if (folder / "run.json").is_file() else "is not empty"
        raise InputError(f"The folder {folder} {what}. Choose another --out.")
    topmost = folder
    while not topmost.parent.exists():
        topmost = topmost.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise InputError(f"The run's folder {folder} can't be written: {error}. Choose another --out.") from error
    return topmost


def _write_dataset(folder: Path, dataset: Dataset) -> None:
    folder.mkdir()
    for part in (*dataset.smaller, dataset):
        splits = {"train": part.train, "validation": part.validation, "test": part.test}
        name = "splits.npz" if part is dataset else f"splits-n{len(part.train)}.npz"
        write_whole(folder / name, lambda file, splits=splits: np.savez(file, **splits))
    write_whole(folder / "test_images.npy", lambda file: np.save(file, dataset.images[dataset.test]))
    train_labels = dataset.labels[dataset.train]
    examples = [dataset.train[np.flatnonzero(train_labels == k)[0]] for k in range(dataset.n_classes)]
    write_whole(folder / "class_examples.npy", lambda file: np.save(file, dataset.images[examples]))
    description = {
        "name": dataset.name,
        "class_names": list(dataset.class_names),
        "provenance": dataset.provenance,
        "traits": sorted(dataset.traits),
        "image_shape": list(dataset.image_shape),
        "sizes": {name: len(indices) for name, indices in splits.items()},
        "smaller_sizes": [{"train": len(p.train), "validation": len(p.validation)} for p in dataset.smaller],
        "warnings": list(dataset.warnings),
        "fingerprint": _fingerprint(dataset),
    }
    write_json(folder / "dataset.json", description)


def _fingerprint(dataset: Dataset) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (dataset.images, dataset.labels, dataset.train, dataset.validation, dataset.test):
        digest.update(np.ascontiguousarray(array))
    for part in dataset.smaller:
        digest.update(part.train)
        digest.update(part.validation)
    return digest.hexdigest()


def _check_unchanged(folder: Path, dataset: Dataset) -> None:
    if read_json(folder / dataset.name / "dataset.json")["fingerprint"] != _fingerprint(dataset):
        raise InputError(f"The data set {dataset.name} is no longer the one that {folder} began with; start a new run.")


def _is_done(folder: Path, job: dict[str, Any]) -> bool:
    path = result_path(folder, job)
    return path.is_file() and read_result(path).ok


def _order(folder, job, dataset, pipeline, images, stack, config) -> Order:
    own_folder = job_folder(folder, job)
    part = next(part for part in (*dataset.smaller, dataset) if len(part.train) == job["n_train"])
    stack = stack_of(pipeline, stack, job["settings"])
    if config["train_sizes"]:  # a network refuses a batch that is larger than the set
        stack = replace(stack, batch_size=min(stack.batch_size, job["n_train"]))
    return Order(
        identity=job | {"family": pipeline.family},
        class_names=dataset.class_names,
        pipeline=pipeline.path,
        images=images,
        labels=dataset.labels,
        train=part.train,
        validation=part.validation,
        test=part.test,
        task=task_for(part, stack=stack, seed=job["seed"], folder=own_folder),
        settings=split_settings(job["settings"], stack)[1],
        threads=config["threads"],
        tune=config["options"].get("tune", False),
        time_budget=config["time_budget"],
        corruption_seed=config["seed"] if config["options"].get("corruptions") else None,
    )


@contextlib.contextmanager
def _images_file(folder: Path, dataset: Dataset) -> Iterator[Path]:
    """All images of `dataset` in a hidden file, for the workers to map."""
    for left in (folder / dataset.name).glob(".*"):  # by a run that was killed
        left.unlink()
    images = folder / dataset.name / ".images.npy"
    try:
        write_whole(images, lambda file: np.save(file, dataset.images))
        yield images
    finally:
        images.unlink(missing_ok=True)


def _launchers(jobs, by_name, threads: int, at_the_end: contextlib.ExitStack) -> dict[str, Launcher]:
    """Launchers by family for `jobs`, all of them ready: none loads its libraries beside a job that is measured."""
    families = {by_name[job["pipeline"]].family for job in jobs}
    kinds = {family != "classical" for family in families}
    by_kind = {neural: at_the_end.enter_context(Launcher(neural=neural, threads=threads)) for neural in kinds}
    for launcher in by_kind.values():
        launcher.wait_until_ready()
    return {family: by_kind[family != "classical"] for family in families}


def _run_job(folder: Path, job: dict[str, Any], order: Order, launcher: Launcher, progress: Progress) -> None:
    own_folder = job_folder(folder, job)
    _clear(own_folder)
    log = own_folder / "worker.log"
    log.touch()
    started = time.perf_counter()
    launcher.start(order)
    while (returncode := launcher.wait(POLL_SECONDS)) is None:
        progress(job, time.perf_counter() - started, _last_line(log), None)
    path = result_path(folder, job)
    if not path.is_file():
        write_result(path, Result(**order.identity, status=f"failed: {_why_it_died(returncode, _last_line(log))}"))
    progress(job, time.perf_counter() - started, _last_line(log), read_result(path))


def _clear(own_folder: Path) -> None:
    """Make the job's folder, or remove what an interrupted or failed try left there, but for its `backup`.

    An interrupted training goes on from that; one that failed has removed it.
    """
    own_folder.mkdir(exist_ok=True)
    for path in own_folder.iterdir():
        if path.is_dir() and path.name != "backup":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def _why_it_died(returncode: int, last_line: str) -> str:
    if returncode < 0:
        name = signal.Signals(-returncode).name
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"the worker ended with exit code {returncode}: {last_line or 'no output'}"


def _last_line(log: Path) -> str:
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 400))
        lines = file.read().decode(errors="replace").splitlines()
    return lines[-1].strip() if lines else ""
