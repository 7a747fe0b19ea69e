"""How sure differences are: tests between contenders on the test images, and what validation can tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cvclassic.runs.job import Predictions
from cvclassic.study.differences import difference
from cvclassic.study.statistics import holm, mcnemar

if TYPE_CHECKING:  # the study itself makes its contrasts
    from cvclassic.study.study import Configuration, DatasetStudy

SIGNIFICANT = 0.05
MCNEMAR = "McNemar's exact test"
T_TEST = "t-test over images and trainings"


@dataclass(frozen=True)
class Contrast:
    """How one contender stands against another on the test images.

    Attributes
    ----------
    first, second : str
        Names of configurations.
    difference : float
        Test accuracy of the first less that of the second, as a fraction, from the same figures as the test.
    p_value : float
        Of the two-sided test, corrected for all pairs by Holm's method.
    method : str
        The test, in words.
    """

    first: str
    second: str
    difference: float
    p_value: float
    method: str

    @property
    def significant(self) -> bool:
        return self.p_value < SIGNIFICANT

    @property
    def verdict(self) -> str:
        """ "better", "worse", or "undecided": what is not significant is no tie, it may be a small test set."""
        if not self.significant:
            return "undecided"
        return "better" if self.difference > 0 else "worse"

    @property
    def p_text(self) -> str:
        return p_text(self.p_value)

    def reversed(self) -> "Contrast":
        """The second against the first."""
        return replace(self, first=self.second, second=self.first, difference=-self.difference)

    def told(self, n_pairs: int) -> str:
        """The test, the number of pairs that it is corrected for, and its p-value."""
        return f"{corrected([self.method], n_pairs)}, {self.p_text}"


def contrasts_of(contenders: Sequence["Configuration"]) -> dict[tuple[str, str], Contrast]:
    """The contrast of each pair by both names, both ways round; pairs that can't be tested are missing.

    See `contrast_of` for the test. The p-values are corrected for all pairs.
    """
    tested = [found for pair in combinations(contenders, 2) if (found := contrast_of(*pair)) is not None]
    adjusted = holm([contrast.p_value for contrast in tested])
    found = {}
    for contrast, p_value in zip(tested, adjusted, strict=True):
        contrast = replace(contrast, p_value=float(p_value))
        found[contrast.first, contrast.second] = contrast
        found[contrast.second, contrast.first] = contrast.reversed()
    return found


def contrast_of(first: "Configuration", second: "Configuration") -> Contrast | None:
    """The contrast with the p-value of its test alone; None where predictions to compare are missing.

    Where one of them has several seeds that make a difference, a t-test over images and trainings says whether the
    difference outlasts the chances of both. Else McNemar's exact test compares the predictions of their first seeds.
    """
    said = [_said(each) for each in (first, second)]
    if not all(said) or any(not np.array_equal(each.y_true, said[0][0].y_true) for of in said for each in of):
        return None
    y_true, predicted = said[0][0].y_true, [np.stack([each.y_pred for each in of]) for of in said]
    if len(predicted[0]) == len(predicted[1]) == 1:
        right = [each[0] == y_true for each in predicted]
        counts = int(np.sum(right[0] & ~right[1])), int(np.sum(right[1] & ~right[0]))
        return Contrast(first.name, second.name, (counts[0] - counts[1]) / len(y_true), mcnemar(*counts), MCNEMAR)
    found = difference(*predicted, y_true)
    return Contrast(first.name, second.name, found.estimate, found.p_value, T_TEST)


@dataclass(frozen=True)
class Gap:
    """By how much a mean validation accuracy is below the best one, and up to which gap the two are close.

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
    accuracies = [each.mean("validation_accuracy") for each in (configuration, best)]
    if None in accuracies:
        return None
    spreads = [each.spread("validation_accuracy") or 0.0 for each in (configuration, best)]
    twice = 2 * float(np.sqrt(np.mean(np.square(spreads))))
    smaller = (sizes for sizes in dataset.record.smaller_sizes if sizes.train == best.n_train)
    image = 1 / next(smaller, dataset.record.sizes).validation
    tolerance, what = max((twice, "twice the spread over seeds"), (image, "one validation image"))
    return Gap(accuracies[1] - accuracies[0], tolerance, f"{what} ({100 * tolerance:.2f} points)")


def corrected(methods: Sequence[str], n_pairs: int) -> str:
    """Names of tests, and for how many pairs they are corrected."""
    names = " or ".join(dict.fromkeys(methods))
    return names if n_pairs == 1 else f"{names}, Holm-corrected for {n_pairs} pairs"


def p_text(p_value: float) -> str:
    """0.0312 as "p = 0.031", the smallest as "p < 0.001"."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def _said(configuration: "Configuration") -> list[Predictions]:
    """The predictions of its seeds that have some; of one seed where they make no difference."""
    said = [outcome.predictions for outcome in configuration.succeeded if outcome.predictions is not None]
    return said if configuration.varies else said[:1]
