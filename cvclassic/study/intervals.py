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
from cvclassic.study.statistics import wilson_interval

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


def tango_lower(first_only: float, second_only: float, n: float, z: float) -> float:
    """The lower bound of Tango's score interval (Statistics in Medicine 17, 1998), in [-1, 1].

    The upper bound is that of the second less the first, with the other sign.

    Parameters
    ----------
    first_only, second_only : float
        Images that only the first, and only the second method gets right; not necessarily whole.
    n : float
        Images in all, those that both or none get right with them.
    z : float
        Quantile, as 1.96 for 95 %.
    """
    estimate = (first_only - second_only) / n
    if estimate <= TINY - 1:
        return -1.0

    def inside(difference: float) -> float:
        return estimate - difference - z * sqrt(tango_variance(first_only, second_only, n, difference))

    near = estimate - TINY
    return float(brentq(inside, -1.0, near, xtol=1e-13)) if inside(near) < 0 else estimate


def tango_interval(first_only: float, second_only: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of the difference of paired proportions, as fractions; see `tango_lower`.

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
    z = quantile(confidence)
    return tango_lower(first_only, second_only, n, z), -tango_lower(second_only, first_only, n, z)


def quantile(confidence: float) -> float:
    """The normal quantile of a two-sided interval: 1.96 for 0.95."""
    return float(norm.ppf((1 + confidence) / 2))


def shares(weights: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """How many of its own standard errors a proportion is off where a weighted sum of them is most likely off by one.

    It is the share of the sum's standard error, as a fraction, were all proportions alike; the squares add up to 1.
    """
    variances = [weight**2 / size for weight, size in zip(weights, sizes, strict=True)]
    return [sqrt(variance / sum(variances)) for variance in variances]


def balanced_accuracy_interval(
    correct: Sequence[float], n: Sequence[float], confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean of the classes' accuracies, as fractions, from Wilson's interval of each class.

    They are combined by MOVER (Zou and Donner, Statistics in Medicine 27, 2008), which reads a class's variance from
    its interval, on the side that matters. It is read at the class's share of the quantile, for there it most likely is
    where the mean is at its bound: the interval of many small classes is so about that of all images together.

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
    z, below, above = quantile(confidence), 0.0, 0.0
    for (right, size), share in zip(there, shares([1.0] * len(there), [size for _, size in there]), strict=True):
        low, high = _wilson(right, size, z * share)
        below += ((right / size - low) / share) ** 2
        above += ((high - right / size) / share) ** 2
    estimate = float(np.mean([right / size for right, size in there]))
    return max(estimate - sqrt(below) / len(there), 0.0), min(estimate + sqrt(above) / len(there), 1.0)


def macro_f1_interval(confusion: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the macro F1 score, as fractions; it always contains the score.

    Of the images that are of a class or predicted as it, those that are both are a proportion, with Wilson's interval;
    the class's F1 is a function of that proportion, 2 p / (1 + p). The bounds of the mean are made of the bounds of the
    classes where these most likely are if it is at its own: at a share of the quantile that is the correlation of the
    class's F1 with the mean, by the delta method (as in Takahashi et al., Applied Intelligence 52, 2022), with one
    error more, spread over all cells off the diagonal, so that there is one where no error was made.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
        Counts: rows are the true classes, columns the predicted ones. A class that is neither there nor predicted has
        F1 0 and no variance, as in `macro_f1`.
    """
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - np.diagonal(confusion)
    used = np.flatnonzero(either)
    if not len(used):
        return 0.0, 0.0
    both, either = np.diagonal(confusion)[used], either[used]
    of = quantile(confidence) * _f1_shares(confusion[np.ix_(used, used)])
    bounds = np.array([_wilson(*each) for each in zip(both, either, of, strict=True)])
    low, high = np.sum(2 * bounds / (1 + bounds), axis=0) / len(confusion)
    return float(low), float(high)


def _wilson(correct: float, n: float, z: float) -> tuple[float, float]:
    return wilson_interval(correct, n, 2 * float(norm.cdf(z)) - 1)


def _f1_shares(confusion: np.ndarray) -> np.ndarray:
    """The correlation of each class's F1 with their mean, 0 where it is negative; shape (n_classes,)."""
    n_classes = len(confusion)
    if n_classes == 1:
        return np.ones(1)
    counts = confusion + (1 - np.eye(n_classes)) / (n_classes * (n_classes - 1))
    both, sizes = np.diagonal(counts), counts.sum(axis=0) + counts.sum(axis=1)
    f1 = 2 * both / sizes
    # An image of class i, predicted as j, moves F1 of i and of j by -F1 / size, and where i = j by (2 - 2 F1) / size.
    off, lost, won = counts - np.diag(both), f1 / sizes, (2 - 2 * f1) / sizes
    of_class = off.sum(axis=0) + off.sum(axis=1)
    variances = both * won**2 + of_class * lost**2
    covariances = variances + lost * ((off + off.T) @ lost)  # with the sum
    return np.maximum(covariances, 0.0) / np.sqrt(np.maximum(variances * covariances.sum(), np.finfo(float).tiny))
