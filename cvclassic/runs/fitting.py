"""How a job's estimator is tuned and fitted, and what that takes."""

import contextlib
import inspect
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline as SklearnPipeline

from cvclassic.augmentation import innermost, layers
from cvclassic.errors import DataError, InputError
from cvclassic.features.known import Known
from cvclassic.neural.stack import BACKUP
from cvclassic.runs.embedded import embed_ahead
from cvclassic.runs.encoding import from_json, read_content, to_json
from cvclassic.runs.estimator import built
from cvclassic.runs.files import remove, write_content
from cvclassic.runs.job import Job, Tuning
from cvclassic.runs.measure import Meter
from cvclassic.runs.plan import RunData
from cvclassic.runs.search import Value
from cvclassic.runs.tuning import Samples, shortened, tune

TUNING = "tuning.json"  # what tuning found, among the backups while the job is fitted


def tuned(job: Job, data: RunData, training: Samples, validation: Samples, known: Known, folder: Path | None) -> Tuning:
    """What tuning finds, or has found before the job was interrupted; the job's draws begin anew after it."""
    task, part, space = data.task(job), data.part(job), data.space(job)
    kept = folder and folder / BACKUP / TUNING
    if kept:
        with contextlib.suppress(OSError, DataError):
            found = from_json(Tuning, read_content(kept))
            if found.chosen.keys() <= (space or {}).keys():
                return found
    looked_up, n = Known(known.embedded, list(known.backbones)), len(training[1]) + len(validation[1])
    once = sum(each.spent["seconds"] * n / len(each.digests) for each in known.embedded.values())

    def build(candidate: Mapping[str, Value], n_train: int, share: float) -> BaseEstimator:
        shorter = replace(task, n_train=n_train, stack=shortened(task.stack, share))
        estimator = built(job, data, shorter, candidate)
        embed_ahead(estimator, data.datasets[job.dataset], data.embedded, looked_up)
        return estimator

    def fit_candidate(estimator: BaseEstimator, training: Samples, validation: Samples) -> None:
        fit(estimator, *training, *validation, looked_up)

    def clock() -> float:  # which goes on by what embedding these images took, once for all trials
        return time.perf_counter() + min(looked_up.spent["seconds"], once)

    groups = None if part.groups is None else part.groups[np.concatenate([part.train, part.validation])]
    bounds = {"seed": job.seed, "seconds": data.spec.tune, "clock": clock}
    try:
        found = tune(build, fit_candidate, space, training, validation, groups, **bounds)
    finally:
        np.random.seed(job.seed)
    if kept:
        kept.parent.mkdir(exist_ok=True)
        write_content(kept, to_json(found))
    return found


def forget_tuning(folder: Path | None) -> None:
    """The fit is done, and nothing goes on from here."""
    if folder:
        remove(folder / BACKUP / TUNING)
        with contextlib.suppress(OSError):  # not there, or a pipeline's own backup lies in it
            (folder / BACKUP).rmdir()


def fit(
    estimator: BaseEstimator, X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray, known: Known
) -> dict[str, float]:
    """Fit the estimator; what that took, as a `Meter` reads it, and what the embeddings that it looked up had taken."""
    meter = Meter(known.spent)
    validation = {"X_val": X_val, "y_val": y_val} if len(y_val) else {}
    arguments = fit_arguments(estimator, meter=meter, **validation)
    try:
        estimator.fit(X, y, **arguments)
    except NotFittedError as error:  # scikit-learn's, where it makes features of validation images
        steps = [each[-2] for each in layers(estimator) if isinstance(each, SklearnPipeline) and len(each) > 1]
        if "X_val" not in arguments or not steps:
            raise
        raise InputError(
            f"The step before the classifier ({type(steps[-1]).__name__} here) does not look fitted to scikit-learn, "
            "which makes features of validation images with it: give it an attribute with a name that ends in _ in "
            "its fit."
        ) from error
    return meter.read()


def fit_arguments(estimator: BaseEstimator, **offered: object) -> dict[str, object]:
    """Of validation data and meter, what the `fit` of the innermost classifier takes and those around it hand on.

    Pipelines are told to hand it on, and to make features of validation images too.
    """
    *around, inside = (inspect.signature(layer.fit).parameters for layer in layers(estimator))

    def handed_on(name: str) -> bool:
        return all(name in each or any(p.kind is p.VAR_KEYWORD for p in each.values()) for each in around)

    given = {name: value for name, value in offered.items() if name in inside and handed_on(name)}
    classifier = innermost(estimator)
    if given and around and hasattr(classifier, "set_fit_request"):
        classifier.set_fit_request(**dict.fromkeys(given, True))
    for layer in layers(estimator):
        if "X_val" in given and isinstance(layer, SklearnPipeline) and layer.transform_input is None:
            layer.set_params(transform_input=["X_val"])
    return given
