"""How far a classifier's scores can be made probabilities that hold: figures of calibration."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

BINS = 15  # of confidence, as in Guo et al.
STEEPNESS = (-7.0, 7.0)  # natural logarithms of the factors that are tried


class Calibration(NamedTuple):
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


def calibration(scores_val: np.ndarray, y_val: np.ndarray, scores: np.ndarray, y: np.ndarray) -> Calibration:
    """Figures of the test images' probabilities: the softmax of scores times one factor, fitted on validation images.

    The factor is what temperature scaling finds (Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural
    networks", ICML 2017); decision values and probabilities are treated alike, the latter by their logarithms.

    Parameters
    ----------
    scores_val, scores : ndarray of shape (n, n_classes), or (n,) for two classes
    y_val, y : ndarray of int, (n,)
    """
    logits_val, logits = _logits(scores_val), _logits(scores)

    def loss(log_factor: float) -> float:
        return _log_likelihood_loss(logits_val * np.exp(log_factor), y_val)

    factor = np.exp(minimize_scalar(loss, bounds=STEEPNESS, method="bounded").x)
    log_p = log_softmax(logits * factor, axis=1)
    p = np.exp(log_p)
    rows = np.arange(len(y))
    brier = np.sum(p**2, axis=1) - 2 * p[rows, y] + 1
    return Calibration(float(-log_p[rows, y].mean()), float(brier.mean()), _calibration_error(p, y))


def _logits(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim == 1:
        scores = np.stack([np.zeros_like(scores), scores], axis=1)
    sums = scores.sum(axis=1)
    if scores.min(initial=0) >= 0 and np.allclose(sums, 1, atol=1e-3):  # probabilities
        return np.log(np.maximum(scores, 1e-12))
    return scores


def _log_likelihood_loss(logits: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]))


def _calibration_error(p: np.ndarray, y: np.ndarray) -> float:
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(y))
