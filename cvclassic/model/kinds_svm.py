"""What a `.cvc` file may hold of `cvclassic.svm`."""

from cvclassic.model.kinds import (
    Kind,
    Shape,
    agree,
    check_classes,
    estimator,
    flag,
    floats,
    integers,
    maybe,
    number,
    whole,
)
from cvclassic.svm import KernelRidge, KernelSVM, LinearSVM, OpenCVSVM
from cvclassic.svm.kernel import BACKENDS, KERNELS
from cvclassic.svm.opencv import CV2_KERNELS

LARGEST_DEGREE = 1000


def _check_head(svm: LinearSVM | KernelRidge | KernelSVM | OpenCVSVM, shape: Shape, n_classes: int) -> int:
    """Features and classes are those that the model has; returns the number of classes."""
    name = type(svm).__name__
    agree(check_classes(svm.classes_, n_classes) and len(svm.classes_) > 1, f"classes_ of its {name}")
    agree(svm.n_features_in_ > 0 and (shape is None or shape == (svm.n_features_in_,)), f"n_features_in_ of its {name}")
    return len(svm.classes_)


def _check_linear(svm: LinearSVM, shape: Shape, n_classes: int) -> None:
    k = _check_head(svm, shape, n_classes)
    rows = 1 if k == 2 else k
    agree(svm.coef_.shape == (rows, svm.n_features_in_), "coef_ of its LinearSVM")
    agree(svm.intercept_.shape == (rows,), "intercept_ of its LinearSVM")


def _check_numbers(name: str, gamma: float, degree: float, coef0: float) -> None:
    agree(0 < gamma < 1e30, f"gamma of its {name}")
    agree(number(degree) and 0 < degree <= LARGEST_DEGREE, f"degree of its {name}")
    agree(number(coef0) and abs(coef0) < 1e30, f"coef0 of its {name}")


def _check_kernel(svm: KernelSVM, shape: Shape, n_classes: int) -> None:
    k = _check_head(svm, shape, n_classes)
    agree(svm.kernel in KERNELS, "kernel of its KernelSVM")
    agree(svm.backend in BACKENDS, "backend of its KernelSVM")
    _check_numbers("KernelSVM", svm.gamma_, svm.degree, svm.coef0)
    if svm.backend == "nystroem":
        whole_map = all(hasattr(svm, name) for name in ("landmarks_", "projection_", "linear_"))
        agree(whole_map, "the Nyström map of its KernelSVM")
        agree(type(svm.linear_) is LinearSVM, "linear_ of its KernelSVM")
        agree(svm.landmarks_.shape == (len(svm.projection_), svm.n_features_in_), "landmarks_ of its KernelSVM")
        _check_linear(svm.linear_, svm.projection_.shape[1:], k)
        agree(len(svm.linear_.classes_) == k, "linear_ of its KernelSVM")
        return
    m = len(svm.support_vectors_)
    agree(m > 0 and svm.support_vectors_.shape == (m, svm.n_features_in_), "support_vectors_ of its KernelSVM")
    agree(svm.n_support_.shape == (k,) and (svm.n_support_ >= 0).all(), "n_support_ of its KernelSVM")
    agree((svm.n_support_ <= m).all() and svm.n_support_.sum() == m, "n_support_ of its KernelSVM")
    agree(svm.support_.shape == (m,) and (svm.support_ >= 0).all(), "support_ of its KernelSVM")
    agree(svm.dual_coef_.shape == (k - 1, m), "dual_coef_ of its KernelSVM")
    agree(svm.intercept_.shape == (k * (k - 1) // 2,), "intercept_ of its KernelSVM")


def _refuse_kernel(svm: KernelSVM) -> str | None:
    if callable(svm.kernel):
        return f"its kernel is a function; use one of {', '.join(KERNELS)}"
    if svm.probability:
        return "it has probability=True; leave that out, for a model makes probabilities of any classifier's scores"
    return None


def _collect_kernel(svm: KernelSVM) -> dict[str, object]:
    names = _KERNEL_FITTED
    return {name: getattr(svm, name, None) for name in names} if hasattr(svm, "classes_") else {}


def _restore_kernel(svm: KernelSVM, fitted: dict[str, object]) -> None:
    exact = ("support_", "support_vectors_", "n_support_", "dual_coef_", "intercept_")
    agree(svm.backend == "nystroem" or not any(fitted[name] is None for name in exact), "the vectors of its KernelSVM")
    for name, value in fitted.items():
        if value is not None:
            setattr(svm, name, value)


def _check_ridge(svm: KernelRidge, shape: Shape, n_classes: int) -> None:
    k, d = _check_head(svm, shape, n_classes), svm.n_features_in_
    n = len(svm.vectors_)
    agree(flag(svm.mirror_parts) and not (svm.mirror_parts and d % 2), "mirror_parts of its KernelRidge")
    agree(0 < svm.gamma_ < 1e30, "gamma_ of its KernelRidge")
    agree(n > 0 and svm.vectors_.shape == (n, d), "vectors_ of its KernelRidge")
    agree(svm.half_squares_.shape == (n,), "half_squares_ of its KernelRidge")
    agree(svm.dual_coef_.shape == (n, 1 if k == 2 else k), "dual_coef_ of its KernelRidge")
    agree(svm.center_.shape == (d,), "center_ of its KernelRidge")


def _check_opencv(svm: OpenCVSVM, shape: Shape, n_classes: int) -> None:
    k = _check_head(svm, shape, n_classes)
    agree(svm.kernel in CV2_KERNELS, "kernel of its OpenCVSVM")
    _check_numbers("OpenCVSVM", svm.gamma_, svm.degree_, svm.coef0_)
    m, pairs = len(svm.support_vectors_), k * (k - 1) // 2
    agree(m > 0 and svm.support_vectors_.shape == (m, svm.n_features_in_), "support_vectors_ of its OpenCVSVM")
    agree(svm.pair_coef_.shape == (m, pairs), "pair_coef_ of its OpenCVSVM")
    agree(svm.pair_intercept_.shape == (pairs,), "pair_intercept_ of its OpenCVSVM")


_HEAD = {"classes_": integers(1), "n_features_in_": whole}
_KERNEL_FITTED = _HEAD | {
    "gamma_": number,
    "support_": maybe(integers(1)),
    "support_vectors_": maybe(floats(2)),
    "n_support_": maybe(integers(1)),
    "dual_coef_": maybe(floats(2)),
    "intercept_": maybe(floats(1)),
    "landmarks_": maybe(floats(2)),
    "projection_": maybe(floats(2)),
    "linear_": maybe(estimator),
    "n_iter_": whole,
}
KINDS = [
    Kind(
        "cvclassic.svm.LinearSVM",
        _HEAD | {"coef_": floats(2), "intercept_": floats(1), "n_iter_": whole},
        _check_linear,
    ),
    Kind(
        "cvclassic.svm.KernelRidge",
        _HEAD
        | {"vectors_": floats(2), "half_squares_": floats(1), "dual_coef_": floats(2), "center_": floats(1)}
        | {"gamma_": number, "n_iter_": whole, "residual_": number},
        _check_ridge,
    ),
    Kind(
        "cvclassic.svm.KernelSVM",
        _KERNEL_FITTED,
        _check_kernel,
        collect=_collect_kernel,
        restore=_restore_kernel,
        refuse=_refuse_kernel,
    ),
    Kind(
        "cvclassic.svm.OpenCVSVM",
        _HEAD
        | {"support_vectors_": floats(2), "pair_coef_": floats(2), "pair_intercept_": floats(1)}
        | dict.fromkeys(("C_", "nu_", "gamma_", "degree_", "coef0_"), number),
        _check_opencv,
    ),
]
