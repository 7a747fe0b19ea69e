"""OpenCV's SVM, `cv2.ml.SVM`, as a scikit-learn classifier: its results, without its silent early stop."""

import warnings
from itertools import combinations

import cv2
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.svm.kernel import KernelSVM
from cvclassic.svm.linear import LinearSVM
from cvclassic.svm.one_vs_one import Kernel, one_vs_rest_scores, pair_decisions, vote
from cvclassic.svm.opencv_files import KERNEL_NAMES, TYPES, read_model, write_model
from cvclassic.svm.threads import in_parallel
from cvclassic.svm.validation import (
    check_choice,
    check_new_data,
    check_positive,
    check_training_data,
    class_weights,
    scaled_gamma,
)

# A linear model is trained as a polynomial of degree 1: the same problem and the same steps, but OpenCV throws the
# weights of the support vectors of its linear models away, and without them nobody can tell whether it converged.
CV2_KERNELS = {**KERNEL_NAMES, "linear": "POLY"}
CHECKED_ROWS = 1000  # rows per pair of classes on which convergence is checked: a fraction of the cost of training


class OpenCVSVM(ClassifierMixin, BaseEstimator):
    """`cv2.ml.SVM`: one class against one, computed in float32.

    OpenCV stops after 1,000 iterations unless it is told otherwise, and doesn't say so; on 50,000 HOG vectors that
    costs 7 points of accuracy. Here the cap is `max_count`, and where training ends there, a `ConvergenceWarning` says
    so. OpenCV exposes no iteration count, so that the warning rests on the optimality conditions: their largest
    violation over each pair's training rows (a sample of at most 1,000 of them) is computed from the model, and
    compared with `tol`, the bound at which OpenCV stops by itself.

    Pairs of classes are independent problems to OpenCV as well; they are trained on all cores here. The result is
    kept as arrays, so that a fitted model can be copied and pickled, and predicts where `cv2.ml` is missing. `save`
    and `load` exchange models with C++ and Python programs that use `cv2.ml.SVM`; neither needs `cv2.ml`.

    Parameters
    ----------
    kernel : "linear", "rbf", "poly", "sigmoid", "chi2" or "intersection"
        "chi2" is exp(-gamma * sum of (x - y)^2 / (x + y)), "intersection" the sum of min(x, y).
    C : float
        Weight of the loss.
    gamma : "scale", "auto" or float
        Factor in "rbf", "poly", "sigmoid" and "chi2"; "scale" is 1 / (n_features * X.var()), "auto" is 1 / n_features.
    degree : float
        Degree of "poly".
    coef0 : float
        Constant in "poly" and "sigmoid".
    svm_type : "C_SVC" or "NU_SVC"
    nu : float
        For "NU_SVC", in place of `C`: bound on the share of rows inside the margin, in (0, 1].
    auto : bool
        Let OpenCV's `trainAuto` choose `C` or `nu`, and what the kernel has of `gamma`, `degree` and `coef0`, by
        10-fold cross-validation over its own grid; it runs on one core and trains hundreds of models.
    class_weight : dict, "balanced" or None
        Factor on `C` for each class.
    tol : float
        Largest violation of the optimality conditions that is left.
    max_count : int
        Most iterations per pair of classes (`cv::TermCriteria::maxCount`).

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    support_vectors_ : float32 array of shape (n_support, n_features)
    pair_coef_ : float64 array of shape (n_support, n_pairs)
        Weight of each support vector in the decision function of each pair i < j, which votes for i above 0.
    pair_intercept_ : float64 array of shape (n_pairs,)
    C_, nu_, gamma_, degree_, coef0_ : float
        What the model was trained with.
    n_features_in_ : int
    """

    def __init__(
        self,
        *,
        kernel: str = "rbf",
        C: float = 1.0,
        gamma="scale",
        degree: float = 3,
        coef0: float = 0.0,
        svm_type: str = "C_SVC",
        nu: float = 0.5,
        auto: bool = False,
        class_weight=None,
        tol: float = 1e-3,
        max_count: int = 10_000_000,
    ):
        self.kernel = kernel
        self.C = C
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.svm_type = svm_type
        self.nu = nu
        self.auto = auto
        self.class_weight = class_weight
        self.tol = tol
        self.max_count = max_count

    def fit(self, X, y) -> "OpenCVSVM":
        """Learn from `X` (n, d), dense, converted to float32, and labels `y` (n,).

        Raises
        ------
        InputError
            For sparse input, NaN, fewer than two classes, or a parameter out of range.
        MissingDependencyError
            Where this OpenCV has no `cv2.ml`.
        """
        _require_ml()
        check_choice("kernel", self.kernel, CV2_KERNELS)
        check_choice("svm_type", self.svm_type, TYPES)
        check_positive(C=self.C, nu=self.nu, degree=self.degree, tol=self.tol, max_count=self.max_count)
        X, self.classes_, codes = check_training_data(self, X, y, dtype=[np.float32])
        if self.kernel == "chi2" and X.min() < 0:
            raise InputError(f'kernel="chi2" compares histograms, values of 0 or more; X goes down to {X.min():g}.')
        self.gamma_ = scaled_gamma(self.gamma, X)
        self.C_, self.nu_ = float(self.C), float(self.nu)
        self.degree_, self.coef0_ = float(self.degree), float(self.coef0)
        if self.auto:
            self._choose(X, codes)
        factors = class_weights(self.class_weight, self.classes_, np.bincount(codes))
        pairs = list(combinations(range(len(self.classes_)), 2))
        models = in_parallel(lambda pair: self._fit_pair(X, codes, pair, factors), pairs)
        self._gather(X, models)
        violation = max(violation for *_, violation in models)
        if violation > 0:
            warnings.warn(
                f"cv2.ml.SVM stopped at max_count={self.max_count}: the optimality conditions are still violated by "
                f"{violation:.3g} (tol={self.tol:g}). Raise max_count, scale the features, or lower C.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def decision_function(self, X) -> np.ndarray:
        """Scores: (n, n_classes), votes plus scaled confidence as in `KernelSVM`; (n,) for two classes."""
        decisions = self._pair_decisions(X)
        return -decisions[:, 0] if len(self.classes_) == 2 else one_vs_rest_scores(decisions, len(self.classes_))

    def predict(self, X) -> np.ndarray:
        """The class that wins most of its duels for each row, (n,), as `cv2.ml.SVM.predict`."""
        decisions = self._pair_decisions(X)
        return self.classes_[vote(decisions, len(self.classes_))]

    def save(self, path) -> None:
        """Write the model as OpenCV's own `save` would, for `cv2.ml.SVM_load` or `cv::ml::SVM::load`.

        The suffix chooses the format: .xml, .yml or .yaml, each also with .gz behind it.

        Raises
        ------
        InputError
            For another suffix, labels that are not whole numbers, or a file that can't be written.
        """
        check_is_fitted(self)
        if self.classes_.dtype.kind not in "iub" or np.abs(self.classes_.astype(np.int64)).max() >= 2**31:
            raise InputError(f"OpenCV's models have 32-bit integers as labels; found {self.classes_[:3].tolist()}...")
        vectors, weights = self.support_vectors_, self.pair_coef_
        if self.kernel == "linear":  # OpenCV, too, keeps only one vector for each pair
            vectors, weights = (weights.T @ vectors).astype(np.float32), np.eye(weights.shape[1])
        write_model(
            path,
            {
                **{name: getattr(self, f"{name}_") for name in ("C", "nu", "gamma", "degree", "coef0", "classes")},
                **{name: getattr(self, name) for name in ("svm_type", "kernel", "tol", "max_count")},
                "vectors": vectors,
                "weights": weights,
                "intercept": self.pair_intercept_,
            },
        )

    @classmethod
    def load(cls, path) -> "OpenCVSVM":
        """The model that OpenCV (3 or later) or `save` wrote to `path`; it predicts what `cv2.ml.SVM` would.

        Raises
        ------
        InputError
            If the file is missing, damaged, or no classifier of `cv2.ml.SVM`.
        """
        found = read_model(path)
        learned = {name: found.pop(name) for name in ("classes", "vectors", "weights", "intercept")}
        model = cls(**found)
        model.classes_ = learned["classes"]
        model.support_vectors_ = learned["vectors"]
        model.pair_coef_, model.pair_intercept_ = learned["weights"], learned["intercept"]
        model.n_features_in_ = learned["vectors"].shape[1]
        for name in ("C", "nu", "gamma", "degree", "coef0"):
            setattr(model, f"{name}_", float(found[name]))
        return model

    def to_sklearn(self) -> KernelSVM | LinearSVM:
        """The same decisions as a fitted `LinearSVM`, for a linear kernel and two classes, or else `KernelSVM`."""
        check_is_fitted(self)
        if self.kernel == "linear" and len(self.classes_) == 2:
            model = LinearSVM(C=self.C_)
            model.coef_ = -(self.pair_coef_.T @ self.support_vectors_.astype(np.float64))
            model.intercept_, model.n_iter_ = -self.pair_intercept_, 0
        else:
            options = {"gamma": self.gamma_, "degree": self.degree_, "coef0": self.coef0_}
            model = KernelSVM(kernel=self.kernel, C=self.C_, **options, tol=self.tol)
            model._take_pairs(self.support_vectors_, self.pair_coef_, self.pair_intercept_, len(self.classes_))
            model.gamma_ = self.gamma_
        model.classes_, model.n_features_in_ = self.classes_.copy(), self.n_features_in_
        return model

    def _pair_decisions(self, X):
        check_is_fitted(self)
        X = check_new_data(self, X, dtype=[np.float32])
        return pair_decisions(X, self.support_vectors_, self.pair_coef_, self.pair_intercept_, self._kernel())

    def _kernel(self):
        return Kernel(self.kernel, self.gamma_, self.degree_, self.coef0_)

    def _fit_pair(self, X, codes, pair, factors):
        """Train on the rows of two classes; returns their support rows, signed weights, intercept, and violation."""
        rows = np.flatnonzero((codes == pair[0]) | (codes == pair[1]))
        part = X[rows]
        own = codes[rows] == pair[0]
        bounds = self.C_ * np.where(own, factors[pair[0]], factors[pair[1]])
        vectors, alpha, intercept = self._train(part, np.where(own, 0, 1), factors[list(pair)])
        support = _rows_of(vectors, part, own, alpha)
        weights = np.zeros(len(rows))
        np.add.at(weights, support, alpha)
        violation = self._violation(part, own, weights, bounds)
        return rows[support], alpha, intercept, violation

    def _train(self, X, labels, factors):
        model = self._cv2_model(CV2_KERNELS[self.kernel])
        if self.svm_type == "C_SVC":
            model.setClassWeights(np.asarray(factors, np.float64).reshape(-1, 1))
        _call(model.train, X, cv2.ml.ROW_SAMPLE, labels.astype(np.int32))
        rho, alpha, index = model.getDecisionFunction(0)
        return model.getSupportVectors()[index.ravel()], alpha.ravel().astype(np.float64), -rho

    def _cv2_model(self, kernel):
        model = cv2.ml.SVM_create()
        model.setType(getattr(cv2.ml, f"SVM_{self.svm_type}"))
        model.setKernel(getattr(cv2.ml, f"SVM_{kernel}"))
        model.setC(self.C_)
        model.setNu(self.nu_)
        linear = self.kernel == "linear"
        model.setGamma(1.0 if linear else self.gamma_)
        model.setDegree(1.0 if linear else self.degree_)
        model.setCoef0(0.0 if linear else self.coef0_)
        criteria = cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS
        model.setTermCriteria((criteria, min(int(self.max_count), 2**31 - 1), float(self.tol)))
        return model

    def _choose(self, X, codes):
        """Take over what OpenCV's cross-validation prefers."""
        model = self._cv2_model(KERNEL_NAMES[self.kernel])
        _call(model.trainAuto, X, cv2.ml.ROW_SAMPLE, codes.astype(np.int32))
        self.C_, self.nu_, self.gamma_ = model.getC(), model.getNu(), model.getGamma()
        self.degree_, self.coef0_ = model.getDegree(), model.getCoef0()

    def _gather(self, X, models):
        """One set of support vectors for all pairs, and the weights that each pair gives them."""
        used, place = np.unique(np.concatenate([support for support, *_ in models]), return_inverse=True)
        self.support_vectors_ = X[used]
        self.pair_coef_ = np.zeros((len(used), len(models)))
        self.pair_intercept_ = np.array([intercept for *_, intercept, _ in models])
        start = 0
        for pair, (support, alpha, *_) in enumerate(models):
            np.add.at(self.pair_coef_[:, pair], place[start : start + len(support)], alpha)
            start += len(support)

    def _violation(self, X, own, weights, bounds):
        """How far the worst checked row violates the optimality conditions; 0 where OpenCV stopped at `tol`.

        With labels t = +1 and -1, signed weights t a, 0 <= a <= bound, and f(x) without the intercept, the optimum
        has max (t - f) over the rows whose t a can grow no higher than min (t - f) over those whose t a can shrink
        (Fan, Chen and Lin, "Working set selection using second order information", JMLR 6, 2005). OpenCV stops when
        the difference is below `tol`. The margin beyond that is for rounding: OpenCV's kernel values are float32.
        """
        checked = np.unique(np.linspace(0, len(X) - 1, CHECKED_ROWS).astype(np.intp))
        t = np.where(own[checked], 1.0, -1.0)
        values, noise = self._values(X, checked, weights)
        tol, bound, groups = self.tol, bounds[checked], [np.ones(len(t), bool)]
        if self.svm_type == "NU_SVC":
            # OpenCV solves with a <= 1 and each class by itself, and divides the result by r.
            r = self.nu_ * len(X) / np.abs(weights).sum()
            tol, bound, groups = tol / r, np.full(len(t), (1 - 1e-9) / r), [t > 0, t < 0]
        a = t * weights[checked]
        can_grow = np.where(t > 0, a < bound, a > 0)
        can_shrink = np.where(t > 0, a > 0, a < bound)
        worst = 0.0
        for group in groups:
            if (can_grow & group).any() and (can_shrink & group).any():
                worst = max(worst, (t - values)[can_grow & group].max() - (t - values)[can_shrink & group].min())
        return worst if worst > 2 * tol + noise else 0.0

    def _values(self, X, rows, weights):
        """Decision values without the intercept of some rows of `X`, and how far rounding may have moved them."""
        support = np.flatnonzero(weights)
        values, noise = np.empty(len(rows)), 0.0
        for start in range(0, len(rows), 256):
            block = slice(start, start + 256)
            K = self._kernel()(X[rows[block]], X[support])
            values[block] = K @ weights[support]
            noise = max(noise, (np.abs(K) @ np.abs(weights[support])).max() * 8 * np.finfo(np.float32).eps)
        return values, noise


def _rows_of(vectors, X, own, alpha):
    """Which rows of `X` the support vectors are; OpenCV reports copies of them, and their class by alpha's sign."""
    places = {}
    for row in range(len(X) - 1, -1, -1):
        places.setdefault((X[row].tobytes(), bool(own[row])), []).append(row)
    return np.array(
        [places[vector.tobytes(), bool(a > 0)].pop() for vector, a in zip(vectors, alpha, strict=True)], dtype=np.intp
    )


def _call(train, *arguments):
    try:
        train(*arguments)
    except cv2.error as error:
        raise InputError(f"cv2.ml.SVM could not be trained on these data: {error}") from error


def _require_ml() -> None:
    if not hasattr(cv2, "ml"):
        raise MissingDependencyError(
            f"OpenCVSVM trains with cv2.ml, which OpenCV {cv2.__version__} lacks here: since OpenCV 5 only the contrib "
            'wheels have it. Run "pip uninstall opencv-python opencv-python-headless" and '
            '"pip install opencv-contrib-python-headless".'
        )
