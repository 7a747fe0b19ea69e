"""A run's folder: what is in it, how it is written (each file whole or not at all) and how it is read.

RUN/run.json                     options, training stack, machine, versions, data sets, pipelines, in order
RUN/<data set>/dataset.json      class names, provenance, traits, split sizes
RUN/<data set>/splits.npz        train, validation, test: index arrays
RUN/<data set>/splits-n<images>.npz    the same for each smaller number of training images
RUN/<data set>/test_images.npy   the test images; labels are in each job's predictions
RUN/<data set>/class_examples.npy    one training image per class
RUN/<data set>/<job>/result.json, predictions.npz, worker.log, and what the pipeline left there
RUN/report.html, report.md, results.csv, results.json    made from all of the above
RUN/sweep.csv, learning_curves_<data set>.png    the same, where settings or seeds were swept
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from cvclassic.errors import InputError

SCHEMA_VERSION = 3
LONGEST_SETTINGS = 80  # characters of a job's settings in the name of its folder


@dataclass(frozen=True)
class Result:
    """One job: a pipeline on a data set. Accuracies, F1 and interval bounds are fractions from 0 to 1.

    The first fields are the columns of `results.csv`, in their order; figures of a failed job are None.
    `settings` are those that a sweep or --set gave the job, by name, as text (see `experiment.settings`).
    `tuning` tells what --tune tried and chose; the time it took is in it, and not in `fit_seconds`.
    `train_accuracy` is taken on `n_train_scored` images, a seeded sample where there are more than that.
    `over_budget` tells whether `fit_seconds` went beyond the run's time budget; None without one.
    `fit_energy_joules` is what the processors used during the fit, also for other processes; None where they don't say.
    `corruptions` has five accuracies, of strengths 1 to 5, for each name in `experiment.corruptions.CORRUPTIONS`, taken
    on `n_corrupted` test images; `mean_corruption_error` is the mean of 1 - accuracy over all of them. None without
    --corruptions.
    """

    dataset: str
    pipeline: str
    family: str
    status: str
    seed: int
    n_train: int
    n_features: int | None = None
    train_accuracy: float | None = None
    test_accuracy: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    macro_f1: float | None = None
    fit_seconds: float | None = None
    predict_images_per_second: float | None = None
    peak_memory_mb: float | None = None
    model_bytes: int | None = None
    settings: dict[str, str] = field(default_factory=dict)
    validation_accuracy: float | None = None
    n_train_scored: int | None = None
    n_test: int | None = None
    per_class: list[dict[str, Any]] = field(default_factory=list)
    history: dict[str, list[float]] | None = None
    tuning: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    over_budget: bool | None = None
    fit_energy_joules: float | None = None
    corruptions: dict[str, list[float]] | None = None
    mean_corruption_error: float | None = None
    n_corrupted: int | None = None

    @property
    def ok(self) -> bool:
        return self.status == "ok"


CSV_COLUMNS = tuple(f.name for f in fields(Result))[:16]


@dataclass(frozen=True)
class Run:
    """What stands in a run's folder: `config` (run.json), `datasets` (each dataset.json) and the results so far."""

    folder: Path
    config: dict[str, Any]
    datasets: list[dict[str, Any]]
    results: list[Result]


def read_run(folder: Path) -> Run:
    """Read a run's folder.

    Raises
    ------
    InputError
        If `folder` holds no run, or one that another version wrote.
    """
    config = read_config(folder)
    datasets = [read_json(folder / name / "dataset.json") for name in config["datasets"]]
    paths = (result_path(folder, job) for job in config["jobs"])
    return Run(folder, config, datasets, [read_result(path) for path in paths if path.is_file()])


def read_config(folder: Path) -> dict[str, Any]:
    """The run.json of a run's folder; InputError where there is none."""
    path = folder / "run.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no run: there is no {path.name} in it.")
    config = read_json(path)
    if config.get("schema_version") != SCHEMA_VERSION:
        found = config.get("schema_version")
        raise InputError(f"{path} has schema version {found}; this cvclassic reads version {SCHEMA_VERSION}.")
    return config


def job_folder(run: Path, job: dict[str, Any]) -> Path:
    """The folder of one job of run.json's `jobs`: data set, pipeline, seed, training size and settings tell jobs apart.

    Settings that are too long for a folder's name, or not made for one, are there as a hash.
    """
    settings = describe_settings(job["settings"]).replace(", ", ",")
    if len(settings) > LONGEST_SETTINGS or re.search(r"[^\w.,=+-]", settings, re.ASCII):
        settings = hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()
    name = f"{job['pipeline']}-seed{job['seed']}-n{job['n_train']}"
    return run / job["dataset"] / (f"{name}-{settings}" if settings else name)


def result_path(run: Path, job: dict[str, Any]) -> Path:
    """Where the result of one job stands once it is done."""
    return job_folder(run, job) / "result.json"


def describe_settings(settings: dict[str, str]) -> str:
    """A job's settings as one text: "optimizer=adam, batch_size=32"."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def read_result(path: Path) -> Result:
    """Read a result.json."""
    return Result(**read_json(path))


def write_result(path: Path, result: Result) -> None:
    """Write a result.json, whole or not at all."""
    write_json(path, asdict(result))


def read_json(path: Path) -> Any:
    """Read a JSON file of a run; InputError where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} can't be read ({error}); the run is damaged, start it anew.") from error


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then give it its name: nobody ever sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            write(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
