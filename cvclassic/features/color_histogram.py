"""How often each color occurs, in the image or in each cell of a grid."""

from itertools import chain, product

import numpy as np

from cvclassic.errors import InputError
from cvclassic.features.extractor import (
    NORMALIZATIONS,
    Extractor,
    cell_offsets,
    check_grid,
    check_normalization,
    check_positive_int,
)
from cvclassic.images import channel_ranges, check_color_space, convert

_CHANNELS = {"rgb": "rgb", "hsv": "hsv", "lab": "lab", "gray": ("gray",)}


class ColorHistogram(Extractor):
    """Histogram of colors (Swain and Ballard 1991), with the counts of `cv2.calcHist`.

    Bins divide each channel's whole range (`cvclassic.images.channel_ranges`) evenly; a floating point pixel at the
    upper end falls into the last bin, where `cv2.calcHist` drops it.

    Parameters
    ----------
    color_space : {"rgb", "hsv", "lab", "gray"}
        Every one but `"gray"` needs RGB images.
    bins : int or tuple of ints
        Bins of each channel; an int stands for all of them.
    joint : bool
        One histogram over all channels together (`bins` cubed for an int), or one for each channel.
    grid : int or (rows, columns)
        A histogram for each cell of a grid on the image; 1 is the whole image.
    normalization : {"l1", "sqrt", "l2", None}
        For each histogram by itself: share of the pixels, square root of the share (Euclidean distance between such
        vectors is the Hellinger distance), Euclidean length 1, or the plain counts.

    Notes
    -----
    Columns: cell by cell in rows, in each cell as `cv2.calcHist(...).ravel()` (the last channel runs fastest), or
    channel after channel where `joint=False`.
    """

    def __init__(self, *, color_space="hsv", bins=8, joint=True, grid=1, normalization="l1"):
        self.color_space = color_space
        self.bins = bins
        self.joint = joint
        self.grid = grid
        self.normalization = normalization

    def _check(self, image_shape):
        check_color_space(self.color_space)
        if len(image_shape) == 2 and self.color_space != "gray":
            raise InputError(
                f"color_space={self.color_space!r} needs RGB images (n, height, width, 3); found gray images of "
                f'{image_shape[0]} x {image_shape[1]}. Use color_space="gray".'
            )
        check_normalization(self.normalization)
        check_grid(self.grid, image_shape)
        self._bins()

    def _bins(self) -> tuple[int, ...]:
        n_channels = len(_CHANNELS[self.color_space])
        bins = (self.bins,) * n_channels if np.ndim(self.bins) == 0 else tuple(self.bins)
        if len(bins) != n_channels:
            raise InputError(f"bins={self.bins!r} has {len(bins)} entries; {self.color_space} has {n_channels}.")
        for value in bins:
            check_positive_int(value, "bins")
            if value > 1 << 16:
                raise InputError(f"bins={self.bins!r} are more than {1 << 16:,} of a channel; use fewer.")
        return bins

    def _n_features(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        return rows * columns * (int(np.prod(self._bins())) if self.joint else sum(self._bins()))

    def _names(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        each = [[f"{c}{i}" for i in range(b)] for c, b in zip(_CHANNELS[self.color_space], self._bins(), strict=True)]
        in_cell = ["_".join(bins) for bins in product(*each)] if self.joint else list(chain(*each))
        return [f"cell{r}_{c}_{name}" for r in range(rows) for c in range(columns) for name in in_cell]

    def _prepare(self, image_shape, dtype):
        from cvclassic.features.kernels.color import color_histogram, quantize

        bins, norm = self._bins(), NORMALIZATIONS.index(self.normalization)
        sizes = [int(np.prod(bins))] if self.joint else list(bins)
        rows, columns = check_grid(self.grid, image_shape)
        offsets = cell_offsets(self.grid, image_shape, columns * sum(sizes), sum(sizes))
        starts = np.concatenate([[0], np.cumsum(sizes * (rows * columns))])
        ranges = np.array(channel_ranges(self.color_space, dtype), dtype=float)
        scale = bins / (ranges[:, 1] - ranges[:, 0])  # in double and in this order, as cv2.calcHist does
        shift, top = ranges[:, 0] * scale, np.array(bins) - 1
        strides = np.append(np.cumprod(bins[:0:-1])[::-1], 1).astype(np.uint32)
        layout = strides, starts[: len(bins)].astype(np.uint32), *offsets, starts, norm
        tables = bins_of_levels(scale, shift, top) if dtype == np.uint8 else None
        factors = bin_factors(tables, top + 1, ranges[:, 1]) if dtype == np.uint8 else None
        joint, color_space = bool(self.joint), self.color_space
        hsv = color_space == "hsv" and joint and factors is not None

        def extract(images, out):
            pixels = images if hsv else convert(images, color_space)
            levels = pixels.reshape(*pixels.shape[:3], -1)
            if factors is None:  # each level is brought to its bin first, and is a bin by itself then
                colors, levels = levels, np.empty(levels.shape, np.uint16)
                if tables is None:
                    quantize(colors, scale, shift, top, levels)
                else:
                    levels[:] = tables[np.arange(len(tables)), colors]
            own = np.full(len(strides), 1 << 16, np.uint32)
            color_histogram(levels, hsv, joint, own if factors is None else factors, *layout, out)

        return extract


def bins_of_levels(scale: np.ndarray, shift: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Bin of each level of 8 bits, (channels, 256), uint16; computed as in `cv2.calcHist`."""
    bins = np.floor(np.arange(256) * scale[:, np.newaxis] - shift[:, np.newaxis])
    return np.clip(bins, 0, top[:, np.newaxis]).astype(np.uint16)


def bin_factors(tables: np.ndarray, bins: np.ndarray, ranges: np.ndarray) -> np.ndarray | None:
    """Factors with which `level * factor >> 16` is the bin of every level in its range, (channels,), uint32.

    None where there are none: with doubles the border of a bin may lie just above the level that it should be, as with
    26 bins of hue.
    """
    factors = np.ceil(bins * (1 << 16) / ranges).astype(np.uint32)
    found = np.arange(256, dtype=np.uint32) * factors[:, np.newaxis] >> 16
    inside = np.arange(256) < ranges[:, np.newaxis]
    return factors if np.array_equal(found[inside], tables[inside]) else None
