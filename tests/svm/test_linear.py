"""LinearSVM against LinearSVC, whose objective it shares."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from cvclassic.errors import InputError
from cvclassic.svm import LinearSVM
from cvclassic.svm.linear_dual import few_rows
from cvclassic.svm.linear_rows import Rows


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]


def objective(model, X, y, C, factors=None):
    """liblinear's objective, summed over the problems; written out here once more, in float64."""
    total = 0
    for k, (w, b) in enumerate(zip(model.coef_, model.intercept_, strict=True)):
        sign = np.where(y == model.classes_[k if len(model.classes_) > 2 else 1], 1, -1)
        c = np.where(sign > 0, factors[k], 1) if factors is not None else 1
        total += (w @ w + b * b) / 2 + C * (c * np.maximum(0, 1 - sign * (X @ w + b)) ** 2).sum()
    return total


@pytest.mark.parametrize("C", [0.01, 100.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_objective_is_no_worse_than_linear_svc(digits, C, dtype):
    X, y = digits
    ours = LinearSVM(C=C).fit(X.astype(dtype), y)
    theirs = LinearSVC(C=C, dual=False, tol=1e-8, max_iter=100_000).fit(X, y)
    assert objective(ours, X, y, C) <= objective(theirs, X, y, C) * (1 + 1e-5)


def test_weights_are_those_of_linear_svc(digits):
    X, y = digits
    for options in ({}, {"fit_intercept": False}, {"intercept_scaling": 3.0}, {"class_weight": "balanced"}):
        for rows in (y < 10, y < 2):  # ten classes, two classes
            ours = LinearSVM(C=0.5, tol=1e-10, **options).fit(X[rows], y[rows])
            theirs = LinearSVC(C=0.5, dual=False, tol=1e-7, max_iter=100_000, **options).fit(X[rows], y[rows])
            np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-5)
            np.testing.assert_allclose(ours.intercept_, np.broadcast_to(theirs.intercept_, len(ours.coef_)), atol=2e-5)
            np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=2e-4)


def test_class_weight_and_sample_weight(digits):
    X, y = digits
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    options = {"C": 0.3, "class_weight": {3: 5.0, 8: 0.2}}
    ours = LinearSVM(**options, tol=1e-10).fit(X, y, sample_weight=weight)
    theirs = LinearSVC(**options, dual=False, tol=1e-9, max_iter=100_000).fit(X, y, sample_weight=weight)
    repeated = LinearSVM(**options, tol=1e-10).fit(
        np.repeat(X, weight.astype(int), axis=0), np.repeat(y, weight.astype(int))
    )
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-5)
    np.testing.assert_allclose(ours.coef_, repeated.coef_, atol=1e-9)


def test_more_features_than_rows_and_rough_scales():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(120, 400)) * np.logspace(-2, 2, 400)).astype(np.float32)
    y = rng.integers(0, 3, 120)
    ours = LinearSVM().fit(X, y)
    assert (ours.predict(X) == y).all()
    assert ours.coef_.shape == (3, 400)


@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"class_weight": "balanced"}], ids=str)
def test_fewer_rows_than_features_reach_the_same_optimum(digits, options, monkeypatch):
    X, y = digits[0][:50], digits[1][:50] % 3
    weight = np.linspace(0.5, 2, 50)
    wide = LinearSVM(**options, tol=1e-10).fit(X, y, sample_weight=weight)
    theirs = LinearSVC(**options, dual=False, tol=1e-9, max_iter=100_000).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(wide.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(wide.intercept_, np.broadcast_to(theirs.intercept_, 3), atol=1e-5)
    again = LinearSVM(**options, tol=1e-10, warm_start=True).fit(X, y, sample_weight=weight)
    assert again.set_params(C=1.01).fit(X, y, sample_weight=weight).n_iter_ < wide.n_iter_


@pytest.mark.parametrize("C", [0.01, 1000.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_rows_are_solved_by_their_own_weights_to_the_same_optimum(digits, C, dtype, monkeypatch):
    X, y = digits[0][:120].astype(dtype), digits[1][:120]
    X[100:] = X[:20]  # copies, some of them with another label
    weight = np.r_[np.zeros(10), np.linspace(0.5, 2, 110)]
    assert few_rows(Rows(X, 1.0))
    assert not few_rows(Rows(digits[0], 1.0))
    by_rows = LinearSVM(C=C, tol=1e-8).fit(X, y, sample_weight=weight)
    monkeypatch.setattr("cvclassic.svm.linear.few_rows", lambda rows: False)
    by_features = LinearSVM(C=C, tol=1e-8).fit(X, y, sample_weight=weight)
    loss = [objective(model, X, y, C) for model in (by_rows, by_features)]
    assert loss[0] == pytest.approx(loss[1], rel=1e-3 if dtype == np.float32 else 1e-6)
    np.testing.assert_allclose(
        by_rows.decision_function(X), by_features.decision_function(X), atol=2e-2 if dtype == np.float32 else 1e-4
    )


def test_too_few_steps_are_announced(digits):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 "):
        LinearSVM(max_iter=1).fit(*digits)


def test_warm_start_reaches_the_same_optimum_sooner(digits):
    X, y = digits
    warm = LinearSVM(warm_start=True, tol=1e-10)
    for C in (0.1, 0.3, 1.0):
        cold = LinearSVM(C=C, tol=1e-10).fit(X, y)
        warm.set_params(C=C).fit(X, y)
        np.testing.assert_allclose(warm.coef_, cold.coef_, atol=1e-5)
    assert warm.set_params(C=1.01).fit(X, y).n_iter_ < LinearSVM(C=1.01, tol=1e-10).fit(X, y).n_iter_
    assert warm.fit(X[:, :30], y).coef_.shape == (10, 30)  # other data: a fresh start


@pytest.mark.parametrize("preconditioned", [True, False])
@pytest.mark.parametrize("options", [{}, {"class_weight": {3: 5.0}, "fit_intercept": False}], ids=str)
def test_conjugate_gradients_reach_the_same_optimum(digits, options, preconditioned, monkeypatch):
    X, y = digits
    weight = np.linspace(0, 2, len(y))
    direct = LinearSVM(**options, tol=1e-8).fit(X, y, sample_weight=weight)
    monkeypatch.setattr("cvclassic.svm.linear_newton.DIRECT_FEATURES", 10)
    if not preconditioned:
        monkeypatch.setattr("cvclassic.svm.linear_newton.GRAM_FEATURES", 10)
    iterative = LinearSVM(**options, tol=1e-8).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(iterative.coef_, direct.coef_, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        ({}, 10),
        ({"class_weight": "balanced", "C": 3.0}, 10),
        ({"class_weight": {1: 3.0}, "intercept_scaling": 2.0}, 2),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_streamed_batches_reach_the_same_optimum(digits, options, classes, dtype):
    X, y = digits[0][digits[1] < classes].astype(dtype), digits[1][digits[1] < classes]
    passes = []

    def batches():
        passes.append(1)
        for start in range(0, len(X), 250):
            yield X[start : start + 250], y[start : start + 250]

    whole = LinearSVM(**options, tol=1e-9).fit(X, y)
    streamed = LinearSVM(**options, tol=1e-9).fit_stream(batches)
    np.testing.assert_allclose(streamed.coef_, whole.coef_, atol=1e-5 if dtype == np.float64 else 5e-3)
    np.testing.assert_array_equal(streamed.predict(X), whole.predict(X))
    assert len(passes) < 30


@pytest.mark.parametrize("ordered_passes", [0, 2])
def test_streams_in_another_order_each_time_reach_the_same_optimum(digits, ordered_passes):
    X, y = digits
    rng, passes = np.random.default_rng(0), []

    def batches():
        passes.append(1)
        order = np.arange(len(X)) if len(passes) <= ordered_passes + 1 else rng.permutation(len(X))
        for start in range(0, len(X), 250):
            yield X[order[start : start + 250]], y[order[start : start + 250]]

    streamed = LinearSVM(tol=1e-9).fit_stream(batches)
    np.testing.assert_allclose(streamed.coef_, LinearSVM(tol=1e-9).fit(X, y).coef_, atol=1e-5)


def test_streams_that_change_are_refused(digits):
    X, y = digits
    with pytest.raises(InputError, match="pass a function that starts a new pass"):
        LinearSVM().fit_stream([(X, y)])
    once = iter([(X, y)])
    with pytest.raises(InputError, match="brought 0 rows, the first one 600"):
        LinearSVM().fit_stream(lambda: once)
    with pytest.raises(InputError, match="two classes or more"):
        LinearSVM().fit_stream(lambda: [(X[y == 1], y[y == 1])])
    with pytest.raises(InputError, match="NaN"):
        LinearSVM().fit_stream(lambda: [(X * np.nan, y)])
    with pytest.raises(InputError, match="all the same; found 63"):
        LinearSVM().fit_stream(lambda: [(X, y), (X[:, 1:], y)])
