"""What a `.cvc` file may hold of `cvclassic.neural`: a network is its model function's name, and its weights as arrays.

Keras's own description of a network is never written nor read: it can name what is to be imported (CVE-2025-1550).
"""

import inspect
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from math import prod

import numpy as np

from cvclassic.errors import InputError
from cvclassic.model.kinds import (
    LARGEST,
    Kind,
    Shape,
    Value,
    agree,
    check_classes,
    floats,
    integers,
    maybe,
    sizes,
    whole,
)
from cvclassic.neural import NeuralClassifier, TrainingStack
from cvclassic.neural.losses import LOSSES

WIDEST = 2**16  # values that a function of a built-in network may be given
MOST_EPOCHS = 1_000_000


def _check(network: NeuralClassifier, shape: Shape, n_classes: int) -> None:
    classes, inputs = network.classes_, network.input_shape_
    agree(check_classes(classes, n_classes) and len(classes) > 1, "classes_ of its NeuralClassifier")
    gray = shape is not None and len(shape) == 2
    agree(shape is None or inputs == ((*shape, 1) if gray else shape), "input_shape_ of its NeuralClassifier")
    k = len(classes)
    agree(network.costs_ is None or network.costs_.shape == (k, k), "costs_ of its NeuralClassifier")
    agree(network.loss in LOSSES, "loss of its NeuralClassifier")


def _refuse(network: NeuralClassifier) -> str | None:
    if callable(network.loss):
        return f"its loss is a function of your own; those by name are {', '.join(LOSSES)}"
    return None


def _collect(network: NeuralClassifier) -> dict[str, Value]:
    if not hasattr(network, "model_"):
        return {}
    names = ("classes_", "input_shape_", "n_features_in_", "n_parameters_", "costs_", "converged_")
    found = {name: getattr(network, name) for name in (*names, *_COURSE)}
    stack = network.stack
    return found | {
        "weights": [np.asarray(array) for array in network.model_.get_weights()],
        "training_stack": None if stack is None else asdict(stack),
        "history_": {name: list(map(float, values)) for name, values in network.history_.items()},
    }


def _restore(network: NeuralClassifier, fitted: dict[str, Value]) -> None:
    weights, shape, n_classes = fitted.pop("weights"), fitted["input_shape_"], len(fitted["classes_"])
    stack = fitted.pop("training_stack")
    network.stack = None if stack is None else TrainingStack(**stack)
    function = network.model
    if not callable(function):
        raise InputError("its NeuralClassifier has no model function")
    _check_size(function, shape, n_classes, weights)
    for name, value in fitted.items():
        setattr(network, name, value)
    network.take_weights(weights)


def _check_size(function: Callable, shape: tuple[int, ...], n_classes: int, weights: list[np.ndarray]) -> None:
    """InputError where the built-in network of this name would have more weights than the file: before it is built."""
    keywords = function.keywords if isinstance(function, partial) else {}
    function = function.func if isinstance(function, partial) else function
    signature = inspect.signature(function).parameters
    for name, value in keywords.items():
        given = isinstance(value, int | float | str) and name in signature
        agree(given and (isinstance(value, str) or abs(value) <= WIDEST), f"{name[:80]!r} of its network")
    if not function.__module__.startswith("cvclassic.neural"):
        return
    of = {name: p.default for name, p in signature.items() if p.default is not p.empty} | keywords
    width, pixels, side = int(of.get("width", 0)), prod(shape), [max(length // 8, 1) for length in shape[:2]]
    least = {
        "mlp": pixels * (width if of.get("depth") else n_classes),
        "cnn": 9 * 4 * width * (4 * width) + prod(side) * 4 * width * n_classes,
        "cnn_fast": 9 * 3 * (4 * width) * (4 * width),
        "hybrid": prod(side) * 128,
        "linear_head": pixels * n_classes,
        "resnet_small": 9 * 4 * width * (4 * width),
    }.get(function.__name__, 0)
    agree(len(weights) >= of.get("depth", 0), "the depth of its network")
    agree(sum(array.size for array in weights) >= least, "the number of its network's weights")


def _weights(value: Value) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(floats(*range(8))(each) for each in value)


def _history(value: Value) -> bool:
    columns = value.values() if isinstance(value, dict) else [None]
    return all(isinstance(column, list) and len(column) <= MOST_EPOCHS for column in columns)


_COURSE = ("planned_epochs_", "best_epoch_", "overfit_epoch_")
KINDS = [
    Kind(
        "cvclassic.neural.NeuralClassifier",
        {
            "classes_": integers(1),
            "input_shape_": lambda value: sizes(value) and prod(value) <= 3 * LARGEST,
            "n_features_in_": whole,
            "n_parameters_": whole,
            "costs_": maybe(floats(2)),
            "converged_": lambda value: isinstance(value, bool),
            "weights": _weights,
            "training_stack": maybe(lambda value: isinstance(value, dict)),
            "history_": _history,
            **dict.fromkeys(_COURSE, maybe(whole)),
        },
        _check,
        left_out={"stack": None, "callbacks": (), "log_dir": None, "verbose": False},
        collect=_collect,
        restore=_restore,
        refuse=_refuse,
    )
]
