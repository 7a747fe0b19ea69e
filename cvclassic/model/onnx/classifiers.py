"""The classifiers: from features to a score for each class, and to the class that is answered."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper
from sklearn.dummy import DummyClassifier

from cvclassic.errors import InputError
from cvclassic.model.onnx.graph import Graph, Value
from cvclassic.model.onnx.pixels import Images
from cvclassic.svm import KernelSVM, LinearSVM, OpenCVSVM
from cvclassic.svm.one_vs_one import Kernel


class Answer(NamedTuple):
    """Scores (n, classes), float32, and the number of the class that is answered, (n,), int64.

    Where scikit-learn has one score for two classes, `scores` holds it with both signs.
    """

    scores: Value
    label: Value


def linear_svm(graph: Graph, step: LinearSVM, x: Value) -> Answer:
    """The class with the highest score."""
    return highest(graph, _linear_scores(graph, step, x))


def kernel_svm(graph: Graph, step: KernelSVM, x: Value) -> Answer:
    """The class that wins most of its duels; for `backend="nystroem"` the one with the highest score."""
    if callable(step.kernel):
        raise InputError(
            "KernelSVM with a function as its kernel can't be exported to ONNX; use a kernel with a name, "
            "or approximate yours by features of your own and LinearSVM."
        )
    kernel = Kernel(step.kernel, step.gamma_, step.degree, step.coef0)
    if step.backend == "nystroem":
        values = _kernel_values(graph, kernel, x, step.landmarks_)
        return highest(graph, _linear_scores(graph, step.linear_, graph.add("MatMul", values, step.projection_)))
    k = len(step.classes_)
    sign = -1 if k == 2 else 1
    if step.kernel == "linear":
        weights = sign * step._pair_weights()
        decisions = _linear(graph, x, weights.T @ step.support_vectors_, sign * step.intercept_)
        return _duels(graph, decisions, k)
    values = _kernel_values(graph, kernel, x, step.support_vectors_)
    # Each class's support vectors speak in the k - 1 duels of their class alone.
    own = np.split(sign * step.dual_coef_.T.astype(np.float32), np.cumsum(step.n_support_)[:-1])
    parts = graph.add("Split", values, step.n_support_.astype(np.int64), n_outputs=k, axis=1)
    spoken = graph.add(
        "Concat", *(graph.add("MatMul", part, part_own) for part, part_own in zip(parts, own, strict=True)), axis=1
    )
    first, second = np.array(list(combinations(range(k), 2))).T
    decisions = graph.add(
        "Add",
        graph.add("Gather", spoken, first * (k - 1) + second - 1, axis=1),
        graph.add("Gather", spoken, second * (k - 1) + first, axis=1),
    )
    return _duels(graph, graph.add("Add", decisions, np.float32(sign * step.intercept_)), k)


def opencv_svm(graph: Graph, step: OpenCVSVM, x: Value) -> Answer:
    """The class that wins most of its duels."""
    k = len(step.classes_)
    if step.kernel == "linear":
        decisions = _linear(graph, x, step.pair_coef_.T @ step.support_vectors_, step.pair_intercept_)
        return _duels(graph, decisions, k)
    kernel = Kernel(step.kernel, step.gamma_, step.degree_, step.coef0_)
    return _duels(
        graph,
        _linear(
            graph, _kernel_values(graph, kernel, x, step.support_vectors_), step.pair_coef_.T, step.pair_intercept_
        ),
        k,
    )


def most_frequent(graph: Graph, step: DummyClassifier, images: Images) -> Answer:
    """The same for every image: score 1 for the most frequent class, and 0 for the others."""
    if step.strategy != "most_frequent":
        raise InputError(
            f'DummyClassifier(strategy="{step.strategy}") can\'t be exported to ONNX; "most_frequent" can.'
        )
    scores = np.float32(step.predict_proba(np.zeros((1, 0))))
    return highest(graph, graph.like(graph.add("Flatten", images.tensor, axis=1), scores))


def highest(graph: Graph, scores: Value) -> Answer:
    """The class with the highest score; of equals the first."""
    return Answer(scores, graph.add("ArgMax", scores, axis=1, keepdims=0))


def both_signs(graph: Graph, score: Value) -> Value:
    """The score (n, 1) for the second of two classes as scores (n, 2)."""
    return graph.add("Concat", graph.add("Neg", score), score, axis=1)


def _linear_scores(graph, step, x):
    scores = _linear(graph, x, step.coef_, step.intercept_)
    return both_signs(graph, scores) if len(step.coef_) == 1 else scores


def _linear(graph, x, weights, intercept):
    """`x @ weights.T + intercept`"""
    product = graph.add("MatMul", x, np.ascontiguousarray(weights.T, np.float32))
    return graph.add("Add", product, np.float32(intercept))


def _duels(graph, decisions, k):
    """Votes of the decision values (n, pairs), and scores as `svm.one_vs_one.one_vs_rest_scores` has them."""
    won = graph.cast(graph.add("Greater", decisions, 0.0), np.float32)
    pairs = np.array(list(combinations(range(k), 2)))
    speaks_for = np.eye(k, dtype=np.float32)[pairs[:, 0]] - np.eye(k, dtype=np.float32)[pairs[:, 1]]
    votes = graph.add("Add", graph.add("MatMul", won, speaks_for), np.bincount(pairs[:, 1], minlength=k).astype("f4"))
    label = graph.add("ArgMax", votes, axis=1, keepdims=0)
    if k == 2:
        return Answer(both_signs(graph, graph.add("Neg", decisions)), label)
    confidence = graph.add("MatMul", decisions, speaks_for)
    squeezed = graph.add("Div", confidence, graph.add("Mul", graph.add("Add", graph.add("Abs", confidence), 1.0), 3.0))
    return Answer(graph.add("Add", votes, squeezed), label)


def _kernel_values(graph, kernel, x, vectors):
    """Values (n, m) of the kernel between rows of `x` and `vectors` (m, d)."""
    vectors = np.asarray(vectors, np.float32)
    if kernel.name == "rbf":
        # Near the data |x|^2 + |y|^2 - 2 x.y loses fewest digits.
        center = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        x, vectors = graph.add("Sub", x, center), vectors - center
        product = graph.add("MatMul", graph.add("Mul", x, np.float32(2 * kernel.gamma)), _columns(vectors))
        squares = graph.total(graph.add("Mul", x, x), 1)
        exponent = graph.add("Sub", product, graph.add("Mul", squares, np.float32(kernel.gamma)))
        exponent = graph.add("Sub", exponent, np.float32(kernel.gamma) * (vectors**2).sum(axis=1))
        return graph.add("Exp", graph.add("Min", exponent, 0.0))
    if kernel.name in ("intersection", "chi2"):
        return _by_rows(graph, kernel, x, vectors)
    if kernel.name == "linear":
        return graph.add("MatMul", x, _columns(vectors))
    product = graph.add("MatMul", graph.add("Mul", x, np.float32(kernel.gamma)), _columns(vectors))
    product = graph.add("Add", product, np.float32(kernel.coef0))
    return graph.add("Tanh", product) if kernel.name == "sigmoid" else graph.add("Pow", product, float(kernel.degree))


def _columns(vectors):
    return np.ascontiguousarray(vectors.T)


def _by_rows(graph, kernel, x, vectors):
    """Kernels that compare each value of a row with each of a vector: row by row, since all at once take n m d floats.

    `x` (n, d) is scanned; the body of the loop is a graph with its own constants.
    """
    body = Graph("row_")
    if kernel.name == "intersection":
        values = body.total(body.add("Min", vectors, "row_in"), 1, keepdims=False)
    else:
        difference, total = body.add("Sub", vectors, "row_in"), body.add("Add", vectors, "row_in")
        nothing = body.add("Equal", total, 0.0)
        share = body.add("Div", body.add("Mul", difference, difference), body.add("Where", nothing, 1.0, total))
        distance = body.total(body.add("Where", nothing, 0.0, share), 1, keepdims=False)
        values = body.add("Exp", body.add("Mul", distance, np.float32(-kernel.gamma)))
    inside = helper.make_graph(
        body.nodes,
        "one_row",
        [helper.make_tensor_value_info("row_in", onnx.TensorProto.FLOAT, [vectors.shape[1]])],
        [helper.make_tensor_value_info(values, onnx.TensorProto.FLOAT, [len(vectors)])],
        initializer=body.constants,
    )
    return graph.add("Scan", x, body=inside, num_scan_inputs=1)
