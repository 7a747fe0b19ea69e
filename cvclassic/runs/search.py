"""Spaces that tuning searches: what a pipeline file's `search(task)` returns, read and checked, and points of it."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cvclassic.errors import InputError

Value = str | int | float | bool | None
FORM = 'a list of values, such as [4, 8], or a range, such as (0.0, 0.5) or (0.1, 100, "log")'
MOST_POINTS = 10_000  # of finite spaces that are tried without repetition


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, whole ones where both are; drawn evenly, with `log` evenly in the logarithm."""

    low: int | float
    high: int | float
    log: bool = False

    def draw(self, random: np.random.Generator) -> int | float:
        """A number of it; with three significant digits, so that what is printed is what was tried."""
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        low, high = (self.low - 0.5, self.high + 0.5) if whole else (self.low, self.high)
        found = math.exp(random.uniform(math.log(low), math.log(high))) if self.log else random.uniform(low, high)
        return min(max(round(found) if whole else float(f"{found:.3g}"), self.low), self.high)


Space = dict[str, tuple[Value, ...] | Range]
"""For each parameter the values, or the range, that may be tried."""


def read_space(declared: object) -> Space:
    """The space that `search(task)` declares.

    Raises
    ------
    InputError
        For what is no mapping of names to lists of values and ranges; it says what was found and what to write.
    """
    if not isinstance(declared, Mapping):
        raise InputError(f"search(task) returned {type(declared).__name__}; it returns a dict of parameter to {FORM}.")
    return {_name(name): _axis(name, axis) for name, axis in declared.items()}


def points(space: Space, random: np.random.Generator) -> Iterator[dict[str, Value]]:
    """Points of the space in random order: each once where there are few, else drawn one by one, without end."""
    axes = [axis for axis in space.values() if not isinstance(axis, Range)]
    if len(axes) == len(space) and math.prod(map(len, axes)) <= MOST_POINTS:
        every = list(itertools.product(*axes))
        for k in random.permutation(len(every)):
            yield dict(zip(space, every[k], strict=True))
        return
    while True:
        yield {
            name: axis.draw(random) if isinstance(axis, Range) else axis[random.integers(len(axis))]
            for name, axis in space.items()
        }


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"search(task) names {name!r}; names are those of --set, such as C or learning_rate.")
    return name


def _axis(name: str, axis: object) -> tuple[Value, ...] | Range:
    if isinstance(axis, list):
        wrong = [value for value in axis if not (value is None or isinstance(value, str) or _is_plain(value))]
        if not axis or wrong:
            found = f"the value {wrong[0]!r}" if wrong else "no value"
            raise InputError(f"search(task) has {found} for {name}; values are numbers, texts, True, False and None.")
        return tuple(dict.fromkeys(_plain(value) for value in axis))
    if isinstance(axis, tuple) and len(axis) in (2, 3) and axis[2:] in ((), ("log",)):
        low, high = axis[:2]
        if all(_is_plain(end) and not isinstance(end, bool) for end in (low, high)) and low < high:
            if low > 0 or len(axis) == 2:
                return Range(_plain(low), _plain(high), log=len(axis) == 3)
            raise InputError(f'search(task) has {axis!r} for {name}; a "log" range begins above 0.')
    raise InputError(f"search(task) has {axis!r} for {name}; write {FORM}, the smaller end first.")


def _is_plain(value: object) -> bool:
    return isinstance(value, (bool, int, float, np.number, np.bool_)) and math.isfinite(value)


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value
