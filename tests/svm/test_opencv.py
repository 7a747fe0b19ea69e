"""OpenCVSVM against cv2.ml.SVM itself."""

import warnings

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC, NuSVC

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.svm import OpenCVSVM

pytestmark = pytest.mark.skipif(not hasattr(cv2, "ml"), reason="this OpenCV has no cv2.ml to compare with")

KERNELS = {
    "linear": "LINEAR",
    "rbf": "RBF",
    "poly": "POLY",
    "sigmoid": "SIGMOID",
    "chi2": "CHI2",
    "intersection": "INTER",
}
SETTINGS = {"C": 2.0, "gamma": 0.05, "degree": 2, "coef0": 0.5}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def train_cv2(kernel, X, y, weights=None, C=2.0):
    model = cv2.ml.SVM_create()
    model.setType(cv2.ml.SVM_C_SVC)
    model.setKernel(getattr(cv2.ml, f"SVM_{KERNELS[kernel]}"))
    model.setC(C)
    model.setGamma(0.05)
    model.setDegree(2)
    model.setCoef0(0.5)
    if weights is not None:
        model.setClassWeights(np.array(weights, np.float64).reshape(-1, 1))
    model.setTermCriteria((cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 10_000_000, 1e-3))
    model.train(X, cv2.ml.ROW_SAMPLE, y.astype(np.int32))
    return model


@pytest.mark.parametrize("kernel", KERNELS)
def test_predicts_what_cv2_predicts(digits, kernel):
    X, y = digits
    ours = OpenCVSVM(kernel=kernel, **SETTINGS).fit(X[:600], y[:600])
    theirs = train_cv2(kernel, X[:600], y[:600])
    np.testing.assert_array_equal(ours.predict(X[600:]), theirs.predict(X[600:])[1].ravel())


@pytest.mark.parametrize("kernel", KERNELS)
def test_two_classes_have_cv2_raw_output(digits, kernel):
    X, y = digits[0][digits[1] % 8 == 1], digits[1][digits[1] % 8 == 1]  # ones and nines
    ours = OpenCVSVM(kernel=kernel, class_weight={1: 3.0}, **SETTINGS).fit(X[:200], y[:200])
    raw = train_cv2(kernel, X[:200], y[:200], [3.0, 1.0]).predict(X, flags=cv2.ml.STAT_MODEL_RAW_OUTPUT)[1].ravel()
    # cv2's raw output is positive for the first class, scikit-learn's decision function for the second.
    np.testing.assert_allclose(ours.decision_function(X), -raw, atol=2e-4)


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly"])
def test_same_optimum_as_svc(digits, kernel):
    X, y = digits
    ours = OpenCVSVM(kernel=kernel, **SETTINGS, class_weight="balanced").fit(X[:600], y[:600])
    theirs = SVC(kernel=kernel, **SETTINGS, class_weight="balanced").fit(X[:600], y[:600])
    assert (ours.predict(X[600:]) == theirs.predict(X[600:])).mean() > 0.995


@pytest.mark.parametrize("kernel", KERNELS)
def test_stopping_at_the_cap_is_announced(digits, kernel):
    X, y = digits
    with pytest.warns(ConvergenceWarning, match="stopped at max_count=20:"):
        OpenCVSVM(kernel=kernel, max_count=20, **SETTINGS).fit(X[:600], y[:600])


def test_opencv_s_own_cap_costs_accuracy_in_silence_and_ours_does_not():
    X, y = overlapping(2000)
    capped = cv2.ml.SVM_create()  # as it comes: 1,000 iterations
    capped.setKernel(cv2.ml.SVM_LINEAR)
    capped.setC(1)
    capped.train(X[:1000], cv2.ml.ROW_SAMPLE, y[:1000])
    ours = OpenCVSVM(kernel="linear", C=1).fit(X[:1000], y[:1000])
    lost = ours.score(X[1000:], y[1000:]) - (capped.predict(X[1000:])[1].ravel() == y[1000:]).mean()
    assert lost > 0.05
    with pytest.warns(ConvergenceWarning, match="stopped at max_count=1000:"):
        OpenCVSVM(kernel="linear", C=1, max_count=1000).fit(X[:1000], y[:1000])


def overlapping(n):
    """Two Gaussian clouds, 20 features of very different scale, that no plane separates."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n).astype(np.int32)
    X = rng.normal(size=(n, 20)) + 0.3 * y[:, None]
    return (X * np.linspace(0.1, 2, 20)).astype(np.float32), y


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3])
def test_no_warning_where_cv2_stopped_by_itself(digits, C):
    X, y = digits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OpenCVSVM(kernel="rbf", C=C).fit(X[:600], y[:600])
        OpenCVSVM(kernel="linear", C=C).fit(X[:600], y[:600])


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_nu_type_predicts_what_nu_svc_predicts(digits, kernel):
    X, y = digits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = OpenCVSVM(kernel=kernel, svm_type="NU_SVC", nu=0.2, gamma=0.05).fit(X[:600], y[:600])
    theirs = NuSVC(kernel=kernel, nu=0.2, gamma=0.05).fit(X[:600], y[:600])
    assert (ours.predict(X[600:]) == theirs.predict(X[600:])).mean() > 0.99
    with pytest.warns(ConvergenceWarning, match="stopped at max_count=20:"):
        OpenCVSVM(kernel=kernel, svm_type="NU_SVC", nu=0.2, max_count=20).fit(X[:600], y[:600])


def test_auto_takes_what_train_auto_takes(digits):
    X, y = digits[0][digits[1] < 3][:150], digits[1][digits[1] < 3][:150].astype(np.int32)
    ours = OpenCVSVM(auto=True).fit(X, y)
    model = cv2.ml.SVM_create()
    model.setType(cv2.ml.SVM_C_SVC)
    model.setTermCriteria((cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 10_000_000, 1e-3))
    model.trainAuto(X, cv2.ml.ROW_SAMPLE, y)
    assert (ours.C_, ours.gamma_) == (model.getC(), model.getGamma())
    np.testing.assert_array_equal(ours.predict(X), model.predict(X)[1].ravel())


def test_rows_that_occur_twice(digits):
    X, y = np.repeat(digits[0][:200], 2, axis=0), np.repeat(digits[1][:200], 2)
    y[:40] = 9 - y[:40]  # the same row under two labels as well
    ours = OpenCVSVM(kernel="rbf", **SETTINGS).fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), train_cv2("rbf", X, y).predict(X)[1].ravel())


def test_chi2_needs_histograms(digits):
    with pytest.raises(InputError, match="goes down to -1"):
        OpenCVSVM(kernel="chi2").fit(digits[0] - 1, digits[1])


def test_without_ml_the_message_says_what_to_install(digits, monkeypatch):
    X, y = digits
    fitted = OpenCVSVM().fit(X[:200], y[:200])
    expected = fitted.predict(X)
    monkeypatch.delattr(cv2, "ml")
    np.testing.assert_array_equal(fitted.predict(X), expected)
    with pytest.raises(MissingDependencyError, match="pip install opencv-contrib-python-headless"):
        OpenCVSVM().fit(X, y)
