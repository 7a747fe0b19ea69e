"""Pictures whose label is probably wrong, told from scores of models that never saw them."""

from typing import NamedTuple

import numpy as np

from cvclassic.errors import InputError


class Mislabelled(NamedTuple):
    """An image that looks like one of another class."""

    image: int  # index into the scores
    label: int  # the class that it is said to be
    probable: int  # the class that it looks like
    margin: float  # by how much the score of the second is higher than that of the first


def probably_mislabelled(scores: np.ndarray, labels: np.ndarray) -> list[Mislabelled]:
    """Images whose label is probably wrong, by confident learning; the clearest ones first.

    The threshold of a class is the mean score that it has on the images labelled so. An image counts to the class with
    the highest score among those whose threshold is reached; where that is another one than its label, the label is
    probably wrong: these are the off-diagonal entries of the confident joint in Northcutt, Jiang and Chuang, Confident
    learning: estimating uncertainty in dataset labels, Journal of Artificial Intelligence Research 70, 2021.

    Parameters
    ----------
    scores : ndarray of shape (n, k)
        Of images that the model was not fitted on (of a test part, or of all folds): the higher, the more probable the
        class. Probabilities, or decision values that can be compared between classes.
    labels : ndarray of shape (n,), int
        0 to k - 1, as they are given.

    Raises
    ------
    InputError
        For scores that are not finite or don't fit the labels.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise InputError(f"scores have shape {scores.shape} and labels {labels.shape}; pass (n, k) and (n,).")
    if not np.isfinite(scores).all():
        raise InputError("scores hold NaN or infinite values; leave such images out.")
    if labels.dtype.kind not in "iu" or (len(labels) and not (labels.min() >= 0 and labels.max() < scores.shape[1])):
        raise InputError(f"labels must be whole numbers from 0 to {scores.shape[1] - 1}, columns of scores.")
    rows = np.arange(len(labels))
    thresholds = np.full(scores.shape[1], np.inf)  # of a class that no image has: never reached
    for label in np.unique(labels):
        thresholds[label] = scores[labels == label, label].mean()
    reached = np.where(scores >= thresholds, scores, -np.inf)
    probable = reached.argmax(axis=1)
    wrong = rows[np.isfinite(reached.max(axis=1, initial=-np.inf)) & (probable != labels)]
    margins = scores[wrong, probable[wrong]] - scores[wrong, labels[wrong]]
    order = np.argsort(-margins, kind="stable")
    return [
        Mislabelled(int(i), int(labels[i]), int(probable[i]), float(margin))
        for i, margin in zip(wrong[order], margins[order], strict=True)
    ]
