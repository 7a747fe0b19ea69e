"""Successive halving of candidates within a given time. What a candidate is and how it is tried, the caller knows."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cvclassic.runs.search import Value

Candidate = dict[str, Value]
DEFAULTS: Candidate = {}
KEPT = 3  # of so many candidates one goes on to the next level
ENOUGH = 9  # so many candidates have to fit into the time of the level at which a search begins
MOST = 81  # candidates of a level
BEGINNING = 0.1  # what a network takes before its first step, as a share of a whole training
MARGIN = 1.5  # standard errors by which the defaults must be beaten


@dataclass(frozen=True)
class Level:
    """How much a trial gets: shares of the training images and of a network's steps, and held-out parts to answer.

    `decides` tells whether it is enough to choose by; else it only tells who goes on.
    """

    images: float
    steps: float
    parts: int
    decides: bool

    @property
    def cost(self) -> float:
        """Relative to other levels: an SVM takes time by the square of its images, a network also to begin."""
        return self.images**2 * (self.steps + BEGINNING) * self.parts


@dataclass(frozen=True, eq=False)
class Scored:
    """A candidate at a level: on which held-out images it was right, or None where it failed or was cut off."""

    candidate: Candidate
    level: Level
    right: np.ndarray | None
    seconds: float

    @property
    def accuracy(self) -> float:
        """The share of images; below all others where it failed."""
        return -1.0 if self.right is None else float(np.mean(self.right))


Attempt = Callable[[Candidate, Level, float], np.ndarray | None]
"""What tries a candidate at a level, given the seconds that are left; it returns `Scored.right`."""


@dataclass
class Halving:
    """A search by successive halving (Jamieson and Talwalkar, AISTATS 2016) that has a time for all of it.

    The defaults are tried first, from the cheapest level up to the one whose share of the time would not hold `ENOUGH`
    trials. There the search begins; the best third goes on to the next level, and so on, the defaults always. No trial
    is begun that by what was seen would end too late. Where two would not fit into the next level, the rest of the time
    goes to further candidates at the first one.

    Parameters
    ----------
    attempt : callable
    levels : sequence of Level, the cheapest first
    seconds : float
        Of the whole search.
    clock : callable
        Gives the seconds since some moment.

    Attributes
    ----------
    rounds : list of list of Scored
        For each level that was reached, the defaults first.
    """

    attempt: Attempt
    levels: Sequence[Level]
    seconds: float
    clock: Callable[[], float]
    rounds: list[list[Scored]] = field(default_factory=list, init=False)

    def run(self, candidates: Iterable[Candidate]) -> None:
        """Search among `candidates`, which come in the order in which they are tried."""
        self._ends = self.clock() + self.seconds
        self.rounds = [[self._tried(DEFAULTS, self.levels[0])]]
        for k in range(1, len(self.levels)):
            if ENOUGH * self._expected(self.levels[k]) > self._share(k):
                break
            self.rounds.append([self._tried(DEFAULTS, self.levels[k])])
        begin = len(self.rounds) - 1
        self._first_round(begin, candidates)
        for k in range(begin + 1, len(self.levels)):
            if len(self.rounds[-1]) < 2 or not self._can_rise(k - 1):
                break
            self._next_round(k)

    @property
    def decided(self) -> bool:
        """Whether there was time for a level that is enough to choose by."""
        return self._decisive() is not None

    def chosen(self) -> tuple[Scored, Scored]:
        """The best of the last round that decides, and the defaults in it, which stay where it is not clearly better.

        Of equals the first one counts. Clearly is by more than `MARGIN` standard errors of the difference on the same
        images: of many candidates the best one is partly the luckiest. Measured in docs/tuning.md.
        """
        last = self._decisive() or self.rounds[-1][:1]
        defaults, best = last[0], max(last, key=lambda scored: scored.accuracy)
        if best is defaults or defaults.right is None:
            return best, defaults
        gain = best.right.astype(float) - defaults.right
        clear = gain.mean() > MARGIN * gain.std() / math.sqrt(len(gain))
        return (best if clear else defaults), defaults

    def _decisive(self) -> list[Scored] | None:
        decisive = [each for each in self.rounds if len(each) > 1 and each[0].level.decides]
        return decisive[-1] if decisive else None

    def _first_round(self, k: int, candidates: Iterable[Candidate]) -> None:
        tried, until = self.rounds[-1], self.clock() + self._share(k)
        for candidate in itertools.islice(candidates, MOST - 1):
            over = self.clock() + self._usual_seconds()
            if over > self._ends or (over > until and self._can_rise(k)):
                break
            tried.append(self._tried(candidate, self.levels[k]))

    def _next_round(self, k: int) -> None:
        """The defaults and the best of the round before, at level `k`."""
        defaults, *others = self.rounds[-1]
        others.sort(key=lambda scored: -scored.accuracy)  # stable: the first of equals first
        until = self.clock() + self._share(k)
        factor, tried = self.levels[k].cost / defaults.level.cost, []
        self.rounds.append(tried)
        for scored in [defaults, *others[: math.ceil(len(others) / KEPT)]]:
            over = self.clock() + scored.seconds * factor
            if tried and (over > self._ends or (over > until and len(tried) > 1 and self._can_rise(k))):
                continue
            tried.append(self._tried(scored.candidate, self.levels[k]))

    def _tried(self, candidate: Candidate, level: Level) -> Scored:
        began = self.clock()
        right = self.attempt(candidate, level, self._ends - began)
        return Scored(candidate, level, right, self.clock() - began)

    def _share(self, k: int) -> float:
        """The time of level `k`: as much as that of each level after it, as far as two trials fit into theirs."""
        left = self._left()
        within_reach = (n for n in range(1, len(self.levels) - k) if self._fits_twice(k + n, left / (n + 1)))
        return left / (1 + max(within_reach, default=0))

    def _can_rise(self, k: int) -> bool:
        """Whether two trials fit into the time that is left at the level after `k`."""
        return k + 1 < len(self.levels) and self._fits_twice(k + 1, self._left())

    def _fits_twice(self, k: int, seconds: float) -> bool:
        return 2 * self._expected(self.levels[k]) <= seconds

    def _expected(self, level: Level) -> float:
        """Seconds of a trial at `level`, by those of the last round."""
        return self._usual_seconds() * level.cost / self.rounds[-1][0].level.cost

    def _usual_seconds(self) -> float:
        return float(np.median([scored.seconds for scored in self.rounds[-1]]))

    def _left(self) -> float:
        return self._ends - self.clock()
