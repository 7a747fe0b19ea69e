"""Runs as `read_run` gives them, with figures that are known; made in memory."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score, f1_score

from cvclassic.runs.job import (
    SCHEMA_VERSION,
    ClassFigures,
    DatasetRecord,
    Job,
    Outcome,
    PipelineRecord,
    Predictions,
    Result,
    Run,
    RunRecord,
    SetImages,
    Sizes,
)
from cvclassic.runs.spec import RunSpec
from cvclassic.study.study import Study

CLASSES = ("cat", "dog", "owl")
HISTORY = {
    "loss": [1.0, 0.6, 0.4, 0.3],
    "accuracy": [0.6, 0.7, 0.8, 0.9],
    "val_loss": [1.1, 0.7, 0.6, 0.65],
    "val_accuracy": [0.55, 0.68, 0.75, 0.74],
    "learning_rate": [0.003, 0.003, 0.0015, 0.0007],
}


def job(pipeline: str, family: str, wrong: object, seconds: float = 1.0, **changes: object) -> tuple:
    """One of the `jobs` of `make_run`, on the data set "animals"."""
    return ("animals", pipeline, family, wrong, seconds, changes)


def make_run(jobs, *, sets=("animals",), classes=CLASSES, n_test=400, shape=(32, 32, 3), name="run", **more) -> Run:
    """A run of `jobs`: (data set, pipeline, family, wrong, fit seconds), or with a dict of changes at the end.

    The changes are to fields of the job or its result. The images that a pipeline gets wrong are the first `wrong` ones
    of an order that is the same for all: of two pipelines, the better one alone is right on as many as they differ by,
    and the worse one alone on none. A `wrong` of None leaves the job without an outcome, a text is the status of a
    failed one. Validation accuracies are the test accuracies where the changes say nothing else. `more` are fields of
    the `RunSpec`, or of the `RunRecord` or `Run`.
    """
    records = tuple(_set_record(each, classes, n_test, shape) for each in sets)
    planned = tuple(_job(*job) for job in jobs)
    families = {pipeline: family for _, pipeline, family, *_ in jobs}
    problems = more.pop("problems", ())
    record = {
        "schema_version": SCHEMA_VERSION,
        "created": "2026-01-01T00:00:00+00:00",
        "stack": {"optimizer": "adam", "epochs": 4, "monitor": "val_loss", "batch_size": 64},
        "machine": "a machine, 2 cores",
        "versions": {"python": "3.11"},
        "notes": (),
        "fingerprints": tuple((each.name, "0123") for each in records),
        "pipelines": tuple(PipelineRecord(pipeline, pipeline, family) for pipeline, family in families.items()),
        "jobs": planned,
    }
    record |= {key: more.pop(key) for key in list(more) if key in record}
    spec = RunSpec(**({"datasets": sets, "preset": "standard", "threads": 2} | more))
    outcomes = [_outcome(job, planned_job, classes, n_test) for job, planned_job in zip(jobs, planned, strict=True)]
    random = np.random.default_rng(0)
    images = {
        each: SetImages(
            random.integers(0, 256, (n_test, *shape), dtype=np.uint8),
            random.integers(0, 256, (len(classes), *shape), dtype=np.uint8),
        )
        for each in sets
    }
    found = tuple(outcome for outcome in outcomes if outcome is not None)
    return Run(name, RunRecord(spec=spec, **record), records, found, images, problems)


def make_study(jobs, **more) -> Study:
    """The study of `make_run`."""
    return Study(make_run(jobs, **more))


def _job(dataset, pipeline, family, wrong, seconds=1.0, changes=None) -> Job:
    own = {key: value for key, value in (changes or {}).items() if key in ("seed", "n_train", "settings")}
    own["settings"] = tuple(dict(own.get("settings", ())).items())
    return Job(**({"dataset": dataset, "pipeline": pipeline, "seed": 0, "n_train": 1000} | own))


def _set_record(name, classes, n_test, shape) -> DatasetRecord:
    sizes = Sizes(1000, 50, n_test)
    return DatasetRecord(name, tuple(classes), "drawn at random", (), tuple(shape), sizes, test_images="abc")


def _outcome(job, planned, classes, n_test) -> Outcome | None:
    family, wrong = job[2:4]
    seconds, changes = job[4] if len(job) > 4 else 1.0, job[5] if len(job) > 5 else {}
    if wrong is None:
        return None
    identity = {key: getattr(planned, key) for key in ("dataset", "pipeline", "seed", "n_train", "settings")}
    if isinstance(wrong, str):
        return Outcome(Result(**identity, family=family, status=wrong))
    y_true = np.arange(n_test) % len(classes)
    y_pred = y_true.copy()
    missed = np.random.default_rng(1).permutation(n_test)[:wrong]
    y_pred[missed] = (y_true[missed] + 1) % len(classes)
    scores = np.random.default_rng(2).normal(size=(n_test, len(classes))).astype(np.float32)
    scores[np.arange(n_test), y_pred] += 5
    figures = {
        "n_features": 324,
        "train_accuracy": 0.99,
        "test_accuracy": 1 - wrong / n_test,
        "macro_f1": float(f1_score(y_true, y_pred, average="macro")),
        "balanced_accuracy": float(balanced_accuracy_score(y_true, y_pred)),
        "fit_seconds": seconds,
        "predict_images_per_second": 4567.8,
        "peak_memory_mb": 321.0,
        "model_bytes": 1_234_567,
        "validation_accuracy": 1 - wrong / n_test,
        "validation_balanced_accuracy": float(balanced_accuracy_score(y_true, y_pred)),
        "validation_macro_f1": float(f1_score(y_true, y_pred, average="macro")),
        "n_train_scored": 1000,
        "n_test": n_test,
        "per_class": tuple(ClassFigures(each, 0.9, 0.8, 0.85, 10) for each in classes),
        "history": HISTORY if family == "neural" else None,
    }
    figures |= {key: value for key, value in changes.items() if key not in identity}
    return Outcome(Result(**identity, family=family, status="ok", **figures), Predictions(y_true, y_pred, scores))
