"""Keras layers of our own, written in `keras.ops`, so that they run on TensorFlow, torch and JAX.

Importing this module imports Keras; `from cvclassic.neural import HOGLayer` does so where it is executed.
"""

from __future__ import annotations

import numpy as np

from cvclassic.errors import InputError
from cvclassic.neural.backend import prepare_backend

keras = prepare_backend()
ops = keras.ops

BLOCK_NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")


@keras.saving.register_keras_serializable(package="cvclassic")
class HOGLayer(keras.layers.Layer):
    """Histograms of oriented gradients in the graph, differentiable to the pixels.

    The numbers, and their order, of `skimage.feature.hog`, which follows Dalal and Triggs (CVPR 2005): images of shape
    (n, height, width, channels) in, of any scale, features of shape (n, d) out, in float32 under any dtype policy. Of
    several channels the one with the largest gradient counts, pixel by pixel.

    Parameters
    ----------
    orientations : int
        Bins over 180 degrees.
    cell_size : int or (height, width)
        Pixels of a cell (`pixels_per_cell`). Pixels beyond the last whole cell don't vote.
    block_size : int or (height, width)
        Cells of a block (`cells_per_block`); blocks follow one another at a distance of one cell.
    block_norm : {"L2-Hys", "L1", "L1-sqrt", "L2"}
        Normalization of each block.
    **kwargs
        Those of `keras.layers.Layer`, such as `name`.

    Raises
    ------
    InputError
        For parameters that can't be used, and, when it is built, for images smaller than one block.

    Notes
    -----
    Within 1e-4 of scikit-image on images of bytes (0 to 255), on gray images and on RGB images in which no two
    channels have equally long gradients. Where two of fractional values do, as in bytes divided by 255, the last bit
    of a double decides in scikit-image which one counts; here it is the last bit of a single.

    The gradient is that of the votes' lengths: which bin a pixel votes for, and with which channel, doesn't change by
    degrees. Where a pixel has no gradient (flat regions) the length's derivative, which doesn't exist there, is taken
    as 0; so is that of the square root in "L1-sqrt" at empty bins.
    """

    def __init__(self, *, orientations=9, cell_size=8, block_size=2, block_norm="L2-Hys", **kwargs):
        super().__init__(autocast=False, **kwargs)  # half precision moves votes between bins
        self.orientations = positive_int(orientations, "orientations")
        self.cell_size = _pair(cell_size, "cell_size")
        self.block_size = _pair(block_size, "block_size")
        if block_norm not in BLOCK_NORMS:
            raise InputError(f"block_norm={block_norm!r} is unknown; use one of {', '.join(BLOCK_NORMS)}.")
        self.block_norm = block_norm
        self.borders = bin_borders(self.orientations)

    def build(self, input_shape):
        """Check that the images hold a block."""
        self._blocks(input_shape)

    def compute_output_shape(self, input_shape):
        """`(n, d)`."""
        rows, columns = self._blocks(input_shape)
        return input_shape[0], rows * columns * self.block_size[0] * self.block_size[1] * self.orientations

    def compute_output_spec(self, images, **kwargs):
        """A symbolic `(n, d)` of float32."""
        return keras.KerasTensor(self.compute_output_shape(images.shape), "float32")

    def call(self, images):
        """The features of a batch of images."""
        dx, dy = _gradients(ops.cast(images, "float32"))
        histograms = self._histograms(_root(_squared_length(dx, dy)), self._bins(dx, dy))
        rows, columns = self._blocks(images.shape)
        cells = [
            histograms[:, r : r + rows, c : c + columns]
            for r in range(self.block_size[0])
            for c in range(self.block_size[1])
        ]
        blocks = _normalized(ops.concatenate(cells, axis=-1), self.block_norm)
        return ops.reshape(blocks, (-1, *self.compute_output_shape(images.shape)[1:]))

    def get_config(self):
        """The parameters, for saving."""
        return super().get_config() | {
            "orientations": self.orientations,
            "cell_size": self.cell_size,
            "block_size": self.block_size,
            "block_norm": self.block_norm,
        }

    def _blocks(self, shape) -> tuple[int, int]:
        """Number of blocks along the height and the width."""
        if len(shape) != 4 or None in shape[1:]:
            raise InputError(f"HOGLayer takes images of one size, (n, height, width, channels); it was given {shape}.")
        blocks = tuple(shape[i + 1] // self.cell_size[i] - self.block_size[i] + 1 for i in (0, 1))
        if min(blocks) < 1:
            raise InputError(
                f"Images of {shape[1]} x {shape[2]} pixels are smaller than one block of "
                f"{self.block_size[0] * self.cell_size[0]} x {self.block_size[1] * self.cell_size[1]}. Use smaller "
                "cells or blocks, or larger images."
            )
        return blocks

    def _bins(self, dx, dy):
        """The orientation bin of each gradient: how many borders between bins its direction has passed."""
        turn = ops.logical_or(dy < 0, ops.logical_and(dy == 0, dx < 0))  # into 0 <= angle < 180
        dx, dy = ops.where(turn, -dx, dx), ops.where(turn, -dy, dy)
        bins = ops.zeros_like(dx, dtype="int32")
        for x, y in self.borders:  # a loop, since an axis for the borders would take twice the time
            bins = bins + ops.cast(dy * x >= dx * y, "int32")
        return bins

    def _histograms(self, lengths, bins):
        """Mean length of the gradients of each bin over the pixels of each cell: (n, cells, cells, orientations)."""
        height, width = self.cell_size
        rows, columns = lengths.shape[1] // height, lengths.shape[2] // width
        lengths, bins = (a[:, : rows * height, : columns * width] for a in (lengths, bins))
        means = [
            ops.mean(ops.reshape(ops.where(bins == k, lengths, 0.0), (-1, rows, height, columns, width)), axis=(2, 4))
            for k in range(self.orientations)
        ]
        return ops.stack(means, axis=-1)


@keras.saving.register_keras_serializable(package="cvclassic")
class Maxout(keras.layers.Layer):
    """A dense layer of `units * pieces` values, of which the largest of each `pieces` counts: (..., d) to (..., units).

    Goodfellow, Warde-Farley, Mirza, Courville and Bengio, Maxout Networks (ICML 2013).

    Parameters
    ----------
    units : int
        Values that come out.
    pieces : int
        Affine functions per unit.
    use_bias, kernel_initializer, kernel_regularizer
        As in `keras.layers.Dense`.
    **kwargs
        Those of `keras.layers.Layer`, such as `name`.

    Raises
    ------
    InputError
        For `units` or `pieces` below 1.
    """

    def __init__(
        self,
        units,
        pieces=2,
        *,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units, self.pieces = positive_int(units, "units"), positive_int(pieces, "pieces")
        self.dense = keras.layers.Dense(
            self.units * self.pieces,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        """Make the weights."""
        self.dense.build(input_shape)

    def compute_output_shape(self, input_shape):
        """`(..., units)`."""
        return (*input_shape[:-1], self.units)

    def call(self, inputs):
        """The largest of the pieces of each unit."""
        values = self.dense(inputs)
        return ops.max(ops.reshape(values, (-1, *values.shape[1:-1], self.units, self.pieces)), axis=-1)

    def get_config(self):
        """The parameters, for saving."""
        dense = self.dense.get_config()
        names = ("use_bias", "kernel_initializer", "kernel_regularizer")
        own = {"units": self.units, "pieces": self.pieces}
        return super().get_config() | own | {name: dense[name] for name in names}


def _gradients(images):
    """Central differences along the width and the height, 0 at the border, of the channel where they are largest."""
    first, *others = (_channel_gradients(images[..., k]) for k in range(images.shape[-1]))
    dx, dy = first
    for other_x, other_y in others:
        larger = _squared_length(other_x, other_y) > _squared_length(dx, dy)
        dx, dy = ops.where(larger, other_x, dx), ops.where(larger, other_y, dy)
    return dx, dy


def _channel_gradients(channel):
    dx = ops.pad(_difference(channel[:, :, 2:], channel[:, :, :-2]), ((0, 0), (0, 0), (1, 1)))
    dy = ops.pad(_difference(channel[:, 2:], channel[:, :-2]), ((0, 0), (1, 1), (0, 0)))
    return dx, dy


def _difference(a, b):
    """`a - b`, but 0 where it is below the spacing of single precision and so stems from rounding.

    XLA fuses a scaling of the images with this subtraction; what that leaves of equal pixels is tiny, but has a
    direction.
    """
    difference = a - b
    return ops.where(ops.abs(difference) > 2.0**-24 * ops.abs(a), difference, 0.0)


def _squared_length(dx, dy):
    return ops.square(dx) + ops.square(dy)  # not `dx**2`, which TensorFlow's eager mode doesn't round exactly


def _root(squares):
    """Square root whose derivative at 0 is 0 instead of infinite."""
    positive = squares > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, squares, 1.0)), 0.0)


def _normalized(blocks, norm: str):
    """Each block (last axis) by scikit-image's formulas; values are not negative."""
    eps = 1e-5
    if norm in ("L1", "L1-sqrt"):
        blocks = blocks / (ops.sum(blocks, axis=-1, keepdims=True) + eps)
        return _root(blocks) if norm == "L1-sqrt" else blocks
    blocks = blocks / ops.sqrt(ops.sum(ops.square(blocks), axis=-1, keepdims=True) + eps**2)
    if norm == "L2-Hys":
        blocks = ops.minimum(blocks, 0.2)
        blocks = blocks / ops.sqrt(ops.sum(ops.square(blocks), axis=-1, keepdims=True) + eps**2)
    return blocks


def bin_borders(orientations: int) -> list[tuple[float, float]]:
    """Directions (x, y) between neighboring bins, exact where pixels can hit them: at 45, 90 and 135 degrees."""
    degrees = 180.0 / orientations * np.arange(1, orientations)
    x, y = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    largest = np.maximum(np.abs(x), np.abs(y))
    x, y = (x / largest).astype(np.float32), (y / largest).astype(np.float32)
    for exact, exact_x in ((45, 1), (90, 0), (135, -1)):
        here = np.abs(degrees - exact) < 1e-9
        x[here], y[here] = exact_x, 1
        # Where double precision puts the border just beyond, gradients of exactly this angle don't reach it.
        beyond = here & (degrees > exact)
        x[beyond] = np.nextafter(x[beyond], np.float32(-2))
    return list(zip(x.tolist(), y.tolist(), strict=True))


def positive_int(value, name: str) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name}={value!r}; it must be a whole number of at least 1.")
    return int(value)


def _pair(value, name: str) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise InputError(f"{name}={value!r}; it must be one whole number, or two: (height, width).")
    return positive_int(pair[0], name), positive_int(pair[1], name)
