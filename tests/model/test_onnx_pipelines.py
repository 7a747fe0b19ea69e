"""Every built-in classical pipeline as an ONNX graph: 1,000 predictions by onnxruntime, and by cv2.dnn, as its own."""

from functools import cache

import cv2
import numpy as np
import pytest

from cvclassic.augmentation import AffineAugmentation, MirrorAugmentation, layers
from cvclassic.datasets.builtin import load_digits, load_shapes
from cvclassic.neural import TrainingStack
from cvclassic.runs.pipelines import Task, builtin_pipelines
from tests.model.onnx_runs import assert_agrees, expected, exported, run
from tests.tiny_onnx import write_backbone

FAMILIES = ("classical", "baseline")
REFUSED = {"patch_kernel"}
CLASSICAL = sorted(
    name for name, file in builtin_pipelines().items() if file.family in FAMILIES and name not in REFUSED
)
# Of the pipelines that learn patches, parts that take seconds are made small.
SMALLER = {"n_atoms": 20, "n_patches": 2000, "n_iter": 2}
LONG = ("champion_svm", "patches_svm")
OPENCV_5 = int(cv2.__version__.split(".")[0]) >= 5
N_TRAIN = 300


@cache
def pictures(color: bool, n_classes: int):
    """Images for training and 1,000 others, labels of the former, and traits: drawings in color, or gray digits."""
    found = load_shapes() if color else load_digits()
    kept = np.flatnonzero(found.labels < n_classes)
    X, y = found.images[kept], found.labels[kept]
    side, other = (20, 18) if color else (17, 23)
    X = np.stack([cv2.resize(image, (other, side), interpolation=cv2.INTER_AREA) for image in X])
    # There are 359 digits of two classes: what is missing are mirror images and negatives.
    others = np.concatenate([X[N_TRAIN:], X[:, :, ::-1], 255 - X, 255 - X[:, :, ::-1]])[:1000]
    return X[:N_TRAIN], np.ascontiguousarray(others), y[:N_TRAIN], found.traits


def fitted(name, color, n_classes, augment="none", settings=()):
    X, others, y, traits = pictures(color, n_classes)
    task = Task(X.shape[1:], n_classes, len(X), 0, TrainingStack(), traits, augment=augment, settings=settings)
    file = builtin_pipelines()[name]
    if not file.fits(task):
        pytest.skip("not for such images")
    estimator = file.build(task)
    parameters = estimator.get_params()
    small = {name: SMALLER[name.rpartition("__")[2]] for name in parameters if name.rpartition("__")[2] in SMALLER}
    return estimator.set_params(**small).fit(X, y), others


def cases():
    """Each pipeline on colors and ten classes, and, if that is no matter of seconds, on gray images and two classes."""
    for name in CLASSICAL:
        for color, n_classes in ((True, 10), (False, 2), (True, 2), (False, 10)):
            now = (color, n_classes) == (True, 10) or (name not in LONG and (color, n_classes) == (False, 2))
            kind = f"{name}-{'rgb' if color else 'gray'}-{n_classes}"
            yield pytest.param(name, color, n_classes, id=kind, marks=[] if now else [pytest.mark.slow])


@pytest.mark.parametrize(("name", "color", "n_classes"), list(cases()))
def test_a_thousand_predictions(name, color, n_classes):
    estimator, X = fitted(name, color, n_classes)
    assert len(X) == 1000
    content = exported(estimator, X)
    found = run(content, X)
    assert_agrees(estimator, X, found)
    if name != "most_frequent":
        assert len(np.unique(found[0])) == n_classes
    if OPENCV_5:
        assert_agrees(estimator, X[:50], by_opencv(content, X[:50]))


def by_opencv(content, X):
    """On one thread, as docs/export.md says: several lose counts of a histogram in OpenCV 5.0."""
    network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    network.setInput(X)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        label, scores = network.forward(["label", "scores"])
    finally:
        cv2.setNumThreads(threads)
    return label.ravel(), scores


@pytest.mark.parametrize(
    ("name", "augment"), [("hog_linear_svm", "mirror"), ("hog_linear_svm", "affine"), ("patches_svm", "mirror")]
)
def test_wrappers_predict_as_they_do(name, augment):
    """patches_svm with mirror images averages the scores of both views; the others predict from the image as it is."""
    estimator, X = fitted(name, True, 2, augment)
    X = X[:200]
    wrapper = next(iter(layers(estimator)))
    assert isinstance(wrapper, {"mirror": MirrorAugmentation, "affine": AffineAugmentation}[augment])
    assert_agrees(estimator, X, run(exported(estimator, X), X))
    if name == "patches_svm":
        one_view = expected(wrapper.wrapped, X)[1]
        assert np.abs(expected(estimator, X)[1] - one_view).max() > 0.01


@pytest.mark.parametrize(("color", "size"), [(True, 12), (False, 40)], ids=["reduced", "enlarged"])
def test_a_backbone_becomes_part_of_the_graph(color, size, tmp_path):
    path = write_backbone(tmp_path / "backbone.onnx", size=size)
    estimator, X = fitted("pretrained_svm", color, 10, settings=(("backbone", str(path)),))
    assert_agrees(estimator, X, run(exported(estimator, X), X))
