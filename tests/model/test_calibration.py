"""Probabilities of scores, against scikit-learn's and against a direct search."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cvclassic.errors import InputError
from cvclassic.model import Calibration, fit_calibration
from cvclassic.svm import LinearSVM


@pytest.fixture(scope="module")
def two_classes():
    """A fitted SVM, and the rows and labels that it did not learn from."""
    X, y = load_breast_cancer(return_X_y=True)
    return make_pipeline(StandardScaler(), LinearSVM(C=0.01)).fit(X[:200], y[:200]), X[200:], y[200:]


def test_the_sigmoid_is_that_of_scikit_learn(two_classes):
    svm, X, y = two_classes
    ours = fit_calibration(svm.decision_function(X), y)
    theirs = CalibratedClassifierCV(FrozenEstimator(svm), method="sigmoid").fit(X, y)
    assert ours.method == "sigmoid"
    found, expected = ours.probabilities(svm.decision_function(X)), theirs.predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_few_scores_that_are_told_apart_do_not_promise_certainty(scale):
    """Platt's targets: 20 of each class without an error promise 21/22 and no more, whatever the unit of scores."""
    y = np.repeat([0, 1], 20)
    calibration = fit_calibration(scale * np.where(y, 1.0, -1.0), y)
    np.testing.assert_allclose(calibration.probabilities(np.array([scale]))[0, 1], 21 / 22, rtol=1e-4)


def test_the_sigmoid_is_the_optimum_of_a_direct_search(rng):
    scores, y = rng.normal(0, 3, 200), rng.integers(0, 2, 200)
    y[scores > 1] = 1
    targets = np.where(y == 1, (y.sum() + 1) / (y.sum() + 2), 1 / (len(y) - y.sum() + 2))

    def loss(parameters):
        p = np.clip(expit(parameters[0] * scores + parameters[1]), 1e-15, 1 - 1e-15)
        return -np.sum(targets * np.log(p) + (1 - targets) * np.log(1 - p))

    best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000})
    found = fit_calibration(scores, y)
    np.testing.assert_allclose([found.slope, found.offset], best.x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("as_probabilities", [False, True])
def test_the_temperature_is_found_again(rng, as_probabilities):
    """Labels drawn by the softmax of logits; the classifier says four times as much."""
    logits = rng.normal(0, 1.5, (4000, 5))
    y = (rng.random((4000, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    scores = softmax(4 * logits, axis=1) if as_probabilities else 4 * logits
    calibration = fit_calibration(scores, y)
    assert calibration.method == "temperature"
    assert calibration.of_probabilities == as_probabilities
    assert 1 / calibration.slope == pytest.approx(4, rel=0.05)
    found = calibration.probabilities(scores)
    assert log_loss(y, found) == pytest.approx(log_loss(y, softmax(logits, axis=1)), rel=0.01)
    np.testing.assert_allclose(calibration.probabilities(scores[:1]), found[:1])  # of a batch, and alone


def test_two_columns_are_two_classes(two_classes):
    svm, X, y = two_classes
    scores = svm.decision_function(X)
    one, two = fit_calibration(scores, y), fit_calibration(np.stack([-scores / 2, scores / 2], axis=1), y)
    np.testing.assert_allclose(one.slope, two.slope, rtol=1e-5)


def test_scores_that_tell_nothing_or_everything_make_finite_probabilities():
    y = np.arange(60) % 3
    for scores in (np.zeros((60, 3)), np.eye(3)[y] * 1e6, np.eye(3)[y]):
        found = fit_calibration(scores, y).probabilities(scores)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.sum(axis=1), 1)
    for scores in (np.zeros(60), np.full(60, 1e300), (y > 0) - 0.5):
        assert np.isfinite(fit_calibration(scores, (y > 0).astype(int)).probabilities(scores)).all()


def test_what_can_not_be_calibrated():
    assert fit_calibration(np.zeros((19, 3)), np.zeros(19, int)) is None  # too few
    with pytest.raises(InputError, match="finite"):
        fit_calibration(np.full((30, 3), np.nan), np.zeros(30, int))
    with pytest.raises(InputError, match="go from 0 to 3"):
        fit_calibration(np.zeros((30, 3)), np.full(30, 3) * (np.arange(30) > 0))
    with pytest.raises(InputError, match="no calibration"):
        Calibration("isotonic", 1.0, 0.0, False, 30)
