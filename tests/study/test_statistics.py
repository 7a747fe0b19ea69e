"""Intervals and tests against their formulas, SciPy and statsmodels."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics
from statsmodels.stats.multitest import multipletests

from cvclassic.errors import InputError
from cvclassic.study.statistics import (
    confusion_matrix,
    holm,
    macro_f1,
    wilson_interval,
)

Z = 1.959963984540054  # the 97.5 % point of the normal distribution


def random_predictions(n=400, n_classes=5, wrong=0.3, seed=0):
    random = np.random.default_rng(seed)
    y_true = random.integers(0, n_classes, n)
    y_pred = np.where(random.random(n) < wrong, random.integers(0, n_classes, n), y_true)
    return y_true, y_pred


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.floats(0, n), st.just(n))))
def test_wilson_interval_is_wilsons_formula(counts):
    correct, n = counts
    p = correct / n
    center = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    assert wilson_interval(correct, n) == pytest.approx((center - half, center + half), abs=1e-9)


@pytest.mark.parametrize("n", [1, 7, 400])
def test_wilson_interval_at_the_ends_is_exact(n):
    assert wilson_interval(0, n)[0] == 0.0
    assert wilson_interval(n, n)[1] == 1.0


@pytest.mark.parametrize(("correct", "n"), [(0, 5), (3, 7), (359, 400), (10_000, 10_000)])
def test_wilson_interval_is_scipys(correct, n):
    for confidence in (0.9, 0.95):
        found = binomtest(correct, n).proportion_ci(confidence_level=confidence, method="wilson")
        assert wilson_interval(correct, n, confidence) == pytest.approx((found.low, found.high), abs=1e-12)


@settings(max_examples=20, deadline=None)  # statsmodels takes its time
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_holm_is_statsmodels(p_values):
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], rtol=1e-12)


def test_predictions_of_another_test_set_are_refused():
    y_true, y_pred = random_predictions()
    with pytest.raises(InputError, match=r"y_pred has shape \(399,\) for 400 true labels"):
        confusion_matrix(y_true, y_pred[1:], 5)


@pytest.mark.parametrize("n_classes", [2, 5, 100])
def test_confusion_matrix_and_macro_f1_are_sklearns(n_classes):
    y_true, y_pred = random_predictions(n_classes=n_classes)
    confusion = confusion_matrix(y_true, y_pred, n_classes)
    labels = range(n_classes)
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(y_true, y_pred, labels=labels))
    expected = metrics.f1_score(y_true, y_pred, labels=labels, average="macro", zero_division=0.0)
    assert macro_f1(confusion) == pytest.approx(expected)


def test_macro_f1_of_many_matrices_at_once():
    matrices = np.stack([confusion_matrix(*random_predictions(seed=k), 5) for k in range(3)])
    np.testing.assert_allclose(macro_f1(matrices), [macro_f1(matrix) for matrix in matrices])


def test_macro_f1_of_a_class_that_is_not_there_is_sklearns():
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    expected = metrics.f1_score(y_true, y_pred, labels=range(3), average="macro", zero_division=0.0)
    assert macro_f1(confusion_matrix(y_true, y_pred, 3)) == pytest.approx(expected)
