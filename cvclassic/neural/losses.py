"""The losses of `NeuralClassifier`, and what a wrong prediction costs by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from cvclassic.errors import InputError
from cvclassic.neural.backend import prepare_backend

CROSS_ENTROPY = "sparse_categorical_crossentropy"
PROBABILISTIC = (CROSS_ENTROPY, "categorical_crossentropy", "focal", "mean_squared_error")
"""The losses whose networks' scores become probabilities by the softmax."""

LOSSES = (*PROBABILISTIC, "squared_hinge", "hinge", "categorical_hinge")
FOCAL_GAMMA = 2.0  # Lin et al., 2017

Loss = str | Callable[[Any, Any], Any]


def check_loss(loss: Loss) -> None:
    """InputError unless `loss` is one of `LOSSES` or a function."""
    if not callable(loss) and loss not in LOSSES:
        raise InputError(
            f"loss={loss!r} is unknown; use one of {', '.join(LOSSES)}, or a function (y_true, y_pred) of one-hot "
            "targets and scores."
        )


def check_label_smoothing(share: float, loss: Loss) -> None:
    """InputError unless `share` is from 0 to below 1, and 0 for a loss whose targets can't be smoothed."""
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    if not is_number or not 0 <= share < 1:
        raise InputError(f"label_smoothing={share!r}; it must be a number from 0 to below 1, such as 0.1.")
    if share and loss != "categorical_crossentropy":
        raise InputError(
            f'label_smoothing={share!r} needs the one-hot targets of loss="categorical_crossentropy"; loss is {loss!r}.'
        )


def make_loss(loss: Loss, label_smoothing: float = 0.0):
    """The loss as `keras.Model.compile` takes it, for a network whose outputs are scores (logits)."""
    keras = prepare_backend()
    if loss == CROSS_ENTROPY:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if loss == "categorical_crossentropy":
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
    if loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=FOCAL_GAMMA, from_logits=True)
    if loss == "mean_squared_error":
        return _brier_score
    return loss


def make_targets(loss: Loss, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """What the loss compares scores with: class numbers as int32 (n,), or one-hot rows as float32 (n, n_classes)."""
    if loss == CROSS_ENTROPY:
        return codes.astype(np.int32)
    return np.eye(n_classes, dtype=np.float32)[codes]  # Keras's hinge losses read 0 as -1


def make_accuracy(loss: Loss):
    """The Keras metric `accuracy` for the loss's targets."""
    metrics = prepare_backend().metrics
    return (metrics.SparseCategoricalAccuracy if loss == CROSS_ENTROPY else metrics.CategoricalAccuracy)("accuracy")


def class_weights(class_weight: Mapping | str | None, classes: np.ndarray, codes: np.ndarray) -> np.ndarray | None:
    """The weight of each class, float32 (n_classes,), or None where all weigh the same.

    Parameters
    ----------
    class_weight : dict of label to weight, "balanced" or None
        Labels that the dict lacks weigh 1. `"balanced"` is n / (n_classes * n of the class), as in scikit-learn.
    classes : ndarray of shape (n_classes,)
        The labels, sorted.
    codes : ndarray of int, shape (n,)
        The number of each training sample's class.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str) and class_weight == "balanced":
        return compute_class_weight("balanced", classes=np.arange(len(classes)), y=codes).astype(np.float32)
    if not isinstance(class_weight, Mapping):
        raise InputError(f'class_weight={class_weight!r}; it must be a dict of label to weight, "balanced", or None.')
    known = classes.tolist()
    unknown = [label for label in class_weight if label not in known]
    if unknown:
        raise InputError(f"class_weight names {unknown[0]!r}, which is no label of y; its labels are {known[:10]}.")
    weights = np.array([class_weight.get(label, 1) for label in known], np.float32)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise InputError(f"class_weight={class_weight!r}; weights are numbers of at least 0, and not all of them 0.")
    return weights


def check_cost_matrix(cost_matrix, loss: Loss, n_classes: int) -> np.ndarray | None:
    """`cost_matrix` as float64 (n_classes, n_classes), or None; InputError where it can't be used."""
    if cost_matrix is None:
        return None
    costs = np.asarray(cost_matrix)
    if costs.shape != (n_classes, n_classes) or costs.dtype.kind not in "fiu" or not np.isfinite(costs).all():
        raise InputError(
            f"cost_matrix has shape {costs.shape} and dtype {costs.dtype}; for the {n_classes} classes of y it must "
            f"hold finite numbers, ({n_classes}, {n_classes}): row true class, column predicted class."
        )
    if (costs.diagonal() > costs.min(axis=1)).any():
        row = int(np.flatnonzero(costs.diagonal() > costs.min(axis=1))[0])
        raise InputError(f"In row {row} of cost_matrix a wrong prediction costs less than the right one.")
    if loss not in PROBABILISTIC:
        raise InputError(f"cost_matrix needs probabilities; use it with a loss of {', '.join(PROBABILISTIC)}.")
    return costs.astype(np.float64)


def _brier_score(y_true, y_pred):
    """Squared error of the probabilities, mean over the classes (Brier, 1950, has the sum)."""
    ops = prepare_backend().ops
    return ops.mean(ops.square(y_true - ops.softmax(y_pred)), axis=-1)
