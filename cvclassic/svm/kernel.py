"""A kernel SVM that is fitted by the fastest exact solver at hand and predicts by matrix products."""

from itertools import combinations

import numpy as np
import psutil
import sklearn.svm
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.lazy import is_lazy, lazy_features, map_chunks
from cvclassic.svm.linear import LinearSVM
from cvclassic.svm.nystroem import features, landmark_map, spread
from cvclassic.svm.one_vs_one import BLOCK_ROWS, BLOCK_VECTORS, Kernel, one_vs_rest_scores, pair_decisions, vote
from cvclassic.svm.threads import in_parallel
from cvclassic.svm.validation import (
    check_choice,
    check_new_data,
    check_positive,
    check_training_data,
    gamma_of,
    lazy_new_data,
    lazy_scores,
    scaled_gamma,
)

KERNELS = ("linear", "poly", "rbf", "sigmoid", "chi2", "intersection")
SOLVER_KERNELS = ("linear", "poly", "rbf", "sigmoid")  # those that the solvers compute themselves
BACKENDS = ("auto", "intelex", "sklearn", "nystroem")


class KernelSVM(ClassifierMixin, BaseEstimator):
    """Kernel SVM, one class against one: the model and the numbers of `sklearn.svm.SVC`, sooner.

    The dual problem is solved by scikit-learn-intelex's `SVC` where that runs, else by scikit-learn's; both find the
    same optimum. Prediction is this class's own: blocks of the kernel matrix by BLAS, in the dtype of the data, on as
    many cores as BLAS may use.

    Parameters
    ----------
    kernel : "rbf", "poly", "linear", "sigmoid", "chi2", "intersection" or callable
        "chi2" is exp(-gamma * sum of (x - y)^2 / (x + y)), "intersection" the sum of min(x, y), both for histograms;
        a callable gets arrays (n, d) and (m, d) and returns the (n, m) kernel values. These three keep the matrix of
        all training rows in memory, 8 n^2 bytes, unless the backend is "nystroem".
    C : float
        Weight of the loss.
    gamma : "scale", "auto" or float
        Factor in the kernel; "scale" is 1 / (n_features * X.var()), "auto" is 1 / n_features.
    degree : int
        Degree of "poly".
    coef0 : float
        Constant in "poly" and "sigmoid".
    backend : "auto", "intelex", "sklearn" or "nystroem"
        Who solves the problem; "auto" is intelex where it can be imported. "nystroem" solves another problem, for sets
        beyond about 100,000 rows: features from the kernel values to `n_landmarks` training rows, and `LinearSVM`.
    n_landmarks : int
        For "nystroem": more are more exact; memory is 4 n * n_landmarks bytes for float32 data.
    probability : bool
        Whether to fit `predict_proba` as well: Platt's sigmoid on 5-fold cross-validated scores
        (`sklearn.calibration.CalibratedClassifierCV`), which costs five more fits.
    random_state : int, RandomState or None
        Draws the landmarks.
    class_weight : dict, "balanced" or None
        Factor on `C` for each class.
    tol : float
        Largest violation of the optimality conditions that is left.
    max_iter : int
        Most iterations of the solver; -1 for no limit.
    cache_size : float
        Cache for kernel values, MB.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    support_ : int array of shape (n_support,)
        Rows of the training data that are support vectors, grouped by class.
    support_vectors_ : array of shape (n_support, n_features), dtype of the training data
    n_support_ : int array of shape (n_classes,)
    dual_coef_ : float64 array of shape (n_classes - 1, n_support)
        In libsvm's layout and signs, as `sklearn.svm.SVC` has it.
    intercept_ : float64 array of shape (n_classes * (n_classes - 1) / 2,)
        These five only for the exact backends.
    landmarks_, projection_, linear_ : arrays and LinearSVM
        Only for "nystroem".
    gamma_ : float
    n_features_in_ : int
    """

    def __init__(
        self,
        *,
        kernel="rbf",
        C: float = 1.0,
        gamma="scale",
        degree: int = 3,
        coef0: float = 0.0,
        backend: str = "auto",
        n_landmarks: int = 1000,
        probability: bool = False,
        random_state=None,
        class_weight=None,
        tol: float = 1e-3,
        max_iter: int = -1,
        cache_size: float = 1000,
    ):
        self.kernel = kernel
        self.C = C
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.backend = backend
        self.n_landmarks = n_landmarks
        self.probability = probability
        self.random_state = random_state
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.cache_size = cache_size

    def fit(self, X, y) -> "KernelSVM":
        """Learn from `X` (n, d), dense, float32 or float64 and kept so, and labels `y` (n,).

        With `backend="nystroem"` they may be Dask arrays: one pass for `gamma="scale"`, one over the chunks that hold
        landmarks, and those of `LinearSVM.fit` over features that are made from `X`.

        Raises
        ------
        InputError
            For sparse input, NaN, fewer than two classes, or a parameter out of range.
        MissingDependencyError
            If `backend="intelex"` and scikit-learn-intelex can't be imported.
        """
        if not callable(self.kernel):
            check_choice("kernel", self.kernel, KERNELS)
        check_choice("backend", self.backend, BACKENDS)
        check_positive(C=self.C, tol=self.tol, degree=self.degree, cache_size=self.cache_size)
        if is_lazy(X) or is_lazy(y):
            return self._fit_lazily(X, y)
        X, self.classes_, codes = check_training_data(self, X, y)
        self._check_histograms(X.min())
        self.gamma_ = scaled_gamma(self.gamma, X)
        if self.backend == "nystroem":
            self._fit_nystroem(X, codes)
        else:
            self._fit_exact(X, codes)
        if self.probability:
            from sklearn.calibration import CalibratedClassifierCV  # here: who predicts alone needs none of it

            plain = clone(self).set_params(probability=False)
            self.calibrated_ = CalibratedClassifierCV(plain, method="sigmoid", cv=5, ensemble=False)
            try:
                self.calibrated_.fit(X, self.classes_[codes])
            except ValueError as error:
                raise InputError(f"probability=True needs five rows of each class or more: {error}") from error
        return self

    def prepare(self, X) -> None:
        """Import the solver, which takes a moment; a run does so before its clock starts."""
        if self.backend != "nystroem":
            _solver_class(self.backend)

    def decision_function(self, X) -> np.ndarray:
        """Scores: (n, n_classes), votes plus scaled confidence as `SVC`'s "ovr" shape; (n,) for two classes."""
        check_is_fitted(self)
        if is_lazy(X):
            return lazy_scores(self, X)
        X = self._checked(X)
        if self.backend == "nystroem":
            return self.linear_.decision_function(self._features(X))
        decisions = self._pair_decisions(X)
        # Between two classes scikit-learn lets positive mean the second, the vote among many lets it mean the first.
        return -decisions[:, 0] if len(self.classes_) == 2 else one_vs_rest_scores(decisions, len(self.classes_))

    def predict(self, X) -> np.ndarray:
        """The class that wins most of its duels for each row, (n,); for "nystroem" the one with the highest score."""
        check_is_fitted(self)
        if is_lazy(X):
            return map_chunks(self, "predict", lazy_new_data(self, X), (), self.classes_.dtype)
        X = self._checked(X)
        if self.backend == "nystroem":
            return self.classes_[self.linear_.predict(self._features(X))]
        return self.classes_[vote(self._pair_decisions(X), len(self.classes_))]

    @available_if(lambda self: self.probability)
    def predict_proba(self, X) -> np.ndarray:
        """Calibrated probabilities (n, n_classes); only with `probability=True`."""
        return self.calibrated_.predict_proba(self._checked(X))

    def _fit_lazily(self, X, y):
        if self.backend != "nystroem" or self.probability:
            asked = "probability=True" if self.backend == "nystroem" else f'backend="{self.backend}"'
            raise InputError(
                f"{asked} needs all rows in memory, and X or y is a Dask array. For such data use LinearSVM, or "
                'KernelSVM(backend="nystroem", probability=False); or pass X.compute() and y.compute() where they fit.'
            )
        check_positive(n_landmarks=self.n_landmarks)
        X = lazy_features(X) if is_lazy(X) else X
        if is_lazy(X):
            variance, low = spread(X)
            self._check_histograms(low)
            self.n_features_in_ = X.shape[1]
            self.gamma_ = gamma_of(self.gamma, X.shape[1], variance)
            drawn = landmark_map(X, self._kernel(), int(self.n_landmarks), self.random_state)
            self.landmarks_, self.projection_ = drawn
            X = map_chunks(self, "_features", X, self.projection_.shape[1:], self.projection_.dtype)
        self.linear_ = LinearSVM(C=self.C, class_weight=self.class_weight).fit(X, y)
        self.classes_, self.linear_.classes_ = self.linear_.classes_, np.arange(len(self.linear_.classes_))
        self.linear_.class_weight = self._coded_class_weight()
        self.n_iter_ = self.linear_.n_iter_
        return self

    def _check_histograms(self, low):
        if self.kernel == "chi2" and low < 0:
            raise InputError(f'kernel="chi2" compares histograms, values of 0 or more; X goes down to {low:g}.')

    def _checked(self, X):
        check_is_fitted(self)
        return check_new_data(self, X)

    def _kernel(self):
        return self.kernel if callable(self.kernel) else Kernel(self.kernel, self.gamma_, self.degree, self.coef0)

    def _pair_decisions(self, X):
        sign = -1 if len(self.classes_) == 2 else 1
        weights, intercept = sign * self._pair_weights(), sign * self.intercept_
        return pair_decisions(X, self.support_vectors_, weights, intercept, self._kernel())

    def _features(self, X):
        return features(X, self.landmarks_, self.projection_, self._kernel())

    def _fit_nystroem(self, X, codes):
        check_positive(n_landmarks=self.n_landmarks)
        kernel = self._kernel()
        self.landmarks_, self.projection_ = landmark_map(X, kernel, int(self.n_landmarks), self.random_state)
        self.linear_ = LinearSVM(C=self.C, class_weight=self._coded_class_weight())
        self.linear_.fit(self._features(X), codes)
        self.n_iter_ = self.linear_.n_iter_

    def _fit_exact(self, X, codes):
        own = self.kernel in SOLVER_KERNELS
        solver = _solver_class(self.backend)(
            kernel=self.kernel if own else "precomputed",
            C=self.C,
            gamma=self.gamma_,
            degree=self.degree,
            coef0=self.coef0,
            class_weight=self._coded_class_weight(),
            tol=self.tol,
            max_iter=self.max_iter,
            cache_size=self.cache_size,
        )
        data = X if own else _kernel_matrix(X, self._kernel())
        try:
            solver.fit(data, codes)
        except ValueError as error:
            raise InputError(str(error)) from error
        self._take_model(X, codes, solver)

    def _pair_weights(self):
        """`dual_coef_` spread out to (n_support, pairs), zero where a vector takes no part in a duel."""
        starts = np.concatenate([[0], np.cumsum(self.n_support_)])
        pairs = list(combinations(range(len(self.classes_)), 2))
        weights = np.zeros((len(self.support_vectors_), len(pairs)))
        for pair, (i, j) in enumerate(pairs):
            own, other = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
            weights[own, pair] = self.dual_coef_[j - 1, own]
            weights[other, pair] = self.dual_coef_[i, other]
        return weights

    def _coded_class_weight(self):
        if not isinstance(self.class_weight, dict):
            return self.class_weight
        codes = {label: code for code, label in enumerate(self.classes_.tolist())}
        unknown = [label for label in self.class_weight if label not in codes]
        if unknown:
            raise InputError(f"class_weight names {unknown}, which are not classes of y: {list(codes)}.")
        return {codes[label]: weight for label, weight in self.class_weight.items()}

    def _take_model(self, X, codes, solver):
        """Keep the arrays that prediction needs and let the solver go: a pickle must not need scikit-learn-intelex."""
        order = np.argsort(codes[solver.support_], kind="stable")
        self.support_ = np.asarray(solver.support_)[order]
        self.support_vectors_ = X[self.support_]
        self.n_support_ = np.bincount(codes[self.support_], minlength=len(self.classes_))
        self.dual_coef_ = np.asarray(solver.dual_coef_, np.float64)[:, order]
        self.intercept_ = np.asarray(solver.intercept_, np.float64).ravel()
        self.n_iter_ = int(np.max(solver.n_iter_))

    def _take_pairs(self, vectors, weights, intercept, n_classes):
        """Take over a model given by its weights for each pair, (n_support, pairs); the inverse of `_pair_weights`.

        A support vector belongs to class i if it speaks for i in a duel (i, j), to j if against.
        """
        owner = np.zeros(len(vectors), np.intp)
        dual_coef = np.zeros((n_classes - 1, len(vectors)))
        for pair, (i, j) in enumerate(combinations(range(n_classes), 2)):
            first, second = weights[:, pair] > 0, weights[:, pair] < 0
            owner[first], owner[second] = i, j
            dual_coef[j - 1, first] = weights[first, pair]
            dual_coef[i, second] = weights[second, pair]
        order = np.argsort(owner, kind="stable")
        sign = -1 if n_classes == 2 else 1
        self.support_vectors_ = vectors[order]
        self.n_support_ = np.bincount(owner, minlength=n_classes)
        self.dual_coef_ = sign * dual_coef[:, order]
        self.intercept_ = sign * intercept


def _kernel_matrix(X, kernel):
    """All kernel values of the training rows, float64 as the solvers want them, computed in blocks on all cores."""
    needed, free = 8 * len(X) ** 2, psutil.virtual_memory().available
    if needed > 0.8 * free:
        raise InputError(
            f"The kernel matrix of {len(X)} rows takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free. "
            'Use fewer rows, backend="nystroem", or a kernel out of ' + ", ".join(SOLVER_KERNELS) + "."
        )
    K = np.empty((len(X), len(X)))

    def fill(start):
        rows = slice(start, start + BLOCK_ROWS)
        for first in range(0, len(X), BLOCK_VECTORS):
            columns = slice(first, first + BLOCK_VECTORS)
            K[rows, columns] = _checked_values(kernel(X[rows], X[columns]), X[rows], X[columns])

    in_parallel(fill, range(0, len(X), BLOCK_ROWS))
    return K


def _checked_values(values, X, Y):
    if np.shape(values) != (len(X), len(Y)):
        raise InputError(
            f"The kernel returned shape {np.shape(values)} for arrays {X.shape} and {Y.shape}; it must return "
            f"{(len(X), len(Y))}, a value for each pair of rows."
        )
    return values


def _solver_class(backend):
    if backend == "sklearn":
        return sklearn.svm.SVC
    try:
        from sklearnex.svm import SVC
    except Exception as error:  # an extension that doesn't fit the machine fails in more ways than ImportError
        if backend == "auto":
            return sklearn.svm.SVC
        raise MissingDependencyError(
            f'backend="intelex" needs scikit-learn-intelex, which can\'t be imported here ({error}). '
            'Install it with "pip install scikit-learn-intelex" (x86-64 only), or use backend="auto".'
        ) from error
    return SVC
