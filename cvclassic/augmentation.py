"""Training images changed in ways that keep their label."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.validation import check_is_fitted

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


def mirrored(images: np.ndarray) -> np.ndarray:
    """Images with left and right exchanged, C-contiguous."""
    return np.ascontiguousarray(images[:, :, ::-1])
