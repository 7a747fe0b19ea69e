"""SVMs, scaling and principal components on Dask arrays: the answers of arrays in memory, on threads and a cluster."""

import numpy as np
import pytest
import sklearn.decomposition
import sklearn.preprocessing
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from cvclassic.errors import InputError
from cvclassic.features import PCA, StandardScaler
from cvclassic.svm import KernelSVM, LinearSVM

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X[:900] / 16).astype(np.float32), y[:900]


@pytest.fixture(scope="module")
def lazy_digits(digits):
    return da.from_array(digits[0], chunks=(130, 64)), da.from_array(digits[1], chunks=200)


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        ({}, 10),
        ({"class_weight": "balanced", "C": 3.0}, 10),
        ({"class_weight": {1: 3.0}, "intercept_scaling": 2.0}, 2),
        ({"fit_intercept": False}, 3),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_optimum_is_that_of_arrays_and_streams(digits, options, classes, dtype):
    X, y = digits[0][digits[1] < classes].astype(dtype), digits[1][digits[1] < classes]
    rows = da.from_array(X, chunks=(100, 16))
    weight = np.linspace(0, 2, len(y))
    svm = LinearSVM(**options, tol=1e-9)
    whole = LinearSVM(**options, tol=1e-9).fit(X, y, sample_weight=weight)
    found = svm.fit(rows, y, sample_weight=da.from_array(weight, chunks=70))
    near = 1e-5 if dtype == np.float64 else 5e-3
    np.testing.assert_allclose(found.coef_, whole.coef_, atol=near)
    np.testing.assert_allclose(found.intercept_, whole.intercept_, atol=near)

    streamed = LinearSVM(**options, tol=1e-9).fit_stream(
        lambda: [(X[s : s + 100], y[s : s + 100]) for s in range(0, len(X), 100)]
    )
    found = svm.fit(rows, da.from_array(y, chunks=99))
    assert np.linalg.norm(found.coef_ - streamed.coef_) <= 1e-4 * np.linalg.norm(streamed.coef_)
    scores = found.decision_function(rows)
    assert (scores.shape, scores.dtype) == ((len(X),) if classes == 2 else (len(X), classes), dtype)
    np.testing.assert_allclose(scores.compute(), found.decision_function(X), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found.predict(rows).compute(), found.predict(X))


def test_sums_that_are_too_large_take_more_passes(digits, lazy_digits, monkeypatch):
    expected = LinearSVM(tol=1e-9).fit(*lazy_digits)
    monkeypatch.setattr("cvclassic.svm.linear_chunks.BYTES_OF_A_SUM", 3 * 8 * 65 * 65)  # of three of the ten classes
    found = LinearSVM(tol=1e-9).fit(*lazy_digits)
    # BLAS rounds float32 products of three classes otherwise than those of ten.
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-5, atol=2e-6)


def test_empty_chunks_and_labels_that_are_texts(digits):
    X, y = digits[0], np.array([f"digit {label}" for label in digits[1]])
    rows, labels = (da.concatenate([d[:0], d[:500], d[500:500], d[500:]]) for d in (da.from_array(X), da.from_array(y)))
    expected = LinearSVM(tol=1e-9).fit(X, y)
    found = LinearSVM(tol=1e-9).fit(rows, labels)
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=5e-3)
    assert found.predict(rows).dtype == y.dtype
    np.testing.assert_array_equal(found.predict(rows).compute(), expected.predict(X))


def test_a_chunk_is_computed_once_for_all_passes(digits):
    X, y = digits
    computed = []

    def counted(chunk):
        computed.append(len(chunk))
        return chunk

    rows = da.from_array(X, chunks=(300, 64)).map_blocks(counted, dtype=X.dtype, meta=X[:0])
    LinearSVM().fit(rows, y)
    assert computed == [300, 300, 300]


def test_too_few_steps_are_announced(lazy_digits):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 ") as said:
        LinearSVM(max_iter=1).fit(*lazy_digits)
    assert said[0].filename == __file__


def test_unusable_data(digits, lazy_digits):
    X, y = lazy_digits
    holes = da.where(da.arange(900, chunks=X.chunks[0])[:, None] == 300, np.nan, X)
    for rows, labels, message in (
        (holes, y, "chunk 2 of X: Input contains NaN"),
        (X, y[:800], r"y has shape \(800,\), and X holds 900 rows"),
        (X, y * 0, "two classes or more"),
        (X, y + 0.5, "Unknown label type"),
        (X[:, :, None], y, r"shape \(900, 64, 1\)"),
        (da.zeros((40, 9000)), np.arange(40) % 2, "up to 8000 features"),
        (X[X[:, 20] > 0.5], y, "compute_chunk_sizes"),
    ):
        with pytest.raises(InputError, match=message):
            LinearSVM().fit(rows, labels)
    with pytest.raises(InputError, match="0 for all rows"):
        LinearSVM().fit(X, y, sample_weight=np.zeros(900))
    with pytest.raises(InputError, match="negative"):
        LinearSVM().fit(X, y, sample_weight=np.full(900, -1.0))
    with pytest.raises(InputError, match="expecting 64"):
        LinearSVM().fit(X, y).predict(X[:, 1:])
    for statistics in (PCA(), StandardScaler(), KernelSVM(backend="nystroem")):
        with pytest.raises(InputError, match="chunk 2 of X: it holds NaN"):
            statistics.fit(holes, y)
    with pytest.raises(InputError, match="n_components=65"):
        PCA(65).fit(X)
    with pytest.raises(InputError, match="goes down to -1"):
        KernelSVM(kernel="chi2", backend="nystroem").fit(X - 1, y)


@pytest.mark.parametrize(
    "options", [{}, {"kernel": "chi2", "gamma": 1.0}, {"class_weight": {3: 4.0}, "C": 5.0}], ids=str
)
def test_nystroem_draws_the_same_landmarks(digits, lazy_digits, options):
    X, y = digits
    options = {"backend": "nystroem", "n_landmarks": 80, "random_state": 5} | options
    expected, found = KernelSVM(**options).fit(X, y), KernelSVM(**options).fit(*lazy_digits)
    np.testing.assert_array_equal(found.landmarks_, expected.landmarks_)
    assert found.gamma_ == pytest.approx(expected.gamma_, rel=1e-6)
    np.testing.assert_allclose(found.decision_function(X), expected.decision_function(X), atol=0.02)
    np.testing.assert_array_equal(found.predict(lazy_digits[0]).compute(), found.predict(X))
    assert found.linear_.get_params() == expected.linear_.get_params()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaling_and_components_are_those_of_scikit_learn(digits, dtype):
    X = digits[0].astype(dtype)
    X[:, 3] = 0.1  # constant
    rows = da.from_array(X, chunks=(130, 20))
    pairs = [
        (StandardScaler(**options), sklearn.preprocessing.StandardScaler(**options))
        for options in ({}, {"with_mean": False}, {"with_std": False}, {"with_mean": False, "with_std": False})
    ]
    pairs += [
        (PCA(**options), sklearn.decomposition.PCA(svd_solver="covariance_eigh", **options))
        for options in ({"n_components": 12}, {"n_components": 0.8, "whiten": True}, {"n_components": 60})
    ]
    for ours, theirs in pairs:
        ours.fit(rows), theirs.fit(X.astype(np.float64))
        learned = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
        assert {name for name in vars(ours) if name.endswith("_")} == learned
        for name in learned:
            value = getattr(theirs, name)
            if value is None:
                assert getattr(ours, name) is None
            else:
                np.testing.assert_allclose(getattr(ours, name), value, rtol=1e-3, atol=1e-5, err_msg=name)
        found = ours.transform(rows)
        assert (found.shape, found.dtype) == (theirs.transform(X).shape, dtype)
        np.testing.assert_allclose(found.compute(), theirs.transform(X.astype(np.float64)), rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(ours.transform(X), found.compute())


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as workers,
        distributed.Client(workers) as client,
    ):
        yield client


def test_a_cluster_keeps_the_chunks_and_gives_the_same_answer(digits, lazy_digits, cluster, tmp_path):
    X, y = digits
    with dask.config.set(scheduler="threads"):
        expected = LinearSVM(tol=1e-9).fit(*lazy_digits)

    def counted(chunk):
        with (tmp_path / "computed").open("ab") as file:
            file.write(b".")
        return chunk

    rows = da.from_array(X, chunks=(130, 64)).map_blocks(counted, dtype=X.dtype, meta=X[:0])
    found = LinearSVM(tol=1e-9).fit(rows, y)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6, atol=1e-8)
    assert (tmp_path / "computed").stat().st_size == 7  # chunks, each once
    with pytest.raises(InputError, match=r"chunk \d of X: Input contains NaN"):
        LinearSVM().fit(rows * np.nan, y)
