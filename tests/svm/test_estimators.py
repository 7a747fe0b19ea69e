"""What all classifiers owe their users: scikit-learn's conventions, and clear errors."""

import copy
import pickle

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from cvclassic.errors import InputError
from cvclassic.svm import KernelRidge, KernelSVM, LinearSVM, OpenCVSVM

ESTIMATORS = [LinearSVM(), KernelSVM(), KernelRidge(), OpenCVSVM(), OpenCVSVM(kernel="linear")]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


@parametrize_with_checks(
    [
        LinearSVM(),
        KernelRidge(),
        KernelSVM(),
        KernelSVM(backend="sklearn"),
        KernelSVM(backend="nystroem", n_landmarks=50),
        OpenCVSVM(max_count=100_000),
    ]
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_copies_predict_alike(estimator, digits):
    X, y = digits
    fitted = clone(estimator).fit(X[:600], y[:600])
    expected = fitted.decision_function(X[600:])
    for twin in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(twin.decision_function(X[600:]), expected)
    assert not hasattr(clone(fitted), "classes_")


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_labels_may_be_strings(estimator, digits):
    X, y = digits
    names = np.array([f"digit {label}" for label in range(10)])
    by_name = clone(estimator).fit(X[:400], names[y[:400]]).predict(X[400:600])
    by_number = clone(estimator).fit(X[:400], y[:400]).predict(X[400:600])
    np.testing.assert_array_equal(by_name, names[by_number])


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_works_in_pipelines_and_searches(estimator, digits):
    X, y = digits
    name = type(estimator).__name__.lower()
    parameter, bad, good = ("alpha", 1e6, 1e-2) if isinstance(estimator, KernelRidge) else ("C", 1e-6, 1.0)
    search = GridSearchCV(make_pipeline(StandardScaler(), estimator), {f"{name}__{parameter}": [bad, good]}, cv=2)
    search.fit(X[:300], y[:300])
    assert search.best_params_ == {f"{name}__{parameter}": good}
    assert search.score(X[300:600], y[300:600]) > 0.8


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_bad_input_is_named(estimator, digits):
    X, y = digits[0][:100], digits[1][:100]
    holed = X.copy()
    holed[3, 5] = np.nan
    with pytest.raises(InputError, match="NaN"):
        clone(estimator).fit(holed, y)
    with pytest.raises(InputError, match="only one class: 7"):
        clone(estimator).fit(X, np.full(100, 7))
    with pytest.raises(InputError, match=r"works on dense arrays; found a sparse csr matrix"):
        clone(estimator).fit(csr_matrix(X), y)
    with pytest.raises(InputError, match="inconsistent numbers of samples"):
        clone(estimator).fit(X, y[:50])
    with pytest.raises(InputError, match="could not convert string"):
        clone(estimator).fit(np.full(X.shape, "a dog"), y)
    with pytest.raises(InputError, match="Complex data not supported"):
        clone(estimator).fit(X.astype(complex), y)
    with pytest.raises(InputError, match="Expected 2D array"):
        clone(estimator).fit(X.reshape(-1, 8, 8)[0, 0], y)
    with pytest.raises(InputError, match="Unknown label type"):
        clone(estimator).fit(X, np.linspace(0, 1, 100))
    parameter = "alpha" if isinstance(estimator, KernelRidge) else "C"
    with pytest.raises(InputError, match=f"{parameter}=-1 is not a number above 0"):
        clone(estimator).set_params(**{parameter: -1}).fit(X, y)
    with pytest.raises(InputError, match="class_weight names"):
        clone(estimator).set_params(class_weight={77: 2.0}).fit(X, y)
    fitted = clone(estimator).fit(X, y)
    with pytest.raises(InputError, match=r"X has 63 features, but .* is expecting 64"):
        fitted.predict(X[:, :-1])
    with pytest.raises(InputError, match="NaN"):
        fitted.predict(holed)
