"""What a difference says against a margin: better by more than it, equivalent, better, or undecided.

The questions that were declared before the test images were looked at are decided together, at Holm's levels, so that
a report says a false "better", or a false "equivalent", in at most one of twenty runs, however many of them there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor, log10
from typing import Literal

import numpy as np
from scipy.stats import norm

from cvclassic.errors import InputError
from cvclassic.study.differences import Difference

LEVEL = 0.05
MARGIN = 0.01
POWER = 0.8  # the chance that numbers of images and seeds are given for
MOST_IMAGES, MOST_SEEDS = 10_000_000, 1_000  # more are no advice
Side = Literal["first", "second"]


class Kind(StrEnum):
    """In the order in which they are asked; the first that holds is the verdict."""

    BETTER_BY_MARGIN = "better_by_margin"
    EQUIVALENT = "equivalent"
    BETTER = "better"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Settling:
    """How many images, or seeds, in all would about settle what is undecided, and how.

    Both are given where either alone would not do; what is None may stay as it is. Had the difference the value that
    was estimated, the verdict would come with a chance of 80 %. Rounded up to two digits.

    Attributes
    ----------
    kind : Kind
        BETTER or EQUIVALENT, whichever takes less.
    images : int or None
    seeds : int or None
        Of each method that has several.
    """

    kind: Kind
    images: int | None
    seeds: int | None


@dataclass(frozen=True)
class Verdict:
    """What may be said of two methods.

    Attributes
    ----------
    kind : Kind
    ahead : "first", "second" or None
        Who is shown to be ahead, by whatever it is; with EQUIVALENT it is ahead by less than the margin.
    difference : Difference
    margin : float
        As a fraction.
    confidence : float
        Of `interval`: 0.95, or Holm's level.
    equivalence_confidence : float
        Of `equivalence_interval`: 0.9, or Holm's level.
    settling : Settling or None
        Where undecided; None too where no number that can be had would do.
    """

    kind: Kind
    ahead: Side | None
    difference: Difference
    margin: float
    confidence: float
    equivalence_confidence: float
    settling: Settling | None

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference, as fractions: what is better lies outside of 0, and by the margin outside of that."""
        return self.difference.interval(self.confidence)

    @property
    def equivalence_interval(self) -> tuple[float, float]:
        """Of the difference, as fractions: what is equivalent lies inside ± margin."""
        return self.difference.interval(self.equivalence_confidence)


def verdicts(differences: Sequence[Difference], margin: float = MARGIN) -> tuple[Verdict, ...]:
    """The verdicts of the questions that were declared together, in their order.

    Parameters
    ----------
    differences : sequence of Difference
        Those that were declared, one or a few. With two, the one with the smaller p-value is told at 97.5 %, and the
        other at 95 % if the first is decided (Holm, Scandinavian Journal of Statistics 6, 1979); and likewise for the
        two one-sided tests of equivalence (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
    margin : float
        The difference that is of no matter, as a fraction: 0.01 is one point.

    Raises
    ------
    InputError
        For a margin that is no fraction.
    """
    if not 0 <= margin < 1:
        raise InputError(
            f"A margin of {margin!r} is no fraction; give one from 0 to below 1, such as 0.01 for a point."
        )
    levels = holm_levels([each.p_value for each in differences])
    equivalence = holm_levels([each.equivalence_p_value(margin) for each in differences])
    return tuple(_verdict(*each, margin) for each in zip(differences, levels, equivalence, strict=True))


def holm_levels(p_values: Sequence[float], level: float = LEVEL) -> list[float]:
    """The level at which each of several tests is made by Holm's step-down method, in the order in which they came.

    The smallest of m p-values is tested at level / m, the next at level / (m - 1), as long as all before are rejected;
    those after the first that is not stay at its level.
    """
    levels, open_still, current = [level] * len(p_values), True, level
    for place, index in enumerate(np.argsort(p_values, kind="stable")):
        if open_still:
            current = level / (len(p_values) - place)
            open_still = p_values[index] < current
        levels[index] = current
    return levels


def _verdict(difference: Difference, level: float, equivalence_level: float, margin: float) -> Verdict:
    confidence, equivalence_confidence = 1 - level, 1 - 2 * equivalence_level
    low, high = difference.interval(confidence)
    ahead: Side | None = "first" if low > 0 else "second" if high < 0 else None
    inside_low, inside_high = difference.interval(equivalence_confidence)
    settling = None
    if max(low, -high) > margin:
        kind = Kind.BETTER_BY_MARGIN
    elif -margin < inside_low and inside_high < margin:
        kind = Kind.EQUIVALENT
    elif ahead:
        kind = Kind.BETTER
    else:
        kind, settling = Kind.UNDECIDED, _settling(difference, level, equivalence_level, margin)
    return Verdict(kind, ahead, difference, margin, confidence, equivalence_confidence, settling)


def _settling(difference: Difference, level: float, equivalence_level: float, margin: float) -> Settling | None:
    """From the variance that the verdict needs, and the images' and the trainings' share of today's."""
    away = abs(difference.estimate)
    better = away / (norm.isf(level / 2) + norm.ppf(POWER))
    equivalent = max(margin - away, 0.0) / (norm.isf(equivalence_level) + norm.ppf((1 + POWER) / 2))
    kind, needed = max((Kind.BETTER, better), (Kind.EQUIVALENT, equivalent), key=lambda pair: pair[1])
    needed = float(needed) ** 2
    images, trainings = difference.image_variance, difference.training_variance
    if not needed:
        return None
    if images <= needed / 2:  # the trainings are what limits
        found = Settling(kind, None, _rounded(max(difference.trainings) * trainings / (needed - images)))
    elif trainings <= needed / 2:
        found = Settling(kind, _rounded(difference.n * images / (needed - trainings)), None)
    else:
        seeds = _rounded(max(difference.trainings) * trainings / (needed / 2))
        found = Settling(kind, _rounded(difference.n * images / (needed / 2)), seeds)
    return None if (found.images or 0) > MOST_IMAGES or (found.seeds or 0) > MOST_SEEDS else found


def _rounded(number: float) -> int:
    """Up, to two digits."""
    unit = 10 ** max(floor(log10(max(number, 1))) - 1, 0)
    return ceil(number / unit) * unit
