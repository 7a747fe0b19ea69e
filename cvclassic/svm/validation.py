"""What the classifiers ask of their input, in one place."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from cvclassic.errors import InputError
from cvclassic.images import check_in_memory
from cvclassic.lazy import lazy_features, map_chunks


def check_training_data(estimator, X, y, *, dtype=(np.float32, np.float64)):
    """Check `X` and `y`, set `estimator.n_features_in_`, and return `X, classes, codes`.

    `X` comes back C-contiguous in the first of `dtype` unless it is in another of them already, `classes` sorted, and
    `codes` (intp) such that `classes[codes]` is `y`.

    Raises
    ------
    InputError
        For sparse input, NaN or infinity, lengths that differ, a continuous target, fewer than two classes.
    """
    _refuse_others(estimator, X)
    check_in_memory(y, name="y")
    try:
        X, y = validate_data(estimator, X, y, dtype=list(dtype), order="C")
        check_classification_targets(y)
    except ValueError as error:
        raise InputError(str(error)) from error
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise InputError(
            f"{type(estimator).__name__} needs two classes or more to tell apart; y holds only one class: {classes[0]}."
        )
    return X, classes, codes


def check_new_data(estimator, X, *, dtype=(np.float32, np.float64)):
    """Check `X` against what `estimator` was fitted on; raises `InputError` as `check_training_data` does."""
    _refuse_others(estimator, X)
    try:
        return validate_data(estimator, X, reset=False, dtype=list(dtype), order="C")
    except ValueError as error:
        raise InputError(str(error)) from error


def lazy_new_data(estimator, X):
    """The Dask array `X` as lazy features; InputError unless it has as many as `estimator` was fitted on."""
    X = lazy_features(X)
    if X.shape[1] != estimator.n_features_in_:
        raise InputError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} "
            "features as input."
        )
    return X


def lazy_scores(estimator, X):
    """`estimator.decision_function` of the Dask array `X`, chunk by chunk: (n, n_classes), or (n,) for two classes."""
    n_classes = len(estimator.classes_)
    X, shape = lazy_new_data(estimator, X), (n_classes,) if n_classes > 2 else ()
    return map_chunks(estimator, "decision_function", X, shape, X.dtype)


def check_positive(**parameters) -> None:
    """Raise `InputError` unless every parameter is a finite number above 0."""
    for name, value in parameters.items():
        if isinstance(value, (bool, str)) or not np.isscalar(value) or not 0 < value < np.inf:
            raise InputError(f"{name}={value!r} is not a number above 0.")


def check_choice(name: str, value, choices) -> None:
    """Raise `InputError` unless `value` is one of `choices`."""
    if value not in choices:
        raise InputError(f"{name}={value!r} is unknown; use one of {', '.join(choices)}.")


def class_weights(class_weight, classes, counts) -> np.ndarray:
    """The factor on `C` of each class, float64 (n_classes,), with scikit-learn's meaning of `class_weight`.

    `counts` holds the rows of each class, or the sum of their weights.
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):
        check_choice("class_weight", class_weight, ["balanced"])
        return counts.sum() / (len(classes) * counts)
    unknown = set(class_weight) - set(classes.tolist())
    if unknown:
        raise InputError(f"class_weight names {sorted(unknown)}, which are not classes of y: {classes.tolist()}.")
    return np.array([float(class_weight.get(label, 1.0)) for label in classes.tolist()])


def scaled_gamma(gamma, X) -> float:
    """`gamma` as a number: "scale" is 1 / (n_features * X.var()), "auto" is 1 / n_features, as in `sklearn.svm.SVC`."""
    return gamma_of(gamma, X.shape[1], float(X.var(dtype=np.float64)) if gamma == "scale" else 0.0)


def gamma_of(gamma, n_features: int, variance: float) -> float:
    """`scaled_gamma` for features of this variance."""
    if isinstance(gamma, str):
        check_choice("gamma", gamma, ["scale", "auto"])
        if gamma == "auto":
            return 1.0 / n_features
        return 1.0 / (n_features * variance) if variance > 0 else 1.0
    check_positive(gamma=gamma)
    return float(gamma)


def _refuse_others(estimator, X) -> None:
    check_in_memory(X)
    if issparse(X):
        raise InputError(
            f"{type(estimator).__name__} works on dense arrays; found a sparse {X.format} matrix of shape {X.shape}. "
            "Pass X.toarray(), or use sklearn.svm.LinearSVC, which takes sparse input."
        )
