"""The networks: functions `(input_shape, n_classes)` to an uncompiled Keras model.

Each takes batches of `input_shape` – images scaled to [0, 1] with their channel axis, or feature vectors – and gives
one score (logit) per class; the softmax belongs to the loss and to `NeuralClassifier.predict_proba`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvclassic.neural.backend import prepare_backend

if TYPE_CHECKING:
    import keras


def mlp(input_shape: tuple[int, ...], n_classes: int) -> keras.Model:
    """Two hidden layers of 512 and 256 rectified units, each with dropout."""
    keras = prepare_backend()
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(512, activation="relu", kernel_initializer="he_normal"),
            layers.Dropout(0.3),
            layers.Dense(256, activation="relu", kernel_initializer="he_normal"),
            layers.Dropout(0.3),
            layers.Dense(n_classes),
        ],
        name="mlp",
    )


def cnn(input_shape: tuple[int, ...], n_classes: int, *, mirror: bool = False) -> keras.Model:
    """Three stages of 3 x 3 convolutions with batch normalization, then dropout and one dense layer.

    Parameters
    ----------
    input_shape : (height, width, channels), at least 8 x 8
    mirror : bool
        Mirror half of the training images left to right; right where a mirror image keeps its label.
    """
    keras = prepare_backend()
    layers = keras.layers
    model = keras.Sequential([keras.Input(input_shape)], name="cnn")
    if mirror:
        model.add(layers.RandomFlip("horizontal"))
    for filters in (32, 64, 128):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal"))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(0.1))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.4))
    model.add(layers.Dense(n_classes))
    return model


def linear_head(input_shape: tuple[int, ...], n_classes: int, *, l2: float = 1e-5) -> keras.Model:
    """One dense layer with an L2 penalty: with the loss `"squared_hinge"`, a linear SVM trained by gradient descent."""
    keras = prepare_backend()
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(n_classes, kernel_initializer="zeros", kernel_regularizer=keras.regularizers.L2(l2)),
        ],
        name="linear_head",
    )
