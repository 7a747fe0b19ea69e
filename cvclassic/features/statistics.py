"""Scaling and principal components of features that may be Dask arrays: scikit-learn's, with sums over chunks.

On arrays in memory both are scikit-learn's own. On a Dask array `fit` is one pass over the chunks, which adds up means
and squares (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
1979), and `transform` gives a Dask array.
"""

import copy
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import sklearn.decomposition
import sklearn.preprocessing
from sklearn.utils.extmath import svd_flip
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError
from cvclassic.images import check_in_memory
from cvclassic.lazy import is_lazy, lazy_features, map_chunks, reduce_chunks

BLOCK_ROWS = 4096  # that are made float64 at a time


class StandardScaler(sklearn.preprocessing.StandardScaler):
    """`sklearn.preprocessing.StandardScaler` that takes Dask arrays too; parameters and attributes are the same."""

    def fit(self, X, y=None, sample_weight=None) -> "StandardScaler":
        """Learn mean and variance of each column of `X` (n, d); of a Dask array in one pass.

        Raises
        ------
        InputError
            For a Dask array with NaN or infinite values in it, and for `sample_weight` with one.
        """
        if not is_lazy(X):
            return super().fit(X, y, sample_weight)
        X = lazy_features(X)
        if sample_weight is not None:
            raise InputError("StandardScaler takes sample_weight for arrays in memory alone; leave it out.")
        found = _moments(X, squares_alone=True)
        self.n_features_in_, self.n_samples_seen_ = X.shape[1], found.n
        variance = found.scatter / found.n
        self.mean_ = found.mean if self.with_mean or self.with_std else None
        self.var_ = variance if self.with_std else None
        self.scale_ = _scale(variance, found.mean, found.n) if self.with_std else None
        return self

    def partial_fit(self, X, y=None, sample_weight=None) -> "StandardScaler":
        """Scikit-learn's, on arrays in memory."""
        check_in_memory(X)
        return super().partial_fit(X, y, sample_weight)

    def transform(self, X, copy=None):
        """The columns brought to mean 0 and variance 1, (n, d); of a Dask array a Dask array."""
        if not is_lazy(X):
            return super().transform(X, copy)
        check_is_fitted(self)
        X = _checked(self, X)
        # A chunk may be another task's too, so that it is not overwritten, whatever `copy` says.
        return map_chunks(_copying(self), "transform", X, (X.shape[1],), X.dtype)


class PCA(sklearn.decomposition.PCA):
    """`sklearn.decomposition.PCA` that takes Dask arrays too; parameters and attributes are the same.

    On a Dask array `fit` is scikit-learn's `svd_solver="covariance_eigh"`, whatever the parameter says, in one pass:
    memory is one (d, d) float64 matrix for each sum that is on its way. `n_components="mle"` is for arrays in memory.
    """

    def fit(self, X, y=None) -> "PCA":
        """Learn the components of `X` (n, d); of a Dask array in one pass.

        Raises
        ------
        InputError
            For a Dask array with NaN or infinite values in it, or fewer rows or columns than `n_components`.
        """
        if not is_lazy(X):
            return super().fit(X, y)
        X = lazy_features(X)
        self._check_components(X)
        found = _moments(X, squares_alone=False)
        if found.n < 2:
            raise InputError("PCA needs two rows or more.")
        values, vectors = scipy.linalg.eigh(found.scatter / (found.n - 1))
        values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1].T
        self._take(values, svd_flip(None, vectors, u_based_decision=False)[1], found, X.dtype)
        return self

    def fit_transform(self, X, y=None):
        """`fit(X).transform(X)`."""
        return self.fit(X).transform(X) if is_lazy(X) else super().fit_transform(X, y)

    def transform(self, X):
        """The rows of `X` along the components, (n, n_components); of a Dask array a Dask array."""
        if not is_lazy(X):
            return super().transform(X)
        check_is_fitted(self)
        X = _checked(self, X)
        return map_chunks(self, "transform", X, (self.n_components_,), X.dtype)

    def _check_components(self, X) -> None:
        n, d = X.shape
        wanted = self.n_components
        whole = isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool) and 1 <= wanted <= min(n, d)
        if not (wanted is None or whole or (isinstance(wanted, float) and 0 < wanted < 1)):
            raise InputError(
                f"n_components={wanted!r}; of a Dask array of shape {X.shape} it is None, a whole number from 1 to "
                f"{min(n, d)}, or a share of the variance between 0 and 1."
            )

    def _take(self, values, components, found, dtype) -> None:
        n, d = found.n, len(values)
        ratio = values / max(values.sum(), np.finfo(np.float64).tiny)
        if isinstance(self.n_components, float):
            kept = int(np.searchsorted(np.cumsum(ratio), self.n_components, side="right")) + 1
        else:
            kept = self.n_components or min(n, d)
        self.n_components_ = kept = min(int(kept), n, d)
        self.n_samples_, self.n_features_in_ = n, d
        self.mean_ = found.mean.astype(dtype)
        self.components_ = np.ascontiguousarray(components[:kept], dtype)
        self.explained_variance_ = values[:kept].astype(dtype)
        self.explained_variance_ratio_ = ratio[:kept].astype(dtype)
        self.singular_values_ = np.sqrt(values[:kept] * (n - 1)).astype(dtype)
        self.noise_variance_ = float(values[kept : min(n, d)].mean()) if kept < min(n, d) else 0.0


@dataclass(frozen=True, eq=False)
class Moments:
    """Of n rows: their mean (d,), and the sum of squared differences from it, (d,), or of their products, (d, d)."""

    n: int
    mean: np.ndarray
    scatter: np.ndarray


def _moments(X, *, squares_alone: bool) -> Moments:
    return reduce_chunks(_of_chunk, _together, [X], squares_alone)


def _of_chunk(X, squares_alone: bool) -> Moments:
    d = X.shape[1]
    found = Moments(0, np.zeros(d), np.zeros(d if squares_alone else (d, d)))
    for start in range(0, len(X), BLOCK_ROWS):
        rows = X[start : start + BLOCK_ROWS].astype(np.float64)
        if not np.isfinite(rows).all():
            raise InputError("it holds NaN or infinite values; remove or replace them.")
        mean = rows.mean(axis=0)
        rows -= mean
        scatter = np.einsum("ij,ij->j", rows, rows) if squares_alone else rows.T @ rows
        found = _together([found, Moments(len(rows), mean, scatter)])
    return found


def _together(parts: list[Moments]) -> Moments:
    n = sum(part.n for part in parts)
    if not n:
        return parts[0]
    mean = sum(part.n / n * part.mean for part in parts)
    scatter = np.zeros_like(parts[0].scatter)
    for part in parts:
        scatter += part.scatter
        apart = part.mean - mean
        scatter += part.n * (apart * apart if scatter.ndim == 1 else np.outer(apart, apart))
    return Moments(n, mean, scatter)


def _scale(variance: np.ndarray, mean: np.ndarray, n: int) -> np.ndarray:
    """The deviations; 1 where a column is constant but for the rounding of its mean, as in scikit-learn."""
    eps = np.finfo(np.float64).eps
    constant = variance <= n * eps * variance + (n * mean * eps) ** 2
    return np.where(constant, 1.0, np.sqrt(variance))


def _checked(estimator, X):
    X = lazy_features(X)
    if X.shape[1] != estimator.n_features_in_:
        raise InputError(
            f"X has {X.shape[1]} features, and {type(estimator).__name__} was fitted on {estimator.n_features_in_}."
        )
    return X


def _copying(scaler: StandardScaler) -> sklearn.preprocessing.StandardScaler:
    found = copy.copy(scaler)
    found.copy = True
    return found
