"""The loops of `PatchBank`: patches, whitening, products, thresholds and sums, a strip of an image at a time."""

import numpy as np

from cvclassic.features.kernels.patches import normalized_patches
from cvclassic.features.kernels.shared import fast

_FLAT = np.float32(1e-6)  # what is added to a squared length: a patch without any contrast stays 0


@fast
def patch_bank(images, scale, regularization, whitening, bias, filters, threshold, row_cells, column_cells, strip, out):
    """Sum over cells by how much each filter's cosine with a patch exceeds a threshold, upwards and downwards.

    Parameters
    ----------
    images : array (n, height, width, channels)
    whitening : array (pixels of a patch, pixels of a patch), float32
    bias : array (pixels of a patch,), float32
        The mean patch, whitened.
    filters : array (pixels of a patch, filters), float32
        Of length 1 each.
    row_cells, column_cells : arrays (cells, 2)
        First place, and the one behind the last, of each cell; a place is in one cell or in several.
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
    up, down = np.empty(n_filters, np.float32), np.empty(n_filters, np.float32)
    for i in range(n):
        out[i] = 0
        for top in range(0, height, strip):
            bottom = min(top + strip, height)
            m = (bottom - top) * width
            for p in range(m):
                places[p, 0], places[p, 1], places[p, 2] = i, top + p // width, p % width
            normalized_patches(images, places[:m], scale, regularization, patches[:m])
            np.dot(patches[:m], whitening, whitened[:m])
            _to_length_1(whitened[:m], bias)
            np.dot(whitened[:m], filters, products[:m])
            for y in range(top, bottom):
                for column in range(column_cells.shape[0]):
                    first = (y - top) * width + column_cells[column, 0]
                    last = (y - top) * width + column_cells[column, 1]
                    _add_up(products, first, last, threshold, up, down)
                    for row in range(row_cells.shape[0]):
                        if row_cells[row, 0] <= y < row_cells[row, 1]:
                            for k in range(n_filters):
                                out[i, row, column, 0, k] += up[k]
                                out[i, row, column, 1, k] += down[k]
        _take_roots(out[i])


@fast
def _to_length_1(whitened, bias):
    """Take `bias` off each row, and bring it to length 1."""
    for p in range(whitened.shape[0]):
        square = _FLAT
        for j in range(whitened.shape[1]):
            whitened[p, j] -= bias[j]
            square += whitened[p, j] * whitened[p, j]
        factor = np.float32(1) / np.sqrt(square)
        for j in range(whitened.shape[1]):
            whitened[p, j] *= factor


@fast
def _add_up(products, first, last, threshold, up, down):
    """Sum what exceeds the threshold in the rows from `first` to before `last`, upwards and downwards by itself."""
    zero = np.float32(0)
    up[:] = 0
    down[:] = 0
    for p in range(first, last):
        for k in range(up.size):
            above, below = products[p, k] - threshold, -products[p, k] - threshold
            up[k] += above if above > zero else zero
            down[k] += below if below > zero else zero


@fast
def _take_roots(cells):
    for row in range(cells.shape[0]):
        for column in range(cells.shape[1]):
            for sign in range(2):
                for k in range(cells.shape[3]):
                    cells[row, column, sign, k] = np.sqrt(cells[row, column, sign, k])
