"""Kernel ridge regression on class labels: a kernel machine whose fit is linear algebra alone."""

import warnings
from functools import partial

import numpy as np
import psutil
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError
from cvclassic.svm.conjugate_gradients import solve
from cvclassic.svm.radial import RadialRows, kernel_times, lower_triangle, radial_rows, triangle_bytes
from cvclassic.svm.threads import on_one_thread
from cvclassic.svm.validation import check_new_data, check_positive, check_training_data, class_weights, scaled_gamma

_FREE_PART = 0.8  # of the memory that is free


class KernelRidge(ClassifierMixin, BaseEstimator):
    """Kernel ridge regression on targets 1 and -1 / (n_classes - 1), with the radial kernel exp(-gamma |x - y|^2).

    All classes are solved for at once, exactly but for `tol`: the kernel's lower triangle in float32, and conjugate
    gradients with a preconditioner. Memory is 2 n^2 bytes for n rows, besides twice the rows themselves; the model
    keeps all rows. `sklearn.kernel_ridge.KernelRidge` has the same numbers, and takes 16 n^2 bytes and n^3 / 3 steps.

    Parameters
    ----------
    alpha : float
        What is added to the diagonal of the kernel; more is smoother.
    gamma : "scale", "auto" or float
        Factor in the kernel; "scale" is 1 / (n_features * X.var()), "auto" is 1 / n_features.
    mirror_parts : bool
        The columns of X are symmetric and antisymmetric parts in turns, as `features.MirrorParts` makes them: the
        kernel is averaged over each image and its mirror image. With half the `alpha` that is the same as learning from
        the mirror images too, of which there are twice the rows.
    class_weight : dict, "balanced" or None
        Weight of the squared errors of each class.
    tol : float
        Largest residual, as a part of the targets' length, that is left for any class.
    max_iter : int
        Most steps; a `ConvergenceWarning` tells where they were too few.
    preconditioner_rank : int
        Eigenvectors of the preconditioner: more take fewer steps, and memory, 4 n bytes each.
    memory_limit : float or None
        Gigabytes that `fit` may take; None is 80 % of what is free.
    random_state : int, RandomState or None
        Of the order of the rows, the first of which the preconditioner is made from.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    vectors_ : float32 array of shape (n, n_features)
        All training rows, in random order: less `center_` and times the root of 2 gamma; with `mirror_parts` first the
        symmetric columns, then the antisymmetric ones.
    half_squares_ : float32 array of shape (n,)
        Half the squared length of each.
    dual_coef_ : float32 array of shape (n, n_classes), or (n, 1) for two classes
        The weight of each training row, in their order in `vectors_`.
    center_ : float64 array of shape (n_features,)
    gamma_ : float
    n_iter_ : int
    residual_ : float
        What is left of the targets, as `tol` measures it.
    n_features_in_ : int
    """

    def __init__(
        self,
        *,
        alpha: float = 3e-3,
        gamma="scale",
        mirror_parts: bool = False,
        class_weight=None,
        tol: float = 1e-3,
        max_iter: int = 200,
        preconditioner_rank: int = 400,
        memory_limit: float | None = None,
        random_state=0,
    ):
        self.alpha = alpha
        self.gamma = gamma
        self.mirror_parts = mirror_parts
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.preconditioner_rank = preconditioner_rank
        self.memory_limit = memory_limit
        self.random_state = random_state

    def fit(self, X, y) -> "KernelRidge":
        """Learn from `X` (n, d), dense, float32 or float64, and labels `y` (n,).

        Raises
        ------
        InputError
            For sparse input, NaN, fewer than two classes, a parameter out of range, an odd number of columns with
            `mirror_parts`, and where memory does not suffice; the message says what it would take.
        """
        check_positive(
            alpha=self.alpha, tol=self.tol, max_iter=self.max_iter, preconditioner_rank=self.preconditioner_rank
        )
        X, self.classes_, codes = check_training_data(self, X, y)
        if self.mirror_parts and X.shape[1] % 2:
            raise InputError(
                f"mirror_parts=True takes symmetric and antisymmetric parts in turns, an even number of columns; X has "
                f"{X.shape[1]}. Make them by features.MirrorParts, or set mirror_parts=False."
            )
        self._check_memory(*X.shape)
        self.gamma_ = scaled_gamma(self.gamma, X)
        self.center_ = X.mean(axis=0, dtype=np.float64)
        if self.mirror_parts:
            self.center_[1::2] = 0  # the mean over images and their mirror images
        order = check_random_state(self.random_state).permutation(len(X))
        rows = radial_rows(X, self.center_, self.gamma_, self.mirror_parts, order)
        self._solve(rows, codes[order])
        self._keep(rows)
        return self

    def decision_function(self, X) -> np.ndarray:
        """Scores, float32 (n, n_classes), about 1 for the class and below 0 for others; (n,) for two classes."""
        check_is_fitted(self)
        X = check_new_data(self, X)
        rows = radial_rows(X, self.center_, self.gamma_, self.mirror_parts)
        scores = kernel_times(rows, self._rows(), self.dual_coef_)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X) -> np.ndarray:
        """The class with the highest score for each row, (n,)."""
        scores = self.decision_function(X)
        return self.classes_[scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(np.intp)]

    def _solve(self, rows: RadialRows, codes: np.ndarray) -> None:
        k = len(self.classes_)
        targets = np.where(codes[:, np.newaxis] == np.arange(k), 1.0, -1 / (k - 1))
        targets = targets[:, 1:] if k == 2 else targets
        weights, roots = class_weights(self.class_weight, self.classes_, np.bincount(codes)), None
        if self.class_weight is not None:
            # With W the weights on the diagonal, (K + alpha / W) c = t is (√W K √W + alpha) (c / √W) = √W t.
            roots = np.sqrt(weights)[codes].astype(np.float32)
            targets = targets * roots[:, np.newaxis]
        limits = {"rank": int(self.preconditioner_rank), "tol": self.tol, "max_iter": int(self.max_iter)}
        panels = lower_triangle(rows, roots)
        solver = partial(solve, panels, self.alpha, targets, **limits)
        found = solver() if len(panels) > 1 else on_one_thread(solver)
        if found.residual > self.tol:
            warnings.warn(
                f"KernelRidge stopped after max_iter={self.max_iter} steps with a residual of {found.residual:.1e}, "
                f"above tol={self.tol:g}. Allow more steps, or a larger alpha or preconditioner_rank.",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.dual_coef_ = (found.x if roots is None else found.x * roots[:, np.newaxis]).astype(np.float32)
        self.n_iter_, self.residual_ = found.n_iter, found.residual

    def _keep(self, rows: RadialRows) -> None:
        parts = [rows.symmetric] if rows.antisymmetric is None else [rows.symmetric, rows.antisymmetric]
        self.vectors_ = np.hstack(parts) if len(parts) > 1 else parts[0]
        self.half_squares_ = rows.half_squares

    def _rows(self) -> RadialRows:
        if not self.mirror_parts:
            return RadialRows(self.vectors_, None, self.half_squares_)
        return RadialRows(*np.split(self.vectors_, 2, axis=1), self.half_squares_)

    def _check_memory(self, n: int, d: int) -> None:
        if self.memory_limit is not None:
            check_positive(memory_limit=self.memory_limit)
        kernel, rest = triangle_bytes(n), 4 * n * (2 * d + 2 * self.preconditioner_rank)
        free = _FREE_PART * psutil.virtual_memory().available if self.memory_limit is None else self.memory_limit * 1e9
        if kernel + rest > free:
            which = "may be taken of what is free" if self.memory_limit is None else "are the memory_limit"
            raise InputError(
                f"KernelRidge would take {(kernel + rest) / 1e9:.1f} GB for {n:,} rows of {d:,} values, "
                f"{kernel / 1e9:.1f} GB of it for their kernel; {free / 1e9:.1f} GB {which}. Fit it on fewer rows, or "
                'use KernelSVM(backend="nystroem").'
            )
