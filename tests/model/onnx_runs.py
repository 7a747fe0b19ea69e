"""ONNX files run by onnxruntime, and what they are compared with."""

import numpy as np
import onnxruntime
from sklearn.pipeline import Pipeline, make_pipeline

from cvclassic.augmentation import MirrorAugmentation, Wrapper, mirrored, predict_with_scores
from cvclassic.decoding import InputContract
from cvclassic.model.onnx import to_onnx
from cvclassic.svm import KernelSVM, LinearSVM, OpenCVSVM

TOLERANCE = 1e-4  # of the largest score
DRAW = 2e-5  # of decision values: of the margin, which is 1, or of the largest where that is more


def exported(estimator, X) -> bytes:
    """The file of a fitted estimator for images like those of `X`."""
    contract = InputContract(*X.shape[1:3], channels=3 if X.ndim == 4 else 1)
    return to_onnx(estimator, contract, tuple(f"class {k}" for k in estimator.classes_))


def run(content: bytes, X) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores that onnxruntime finds, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return tuple(session.run(["label", "scores"], {"images": X}))


def expected(estimator, X) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of the estimator itself, (n, classes) for two classes too."""
    found = predict_with_scores(estimator, X)
    scores = found.scores if found.scores.ndim == 2 else np.column_stack([-found.scores, found.scores])
    return found.labels, scores


def assert_agrees(estimator, X, found) -> None:
    """`found` are the estimator's labels, and its scores within `TOLERANCE`.

    One image in a hundred may differ where rounding decides: where the best two scores, or the two classes of a duel,
    are as near.
    """
    (labels, scores), (own_labels, own_scores) = found, expected(estimator, X)
    assert labels.shape == own_labels.shape
    assert scores.shape == own_scores.shape
    near = TOLERANCE * max(np.abs(own_scores).max(), 1e-3)
    best = np.sort(own_scores, axis=1)
    open_ones = (best[:, -1] - best[:, -2] < near) | (_closest_duels(estimator, X) < DRAW)
    differ = (labels != own_labels) | (np.abs(scores - own_scores).max(axis=1) > near)
    assert not (differ & ~open_ones).any()
    assert differ.sum() <= max(1, len(X) // 100)


def _closest_duels(estimator, X):
    """How near to a draw the nearest of each image's duels between two classes is; infinite where there are none."""
    if isinstance(estimator, Pipeline):
        return _closest_duels(estimator[-1], estimator[:-1].transform(X) if len(estimator) > 1 else X)
    if isinstance(estimator, MirrorAugmentation) and estimator.prediction:
        return np.minimum(*(_closest_duels(estimator.wrapped, view) for view in (X, mirrored(X))))
    if isinstance(estimator, Wrapper):
        return _closest_duels(estimator.wrapped, X)
    if isinstance(estimator, (KernelSVM, OpenCVSVM)) and getattr(estimator, "backend", None) != "nystroem":
        distances = np.abs(estimator._pair_decisions(X))
        return distances.min(axis=1) / max(distances.max(), 1)
    return np.full(len(X), np.inf)


def features_by_onnx(extractor, X) -> np.ndarray:
    """What the exported `extractor` makes of `X`: the scores of a linear SVM that hands on each feature as it is."""
    n_features = extractor.fit(X).transform(X[:1]).shape[1]
    svm = LinearSVM()
    svm.coef_, svm.intercept_ = np.eye(n_features), np.zeros(n_features)
    svm.classes_, svm.n_features_in_ = np.arange(n_features), n_features
    return run(exported(make_pipeline(extractor, svm), X), X)[1]
