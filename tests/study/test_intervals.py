"""Score intervals against published examples, the score test inverted by brute force, SciPy and simulation."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import bootstrap, norm
from sklearn import metrics

from cvclassic.errors import InputError
from cvclassic.study.intervals import balanced_accuracy_interval, macro_f1_interval, tango_interval, tango_variance
from cvclassic.study.statistics import confusion_matrix, macro_f1, wilson_interval

# Right with the first only, with the second only, pairs, confidence, and the interval as printed (all of them stand in
# the tests of the R package ratesci, too).
PUBLISHED = [
    pytest.param(9, 3, 32, 0.95, (-0.027, 0.390), id="Tango 1998, 32 pairs"),
    pytest.param(0, 1, 44, 0.90, (-0.096, 0.037), id="Tango 1998, 44 pairs"),
    pytest.param(16, 8, 86, 0.95, (-0.020, 0.207), id="Agresti and Min 2005"),
    pytest.param(3, 1, 14, 0.95, (-0.1670, 0.4327), id="Tang, Ling, Ling and Tian 2010"),
    pytest.param(1, 7, 21, 0.95, (-0.517, -0.026), id="Fagerland, Lydersen and Laake 2014"),
    pytest.param(25, 2, 102, 0.95, (0.139, 0.321), id="Chang et al. 2024"),
]


@pytest.mark.parametrize(("first_only", "second_only", "n", "confidence", "expected"), PUBLISHED)
def test_tangos_interval_is_the_published_one(first_only, second_only, n, confidence, expected):
    digits = 4 if "0.4327" in str(expected) else 3
    found = tango_interval(first_only, second_only, n, confidence)
    assert tuple(round(bound, digits) for bound in found) == expected


def most_likely_variance(first_only, second_only, n, difference):
    """By numeric maximisation of the trinomial likelihood, for a difference of 0 or more."""

    def unlikely(share):
        chances = np.array([share + difference, share, 1 - 2 * share - difference])
        counts = np.array([first_only, second_only, n - first_only - second_only])
        return -np.sum(counts[counts > 0] * np.log(np.maximum(chances[counts > 0], 1e-300)))

    share = minimize_scalar(unlikely, bounds=(0, (1 - difference) / 2), method="bounded", options={"xatol": 1e-12}).x
    return (2 * share + difference - difference**2) / n


pairs = st.integers(2, 300).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, n - b), st.just(n)))
)


@settings(max_examples=60, deadline=None)
@given(pairs, st.floats(0.02, 0.9))
def test_the_variance_is_that_of_the_most_likely_table(counts, difference):
    first_only, second_only, n = counts
    assume(first_only + second_only)
    expected = most_likely_variance(first_only, second_only, n, difference)
    assert tango_variance(first_only, second_only, n, difference) == pytest.approx(expected, rel=1e-4, abs=1e-9)
    assert tango_variance(second_only, first_only, n, -difference) == pytest.approx(expected, rel=1e-4, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(pairs, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_tangos_interval_is_the_score_test_inverted(counts, confidence):
    first_only, second_only, n = counts
    estimate, z = (first_only - second_only) / n, norm.ppf((1 + confidence) / 2)
    low, high = tango_interval(first_only, second_only, n, confidence)
    assert -1 <= low <= estimate <= high <= 1
    grid = np.linspace(-1, 1, 801)
    variances = np.array([tango_variance(first_only, second_only, n, each) for each in grid])
    inside = (estimate - grid) ** 2 <= z**2 * variances
    accepted = grid[inside]
    if len(accepted):
        step = grid[1] - grid[0]
        assert low <= accepted[0] + 1e-9
        assert accepted[-1] - 1e-9 <= high
        assert accepted[0] - low <= step + 1e-9
        assert high - accepted[-1] <= step + 1e-9
        assert np.all(np.diff(np.flatnonzero(inside)) == 1)  # one piece
    assert tango_interval(second_only, first_only, n, confidence) == pytest.approx((-high, -low), abs=1e-12)


@pytest.mark.parametrize("n", [1, 8, 400])
def test_tangos_interval_has_a_width_where_nothing_or_everything_is_discordant(n):
    z = norm.ppf(0.975)
    assert tango_interval(0, 0, n) == pytest.approx((-(z**2) / (n + z**2), z**2 / (n + z**2)))
    low, high = tango_interval(n, 0, n)
    assert (low < 1, high) == (True, 1.0)
    assert tango_interval(0, n, n) == pytest.approx((-1.0, -low))


@pytest.mark.parametrize("counts", [(3, 3, 5), (-1, 2, 5), (0, 0, 0)])
def test_counts_that_no_images_can_have_are_refused(counts):
    with pytest.raises(InputError, match="can't be those that one method alone gets right"):
        tango_interval(*counts)


def test_balanced_accuracy_of_one_class_is_wilsons_interval_and_empty_classes_are_left_out():
    assert balanced_accuracy_interval([30, 0], [40, 0]) == pytest.approx(wilson_interval(30, 40))
    with pytest.raises(InputError, match="No class has test images"):
        balanced_accuracy_interval([0], [0])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=8)
)
def test_balanced_accuracy_lies_in_its_interval(classes):
    right, sizes = zip(*classes, strict=True)
    low, high = balanced_accuracy_interval(right, sizes)
    assert 0 <= low <= np.mean(np.divide(right, sizes)) + 1e-12
    assert np.mean(np.divide(right, sizes)) - 1e-12 <= high <= 1


def test_balanced_accuracy_of_equal_classes_is_about_that_of_all_images():
    assert balanced_accuracy_interval([45] * 8, [50] * 8) == pytest.approx(wilson_interval(360, 400), abs=0.002)
    assert balanced_accuracy_interval([8] * 10, [8] * 10) == pytest.approx(wilson_interval(80, 80), abs=1e-9)


def test_macro_f1_interval_is_about_scipys_bootstrap():
    random = np.random.default_rng(0)
    y_true = random.integers(0, 5, 400)
    y_pred = np.where(random.random(400) < 0.3, random.integers(0, 5, 400), y_true)

    def statistic(true, predicted):
        return metrics.f1_score(true, predicted, average="macro")

    reference = bootstrap(
        (y_true, y_pred), statistic, paired=True, vectorized=False, n_resamples=300, method="basic", rng=0
    ).confidence_interval
    # The bootstrap's bounds have a standard error of about 0.003 with 300 draws.
    found = macro_f1_interval(confusion_matrix(y_true, y_pred, 5))
    assert found == pytest.approx((reference.low, reference.high), abs=0.012)


@pytest.mark.parametrize("sizes", [(1,) * 100, (2,) * 10, (500, 20, 8), (50, 0, 8)])
def test_macro_f1_of_no_errors_lies_in_its_interval(sizes):
    """Drawing images again and again loses small classes: a score of 1.0000 once had the interval 0.57 to 0.70."""
    confusion = np.diag(sizes)
    low, high = macro_f1_interval(confusion)
    score = np.count_nonzero(sizes) / len(sizes)
    assert high == pytest.approx(score)
    assert 0.5 * score < low < score


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda k: st.lists(st.lists(st.integers(0, 30), min_size=k, max_size=k), min_size=k, max_size=k)
    )
)
def test_macro_f1_lies_in_its_interval(rows):
    confusion = np.array(rows)
    low, high = macro_f1_interval(confusion)
    assert -1e-12 <= low <= macro_f1(confusion) + 1e-12
    assert macro_f1(confusion) - 1e-12 <= high <= 1 + 1e-12
    wider = macro_f1_interval(confusion, 0.99)
    assert wider[0] <= low + 1e-12
    assert high - 1e-12 <= wider[1]


def test_macro_f1_of_nothing_is_0():
    assert macro_f1_interval(np.zeros((3, 3), int)) == (0.0, 0.0)
    assert macro_f1_interval(np.array([[5]]))[1] == 1.0
