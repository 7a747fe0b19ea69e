"""Before training: are samples, labels and batches what the network expects; and a short report of what will happen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cvclassic.errors import InputError
from cvclassic.images import check_images, check_in_memory
from cvclassic.neural.backend import prepare_backend

if TYPE_CHECKING:
    import keras

    from cvclassic.neural.training import Samples

# Root mean square from which features count as unscaled: pixels from 0 to 255 have 70 and more, standardized
# features 1.
UNSCALED = 30.0


def check_samples(X, name: str) -> np.ndarray:
    """Features as float32 (n, d), or images as (n, height, width, channels) with values from 0 to 255."""
    check_in_memory(X, name=name)
    X = np.asarray(X)
    if X.ndim != 2:
        X = check_images(X, name=name)
        X = X if X.dtype == np.uint8 else X * np.float32(255)
        return X if X.ndim == 4 else X[..., np.newaxis]
    if 0 in X.shape or X.dtype.kind not in "fiub":
        raise InputError(f"{name} has shape {X.shape} and dtype {X.dtype}; features are numbers, (n, n_features).")
    X = X.astype(np.float32, copy=False)
    if not np.isfinite(X).all():
        raise InputError(f"{name} holds NaN or infinite values; remove or replace them.")
    return X


def check_labels(y, n: int, name: str) -> np.ndarray:
    """Labels as an array (n,); whatever targets the loss wants are made from them."""
    check_in_memory(y, name=name)
    y = np.asarray(y)
    if y.ndim == 2 and len(y) == n and y.shape[1] > 1 and y.dtype.kind in "fiub" and (y.sum(axis=1) == 1).all():
        raise InputError(
            f"{name} has shape {y.shape}, one-hot rows; give the labels themselves, {name}.argmax(axis=1). Losses that "
            "want one-hot targets get them made."
        )
    if y.ndim != 1 or len(y) != n:
        raise InputError(
            f"{name} has shape {y.shape}; it must hold one label for each of the {n} samples, shape ({n},)."
        )
    return y


def check_fit(X: np.ndarray, batch_size: int) -> None:
    """InputError where training can't go well: a batch larger than the set, or features far from the size of 1."""
    if batch_size > len(X):
        raise InputError(
            f"batch_size={batch_size} is larger than the training set of {len(X)} samples; lower --batch-size "
            "(TrainingStack.batch_size)."
        )
    if X.ndim == 2 and (size := math.sqrt(np.vdot(X, X) / X.size)) > UNSCALED:
        raise InputError(
            f"The features of X are unscaled: their root mean square is {size:.4g}, and a network expects about 1. Put "
            "sklearn.preprocessing.StandardScaler() before it, or pass images as (n, height, width[, 3])."
        )


def report(
    network: keras.Model,
    samples: Samples,
    validation: Samples | None,
    classes: np.ndarray,
    settings: dict[str, Any],
) -> str:
    """What is about to be trained, on what and how, in seven lines.

    Parameters
    ----------
    network : keras.Model
    samples, validation : Samples
    classes : ndarray
    settings : dict
        Every hyperparameter by name, those of the stack under `"stack"`.
    """
    X, targets = samples.X, samples.targets
    stack = {name: value for name, value in settings["stack"].items() if value is not None}
    own = {name: value for name, value in settings.items() if name != "stack" and value is not None}
    batch = stack["batch_size"]
    megabytes = 4 / 2**20  # of a float32
    parameters, activations = network.count_params(), batch * _activations(network)
    scaled = ", scaled to [0, 1] in the network" if X.ndim == 4 else ""
    n_val = f", {len(validation.X):,} for validation" if validation else ", none for validation"
    form = "class numbers" if targets.ndim == 1 else "one-hot"
    keras = prepare_backend()
    return "\n".join(
        [
            f"device      {', '.join(devices())}; Keras {keras.__version__} on {keras.backend.backend()}",
            f"input       {X.shape} {X.dtype}, from {X.min():.4g} to {X.max():.4g}{scaled}",
            f"labels      {len(classes)} classes, {classes[0]} to {classes[-1]}; for the loss {targets.shape} {form}",
            f"network     {settings['model']}: {parameters:,} parameters ({parameters * megabytes:.2f} MB), "
            f"activations of a batch {activations * megabytes:.2f} MB",
            f"steps       {math.ceil(len(X) / batch):,} per epoch of {len(X):,} samples{n_val}",
            f"training    {_listed(stack)}",
            f"classifier  {_listed(own)}",
        ]
    )


def devices() -> list[str]:
    """What Keras computes on, such as `["cpu:0", "gpu:0"]`; of torch's devices the one that it would use."""
    keras = prepare_backend()
    try:
        return list(keras.distribution.list_devices())
    except (AttributeError, NotImplementedError):  # torch's backend lists none, but its tensors say where they are
        return [str(getattr(keras.ops.zeros(1), "device", "not told by the backend"))]


def _activations(network: keras.Model) -> int:
    """Values that the layers put out for one sample, which training keeps for the gradients."""
    keras = prepare_backend()
    layers = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
    inner = [layer for layer in layers if isinstance(layer, keras.Model)]
    outputs = [keras.tree.flatten(getattr(layer, "output", [])) for layer in layers if layer not in inner]
    return sum(math.prod(o.shape[1:]) for each in outputs for o in each) + sum(map(_activations, inner))


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
