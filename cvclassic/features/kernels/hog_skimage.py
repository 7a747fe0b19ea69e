"""HOG with the numbers of scikit-image."""

import numpy as np

from cvclassic.features.kernels.shared import exact, fast, gradients, load


@fast
def hog_skimage(images, orientations, gamma, planes, border_x, border_y, cell, block, norm, out):
    """HOG as `skimage.feature.hog` computes it.

    Parameters
    ----------
    planes : array (channels, height + 2, width + 2), float32 or float64
        Scratch; its dtype is that of the gradients.
    border_x, border_y : arrays, float32 or float64
        Directions between neighboring orientation bins, from `0 < angle < 180`; padded by (0, 0) to a multiple of 4.
    cell, block : (height, width) in pixels; in cells
    norm : 0 for L1, 1 for L1-sqrt, 2 for L2, 3 for L2-Hys
    out : array (n, d), float32
    """
    n, height, width, _ = images.shape
    cells_y, cells_x = height // cell[0], width // cell[1]
    blocks_y, blocks_x = cells_y - block[0] + 1, cells_x - block[1] + 1
    dx, dy = np.zeros((height, width + 2), planes.dtype), np.zeros((height, width + 2), planes.dtype)
    magnitude = np.empty((height, width + 2), np.float32)
    position = np.empty((height, width + 2), np.uint32)
    offset = np.zeros(width, np.uint32)
    for x in range(cells_x * cell[1]):
        # Each padding border counts once for every pixel.
        offset[x] = x // cell[1] * orientations - (border_x.size - (orientations - 1))
    histograms = np.empty((cells_y, cells_x, orientations), np.float32)
    flat = histograms.reshape(cells_y, cells_x * orientations)
    blocks = out.reshape(n, blocks_y, blocks_x, block[0], block[1], orientations)
    flat_blocks = out.reshape(n, blocks_y * blocks_x, block[0] * block[1] * orientations)
    share = np.float32(1 / (cell[0] * cell[1]))
    rounding = 2 if images.itemsize == 4 else 3 if planes.itemsize == 8 else 0
    for i in range(n):
        load(images, i, gamma, np.float32(1), planes)
        gradients(planes, np.intp(0), np.intp(rounding), dx, dy)
        _hard_bins(dx, dy, border_x, border_y, offset, magnitude, position)
        histograms[:] = 0
        for y in range(cells_y * cell[0]):
            _count_votes(magnitude, position, y, cell[1], cells_x, flat, y // cell[0])
        for y in range(cells_y):
            for k in range(flat.shape[1]):
                flat[y, k] *= share
        _gather_blocks(histograms, blocks, i)
        _normalize_blocks(flat_blocks, i, norm)


@exact
def _hard_bins(dx, dy, border_x, border_y, offset, magnitude, position):
    """Orientation bin of each gradient, 0 to 180 degrees, found without an angle: by the borders that it has passed."""
    height, width = dx.shape[0], offset.size
    for y in range(height):
        for x in range(width):
            gx, gy = dx[y, x], dy[y, x]
            magnitude[y, x] = np.sqrt(gx * gx + gy * gy)
            turn = (gy < 0) | ((gy == 0) & (gx < 0))
            dx[y, x] = -gx if turn else gx
            dy[y, x] = -gy if turn else gy
            position[y, x] = offset[x]
        for k in range(0, border_x.size, 4):
            ax, ay, bx, by = border_x[k], border_y[k], border_x[k + 1], border_y[k + 1]
            cx, cy, ex, ey = border_x[k + 2], border_y[k + 2], border_x[k + 3], border_y[k + 3]
            for x in range(width):
                gx, gy = dx[y, x], dy[y, x]
                position[y, x] += (
                    np.uint32(gy * ax >= gx * ay)
                    + np.uint32(gy * bx >= gx * by)
                    + np.uint32(gy * cx >= gx * cy)
                    + np.uint32(gy * ex >= gx * ey)
                )


@fast
def _count_votes(magnitude, position, y, cell_width, cells_x, histograms, row):
    """Add the magnitudes of row `y` to the bins of their cells."""
    step = np.uintp(cell_width)
    # From cell to cell: adding twice in a row to the same place would wait for the first sum.
    for j in range(cell_width):
        x = np.uintp(j)
        for _ in range(cells_x):
            histograms[row, np.uintp(position[y, x])] += magnitude[y, x]
            x += step


@fast
def _gather_blocks(histograms, blocks, i):
    _, blocks_y, blocks_x, rows, columns, orientations = blocks.shape
    for y in range(blocks_y):
        for x in range(blocks_x):
            for r in range(rows):
                for c in range(columns):
                    for k in range(orientations):
                        blocks[i, y, x, r, c, k] = histograms[y + r, x + c, k]


@fast
def _normalize_blocks(blocks, i, norm):
    """Normalize each block with scikit-image's constants, in place; values are not negative."""
    eps, limit, one = np.float32(1e-5), np.float32(0.2), np.float32(1)
    size = blocks.shape[2]
    for b in range(blocks.shape[1]):
        total = np.float32(0)
        if norm < 2:
            for k in range(size):
                total += blocks[i, b, k]
            factor = one / (total + eps)
        else:
            for k in range(size):
                total += blocks[i, b, k] * blocks[i, b, k]
            factor = one / np.sqrt(total + eps * eps)
        for k in range(size):
            blocks[i, b, k] *= factor
        if norm == 1:
            for k in range(size):
                blocks[i, b, k] = np.sqrt(blocks[i, b, k])
        if norm == 3:
            total = np.float32(0)
            for k in range(size):
                value = blocks[i, b, k]
                value = value if value < limit else limit
                blocks[i, b, k] = value
                total += value * value
            factor = one / np.sqrt(total + eps * eps)
            for k in range(size):
                blocks[i, b, k] *= factor
