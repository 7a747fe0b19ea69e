"""A linear SVM whose primal is solved by Newton's method: seconds where coordinate descent takes a minute."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from cvclassic.errors import InputError
from cvclassic.lazy import is_lazy, map_chunks
from cvclassic.svm.linear_chunks import Chunks
from cvclassic.svm.linear_dual import few_rows, solve_by_rows
from cvclassic.svm.linear_newton import one_vs_rest, solve_by_features
from cvclassic.svm.linear_passes import Passes, solve_by_passes
from cvclassic.svm.linear_rows import Rows
from cvclassic.svm.linear_stream import Stream
from cvclassic.svm.validation import (
    check_new_data,
    check_positive,
    check_training_data,
    class_weights,
    lazy_new_data,
    lazy_scores,
)


class LinearSVM(ClassifierMixin, BaseEstimator):
    r"""Linear SVM with L2 penalty and squared hinge loss, one class against the rest.

    Minimizes the objective of `sklearn.svm.LinearSVC(loss="squared_hinge", dual=False)`, for each class

    .. math:: \tfrac{1}{2} \lVert w \rVert^2 + C \sum_i c_i \max(0, 1 - y_i w^\top x_i)^2

    with its conventions: the intercept is the weight of an appended constant feature `intercept_scaling` and is
    penalized with the rest; with more than two classes `class_weight` acts on the rows of the class that stands
    against the rest, and not on the rest.

    The method is Newton's with a line search (Keerthi and DeCoste, "A modified finite Newton method for fast
    solution of large scale linear SVMs", JMLR 6, 2005), each step solved directly from the Gram matrix of the rows
    inside the margin; beyond 2,000 features by conjugate gradients, up to 8,000 preconditioned by the Gram matrix of
    all rows. Classes start from one shared Gram matrix, and each step only adds the rows that entered the margin and
    subtracts those that left it. Where there are fewer than twice as many rows as features, and up to 8,000, Newton's
    method is done on the weights of the rows inside the margin (Chapelle, "Training a support vector machine in the
    primal", Neural Computation 19, 2007).

    Parameters
    ----------
    C : float
        Weight of the loss; larger fits the training rows more closely.
    class_weight : dict, "balanced" or None
        Factor on `C` for each class.
    fit_intercept : bool
        Whether to learn an intercept.
    intercept_scaling : float
        Value of the constant feature; the larger, the less the intercept is penalized.
    tol : float
        A class is done when the next Newton step can lower its objective by no more than this fraction of it.
    max_iter : int
        Most Newton steps; 10 to 20 are usual. A `ConvergenceWarning` says when they didn't suffice.
    warm_start : bool
        Start from the weights of the last `fit`, if its classes and features were the same: for a path of `C`, smallest
        first, with `set_params(C=...).fit(X, y)`.

    Attributes
    ----------
    coef_ : float64 array of shape (n_classes, n_features), or (1, n_features) for two classes
    intercept_ : float64 array of shape (n_classes,), or (1,)
    classes_ : array of shape (n_classes,)
    n_iter_ : int
    n_features_in_ : int
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        class_weight=None,
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        tol: float = 1e-6,
        max_iter: int = 100,
        warm_start: bool = False,
    ):
        self.C = C
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def fit(self, X, y, sample_weight=None) -> "LinearSVM":
        """Learn from `X` (n, d), dense, float32 or float64 (the arithmetic follows its dtype), and labels `y` (n,).

        `X` may be a Dask array of up to 8,000 features, `y` and `sample_weight` Dask arrays or arrays in memory. The
        optimum is the same, found in a dozen passes or so over the chunks by what computes Dask arrays at the moment.
        The chunks are computed once and kept in files where they were computed, until the fit ends. A worker needs
        memory for a few chunks and, for each class, three or four (n_features, n_features) float64 matrices; the caller
        for two or three. `warm_start` is not heeded then.

        Raises
        ------
        InputError
            For sparse input, NaN, fewer than two classes, or a parameter out of range.
        """
        check_positive(C=self.C, intercept_scaling=self.intercept_scaling, tol=self.tol, max_iter=self.max_iter)
        if is_lazy(X) or is_lazy(y) or is_lazy(sample_weight):
            return self._fit_passes(Chunks(self, X, y, sample_weight))
        previous = (self.classes_, self.coef_, self.intercept_) if hasattr(self, "coef_") else None
        X, self.classes_, codes = check_training_data(self, X, y)
        weight = None if sample_weight is None else _check_weight(sample_weight, X)
        factors = class_weights(self.class_weight, self.classes_, np.bincount(codes, weights=weight))
        rows = Rows(X, float(self.intercept_scaling) if self.fit_intercept else None)
        problems = one_vs_rest(codes, factors, weight, X.dtype)
        W = self._start(len(problems), X.shape[1], previous)
        solve = solve_by_rows if few_rows(rows) else solve_by_features
        self.n_iter_, converged = solve(rows, problems, W, float(self.C), self.tol, self.max_iter)
        self._take(W, converged)
        return self

    def fit_stream(self, batches) -> "LinearSVM":
        """Learn from data that don't fit in memory: the optimum of `fit`, in a dozen passes or so over the batches.

        Memory: one batch, for each class two or three (n_features, n_features) float64 matrices, and a bit for each row
        and class: which rows were inside the margin, so that later passes only add and subtract those that crossed it.

        Parameters
        ----------
        batches : callable
            Called without arguments at the start of each pass; returns an iterable of `(X, y)`, each as for `fit`,
            the same data in every pass; where batches come in another order, passes take longer. A batch need not hold
            all classes. Ten thousand rows or more are a good size.

        Raises
        ------
        InputError
            As `fit` does; and if a pass brings other rows than the first, or n_features is above 8,000.
        """
        check_positive(C=self.C, intercept_scaling=self.intercept_scaling, tol=self.tol, max_iter=self.max_iter)
        return self._fit_passes(Stream(self, batches))

    def _fit_passes(self, passes: Passes) -> "LinearSVM":
        self.classes_ = passes.classes
        self.n_features_in_ = passes.n_features
        factors = class_weights(self.class_weight, self.classes_, passes.counts)
        W, self.n_iter_, converged = solve_by_passes(passes, factors, float(self.C), self.tol, self.max_iter)
        self._take(W, converged, stacklevel=4)
        return self

    def _start(self, n_problems, n_features, previous):
        """The weights to start from, (k, d): zeros, or with `warm_start` those of the last fit where they still fit."""
        W = np.zeros((n_problems, n_features + bool(self.fit_intercept)))
        if self.warm_start and previous is not None:
            classes, coef, intercept = previous
            if np.array_equal(classes, self.classes_) and coef.shape == (n_problems, n_features):
                W[:, :n_features] = coef
                if self.fit_intercept:
                    W[:, -1] = intercept / self.intercept_scaling
        return W

    def _take(self, W, converged, stacklevel=3):
        if not converged:
            warnings.warn(
                f"LinearSVM stopped after max_iter={self.max_iter} Newton steps above tol={self.tol:g}; scale the "
                "features, lower C, or raise max_iter.",
                ConvergenceWarning,
                stacklevel=stacklevel,
            )
        self.coef_ = np.ascontiguousarray(W[:, : self.n_features_in_])
        self.intercept_ = W[:, -1] * self.intercept_scaling if self.fit_intercept else np.zeros(len(W))

    def decision_function(self, X) -> np.ndarray:
        """Signed scores: (n, n_classes), or (n,) for two classes, where positive means `classes_[1]`.

        Of a Dask array a Dask array, as with `predict`.
        """
        check_is_fitted(self)
        if is_lazy(X):
            return lazy_scores(self, X)
        X = check_new_data(self, X)
        scores = X @ self.coef_.T.astype(X.dtype) + self.intercept_.astype(X.dtype)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X) -> np.ndarray:
        """The class with the highest score for each row, (n,)."""
        if is_lazy(X):
            check_is_fitted(self)
            return map_chunks(self, "predict", lazy_new_data(self, X), (), self.classes_.dtype)
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)]


def _check_weight(sample_weight, X):
    try:
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
    except ValueError as error:
        raise InputError(str(error)) from error
    if weight.min() < 0 or weight.max() == 0:
        raise InputError(
            f"sample_weight runs from {weight.min():g} to {weight.max():g}; weights are 0 or more, not all 0."
        )
    return weight
