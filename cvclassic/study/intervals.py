"""Intervals of proportions and of what is made of them, in closed form or by the root of a score equation.

Score intervals contain their estimate, stay in range and have a width where nothing was observed, as with no errors
at all or with two methods that are right on the same images. The formulas are on plain numbers, for they are asked one
at a time.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from cvclassic.errors import InputError
from cvclassic.study.statistics import macro_f1, wilson_interval

TINY = 1e-12  # the score equation is solved beside the estimate, where it has a second root if the variance there is 0


def tango_variance(first_only: float, second_only: float, n: float, difference: float) -> float:
    """Variance of the difference of paired proportions, were the true one `difference` (Tango 1998, section 3).

    The other parameter, how often just one of the two is right, is at its most likely value under that.

    Parameters
    ----------
    first_only, second_only : float
        Images that only the first, and only the second method gets right.
    n : float
        Images in all.
    difference : float
        In [-1, 1], of the first less the second.
    """
    if difference < 0:
        return tango_variance(second_only, first_only, n, -difference)
    linear = (2 * n - first_only + second_only) * difference - first_only - second_only
    rest = 8 * n * second_only * difference * (1 - difference)
    only_second = max(sqrt(max(linear**2 + rest, 0.0)) - linear, 0.0) / (4 * n)
    return max(2 * only_second + difference - difference**2, 0.0) / n


def tango_bounds(first_only: float, second_only: float, n: float, z: float) -> tuple[float, float]:
    """Tango's score interval (Statistics in Medicine 17, 1998) for a normal quantile `z`, or Student's.

    Parameters
    ----------
    first_only, second_only : float
        Images that only the first, and only the second method gets right; not necessarily whole.
    n : float
        Images in all, those that both or none get right with them.
    z : float
        Quantile, as 1.96 for 95 %.

    Returns
    -------
    low, high : float
        In [-1, 1], of the first less the second.
    """
    return -_upper_bound(second_only, first_only, n, z), _upper_bound(first_only, second_only, n, z)


def tango_interval(first_only: float, second_only: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of the difference of paired proportions, as fractions; see `tango_bounds`.

    Raises
    ------
    InputError
        Where there are more discordant images than images, or none at all.
    """
    if n <= 0 or min(first_only, second_only) < 0 or first_only + second_only > n:
        raise InputError(
            f"{first_only} and {second_only} of {n} images can't be those that one method alone gets right: the two "
            "numbers are 0 or more, and together at most the number of images."
        )
    return tango_bounds(first_only, second_only, n, quantile(confidence))


def quantile(confidence: float) -> float:
    """The normal quantile of a two-sided interval: 1.96 for 0.95."""
    return float(norm.ppf((1 + confidence) / 2))


def mover(
    estimates: Sequence[float], intervals: Sequence[tuple[float, float]], weights: Sequence[float]
) -> tuple[float, float]:
    """Interval of a weighted sum of independent estimates, by MOVER (Zou and Donner, Statistics in Medicine 27, 2008).

    Each estimate's variance is read from its own interval, on the side that matters; weights are 0 or more.
    """
    each = list(zip(estimates, intervals, weights, strict=True))
    center = sum(weight * estimate for estimate, _, weight in each)
    below = sqrt(sum((weight * (estimate - low)) ** 2 for estimate, (low, _), weight in each))
    above = sqrt(sum((weight * (high - estimate)) ** 2 for estimate, (_, high), weight in each))
    return center - below, center + above


def balanced_accuracy_interval(
    correct: Sequence[float], n: Sequence[int], confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean of the classes' accuracies: Wilson's of each class, combined by MOVER; as fractions.

    Parameters
    ----------
    correct, n : sequences of the same length
        Images of each class that are predicted right, and all of its test images. A class without any is left out.

    Raises
    ------
    InputError
        Where no class has images.
    """
    there = [(right, size) for right, size in zip(correct, n, strict=True) if size]
    if not there:
        raise InputError("No class has test images: there is no balanced accuracy.")
    shares = [right / size for right, size in there]
    intervals = [wilson_interval(right, size, confidence) for right, size in there]
    low, high = mover(shares, intervals, [1 / len(there)] * len(there))
    return max(low, 0.0), min(high, 1.0)


def macro_f1_interval(confusion: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the macro F1 score, as fractions; it always contains the score.

    Of the images that are of a class or predicted as it, those that are both are a proportion, with Wilson's interval;
    the class's F1 is a function of that proportion, 2 p / (1 + p). The classes' intervals are combined by MOVER for
    correlated estimates (Zou and Donner, Statistics in Medicine 27, 2008), for an error counts in two classes. The
    correlations are those of the delta method (as in Takahashi et al., Applied Intelligence 52, 2022), with one error
    more, spread over all cells off the diagonal, so that there are some where there was no error.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
        Counts: rows are the true classes, columns the predicted ones. A class that is neither there nor predicted has
        F1 0 and no variance, as in `macro_f1`.
    """
    n_classes = len(confusion)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - np.diagonal(confusion)
    used = np.flatnonzero(either)
    score = float(macro_f1(confusion))
    if not len(used):
        return score, score
    shares = np.diagonal(confusion)[used] / either[used]
    bounds = np.array([wilson_interval(s * m, m, confidence) for s, m in zip(shares, either[used], strict=True)])
    f1, (lows, highs) = 2 * shares / (1 + shares), (2 * bounds / (1 + bounds)).T
    correlations = _f1_correlations(confusion[np.ix_(used, used)])
    below, above = (float(np.sqrt(side @ correlations @ side)) / n_classes for side in (f1 - lows, highs - f1))
    return max(score - below, 0.0), min(score + above, 1.0)


def _upper_bound(first_only: float, second_only: float, n: float, z: float) -> float:
    estimate = (first_only - second_only) / n
    if estimate >= 1 - TINY:
        return 1.0

    def beyond(difference: float) -> float:
        return difference - estimate - z * sqrt(tango_variance(first_only, second_only, n, difference))

    return float(brentq(beyond, estimate + TINY, 1.0, xtol=1e-13)) if beyond(estimate + TINY) < 0 else estimate


def _f1_correlations(confusion: np.ndarray) -> np.ndarray:
    """Correlations of the classes' F1 scores, shape (n_classes, n_classes), by the delta method; none is negative.

    A negative one is taken as 0: the interval is so on the safe side.
    """
    n_classes = len(confusion)
    if n_classes == 1:
        return np.ones((1, 1))
    counts = confusion + (1 - np.eye(n_classes)) / (n_classes * (n_classes - 1))
    both, sizes = np.diagonal(counts), counts.sum(axis=0) + counts.sum(axis=1)
    f1 = 2 * both / sizes
    # An image of class i, predicted as j, moves F1 of i and of j by -F1 / size, and where i = j by (2 - 2 F1) / size.
    off = counts - np.diag(both)
    moved = f1 / sizes
    covariance = (off + off.T) * np.outer(moved, moved)
    np.fill_diagonal(covariance, both * ((2 - 2 * f1) / sizes) ** 2 + (off.sum(axis=0) + off.sum(axis=1)) * moved**2)
    deviations = np.sqrt(np.maximum(np.diagonal(covariance), np.finfo(float).tiny))
    return np.clip(covariance / np.outer(deviations, deviations), 0.0, 1.0)
