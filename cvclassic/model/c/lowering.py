"""From a fitted pipeline to the few steps that the C header is written from: extract, normalize, scale, map, decide.

What follows the last normalization and is linear (StandardScaler, the weights of a FeatureUnion, PCA, a linear SVM) is
multiplied out, so that one matrix is left of it.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from cvclassic.augmentation import AffineAugmentation, MirrorAugmentation, layers
from cvclassic.errors import InputError
from cvclassic.features.color_grid import ColorGrid
from cvclassic.features.color_histogram import ColorHistogram
from cvclassic.features.deskew import Deskew
from cvclassic.features.extractor import Extractor
from cvclassic.features.hog import HOG
from cvclassic.features.lbp import LBP
from cvclassic.features.sobel_histogram import SobelHistogram
from cvclassic.features.statistics import PCA as LazyPCA
from cvclassic.features.statistics import StandardScaler as LazyStandardScaler
from cvclassic.svm.kernel import KernelSVM
from cvclassic.svm.linear import LinearSVM
from cvclassic.svm.one_vs_one import vote
from cvclassic.svm.opencv import OpenCVSVM

EXTRACTORS = (HOG, LBP, ColorGrid, ColorHistogram, SobelHistogram)
COVERED = (
    "Deskew, first; ColorGrid, ColorHistogram, SobelHistogram, HOG, LBP, alone or in a FeatureUnion; then "
    "StandardScaler, Normalizer, PCA"
)
CLASSIFIERS = "LinearSVM, and KernelSVM and OpenCVSVM with kernel='linear' or 'rbf'"


@dataclass(frozen=True)
class Extraction:
    """Features of an image, put at `start` of the vector."""

    extractor: Extractor
    start: int
    size: int

    def apply(self, images: np.ndarray, features: np.ndarray) -> None:
        """Fill its columns of `features`, (n, d)."""
        features[:, self.start : self.start + self.size] = self.extractor.transform(images)


@dataclass(frozen=True)
class Normalization:
    """Some features brought to one of `NORMALIZATIONS`."""

    norm: str
    start: int
    size: int

    def apply(self, images: np.ndarray, features: np.ndarray) -> None:
        """Change its columns of `features`, (n, d), in place; zeros stay zeros."""
        values = features[:, self.start : self.start + self.size]
        total = np.sqrt((values**2).sum(axis=1)) if self.norm == "l2" else values.sum(axis=1)
        values /= np.where(total > 0, total, 1)[:, np.newaxis]
        if self.norm == "sqrt":
            np.sqrt(values, out=values)


@dataclass(frozen=True)
class Scaling:
    """Some features times `factors` plus `shifts`, both (size,)."""

    factors: np.ndarray
    shifts: np.ndarray
    start: int

    def apply(self, images: np.ndarray, features: np.ndarray) -> None:
        """Change its columns of `features`, (n, d), in place."""
        values = features[:, self.start : self.start + len(self.factors)]
        values *= self.factors.astype(np.float32)
        values += self.shifts.astype(np.float32)


@dataclass(frozen=True)
class Affine:
    """`weights @ (x - center) + bias`: around a center near the data, rounded weights err least."""

    weights: np.ndarray  # (rows, columns), float64
    center: np.ndarray  # (columns,)
    bias: np.ndarray  # (rows,)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (x - self.center) @ self.weights.T + self.bias


@dataclass(frozen=True)
class RBF:
    """Decision values of all pairs of classes, from support vectors that lie class by class.

    Each vector has a coefficient for each class but its own; those of class i begin at `first[i]`.
    """

    vectors: np.ndarray  # (m, columns)
    coefficients: np.ndarray  # (m, classes - 1)
    first: np.ndarray  # (classes + 1,)
    bias: np.ndarray  # (pairs,)
    gamma: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        distances = (x**2).sum(axis=1)[:, np.newaxis] + (self.vectors**2).sum(axis=1) - 2 * x @ self.vectors.T
        kernel = np.exp(-self.gamma * np.maximum(distances, 0))
        decisions, n_classes = np.tile(self.bias, (len(x), 1)), len(self.first) - 1
        for pair, (i, j) in enumerate(combinations(range(n_classes), 2)):
            for own, other in ((i, j), (j, i)):
                rows = slice(self.first[own], self.first[own + 1])
                decisions[:, pair] += kernel[:, rows] @ self.coefficients[rows, other - (other > own)]
        return decisions


@dataclass(frozen=True)
class Lowered:
    """What a fitted pipeline does to an image, step by step."""

    deskew: bool  # whether the image is straightened first
    steps: tuple[Extraction | Normalization | Scaling, ...]
    n_features: int
    projection: Affine | None
    classifier: Affine | RBF
    n_classes: int
    duels: bool  # whether there is a decision value for each pair of classes, or for each class

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class numbers (n,) of uint8 images, as the header finds them but for rounding."""
        decisions = self.decisions(images)
        if self.duels:
            return vote(decisions, self.n_classes)
        return (decisions[:, 0] > 0).astype(np.intp) if self.n_classes == 2 else decisions.argmax(axis=1)

    def decisions(self, images: np.ndarray) -> np.ndarray:
        """Decision values, float64: (n, pairs) for duels, else (n, n_classes), or (n, 1) for two classes."""
        images = Deskew().transform(images) if self.deskew else images
        features = np.empty((len(images), self.n_features), np.float32)
        for step in self.steps:
            step.apply(images, features)
        x = features.astype(np.float64)
        return self.classifier(x if self.projection is None else self.projection(x))


def lowered(pipeline: BaseEstimator, image_shape: tuple[int, ...]) -> Lowered:
    """The steps of a fitted pipeline on uint8 images of `image_shape`.

    Raises
    ------
    InputError
        Naming the first part that has no counterpart in C.
    """
    *transformers, classifier = _parts(pipeline)
    deskew = bool(transformers) and type(transformers[0]) is Deskew
    features, projection = _Features(image_shape), None
    for part in transformers[deskew:]:
        if type(part) in (PCA, LazyPCA) and projection is None:
            projection = _principal_components(part, features)
        elif projection is not None:
            raise _refusal(part, "after PCA only a classifier is exported")
        else:
            features.add(part)
    if not features.size:
        raise _refusal(classifier, "the pipeline has no features before it")
    return _with_classifier(classifier, features, projection, deskew)


def _parts(estimator: BaseEstimator) -> list[BaseEstimator]:
    """The transformers and the classifier at the end, without the Pipelines and wrappers around them."""
    found = []
    for layer in layers(estimator):
        if isinstance(layer, Pipeline):
            found += [step for _, step in layer.steps[:-1] if step not in (None, "passthrough")]
        elif type(layer) is MirrorAugmentation and layer.prediction:
            raise _refusal(layer, "it predicts from mirror images too; use prediction=False")
        elif type(layer) not in (MirrorAugmentation, AffineAugmentation):
            found.append(layer)
    return found


class _Features:
    """The features so far: the steps that make them, and the scaling that still waits to be multiplied out."""

    def __init__(self, image_shape: tuple[int, ...], start: int = 0):
        self.image_shape, self.start, self.size = image_shape, start, 0
        self.steps: list[Extraction | Normalization | Scaling] = []
        self.factors, self.shifts = np.ones(0), np.zeros(0)

    def add(self, part: BaseEstimator) -> None:
        if isinstance(part, Pipeline):
            for _, step in part.steps:
                self.add(step)
        elif part is None or part == "passthrough":
            return
        elif type(part) in EXTRACTORS and not self.size:
            self._extract(part)
        elif type(part) is FeatureUnion and not self.size:
            self._unite(part)
        elif type(part) in (StandardScaler, LazyStandardScaler) and self.size:
            self._standardize(part)
        elif type(part) is Normalizer and self.size:
            self._normalize(part)
        else:
            raise _refusal(part, f"exported are {COVERED}; classifiers: {CLASSIFIERS}")

    def _extract(self, extractor):
        self.size = extractor.transform(np.zeros((1, *self.image_shape), np.uint8)).shape[1]
        self.steps.append(Extraction(extractor, self.start, self.size))
        self.factors, self.shifts = np.ones(self.size), np.zeros(self.size)

    def _unite(self, union):
        weights = union.transformer_weights or {}
        for name, part in union.transformer_list:
            if isinstance(part, str) and part == "drop":
                continue
            block = _Features(self.image_shape, self.start + self.size)
            block.add(part)
            weight = weights.get(name, 1.0)
            self.steps += block.steps
            self.size += block.size
            self.factors = np.concatenate([self.factors, weight * block.factors])
            self.shifts = np.concatenate([self.shifts, weight * block.shifts])

    def _standardize(self, scaler):
        scale = np.ones(self.size) if scaler.scale_ is None else scaler.scale_
        mean = np.zeros(self.size) if scaler.mean_ is None or not scaler.with_mean else scaler.mean_
        self.factors, self.shifts = self.factors / scale, (self.shifts - mean) / scale

    def _normalize(self, normalizer):
        if normalizer.norm != "l2":
            raise _refusal(normalizer, 'of norm exported is "l2"')
        self.flush()
        self.steps.append(Normalization("l2", self.start, self.size))

    def flush(self) -> None:
        """Make the waiting scaling a step, where it does anything."""
        if (self.factors != 1).any() or self.shifts.any():
            self.steps.append(Scaling(self.factors, self.shifts, self.start))
        self.factors, self.shifts = np.ones(self.size), np.zeros(self.size)

    def mapped(self, weights: np.ndarray, bias: np.ndarray) -> Affine:
        """`weights @ features + bias` with the waiting scaling multiplied out."""
        used = self.factors != 0
        center = np.divide(-self.shifts, self.factors, out=np.zeros(self.size), where=used)
        return Affine(weights * self.factors, center, bias + weights @ np.where(used, 0, self.shifts))


def _principal_components(pca, features) -> Affine:
    weights = pca.components_.astype(np.float64)
    if pca.whiten:
        weights = weights / np.sqrt(pca.explained_variance_)[:, np.newaxis]
    features.shifts = features.shifts - pca.mean_
    return features.mapped(weights, np.zeros(len(weights)))


def _with_classifier(classifier, features, projection, deskew) -> Lowered:
    n_classes = len(getattr(classifier, "classes_", ()))
    if type(classifier) is OpenCVSVM and classifier.kernel in ("linear", "rbf"):
        classifier = classifier.to_sklearn()
    if type(classifier) is LinearSVM:
        weights, bias, duels = classifier.coef_, classifier.intercept_, False
    elif type(classifier) is KernelSVM and classifier.backend != "nystroem" and classifier.kernel in ("linear", "rbf"):
        sign = -1 if n_classes == 2 else 1
        weights, bias, duels = None, sign * classifier.intercept_, True
        if classifier.kernel == "linear":
            weights = sign * classifier._pair_weights().T @ classifier.support_vectors_.astype(np.float64)
    else:
        raise _refusal(classifier, f"exported are {CLASSIFIERS}")
    if weights is None:
        if projection is None:
            features.flush()
        first = np.concatenate([[0], np.cumsum(classifier.n_support_)])
        vectors = classifier.support_vectors_.astype(np.float64)
        decide = RBF(vectors, sign * classifier.dual_coef_.T, first, bias, float(classifier.gamma_))
    elif projection is None:
        decide = features.mapped(weights, bias)
    elif len(weights) <= len(projection.weights):
        decide = Affine(weights @ projection.weights, projection.center, bias + weights @ projection.bias)
        projection = None
    else:
        decide = Affine(weights, np.zeros(len(projection.weights)), bias)
    return Lowered(deskew, tuple(features.steps), features.size, projection, decide, n_classes, duels)


def _refusal(part, reason: str) -> InputError:
    options = [f"{name}={getattr(part, name)!r}" for name in ("kernel", "backend") if hasattr(part, name)]
    return InputError(f"{type(part).__name__}({', '.join(options)}) can't be exported to C: {reason}.")
