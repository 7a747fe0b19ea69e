"""How far a classifier's scores can be made probabilities that hold: figures of calibration."""

from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from cvclassic.errors import InputError
from cvclassic.model.calibration import Calibration, are_probabilities, fit_calibration, fit_factor, to_logits

BINS = 15  # of confidence, as in Guo et al.


class CalibrationFigures(NamedTuple):
    """How well probabilities of classes hold.

    Attributes
    ----------
    negative_log_likelihood : float
        The mean over images, of the true class, in nats.
    brier_score : float
        The mean squared distance to the vector of the true class, from 0 to 2 (Brier 1950).
    calibration_error : float
        The expected one: the mean distance of confidence and accuracy over 15 equal bins of confidence, weighted by
        their images (Naeini, Cooper and Hauskrecht, AAAI 2015).
    """

    negative_log_likelihood: float
    brier_score: float
    calibration_error: float


def calibration(scores_val: np.ndarray, y_val: np.ndarray, scores: np.ndarray, y: np.ndarray) -> CalibrationFigures:
    """Figures of the test images' probabilities: the softmax of scores times one factor, fitted on validation images.

    The factor is what temperature scaling finds (Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural
    networks", ICML 2017); decision values and probabilities are treated alike, the latter by their logarithms.

    Parameters
    ----------
    scores_val, scores : ndarray of shape (n, n_classes), or (n,) for two classes
    y_val, y : ndarray of int, (n,)
    """
    logits_val, logits = (to_logits(each, are_probabilities(each)) for each in (scores_val, scores))
    factor = fit_factor(logits_val, y_val)
    log_p = log_softmax(logits * factor, axis=1)
    p = np.exp(log_p)
    rows = np.arange(len(y))
    brier = np.sum(p**2, axis=1) - 2 * p[rows, y] + 1
    return CalibrationFigures(float(-log_p[rows, y].mean()), float(brier.mean()), _calibration_error(p, y))


def calibrated(scores: np.ndarray | None, y_true: np.ndarray) -> Calibration | None:
    """How scores of held-out images become probabilities; None without scores, or with too few images."""
    try:
        return None if scores is None else fit_calibration(scores, y_true)
    except InputError:  # scores of classes that the pipeline has not seen
        return None


def _calibration_error(p: np.ndarray, y: np.ndarray) -> float:
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(y))
