"""KernelSVM against sklearn.svm.SVC."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.svm import KernelSVM

OPTIONS = [
    {"kernel": "rbf", "C": 3.0},
    {"kernel": "rbf", "C": 1.0, "gamma": 0.02, "class_weight": {3: 4.0}},
    {"kernel": "linear", "C": 0.1, "class_weight": "balanced"},
    {"kernel": "poly", "degree": 2, "coef0": 1.0, "gamma": "auto"},
]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("classes", [10, 2])
@pytest.mark.parametrize("backend", ["auto", "sklearn"])
def test_equals_svc(digits, options, classes, backend):
    X, y = digits[0][digits[1] < classes], digits[1][digits[1] < classes]
    if classes == 2:
        options = {**options, "class_weight": {1: 4.0} if isinstance(options.get("class_weight"), dict) else None}
    half = len(X) // 2
    ours = KernelSVM(**options, backend=backend, tol=1e-5).fit(X[:half], y[:half])
    theirs = SVC(**options, tol=1e-5).fit(X[:half], y[:half])
    np.testing.assert_array_equal(ours.predict(X[half:]), theirs.predict(X[half:]))
    np.testing.assert_allclose(
        ours.decision_function(X[half:]),
        theirs.decision_function(X[half:]),
        atol=1e-8 if backend == "sklearn" else 2e-3,
    )


def test_float32_stays_float32_and_agrees(digits):
    X, y = digits
    X = X + 1000  # an origin far away must not cost the digits of the distances
    double = KernelSVM(C=3.0, gamma=0.1, backend="sklearn").fit(X[:900], y[:900])
    single = KernelSVM(C=3.0, gamma=0.1, backend="sklearn").fit(X[:900].astype(np.float32), y[:900])
    assert single.support_vectors_.dtype == np.float32
    np.testing.assert_array_equal(single.predict(X[900:].astype(np.float32)), double.predict(X[900:]))


def test_blocks_meet_seamlessly(digits, monkeypatch):
    X, y = digits
    model = KernelSVM().fit(X[:900], y[:900])
    whole = model.decision_function(X)
    monkeypatch.setattr("cvclassic.svm.one_vs_one.BLOCK_ROWS", 100)
    monkeypatch.setattr("cvclassic.svm.one_vs_one.BLOCK_VECTORS", 37)
    np.testing.assert_allclose(model.decision_function(X), whole, atol=1e-9)


def test_unknown_choices_are_named(digits):
    with pytest.raises(InputError, match="kernel='spline' is unknown"):
        KernelSVM(kernel="spline").fit(*digits)
    with pytest.raises(InputError, match="backend='gpu' is unknown"):
        KernelSVM(backend="gpu").fit(*digits)
    with pytest.raises(InputError, match="gamma='wide' is unknown"):
        KernelSVM(gamma="wide").fit(*digits)


def test_without_intelex_auto_is_sklearn_and_intelex_says_what_to_install(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearnex.svm", None)
    monkeypatch.setitem(sys.modules, "sklearnex", None)
    X, y = digits[0][:200], digits[1][:200]
    auto, plain = KernelSVM().fit(X, y), KernelSVM(backend="sklearn").fit(X, y)
    np.testing.assert_array_equal(auto.decision_function(X), plain.decision_function(X))
    with pytest.raises(MissingDependencyError, match="pip install scikit-learn-intelex"):
        KernelSVM(backend="intelex").fit(X, y)
