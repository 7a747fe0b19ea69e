"""A linear SVM whose primal is solved by Newton's method: seconds where coordinate descent takes a minute."""

import warnings

import numpy as np
import scipy.linalg
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from cvclassic.errors import InputError
from cvclassic.lazy import is_lazy, map_chunks
from cvclassic.svm.linear_chunks import Chunks
from cvclassic.svm.linear_passes import GRAM_FEATURES, Passes, solve_by_passes
from cvclassic.svm.linear_stream import Stream
from cvclassic.svm.threads import in_parallel, on_one_thread, sum_in_parallel
from cvclassic.svm.validation import (
    check_new_data,
    check_positive,
    check_training_data,
    class_weights,
    lazy_new_data,
    lazy_scores,
)

BLOCK_ROWS = 4096  # rows per BLAS call: large enough for its full speed, small enough for float32 sums to stay exact
DIRECT_FEATURES = 2000  # up to here each Newton step is solved from its Gram matrix, beyond by conjugate gradients
CONJUGATE_STEPS = 200
SLOW_STEPS = 12  # Newton's method needs fewer on well-scaled data; beyond them rounding is the likely cause


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
    subtracts those that left it. Where there are fewer rows than features, the same is done in the space that the rows
    span.

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
        rows = _Rows(X, float(self.intercept_scaling) if self.fit_intercept else None)
        problems = _one_vs_rest(codes, factors, weight, X.dtype)
        W = self._start(len(problems), X.shape[1], previous)
        solve = _solve_in_row_space if rows.n < min(rows.d, GRAM_FEATURES) else _solve
        self.n_iter_, converged = solve(rows, problems, W, float(self.C), self.tol, self.max_iter)
        self._take(W, converged)
        return self

    def fit_stream(self, batches) -> "LinearSVM":
        """Learn from data that don't fit in memory: the optimum of `fit`, in a dozen passes or so over the batches.

        Memory: one batch, and for each class two or three (n_features, n_features) float64 matrices.

        Parameters
        ----------
        batches : callable
            Called without arguments at the start of each pass; returns an iterable of `(X, y)`, each as for `fit`,
            the same data in every pass. A batch need not hold all classes. Ten thousand rows or more are a good size.

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


class _Rows:
    """The data with the constant feature, never copied whole: products are taken block by block."""

    def __init__(self, X, constant):
        self.X, self.constant = X, constant
        self.n, self.d = len(X), X.shape[1] + (constant is not None)

    def scores(self, W):
        """`W` (k, d) times the rows: (k, n) in the data's dtype."""
        weights = W[:, : self.X.shape[1]].astype(self.X.dtype)
        scores = np.empty((len(W), self.n), self.X.dtype)

        def fill(block):
            np.matmul(weights, self.X[block].T, out=scores[:, block])

        in_parallel(fill, self.blocks())
        if self.constant is not None:
            scores += (W[:, -1:] * self.constant).astype(self.X.dtype)
        return scores

    def weighted_sum(self, R):
        """`R` (k, n) times the rows: (k, d), summed over blocks in float64."""
        total = np.zeros((len(R), self.d))
        width = self.X.shape[1]
        total[:, :width] = sum_in_parallel(lambda b: R[:, b] @ self.X[b], self.blocks(), (len(R), width))
        if self.constant is not None:
            total[:, -1] = self.constant * R.sum(axis=1, dtype=np.float64)
        return total

    def products(self):
        """The product of each row with each other, (n, n) float64."""

        def product(start):
            part = self.X[:, start : start + BLOCK_ROWS].astype(np.float64)
            return part @ part.T

        total = sum_in_parallel(product, range(0, self.X.shape[1], BLOCK_ROWS), (self.n, self.n))
        return total if self.constant is None else total + self.constant**2

    def blocks(self):
        return [slice(start, start + BLOCK_ROWS) for start in range(0, self.n, BLOCK_ROWS)]

    def gram(self, index, weight, dtype=None):
        """Sum of `weight[i] * x_i x_i^T` over the rows of `index`: (d, d) float64, from BLAS in `dtype`."""

        def product(start):
            chosen = index[start : start + BLOCK_ROWS]
            part = np.empty((len(chosen), self.d), dtype or self.X.dtype)
            part[:, : self.X.shape[1]] = self.X[chosen]
            if self.constant is not None:
                part[:, -1] = self.constant
            if weight is not None:
                part *= np.sqrt(weight[chosen])[:, None]
            return part.T @ part  # NumPy sees the transpose and calls BLAS's SYRK

        return sum_in_parallel(product, range(0, len(index), BLOCK_ROWS), (self.d, self.d))


class _Problem:
    """One class against the rest: its signs, its weights, its Gram matrix of the rows in `active`."""

    def __init__(self, sign, weight):
        self.sign, self.weight = sign, weight
        self.gram = self.active = self.dtype = None

    def update_gram(self, rows, active):
        """Bring the Gram matrix to the rows of `active` by whichever of the two ways touches fewer of them."""
        entered, left = np.flatnonzero(active & ~self.active), np.flatnonzero(self.active & ~active)
        if len(entered) + len(left) <= np.count_nonzero(active):
            self.gram = self.gram + self._gram(rows, entered) - self._gram(rows, left)
        else:
            self.gram = self._gram(rows, np.flatnonzero(active))
        self.active = active

    def use_float64(self, rows):
        """Leave float32 sums behind: their rounding matters where it is not small beside the penalty's 1."""
        self.dtype = np.float64
        self.gram = self._gram(rows, np.flatnonzero(self.active))

    def newton_step(self, rows, gradient, C):
        step = self._solved(gradient, C)
        if step @ gradient < 0:
            return step
        self.use_float64(rows)
        step = self._solved(gradient, C)
        return step if step @ gradient < 0 else -gradient / (1 + 2 * C * np.trace(self.gram))

    def _gram(self, rows, index):
        return rows.gram(index, self.weight, self.dtype)

    def _solved(self, gradient, C):
        hessian = 2 * C * self.gram
        hessian.flat[:: len(hessian) + 1] += 1
        return -np.linalg.solve(hessian, gradient)


def _one_vs_rest(codes, factors, weight, dtype):
    """A `_Problem` per class, or one for two classes, whose positive class is the second."""
    problems = []
    for k in range(len(factors)) if len(factors) > 2 else [1]:
        own = codes == k
        # liblinear's convention: with several classes the rest keeps weight 1.
        rest = factors[0] if len(factors) == 2 else 1.0
        scale = None if factors[k] == rest == 1 else np.where(own, factors[k], rest)
        if weight is not None:
            scale = weight if scale is None else scale * weight
        problems.append(_Problem(np.where(own, 1, -1).astype(dtype), None if scale is None else scale.astype(dtype)))
    return problems


def _solve(rows, problems, W, C, tol, max_iter):
    """Newton's method for all problems side by side, changing `W` (k, d) in place; returns steps taken, converged."""
    direct = rows.d <= DIRECT_FEATURES
    margins = rows.scores(W)
    for problem, margin in zip(problems, margins, strict=True):
        margin *= problem.sign
    if direct:
        _start_grams(rows, problems)
    else:
        preconditioned = _preconditioner(rows, problems, C)
    todo = np.arange(len(problems))
    for step in range(1, max_iter + 1):
        chosen = [problems[k] for k in todo]
        gradients = _gradients(rows, chosen, W[todo], margins[todo], C)
        if direct:
            P = _newton_steps(rows, chosen, margins[todo], gradients, C, step == SLOW_STEPS)
        else:
            P = _conjugate_gradient_steps(rows, chosen, margins[todo], gradients, C, preconditioned)
        new = rows.scores(W[todo] + P)
        arguments = zip(chosen, W[todo], margins[todo], P, new, gradients, strict=True)
        moved = in_parallel(lambda each: _moved(*each, C, tol), arguments)
        for k, (w, margin, _) in zip(todo, moved, strict=True):
            W[k], margins[k] = w, margin
        todo = np.array([k for k, (_, _, done) in zip(todo, moved, strict=True) if not done], np.intp)
        if not len(todo):
            break
    return step, not len(todo)


def _solve_in_row_space(rows, problems, W, C, tol, max_iter):
    """`_solve` where there are fewer rows than features: the weights are sums of rows, so that n unknowns suffice.

    Rows become coordinates along the principal axes of the space that they span, which keep all lengths and products.
    """
    values, vectors = on_one_thread(np.linalg.eigh, rows.products())
    kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
    lengths = np.sqrt(values[kept])
    inverse = vectors[:, kept] / lengths
    coordinates = _Rows((vectors[:, kept] * lengths).astype(rows.X.dtype), None)
    V = rows.scores(W).astype(np.float64) @ inverse
    outcome = _solve(coordinates, problems, V, C, tol, max_iter)
    W[:] = rows.weighted_sum(V @ inverse.T)
    return outcome


def _newton_steps(rows, problems, margins, gradients, C, slow):
    def step(each):
        problem, margin, gradient = each
        problem.update_gram(rows, margin < 1)
        if slow and rows.X.dtype != np.float64:
            problem.use_float64(rows)
        return problem.newton_step(rows, gradient, C)

    return np.array(in_parallel(step, zip(problems, margins, gradients, strict=True)))


def _preconditioner(rows, problems, C):
    """A function that solves `M Z = R` for the rows of `R` (k, d), where M is near the Hessian of every problem.

    M is the Hessian with all rows inside the margin, where Newton's method starts. The rows that leave it take little
    away, so that a dozen conjugate gradient steps suffice. Beyond `GRAM_FEATURES` it is the identity.
    """
    if rows.d > GRAM_FEATURES:
        return np.copy
    hessian = rows.gram(np.arange(rows.n), None)
    weights = [1.0 if problem.weight is None else float(problem.weight.mean()) for problem in problems]
    hessian *= 2 * C * np.mean(weights)
    hessian.flat[:: len(hessian) + 1] += 1
    factor = scipy.linalg.cho_factor(hessian, overwrite_a=True, check_finite=False)
    return lambda R: scipy.linalg.cho_solve(factor, R.T, check_finite=False).T


def _conjugate_gradient_steps(rows, problems, margins, gradients, C, preconditioned):
    """Newton steps by conjugate gradients, where a (d, d) matrix per class is too much; all classes share each pass."""
    factors = 2 * C * (margins < 1)
    for factor, problem in zip(factors, problems, strict=True):
        if problem.weight is not None:
            factor *= problem.weight
    P, residual = np.zeros_like(gradients), -gradients
    D = preconditioned(residual)
    square = np.einsum("kd,kd->k", residual, D)
    goal = 1e-4 * square  # residual at a hundredth of the gradient: enough for Newton's fast last steps
    for _ in range(CONJUGATE_STEPS):
        k = np.flatnonzero(square > goal)
        if not len(k):
            break
        curved = D[k] + rows.weighted_sum(rows.scores(D[k]) * factors[k].astype(rows.X.dtype))
        length = (square[k] / np.einsum("kd,kd->k", D[k], curved))[:, None]
        P[k] += length * D[k]
        residual[k] -= length * curved
        Z = preconditioned(residual[k])
        new = np.einsum("kd,kd->k", residual[k], Z)
        D[k] = Z + (new / square[k])[:, None] * D[k]
        square[k] = new
    return P


def _moved(problem, w, margins, p, new, gradient, C, tol):
    """Step from `w` along `p`: weights and margins there, and whether `w` was good enough already."""
    objective = _objective(w, margins, problem.weight, C)
    # What a step can gain is known no better than to the rounding of the objective at w = 0.
    start = C * (len(margins) if problem.weight is None else problem.weight.sum(dtype=np.float64))
    done = -gradient @ p / 2 <= tol * objective + np.finfo(margins.dtype).eps * start
    new *= problem.sign
    length = _line_search(w, p, margins, new, gradient, problem.weight, C)
    margins = new if length == 1 else margins + margins.dtype.type(length) * (new - margins)
    return w + length * p, margins, done or length == 0


def _start_grams(rows, problems):
    """All rows are inside the margin at w = 0, so that classes with equal weights share one Gram matrix."""
    everything = np.arange(rows.n)
    shared = {}
    for problem in problems:
        key = None if problem.weight is None else problem.weight.tobytes()
        if key not in shared:
            shared[key] = rows.gram(everything, problem.weight)
        problem.gram, problem.active = shared[key], np.ones(rows.n, bool)


def _gradients(rows, problems, W, margins, C):
    R = np.minimum(margins - 1, 0)
    for row, problem in enumerate(problems):
        R[row] *= problem.sign
        if problem.weight is not None:
            R[row] *= problem.weight
    return W + 2 * C * rows.weighted_sum(R)


def _objective(w, margins, weight, C):
    loss = np.square(np.maximum(1 - margins, 0))
    if weight is not None:
        loss *= weight
    return 0.5 * (w @ w) + C * loss.sum(dtype=np.float64)


def _line_search(w, p, old, new, gradient, weight, C):
    """Step length along `p` from margins `old` (length 0) towards `new` (length 1); 0 where nothing is to be gained.

    Newton's full step is taken where it lowers the objective enough. Otherwise the minimum along the line, where the
    increasing, piecewise linear derivative is zero, is found by bisection.
    """
    slope = gradient @ p
    here = _objective(w, old, weight, C)
    if _objective(w + p, new, weight, C) <= here + 1e-3 * slope:
        return 1.0
    direction = new - old

    def derivative(t):
        hinge = np.minimum(old + t * direction - 1, 0) * direction
        if weight is not None:
            hinge *= weight
        return (w + t * p) @ p + 2 * C * hinge.sum(dtype=np.float64)

    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if derivative(middle) < 0 else (low, middle)
    return low if _objective(w + low * p, old + low * direction, weight, C) < here else 0.0


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
