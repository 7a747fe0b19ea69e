"""The networks: functions `(input_shape, n_classes)` to an uncompiled Keras model.

Each takes batches of `input_shape` – images scaled to [0, 1] with their channel axis, or feature vectors – and gives
one score (logit) per class; the softmax belongs to the loss and to `NeuralClassifier.predict_proba`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cvclassic.errors import InputError
from cvclassic.neural.backend import prepare_backend

if TYPE_CHECKING:
    import keras


ACTIVATIONS = ("relu", "leaky_relu", "prelu", "elu", "gelu", "sigmoid", "tanh", "maxout")
MAXOUT_PIECES = 2


def mlp(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    depth: int = 2,
    width: int = 512,
    activation: str = "relu",
    batch_normalization: bool = True,
    dropout: float = 0.3,
    l1: float = 0.0,
    l2: float = 0.0,
    mirror: bool = False,
    shift: int = 0,
) -> keras.Model:
    """Hidden layers, each half as wide as the one before, with batch normalization and dropout.

    The normalization lets it learn at the convolutional network's rate: without it the shared stack's 0.003 left
    CIFAR-10 at 31 %.

    Parameters
    ----------
    input_shape : (height, width, channels) or (n_features,)
    n_classes : int
    depth : int
        Hidden layers; 0 is softmax regression.
    width : int
        Units of the first hidden layer. The k-th after it has width // 2**k, but not less than 16 (or `width`).
    activation : {"relu", "leaky_relu", "prelu", "elu", "gelu", "sigmoid", "tanh", "maxout"}
        `"maxout"` (Goodfellow et al., 2013) is the maximum of 2 linear pieces, with twice the weights.
    batch_normalization : bool
    dropout : float
        Share of each hidden layer's units that a training step leaves out.
    l1, l2 : float
        Weights of the sums of the absolute and of the squared weights, biases excluded, in the loss.
    mirror, shift : bool, int
        As of `cnn`; for images only.
    """
    keras = prepare_backend()
    inputs = keras.Input(input_shape)
    options = {"activation": activation, "batch_normalization": batch_normalization, "penalty": _penalty(l1, l2)}
    x = keras.layers.Flatten()(_augmented(inputs, mirror, shift))
    for k in range(_checked(depth=depth, least=0)):
        x = _block(x, keras.layers.Dense, max(width // 2**k, min(_checked(width=width), 16)), **options)
        x = keras.layers.Dropout(dropout)(x)
    outputs = keras.layers.Dense(n_classes, kernel_regularizer=_penalty(l1, l2))(x)
    return keras.Model(inputs, outputs, name="mlp")


def cnn(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    width: int = 32,
    activation: str = "relu",
    batch_normalization: bool = True,
    dropout: float = 0.4,
    l1: float = 0.0,
    l2: float = 0.0,
    mirror: bool = False,
    shift: int = 0,
) -> keras.Model:
    """Four 3 x 3 convolutions, of 32, 64, 128 and 128 filters, with batch normalization; pooling after the first three.

    Six epochs of the default `TrainingStack`: 99.5 % of MNIST's test images, and with `mirror` 79.8 % of CIFAR-10's
    (of a copy that had gone through JPEG, which loses some detail).

    Where there is pooling it comes before the normalization, which then has a quarter of the values to work on: with
    three convolutions an epoch on CIFAR-10 took 0.6 of the time of the usual order.

    Parameters
    ----------
    input_shape : (height, width, channels)
        At least 8 x 8 pixels.
    n_classes : int
    width : int
        Filters of the first convolution; the others have twice and four times as many.
    activation, batch_normalization, l1, l2
        As of `mlp`.
    dropout : float
        Share of the values before the last layer that a training step leaves out.
    mirror : bool
        Mirror half of the training images, drawn anew in each epoch, left to right; right for data in which a mirror
        image keeps its label.
    shift : int
        Shift the training images by up to so many pixels in each direction, drawn anew in each epoch; what comes in
        is black.
    """
    keras = prepare_backend()
    inputs = keras.Input(input_shape)
    options = {"activation": activation, "batch_normalization": batch_normalization, "penalty": _penalty(l1, l2)}
    x = _augmented(inputs, mirror, shift)
    _checked(width=width)
    for filters, pooled in ((width, True), (2 * width, True), (4 * width, True), (4 * width, False)):
        x = _block(x, _convolution, filters, pooled=pooled, **options)
    x = keras.layers.Dropout(dropout)(keras.layers.Flatten()(x))
    outputs = keras.layers.Dense(n_classes, kernel_regularizer=_penalty(l1, l2))(x)
    return keras.Model(inputs, outputs, name="cnn")


def resnet_small(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    width: int = 32,
    dropout: float = 0.3,
    mirror: bool = False,
    shift: int = 0,
) -> keras.Model:
    """A residual network (He et al., 2016) for CPUs: seven 3 x 3 convolutions, nearly all of them on pooled images.

    A convolution of `width` filters on the whole image, then twice a wider convolution, pooling and a residual block
    of two, at a quarter and at an eighth of the side; the largest value of each channel goes to the last layer.

    Thirty epochs of the default `TrainingStack`, with `mirror` and a `shift` of two pixels: 83.6 % of CIFAR-10's test
    images (of the copy that `cnn` speaks of), in 40 minutes on two cores.

    Parameters
    ----------
    input_shape : (height, width, channels)
        At least 8 x 8 pixels.
    n_classes : int
    width : int
        Filters of the first convolution; the others have twice and four times as many.
    dropout, mirror, shift
        As of `cnn`.
    """
    keras = prepare_backend()
    inputs = keras.Input(input_shape)
    options = {"activation": "relu", "batch_normalization": True, "penalty": None}
    x = _augmented(inputs, mirror, shift)
    x = _block(x, _convolution, _checked(width=width), pooled=True, **options)
    for filters in (2 * width, 4 * width):
        x = _block(x, _convolution, filters, pooled=True, **options)
        y = _block(x, _convolution, filters, **options)
        x = keras.layers.Add()([x, _block(y, _convolution, filters, **options)])
    x = keras.layers.Dropout(dropout)(keras.layers.GlobalMaxPooling2D()(x))
    outputs = keras.layers.Dense(n_classes)(x)
    return keras.Model(inputs, outputs, name="resnet_small")


def cnn_fast(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    width: int = 32,
    mirror: bool = False,
    shift: int = 0,
) -> keras.Model:
    """Whitened patches, then six 3 x 3 convolutions in three pairs: what learns most in few minutes.

    After the network of Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024): the first layer is computed
    from the training images (`PatchWhitening`), each pair pools between its first convolution and the normalization,
    and the scores are small at first, which large learning rates need. His convolutions that begin as the identity and
    his strict alternation of mirror images are left out.

    Parameters
    ----------
    input_shape : (height, width, channels)
        At least 9 x 9 pixels.
    n_classes : int
    width : int
        Filters of the first pair; the others have four times as many.
    mirror : bool
        As of `cnn`.
    shift : int
        As of `cnn`, but what comes in is the image's own border, mirrored.
    """
    from cvclassic.neural.whitening import PatchWhitening

    keras = prepare_backend()
    layers = keras.layers
    options = {"activation": "relu", "batch_normalization": True, "penalty": None}
    inputs = keras.Input(input_shape)
    x = layers.Activation("relu")(PatchWhitening()(_augmented(inputs, mirror, shift, "reflect")))
    for filters in (_checked(width=width), 4 * width, 4 * width):
        x = _block(x, _convolution, filters, pooled=True, **options)
        x = _block(x, _convolution, filters, **options)
    x = layers.GlobalMaxPooling2D()(x)
    outputs = layers.Rescaling(1 / 9)(layers.Dense(n_classes, use_bias=False)(x))
    return keras.Model(inputs, outputs, name="cnn_fast")


def hybrid(input_shape: tuple[int, ...], n_classes: int, *, mirror: bool = False) -> keras.Model:
    """`cnn` and the histograms of oriented gradients of the same image, joined before the last layers.

    The classifying layer of `cnn` becomes an auxiliary output, second to that of the joined layers, which keeps the
    convolutions learning by themselves (see `AuxiliaryModel`).

    Parameters
    ----------
    input_shape : (height, width, channels)
        At least 8 x 8 pixels.
    n_classes : int
    mirror : bool
        Mirror half of the training images, as in `cnn`.
    """
    from cvclassic.neural.layers import HOGLayer

    keras = prepare_backend()
    layers = keras.layers
    images = keras.Input(input_shape)
    seen = layers.RandomFlip("horizontal")(images) if mirror else images  # the same image for both
    network = cnn(input_shape, n_classes)
    maps, auxiliary = keras.Model(network.inputs, [network.layers[-1].input, *network.outputs], name="cnn")(seen)
    vector = HOGLayer(cell_size=max(min(input_shape[:2]) // 4, 4))(seen)
    vector = layers.BatchNormalization(momentum=0.9)(vector)
    vector = layers.Dense(128, activation="relu", kernel_initializer="he_normal")(vector)
    joined = layers.Concatenate()([maps, layers.Dropout(0.4)(vector)])
    model = keras.Model(images, [layers.Dense(n_classes)(joined), auxiliary], name="hybrid")
    model.auxiliary_weight = 0.3
    return model


def linear_head(input_shape: tuple[int, ...], n_classes: int, *, l2: float = 1e-5) -> keras.Model:
    """One dense layer with an L2 penalty: with the loss `"squared_hinge"`, a linear SVM trained by gradient descent.

    Parameters
    ----------
    input_shape : (n_features,)
        Standardized features: mean 0 and variance 1 over the training data.
    n_classes : int
    l2 : float
        Weight of the sum of the squared weights. With n samples, `l2` does what `C = 1 / (2 * l2 * n * n_classes)`
        does in `sklearn.svm.LinearSVC`.
    """
    keras = prepare_backend()
    layers = keras.layers
    # Adam moves every weight by about the learning rate in a step, and the rates of deep networks are slow for so few
    # weights; with the output scaled like this, features of any dimension are learned at the same, faster pace.
    scale = 30 / math.sqrt(math.prod(input_shape))
    dense = layers.Dense(
        n_classes,
        kernel_initializer="zeros",
        kernel_regularizer=keras.regularizers.L2(l2 * scale**2),
        # The best constant score of one class against the rest under the squared hinge, targets being 1 and -1.
        bias_initializer=keras.initializers.Constant((2 / n_classes - 1) / scale),
    )
    return keras.Sequential(
        [keras.Input(input_shape), layers.Flatten(), dense, layers.Rescaling(scale)], name="linear_head"
    )


def _block(x, layer, units: int, *, activation: str, batch_normalization: bool, penalty, pooled: bool = False):
    """Dense layer or convolution, then pooling, normalization and activation; pooling first, where it is cheapest."""
    layers = prepare_backend().layers
    x = layer(
        units * (MAXOUT_PIECES if activation == "maxout" else 1),
        use_bias=not batch_normalization,
        kernel_initializer="glorot_normal" if activation in ("sigmoid", "tanh") else "he_normal",
        kernel_regularizer=penalty,
    )(x)
    if pooled:
        x = layers.MaxPooling2D()(x)
    if batch_normalization:
        from cvclassic.neural.normalization import FusedBatchNormalization

        x = FusedBatchNormalization(momentum=0.9)(x)  # 0.99, the default, is too slow for runs of 100 steps
    return _activated(x, activation)


def _convolution(filters: int, **options):
    return prepare_backend().layers.Conv2D(filters, 3, padding="same", **options)


def _activated(x, activation: str):
    keras = prepare_backend()
    if activation not in ACTIVATIONS:
        raise InputError(f"activation={activation!r} is unknown; use one of {', '.join(ACTIVATIONS)}.")
    if activation == "maxout":
        *grid, channels = x.shape[1:]
        pieces = keras.ops.reshape(x, (-1, *grid, channels // MAXOUT_PIECES, MAXOUT_PIECES))
        return keras.ops.max(pieces, axis=-1)
    if activation == "prelu":  # one slope per unit or channel
        return keras.layers.PReLU(shared_axes=tuple(range(1, len(x.shape) - 1)) or None)(x)
    return keras.layers.Activation(activation)(x)


def _augmented(x, mirror: bool, shift: int, fill: str = "constant"):
    """Training images mirrored and shifted at random."""
    layers = prepare_backend().layers
    if not (mirror or shift):
        return x
    if len(x.shape) != 4:
        raise InputError(f"mirror and shift are for images; the network's input has shape {x.shape[1:]}.")
    if mirror:
        x = layers.RandomFlip("horizontal", dtype="float32")(x)
    if _checked(shift=shift, least=0):
        # Nearest, as interpolation would blur what is shifted by a fraction of a pixel.
        part = shift / x.shape[1], shift / x.shape[2]
        x = layers.RandomTranslation(*part, fill_mode=fill, interpolation="nearest", dtype="float32")(x)
    return x


def _penalty(l1: float, l2: float):
    return prepare_backend().regularizers.L1L2(l1, l2) if l1 or l2 else None


def _checked(*, least: int = 1, **parameter: int) -> int:
    [(name, value)] = parameter.items()
    if not isinstance(value, int) or value < least:
        raise InputError(f"{name}={value!r}; it must be a whole number of at least {least}.")
    return value
