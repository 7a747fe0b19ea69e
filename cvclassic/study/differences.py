"""The difference of two methods on the same test images: an estimate, its interval at any confidence, p-values.

One form for all cases. The images' part is made of Tango's score intervals, of all images for accuracy and of each
class for balanced accuracy, at the number of images that counts: fewer where images belong together or were tested in
folds, more where each is judged by several trainings. Trainings that vary add a variance of their own. Why, and how
well that covers, is in docs/statistics.md.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, sqrt
from typing import Literal, get_args

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm
from scipy.stats import t as student_t

from cvclassic.errors import InputError
from cvclassic.study.intervals import shares, tango_lower, tango_variance
from cvclassic.study.statistics import confusion_matrix, macro_f1

Metric = Literal["accuracy", "balanced_accuracy", "macro_f1"]
METRICS: tuple[Metric, ...] = get_args(Metric)
FOLDS_EFFECT = 1.75  # variance of what folds say, as a multiple of that of independent images (measured)
NEAREST, FURTHEST = 1e-9, 1e6  # standard errors: no interval is asked to be narrower, or wider


@dataclass(frozen=True)
class Stratum:
    """Images that are counted together: all of them, or those of a class.

    Attributes
    ----------
    weight : float
        Of this difference in the sum.
    first_only, second_only, n : float
        Images that only the first and only the second method gets right, and all images, at the number that counts.
    """

    weight: float
    first_only: float
    second_only: float
    n: float

    @property
    def difference(self) -> float:
        return (self.first_only - self.second_only) / self.n


@dataclass(frozen=True)
class Difference:
    """How much better the first method is than the second, as a fraction, and how sure that is.

    Attributes
    ----------
    metric : str
        "accuracy", "balanced_accuracy" or "macro_f1".
    estimate : float
        Of the first less the second.
    n : int
        Test images.
    clusters : int or None
        Groups of images that belong together; None where each image stands for itself.
    folds : int or None
        In which the images were tested; None where one training tested them all.
    trainings : tuple of int
        Of the first and of the second method.
    effect : float
        Design effect: the variance of the images' part, as a multiple of that of single images and trainings.
    training_variance : float
        What trainings add to the variance of the images' part; 0 where there is one on each side.
    freedom : float
        Degrees of freedom of the quantiles; infinite for normal ones.
    strata : tuple of Stratum
        What the images' part of the interval is made of.
    """

    metric: Metric
    estimate: float
    n: int
    clusters: int | None
    folds: int | None
    trainings: tuple[int, int]
    effect: float
    training_variance: float
    freedom: float
    strata: tuple[Stratum, ...]

    @property
    def method(self) -> str:
        """How the interval is made, in words."""
        name = {
            "accuracy": "Tango's score interval",
            "balanced_accuracy": "Tango's score intervals of the classes, combined by MOVER",
            "macro_f1": "Tango's score interval, scaled to macro F1 by the delta method",
        }[self.metric]
        over = f"{self.n:,} images" if self.clusters is None else f"{self.clusters:,} groups of images"
        if max(self.trainings) > 1:
            over += f" and {self.trainings[0]} against {self.trainings[1]} trainings"
        folds = "" if self.folds is None else f", tested in {self.folds} folds"
        return f"{name}, over {over}{folds}"

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The interval of the difference at a confidence such as 0.95, as fractions in [-1, 1]."""
        t = self._quantile((1 + confidence) / 2)
        return self._low(t), -self.reversed()._low(t)

    @cached_property
    def p_value(self) -> float:
        """Two-sided, that there is no difference: below 0.05 just where the 95 % interval leaves out 0."""
        return min(2 * self._tail(self._errors_to(0.0)), 1.0)

    def equivalence_p_value(self, margin: float) -> float:
        """Of two one-sided tests that the difference is a margin or more either way (Schuirmann 1987).

        Below 0.05 just where the 90 % interval lies inside ± margin.
        """
        if abs(self.estimate) >= margin:
            return 1.0
        return self._tail(min(self._errors_to(-margin), self._errors_to(margin)))

    @cached_property
    def image_variance(self) -> float:
        """Of the images' part, as the 95 % interval has it: not 0 where no image was judged differently."""
        t = self._quantile(0.975)
        return ((self._below(t) + self.reversed()._below(t)) / (2 * t)) ** 2

    def reversed(self) -> "Difference":
        """Of the second less the first."""
        strata = tuple(replace(each, first_only=each.second_only, second_only=each.first_only) for each in self.strata)
        return replace(self, estimate=-self.estimate, trainings=self.trainings[::-1], strata=strata)

    def _quantile(self, p: float) -> float:
        return float(norm.ppf(p)) if self.freedom == inf else float(student_t.ppf(p, self.freedom))

    def _tail(self, errors: float) -> float:
        return float(norm.sf(errors)) if self.freedom == inf else float(student_t.sf(errors, self.freedom))

    @cached_property
    def _shares(self) -> list[float]:
        return shares([each.weight for each in self.strata], [each.n for each in self.strata])

    def _below(self, t: float) -> float:
        """How far the lower bound is below the estimate, for the images alone."""
        below = 0.0
        for each, share in zip(self.strata, self._shares, strict=True):
            low = tango_lower(each.first_only, each.second_only, each.n, t * share)
            below += (each.weight * (each.difference - low) / share) ** 2
        return sqrt(below)

    def _low(self, t: float) -> float:
        return max(self.estimate - sqrt(self._below(t) ** 2 + t**2 * self.training_variance), -1.0)

    def _errors_to(self, value: float) -> float:
        """How many standard errors make an interval that just reaches `value`."""
        if value > self.estimate:
            return self.reversed()._errors_to(-value)
        if self.metric == "accuracy" and not self.training_variance:  # the score equation itself
            (all_images,) = self.strata
            variance = tango_variance(all_images.first_only, all_images.second_only, all_images.n, value)
            away = self.estimate - value
            return away / sqrt(variance) if variance else FURTHEST if away else 0.0

        def short(t: float) -> float:
            return self._low(t) - value

        if short(NEAREST) <= 0:  # the estimate itself, but for rounding
            return 0.0
        furthest = 8.0
        while short(furthest) > 0:
            furthest *= 8
            if furthest > FURTHEST:
                return FURTHEST
        return float(brentq(short, NEAREST, furthest, xtol=1e-9))


def difference(
    first: np.ndarray,
    second: np.ndarray,
    y_true: np.ndarray,
    metric: Metric = "accuracy",
    *,
    groups: np.ndarray | None = None,
    folds: np.ndarray | None = None,
    n_classes: int | None = None,
) -> Difference:
    """How much better `first` predicts the same test images than `second` does.

    The interval of the images' part is Tango's score interval (Statistics in Medicine 17, 1998); for balanced accuracy
    those of the classes are combined by MOVER (Zou and Donner, Statistics in Medicine 27, 2008); for macro F1 it is
    that of accuracy, scaled by the ratio of the two standard errors (delta method). Its number of images is divided by
    a design effect: the variance of the images' influences, summed over groups and meaned over trainings, by that of
    single images and trainings, with one image more that is judged differently in each, so that there is a value where
    none was. Several trainings, which are crossed with the images and independent between the two methods, add the
    variance of their means by mean squares, so that the sum is never below the larger of the two parts; quantiles are
    Student's with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946), of groups one less than their
    number. A method with one training is taken to have no others. With folds the images' variance is taken
    `FOLDS_EFFECT` times, for the models of the folds are others than the next ones would be.

    Parameters
    ----------
    first, second : ndarray of int, shapes (k1, n) and (k2, n)
        Predicted classes: a row per training, the same images in the same order for both.
    y_true : ndarray of int, shape (n,)
        True classes.
    metric : str
        "accuracy", "balanced_accuracy" (mean accuracy of the classes that are there) or "macro_f1".
    groups : ndarray of int, shape (n,), optional
        Images with the same number belong together, and may be right or wrong together.
    folds : ndarray of int, shape (n,), optional
        The fold in which an image was tested, by models that never saw it.
    n_classes : int, optional
        Over how many classes macro F1 is meaned; by default those up to the largest number that occurs.

    Raises
    ------
    InputError
        For other shapes, fewer than two images, groups or folds, and another metric.
    """
    first, second, y_true = _checked(first, second, y_true, metric, {"groups": groups, "folds": folds})
    grouping = None if groups is None else np.unique(groups, return_inverse=True)[1]
    clusters = None if grouping is None else int(grouping.max()) + 1
    if metric == "macro_f1":
        made = _of_macro_f1(first, second, y_true, n_classes, clusters)
    else:
        labels = y_true if metric == "balanced_accuracy" else np.zeros_like(y_true)
        made = _of_classes((first == y_true, second == y_true), labels, grouping)
    n, k = len(y_true), (len(first), len(second))
    robust, effect = made.image_variance(grouping)
    if folds is not None:
        robust, effect = FOLDS_EFFECT * robust, FOLDS_EFFECT * effect
    degrees = inf if clusters is None else clusters - 1
    trainings, freedom = made.training_variance(grouping, robust, degrees)
    strata = tuple(
        Stratum(each.weight, each.first_only / effect, each.second_only / effect, each.n / effect)
        for each in made.strata
    )
    n_folds = None if folds is None else len(np.unique(folds))
    return Difference(metric, made.estimate, n, clusters, n_folds, k, effect, trainings, freedom, strata)


@dataclass(frozen=True)
class _Influences:
    """What each image of each training adds to a metric's deviation, and what follows for the variance.

    Attributes
    ----------
    estimate : float
    strata : tuple of Stratum
        As of single images and trainings.
    first, second : ndarray of float, shapes (k1, n) and (k2, n)
        Influences; those of a training sum to 0.
    values : pair of ndarray
        The metric of each training.
    centered : ndarray of shape (n,)
        What images add to the difference of the means.
    one : ndarray of shape (n,)
        The variance that one image adds if it is judged differently, by the chance that it is this one.
    """

    estimate: float
    strata: tuple[Stratum, ...]
    first: np.ndarray
    second: np.ndarray
    values: tuple[np.ndarray, np.ndarray]
    centered: np.ndarray
    one: np.ndarray

    def image_variance(self, grouping: np.ndarray | None) -> tuple[float, float]:
        """Variance of the images' part, and the design effect: that by what single images and trainings would have."""
        robust = float(np.sum(self.centered**2))
        if grouping is None and len(self.first) == len(self.second) == 1:
            return robust, 1.0
        of_group = float(self.one.sum())
        if grouping is not None:
            robust = max(robust, float(np.sum(np.bincount(grouping, self.centered) ** 2)))
            of_group = float(self.one @ np.bincount(grouping)[grouping])
        return robust, (robust + of_group) / self.single_variance

    @cached_property
    def single_variance(self) -> float:
        """Of one training on each side and images that stand for themselves, with one discordant image more."""
        squares = (np.mean(each**2, axis=0).sum() for each in (self.first, self.second))
        products = self.first.mean(axis=0) @ self.second.mean(axis=0)
        return float(sum(squares) - 2 * products + self.one.sum())

    def training_variance(
        self, grouping: np.ndarray | None, image_variance: float, degrees: float
    ) -> tuple[float, float]:
        """What trainings add to the images' variance, and Satterthwaite's degrees of freedom of the sum."""
        parts, interaction = [(image_variance, degrees)], 0.0
        for influences, values in zip((self.first, self.second), self.values, strict=True):
            k = len(values)
            if k > 1:
                parts.append((float(values.var(ddof=1)) / k, k - 1))
                own = influences - influences.mean(axis=0)
                if grouping is not None:
                    own = np.stack([np.bincount(grouping, row) for row in own])
                interaction += float(np.sum(own**2)) / (k * (k - 1))
        trainings = sum(part for part, _ in parts[1:])
        squares = sum(part**2 / of for part, of in parts)
        freedom = (image_variance + trainings) ** 2 / squares if squares else degrees
        return max(trainings - min(interaction, image_variance), 0.0), freedom


def _of_classes(right: tuple[np.ndarray, np.ndarray], labels: np.ndarray, grouping: np.ndarray | None) -> _Influences:
    """Of the mean accuracy of the classes in `labels`."""
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    n_strata, weight = len(sizes), 1 / len(sizes)
    means = [each.mean(axis=0) for each in right]
    only = [np.bincount(classes, m * (1 - other), n_strata) for m, other in (means, means[::-1])]
    differences = (only[0] - only[1]) / sizes
    # A class tells its own difference, which takes a degree of freedom from each.
    counted = (np.maximum(sizes - 1, 0.5) if n_strata > 1 else sizes) / sizes
    strata = tuple(
        Stratum(weight, *map(float, each)) for each in zip(*(counted * of for of in (*only, sizes)), strict=True)
    )
    moved = (weight / sizes)[classes]
    influences, values = [], []
    for each in right:
        accuracies = np.stack([np.bincount(classes, row, n_strata) for row in each]) / sizes
        influences.append(moved * (each - accuracies[:, classes]))
        values.append(accuracies.mean(axis=1))
    centered = means[0] - means[1] - differences[classes]
    if grouping is not None:  # a class tells its own difference; one of a single group doesn't even tell that
        pairs = np.unique(grouping * n_strata + classes) % n_strata
        count = np.bincount(pairs, minlength=n_strata)
        centered = np.where((count == 1)[classes], means[0] - means[1], centered)
        centered *= np.sqrt(count / np.maximum(count - 1, 1))[classes]
    estimate = float(differences.mean())
    one = moved**2 / sizes[classes] / n_strata
    return _Influences(estimate, strata, *influences, tuple(values), moved * centered, one)


def _of_macro_f1(
    first: np.ndarray, second: np.ndarray, y_true: np.ndarray, n_classes: int | None, clusters: int | None
) -> _Influences:
    largest = max(int(each.max()) for each in (first, second, y_true)) + 1
    n_classes = max(n_classes or largest, largest)
    influences, values, swings = [], [], np.zeros(len(y_true))
    for each in (first, second):
        rows, scores = [], []
        for predicted in each:
            counts = confusion_matrix(y_true, predicted, n_classes)
            sizes = np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1)
            f1 = 2 * np.diagonal(counts) / sizes
            lost, hit = f1 / sizes / n_classes, 2 / sizes / n_classes
            rows.append(hit[y_true] * (predicted == y_true) - lost[y_true] - lost[predicted])
            scores.append(float(macro_f1(counts)))
            swings += (hit - lost)[y_true] + lost.mean()
        influences.append(np.stack(rows))
        values.append(np.array(scores))
    swings /= len(first) + len(second)
    _, classes, class_sizes = np.unique(y_true, return_inverse=True, return_counts=True)
    one = swings**2 / class_sizes[classes] / len(class_sizes)
    estimate = float(values[0].mean() - values[1].mean())
    centered = influences[0].mean(axis=0) - influences[1].mean(axis=0)
    if clusters is not None:
        centered *= sqrt(clusters / (clusters - 1))
    made = _Influences(estimate, (), *influences, tuple(values), centered, one)
    accuracy = _of_classes((first == y_true, second == y_true), np.zeros_like(y_true), None)
    scale = sqrt(made.single_variance / accuracy.single_variance)
    return replace(made, strata=tuple(replace(each, weight=scale) for each in accuracy.strata))


def _checked(
    first: np.ndarray, second: np.ndarray, y_true: np.ndarray, metric: str, parts: dict[str, np.ndarray | None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second, y_true = (np.asarray(each) for each in (first, second, y_true))
    if metric not in METRICS:
        raise InputError(f"{metric!r} is no metric that differences are told in; choose one of {', '.join(METRICS)}.")
    n = y_true.size
    same = all(each.ndim == 2 and len(each) and each.shape[1] == n for each in (first, second))
    if y_true.ndim != 1 or n < 2 or not same:
        raise InputError(
            "Methods are compared on the same images, two or more: predictions of shapes (k1, n) and (k2, n), true "
            f"labels of shape (n,); {first.shape}, {second.shape} and {y_true.shape} came."
        )
    for name, part in parts.items():
        if part is not None and np.shape(part) != (n,):
            raise InputError(f"{name} has shape {np.shape(part)} for {n} test images; give one number for each image.")
        if part is not None and len(np.unique(part)) < 2:
            raise InputError(f"All {n} test images are in one of the {name}: there is nothing to tell their spread by.")
    return first, second, y_true
