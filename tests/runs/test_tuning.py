"""Tuning finds what an exhaustive search on the validation split finds, and looks at nothing else."""

import numpy as np
import pytest
from pydantic import TypeAdapter
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from cvclassic.augmentation import MirrorAugmentation
from cvclassic.runs.job import Tuning
from cvclassic.runs.tuning import _rounds, stratified_order, tune
from cvclassic.svm import KernelSVM, LinearSVM, OpenCVSVM


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X = X + np.random.default_rng(0).normal(0, 6, X.shape)  # so noisy that C and gamma matter
    return X[:900], y[:900], X[900:], y[900:]


def test_one_round_is_an_exhaustive_search(digits):
    X, y, X_val, y_val = digits
    model = make_pipeline(StandardScaler(), KernelSVM(C=3, gamma=0.1))
    found = tune(model, X, y, X_val, y_val, seed=0)
    scaler = StandardScaler().fit(X)
    grid = list(ParameterGrid(KernelSVM(C=3, gamma=0.1).tuning_grid(scaler.transform(X))))
    accuracies = [KernelSVM(**p).fit(scaler.transform(X), y).score(scaler.transform(X_val), y_val) for p in grid]
    assert len(grid) == 25
    assert [trial.accuracy for trial in found.tried] == pytest.approx(accuracies)
    assert [trial.parameters for trial in found.tried] == grid
    assert {trial.n_train for trial in found.tried} == {900}
    assert found.chosen == grid[int(np.argmax(accuracies))]
    assert found.validation_accuracy == max(accuracies)
    assert found.chosen["C"] == model[-1].C
    assert model[-1].gamma == found.chosen["gamma"]
    assert found.seconds > 0
    assert TypeAdapter(Tuning).validate_json(TypeAdapter(Tuning).dump_json(found)) == found
    assert max(accuracies) > accuracies[0]
    assert not hasattr(model[0], "mean_")


def test_halving_tries_many_on_few_images_and_few_on_all(digits, monkeypatch):
    monkeypatch.setattr("cvclassic.runs.tuning.FEWEST", 90)
    X, y, X_val, y_val = digits
    model = make_pipeline(StandardScaler(), KernelSVM(C=3, gamma=0.1))
    found = tune(model, X, y, X_val, y_val, seed=0)
    sizes, counts = np.unique([trial.n_train for trial in found.tried], return_counts=True)
    assert sizes.tolist() == [100, 300, 900]
    assert counts.tolist() == [25, 8, 2]
    assert found.validation_accuracy == max(trial.accuracy for trial in found.tried if trial.n_train == 900)


def test_the_classifier_inside_of_wrappers_and_pipelines_is_tuned_on_its_features(digits):
    X, y, X_val, y_val = digits
    X, y = X[:300], y[:300]
    plain = make_pipeline(StandardScaler(), KernelSVM(C=3, gamma=0.1))
    wrapped = MirrorAugmentation(clone(plain))
    deep = make_pipeline(FunctionTransformer(np.negative), MirrorAugmentation(clone(plain)))
    found = [tune(model, X, y, X_val, y_val, seed=0) for model in (plain, wrapped, deep)]
    assert [trial.accuracy for trial in found[1].tried] == [trial.accuracy for trial in found[0].tried]
    assert [trial.accuracy for trial in found[2].tried] == pytest.approx([trial.accuracy for trial in found[0].tried])
    assert wrapped.estimator[-1].gamma == found[1].chosen["gamma"] < 0.1
    assert not hasattr(wrapped, "estimator_")


def test_what_can_not_be_tuned_is_left_alone(digits):
    X, y, X_val, y_val = digits
    assert tune(DummyClassifier(), X, y, X_val, y_val, seed=0) is None
    svm = LinearSVM(C=100)
    assert tune(svm, X, y, X_val[:0], y_val[:0], seed=0) is None
    assert svm.C == 100


@pytest.mark.parametrize(
    ("candidates", "images", "rounds"),
    [
        (25, 47_500, [5277, 15833, 47_500]),
        (9, 47_500, [5277, 15833, 47_500]),
        (5, 47_500, [15833, 47_500]),
        (25, 1212, [1212]),
    ],
)
def test_rounds(candidates, images, rounds):
    assert _rounds(candidates, images) == rounds


def test_every_beginning_of_the_order_is_stratified():
    y = np.repeat([0, 1, 2], [600, 300, 100])
    order = stratified_order(y, seed=1)
    assert sorted(order) == list(range(1000))
    for n in (50, 100, 500):
        assert np.abs(np.bincount(y[order[:n]]) - n * np.array([0.6, 0.3, 0.1])).max() <= 1
    assert not np.array_equal(order, stratified_order(y, seed=2))


def test_grids_follow_the_kernel(rng):
    X = rng.random((20, 4))
    assert set(KernelSVM(kernel="intersection").tuning_grid(X)) == {"C"}
    assert set(KernelSVM(kernel=np.inner).tuning_grid(X)) == {"C"}
    assert OpenCVSVM(kernel="rbf", gamma=0.5).tuning_grid(X)["gamma"] == [0.125, 0.25, 0.5, 1, 2]
    scale = 1 / (4 * X.var())
    assert KernelSVM().tuning_grid(X)["gamma"][2] == pytest.approx(scale)
