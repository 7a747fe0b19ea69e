"""A first convolution that is computed from the training images, not trained. Importing this module imports Keras."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from cvclassic.errors import InputError
from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.layers import positive_int

keras = prepare_backend()

SAMPLES = 2000  # images at most whose patches are looked at; of 32 x 32 pixels they have nearly two million
BATCH_SIZE = 256


@keras.saving.register_keras_serializable(package="cvclassic")
class PatchWhitening(keras.layers.Layer):
    """Whitened patches: each patch's principal components, scaled to variance 1, and their negatives.

    Images of shape (n, height, width, channels) in, maps of shape (n, height - p + 1, width - p + 1, 2 p² channels)
    out, p being `patch_size`. Neighboring pixels are nearly equal, and filters that start at random spend their first
    steps on learning so; these see what differs, and in pairs, since a ReLU follows. `adapt` sets the filters; training
    moves the biases alone. After Page, "How to train your ResNet 8: bag of tricks" (2019), and Jordan, "94% on CIFAR-10
    in 3.29 seconds on a single GPU" (2024).

    Parameters
    ----------
    patch_size : int
        Pixels along each side of a patch.
    epsilon : float
        Added to the variance of each component, as a share of the mean variance: components with less than that are
        noise, and are not blown up.
    **kwargs
        Those of `keras.layers.Layer`, such as `name`.

    Raises
    ------
    InputError
        For parameters that can't be used, and, when it is built, for images smaller than a patch.
    """

    def __init__(self, patch_size=2, *, epsilon=5e-4, **kwargs):
        super().__init__(autocast=False, **kwargs)  # in half precision the noise that is scaled up would be its own
        self.patch_size = positive_int(patch_size, "patch_size")
        if not isinstance(epsilon, (int, float)) or not epsilon > 0:
            raise InputError(f"epsilon={epsilon!r}; it must be a number above 0.")
        self.epsilon = float(epsilon)

    def build(self, input_shape):
        """Make the weights: filters that let nothing through until `adapt` sets them."""
        side, channels = self.patch_size, input_shape[-1]
        if min(input_shape[1:3]) < side:
            raise InputError(
                f"Images of {input_shape[1]} x {input_shape[2]} pixels are smaller than a patch of {side}."
            )
        filters = 2 * side * side * channels
        self.kernel = self.add_weight(
            (side, side, channels, filters), initializer="zeros", dtype="float32", trainable=False, name="kernel"
        )
        self.bias = self.add_weight((filters,), initializer="zeros", dtype="float32", name="bias")

    def adapt(self, images) -> None:
        """Set the filters from images (n, height, width, channels) as they reach this layer, and the mean to zero."""
        patches = _patches(np.asarray(images, np.float32), self.patch_size)
        mean = patches.mean(axis=0)
        centred = patches - mean
        variances, axes = np.linalg.eigh((centred.T @ centred / len(centred)).astype(np.float64))
        # Images of one color have no variance at all, and any filter does for them.
        floor = self.epsilon * variances.mean() or 1.0
        filters = axes[:, ::-1] / np.sqrt(np.maximum(variances[::-1], 0) + floor)
        filters = np.concatenate([filters, -filters], axis=1)
        self.kernel.assign(filters.reshape(self.kernel.shape))
        self.bias.assign(-mean @ filters)

    def compute_output_shape(self, input_shape):
        """`(n, height - p + 1, width - p + 1, filters)`."""
        side = self.patch_size
        return (input_shape[0], *(length - side + 1 for length in input_shape[1:3]), 2 * side * side * input_shape[3])

    def call(self, images):
        """The maps of a batch of images."""
        maps = keras.ops.conv(keras.ops.cast(images, "float32"), self.kernel, padding="valid") + self.bias
        return keras.ops.cast(maps, self.compute_dtype)

    def get_config(self):
        """The parameters, for saving."""
        return super().get_config() | {"patch_size": self.patch_size, "epsilon": self.epsilon}


def adapt(network: keras.Model, X: np.ndarray, seed: int) -> None:
    """Set the filters of every `PatchWhitening` of `network` from training samples.

    Parameters
    ----------
    network : keras.Model
        Models and layers inside of it count too. One without such layers is left alone.
    X : ndarray
        Training samples as the network takes them; of more than `SAMPLES` a sample that `seed` decides.
    seed : int
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(X))[:SAMPLES])
    for layer in network._flatten_layers():  # no public name of Keras reaches what an inner model holds
        if isinstance(layer, PatchWhitening):
            with _noting_inputs(layer) as inputs:
                for start in range(0, len(rows), BATCH_SIZE):
                    network(X[rows[start : start + BATCH_SIZE]], training=False)
            layer.adapt(np.concatenate(inputs))


@contextlib.contextmanager
def _noting_inputs(layer: PatchWhitening) -> Iterator[list[np.ndarray]]:
    """What reaches the layer while the network runs inside."""
    original, inputs = layer.call, []

    def call(images):
        inputs.append(np.array(keras.ops.convert_to_numpy(keras.ops.cast(images, "float32"))))
        return original(images)

    layer.call = call
    try:
        yield inputs
    finally:
        del layer.call


def _patches(images: np.ndarray, side: int) -> np.ndarray:
    """Every patch as a row, in the order of a convolution's kernel: row, column, channel."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, side * side * images.shape[-1])
