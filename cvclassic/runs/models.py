"""The models of a run: those of its jobs, and the one that goes home, fitted on all pictures of its data set."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import sklearn
from sklearn.base import BaseEstimator

from cvclassic.datasets import Dataset
from cvclassic.decoding import InputContract
from cvclassic.features.known import Known
from cvclassic.model import Calibration, Model
from cvclassic.runs.estimator import ready
from cvclassic.runs.fit import failed, one_line
from cvclassic.runs.fitting import fit, fit_arguments, forget_tuning, tuned
from cvclassic.runs.job import BASELINE, Job, Outcome, Result
from cvclassic.runs.plan import RunData
from cvclassic.runs.reading import MODEL
from cvclassic.runs.spec import KEEP_NONE

LARGEST_KEPT = 2**28  # bytes of a job's model: kernel ridge keeps all training rows, 1.2 GB of CIFAR-10


@dataclass(frozen=True)
class ModelCard:
    """What a model says of itself besides how it predicts.

    Attributes
    ----------
    calibration : Calibration or None
        Fitted on scores of images that were held out.
    figures : dict
        As of `cvclassic.model.Model`: the accuracy of the method, and how it was found.
    fingerprint : str or None
        Of the data set.
    """

    calibration: Calibration | None = None
    figures: Mapping[str, object] = field(default_factory=dict)
    fingerprint: str | None = None


def keep_model(outcome: Outcome, job: Job, data: RunData, folder: Path) -> Outcome:
    """Write the model of a job that has just been fitted into its folder, where the run keeps models.

    Its probabilities rest on the validation images. What can't be saved, or is larger than `LARGEST_KEPT`, is not kept,
    and the outcome has a warning: of a user's own file nothing could be said before.
    """
    if data.spec.keep == KEEP_NONE or outcome.estimator is None or outcome.result.family == BASELINE:
        return outcome
    part, size = data.part(job), outcome.result.model_bytes or 0
    if size > LARGEST_KEPT:
        return _warned(
            outcome,
            f"its model takes {size / 1e6:,.0f} MB; a run keeps those of up to {LARGEST_KEPT / 1e6:,.0f} MB. "
            "cvclassic train makes a file of it",
        )
    try:
        known = {"pipeline": job.pipeline, "dataset": job.dataset, "n_train": job.n_train}
        _model(outcome.estimator, part, ModelCard(outcome.calibration, known)).save(folder / MODEL)
    except Exception as error:  # the job is done, whatever becomes of its model
        return _warned(outcome, f"it can't be taken home as a file: {one_line(error)}")
    return outcome


def _warned(outcome: Outcome, told: str) -> Outcome:
    return replace(outcome, result=replace(outcome.result, warnings=(*outcome.result.warnings, told)))


def whole(dataset: Dataset) -> Dataset:
    """All images that a run uses, to be fitted on: but for the validation split none is held out."""
    train = np.setdiff1d(dataset.used, dataset.validation)
    return replace(dataset, train=train, test=np.empty(0, np.int64), smaller=(), folds=())


def fit_whole(job: Job, data: RunData, folder: Path, card: ModelCard) -> Outcome:
    """Fit a job's pipeline on all images of `whole(dataset)`, and leave its model in `folder`.

    A training that needs validation images, as a network's does, keeps those; others learn from them too. It is tuned
    before where the run tunes.
    """
    drawn = np.random.get_state()
    family = data.pipelines[job.pipeline].family
    try:
        with sklearn.config_context(enable_metadata_routing=True):
            np.random.seed(job.seed)
            estimator, part, spent = _fitted(job, data, folder)
        _model(estimator, part, card).save(folder / MODEL)
        figures = {"settings": job.settings, "fit_seconds": spent["seconds"]}
        return Outcome(Result(job.dataset, job.pipeline, family, "ok", job.seed, job.n_train, **figures))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return failed(job, family, one_line(error))
    finally:
        np.random.set_state(drawn)


def _fitted(job: Job, data: RunData, folder: Path) -> tuple[BaseEstimator, Dataset, dict[str, float]]:
    part, known, chosen = data.part(job), Known(), {}
    estimator = ready(job, data, folder, known)
    training, validation = ((part.images[rows], part.labels[rows]) for rows in (part.train, part.validation))
    if data.spec.tune:
        chosen = tuned(job, data, training, validation, known, folder).chosen
    takes_validation = "X_val" in fit_arguments(estimator, X_val=validation[0], y_val=validation[1])
    if not takes_validation:
        rows = np.union1d(part.train, part.validation)
        part = replace(part, train=rows, validation=np.empty(0, np.int64))
        training, validation = ((part.images[rows], part.labels[rows]) for rows in (part.train, part.validation))
        job, data = replace(job, n_train=len(rows)), replace(data, datasets={job.dataset: part})
    if chosen or not takes_validation:
        estimator = ready(job, data, folder, known, chosen)
    spent = fit(estimator, *training, *validation, known)
    forget_tuning(folder)
    return estimator, part, spent


def _model(estimator: BaseEstimator, part: Dataset, card: ModelCard) -> Model:
    return Model(
        estimator,
        part.class_names,
        contract_of(part),
        calibration=card.calibration,
        figures=card.figures,
        fingerprint=card.fingerprint,
    )


def contract_of(dataset: Dataset) -> InputContract:
    """What images of a data set look like; those of one that was not read from files are padded to its size."""
    height, width = dataset.image_shape[:2]
    contract = dataset.contract or InputContract(height, width, 3)
    return replace(contract, channels=3 if len(dataset.image_shape) == 3 else 1)
