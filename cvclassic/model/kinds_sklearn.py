"""What a `.cvc` file may hold of scikit-learn: what image pipelines are usually made of.

Each class is checked by scikit-learn's own constraints on parameters, and by the shapes of what it learned.
"""

from collections.abc import Callable

import numpy as np
from sklearn.base import BaseEstimator

from cvclassic.errors import InputError
from cvclassic.model.kinds import (
    LARGEST,
    Kind,
    Shape,
    Value,
    agree,
    check_classes,
    floats,
    integers,
    maybe,
    number,
    whole,
)
from cvclassic.model.tree import check


def _check_pipeline(pipeline: BaseEstimator, shape: Shape, n_classes: int) -> Shape:
    for name, step in _named_parts(pipeline.steps, "Pipeline"):
        if step is not None and step != "passthrough":
            shape = check(step, shape, n_classes)
        agree(shape is None or min(shape, default=0) >= 0, f"step {name}")
    return shape


def _check_union(union: BaseEstimator, shape: Shape, n_classes: int) -> Shape:
    parts = _named_parts(union.transformer_list, "FeatureUnion")
    weights = union.transformer_weights
    if weights is not None:
        fine = isinstance(weights, dict) and weights.keys() <= dict(parts).keys() and all(map(number, weights.values()))
        agree(fine, "transformer_weights of its FeatureUnion")
    found = []
    for _, part in parts:
        if part != "drop":
            found.append(shape if part == "passthrough" else check(part, shape, n_classes))
    agree(bool(found) and all(each is None or len(each) == 1 for each in found), "a part of its FeatureUnion")
    return None if None in found else (sum(n for (n,) in found),)


def _named_parts(parts: Value, what: str) -> list[tuple[str, Value]]:
    fine = isinstance(parts, list) and 0 < len(parts) <= 1000
    if not fine or not all(isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str) for part in parts):
        raise InputError(f"its {what} is no list of names and parts")
    return parts


def _check_function(transformer: BaseEstimator, shape: Shape, n_classes: int) -> Shape:
    _check_parameters(transformer)
    agree(transformer.kw_args in (None, {}) and not transformer.validate, "kw_args of its FunctionTransformer")
    return shape if transformer.func is None else None


def _refuse_function(transformer: BaseEstimator) -> str | None:
    if transformer.kw_args or transformer.inv_kw_args or transformer.validate:
        return "only its function is kept: bind other arguments by functools.partial, and leave validate=False"
    return None


def check_standard_scaler(scaler: BaseEstimator, shape: Shape, n_classes: int) -> Shape:
    """A mean and a scale where they are used."""
    _check_parameters(scaler)
    d = _check_width(scaler, shape)
    for used, name in ((scaler.with_mean, "mean_"), (scaler.with_std, "scale_")):
        array = getattr(scaler, name)
        agree(array is None or array.shape == (d,), f"{name} of its {type(scaler).__name__}")
        agree(not used or array is not None, f"{name} of its {type(scaler).__name__}")
    agree(scaler.scale_ is None or bool((scaler.scale_ != 0).all()), f"scale_ of its {type(scaler).__name__}")
    return (d,)


def _check_robust_scaler(scaler: BaseEstimator, shape: Shape, n_classes: int) -> Shape:
    _check_parameters(scaler)
    d = _check_width(scaler, shape)
    agree((scaler.center_ is not None) >= scaler.with_centering, "center_ of its RobustScaler")
    agree((scaler.scale_ is not None) >= scaler.with_scaling, "scale_ of its RobustScaler")
    for array in (scaler.center_, scaler.scale_):
        agree(array is None or array.shape == (d,), "center_ or scale_ of its RobustScaler")
    agree(scaler.scale_ is None or bool((scaler.scale_ != 0).all()), "scale_ of its RobustScaler")
    return (d,)


def _check_scale(scaler: BaseEstimator, shape: Shape, n_classes: int) -> Shape:
    _check_parameters(scaler)
    d = _check_width(scaler, shape)
    for name, array in vars(scaler).items():
        agree(not isinstance(array, np.ndarray) or array.shape == (d,), f"{name} of its {type(scaler).__name__}")
    agree(bool((scaler.scale_ != 0).all()), f"scale_ of its {type(scaler).__name__}")
    return (d,)


def _check_normalizer(normalizer: BaseEstimator, shape: Shape, n_classes: int) -> Shape:
    _check_parameters(normalizer)
    agree(shape is None or len(shape) == 1, "what its Normalizer gets")
    return shape


def check_pca(pca: BaseEstimator, shape: Shape, n_classes: int) -> Shape:
    """Components, mean and variances of one size."""
    _check_parameters(pca)
    d, c = _check_width(pca, shape), len(pca.components_)
    agree(c > 0 and pca.components_.shape == (c, d) and pca.mean_.shape == (d,), "components_ of its PCA")
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_"):
        array = getattr(pca, name)
        agree(array.shape == (c,) and bool((array >= 0).all()), f"{name} of its PCA")
    pca.n_components_ = c
    return (c,)


def _check_linear(classifier: BaseEstimator, shape: Shape, n_classes: int) -> None:
    name = type(classifier).__name__
    k, d = _check_classifier(classifier, shape, n_classes)
    rows = 1 if k == 2 else k
    agree(classifier.coef_.shape == (rows, d), f"coef_ of its {name}")
    agree(np.shape(classifier.intercept_) in ((), (rows,)), f"intercept_ of its {name}")


def _check_naive_bayes(bayes: BaseEstimator, shape: Shape, n_classes: int) -> None:
    k, d = _check_classifier(bayes, shape, n_classes)
    agree(bayes.theta_.shape == bayes.var_.shape == (k, d), "theta_ of its GaussianNB")
    agree(bool((bayes.var_ > 0).all()), "var_ of its GaussianNB")
    agree(bayes.class_prior_.shape == (k,) and bool((bayes.class_prior_ >= 0).all()), "class_prior_ of its GaussianNB")


def _check_centroids(classifier: BaseEstimator, shape: Shape, n_classes: int) -> None:
    k, d = _check_classifier(classifier, shape, n_classes)
    agree(classifier.centroids_.shape == (k, d), "centroids_ of its NearestCentroid")
    agree(classifier.within_class_std_dev_.shape == (d,), "within_class_std_dev_ of its NearestCentroid")
    agree(classifier.class_prior_.shape == (k,), "class_prior_ of its NearestCentroid")


def _check_neighbors(classifier: BaseEstimator, shape: Shape, n_classes: int) -> None:
    _check_classifier(classifier, shape, n_classes)
    agree(classifier.n_neighbors <= len(classifier._fit_X), "n_neighbors of its KNeighborsClassifier")


def _refuse_neighbors(classifier: BaseEstimator) -> str | None:
    named = isinstance(classifier.metric, str) and classifier.metric != "precomputed"
    if not named or callable(classifier.weights) or classifier.metric_params:
        return "its metric and weights must be names, and metric_params None"
    return None


def _collect_neighbors(classifier: BaseEstimator) -> dict[str, Value]:
    if not hasattr(classifier, "_fit_X"):
        return {}
    return {"X": np.asarray(classifier._fit_X), "y": classifier.classes_[classifier._y]}


def _restore_neighbors(classifier: BaseEstimator, fitted: dict[str, Value]) -> None:
    if _refuse_neighbors(classifier):
        raise InputError("its KNeighborsClassifier has a metric that it can't have")
    classifier.fit(fitted["X"], fitted["y"])  # its trees are made anew: they are no arrays


def _check_svc(svc: BaseEstimator, shape: Shape, n_classes: int) -> None:
    k, d = _check_classifier(svc, shape, n_classes)
    m = len(svc.support_vectors_)
    agree(svc.kernel in ("linear", "poly", "rbf", "sigmoid"), "kernel of its SVC")
    agree(svc.degree <= 1000 and svc.cache_size <= LARGEST and 0 <= svc._gamma < 1e30, "a parameter of its SVC")
    agree(m > 0 and svc.support_vectors_.shape == (m, d) and svc.support_.shape == (m,), "support_vectors_ of its SVC")
    agree(svc._n_support.shape == (k,) and bool((svc._n_support >= 0).all()), "n_support_ of its SVC")
    agree(svc._n_support.astype(np.int64).sum() == m, "n_support_ of its SVC")
    agree(svc.dual_coef_.shape == (k - 1, m) and svc.intercept_.shape == (k * (k - 1) // 2,), "dual_coef_ of its SVC")


def _refuse_svc(svc: BaseEstimator) -> str | None:
    if callable(svc.kernel) or svc.kernel == "precomputed":
        return "its kernel is no name that can be computed anew"
    return "it has probability=True; leave that out" if svc.probability is True else None


def _collect_svc(svc: BaseEstimator) -> dict[str, Value]:
    if not hasattr(svc, "classes_"):
        return {}
    if svc._sparse:
        raise InputError("SVC can't be saved where it was fitted on a sparse matrix. Fit it on an array")
    names = ("classes_", "n_features_in_", "support_", "support_vectors_", "dual_coef_", "intercept_")
    return {name: getattr(svc, name) for name in names} | {"n_support": svc._n_support, "gamma": float(svc._gamma)}


def _restore_svc(svc: BaseEstimator, fitted: dict[str, Value]) -> None:
    for name in ("classes_", "n_features_in_", "intercept_"):
        setattr(svc, name, fitted[name])
    svc.support_ = np.ascontiguousarray(fitted["support_"], np.int32)
    svc.support_vectors_ = np.ascontiguousarray(fitted["support_vectors_"], np.float64)
    svc.dual_coef_ = np.ascontiguousarray(fitted["dual_coef_"], np.float64)
    svc._n_support, svc._gamma = np.ascontiguousarray(fitted["n_support"], np.int32), fitted["gamma"]
    two = len(svc.classes_) == 2  # scikit-learn shows two classes with the other sign than libsvm computes with
    svc.intercept_ = np.ascontiguousarray(svc.intercept_, np.float64)
    svc._intercept_ = -svc.intercept_ if two else svc.intercept_
    svc._dual_coef_ = -svc.dual_coef_ if two else svc.dual_coef_
    svc._probA = svc._probB = np.empty(0)
    svc._sparse, svc.fit_status_, svc._effective_probability = False, 0, False
    svc.shape_fit_ = (len(svc.support_vectors_), svc.n_features_in_)


def _check_dummy(dummy: BaseEstimator, shape: Shape, n_classes: int) -> None:
    _check_parameters(dummy)
    agree(check_classes(dummy.classes_, n_classes), "classes_ of its DummyClassifier")
    agree(dummy.strategy in ("most_frequent", "prior"), "strategy of its DummyClassifier")
    agree(dummy.class_prior_.shape == dummy.classes_.shape, "class_prior_ of its DummyClassifier")
    dummy._strategy, dummy.n_outputs_, dummy.sparse_output_ = dummy.strategy, 1, False
    dummy.n_classes_ = len(dummy.classes_)


def _refuse_dummy(dummy: BaseEstimator) -> str | None:
    return None if dummy.strategy in ("most_frequent", "prior") else f"strategy={dummy.strategy!r} draws at random"


def _check_classifier(classifier: BaseEstimator, shape: Shape, n_classes: int) -> tuple[int, int]:
    """Parameters, classes and features are those that the model can have; returns the numbers of both."""
    _check_parameters(classifier)
    fine = check_classes(classifier.classes_, n_classes) and len(classifier.classes_) > 1
    agree(fine, f"classes_ of its {type(classifier).__name__}")
    return len(classifier.classes_), _check_width(classifier, shape)


def _check_width(estimator: BaseEstimator, shape: Shape) -> int:
    d = estimator.n_features_in_
    fits = 0 < d <= LARGEST and (shape is None or shape == (d,))
    agree(fits, f"n_features_in_ of its {type(estimator).__name__}")
    return d


def _check_parameters(estimator: BaseEstimator) -> None:
    try:
        estimator._validate_params()
    except ValueError as error:
        raise InputError(f"its {type(estimator).__name__} is damaged ({str(error)[:200]})") from error


def scaler_fields(*names: str) -> dict[str, Callable[[Value], bool]]:
    """What a scaler learned: these arrays, any of which may be None, and what it counted."""
    counted = maybe(lambda value: whole(value) or number(value) or integers(1)(value) or floats(1)(value))
    return dict.fromkeys(names, maybe(floats(1))) | {"n_features_in_": whole, "n_samples_seen_": counted}


_WIDTH = {"n_features_in_": whole}
SCALER_FITTED = scaler_fields("mean_", "var_", "scale_")
PCA_FITTED = (
    _WIDTH
    | {"components_": floats(2), "n_samples_": whole, "noise_variance_": number}
    | dict.fromkeys(("mean_", "explained_variance_", "explained_variance_ratio_", "singular_values_"), floats(1))
)
_CLASSES = _WIDTH | {"classes_": integers(1)}
_COUNT = maybe(lambda value: whole(value) or integers(0, 1, 2)(value))
_LINEAR = _CLASSES | {"coef_": floats(2), "intercept_": lambda v: number(v) or floats(0, 1)(v), "n_iter_": _COUNT}

KINDS = [
    Kind("sklearn.pipeline.Pipeline", check=_check_pipeline, left_out={"memory": None, "verbose": False}),
    Kind(
        "sklearn.pipeline.FeatureUnion",
        check=_check_union,
        left_out={"n_jobs": None, "verbose": False},
    ),
    Kind("sklearn.preprocessing.FunctionTransformer", {}, _check_function, refuse=_refuse_function),
    Kind("sklearn.preprocessing.StandardScaler", SCALER_FITTED, check_standard_scaler),
    Kind(
        "sklearn.preprocessing.MinMaxScaler",
        dict.fromkeys(("scale_", "min_", "data_min_", "data_max_", "data_range_"), floats(1))
        | _WIDTH
        | {"n_samples_seen_": whole},
        _check_scale,
    ),
    Kind(
        "sklearn.preprocessing.MaxAbsScaler",
        dict.fromkeys(("scale_", "max_abs_"), floats(1)) | _WIDTH | {"n_samples_seen_": whole},
        _check_scale,
    ),
    Kind(
        "sklearn.preprocessing.RobustScaler",
        dict.fromkeys(("center_", "scale_"), maybe(floats(1))) | _WIDTH,
        _check_robust_scaler,
    ),
    Kind("sklearn.preprocessing.Normalizer", {"n_features_in_": maybe(whole)}, _check_normalizer),
    Kind("sklearn.decomposition.PCA", PCA_FITTED, check_pca),
    *(
        Kind(f"sklearn.{name}", _LINEAR, _check_linear)
        for name in (
            "linear_model.LogisticRegression",
            "linear_model.Perceptron",
            "linear_model.SGDClassifier",
            "svm.LinearSVC",
        )
    ),
    Kind(
        "sklearn.svm.SVC",
        _CLASSES
        | {"support_": integers(1), "support_vectors_": floats(2), "n_support": integers(1), "gamma": number}
        | {"dual_coef_": floats(2), "intercept_": floats(1)},
        _check_svc,
        collect=_collect_svc,
        restore=_restore_svc,
        refuse=_refuse_svc,
    ),
    Kind(
        "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
        _CLASSES | {"coef_": floats(2), "intercept_": floats(1), "means_": floats(2), "priors_": floats(1)},
        _check_linear,
    ),
    Kind(
        "sklearn.naive_bayes.GaussianNB",
        _CLASSES
        | dict.fromkeys(("theta_", "var_"), floats(2))
        | {"class_prior_": floats(1), "class_count_": floats(1)},
        _check_naive_bayes,
    ),
    Kind(
        "sklearn.neighbors.NearestCentroid",
        _CLASSES | {"centroids_": floats(2), "class_prior_": floats(1), "within_class_std_dev_": floats(1)},
        _check_centroids,
    ),
    Kind(
        "sklearn.neighbors.KNeighborsClassifier",
        {"X": floats(2), "y": integers(1)},
        _check_neighbors,
        left_out={"n_jobs": None},
        collect=_collect_neighbors,
        restore=_restore_neighbors,
        refuse=_refuse_neighbors,
    ),
    Kind(
        "sklearn.dummy.DummyClassifier",
        {"classes_": integers(1), "class_prior_": floats(1)},
        _check_dummy,
        refuse=_refuse_dummy,
    ),
]
