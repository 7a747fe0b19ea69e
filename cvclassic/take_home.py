"""The winner of a run, fitted once more on all pictures of its data set, as a model that one may take home."""

import base64
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cvclassic.errors import InputError
from cvclassic.images import digests
from cvclassic.model import Calibration
from cvclassic.runs.calibration import calibrated
from cvclassic.runs.executor import Executor
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.forecast import Forecast
from cvclassic.runs.job import Job, file_name
from cvclassic.runs.local import Listener
from cvclassic.runs.models import ModelCard, whole
from cvclassic.runs.plan import RunData
from cvclassic.study.sentences import what_to_do
from cvclassic.study.study import Configuration, DatasetStudy, Study

MOST_KNOWN = 20_000  # pictures of which a model remembers that it learned from them
LARGE = 10**8  # bytes of a model's file, from which on its size is told
DIGEST_BYTES = 6  # of each: among a million pairs of pictures one in three hundred million is taken for the other

# Given the jobs that will run, notes on them and what they will take, it enters what is told of each job while it runs
# and when it ended.
Watch = Callable[[Sequence[Job], Sequence[str], Forecast], AbstractContextManager[Listener]]


class Home(NamedTuple):
    """Names of the model files that were written, with what each is; and lines on what could not be written."""

    written: dict[str, str]
    lost: list[str]


def best_name(dataset: str, *, alone: bool) -> str:
    """The name of the file in the run's folder that has the model of a data set, which may be its only one."""
    return "best.cvc" if alone else f"best-{file_name(dataset)}.cvc"


def forget_taken(data: RunData, folder: RunFolder) -> None:
    """Remove the models that went home before jobs were added, which may say something else."""
    for name in data.datasets:
        folder.forget(best_name(name, alone=len(data.datasets) == 1))


def take_home(
    study: Study,
    data: RunData,
    folder: RunFolder,
    watch: Watch,
    executor: Executor,
    *,
    only: str | None = None,
    anyway: bool = False,
    missing: bool = False,
) -> Home:
    """Fit what is to be taken of each data set on all of its pictures, and write the models into the run's folder.

    Parameters
    ----------
    only : str, optional
        The data set that it is done for; without it those of the user's own: of published ones nobody waits for it.
    anyway : bool
        Of published ones too, and where nothing is shown to beat the baseline.
    missing : bool
        Only where there is no model yet.
    """
    written, lost = {}, []
    for dataset in study.datasets:
        if dataset.name != only and (only is not None or (dataset.record.published and not anyway)):
            continue
        if reason := why_none(dataset, anyway=anyway):
            lost.append(f"No model of {dataset.name} goes home: {reason}")
            continue
        taken, name = dataset.advice.taken, best_name(dataset.name, alone=len(study.datasets) == 1)
        there = missing and (folder.path / name).exists()
        reason = "" if there else _fit(dataset, data, folder, watch, executor, name)
        pictures = f"{len(data.datasets[dataset.name].used):,} pictures"
        if reason:
            lost.append(f"{name} could not be made: {taken.pipeline} on all {pictures} {reason}")
        else:
            size = (folder.path / name).stat().st_size
            told = f", {size / 1e6:,.0f} MB" * (size > LARGE)
            written[name] = f"{taken.pipeline}, fitted on all {pictures} of {dataset.name}{told}"
    return Home(written, lost)


def why_none(dataset: DatasetStudy, *, anyway: bool = False) -> str:
    """Why no model of a data set goes home; empty where one does."""
    if dataset.advice is None:
        return "nothing succeeded."
    if not dataset.advice.beats_baseline and not anyway:
        return "nothing is shown to beat always giving the same answer."
    return ""


def _fit(dataset: DatasetStudy, data: RunData, folder: RunFolder, watch: Watch, executor: Executor, name: str) -> str:
    """Fit and write a model; why that failed, or nothing."""
    all_images = whole(data.datasets[dataset.name])
    first = dataset.advice.taken.trainings[0]
    job = Job(dataset.name, first.pipeline, data.spec.seed, len(all_images.train), first.settings)
    data = replace(data, datasets={dataset.name: all_images})
    note = f"{first.pipeline} is fitted on all {len(all_images.used):,} pictures of {dataset.name}, to be taken home"
    with (
        watch([job], [note], Forecast(data)) as listen,
        closing(executor.run([job], data, folder, listen=listen, card=card_of(dataset, data))) as outcomes,
    ):
        [outcome] = outcomes
    if not outcome.result.ok:
        return outcome.result.status
    folder.take_model(job, name)
    return ""


def card_of(dataset: DatasetStudy, data: RunData) -> ModelCard:
    """What the model that goes home says of itself: figures of the method, from images that it had not learned from.

    Its probabilities rest on the scores of the test images, or of all images in their folds.
    """
    figure, record = dataset.advice.figure, dataset.record
    images = data.datasets[dataset.name].images[data.datasets[dataset.name].used]
    fingerprints = dict(dataset.study.run.record.fingerprints)
    figures = {
        "pipeline": dataset.advice.taken.pipeline,
        "dataset": dataset.name,
        "metric": figure.metric,
        "estimate": figure.mean(figure.test_figure),
        "interval": [float(bound) for bound in figure.interval],
        "accuracy": figure.mean("test_accuracy"),
        "n_test": figure.results[0].n_test,
        "folds": len(record.folds),
        "recall": {each.name: each.recall for each in figure.results[0].per_class},
        "beats_baseline": dataset.advice.beats_baseline,
        "answer": " ".join(what_to_do(dataset)),
        "n_train": len(images),
        "learned_from": _learned_from(images),
    }
    return ModelCard(_calibration(figure), figures, fingerprints.get(dataset.name))


def _calibration(figure: Configuration) -> Calibration | None:
    said = figure.succeeded[0].predictions
    return None if said is None else calibrated(said.scores, said.y_true)


def _learned_from(images: np.ndarray) -> str | None:
    """What `known_of` needs; None of sets that are too large to remember."""
    if len(images) > MOST_KNOWN:
        return None
    found = np.unique(digests(images)[:, :DIGEST_BYTES], axis=0)
    return base64.b64encode(found.tobytes()).decode()


def known_of(images: np.ndarray, figures: dict[str, object]) -> np.ndarray | None:
    """Which images of a batch a model learned from, bool (n,), by its figures; None where it does not remember.

    Raises
    ------
    InputError
        For figures that are damaged.
    """
    text = figures.get("learned_from")
    if text is None:
        return None
    try:
        content = np.frombuffer(base64.b64decode(text, validate=True), np.uint8).reshape(-1, DIGEST_BYTES)
    except (TypeError, ValueError) as error:
        raise InputError("What the model says of the pictures that it learned from is damaged.") from error
    known = {row.tobytes() for row in content}
    return np.array([row.tobytes() in known for row in digests(images)[:, :DIGEST_BYTES]], bool)


def model_path(study: Study, folder: Path, dataset: str) -> Path:
    """Where the model of a data set is, or will be."""
    return folder / best_name(dataset, alone=len(study.datasets) == 1)
