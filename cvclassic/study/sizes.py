"""Accuracy over the number of training images: the curves, and in words what leads at each end and where they cross."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cvclassic.study.study import Configuration, DatasetStudy
from cvclassic.study.tables import percent

NO_VALIDATION = "there are no validation images"


class Point(NamedTuple):
    """A test accuracy, over several seeds their mean, and its 95 % interval, as fractions."""

    accuracy: float
    low: float
    high: float


class Curve(NamedTuple):
    """A pipeline's points by number of training images, ascending."""

    name: str
    family: str
    points: dict[int, Point]


class Crossing(NamedTuple):
    """Between these numbers of training images the lead changes; `passing` is the place (0 or 1) of what takes it."""

    before: int
    after: int
    passing: int


def curves(dataset: DatasetStudy) -> list[Curve]:
    """A curve for each pipeline, with its settings that are best by the rule with the most images; of a single pipeline
    one for each of its settings. The best with the most images come first."""
    several = len({each.pipeline for each in dataset.configurations}) > 1
    chosen: dict[object, Configuration] = {}
    for n_train in reversed(dataset.sizes):
        for each in dataset.at(n_train):
            chosen.setdefault(each.pipeline if several else each.varied, each)
    return [
        Curve(each.name, each.family, {n: point for n in dataset.sizes if (point := _point(dataset, each, n))})
        for each in chosen.values()
    ]


def crossings(first: Curve, second: Curve) -> list[Crossing]:
    """Where the one curve passes the other, ascending.

    Sizes at which both are equal count for neither: a crossing goes from the last size at which the one led to the
    first at which the other does.
    """
    found, leader, last = [], None, None
    for size in _shared(first, second):
        a, b = (curve.points[size].accuracy for curve in (first, second))
        if abs(a - b) < 1e-12:  # means over seeds may differ by a rounding
            continue
        ahead = int(b > a)
        if leader not in (None, ahead):
            found.append(Crossing(last, size, ahead))
        leader, last = ahead, size
    return found


def crossing_sentence(dataset: DatasetStudy) -> str:
    """How the two that the first question is about compare over the sizes.

    It is "" where there is no question, or they have fewer than two sizes in common.
    """
    pair = _pair(dataset)
    return f"{_crossing_clause(*pair)}." if pair and len(_shared(*pair)) > 1 else ""


def seen_over_sizes(datasets: Sequence[DatasetStudy]) -> list[str]:
    """Two sentences: what is best on validation with the fewest and with the most training images and what it reaches
    on the test images, and how the two that the first question is about compare at all sizes."""

    def sentence(clause: Callable[[DatasetStudy], str]) -> str:
        several = len(datasets) > 1
        return "; ".join(f"on {each.name} {clause(each)}" if several else clause(each) for each in datasets) + "."

    return [f"Best on validation: {sentence(_ends_clause)}", f"Over the sizes: {sentence(_pair_clause)}"]


def _point(dataset: DatasetStudy, like: Configuration, n_train: int) -> Point | None:
    for each in dataset.at(n_train):
        if (each.pipeline, each.varied) == (like.pipeline, like.varied):
            return Point(each.mean(each.test_figure), *each.interval)
    return None


def _pair(dataset: DatasetStudy) -> tuple[Curve, Curve] | None:
    """The curves of the two that the first question is about."""
    if not dataset.questions:
        return None
    by_name = {curve.name: curve for curve in curves(dataset)}
    first, second = dataset.questions[0].named
    return by_name[first.name], by_name[second.name]


def _shared(first: Curve, second: Curve) -> list[int]:
    return sorted(first.points.keys() & second.points.keys())


def _ends_clause(dataset: DatasetStudy) -> str:
    ends = dict.fromkeys((dataset.sizes[0], dataset.sizes[-1]))
    return ", ".join(f"with {size:,} training images {_leader_at(size, dataset)}" for size in ends)


def _leader_at(size: int, dataset: DatasetStudy) -> str:
    best = dataset.at(size)[0]
    if best.mean(best.validation_figure) is None:
        return f"none, for {NO_VALIDATION}"
    others = [c for c in curves(dataset) if size in c.points and c.name != best.name]
    point = Point(best.mean(best.test_figure), *best.interval)
    level = [curve.name for curve in others if _overlap(point, curve.points[size])]
    listed = " and ".join(filter(None, [", ".join(level[:-1]), *level[-1:]]))
    names = "all others" if len(level) == len(others) > 1 else listed
    overlap = f", interval overlaps {names}" if level else ""
    return f"{best.name} ({percent(point.accuracy)} of the test images{overlap})"


def _pair_clause(dataset: DatasetStudy) -> str:
    pair = _pair(dataset)
    if pair is None:
        return f"there is no second pipeline to compare with {dataset.sizes[-1]:,} training images"
    return _crossing_clause(*pair)


def _crossing_clause(one: Curve, other: Curve) -> str:
    pair, found = (one, other), crossings(one, other)
    if not found:
        return _no_crossing(one, other)
    clauses = []
    for before, after, passing in found:
        first, second = pair[passing], pair[1 - passing]
        clauses.append(
            f"{first.name} passes {second.name} between {before:,} and {after:,} training images "
            f"({_against(first, second, before)}, then {_against(first, second, after)})"
        )
    return ", and ".join(clauses)


def _no_crossing(one: Curve, other: Curve) -> str:
    sizes = _shared(one, other)
    leads = [one.points[size].accuracy - other.points[size].accuracy for size in sizes]
    first, second = (other, one) if sum(leads) < 0 else (one, other)
    span = " to ".join(f"{size:,}" for size in dict.fromkeys((sizes[0], sizes[-1])))
    figures = f"at the end {_against(first, second, sizes[-1])}"
    level = [abs(lead) < 1e-12 for lead in leads]
    if all(level):
        return f"{first.name} and {second.name} are level with {span} training images ({figures})"
    how = "is never behind" if any(level) else "stays ahead of"
    return f"{first.name} {how} {second.name} with {span} training images ({figures})"


def _against(first: Curve, second: Curve, size: int) -> str:
    a, b = first.points[size], second.points[size]
    overlap = ", intervals overlap" if _overlap(a, b) else ""
    return f"{percent(a.accuracy)} against {percent(b.accuracy)}{overlap}"


def _overlap(a: Point, b: Point) -> bool:
    return a.low <= b.high and b.low <= a.high
