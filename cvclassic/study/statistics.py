"""Statistics of results: counts and figures, an interval of a proportion, and tests.

SciPy's where it has them. Holm's correction is four lines, for which statsmodels would be a large dependency; the tests
hold it against statsmodels.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy.stats import norm

from cvclassic.errors import InputError


def wilson_interval(correct: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for an accuracy of `correct` out of `n` (Wilson 1927), as fractions.

    The numbers need not be whole, as in the mean accuracy of several fits on the same `n` images.
    """
    z, p = float(norm.ppf((1 + confidence) / 2)), correct / n
    center = p + z**2 / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = (center - half) / (1 + z**2 / n), (center + half) / (1 + z**2 / n)
    return 0.0 if p <= 0 else low, 1.0 if p >= 1 else high  # exact there, which the formula's rounding is not


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


def _checked(y_true: np.ndarray, y_pred: np.ndarray, name: str) -> np.ndarray:
    y_pred = np.asarray(y_pred)
    if y_pred.shape != np.shape(y_true):
        raise InputError(f"{name} has shape {y_pred.shape} for {np.shape(y_true)[0]} true labels.")
    return y_pred
