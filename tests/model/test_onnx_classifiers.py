"""Every SVM and kernel, scalers, unions and networks as ONNX graphs, on features of gray images."""

from functools import partial

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from cvclassic.datasets.builtin import load_digits
from cvclassic.features import HOG, ColorGrid, SobelHistogram
from cvclassic.neural import NeuralClassifier, cnn, cnn_fast, hybrid, linear_head, mlp, resnet_small
from cvclassic.neural.models import ACTIVATIONS
from cvclassic.svm import KernelSVM, LinearSVM, OpenCVSVM
from tests.model.onnx_runs import assert_agrees, exported, run

KERNELS = ("linear", "poly", "rbf", "sigmoid", "chi2", "intersection")


@pytest.fixture(scope="module")
def digits():
    """150 digits of five classes, 14 x 15, and their labels, and 200 others."""
    found = load_digits()
    kept = np.flatnonzero(found.labels < 5)[:350]
    X, y = np.ascontiguousarray(found.images[kept, 2:30:2, 1:31:2]), found.labels[kept]
    return X[:150], y[:150], X[150:]


def assert_exports(estimator, digits, n_classes):
    X, y, others = digits
    kept = y < n_classes
    estimator.fit(X[kept], y[kept])
    assert_agrees(estimator, others, run(exported(estimator, others), others))


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("svm", [KernelSVM, OpenCVSVM, partial(KernelSVM, backend="nystroem", n_landmarks=40)])
def test_kernels(svm, kernel, n_classes, digits):
    options = {"gamma": 0.1, "coef0": -1} if kernel == "sigmoid" else {"gamma": 0.7, "coef0": 1, "degree": 2}
    if svm is not OpenCVSVM:
        options["random_state"] = 0
    assert_exports(make_pipeline(HOG(cell_size=4), svm(kernel=kernel, **options)), digits, n_classes)


def test_a_power_of_a_negative_product_keeps_its_sign(digits):
    """Raised to 3, products of features with mean 0 are negative as often as positive."""
    svm = KernelSVM(kernel="poly", degree=3, gamma=0.01, coef0=0.0)
    assert_exports(make_pipeline(HOG(cell_size=4), StandardScaler(), svm), digits, 5)


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize(
    "steps",
    [
        [HOG(cell_size=4), StandardScaler(with_mean=False), "passthrough"],
        [HOG(cell_size=4), PCA(10, whiten=True, random_state=0), Normalizer(norm="l1")],
        [make_pipeline(HOG(cell_size=4), Normalizer(norm="max")), StandardScaler(with_std=False)],
        [
            FeatureUnion(
                [("hog", HOG(cell_size=4)), ("none", "drop"), ("grid", make_pipeline(ColorGrid(), StandardScaler()))],
                transformer_weights={"grid": 0.05},
            )
        ],
    ],
    ids=["scaled", "whitened", "nested", "union"],
)
def test_steps_between(steps, n_classes, digits):
    assert_exports(make_pipeline(*steps, LinearSVM(C=0.1)), digits, n_classes)


def test_a_feature_that_is_always_the_same_is_scaled_by_1(digits):
    """The first row of these digits is black: its grid cells have no spread."""
    assert_exports(make_pipeline(ColorGrid(grid=(14, 15)), StandardScaler(), LinearSVM(C=0.01)), digits, 5)


def test_no_features_at_all(digits):
    assert_exports(DummyClassifier(strategy="most_frequent"), digits, 5)


def network(model, X, n_classes, **options):
    """A classifier around a network that was not trained: every weight is random, the statistics included."""
    classifier = NeuralClassifier(model, verbose=False, **options)
    classifier.classes_, classifier.costs_ = np.arange(n_classes), None
    classifier.input_shape_ = X.shape[1:] if X.ndim != 3 else (*X.shape[1:], 1)
    classifier.n_features_in_ = int(np.prod(classifier.input_shape_))
    import keras

    built = classifier._build()
    classifier.model_ = keras.Model(built.inputs, built.outputs[0])
    random = np.random.default_rng(0)
    for variable in classifier.model_.variables:
        low, high = (0.5, 1.5) if "variance" in variable.name or "gamma" in variable.name else (-0.3, 0.3)
        if variable.dtype == "float32":
            variable.assign(random.uniform(low, high, variable.shape))
    return classifier


SMALL = {"mirror": True, "shift": 1}
NETWORKS = {
    "mlp": partial(mlp, width=32, **SMALL),
    "deep_mlp": partial(mlp, depth=3, width=32, activation="maxout", batch_normalization=False),
    "resnet_small": partial(resnet_small, width=8, **SMALL),
    "hybrid": partial(hybrid, mirror=True),
    "cnn_fast": partial(cnn_fast, width=4, **SMALL),
    **{f"cnn_{name}": partial(cnn, width=4, activation=name, **SMALL) for name in ACTIVATIONS},
}
AT_ONCE = ("mlp", "hybrid", "cnn_fast", "cnn_maxout", "cnn_gelu")


@pytest.mark.parametrize(
    "name", [name if name in AT_ONCE else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
@pytest.mark.parametrize("shape", [(16, 12, 3), pytest.param((13, 16), marks=pytest.mark.slow)], ids=["rgb", "gray"])
def test_networks(name, shape):
    X = np.random.default_rng(1).integers(0, 256, (100, *shape), dtype=np.uint8)
    classifier = network(NETWORKS[name], X, 3 if len(shape) == 3 else 2)
    assert_agrees(classifier, X, run(exported(classifier, X), X))


def test_a_cost_matrix_counts():
    X = np.random.default_rng(1).integers(0, 256, (200, 8, 9), dtype=np.uint8)
    classifier = network(partial(mlp, width=16), X, 3, cost_matrix=[[0, 1, 9], [1, 0, 1], [1, 1, 0]])
    without = classifier.predict(X)
    classifier.costs_ = np.array(classifier.cost_matrix, np.float64)
    assert not np.array_equal(classifier.predict(X), without)
    assert_agrees(classifier, X, run(exported(classifier, X), X))


def test_a_network_behind_features(digits):
    X, _, others = digits
    features = make_pipeline(SobelHistogram(normalization="sqrt"), StandardScaler()).fit(X)
    head = network(linear_head, features.transform(X), 5)
    pipeline = make_pipeline(features, head)
    assert_agrees(pipeline, others, run(exported(pipeline, others), others))
