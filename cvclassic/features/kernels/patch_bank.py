"""The loops of `PatchBank`: patches, whitening, products, thresholds and sums, a strip of an image at a time."""

import numpy as np

from cvclassic.features.kernels.patches import normalized_patches
from cvclassic.features.kernels.shared import fast

_SHORTEST = np.float32(1e-6)  # what is added to a squared length: a patch that equals the mean patch stays 0
_FLAT = np.float32(1e-6)  # mean square of a normalized patch that has no contrast but for rounding


@fast
def patch_bank(
    images, scale, regularization, whitening, bias, filters, threshold, row_weights, column_weights, strip, out
):
    """Sum, weighted, by how much each filter's cosine with a patch exceeds a threshold, upwards and downwards.

    Parameters
    ----------
    images : array (n, height, width, channels)
    whitening : array (pixels of a patch, pixels of a patch), float32
    bias : array (pixels of a patch,), float32
        The mean patch, whitened.
    filters : array (pixels of a patch, filters), float32
        Of length 1 each.
    row_weights, column_weights : arrays (cells, places along the height or the width), float32
        How much each cell takes of what is at a place: the product of both.
    strip : int
        Rows of places whose patches and products are held at a time.
    out : array (n, cells along the height, cells along the width, 2, filters), float32
    """
    n, n_filters, n_pixels = images.shape[0], filters.shape[1], whitening.shape[0]
    size = round((n_pixels / images.shape[3]) ** 0.5)
    height, width = images.shape[1] - size + 1, images.shape[2] - size + 1
    places = np.empty((strip * width, 3), np.int64)
    patches, whitened = np.empty((strip * width, n_pixels), np.float32), np.empty((strip * width, n_pixels), np.float32)
    products = np.empty((strip * width, n_filters), np.float32)
    row = np.empty((column_weights.shape[0], 2, n_filters), np.float32)
    for i in range(n):
        out[i] = 0
        for top in range(0, height, strip):
            bottom = min(top + strip, height)
            m = (bottom - top) * width
            for p in range(m):
                places[p, 0], places[p, 1], places[p, 2] = i, top + p // width, p % width
            normalized_patches(images, places[:m], scale, regularization, patches[:m])
            m = _keep_clear(patches, places, m)
            if m == 0:
                continue
            np.dot(patches[:m], whitening, whitened[:m])
            _to_length_1(whitened[:m], bias)
            np.dot(whitened[:m], filters, products[:m])
            first = 0
            for y in range(top, bottom):
                last = first
                while last < m and places[last, 1] == y:
                    last += 1
                _add_up(products[first:last], places[first:last, 2], column_weights, threshold, row)
                first = last
                for cell in range(row_weights.shape[0]):
                    if row_weights[cell, y] > 0:
                        _add(row, row_weights[cell, y], out[i, cell])
        _take_roots(out[i])


@fast
def _keep_clear(patches, places, m):
    """Close the ranks of the first `m` patches, and of their places, over those without contrast; how many are left."""
    kept = 0
    for p in range(m):
        square = np.float32(0)
        for j in range(patches.shape[1]):
            square += patches[p, j] * patches[p, j]
        if square > _FLAT * np.float32(patches.shape[1]):
            if kept < p:
                patches[kept] = patches[p]
                places[kept] = places[p]
            kept += 1
    return kept


@fast
def _to_length_1(whitened, bias):
    """Take `bias` off each row, and bring it to length 1."""
    for p in range(whitened.shape[0]):
        square = _SHORTEST
        for j in range(whitened.shape[1]):
            whitened[p, j] -= bias[j]
            square += whitened[p, j] * whitened[p, j]
        factor = np.float32(1) / np.sqrt(square)
        for j in range(whitened.shape[1]):
            whitened[p, j] *= factor


@fast
def _add_up(products, columns, weights, threshold, row):
    """Sum what exceeds the threshold, upwards and downwards by itself, over patches in these columns of one row.

    `row` is (cells, 2, filters).
    """
    zero = np.float32(0)
    row[:] = 0
    for cell in range(weights.shape[0]):
        up, down = row[cell, 0], row[cell, 1]
        for p in range(products.shape[0]):
            weight = weights[cell, columns[p]]
            if weight > zero:
                for k in range(up.size):
                    above, below = products[p, k] - threshold, -products[p, k] - threshold
                    up[k] += weight * (above if above > zero else zero)
                    down[k] += weight * (below if below > zero else zero)


@fast
def _add(row, weight, out):
    for cell in range(row.shape[0]):
        for sign in range(2):
            for k in range(row.shape[2]):
                out[cell, sign, k] += weight * row[cell, sign, k]


@fast
def _take_roots(cells):
    for row in range(cells.shape[0]):
        for column in range(cells.shape[1]):
            for sign in range(2):
                for k in range(cells.shape[3]):
                    cells[row, column, sign, k] = np.sqrt(cells[row, column, sign, k])
