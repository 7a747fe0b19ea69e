"""Local binary patterns."""

import numpy as np

from cvclassic.features.kernels.shared import exact


@exact
def local_binary_patterns(images, border, row_step, column_step, row_rest, column_rest, labels, one, patterns):
    """Pattern of each pixel as `skimage.feature.local_binary_pattern` finds it, replaced by its label.

    Parameters
    ----------
    images : array (n, height, width)
    border : int
        How far the neighbors reach beyond the image, with one pixel more.
    row_step, column_step : arrays (points, height), (points, width), int64
        Whole part of each neighbor's row and column.
    row_rest, column_rest : arrays of the same shapes, float64
        The rest, for linear interpolation; computed as scikit-image does, since the last bit decides on flat ground.
    labels : array (2 ** points,), uint8 or uint16
    one : 1.0; a product times `one` is not fused with a sum
    patterns : array (n, height, width, 1), of the type of `labels`
    """
    n, height, width = images.shape
    padded = np.zeros((height + 2 * border, width + 2 * border))
    found = np.empty((height, width), np.uint32)
    for i in range(n):
        for y in range(height):
            for x in range(width):
                padded[y + border, x + border] = images[i, y, x]
        found[:] = 0
        for p in range(row_step.shape[0]):
            left = column_step[p, 0] + border
            if row_rest[p, 0] == 0 and column_rest[p, 0] == 0:
                _compare_pixels(padded, border, row_step[p, 0] + border, left, np.uint32(1 << p), found)
            else:
                _compare_between(
                    padded, border, row_step[p], left, row_rest[p], column_rest[p], one, np.uint32(1 << p), found
                )
        for y in range(height):
            for x in range(width):
                patterns[i, y, x, 0] = labels[np.uintp(found[y, x])]


@exact
def _compare_pixels(padded, border, top, left, bit, found):
    """Set `bit` where the neighbor is at least as large as the center; it lies on a pixel."""
    height, width = found.shape
    for y in range(height):
        neighbor, center = padded[y + top, left : left + width], padded[y + border, border : border + width]
        for x in range(width):
            found[y, x] |= bit if neighbor[x] >= center[x] else np.uint32(0)


@exact
def _compare_between(padded, border, row_step, left, row_rest, column_rest, one, bit, found):
    """Set `bit` where the neighbor is at least as large as the center; it lies between four pixels."""
    height, width = found.shape
    for y in range(height):
        down, up = row_rest[y], 1 - row_rest[y]
        top = row_step[y] + border
        center = padded[y + border, border : border + width]
        # Where there is no rest, scikit-image takes the same pixel twice; here the second has no weight.
        first, second = padded[top, left : left + width], padded[top, left + 1 : left + width + 1]
        third, fourth = padded[top + 1, left : left + width], padded[top + 1, left + 1 : left + width + 1]
        for x in range(width):
            right = column_rest[x]
            upper = (1 - right) * first[x] * one + right * second[x] * one
            lower = (1 - right) * third[x] * one + right * fourth[x] * one
            value = up * upper * one + down * lower * one
            found[y, x] |= bit if value - center[x] >= 0 else np.uint32(0)
