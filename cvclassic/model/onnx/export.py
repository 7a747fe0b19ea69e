"""From a fitted pipeline to one ONNX graph: its steps one after another, each by the rule for its class."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils.validation import check_is_fitted

from cvclassic import features, svm
from cvclassic.augmentation import AffineAugmentation, MirrorAugmentation
from cvclassic.errors import InputError
from cvclassic.model.onnx import classifiers, filters, histograms, pixels
from cvclassic.model.onnx.backbone import embedding
from cvclassic.model.onnx.classifiers import Answer
from cvclassic.model.onnx.graph import Graph, Value
from cvclassic.model.onnx.hog import hog
from cvclassic.model.onnx.networks import neural_classifier
from cvclassic.model.onnx.pixels import Images
from cvclassic.neural import NeuralClassifier

if TYPE_CHECKING:
    from cvclassic.decoding import InputContract

LARGEST = 2**31 - 2**20  # bytes: protobuf's limit for one file, with some left for what is around the weights

# What makes a class's numbers; one that has its own of these is not covered by the rule for the class above it.
COMPUTED = ("transform", "predict", "decision_function", "predict_with_scores", "_prepare", "_scores")


def to_onnx(pipeline: BaseEstimator, contract: InputContract, class_names: tuple[str, ...]) -> bytes:
    """A fitted pipeline as one ONNX graph from pixels to scores.

    Input `images`: uint8, (n, height, width) gray or (n, height, width, 3) RGB, of the size that the contract names, n
    free. Outputs: `label`, int64 (n,), the number of the class that `pipeline.predict` answers; `scores`, float32
    (n, classes) in the order of `class_names`, those of `decision_function` or, where there is none, `predict_proba`.
    The one score that scikit-learn has for two classes stands there with both signs.

    Opset 17 of the standard operators, and none of others. The metadata are `class_names` and `contract` as JSON, and
    `cvclassic_version`.

    Parameters
    ----------
    pipeline : classifier on image batches
        Fitted, of the classes of cvclassic and scikit-learn that cvclassic's own pipelines use; its classes are
        0 to k - 1.
    contract : InputContract
    class_names : the names of the classes, (k,)

    Raises
    ------
    InputError
        For what can't be exported; the message says which part and why.
    """
    if not np.array_equal(pipeline.classes_, np.arange(len(class_names))):
        raise InputError(
            f"The pipeline tells apart {len(pipeline.classes_)} classes, {np.asarray(pipeline.classes_)[:5].tolist()} "
            f"…; for {len(class_names)} class names they must be the numbers from 0 to {len(class_names) - 1}."
        )
    graph = Graph()
    answer = _answered(graph, pipeline, pixels.from_bytes(graph, "images", contract.shape))
    for name, found in (("scores", answer.scores), ("label", answer.label)):
        graph.nodes.append(helper.make_node("Identity", [found], [name], name=name))
    size = sum(constant.ByteSize() for constant in graph.constants)
    if size > LARGEST:
        raise InputError(f"The model's numbers take {size / 2**30:.1f} GiB; one ONNX file holds less than 2.")
    model = graph.model(
        [helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, ["n", *contract.shape])],
        [
            helper.make_tensor_value_info("label", onnx.TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", len(class_names)]),
        ],
        class_names=json.dumps(list(class_names)),
        contract=json.dumps({name: getattr(contract, name) for name in ("height", "width", "channels", "resize")}),
        cvclassic_version=metadata.version("cvclassic"),
    )
    return model.SerializeToString()


def _answered(graph: Graph, estimator: BaseEstimator, x: Images | Value) -> Answer:
    """What a classifier, wrapped or behind other steps, says of images or features."""
    check_is_fitted(estimator)
    if isinstance(estimator, Pipeline):
        if not isinstance(estimator[-1], DummyClassifier):  # which takes no notice of the features
            for _, step in estimator.steps[:-1]:
                x = _transformed(graph, step, x)
        return _answered(graph, estimator[-1], x)
    return _known(estimator, CLASSIFIERS)(graph, estimator, x)


def _transformed(graph: Graph, step, x: Images | Value) -> Images | Value:
    if step is None or isinstance(step, str):  # "passthrough"
        return x
    rule = _known(step, TRANSFORMERS)
    check_is_fitted(step)
    fitted_shape = getattr(step, "image_shape_", None)
    if isinstance(x, Images) and fitted_shape not in (None, x.shape):
        raise InputError(
            f"{type(step).__name__} was fitted on images of shape {fitted_shape}; the contract has {x.shape}. "
            "They must be the same."
        )
    return rule(graph, step, x)


def _known(step, rules):
    """The rule for the step's class, or for the one that it inherits all that is computed from."""
    changed = []
    for base in type(step).__mro__:
        if base in rules:
            if changed:
                raise InputError(
                    f"{type(step).__name__} can't be exported to ONNX: it is a {base.__name__} with a {changed[0]} of "
                    "its own."
                )
            return rules[base]
        changed += [name for name in COMPUTED if name in vars(base)]
    known = ", ".join(base.__name__ for base in rules)
    raise InputError(f"{type(step).__name__} can't be exported to ONNX; there is a rule for {known}.")


def _pipeline(graph, step, x):
    for _, inner in step.steps:
        x = _transformed(graph, inner, x)
    return x


def _union(graph, step, x):
    weights = step.transformer_weights or {}
    parts = []
    for name, inner in step.transformer_list:
        if inner == "drop":
            continue
        part = _transformed(graph, inner, x)
        parts.append(graph.add("Mul", part, np.float32(weights[name])) if name in weights else part)
    return graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _standard_scaler(graph, step, x):
    if step.mean_ is not None and step.with_mean:
        x = graph.add("Sub", x, np.float32(step.mean_))
    return graph.add("Div", x, np.float32(step.scale_)) if step.scale_ is not None else x


def _normalizer(graph, step, x):
    if step.norm == "l2":
        length = graph.add("Sqrt", graph.total(graph.add("Mul", x, x), 1))
    elif step.norm == "l1":
        length = graph.total(graph.add("Abs", x), 1)
    else:
        length = graph.add("ReduceMax", graph.add("Abs", x), axes=[1], keepdims=1)
    return graph.add("Div", x, graph.add("Where", graph.add("Equal", length, 0.0), 1.0, length))


def _pca(graph, step, x):
    x = graph.add("Sub", x, np.float32(step.mean_))
    x = graph.add("MatMul", x, np.ascontiguousarray(step.components_.T, np.float32))
    if step.whiten:
        deviation = np.sqrt(step.explained_variance_)
        x = graph.add("Div", x, np.float32(np.maximum(deviation, np.finfo(deviation.dtype).eps)))
    return x


def _mirror_augmentation(graph, step, images):
    """Where both views count at prediction, they are one batch of twice the images, and their scores are averaged."""
    if not step.prediction:
        return _answered(graph, step.estimator_, images)
    both = graph.add("Concat", images.tensor, pixels.mirrored(graph, images), axis=0)
    scores = _answered(graph, step.estimator_, images._replace(tensor=both)).scores
    views = graph.reshaped(scores, 2, -1, len(step.classes_))
    return classifiers.highest(graph, graph.add("ReduceMean", views, axes=[0], keepdims=0))


def _affine_augmentation(graph, step, images):
    return _answered(graph, step.estimator_, images)


TRANSFORMERS = {
    features.HOG: hog,
    features.LBP: histograms.lbp,
    features.ColorGrid: histograms.color_grid,
    features.ColorHistogram: histograms.color_histogram,
    features.Deskew: pixels.deskew,
    features.Embedding: embedding,
    features.GaborBank: filters.gabor_bank,
    features.PatchDictionary: filters.patch_dictionary,
    features.SobelHistogram: histograms.sobel_histogram,
    Pipeline: _pipeline,
    FeatureUnion: _union,
    StandardScaler: _standard_scaler,
    Normalizer: _normalizer,
    PCA: _pca,
    features.PCA: _pca,
    features.StandardScaler: _standard_scaler,
}
CLASSIFIERS = {
    svm.KernelSVM: classifiers.kernel_svm,
    svm.LinearSVM: classifiers.linear_svm,
    svm.OpenCVSVM: classifiers.opencv_svm,
    DummyClassifier: classifiers.most_frequent,
    NeuralClassifier: neural_classifier,
    MirrorAugmentation: _mirror_augmentation,
    AffineAugmentation: _affine_augmentation,
}
