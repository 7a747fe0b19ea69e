"""KernelRidge against scikit-learn's, and against learning from mirror images as rows of their own."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge as Reference
from sklearn.metrics.pairwise import rbf_kernel

from cvclassic.errors import InputError
from cvclassic.svm import KernelRidge
from cvclassic.svm.conjugate_gradients import nystroem_preconditioner, solve
from cvclassic.svm.radial import lower_triangle, product, radial_rows, triangle_bytes

EXACT = {"tol": 1e-7, "gamma": 0.1}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr("cvclassic.svm.radial.TILE", 100)


def targets(y, k=10):
    return np.where(y[:, np.newaxis] == np.arange(k), 1.0, -1 / (k - 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_scikit_learn(digits, dtype, small_tiles):
    X, y = digits
    X = (X + 100).astype(dtype)  # an origin far away must not cost the digits of the distances
    ours = KernelRidge(alpha=0.01, **EXACT).fit(X[:730], y[:730])
    theirs = Reference(alpha=0.01, kernel="rbf", gamma=0.1).fit(X[:730].astype(float), targets(y[:730]))
    scores = ours.decision_function(X[730:])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, theirs.predict(X[730:].astype(float)), atol=2e-3)
    np.testing.assert_array_equal(ours.predict(X[730:]), scores.argmax(axis=1))
    assert np.mean(ours.predict(X[730:]) == y[730:]) > 0.95
    assert 0 < ours.residual_ <= 1e-7
    assert 0 < ours.n_iter_ < 100


def test_two_classes(digits):
    X, y = digits[0][digits[1] < 2], digits[1][digits[1] < 2]
    ours = KernelRidge(alpha=0.1, **EXACT).fit(X[:200], y[:200])
    theirs = Reference(alpha=0.1, kernel="rbf", gamma=0.1).fit(X[:200], 2 * y[:200] - 1)
    np.testing.assert_allclose(ours.decision_function(X[200:]), theirs.predict(X[200:]), atol=1e-4)
    np.testing.assert_array_equal(ours.predict(X[200:]), (theirs.predict(X[200:]) > 0).astype(int))
    assert ours.dual_coef_.shape == (200, 1)


@pytest.mark.parametrize("class_weight", ["balanced", {3: 5.0}])
def test_class_weights_are_weights_of_squared_errors(digits, class_weight, small_tiles):
    X, y = digits[0][:400], digits[1][:400]
    kept = (y > 4) | (np.arange(400) % 3 == 0)
    X, y = X[kept], y[kept]
    weights = {label: len(y) / (10 * np.sum(y == label)) for label in range(10)}
    weights = weights if class_weight == "balanced" else dict.fromkeys(range(10), 1.0) | class_weight
    ours = KernelRidge(alpha=0.5, class_weight=class_weight, **EXACT).fit(X, y)
    theirs = Reference(alpha=0.5, kernel="rbf", gamma=0.1)
    theirs.fit(X, targets(y), sample_weight=np.array([weights[label] for label in y]))
    np.testing.assert_allclose(ours.decision_function(digits[0]), theirs.predict(digits[0]), atol=1e-3)


def test_the_averaged_kernel_is_learning_from_mirror_images_too(digits, small_tiles):
    """At half the rows, and half the alpha."""
    X, y = digits[0][:500], digits[1][:500]
    flipped = X.reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64)
    parts = np.stack([X + flipped, X - flipped], axis=-1).reshape(len(X), -1) / 2  # keeps distances
    averaged = KernelRidge(alpha=0.01, mirror_parts=True, **EXACT).fit(parts[:300], y[:300])
    doubled = Reference(alpha=0.02, kernel="rbf", gamma=0.1)
    doubled.fit(np.concatenate([X[:300], flipped[:300]]), targets(np.concatenate([y[:300], y[:300]])))
    scores = averaged.decision_function(parts[300:])
    np.testing.assert_allclose(scores, doubled.predict(X[300:]), atol=1e-3)
    np.testing.assert_allclose(scores, doubled.predict(flipped[300:]), atol=1e-3)
    turned = parts[300:] * np.tile([1, -1], 64)
    np.testing.assert_allclose(averaged.decision_function(turned), scores, atol=1e-5)
    plain = KernelRidge(alpha=0.01, **EXACT).fit(parts[:300], y[:300]).decision_function(parts[300:])
    assert np.abs(plain - scores).max() > 0.1


def test_tiles_and_products_with_them(digits, small_tiles):
    X = digits[0][:350].astype(np.float32)
    rows = radial_rows(X, X.mean(axis=0), 0.1, False)
    panels, expected = lower_triangle(rows, None), rbf_kernel(X.astype(float), gamma=0.1)
    for number, panel in enumerate(panels):
        start, stop = 100 * number, min(100 * (number + 1), 350)
        np.testing.assert_allclose(panel, expected[start:stop, :stop], atol=1e-5)
    vectors = np.random.default_rng(0).normal(size=(350, 3))
    np.testing.assert_allclose(product(panels, vectors), expected @ vectors, atol=1e-3)
    assert sum(panel.nbytes for panel in panels) == triangle_bytes(350)


def test_the_preconditioner_saves_steps(digits, small_tiles):
    X, y = digits[0].astype(np.float32), digits[1]
    order = np.random.default_rng(0).permutation(len(X))
    panels = lower_triangle(radial_rows(X[order], X.mean(axis=0), 0.02, False), None)
    limits = {"tol": 1e-4, "max_iter": 1000}
    plain = solve(panels, 1e-2, targets(y[order]), rank=1, **limits)
    helped = solve(panels, 1e-2, targets(y[order]), rank=100, **limits)
    assert max(plain.residual, helped.residual) <= 1e-4
    assert helped.n_iter < plain.n_iter / 2
    for found in (plain, helped):
        left = targets(y[order]) - product(panels, found.x) - 1e-2 * found.x
        assert np.linalg.norm(left, axis=0).max() < 1e-3 * np.linalg.norm(targets(y), axis=0).min()  # in float32


def test_with_all_rows_the_preconditioner_solves_at_once(digits):
    X = digits[0][:300].astype(np.float32)
    panels = lower_triangle(radial_rows(X, X.mean(axis=0), 0.5, False), None)
    b = np.random.default_rng(0).normal(size=(300, 2))
    assert solve(panels, 1e-2, b, rank=300, tol=1e-3, max_iter=10).n_iter <= 3
    r = np.random.default_rng(1).normal(size=(300, 5))
    assert (np.einsum("ij,ij->j", r, nystroem_preconditioner(panels, 1e-2, 50)(r)) > 0).all()


def test_equal_rows_and_few(digits):
    X, y = np.repeat(digits[0][:6], 5, axis=0), np.repeat(digits[1][:6], 5)
    assert (KernelRidge(gamma=0.1).fit(X, y).predict(X) == y).all()
    assert (KernelRidge().fit(X[::5][:2], y[::5][:2]).predict(X[::5][:2]) == y[::5][:2]).all()
    same = KernelRidge().fit(np.ones((10, 4)), [0, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    assert (same.predict(np.ones((2, 4))) == 1).all()


def test_too_few_steps_are_told(digits):
    with pytest.warns(ConvergenceWarning, match=r"stopped after max_iter=2 steps with a residual of \d"):
        KernelRidge(max_iter=2, tol=1e-7, preconditioner_rank=5).fit(*digits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KernelRidge().fit(*digits)


def test_memory_that_does_not_suffice_is_told_before(digits):
    with pytest.raises(InputError, match=r"take 0\.0 GB for 1,797 rows of 64 values.*0\.0 GB are the memory_limit"):
        KernelRidge(memory_limit=1e-3).fit(*digits)
    with pytest.raises(InputError, match=r"take 200\d{3}\.\d GB for 10,000,000 rows .* may be taken of what is free"):
        KernelRidge()._check_memory(10**7, 2)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0}, "alpha=0 is not a number above 0"),
        ({"gamma": "wide"}, "gamma='wide' is unknown"),
        ({"tol": -1.0}, r"tol=-1\.0"),
        ({"preconditioner_rank": 0}, "preconditioner_rank=0"),
        ({"memory_limit": "4GB"}, "memory_limit='4GB'"),
        ({"class_weight": {77: 2.0}}, r"class_weight names \[77\]"),
    ],
)
def test_bad_parameters(digits, parameters, message):
    with pytest.raises(InputError, match=message):
        KernelRidge(**parameters).fit(digits[0][:50], digits[1][:50])


def test_parts_come_in_pairs(digits):
    with pytest.raises(InputError, match=r"an even number of columns; X has 63\. Make them by features\.MirrorParts"):
        KernelRidge(mirror_parts=True).fit(digits[0][:50, 1:], digits[1][:50])
