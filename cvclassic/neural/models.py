"""The networks: functions `(input_shape, n_classes)` to an uncompiled Keras model.

Each takes batches of `input_shape` – images scaled to [0, 1] with their channel axis, or feature vectors – and gives
one score (logit) per class; the softmax belongs to the loss and to `NeuralClassifier.predict_proba`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cvclassic.neural.backend import prepare_backend

if TYPE_CHECKING:
    import keras


def mlp(input_shape: tuple[int, ...], n_classes: int) -> keras.Model:
    """Two hidden layers of 512 and 256 rectified units, each with batch normalization and dropout.

    The normalization lets it learn at the convolutional network's rate: without it the shared stack's 0.003 left
    CIFAR-10 at 31 %.
    """
    keras = prepare_backend()
    layers = keras.layers
    model = keras.Sequential([keras.Input(input_shape), layers.Flatten()], name="mlp")
    for units in (512, 256):
        model.add(layers.Dense(units, use_bias=False, kernel_initializer="he_normal"))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
        model.add(layers.Dropout(0.3))
    model.add(layers.Dense(n_classes))
    return model


def cnn(input_shape: tuple[int, ...], n_classes: int, *, mirror: bool = False) -> keras.Model:
    """Four 3 x 3 convolutions of 32, 64, 128 and 128 filters with batch normalization; pooling after the first three.

    Six epochs of the default `TrainingStack`: 99.5 % of MNIST's test images, and with `mirror` 79.8 % of CIFAR-10's
    (of a copy that had gone through JPEG, which loses some detail).

    Where there is pooling it comes before the normalization, which then has a quarter of the values to work on: with
    three convolutions an epoch on CIFAR-10 took 0.6 of the time of the usual order.

    Parameters
    ----------
    input_shape : (height, width, channels)
        At least 8 x 8 pixels.
    n_classes : int
    mirror : bool
        Mirror half of the training images, drawn anew in each epoch, left to right; right for data in which a mirror
        image keeps its label.
    """
    keras = prepare_backend()
    layers = keras.layers
    model = keras.Sequential([keras.Input(input_shape)], name="cnn")
    if mirror:
        model.add(layers.RandomFlip("horizontal"))
    for filters, pooled in ((32, True), (64, True), (128, True), (128, False)):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal"))
        if pooled:
            model.add(layers.MaxPooling2D())
        model.add(layers.BatchNormalization(momentum=0.9))  # 0.99, the default, is too slow for runs of 100 steps
        model.add(layers.ReLU())
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.4))
    model.add(layers.Dense(n_classes))
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
