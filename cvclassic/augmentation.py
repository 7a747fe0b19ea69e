"""Classifiers around a classifier: they change its training images in ways that keep the label, and so its answers.

What wraps a classifier says so by the property `wrapped`, one of a user's own too; `layers`, `innermost` and
`predict_with_scores` then see through it, as they see through scikit-learn's Pipelines.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError
from cvclassic.images import check_images

AUGMENTATIONS = ("none", "mirror", "shift", "affine")
SHIFT_PART = 16  # of the shorter side


def layers(estimator: BaseEstimator) -> Iterator[BaseEstimator]:
    """`estimator`, what it holds, and so on to the classifier at the very inside.

    A Pipeline holds its last step, and what has the property `wrapped` holds that.
    """
    yield estimator
    if isinstance(estimator, Pipeline):
        yield from layers(estimator[-1])
    elif hasattr(estimator, "wrapped"):
        yield from layers(estimator.wrapped)


def innermost(estimator: BaseEstimator) -> BaseEstimator:
    """The classifier at the very inside of Pipelines and wrappers; `estimator` itself where it is neither."""
    *_, last = layers(estimator)
    return last


def augmented(estimator: BaseEstimator, augment: str, *, image_shape: tuple[int, ...], seed: int) -> BaseEstimator:
    """`estimator`, not fitted yet, so that it learns from changed training images too.

    A network whose model has the parameter for it changes the images itself, anew in each epoch. Others get copies too:
    a mirrored one of each image, or two that are shifted or distorted. What is predicted is the image as it is.

    Parameters
    ----------
    estimator : classifier or Pipeline on image batches
        Changed in place where it is such a network.
    augment : {"none", "mirror", "shift", "affine"}
        Left and right exchanged; shifted by up to a 16th of the shorter side; shifted as far, turned, sheared and
        scaled (see `AffineAugmentation`).
    image_shape : (height, width) or (height, width, 3)
    seed : int
    """
    shift = largest_shift(image_shape)
    of_network = {"mirror": {"model__mirror": True}, "shift": {"model__shift": shift}}.get(augment, {})
    if of_network and set(of_network) <= set(estimator.get_params()):
        return estimator.set_params(**of_network)
    if augment == "mirror":
        return MirrorAugmentation(estimator, prediction=False)
    if augment == "shift":
        return AffineAugmentation(estimator, rotation=0, shear=0, scale=0, shift=shift, random_state=seed)
    return AffineAugmentation(estimator, shift=shift, random_state=seed) if augment == "affine" else estimator


def largest_shift(image_shape: tuple[int, ...]) -> int:
    """Pixels by which training images are shifted at most: a 16th of the shorter side, and at least one."""
    return max(min(image_shape[:2]) // SHIFT_PART, 1)


def augmentation_of(estimator: BaseEstimator) -> str:
    """How `estimator` changes its training images: "none", "mirror", "shift" or "affine", or several joined by "+"."""
    found = [layer.training_change for layer in layers(estimator) if isinstance(layer, Wrapper)]
    network = innermost(estimator)
    parameters = network.get_params() if hasattr(network, "get_params") else {}
    found += [name for name in ("mirror", "shift") if parameters.get(f"model__{name}")]
    found += ["mirror"] * bool(parameters.get("mirror_parts"))  # of KernelRidge
    return "+".join(dict.fromkeys(filter(None, found))) or AUGMENTATIONS[0]


class Prediction(NamedTuple):
    """What a classifier says of n images.

    `labels` have shape (n,). `scores`, of `decision_function`, else of `predict_proba`, have shape (n, n_classes) or,
    for two classes, also (n,); None where there is neither. `seconds` is what the labels took, features included and
    scores that they don't need left out.
    """

    labels: np.ndarray
    scores: np.ndarray | None
    seconds: float


def predict_with_scores(estimator: BaseEstimator, X: np.ndarray) -> Prediction:
    """What `estimator.predict(X)` gives, and its scores, with all features computed once for both."""
    started = time.perf_counter()
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            X = X if step in (None, "passthrough") else step.transform(X)
        features = time.perf_counter() - started
        found = predict_with_scores(estimator[-1], X)
        return found._replace(seconds=features + found.seconds)
    if isinstance(estimator, Wrapper):
        return estimator.predict_with_scores(X)
    labels = np.asarray(estimator.predict(X))
    seconds, score = time.perf_counter() - started, _score_method(estimator)
    return Prediction(labels, None if score is None else np.asarray(score(X)), seconds)


def _score_method(estimator: BaseEstimator) -> Callable[[np.ndarray], np.ndarray] | None:
    return getattr(estimator, "decision_function", None) or getattr(estimator, "predict_proba", None)


class Wrapper(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """What classifiers share that hold another one: `estimator` as it was given, `estimator_` once it is fitted.

    It answers as `estimator_` does. A child that changes `predict` or `decision_function` changes `predict_with_scores`
    with them.
    """

    training_change: str | None = None  # of `AUGMENTATIONS`: what it does to its training images

    @property
    def wrapped(self) -> BaseEstimator:
        """The classifier that it holds: the fitted one, where there is one."""
        return getattr(self, "estimator_", self.estimator)

    def predict(self, X) -> np.ndarray:
        """The class that `estimator` gives each image, (n,)."""
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(lambda self: _score_method(self.wrapped) is not None)
    def decision_function(self, X) -> np.ndarray:
        """Scores of `estimator`: (n, n_classes), or (n,) for two classes; probabilities where it has no others."""
        check_is_fitted(self)
        return _score_method(self.estimator_)(X)

    def predict_with_scores(self, X) -> Prediction:
        """What `predict` and `decision_function` give, the latter None where `estimator` has no scores."""
        check_is_fitted(self)
        return predict_with_scores(self.estimator_, X)

    def get_metadata_routing(self) -> MetadataRouter:
        """What `estimator` asks for reaches it through `fit`, also where a Pipeline holds this."""
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=to_fit)

    def _fit_estimator(self, X, y, fit_params):
        self.estimator_ = clone(self.estimator).fit(X, y, **fit_params)
        self.classes_ = self.estimator_.classes_
        return self


class MirrorAugmentation(Wrapper):
    """A classifier of images that counts mirror images as the same: for data sets with the trait `"mirror"`.

    Virtual examples as in Schölkopf, Burges and Vapnik, "Incorporating invariances in support vector learning
    machines" (ICANN 1996), and scores averaged over both views at prediction.

    Parameters
    ----------
    estimator : classifier or Pipeline on image batches, with `decision_function` or `predict_proba`
    training : bool
        Fit on each training image and its mirror image: twice the rows.
    prediction : bool
        Predict from the mean of the scores of an image and of its mirror image: twice the time.

    Attributes
    ----------
    estimator_ : the fitted classifier
    classes_ : array of shape (n_classes,)
    """

    def __init__(self, estimator, *, training: bool = True, prediction: bool = True):
        self.estimator = estimator
        self.training = training
        self.prediction = prediction

    @property
    def training_change(self) -> str | None:
        """What it does to its training images, in the word of `augmented`."""
        return "mirror" if self.training else None

    def fit(self, X, y, **fit_params) -> "MirrorAugmentation":
        """Learn from images `X`, (n, height, width) or (n, height, width, 3), and labels `y` (n,).

        `fit_params`, such as validation data, go to `estimator.fit` as they are: nothing with a value per training
        image, of which there are more than `y` has.

        Raises
        ------
        InputError
            For an unusable batch, an estimator without scores to average, and what `estimator` raises.
        """
        X, y = check_images(X), np.asarray(y)
        if self.training:
            X, y = np.concatenate([X, mirrored(X)]), np.concatenate([y, y])
        self._fit_estimator(X, y, fit_params)
        if self.prediction and _score_method(self.estimator_) is None:
            raise InputError(
                f"{type(innermost(self)).__name__} has neither decision_function nor predict_proba; MirrorAugmentation "
                "predicts from the mean of such scores. Set prediction=False."
            )
        return self

    @available_if(lambda self: _score_method(self.wrapped) is not None)
    def decision_function(self, X) -> np.ndarray:
        """Scores (n, n_classes), or (n,) for two classes: those of `estimator`, averaged over both views."""
        if not self.prediction:
            return super().decision_function(X)
        check_is_fitted(self)
        X, score = check_images(X), _score_method(self.estimator_)
        return (score(X) + score(mirrored(X))) / 2

    def predict(self, X) -> np.ndarray:
        """The class with the highest score for each image, (n,)."""
        return self.predict_with_scores(X).labels if self.prediction else super().predict(X)

    def predict_with_scores(self, X) -> Prediction:
        """What `predict` and `decision_function` give."""
        if not self.prediction:
            return super().predict_with_scores(X)
        started = time.perf_counter()
        scores = self.decision_function(X)
        labels = self.classes_[np.argmax(scores, axis=1) if scores.ndim == 2 else (scores > 0).astype(int)]
        return Prediction(labels, scores, time.perf_counter() - started)


class AffineAugmentation(Wrapper):
    """A classifier of images that is fitted on distorted copies too: for handwriting and the like.

    Rotation, shear, scale of each axis and shift are drawn evenly between their limits for each copy of each image
    (Simard, Steinkraus and Platt, "Best practices for convolutional neural networks", ICDAR 2003).

    Parameters
    ----------
    estimator : classifier or Pipeline on image batches
    copies : int
        Distorted copies of each training image; it is fitted on (1 + copies) times the rows.
    rotation : float
        At most, in degrees, either way.
    shear, scale : float
        At most, either way, as a fraction: 0.1 is 10 %.
    shift : float
        At most, in pixels, either way.
    random_state : int, RandomState or None

    Attributes
    ----------
    estimator_ : the fitted classifier
    classes_ : array of shape (n_classes,)
    """

    def __init__(self, estimator, *, copies=2, rotation=10.0, shear=0.12, scale=0.1, shift=1.0, random_state=None):
        self.estimator = estimator
        self.copies = copies
        self.rotation = rotation
        self.shear = shear
        self.scale = scale
        self.shift = shift
        self.random_state = random_state

    @property
    def training_change(self) -> str:
        """What it does to its training images, in the word of `augmented`."""
        return "affine" if any((self.rotation, self.shear, self.scale)) else "shift"

    def fit(self, X, y, **fit_params) -> "AffineAugmentation":
        """Learn from images `X`, (n, height, width) or (n, height, width, 3), and labels `y` (n,).

        `fit_params`, such as validation data, go to `estimator.fit` as they are: nothing with a value per training
        image, of which there are more than `y` has.

        Raises
        ------
        InputError
            For an unusable batch, a parameter out of range, and what `estimator` raises.
        """
        X, y = check_images(X), np.asarray(y)
        if not isinstance(self.copies, (int, np.integer)) or self.copies < 1:
            raise InputError(f"copies={self.copies!r}; it must be a whole number of at least 1.")
        for name in ("rotation", "shear", "scale", "shift"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"{name}={getattr(self, name)!r}; it must be a number of at least 0.")
        random = check_random_state(self.random_state)
        copies = [self._distorted(X, random) for _ in range(self.copies)]
        return self._fit_estimator(np.concatenate([X, *copies]), np.tile(y, 1 + self.copies), fit_params)

    def _distorted(self, images, random):
        height, width = images.shape[1:3]
        center = np.array([(width - 1) / 2, (height - 1) / 2])
        limits = np.array([np.radians(self.rotation), self.shear, self.scale, self.scale, self.shift, self.shift])
        out = np.empty_like(images)
        draws = random.uniform(-limits, limits, (len(images), len(limits)))
        for k, (angle, shear, scale_x, scale_y, *shift) in enumerate(draws):
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            matrix = turn @ [[1 + scale_x, shear], [0, 1 + scale_y]]
            about_center = np.column_stack([matrix, center - matrix @ center + shift])
            out[k] = cv2.warpAffine(images[k], about_center, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return out


def mirrored(images: np.ndarray) -> np.ndarray:
    """Images with left and right exchanged, C-contiguous."""
    return np.ascontiguousarray(images[:, :, ::-1])
