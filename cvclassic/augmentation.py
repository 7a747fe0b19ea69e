"""Training images changed in ways that keep their label."""

import cv2
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError
from cvclassic.images import check_images


class MirrorAugmentation(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
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

    def fit(self, X, y) -> "MirrorAugmentation":
        """Learn from images `X`, (n, height, width) or (n, height, width, 3), and labels `y` (n,).

        Raises
        ------
        InputError
            For an unusable batch, and what `estimator` raises.
        """
        X, y = check_images(X), np.asarray(y)
        if self.training:
            X, y = np.concatenate([X, mirrored(X)]), np.concatenate([y, y])
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.classes_ = self.estimator_.classes_
        return self

    def decision_function(self, X) -> np.ndarray:
        """Scores (n, n_classes), or (n,) for two classes: those of `estimator`, averaged over both views."""
        check_is_fitted(self)
        X = check_images(X)
        score = getattr(self.estimator_, "decision_function", None) or self.estimator_.predict_proba
        return (score(X) + score(mirrored(X))) / 2 if self.prediction else score(X)

    def predict(self, X) -> np.ndarray:
        """The class with the highest score for each image, (n,)."""
        scores = self.decision_function(X)
        return self.classes_[np.argmax(scores, axis=1) if scores.ndim == 2 else (scores > 0).astype(int)]


class AffineAugmentation(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
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

    def fit(self, X, y) -> "AffineAugmentation":
        """Learn from images `X`, (n, height, width) or (n, height, width, 3), and labels `y` (n,).

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
        self.estimator_ = clone(self.estimator).fit(np.concatenate([X, *copies]), np.tile(y, 1 + self.copies))
        self.classes_ = self.estimator_.classes_
        return self

    def decision_function(self, X) -> np.ndarray:
        """Scores of `estimator`: (n, n_classes), or (n,) for two classes."""
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    def predict(self, X) -> np.ndarray:
        """The class that `estimator` gives each image, (n,)."""
        check_is_fitted(self)
        return self.estimator_.predict(X)

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
