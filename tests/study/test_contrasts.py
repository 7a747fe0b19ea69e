"""Contrasts against statsmodels and scipy: direction and p-value come from the same figures."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from cvclassic.runs.job import Predictions
from cvclassic.study.contrasts import Contrast, gap_on_validation, p_text
from cvclassic.study.differences import difference
from cvclassic.study.study import Study
from tests.made_runs import make_run, make_study


def job(pipeline, family, wrong, seconds=1.0, **changes):
    return ("animals", pipeline, family, wrong, seconds, changes)


def seeds_of(pipeline, family, wrong, **changes):
    return [job(pipeline, family, n, seed=seed, **changes) for seed, n in enumerate(wrong)]


def with_predictions(run, predictions):
    """The study of `run` with these predictions, by pipeline and seed, in place of its own."""
    outcomes = [
        replace(each, predictions=predictions.get((each.result.pipeline, each.result.seed), each.predictions))
        for each in run.outcomes
    ]
    return Study(replace(run, outcomes=tuple(outcomes)))["animals"]


def test_p_values_are_those_of_statsmodels_and_both_ways_round(rng):
    y_true = np.arange(400) % 3
    predicted = {name: np.where(rng.random(400) < 0.8, y_true, (y_true + 1) % 3) for name in "bcd"}
    predicted["a"] = np.where(rng.random(400) < 0.95, y_true, (y_true + 1) % 3)
    run = make_run([job(name, "classical", 50) for name in "abcd"])
    found = with_predictions(run, {(n, 0): Predictions(y_true, y) for n, y in predicted.items()}).contrasts
    pairs = list(combinations("abcd", 2))
    raw, differences = [], []
    for first, second in pairs:
        right, also = predicted[first] == y_true, predicted[second] == y_true
        table = [[np.sum(right & also), np.sum(right & ~also)], [np.sum(~right & also), np.sum(~right & ~also)]]
        raw.append(mcnemar(table, exact=True).pvalue)
        differences.append(right.mean() - also.mean())
    expected = multipletests(raw, method="holm")[1]
    assert min(expected) < 0.05 < max(expected)
    for (first, second), p_value, expected_difference in zip(pairs, expected, differences, strict=True):
        for contrast, sign in ((found[first, second], 1), (found[second, first], -1)):
            assert contrast.p_value == pytest.approx(p_value)
            assert contrast.difference == pytest.approx(sign * expected_difference)
            verdict = "undecided" if p_value >= 0.05 else "better" if sign * expected_difference > 0 else "worse"
            assert contrast.verdict == verdict
    assert len(found) == 12


def test_several_seeds_are_compared_over_images_and_trainings():
    wrong = {"svm": [40, 44, 42, 46], "cnn": [20, 22, 18, 30]}
    jobs = [each for name, counts in wrong.items() for each in seeds_of(name, "classical", counts)]
    study = make_study(jobs, repeats=4)["animals"]
    contrast = study.contrasts["svm", "cnn"]
    predicted = [np.stack([o.predictions.y_pred for o in each.outcomes]) for each in study.configurations]
    expected = difference(*predicted, study.configurations[0].outcomes[0].predictions.y_true)
    assert (contrast.p_value, contrast.difference) == (expected.p_value, expected.estimate)
    assert contrast.difference == pytest.approx(np.mean(np.subtract(wrong["cnn"], wrong["svm"])) / 400)
    assert (contrast.method, contrast.verdict) == ("t-test over images and trainings", "worse")


def test_ten_errors_against_eleven_with_two_seeds_each_decide_nothing():
    jobs = [*seeds_of("a", "classical", [10, 12]), *seeds_of("b", "classical", [11, 13])]
    contrast = make_study(jobs, repeats=2)["animals"].contrasts["a", "b"]
    assert (contrast.method, contrast.verdict) == ("t-test over images and trainings", "undecided")
    assert contrast.difference == pytest.approx(1 / 400)


def test_seeds_that_make_no_difference_are_one_training():
    jobs = [*seeds_of("a", "classical", [10, 10, 10]), *seeds_of("b", "classical", [11, 11, 11])]
    study = make_study(jobs, repeats=3)["animals"]
    contrast = study.contrasts["a", "b"]
    assert (contrast.method, contrast.p_value, contrast.verdict) == ("McNemar's exact test", 1.0, "undecided")
    assert [each.n_trainings for each in study.configurations] == [1, 1]
    assert study.configurations[0].spread("test_accuracy") is None


def test_without_predictions_of_a_shared_seed_of_the_same_images_nothing_is_tested():
    y_true = np.arange(400) % 3
    run = make_run([job("a", "classical", 10), job("b", "classical", 90)])
    assert with_predictions(run, {}).contrasts
    assert not with_predictions(run, {("a", 0): None}).contrasts
    assert not with_predictions(run, {("a", 0): Predictions((y_true + 1) % 3, y_true)}).contrasts
    constant = make_run([*seeds_of("a", "classical", [10, 10]), *seeds_of("b", "classical", [90, 90])], repeats=2)
    assert not with_predictions(constant, {("a", 0): None, ("a", 1): None}).contrasts
    assert with_predictions(constant, {("a", 0): None, ("b", 1): None}).contrasts["a", "b"].verdict == "better"
    varied = make_run([*seeds_of("a", "classical", [10, 12]), *seeds_of("b", "classical", [90, 95])], repeats=2)
    found = with_predictions(varied, {("a", 0): None}).contrasts["a", "b"]
    assert (found.method, found.verdict) == ("t-test over images and trainings", "better")


def test_a_pair_that_cant_be_tested_counts_for_no_correction():
    run = make_run([job("a", "classical", 10), job("b", "classical", 16), job("c", "classical", 90)])
    contrasts = with_predictions(run, {("c", 0): None}).contrasts
    assert set(contrasts) == {("a", "b"), ("b", "a")}
    assert contrasts["a", "b"].p_value == pytest.approx(2 / 2**6)


def test_words():
    contrast = Contrast("a", "b", 0.1, 0.0002, "McNemar's exact test")
    assert contrast.told(28) == "McNemar's exact test, Holm-corrected for 28 pairs, p < 0.001"
    assert contrast.told(1) == "McNemar's exact test, p < 0.001"
    assert contrast.reversed() == Contrast("b", "a", -0.1, 0.0002, "McNemar's exact test")
    assert [p_text(p) for p in (0.0009, 0.0312, 0.0999, 0.384, 1.0)] == [
        *("p < 0.001", "p = 0.031", "p = 0.100", "p = 0.38", "p = 1.00")
    ]


def test_the_gap_on_validation_is_closed_by_twice_the_spread_or_one_image():
    accuracies = {"1": [0.90, 0.92], "2": [0.95, 0.97]}
    jobs = [
        job("mlp", "neural", 40, seed=seed, settings={"depth": depth}, validation_accuracy=value)
        for depth, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    study = make_study(jobs, repeats=2, sweep={"depth": ["1", "2"]})["animals"]
    gap = gap_on_validation(study, *study.configurations)
    pooled = np.sqrt((np.var(accuracies["1"], ddof=1) + np.var(accuracies["2"], ddof=1)) / 2)
    assert (gap.behind, gap.tolerance, gap.close) == (pytest.approx(0.05), pytest.approx(2 * pooled), False)
    assert gap.reason == "twice the spread over seeds (2.83 points)"
    single = make_study(jobs[::2], sweep={"depth": ["1", "2"]})["animals"]
    gap = gap_on_validation(single, *single.configurations)
    assert (gap.tolerance, gap.reason) == (pytest.approx(1 / 50), "one validation image (2.00 points)")
    one_image = [job("a", "classical", 0, validation_accuracy=0.96), job("b", "classical", 0, validation_accuracy=0.98)]
    single = make_study(one_image)["animals"]
    assert gap_on_validation(single, *single.configurations).close
    none = make_study([job(name, "classical", 0, validation_accuracy=None) for name in "ab"])["animals"]
    assert gap_on_validation(none, *none.configurations) is None
