"""Intervals against their formulas."""

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvclassic.experiment.statistics import wilson_interval

Z = 1.959963984540054  # the 97.5 % point of the normal distribution


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_is_wilsons_formula(counts):
    correct, n = counts
    p = correct / n
    center = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    assert wilson_interval(correct, n) == pytest.approx((center - half, center + half), abs=1e-9)
