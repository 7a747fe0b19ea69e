"""Intervals of one method's figure: those of its parts, wider for groups and folds."""

import numpy as np
import pytest

from cvclassic.errors import InputError
from cvclassic.study.differences import FOLDS_EFFECT, METRICS
from cvclassic.study.figures import figure_interval
from cvclassic.study.intervals import balanced_accuracy_interval, macro_f1_interval
from cvclassic.study.statistics import confusion_matrix, macro_f1, wilson_interval


def predictions(n=300, trainings=1, accuracy=0.9, group=1, seed=0):
    """True classes 0, 1 and 2 in turn by group, and predictions that are right or wrong by group."""
    random = np.random.default_rng(seed)
    y_true = np.arange(n) // group % 3
    right = np.repeat(random.random((trainings, n // group)) < accuracy, group, axis=1)
    return np.where(right, y_true, (y_true + 1) % 3), y_true


def test_one_training_has_the_intervals_of_its_counts():
    predicted, y_true = predictions()
    counts = confusion_matrix(y_true, predicted[0], 3)
    right, sizes = np.diagonal(counts), counts.sum(axis=1)
    assert figure_interval(predicted, y_true) == pytest.approx(wilson_interval(right.sum(), 300))
    found = figure_interval(predicted, y_true, "balanced_accuracy", confidence=0.9)
    assert found == pytest.approx(balanced_accuracy_interval(right, sizes, 0.9))
    assert figure_interval(predicted, y_true, "macro_f1") == pytest.approx(macro_f1_interval(counts))


@pytest.mark.parametrize("metric", METRICS)
def test_several_trainings_have_the_interval_of_their_mean_figure(metric):
    predicted, y_true = predictions(trainings=3)
    counts = np.stack([confusion_matrix(y_true, row, 3) for row in predicted])
    mean = macro_f1(counts).mean() if metric == "macro_f1" else np.mean(predicted == y_true)  # classes are equal
    low, high = figure_interval(predicted, y_true, metric)
    assert low < mean < high
    one = figure_interval(predicted[:1], y_true, metric)
    assert high - low == pytest.approx(one[1] - one[0], rel=0.15)


@pytest.mark.parametrize("metric", METRICS)
def test_images_that_are_right_or_wrong_by_group_count_as_groups(metric):
    predicted, y_true = predictions(n=600, group=10)
    groups = np.arange(600) // 10
    low, high = figure_interval(predicted, y_true, metric, groups=groups)
    alone = figure_interval(predicted[:, ::10], y_true[::10], metric)
    plain = figure_interval(predicted, y_true, metric)
    assert high - low == pytest.approx(alone[1] - alone[0], rel=0.15)
    assert high - low > 2.5 * (plain[1] - plain[0])


def test_folds_take_their_variance_several_times():
    predicted, y_true = predictions()
    right = np.sum(predicted == y_true)
    expected = wilson_interval(right / FOLDS_EFFECT, 300 / FOLDS_EFFECT)
    assert figure_interval(predicted, y_true, folds=np.arange(300) % 5) == pytest.approx(expected)


def test_without_errors_groups_still_count_as_groups():
    y_true = np.arange(100) % 2
    low, high = figure_interval(y_true[None], y_true, groups=np.arange(100) // 10)
    assert high == pytest.approx(1.0)
    assert low < wilson_interval(10, 10)[0]


def test_what_is_not_of_the_same_images_is_refused():
    with pytest.raises(InputError, match="on the same images"):
        figure_interval(np.zeros((1, 5), int), np.zeros(6, int))
