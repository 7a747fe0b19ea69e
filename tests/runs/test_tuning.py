"""Tuning finds what an exhaustive search on held-out images finds, with features computed once."""

import itertools

import numpy as np
import pytest
from pydantic import TypeAdapter
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cvclassic.augmentation import MirrorAugmentation
from cvclassic.neural import NeuralClassifier, TrainingStack, linear_head
from cvclassic.runs.job import Tuning
from cvclassic.runs.search import read_space
from cvclassic.runs.tuning import _part_of, shortened, stratified_order, tune
from cvclassic.svm import KernelSVM

SPACE = read_space({"kernelsvm__C": [0.001, 3], "kernelsvm__gamma": [0.001, 0.01, 10]})
WHOLE = 1e6  # seconds, of a clock that goes on by a second each time that it is read


class Flat(TransformerMixin, BaseEstimator):
    """Pixels as features; it counts the images that it was fitted on."""

    fitted = 0

    def __init__(self, *, scale=1.0):
        self.scale = scale

    def fit(self, X, y=None):
        Flat.fitted += len(X)
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.float32(self.scale) * X.reshape(len(X), -1).astype(np.float32)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    noise = np.random.default_rng(0).normal(0, 4, X.shape)  # so that C and gamma matter
    images = ((X + noise).clip(0, 16) * 15).astype(np.uint8).reshape(-1, 8, 8)
    return (images[:300], y[:300]), (images[300:500], y[300:500])


def pipeline():
    return make_pipeline(Flat(scale=1 / 255), StandardScaler(), KernelSVM(C=0.001, gamma=1.0))


def tuned(estimator, space, training, validation, seconds=WHOLE, seed=0):
    def build(candidate, n_train, share):
        return clone(estimator).set_params(**candidate)

    def fit(estimator, training, validation):
        estimator.fit(*training)

    clock = itertools.count().__next__
    return tune(build, fit, space, training, validation, seed=seed, seconds=seconds, clock=clock)


def candidates_of(found):
    return len({tuple(trial.parameters.items()) for trial in found.tried})


def test_with_time_enough_it_is_an_exhaustive_search_that_begins_with_the_defaults(digits):
    training, validation = digits
    found = tuned(pipeline(), SPACE, training, validation)
    first, *others = found.tried
    assert first.parameters == {}
    assert {tuple(trial.parameters.values()) for trial in others} == set(
        itertools.product((0.001, 3), (0.001, 0.01, 10))
    )
    for trial in found.tried:
        expected = pipeline().set_params(**trial.parameters).fit(*training).score(*validation)
        assert (trial.accuracy, trial.n_train, trial.n_held_out, trial.steps) == (pytest.approx(expected), 300, 200, 1)
    best = max(found.tried, key=lambda trial: trial.accuracy)
    assert found.chosen == best.parameters
    assert (found.accuracy, found.default_accuracy) == (best.accuracy, first.accuracy)
    assert found.accuracy > found.default_accuracy + 0.2
    assert found.reason is None
    assert TypeAdapter(Tuning).validate_json(TypeAdapter(Tuning).dump_json(found)) == found


def test_with_few_validation_images_it_is_cross_validation_on_them_and_the_training_images(digits):
    (X, y), (X_val, y_val) = digits
    found = tuned(pipeline(), SPACE, (X, y), (X_val[:20], y_val[:20]))
    last = [trial for trial in found.tried if trial.n_held_out == 320]
    assert len(last) == 7
    X, y = np.concatenate([X, X_val[:20]]), np.concatenate([y, y_val[:20]])
    parts = PredefinedSplit(_part_of(y, None, 0))
    for trial in last:
        answers = cross_val_predict(pipeline().set_params(**trial.parameters), X, y, cv=parts)
        assert trial.accuracy == pytest.approx(np.mean(answers == y))
    assert found.chosen == max(last, key=lambda trial: trial.accuracy).parameters


def test_parts_hold_each_class_in_its_share_and_never_the_only_image_of_one():
    labels = np.repeat([0, 1, 2, 3], [50, 23, 4, 1])
    parts = _part_of(labels, None, seed=0)
    counts = [np.bincount(parts[labels == label], minlength=5) for label in range(3)]
    assert all(each.max() - each.min() <= 1 for each in counts)
    assert parts[-1] == -1
    assert not np.array_equal(parts, _part_of(labels, None, seed=1))
    groups = np.arange(78) // 3
    parts = _part_of(labels, groups, seed=0)
    assert {len(set(parts[groups == group]) - {-1}) for group in groups[:-1]} == {1}


def test_features_are_computed_once_for_all_candidates_that_share_them_also_inside_of_wrappers(digits):
    training, validation = digits
    wrapped = MirrorAugmentation(pipeline())
    names = [name.replace("kernelsvm", "estimator__kernelsvm") for name in SPACE]
    Flat.fitted = 0
    found = tuned(wrapped, dict(zip(names, SPACE.values(), strict=True)), training, validation)
    assert candidates_of(found) == 7
    assert Flat.fitted == 600  # and the mirror images
    best = clone(wrapped).set_params(**found.chosen).fit(*training)
    assert found.accuracy == best.score(*validation)
    Flat.fitted = 0
    space = read_space({"flat__scale": [0.01, 0.02], "kernelsvm__C": [1, 3, 10]})
    assert candidates_of(tuned(pipeline(), space, training, validation)) == 7
    assert Flat.fitted == 900


def test_the_same_seed_and_the_same_clock_find_the_same(digits):
    space = read_space({"kernelsvm__C": (0.01, 100, "log"), "kernelsvm__gamma": (1e-4, 1, "log")})
    first, second, other = (tuned(pipeline(), space, *digits, seconds=60, seed=seed) for seed in (0, 0, 1))
    assert first == second
    assert 5 < candidates_of(first) < 60
    assert first.tried[1].parameters != other.tried[1].parameters


def test_a_worse_space_leaves_the_pipeline_as_it_is(digits):
    good = pipeline().set_params(kernelsvm__C=3, kernelsvm__gamma=0.005)
    space = read_space({"kernelsvm__gamma": [5.0, 10.0, 20.0]})
    found = tuned(good, space, *digits)
    assert found.chosen == {}
    assert found.accuracy == found.default_accuracy
    assert found.reason is None


def test_what_fails_costs_nothing_but_its_trial(digits, capsys):
    space = read_space({"kernelsvm__gamma": [-1.0, 0.005], "kernelsvm__C": [3]})
    found = tuned(pipeline(), space, *digits)
    assert found.chosen == {"kernelsvm__gamma": 0.005, "kernelsvm__C": 3}
    assert {trial.accuracy for trial in found.tried if trial.parameters.get("kernelsvm__gamma") == -1.0} == {None}
    printed = capsys.readouterr().out
    assert "tuning: InputError: gamma=-1.0 is not a number above 0." in printed
    assert "tuning: kernelsvm__gamma=-1.0, kernelsvm__C=3: no result of 200 images" in printed
    assert len(printed.splitlines()) == 4


def test_where_there_is_nothing_to_choose_it_says_why(digits):
    (X, y), (X_val, y_val) = digits
    for space, reason in ((None, "no search space declared"), ({}, "all that it may vary is set")):
        found = tuned(pipeline(), space, (X, y), (X_val, y_val))
        assert found == Tuning({}, None, None, (), reason)
    few = np.flatnonzero(np.isin(np.arange(len(y)), [np.flatnonzero(y == label)[0] for label in (0, 1)]))
    found = tuned(pipeline(), SPACE, (X[few], y[few]), (X[:0], y[:0]))
    assert found.reason == "too few images to hold some out"
    found = tuned(pipeline(), SPACE, (X, y), (X_val, y_val), seconds=1e-6)
    assert (found.reason, found.chosen, candidates_of(found)) == ("too little time to choose by", {}, 1)


@pytest.mark.slow
def test_a_network_is_trained_for_shares_of_its_steps_in_silence_and_leaves_no_files(
    digits, tmp_path, capsys, monkeypatch
):
    (X, y), (X_val, y_val) = digits
    X, X_val = (images.reshape(len(images), -1) / np.float32(255) for images in (X, X_val))
    trained = []

    def build(candidate, n_train, share):
        rate = candidate.get("learning_rate", 1e-6)
        short = shortened(TrainingStack(epochs=9, learning_rate=rate), share)
        trained.append(short.epochs)
        return NeuralClassifier(linear_head, stack=short)

    def fit(network, training, validation):
        network.fit(*training, *validation)

    monkeypatch.chdir(tmp_path)
    NeuralClassifier(linear_head).prepare()
    space = read_space({"learning_rate": [0.01, 1e-7]})
    found = tune(build, fit, space, (X, y), (X_val, y_val), seed=0, seconds=WHOLE, clock=itertools.count().__next__)
    assert found.chosen == {"learning_rate": 0.01}
    assert [round(9 * trial.steps) for trial in found.tried] == [1, 3, 9, 9, 9]
    assert set(trained) == {1, 3, 9}
    assert list(tmp_path.iterdir()) == []
    assert all(line.startswith("tuning: ") for line in capsys.readouterr().out.splitlines())


def test_a_shorter_training_has_the_same_course():
    stack = TrainingStack(epochs=30, warmup_epochs=6, schedule="step", decay_epochs=9, time_budget=60.0)
    short = shortened(stack, 1 / 3)
    assert (short.epochs, short.warmup_epochs, short.decay_epochs, short.time_budget) == (10, 2, 3, 20.0)
    assert shortened(stack, 1) == stack
    shortest = shortened(TrainingStack(epochs=4, warmup_epochs=3), 1 / 9)
    assert (shortest.epochs, shortest.warmup_epochs) == (1, 0)
    assert shortened(TrainingStack(), 1 / 2).epochs == 5  # of the 10 that a stack without a number has
    timed = shortened(TrainingStack(time_budget=8.0), 1 / 2)
    assert (timed.epochs, timed.time_budget) == (None, 4.0)


def test_every_beginning_of_the_order_is_stratified():
    y = np.repeat([0, 1, 2], [600, 300, 100])
    order = stratified_order(y, seed=1)
    assert sorted(order) == list(range(1000))
    for n in (50, 100, 500):
        assert np.abs(np.bincount(y[order[:n]]) - n * np.array([0.6, 0.3, 0.1])).max() <= 1
    assert not np.array_equal(order, stratified_order(y, seed=2))
