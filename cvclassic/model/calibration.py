"""From a classifier's scores to probabilities that hold: one or two numbers, fitted on images held out from training.

Two classes have one score, and their probability is a sigmoid of it, a slope and an offset (Platt, "Probabilistic
outputs for support vector machines", 1999, in the form of Lin, Lin and Weng, Machine Learning 68, 2007). More classes
have a score each, and their probabilities are the softmax of the scores times one factor, which temperature scaling
finds (Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017).
"""

from dataclasses import dataclass

import numpy as np

from cvclassic.errors import InputError

LEAST_IMAGES = 20  # that a calibration is fitted on
STEEPNESS = (-7.0, 7.0)  # natural logarithms of the factors that are tried
SMALLEST = 1e-12  # probability whose logarithm is taken
LARGEST = 1e100  # slope; further ones make no other probabilities
METHODS = ("sigmoid", "temperature")


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities.

    Attributes
    ----------
    method : "sigmoid" or "temperature"
    slope, offset : float
        "sigmoid": the second class has the probability 1 / (1 + exp(-(slope * score + offset))). "temperature": slope
        is the factor, 1 / temperature, and offset 0.
    of_probabilities : bool
        Whether the classifier's scores are probabilities, whose logarithms are taken first.
    n_images : int
        Images that it was fitted on.
    """

    method: str
    slope: float
    offset: float
    of_probabilities: bool
    n_images: int

    def __post_init__(self):
        numbers = (self.slope, self.offset, self.n_images)
        fine = all(isinstance(v, int | float) and abs(v) < LARGEST for v in numbers)
        if self.method not in METHODS or not fine or not isinstance(self.of_probabilities, bool):
            raise InputError(f"There is no calibration {str(self.method)[:20]!r} with the numbers {str(numbers)[:80]}.")

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities (n, n_classes), float64, of scores (n, n_classes), or (n,) for two classes."""
        logits = to_logits(scores, self.of_probabilities)
        if self.method == "temperature":
            return softmax(logits * self.slope)
        second = self.slope * (logits[:, 1] - logits[:, 0]) + self.offset
        return softmax(np.stack([np.zeros_like(second), second], axis=1))


def fit_calibration(scores: np.ndarray, y: np.ndarray) -> Calibration | None:
    """The calibration that makes the labels of held-out images likeliest; None with fewer than 20 of them.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes), or (n,) for two classes
        Of images that the classifier did not learn from: its decision values, or its probabilities.
    y : ndarray of int, (n,)
        Columns of their true classes.

    Raises
    ------
    InputError
        For scores that are not finite, or don't fit the labels.
    """
    scores, y = np.asarray(scores, np.float64), np.asarray(y)
    n_classes = 2 if scores.ndim == 1 else scores.shape[-1]
    if scores.ndim not in (1, 2) or len(scores) != len(y) or not np.isfinite(scores).all():
        raise InputError(f"Scores of shape {scores.shape} for {len(y)} labels can't be calibrated; they are finite.")
    if len(y) < LEAST_IMAGES:
        return None
    if y.min() < 0 or y.max() >= n_classes:
        raise InputError(f"The labels go from {y.min()} to {y.max()}; there are {n_classes} scores for each image.")
    of_probabilities = are_probabilities(scores)
    logits = to_logits(scores, of_probabilities)
    if n_classes == 2:
        slope, offset = _fit_sigmoid(logits[:, 1] - logits[:, 0], y)
        return Calibration("sigmoid", slope, offset, of_probabilities, len(y))
    return Calibration("temperature", fit_factor(logits, y), 0.0, of_probabilities, len(y))


def are_probabilities(scores: np.ndarray) -> bool:
    """Whether all scores (n, n_classes) are from 0 on, and those of each image sum to 1."""
    if scores.ndim == 1:
        return False
    return bool(scores.min(initial=0) >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3))


def to_logits(scores: np.ndarray, of_probabilities: bool) -> np.ndarray:
    """Scores as (n, n_classes) whose softmax is meant: 0 beside the one score of two classes, logarithms."""
    scores = np.asarray(scores, np.float64)
    if scores.ndim == 1:
        return np.stack([np.zeros_like(scores), scores], axis=1)
    return np.log(np.maximum(scores, SMALLEST)) if of_probabilities else scores


def fit_factor(logits: np.ndarray, y: np.ndarray) -> float:
    """The factor on logits (n, n_classes) that makes the classes `y` (n,) likeliest."""
    from scipy.optimize import minimize_scalar  # here: loading a model needs none of it
    from scipy.special import logsumexp

    def loss(log_factor: float) -> float:
        scaled = logits * np.exp(log_factor)
        return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(y)), y]))

    return float(np.exp(minimize_scalar(loss, bounds=STEEPNESS, method="bounded").x))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis; each row sums to 1."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def _fit_sigmoid(scores: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and offset with the least cross-entropy against Platt's targets.

    They are not 0 and 1 but what Laplace's rule of succession expects of so many images of each class, so that few
    images that are told apart without an error don't promise certainty.
    """
    from scipy.optimize import minimize

    positives = int(np.count_nonzero(y == 1))
    negatives = len(y) - positives
    targets = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    unit = max(float(np.abs(scores).max()), 1e-300)  # the solver wants numbers of about 1
    x = scores / unit

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        z = parameters[0] * x + parameters[1]
        error = 1 / (1 + np.exp(-np.clip(z, -500, 500))) - targets
        return float(np.sum(np.logaddexp(0, z) - targets * z)), np.array([error @ x, error.sum()])

    start = np.array([0.0, np.log((positives + 1) / (negatives + 1))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"gtol": 1e-8, "ftol": 1e-14, "maxiter": 1000})
    return float(found.x[0] / unit), float(found.x[1])
