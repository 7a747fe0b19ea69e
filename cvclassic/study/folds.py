"""Folds pooled: what the jobs of all folds of a configuration say together, as the outcome of one job."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cvclassic.runs.job import ClassFigures, DatasetRecord, Job, Outcome, Predictions, Result
from cvclassic.study.statistics import confusion_matrix, macro_f1

# How the figures of folds become one: over all images, so that each image counts once, or of what one fold costs.
OVER_TEST_IMAGES = (
    *("test_accuracy", "balanced_accuracy", "macro_f1", "mean_corruption_error"),
    *("negative_log_likelihood", "brier_score", "calibration_error"),
)
OVER_VALIDATION_IMAGES = ("validation_accuracy", "validation_balanced_accuracy", "validation_macro_f1")
MEANS = (
    *("train_accuracy", "fit_seconds", "fit_energy_joules", "model_bytes", "answer_seconds"),
    *("tuning_seconds", "tuning_candidates"),
)
WHOLE = ("model_bytes", "tuning_candidates")  # whole numbers, also as means
MOST = ("n_features", "peak_memory_mb")
SUMS = ("n_test", "n_train_scored", "n_corrupted")


def pooled_job(job: Job, dataset: DatasetRecord, seed: int) -> Job:
    """The job that stands for all folds of `job`'s configuration."""
    return replace(job, seed=seed, n_train=dataset.sizes.train, fold=None)


def pooled(outcomes: Sequence[Outcome], dataset: DatasetRecord, seed: int) -> Outcome | None:
    """The outcome of all folds together; None while one has no outcome yet and none has failed.

    Accuracies are those of all images, each predicted by the model that never saw it. A fit's time, energy and bytes
    are the mean of the folds' and its memory their largest. Where a fold failed, so has the whole.
    """
    results = [outcome.result for outcome in outcomes]
    job = pooled_job(results[0].job, dataset, seed)
    whole = Result(job.dataset, job.pipeline, results[0].family, "ok", job.seed, job.n_train, settings=job.settings)
    broken = [result for result in results if not result.ok]
    if broken:
        first = broken[0]
        status = first.status.replace("failed: ", f"failed: fold {first.fold} of {len(dataset.folds)}: ", 1)
        return Outcome(replace(whole, status=status))
    if len(results) < len(dataset.folds):
        return None
    figures = {name: _mean(results, name, [r.n_test for r in results]) for name in OVER_TEST_IMAGES}
    figures |= {name: _mean(results, name) for name in MEANS}
    figures |= {name: _of_all(results, name, max) for name in MOST}
    figures |= {name: _of_all(results, name, sum) for name in SUMS}
    figures |= {name: round(figures[name]) for name in WHOLE if figures[name] is not None}
    validated = [dataset.folds[r.fold - 1].validation for r in results]
    figures |= {name: _mean(results, name, validated) for name in OVER_VALIDATION_IMAGES}
    seconds = [r.n_test / r.predict_images_per_second for r in results if r.predict_images_per_second]
    figures["predict_images_per_second"] = figures["n_test"] / sum(seconds) if sum(seconds) else None
    figures["over_budget"] = _of_all(results, "over_budget", any)
    figures["corruptions"] = _corruptions(results)
    figures["backbone"] = _of_all(results, "backbone", lambda found: ", ".join(dict.fromkeys(found)))
    figures["machine"] = _of_all(results, "machine", lambda found: " and ".join(dict.fromkeys(found)))
    figures["augment"] = results[0].augment
    figures["converged"] = _of_all(results, "converged", all)
    figures["warnings"] = tuple(dict.fromkeys(warning for result in results for warning in result.warnings))
    predictions = _joined([outcome.predictions for outcome in outcomes], dataset.sizes.test)
    if predictions is not None:
        figures |= figures_of(predictions, dataset.class_names)
    return Outcome(replace(whole, **figures), predictions)


def _joined(found: Sequence[Predictions | None], n: int) -> Predictions | None:
    """The predictions of all images in their order; None where some are missing, or an image has two."""
    if None in found or any(each.places is None for each in found):
        return None
    places = np.concatenate([each.places for each in found])
    if not np.array_equal(np.sort(places), np.arange(n)):
        return None
    order = np.argsort(places)
    scores = [each.scores for each in found]
    alike = all(each is not None and each.ndim == scores[0].ndim for each in scores)
    y_true, y_pred = (np.concatenate([getattr(each, name) for each in found])[order] for name in ("y_true", "y_pred"))
    return Predictions(y_true, y_pred, np.concatenate(scores)[order] if alike else None)


def figures_of(predictions: Predictions, class_names: Sequence[str]) -> dict[str, object]:
    """Balanced accuracy, macro F1 and the figures of each class, from all images."""
    counts = confusion_matrix(predictions.y_true, predictions.y_pred, len(class_names))
    right, said, there = np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)
    precision, recall, f1 = (right / np.maximum(of, 1) for of in (said, there, (said + there) / 2))
    rows = zip(class_names, precision, recall, f1, there, strict=True)
    return {
        "balanced_accuracy": float(recall[there > 0].mean()),
        "macro_f1": float(macro_f1(counts)),
        "per_class": tuple(ClassFigures(name, float(p), float(r), float(f), int(n)) for name, p, r, f, n in rows),
    }


def _mean(results: Sequence[Result], name: str, weights: Sequence[int] | None = None) -> float | None:
    values = [getattr(result, name) for result in results]
    if None in values or (weights is not None and not sum(weights)):
        return None
    return float(np.average(values, weights=weights))


def _of_all(results: Sequence[Result], name: str, take):
    values = [value for result in results if (value := getattr(result, name)) is not None]
    return take(values) if values else None


def _corruptions(results: Sequence[Result]) -> dict[str, list[float]] | None:
    if any(result.corruptions is None for result in results):
        return None
    weights = [result.n_corrupted for result in results]
    return {
        name: np.average([result.corruptions[name] for result in results], axis=0, weights=weights).tolist()
        for name in results[0].corruptions
    }
