"""The estimator of a job: built by its pipeline, with the job's settings, and made ready to be fitted."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from cvclassic.errors import InputError
from cvclassic.features.known import Known
from cvclassic.runs.embedded import embed_ahead
from cvclassic.runs.job import Job
from cvclassic.runs.pipelines import Task
from cvclassic.runs.plan import RunData
from cvclassic.runs.search import Value
from cvclassic.runs.settings import apply_settings, find_parameter, split_settings, weigh_classes
from cvclassic.runs.spec import STACK_FIELDS


def ready(
    job: Job, data: RunData, folder: Path | None, known: Known, candidate: Mapping[str, Value] | None = None
) -> BaseEstimator:
    """The job's estimator, with all done that is to be done before the clock starts."""
    dataset = data.datasets[job.dataset]
    estimator = built(job, data, data.task(job, folder), candidate or {})
    _prepare(estimator, dataset.images[data.part(job).train[:2]])
    embed_ahead(estimator, dataset, data.embedded, known)
    return estimator


def built(job: Job, data: RunData, task: Task, candidate: Mapping[str, Value]) -> BaseEstimator:
    """The job's estimator with its settings and, in place of the pipeline's own, the parameters of a candidate."""
    pipeline = data.pipelines[job.pipeline]
    of_stack = {name: value for name, value in candidate.items() if pipeline.has_stack and name in STACK_FIELDS}
    estimator = pipeline.build(replace(task, stack=replace(task.stack, **of_stack)))
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise InputError(f"build(task) returned {repr(estimator)[:80]}; it returns a scikit-learn estimator.")
    if data.spec.class_weight:
        weigh_classes(estimator, data.spec.class_weight)
    apply_settings(estimator, split_settings(job.settings, task.stack)[1] if pipeline.takes_stack else job.settings)
    for name in candidate.keys() - of_stack.keys():
        estimator.set_params(**{find_parameter(estimator, name): candidate[name]})
    return estimator


def _prepare(estimator: BaseEstimator, X: np.ndarray) -> None:
    """Let each part that loads or compiles something at first use (Keras, kernels) do so before the clock starts."""
    parts = getattr(estimator, "steps", None) or getattr(estimator, "transformer_list", None)
    if parts:
        for part in parts:
            _prepare(part[1], X)
    elif hasattr(estimator, "wrapped"):
        _prepare(estimator.wrapped, X)
    elif hasattr(estimator, "prepare"):
        estimator.prepare(X)
