"""Batch normalization's statistics, computed anew for the weights that they go with. Importing it imports Keras.

Moving averages follow the statistics of past batches, of past weights, with dropout and augmentation on. After few
steps they are mostly what they began with: 16 steps on 227 images left a network of 91 % training accuracy at 51 % on
the same images, and the statistics alone, computed anew, brought 76 % of the test images instead of 45 %.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np

from cvclassic.neural.backend import prepare_backend

keras = prepare_backend()

SAMPLES = 4096  # at most; Wu and Johnson found 1,000 to 10,000 to be enough
BATCH_SIZE = 256  # torch keeps their activations, as in training
FORGOTTEN = 0.01  # share of their initial values at which moving averages count as settled


@keras.saving.register_keras_serializable(package="cvclassic")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization whose training step on images is one operation, where TensorFlow computes it.

    Keras 3 composes it of a dozen, each with its own pass over the maps: on two cores of a Xeon with AMX the
    convolutions of `cnn_fast` trained 1.5 times as fast for this alone. Inference, other backends and vectors are
    Keras's. The moving variance is that of the samples, n / (n - 1) of Keras's; `recalibrate` sets it anew.
    """

    def call(self, inputs, training=None, mask=None):
        """The normalized inputs, of the same shape."""
        fused = training and self.trainable and len(inputs.shape) == 4 and keras.backend.backend() == "tensorflow"
        if not fused or self.axis % 4 != 3 or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        from tensorflow.compat.v1.nn import fused_batch_norm

        ops = keras.ops
        scale = ops.cast(self.gamma, "float32") if self.scale else ops.ones(inputs.shape[-1:], "float32")
        offset = ops.cast(self.beta, "float32") if self.center else ops.zeros(inputs.shape[-1:], "float32")
        outputs, *moments = fused_batch_norm(inputs, scale, offset, epsilon=self.epsilon, is_training=True)
        for moving, moment in zip((self.moving_mean, self.moving_variance), moments, strict=True):
            moving.assign(moving * self.momentum + moment * (1 - self.momentum))
        return outputs


def recalibrate(network: keras.Model, X: np.ndarray, seed: int) -> None:
    """Give each layer of batch normalization the mean and variance of its inputs over training samples.

    Wu and Johnson, Rethinking "Batch" in BatchNorm (2021), section 3: the weights stay, dropout and augmentation are
    off, and each batch is normalized by its own statistics, in all layers at once, so that later layers see what
    earlier ones will give them. The variance is that of all samples: the mean of the batches' variances, and the
    variance of their means. Layers that are not `trainable`, as in a frozen backbone, keep theirs.

    Parameters
    ----------
    network : keras.Model
        Of any kind; models and layers inside of it count too. One without such layers is left alone.
    X : ndarray
        Training samples as the network takes them; of more than `SAMPLES` a sample that `seed` decides.
    seed : int
    """
    layers = normalizing(network)
    if not layers:
        return
    rows = np.random.default_rng(seed).permutation(len(X))[:SAMPLES]
    measured = {id(layer): [] for layer in layers}
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_by_its_batch(layer, measured[id(layer)]))
        for batch in np.array_split(np.sort(rows), math.ceil(len(rows) / BATCH_SIZE)):
            network(X[batch], training=False)
    for layer in layers:
        if measured[id(layer)]:  # a layer that the network has and doesn't use measures nothing
            weights, means, variances = (np.array(each) for each in zip(*measured[id(layer)], strict=True))
            mean = np.average(means, axis=0, weights=weights)
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(np.average(variances + (means - mean) ** 2, axis=0, weights=weights))


def normalizing(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The trainable layers of batch normalization, those of inner models and layers included."""
    every = network._flatten_layers()  # no public name of Keras reaches what a user's layer holds
    return [layer for layer in every if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]


def settling_steps(network: keras.Model) -> int:
    """The steps after which moving averages have forgotten what they began with, all but `FORGOTTEN` of it."""
    momenta = [layer.momentum for layer in normalizing(network)]
    return max((math.ceil(math.log(FORGOTTEN) / math.log(m)) for m in momenta if 0 < m < 1), default=0)


class FreshStatistics(keras.callbacks.Callback):
    """Recalibrates before each validation that comes before the moving averages have settled.

    Parameters
    ----------
    X : ndarray
        The training samples.
    seed : int
    """

    def __init__(self, X: np.ndarray, seed: int):
        super().__init__()
        self.X, self.seed = X, seed

    def on_test_begin(self, logs=None):
        if int(self.model.optimizer.iterations) < settling_steps(self.model):
            recalibrate(self.model, self.X, self.seed)


@contextlib.contextmanager
def _by_its_batch(layer: keras.layers.BatchNormalization, measured: list[tuple]) -> Iterator[None]:
    """Let the layer normalize each batch by its own statistics inside, and note them with the batch's weight."""
    original = layer.call

    def call(inputs, *args, **kwargs):
        axes = [axis for axis in range(len(inputs.shape)) if axis != layer.axis % len(inputs.shape)]
        mean, variance = keras.ops.moments(keras.ops.cast(inputs, "float32"), axes=axes)
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
        numbers = (keras.ops.convert_to_numpy(each).astype(np.float64) for each in (mean, variance))
        measured.append((inputs.shape[0], *numbers))
        return original(inputs, *args, **kwargs)

    layer.call = call
    try:
        yield
    finally:
        del layer.call
