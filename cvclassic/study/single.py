"""The interval of a single figure: of one pipeline's metric on the test images."""

from collections.abc import Sequence

import numpy as np

from cvclassic.runs.job import Outcome, Predictions
from cvclassic.study.differences import difference
from cvclassic.study.intervals import balanced_accuracy_interval, macro_f1_interval
from cvclassic.study.statistics import confusion_matrix, wilson_interval


def interval_of(outcomes: Sequence[Outcome], metric: str, groups: np.ndarray | None) -> tuple[float, float]:
    """The 95 % interval of a metric, over several trainings of their mean, as fractions.

    Wilson's for accuracy, those of the classes combined for balanced accuracy, `macro_f1_interval` for macro F1. Images
    that belong together count for fewer, by the design effect of the first training's predictions.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One or more that succeeded, on the same test images.
    metric : str
    groups : ndarray of shape (n_test,), int64; or None
    """
    results = [outcome.result for outcome in outcomes]
    said = [outcome.predictions for outcome in outcomes if outcome.predictions is not None]
    effect = design_effect(said[0], groups) if said else 1.0
    if metric == "accuracy":
        n_test = results[0].n_test / effect
        return wilson_interval(float(np.mean([result.test_accuracy for result in results])) * n_test, n_test)
    if metric == "balanced_accuracy":
        sizes = [each.n_test / effect for each in results[0].per_class if each.n_test]
        recalls = np.mean([[each.recall for each in result.per_class if each.n_test] for result in results], axis=0)
        return balanced_accuracy_interval(recalls * sizes, sizes)
    if not said:
        return 0.0, 1.0
    n_classes = len(results[0].per_class)
    counts = np.mean([confusion_matrix(each.y_true, each.y_pred, n_classes) for each in said], axis=0)
    return macro_f1_interval(counts / effect)


def design_effect(predictions: Predictions, groups: np.ndarray | None) -> float:
    """How many images that belong together tell as much as one that stands for itself, at least 1."""
    if groups is None or len(np.unique(groups)) < 2:
        return 1.0
    y_true, y_pred = predictions.y_true, predictions.y_pred
    never = np.where(y_true > 0, 0, 1)[np.newaxis]  # always wrong: the difference from it is the accuracy itself
    found = difference(y_pred[np.newaxis], never, y_true, groups=groups)
    return max(1.0, len(y_true) / found.strata[0].n)
