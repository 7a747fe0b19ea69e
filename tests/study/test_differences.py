"""Differences of two methods against statsmodels, SciPy, a bootstrap, and studies whose truth is known."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, ttest_ind
from sklearn.metrics import balanced_accuracy_score, f1_score
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import DescrStatsW

from cvclassic.errors import InputError
from cvclassic.study.differences import FOLDS_EFFECT, METRICS, difference
from cvclassic.study.intervals import tango_interval


def of_counts(first_only, second_only, n, **options):
    """Two trained models on n images of class 0 that only one of them gets right so often."""
    first, second = np.zeros((2, 1, n), int)
    first[0, first_only : first_only + second_only] = 1
    second[0, :first_only] = 1
    return difference(first, second, np.zeros(n, int), **options)


def predictions(accuracy, y_true, random, trainings=1, n_classes=4):
    right = random.random((trainings, len(y_true))) < accuracy
    return np.where(right, y_true, (y_true + random.integers(1, n_classes, right.shape)) % n_classes)


def half(found, confidence=0.95):
    low, high = found.interval(confidence)
    return (high - low) / 2


CASES = list(product(METRICS, [1, 3], [None, 5], [False, True]))


def case(metric, trainings, group, folds, n=200, accuracies=(0.9, 0.8), seed=0):
    random = np.random.default_rng(seed)
    y_true = random.integers(0, 4, n)
    predicted = [predictions(accuracy, y_true, random, trainings) for accuracy in accuracies]
    return difference(
        *predicted,
        y_true,
        metric,
        groups=None if group is None else np.arange(n) // group,
        folds=np.arange(n) % 5 if folds else None,
    )


def test_one_training_each_is_tangos_interval_and_mcnemars_test_without_correction():
    found = of_counts(20, 9, 300)
    assert found.interval(0.9) == pytest.approx(tango_interval(20, 9, 300, 0.9), abs=1e-12)
    assert found.p_value == pytest.approx(mcnemar([[0, 20], [9, 271]], exact=False, correction=False).pvalue)
    assert (found.estimate, found.n, found.trainings, found.freedom) == (pytest.approx(11 / 300), 300, (1, 1), np.inf)
    assert found.method == "Tango's score interval, over 300 images"


@pytest.mark.parametrize(("first_only", "second_only"), [(0, 0), (7, 7), (8, 0), (0, 8)])
def test_few_images_and_none_or_all_of_them_discordant(first_only, second_only):
    found = of_counts(first_only, second_only, 16 if first_only == 7 else 8)
    low, high = found.interval()
    assert -1 <= low <= found.estimate <= high <= 1
    assert low < high
    assert found.p_value == (1.0 if first_only == second_only else pytest.approx(2 * norm.sf(8**0.5)))


@pytest.mark.parametrize(("metric", "trainings", "group", "folds"), CASES)
def test_p_values_and_intervals_say_the_same(metric, trainings, group, folds):
    for accuracies in [(0.9, 0.8), (0.85, 0.85), (0.9, 0.83)]:
        found = case(metric, trainings, group, folds, accuracies=accuracies)
        if found.p_value < 1:
            low, high = found.interval(1 - found.p_value)
            assert min(abs(low), abs(high)) < 1e-6
        for margin in (0.02, 0.08, 0.2):
            p_value = found.equivalence_p_value(margin)
            if p_value < 0.5:
                low, high = found.interval(1 - 2 * p_value)
                assert max(-low, high) == pytest.approx(margin, abs=1e-6)
            else:
                assert abs(found.estimate) >= margin or p_value == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("metric", "trainings", "group", "folds"), CASES)
def test_the_other_way_round_is_the_same_with_the_other_sign(metric, trainings, group, folds):
    found = case(metric, trainings, group, folds)
    other = found.reversed()
    assert other.interval(0.9) == pytest.approx(tuple(-bound for bound in found.interval(0.9)[::-1]), abs=1e-9)
    assert (other.p_value, other.reversed()) == (pytest.approx(found.p_value, rel=1e-6), found)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(CASES))
def test_the_order_of_images_is_no_matter(shuffler, chosen):
    metric, trainings, group, folds = chosen
    random = np.random.default_rng(1)
    y_true, order = random.integers(0, 3, 60), np.array(shuffler.sample(range(60), 60))
    first, second = (predictions(0.8, y_true, random, trainings, 3) for _ in range(2))
    options = {"groups": np.arange(60) // (group or 1), "folds": np.arange(60) % 5 if folds else None}
    shuffled = {name: None if each is None else each[order] * 7 - 3 for name, each in options.items()}
    found = difference(first, second, y_true, metric, **options)
    again = difference(first[:, order], second[:, order], y_true[order], metric, **shuffled)
    assert again.interval() == pytest.approx(found.interval(), abs=1e-9)


def test_estimates_are_sklearns():
    random = np.random.default_rng(0)
    y_true = random.integers(0, 4, 200)
    first, second = (predictions(accuracy, y_true, random) for accuracy in (0.9, 0.7))
    found = {metric: difference(first, second, y_true, metric, n_classes=4).estimate for metric in METRICS}
    scores = {
        "accuracy": lambda y, predicted: np.mean(y == predicted),
        "balanced_accuracy": balanced_accuracy_score,
        "macro_f1": lambda y, predicted: f1_score(y, predicted, average="macro"),
    }
    for metric, score in scores.items():
        assert found[metric] == pytest.approx(score(y_true, first[0]) - score(y_true, second[0]))


def test_macro_f1_counts_the_classes_that_are_given():
    y_true = np.array([0, 0, 1, 1])
    wrong = np.array([[0, 1, 1, 1]])
    three, two = (difference(y_true[None], wrong, y_true, "macro_f1", n_classes=k).estimate for k in (3, None))
    assert three == pytest.approx(two * 2 / 3)


def test_balanced_accuracy_of_equal_classes_is_about_accuracy():
    random = np.random.default_rng(3)
    y_true = np.arange(800) % 4
    first, second = (predictions(accuracy, y_true, random) for accuracy in (0.9, 0.88))
    plain, balanced = (difference(first, second, y_true, metric) for metric in METRICS[:2])
    assert balanced.estimate == pytest.approx(plain.estimate)
    assert balanced.interval() == pytest.approx(plain.interval(), abs=0.002)
    only = difference(first, second, np.zeros(800, int), "balanced_accuracy")
    assert only.interval() == pytest.approx(difference(first, second, np.zeros(800, int)).interval())


def test_macro_f1_has_the_standard_error_of_a_bootstrap():
    random = np.random.default_rng(4)
    y_true = random.choice(4, 600, p=[0.5, 0.3, 0.15, 0.05])
    first, second = (predictions(accuracy, y_true, random) for accuracy in (0.85, 0.8))
    found = difference(first, second, y_true, "macro_f1", n_classes=4)
    drawn = random.integers(0, 600, (400, 600))
    again = [
        difference(first[:, rows], second[:, rows], y_true[rows], "macro_f1", n_classes=4).estimate for rows in drawn
    ]
    assert half(found) / 1.96 == pytest.approx(np.std(again), rel=0.12)


def test_groups_have_the_standard_error_of_a_cluster_robust_regression():
    random = np.random.default_rng(5)
    groups = np.repeat(np.arange(300), random.integers(1, 8, 300))
    ease, y_true = random.normal(size=300)[groups], np.zeros(len(groups), int)
    first, second = ((ease + random.normal(size=300)[groups] + random.normal(size=len(groups)) < 1)[None] for _ in "ab")
    found = difference(1 - first, 1 - second, y_true, groups=groups)
    differences = first[0].astype(float) - second[0]
    fit = OLS(differences, np.ones_like(differences)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert found.estimate == pytest.approx(fit.params[0])
    assert half(found) == pytest.approx(np.diff(fit.conf_int(0.05)[0])[0] / 2, rel=0.04)
    assert found.freedom == 299


def test_groups_of_one_image_are_images_and_no_group_makes_an_interval_narrower():
    random = np.random.default_rng(6)
    y_true = np.arange(120) % 3
    first, second = (predictions(0.85, y_true, random, n_classes=3) for _ in range(2))
    for metric in METRICS:
        alone = difference(first, second, y_true, metric)
        grouped = difference(first, second, y_true, metric, groups=np.arange(120))
        assert half(alone) <= half(grouped) <= 1.04 * half(alone)
        for size in (2, 5, 12):
            assert half(difference(first, second, y_true, metric, groups=np.arange(120) // size)) > 0.99 * half(alone)


def test_groups_that_are_all_right_alike_count_as_groups():
    """Of 300 images in 30 groups without one discordant, 30 are known, and not 300."""
    found = of_counts(0, 0, 300, groups=np.arange(300) // 10)
    few = of_counts(0, 0, 30)
    assert half(found, 0.9) > half(few, 0.9) > 0.08


def test_folds_take_their_variance_several_times():
    found = of_counts(20, 10, 300, folds=np.arange(300) % 5)
    assert found.interval() == pytest.approx(tango_interval(*(each / FOLDS_EFFECT for each in (20, 10, 300))), abs=1e-9)
    assert found.method == "Tango's score interval, over 300 images, tested in 5 folds"


def test_trainings_that_vary_more_than_images_are_welchs_t_test():
    random = np.random.default_rng(7)
    accuracies = [0.93, 0.80, 0.88, 0.84], [0.70, 0.81, 0.72]
    first, second = (np.stack([random.random(20_000) < each for each in some]) for some in accuracies)
    found = difference(1 - first, 1 - second, np.zeros(20_000, int))
    expected = ttest_ind(first.mean(axis=1), second.mean(axis=1), equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.02)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval()), abs=0.002)


def test_trainings_alike_are_a_paired_t_test_over_images():
    random = np.random.default_rng(8)
    first, second = (np.repeat(random.random((1, 2_000)) < accuracy, 3, axis=0) for accuracy in (0.9, 0.88))
    found = difference(1 - first, 1 - second, np.zeros(2_000, int))
    expected = DescrStatsW(first[0].astype(float) - second[0]).tconfint_mean()
    assert found.training_variance == pytest.approx(0)
    assert found.interval() == pytest.approx(expected, abs=0.0004)


@pytest.mark.parametrize("spread", [0.0, 0.05])
def test_the_variance_of_crossed_images_and_trainings_is_that_of_the_estimates(spread):
    random, found = np.random.default_rng(9), []
    for _ in range(300):
        ease = random.normal(1.5, 1, 200)
        tried = [ease + random.normal(0, 6 * spread, (3, 1)) + random.normal(0, 1, (3, 200)) < 0 for _ in "ab"]
        found.append(difference(*tried, np.zeros(200, int)))
    total = np.mean([each.image_variance + each.training_variance for each in found])
    # "Never below the larger of the two parts" makes it larger where trainings don't vary by themselves.
    assert 0.85 < total / np.var([each.estimate for each in found]) < (1.6 if spread == 0 else 1.3)


@pytest.mark.parametrize(("spread", "n_trainings"), [(0.0, 3), (0.01, 3), (0.05, 5)])
def test_the_level_is_kept_where_two_methods_are_equal(spread, n_trainings):
    """Images have a difficulty that both share, trainings an accuracy of their own."""
    random, false = np.random.default_rng(1), 0
    for _ in range(400):
        ease = random.beta(4, 1, 400)
        tried = [np.clip(ease + random.normal(0, spread, (n_trainings, 1)), 0, 1) for _ in range(2)]
        wrong = [(random.random(each.shape) > each).astype(int) for each in tried]
        false += difference(*wrong, np.zeros(400, int)).p_value < 0.05
    assert false <= 400 * 0.05 + 3 * np.sqrt(400 * 0.05 * 0.95)


def test_a_difference_that_is_there_is_seen():
    random = np.random.default_rng(2)
    first, second = ((random.random((3, 400)) > accuracy).astype(int) for accuracy in (0.9, 0.75))
    assert difference(first, second, np.zeros(400, int)).p_value < 0.001


@pytest.mark.parametrize(
    "shapes", [((1, 5), (1, 6), (5,)), ((5,), (5,), (5,)), ((1, 1), (1, 1), (1,)), ((0, 5), (1, 5), (5,))]
)
def test_what_is_not_of_the_same_images_is_refused(shapes):
    with pytest.raises(InputError, match="on the same images, two or more"):
        difference(*(np.zeros(shape, int) for shape in shapes))


def test_groups_folds_and_metrics_that_say_nothing_are_refused():
    with pytest.raises(InputError, match=r"groups has shape \(9,\) for 10 test images"):
        of_counts(1, 1, 10, groups=np.zeros(9))
    with pytest.raises(InputError, match="All 10 test images are in one of the folds"):
        of_counts(1, 1, 10, folds=np.zeros(10))
    with pytest.raises(InputError, match="'auc' is no metric"):
        of_counts(1, 1, 10, metric="auc")
