"""The interval of one method's figure on the test images: what another sample of such images might give."""

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

from cvclassic.study.differences import Metric, difference
from cvclassic.study.intervals import balanced_accuracy_interval, macro_f1_interval
from cvclassic.study.statistics import confusion_matrix, macro_f1, wilson_interval


def figure_interval(
    predicted: np.ndarray,
    y_true: np.ndarray,
    metric: Metric = "accuracy",
    *,
    groups: np.ndarray | None = None,
    folds: np.ndarray | None = None,
    n_classes: int | None = None,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Interval of the mean figure of some trainings, as fractions; how these vary is no part of it.

    Wilson's interval of accuracy, `balanced_accuracy_interval` or `macro_f1_interval`. With groups or folds the number
    of images is divided by the design effect of what is wrong: that of the difference to perfect predictions. Of groups
    the quantiles are Student's, with one degree of freedom less than there are groups.

    Parameters
    ----------
    predicted : ndarray of int, shape (k, n)
        Predicted classes: a row per training.
    y_true, metric, groups, folds, n_classes
        As in `difference`.
    confidence : float

    Raises
    ------
    InputError
        For other shapes, fewer than two images, groups or folds, and another metric.
    """
    predicted, y_true = np.asarray(predicted), np.asarray(y_true)
    wrong = difference(predicted, y_true[None], y_true, metric, groups=groups, folds=folds, n_classes=n_classes)
    effect = max(wrong.effect, 1.0)
    if wrong.clusters is not None:
        quantile = student_t.ppf((1 + confidence) / 2, wrong.clusters - 1)
        confidence = float(2 * norm.cdf(quantile) - 1)
    if metric == "accuracy":
        return wilson_interval(
            float(np.mean(predicted == y_true, axis=0).sum()) / effect, len(y_true) / effect, confidence
        )
    largest = max(int(predicted.max()), int(y_true.max())) + 1
    counts = np.stack([confusion_matrix(y_true, row, max(n_classes or 0, largest)) for row in predicted])
    mean = counts.mean(axis=0)
    if metric == "balanced_accuracy":
        return balanced_accuracy_interval(np.diagonal(mean) / effect, mean.sum(axis=1) / effect, confidence)
    # The mean of scores is not quite the score of the mean counts.
    beside = float(np.mean(macro_f1(counts)) - macro_f1(mean))
    low, high = macro_f1_interval(mean / effect, confidence)
    return max(low + beside, 0.0), min(high + beside, 1.0)
