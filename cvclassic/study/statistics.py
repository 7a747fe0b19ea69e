"""Statistics of results: intervals, and tests of whether two pipelines differ.

SciPy's where it has them. Holm's correction is four lines, for which statsmodels would be a large dependency; the tests
hold it, and McNemar's test, against statsmodels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import binomtest, norm
from scipy.stats import t as student_t

from cvclassic.errors import InputError


@dataclass(frozen=True)
class ComparedTrainings:
    """The difference of two mean accuracies, as a fraction, and the p-value that it is 0."""

    difference: float
    p_value: float


def wilson_interval(correct: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for an accuracy of `correct` out of `n` (Wilson 1927), as fractions.

    `correct` need not be whole, as in the mean accuracy of several fits on the same `n` images.
    """
    z, p = float(norm.ppf((1 + confidence) / 2)), correct / n
    center = p + z**2 / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = (center - half) / (1 + z**2 / n), (center + half) / (1 + z**2 / n)
    return 0.0 if p <= 0 else low, 1.0 if p >= 1 else high  # exact there, which the formula's rounding is not


def mcnemar(first_only: int, second_only: int) -> float:
    """p-value of McNemar's exact test, two-sided (McNemar 1947): might both be right equally often?

    Parameters
    ----------
    first_only, second_only : int
        Images that only the first, and only the second classifier gets right; the others tell nothing.
    """
    discordant = first_only + second_only
    return float(binomtest(first_only, discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values corrected for their number by Holm's step-down method (1979), in the order in which they came."""
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values)
    adjusted = np.empty_like(p_values)
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def confusion_matrix(y_true: np.ndarray, y_pred: np.ndarray, n_classes: int) -> np.ndarray:
    """Counts of shape (n_classes, n_classes): rows are the true classes, columns the predicted ones."""
    y_pred = _checked(y_true, y_pred, "y_pred")
    return np.bincount(np.asarray(y_true) * n_classes + y_pred, minlength=n_classes**2).reshape(n_classes, n_classes)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class, averaged over classes; a class that is neither there nor predicted has 0, as in scikit-learn.

    Parameters
    ----------
    confusion : ndarray of shape (..., n_classes, n_classes)
        One or many confusion matrices.
    """
    true_positives = np.diagonal(confusion, axis1=-2, axis2=-1)
    sizes = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return np.mean(2 * true_positives / np.maximum(sizes, 1), axis=-1)


def macro_f1_interval(
    confusion: np.ndarray, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the macro F1 score (Efron 1979), as fractions.

    To draw n test images with replacement is to draw the cells of the confusion matrix from a multinomial
    distribution, so that no image is touched again.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
    """
    n = int(confusion.sum())
    cells = np.flatnonzero(confusion)  # with 100 classes most are empty
    drawn = np.random.default_rng(seed).multinomial(n, confusion.ravel()[cells] / n, size=resamples)
    scores = []
    for some in np.array_split(drawn, 10):  # many matrices at once, but not all: with 100 classes each has 80 KB
        again = np.zeros((len(some), confusion.size), dtype=np.int64)
        again[:, cells] = some
        scores.append(macro_f1(again.reshape(-1, *confusion.shape)))
    low, high = np.quantile(np.concatenate(scores), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def compare_trainings(first: np.ndarray, second: np.ndarray) -> ComparedTrainings:
    """t-test (two-sided) of whether two methods are right equally often, over images and over trainings.

    The variance of the difference is the sum of three: that of the images' differences, each the mean over trainings,
    and for each method with several trainings that of their accuracies, the trainings of the two being independent. It
    counts what a training does to single images twice, and is so on the safe side. The degrees of freedom are
    Satterthwaite's (Biometrics Bulletin 2, 1946). A method with one training is taken to have no others.

    Parameters
    ----------
    first, second : ndarray of bool, shapes (k1, n) and (k2, n)
        Whether a training is right on an image: a row per training, the same images for both.

    Raises
    ------
    InputError
        For other shapes, and for fewer than two images.
    """
    first, second = (np.asarray(each, dtype=np.float64) for each in (first, second))
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or first.shape[1] < 2:
        raise InputError(
            f"Trainings are compared on the same images, two or more: shapes (k, n); {first.shape} and {second.shape} "
            "came."
        )
    n = first.shape[1]
    differences = first.mean(axis=0) - second.mean(axis=0)
    parts = [(differences.var(ddof=1) / n, n - 1)]
    for each in (first, second):
        if len(each) > 1:
            parts.append((each.mean(axis=1).var(ddof=1) / len(each), len(each) - 1))
    variance = sum(part for part, _ in parts)
    difference = float(differences.mean())
    if variance == 0:
        return ComparedTrainings(difference, 1.0 if difference == 0 else 0.0)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return ComparedTrainings(difference, float(2 * student_t.sf(abs(difference) / sqrt(variance), freedom)))


def _checked(y_true: np.ndarray, y_pred: np.ndarray, name: str) -> np.ndarray:
    y_pred = np.asarray(y_pred)
    if y_pred.shape != np.shape(y_true):
        raise InputError(f"{name} has shape {y_pred.shape} for {np.shape(y_true)[0]} true labels.")
    return y_pred
