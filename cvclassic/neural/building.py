"""From a model function to the network that is trained: its input scaled, its outputs checked."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cvclassic.errors import InputError
from cvclassic.neural.backend import prepare_backend

if TYPE_CHECKING:
    import keras

NETWORKS = ("mlp", "cnn", "cnn_fast", "linear_head", "resnet_small", "hybrid")  # functions of `cvclassic.neural`


def build(model: Callable, input_shape: tuple[int, ...], n_classes: int) -> tuple[keras.Model, int]:
    """The network of a model function, as `NeuralClassifier` describes it, behind the scaling of its input.

    Returns
    -------
    network : keras.Model
        Uncompiled; it takes images of bytes, or features as they are.
    n_parameters : int
        Trained ones.
    """
    keras = prepare_backend()
    made = model(input_shape, n_classes)
    if not isinstance(made, keras.Model):
        raise InputError(f"The model function returned {type(made).__name__}; it must return a keras.Model.")
    inputs = keras.Input(input_shape)
    # Bytes go to the network as they are, a quarter of the memory of floats, and are scaled there, in full precision.
    is_image = len(input_shape) == 3
    outputs = keras.tree.flatten(made(keras.layers.Rescaling(1 / 255, dtype="float32")(inputs) if is_image else inputs))
    for output in outputs:
        if output.shape != (None, n_classes):
            raise InputError(f"The model's output has shape {output.shape}; y has {n_classes} classes.")
    if getattr(made.layers[-1], "activation", None) is keras.activations.softmax:
        raise InputError("The model ends in a softmax, which the loss adds itself; end it in Dense(n_classes).")
    n_parameters = sum(math.prod(weight.shape) for weight in made.trainable_weights)
    if outputs[0].dtype != "float32":  # a loss of half precision would be a poor one
        outputs = [keras.layers.Activation("linear", dtype="float32")(output) for output in outputs]
    if len(outputs) == 1:
        return keras.Model(inputs, outputs[0]), n_parameters
    from cvclassic.neural.auxiliary import AuxiliaryModel

    weight = getattr(made, "auxiliary_weight", 0.3)
    return AuxiliaryModel(inputs, outputs, weight=weight), n_parameters


def keywords_of(model: Callable) -> dict[str, Any]:
    """The model function's keyword-only parameters and their values, also where a `functools.partial` binds them."""
    try:
        parameters = inspect.signature(model).parameters.values()
    except (TypeError, ValueError):  # no function, which `fit` says, or one without a signature
        return {}
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


def no_model(model) -> str:
    """What to do where no function was given as the model."""
    if not isinstance(model, str):
        return f"model is {model!r}; it must be a function (input_shape, n_classes) -> keras.Model."
    spelled = model.lower().replace("-", "_")
    [near] = difflib.get_close_matches(spelled, NETWORKS, n=1, cutoff=0.5) or ["cnn"]
    what = "import the function" if near == spelled else f"networks are functions ({', '.join(NETWORKS)}), to import"
    return (
        f"model is {model!r}, a text; {what}: from cvclassic.neural import {near}, and give NeuralClassifier({near})."
    )


def name_of(function: Callable) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)
