"""Spaces are read as they are declared, drawn from evenly, and refused with what to write instead."""

import itertools

import numpy as np
import pytest
from scipy.stats import kstest

from cvclassic.errors import InputError
from cvclassic.runs.search import Range, points, read_space


def first(space, n, seed=0):
    return list(itertools.islice(points(read_space(space), np.random.default_rng(seed)), n))


def test_a_finite_space_is_gone_through_once_in_an_order_of_the_seed():
    space = {"orientations": [6, 9, 9, np.int64(12)], "signed": [False, True], "norm": ["L2", None]}
    found = first(space, 100)
    assert len(found) == 12
    assert {tuple(point.values()) for point in found} == set(itertools.product((6, 9, 12), (False, True), ("L2", None)))
    assert found != first(space, 100, seed=1)
    assert found == first(space, 100)


def test_ranges_are_drawn_evenly_and_logarithmic_ones_in_the_logarithm():
    drawn = first({"C": (0.1, 1000, "log"), "dropout": (0.0, 0.5), "signed": [False, True]}, 2000)
    exponents = [np.log10(point["C"]) for point in drawn]
    assert kstest(exponents, "uniform", args=(-1, 4)).pvalue > 0.01
    assert kstest([point["dropout"] for point in drawn], "uniform", args=(0, 0.5)).pvalue > 0.01
    assert 0.4 < np.mean([point["signed"] for point in drawn]) < 0.6
    assert all(float(f"{point['C']:.3g}") == point["C"] for point in drawn)


def test_ranges_of_whole_numbers_have_each_of_them_equally_often():
    drawn = [point["width"] for point in first({"width": (2, 5)}, 4000)]
    counts = np.bincount(drawn, minlength=6)
    assert counts.sum() == counts[2:6].sum()
    assert counts[2:6].min() > 850
    assert {type(value) for value in drawn} == {int}
    assert {point["width"] for point in first({"width": (1, 3, "log")}, 100)} == {1, 2, 3}


def test_the_ends_are_never_passed():
    assert read_space({"C": (0.3, 0.30001)}) == {"C": Range(0.3, 0.30001)}
    assert all(0.30001 <= point["C"] <= 0.30002 for point in first({"C": (0.30001, 0.30002)}, 50))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ([("C", [1])], "returned list; it returns a dict of parameter to a list of values"),
        ({3: [1]}, "names 3; names are those of --set"),
        ({"a b": [1]}, "names 'a b'"),
        ({"C": []}, "has no value for C"),
        ({"C": [1, [2]]}, r"has the value \[2\] for C; values are numbers, texts, True, False and None"),
        ({"C": [float("nan")]}, "has the value nan for C"),
        ({"C": 3}, r"has 3 for C; write a list of values, such as \[4, 8\], or a range"),
        ({"C": (3, 1)}, r"has \(3, 1\) for C; .*the smaller end first"),
        ({"C": (1, 1)}, "the smaller end first"),
        ({"C": (0, 1, "log")}, 'a "log" range begins above 0'),
        ({"C": (1, 2, "linear")}, "write a list of values"),
        ({"C": (1, 2, 3, 4)}, "write a list of values"),
        ({"C": (1, float("inf"))}, "write a list of values"),
        ({"C": (False, True)}, "write a list of values"),
        ({"C": ("a", "b")}, "write a list of values"),
    ],
)
def test_what_is_no_space_is_refused(declared, message):
    with pytest.raises(InputError, match=message):
        read_space(declared)
