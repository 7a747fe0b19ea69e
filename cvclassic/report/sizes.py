"""Accuracy over the number of training images, in words: what leads at each end, and where the two approaches cross."""

from collections.abc import Sequence
from typing import NamedTuple


class Point(NamedTuple):
    """A test accuracy and its 95 % interval, as fractions."""

    accuracy: float
    low: float
    high: float


class Curve(NamedTuple):
    """A pipeline's points by number of training images."""

    name: str
    family: str
    points: dict[int, Point]


class Crossing(NamedTuple):
    """Between these numbers of training images, `passing` ("classical" or "neural") takes the lead."""

    before: int
    after: int
    passing: str


def crossings(sizes: Sequence[int], classical: Sequence[float], neural: Sequence[float]) -> list[Crossing]:
    """Where the one curve passes the other, ascending.

    Parameters
    ----------
    sizes : ascending numbers of training images
    classical, neural : the accuracy at each of them

    Sizes at which both are equal count for neither: a crossing goes from the last size at which the one led to the
    first at which the other does.
    """
    found, leader, last = [], None, None
    for size, a, b in zip(sizes, classical, neural, strict=True):
        if a == b:
            continue
        ahead = "classical" if a > b else "neural"
        if leader not in (None, ahead):
            found.append(Crossing(last, size, ahead))
        leader, last = ahead, size
    return found


def seen_over_sizes(curves: dict[str, list[Curve]]) -> list[str]:
    """Two sentences on the curves of each data set, from the test images.

    The first says what reached most with the fewest and with the most training images, the second how the classical and
    the neural pipeline that reach most with the most of them compare before that.
    """
    several = len(curves) > 1

    def sentence(clause) -> str:
        return "; ".join(f"on {name} {clause(own)}" if several else clause(own) for name, own in curves.items()) + "."

    return [f"Most accurate: {sentence(_ends_clause)}", f"Classical against neural: {sentence(_crossing_clause)}"]


def _ends_clause(curves: list[Curve]) -> str:
    sizes = sorted({size for curve in curves for size in curve.points})
    ends = dict.fromkeys((sizes[0], sizes[-1]))
    return ", ".join(f"with {size:,} training images {_leader_at(size, curves)}" for size in ends)


def _leader_at(size: int, curves: list[Curve]) -> str:
    there = [curve for curve in curves if size in curve.points]
    best = max(there, key=lambda curve: curve.points[size].accuracy)
    point = best.points[size]
    level = [c.name for c in there if c is not best and _overlap(point, c.points[size])]
    listed = " and ".join(filter(None, [", ".join(level[:-1]), *level[-1:]]))
    names = "all others" if len(level) == len(there) - 1 > 1 else listed
    return f"{best.name} ({100 * point.accuracy:.2f} %{f', interval overlaps {names}' if level else ''})"


def _crossing_clause(curves: list[Curve]) -> str:
    by_family = {family: [c for c in curves if c.family == family] for family in ("classical", "neural")}
    missing = [family for family, own in by_family.items() if not own]
    if missing:
        return f"there is no result of a {missing[0]} pipeline to compare"
    classical, neural = (_strongest(own) for own in by_family.values())
    sizes = sorted(classical.points.keys() & neural.points.keys())
    if not sizes:
        return f"{classical.name} and {neural.name} have no number of training images in common"
    found = crossings(sizes, *([c.points[size].accuracy for size in sizes] for c in (classical, neural)))
    if not found:
        return _no_crossing(sizes, classical, neural)
    curve = {"classical": classical, "neural": neural}
    clauses = []
    for before, after, passing in found:
        first, second = curve[passing], curve["neural" if passing == "classical" else "classical"]
        clauses.append(
            f"{first.name} passes {second.name} between {before:,} and {after:,} training images "
            f"({_against(first, second, before)}, then {_against(first, second, after)})"
        )
    return ", and ".join(clauses)


def _no_crossing(sizes: list[int], classical: Curve, neural: Curve) -> str:
    ahead = [size for size in sizes if classical.points[size].accuracy > neural.points[size].accuracy]
    behind = [size for size in sizes if classical.points[size].accuracy < neural.points[size].accuracy]
    first, second = (neural, classical) if behind else (classical, neural)
    span = " to ".join(f"{size:,}" for size in dict.fromkeys((sizes[0], sizes[-1])))
    figures = f"at the end {_against(first, second, sizes[-1])}"
    if not (ahead or behind):
        return f"{first.name} and {second.name} are level with {span} training images ({figures})"
    return f"{first.name} stays ahead of {second.name} with {span} training images ({figures})"


def _strongest(curves: list[Curve]) -> Curve:
    """The most accurate one with the most training images."""
    most = max(max(curve.points) for curve in curves)
    return max((c for c in curves if most in c.points), key=lambda curve: curve.points[most].accuracy)


def _against(first: Curve, second: Curve, size: int) -> str:
    a, b = first.points[size], second.points[size]
    overlap = ", intervals overlap" if _overlap(a, b) else ""
    return f"{100 * a.accuracy:.2f} % against {100 * b.accuracy:.2f} %{overlap}"


def _overlap(a: Point, b: Point) -> bool:
    return a.low <= b.high and b.low <= a.high
