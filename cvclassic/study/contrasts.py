"""How sure differences are: of contenders on the test images, and what validation can tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cvclassic.runs.job import Predictions
from cvclassic.study.differences import Difference, difference
from cvclassic.study.statistics import holm

if TYPE_CHECKING:  # the study itself makes its contrasts
    from cvclassic.study.study import Configuration, DatasetStudy

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Contrast:
    """How one contender stands against another on the test images, where nobody asked for it before: exploratory.

    Attributes
    ----------
    first, second : str
        Names of configurations.
    difference : Difference
        Of the data set's metric, the first less the second.
    p_value : float
        Two-sided, corrected for all such pairs by Holm's method.
    """

    first: str
    second: str
    difference: Difference
    p_value: float

    @property
    def significant(self) -> bool:
        return self.p_value < SIGNIFICANT

    @property
    def verdict(self) -> str:
        """ "better", "worse", or "undecided": what is not significant is no tie, it may be a small test set."""
        if not self.significant:
            return "undecided"
        return "better" if self.difference.estimate > 0 else "worse"

    @property
    def p_text(self) -> str:
        return p_text(self.p_value)

    def reversed(self) -> "Contrast":
        """The second against the first."""
        return Contrast(self.second, self.first, self.difference.reversed(), self.p_value)


def contrasts_of(dataset: "DatasetStudy", contenders: Sequence["Configuration"]) -> dict[tuple[str, str], Contrast]:
    """The contrast of each pair by both names, both ways round; pairs that can't be tested are missing.

    The p-values are corrected for all pairs.
    """
    pairs = [(*pair, made) for pair in combinations(contenders, 2) if (made := difference_of(dataset, *pair))]
    found = {}
    for (first, second, made), p_value in zip(pairs, holm([made.p_value for *_, made in pairs]), strict=True):
        contrast = Contrast(first.name, second.name, made, float(p_value))
        found[first.name, second.name] = contrast
        found[second.name, first.name] = contrast.reversed()
    return found


def difference_of(dataset: "DatasetStudy", first: "Configuration", second: "Configuration") -> Difference | None:
    """How much better the first is on the same test images; None where predictions to compare are missing.

    Of several seeds that make a difference all count, else the first. Images of one group count as one.
    """
    said = [_said(each) for each in (first, second)]
    if not all(said) or any(not np.array_equal(each.y_true, said[0][0].y_true) for of in said for each in of):
        return None
    predicted = [np.stack([each.y_pred for each in of]) for of in said]
    y_true, groups = said[0][0].y_true, dataset.groups
    if len(y_true) < 2 or (groups is not None and len(np.unique(groups)) < 2):
        return None
    n_classes = len(dataset.record.class_names)
    return difference(*predicted, y_true, dataset.metric, groups=groups, folds=folds_of(first), n_classes=n_classes)


@dataclass(frozen=True)
class Gap:
    """By how much a mean validation figure is below the best one, and up to which gap the two are close.

    `tolerance` is twice the standard deviation over seeds (of the two, pooled), or one validation image where that is
    more; `reason` says which. All are fractions.
    """

    behind: float
    tolerance: float
    reason: str

    @property
    def close(self) -> bool:
        return self.behind <= self.tolerance + 1e-12


def gap_on_validation(dataset: "DatasetStudy", configuration: "Configuration", best: "Configuration") -> Gap | None:
    """How far a configuration is behind another on the validation images; None where there are none."""
    accuracies = [each.mean(each.validation_figure) for each in (configuration, best)]
    if None in accuracies:
        return None
    spreads = [each.spread(each.validation_figure) or 0.0 for each in (configuration, best)]
    twice = 2 * float(np.sqrt(np.mean(np.square(spreads))))
    smaller = (sizes for sizes in dataset.record.smaller_sizes if sizes.train == best.n_train)
    image = 1 / next(smaller, dataset.record.sizes).validation
    tolerance, what = max((twice, "twice the spread over seeds"), (image, "one validation image"))
    return Gap(accuracies[1] - accuracies[0], tolerance, f"{what} ({100 * tolerance:.2f} points)")


def p_text(p_value: float) -> str:
    """0.0312 as "p = 0.031", the smallest as "p < 0.001"."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def _said(configuration: "Configuration") -> list[Predictions]:
    """The predictions of its seeds that have some; of one seed where they make no difference."""
    said = [outcome.predictions for outcome in configuration.succeeded if outcome.predictions is not None]
    return said if configuration.varies else said[:1]


def folds_of(configuration: "Configuration") -> np.ndarray | None:
    """The fold in which each test image was tested, (n,) int64; None without folds, or where they are not told."""
    places = [outcome.predictions and outcome.predictions.places for outcome in configuration.folds]
    if not places or any(each is None for each in places):
        return None
    folds = np.full(sum(map(len, places)), -1, np.int64)
    if max(each.max() for each in places) >= len(folds):
        return None
    for fold, each in enumerate(places):
        folds[each] = fold
    return folds if folds.min() >= 0 else None
