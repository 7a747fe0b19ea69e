"""A kernel SVM that is fitted by the fastest exact solver at hand and predicts by matrix products."""

from itertools import combinations

import numpy as np
import sklearn.svm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.svm.one_vs_one import Kernel, one_vs_rest_scores, pair_decisions, vote
from cvclassic.svm.validation import check_choice, check_new_data, check_positive, check_training_data, scaled_gamma

KERNELS = ("linear", "poly", "rbf")
BACKENDS = ("auto", "intelex", "sklearn")


class KernelSVM(ClassifierMixin, BaseEstimator):
    """Kernel SVM, one class against one: the model and the numbers of `sklearn.svm.SVC`, sooner.

    The dual problem is solved by scikit-learn-intelex's `SVC` where that runs, else by scikit-learn's; both find the
    same optimum. Prediction is this class's own: blocks of the kernel matrix by BLAS, in the dtype of the data, on as
    many cores as BLAS may use.

    Parameters
    ----------
    kernel : "rbf", "poly" or "linear"
    C : float
        Weight of the loss.
    gamma : "scale", "auto" or float
        Factor in the kernel; "scale" is 1 / (n_features * X.var()), "auto" is 1 / n_features.
    degree : int
        Degree of "poly".
    coef0 : float
        Constant in "poly".
    backend : "auto", "intelex" or "sklearn"
        Who solves the problem; "auto" is intelex where it can be imported.
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
    gamma_ : float
    n_features_in_ : int
    """

    def __init__(
        self,
        *,
        kernel: str = "rbf",
        C: float = 1.0,
        gamma="scale",
        degree: int = 3,
        coef0: float = 0.0,
        backend: str = "auto",
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
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.cache_size = cache_size

    def fit(self, X, y) -> "KernelSVM":
        """Learn from `X` (n, d), dense, float32 or float64 and kept so, and labels `y` (n,).

        Raises
        ------
        InputError
            For sparse input, NaN, fewer than two classes, or a parameter out of range.
        MissingDependencyError
            If `backend="intelex"` and scikit-learn-intelex can't be imported.
        """
        check_choice("kernel", self.kernel, KERNELS)
        check_positive(C=self.C, tol=self.tol, degree=self.degree, cache_size=self.cache_size)
        X, self.classes_, codes = check_training_data(self, X, y)
        self.gamma_ = scaled_gamma(self.gamma, X)
        solver = _solver_class(self.backend)(
            kernel=self.kernel,
            C=self.C,
            gamma=self.gamma_,
            degree=self.degree,
            coef0=self.coef0,
            class_weight=self._coded_class_weight(),
            tol=self.tol,
            max_iter=self.max_iter,
            cache_size=self.cache_size,
        )
        try:
            solver.fit(X, codes)
        except ValueError as error:
            raise InputError(str(error)) from error
        self._take_model(X, codes, solver)
        return self

    def decision_function(self, X) -> np.ndarray:
        """Scores: (n, n_classes), votes plus scaled confidence as `SVC`'s "ovr" shape; (n,) for two classes."""
        decisions = self._pair_decisions(X)
        # Between two classes scikit-learn lets positive mean the second, the vote among many lets it mean the first.
        return -decisions[:, 0] if len(self.classes_) == 2 else one_vs_rest_scores(decisions, len(self.classes_))

    def predict(self, X) -> np.ndarray:
        """The class that wins most of its duels for each row, (n,)."""
        decisions = self._pair_decisions(X)
        return self.classes_[vote(decisions, len(self.classes_))]

    def _pair_decisions(self, X):
        check_is_fitted(self)
        X = check_new_data(self, X)
        kernel = Kernel(self.kernel, self.gamma_, self.degree, self.coef0)
        sign = -1 if len(self.classes_) == 2 else 1
        return pair_decisions(X, self.support_vectors_, sign * self._pair_weights(), sign * self.intercept_, kernel)

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


def _solver_class(backend):
    check_choice("backend", backend, BACKENDS)
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
