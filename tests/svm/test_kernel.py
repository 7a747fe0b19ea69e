"""KernelSVM against sklearn.svm.SVC."""

import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import chi2_kernel, laplacian_kernel, rbf_kernel, sigmoid_kernel
from sklearn.svm import SVC

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.svm import KernelSVM, OpenCVSVM
from cvclassic.svm.one_vs_one import Kernel

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


@pytest.mark.parametrize("kernel", ["rbf", "poly"])
def test_blocks_meet_seamlessly(digits, kernel, monkeypatch):
    X, y = digits
    model = KernelSVM(kernel=kernel).fit(X[:900], y[:900])
    whole = model.decision_function(X)
    monkeypatch.setattr("cvclassic.svm.one_vs_one.BLOCK_ROWS", 100)
    monkeypatch.setattr("cvclassic.svm.one_vs_one.BLOCK_VECTORS", 37)
    monkeypatch.setattr("cvclassic.svm.one_vs_one.RBF_BLOCK", 37)
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


@pytest.mark.parametrize("kernel", ["chi2", "intersection"])
def test_histogram_kernels_equal_opencv(digits, kernel):
    X, y = digits[0].astype(np.float32), digits[1]
    options = {"kernel": kernel, "C": 2.0, "gamma": 0.3}
    ours, theirs = (
        KernelSVM(**options, tol=1e-4).fit(X[:400], y[:400]),
        OpenCVSVM(**options, tol=1e-4).fit(X[:400], y[:400]),
    )
    np.testing.assert_array_equal(ours.predict(X[:900]), theirs.predict(X[:900]))
    # Votes are whole numbers: what is left besides them are the decision values, equal as far as both solvers go.
    decisions = ours._pair_decisions(X[:900]), theirs._pair_decisions(X[:900])
    np.testing.assert_allclose(*decisions, atol=5e-3)


def test_histogram_kernels_equal_scikit_learn(digits):
    X, Y = digits[0][:50], digits[0][50:120]
    np.testing.assert_allclose(Kernel("chi2", gamma=0.7)(X, Y), chi2_kernel(X, Y, gamma=0.7), atol=1e-12)
    np.testing.assert_allclose(Kernel("intersection")(X, Y), np.minimum(X[:, None], Y[None]).sum(axis=2), atol=1e-12)
    np.testing.assert_allclose(
        Kernel("sigmoid", 0.1, coef0=-1)(X, Y), sigmoid_kernel(X, Y, gamma=0.1, coef0=-1), atol=1e-12
    )


def test_callable_kernel(digits):
    X, y = digits[0][:500], digits[1][:500]
    ours = KernelSVM(kernel=laplacian_kernel).fit(X[:300], y[:300])
    theirs = SVC(kernel=laplacian_kernel).fit(X[:300], y[:300])
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-8)
    with pytest.raises(InputError, match=r"returned shape \(\) for arrays"):
        KernelSVM(kernel=lambda X, Y: 1.0).fit(X, y)


def test_nystroem_with_all_rows_as_landmarks_is_the_exact_kernel(digits):
    X, y = digits[0][:400], digits[1][:400]
    model = KernelSVM(gamma=0.1, backend="nystroem", n_landmarks=400, random_state=0).fit(X, y)
    features = model._features(X)
    np.testing.assert_allclose(features @ features.T, rbf_kernel(X, gamma=0.1), atol=1e-8)


def test_nystroem_learns_and_is_seeded(digits):
    X, y = digits[0].astype(np.float32), digits[1]
    model = KernelSVM(C=3.0, backend="nystroem", n_landmarks=200, random_state=3).fit(X[:1000], y[:1000])
    again = clone(model).fit(X[:1000], y[:1000])
    assert model.score(X[1000:], y[1000:]) > 0.92
    assert model.landmarks_.dtype == np.float32
    np.testing.assert_array_equal(again.decision_function(X), model.decision_function(X))
    other = clone(model).set_params(random_state=4).fit(X[:1000], y[:1000])
    assert not np.array_equal(other.landmarks_, model.landmarks_)


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_only_when_asked(digits, classes):
    X, y = digits[0][digits[1] < classes][:400], digits[1][digits[1] < classes][:400]
    plain = KernelSVM().fit(X[:300], y[:300])
    asked = KernelSVM(probability=True).fit(X[:300], y[:300])
    assert not hasattr(plain, "predict_proba")
    proba = asked.predict_proba(X[300:])
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (asked.classes_[proba.argmax(axis=1)] == y[300:]).mean() > 0.9
    np.testing.assert_array_equal(asked.decision_function(X), plain.decision_function(X))


def test_a_kernel_matrix_beyond_memory_is_refused():
    X = np.zeros((1_000_000, 1), np.float32)
    X[::2] = 1
    with pytest.raises(InputError, match=r"takes 8000\.0 GB, and .* are free"):
        KernelSVM(kernel="intersection").fit(X, X[:, 0].astype(int))
