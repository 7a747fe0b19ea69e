"""Runs' folders as the command leaves them, with figures that are known."""

import numpy as np
import pytest

from cvclassic.experiment.result import (
    SCHEMA_VERSION,
    Result,
    job_folder,
    read_run,
    result_path,
    write_json,
    write_result,
)
from cvclassic.experiment.statistics import confusion_matrix, macro_f1, wilson_interval
from cvclassic.report import page

CLASSES = ("cat", "dog", "owl")
HISTORY = {
    "loss": [1.0, 0.6, 0.4, 0.3],
    "accuracy": [0.6, 0.7, 0.8, 0.9],
    "val_loss": [1.1, 0.7, 0.6, 0.65],
    "val_accuracy": [0.55, 0.68, 0.75, 0.74],
    "learning_rate": [0.003, 0.003, 0.0015, 0.0007],
}


@pytest.fixture(autouse=True)
def quick_page(request, monkeypatch):
    """Pages without pictures, which take seconds to draw, but for tests that use `real_pictures`."""
    if "real_pictures" not in request.fixturenames:
        monkeypatch.setattr(page, "pictures", lambda run, dataset: [])


@pytest.fixture
def real_pictures():
    """For a test whose pages need their pictures."""


@pytest.fixture
def make_run(tmp_path, write_run):
    """`write_run` into a folder of the test's own."""
    return lambda jobs, *, name="run", **more: write_run(tmp_path / name, jobs, **more)


@pytest.fixture(scope="session")
def write_run():
    """A function that writes a run's folder and reads it.

    `jobs` are (data set, pipeline, family, wrong, fit seconds) or end in a dict that changes fields of the job or its
    result. The images that a pipeline gets wrong are the first `wrong` ones of an order that is the same for all: of
    two pipelines, the better one alone is right on as many as they differ by, and the worse one alone on none. A
    `wrong` of None leaves the job without a result, a text is the status of a failed one.
    """
    return _write_run


def _write_run(folder, jobs, *, sets=("animals",), classes=CLASSES, n_test=400, shape=(32, 32, 3), **more):
    descriptions = [_write_set(folder, each, classes, n_test, shape) for each in sets]
    planned = [_identity(*job) for job in jobs]
    families = {pipeline: family for _, pipeline, family, *_ in jobs}
    config = {
        "schema_version": SCHEMA_VERSION,
        "created": "2026-01-01T00:00:00+00:00",
        "options": {"preset": "standard"},
        "seed": 0,
        "threads": 2,
        "stack": {"optimizer": "adam", "epochs": 4},
        "machine": "a machine, 2 cores",
        "versions": {"python": "3.11"},
        "notes": [],
        "datasets": [description["name"] for description in descriptions],
        "pipelines": {
            pipeline: {"title": pipeline, "family": family, "stack": None, "published": None}
            for pipeline, family in families.items()
        },
        "settings": {},
        "sweep": {},
        "repeats": 1,
        "train_sizes": None,
        "time_budget": None,
        "jobs": planned,
    } | more
    write_json(folder / "run.json", config)
    for job, identity in zip(jobs, planned, strict=True):
        _write_job(folder, identity, *job[2:5], classes, n_test, job[5] if len(job) > 5 else {})
    return read_run(folder)


def _identity(dataset, pipeline, family, wrong, seconds, changes=None):
    identity = {"dataset": dataset, "pipeline": pipeline, "seed": 0, "n_train": 1000, "settings": {}}
    return identity | {key: value for key, value in (changes or {}).items() if key in identity}


def _write_set(folder, name, classes, n_test, shape):
    (folder / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    np.save(folder / name / "test_images.npy", random.integers(0, 256, (n_test, *shape), dtype=np.uint8))
    np.save(folder / name / "class_examples.npy", random.integers(0, 256, (len(classes), *shape), dtype=np.uint8))
    description = {
        "name": name,
        "class_names": list(classes),
        "provenance": "drawn at random",
        "traits": [],
        "image_shape": list(shape),
        "sizes": {"train": 1000, "validation": 50, "test": n_test},
        "warnings": [],
        "fingerprint": "0123",
    }
    write_json(folder / name / "dataset.json", description)
    return description


def _write_job(folder, identity, family, wrong, seconds, classes, n_test, changes):
    if wrong is None:
        return
    job_folder(folder, identity).mkdir()
    if isinstance(wrong, str):
        write_result(result_path(folder, identity), Result(**identity, family=family, status=wrong))
        return
    y_true = np.arange(n_test) % len(classes)
    y_pred = y_true.copy()
    missed = np.random.default_rng(1).permutation(n_test)[:wrong]
    y_pred[missed] = (y_true[missed] + 1) % len(classes)
    scores = np.random.default_rng(2).normal(size=(n_test, len(classes))).astype(np.float32)
    scores[np.arange(n_test), y_pred] += 5
    np.savez(job_folder(folder, identity) / "predictions.npz", y_true=y_true, y_pred=y_pred, scores=scores)
    low, high = wilson_interval(n_test - wrong, n_test)
    figures = {
        "n_features": 324,
        "train_accuracy": 0.99,
        "test_accuracy": 1 - wrong / n_test,
        "ci_low": low,
        "ci_high": high,
        "macro_f1": float(macro_f1(confusion_matrix(y_true, y_pred, len(classes)))),
        "fit_seconds": seconds,
        "predict_images_per_second": 4567.8,
        "peak_memory_mb": 321.0,
        "model_bytes": 1_234_567,
        "validation_accuracy": 1 - wrong / n_test,
        "n_train_scored": 1000,
        "n_test": n_test,
        "per_class": [{"class": c, "precision": 0.9, "recall": 0.8, "f1": 0.85, "n_test": 10} for c in classes],
        "history": HISTORY if family == "neural" else None,
    }
    figures |= {key: value for key, value in changes.items() if key not in identity}
    write_result(result_path(folder, identity), Result(**identity, family=family, status="ok", **figures))
