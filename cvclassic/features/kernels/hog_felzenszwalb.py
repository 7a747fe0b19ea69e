"""HOG of Felzenszwalb, Girshick, McAllester and Ramanan."""

import math

import numpy as np

from cvclassic.features.kernels.shared import exact, fast, gradients, load
from cvclassic.features.kernels.vectors import LANES, add_weighted


@fast
def hog_felzenszwalb(images, orientations, gamma, scale, cell, out):
    """HOG of Felzenszwalb, Girshick, McAllester and Ramanan (PAMI 2010), as their `features.cc` computes it.

    Parameters
    ----------
    orientations : int
        Unsigned ones; twice as many are signed.
    out : array (n, cells_y - 2, cells_x - 2, 3 * orientations + 4), float32
    """
    n, height, width, channels = images.shape
    cells_y, cells_x, bins = out.shape[1] + 2, out.shape[2] + 2, 2 * orientations
    planes = np.empty((channels, height + 2, width + 2), np.float32)
    dx, dy = np.zeros((height, width + 2), np.float32), np.zeros((height, width + 2), np.float32)
    # As wide as the cells are together, and at least as the image.
    wide = max(width, cells_x * cell[1])
    magnitude, position = np.zeros((height, wide), np.float32), np.zeros((height, wide), np.uint32)
    border_x, border_y = np.empty(orientations, np.float32), np.empty(orientations, np.float32)
    for k in range(orientations):
        angle = math.pi * (k + 0.5) / orientations
        border_x[k], border_y[k] = 0 if 2 * k + 1 == orientations else math.cos(angle), math.sin(angle)
    weights, offset = _shares(cell), np.empty(wide, np.uint32)
    for x in range(wide):
        offset[x] = (2 * x + 1 + cell[1]) // (2 * cell[1]) * bins * LANES
    votes = np.empty((cells_y + 1) * (cells_x + 1) * bins * LANES, np.float32)
    histograms = np.empty((cells_y, cells_x, bins), np.float32)
    energy = np.empty((cells_y, cells_x), np.float32)
    for i in range(n):
        load(images, i, gamma, scale, planes)
        gradients(planes, np.intp(0), np.intp(0), dx, dy)
        _nearest_directions(dx, dy, border_x, border_y, width, magnitude, position)
        _cast_between_cells(magnitude, position, offset, height, cell, cells_y, cells_x, bins, weights, votes)
        _add_up(votes, histograms)
        for y in range(cells_y):
            for x in range(cells_x):
                total = np.float32(0)
                for k in range(orientations):
                    both = histograms[y, x, k] + histograms[y, x, k + orientations]
                    total += both * both
                energy[y, x] = total
        _describe_cells(histograms, energy, orientations, out, i)


@fast
def _shares(cell):
    """What a pixel adds to the cells above left, above right, below left and below right, by its place in the grid.

    (height * width of a cell * 4,). Places between cells are counted from the cells' centers on.
    """
    shares = np.empty((cell[0], cell[1], LANES), np.float32)
    for y in range(cell[0]):
        for x in range(cell[1]):
            down, right = (y + 0.5) / cell[0] + 0.5, (x + 0.5) / cell[1] + 0.5
            down, right = down - math.floor(down), right - math.floor(right)
            shares[y, x, 0], shares[y, x, 1] = (1 - down) * (1 - right), (1 - down) * right
            shares[y, x, 2], shares[y, x, 3] = down * (1 - right), down * right
    return shares.reshape(shares.size)


@exact
def _nearest_directions(dx, dy, border_x, border_y, width, magnitude, position):
    """The signed direction nearest to each gradient, by the borders that it has passed; on a border, the first."""
    height, last = dx.shape[0], np.uint32(2 * border_x.size)
    for y in range(height):
        for x in range(width):
            gx, gy = dx[y, x], dy[y, x]
            magnitude[y, x] = np.sqrt(gx * gx + gy * gy)
            turn = (gy < 0) | ((gy == 0) & (gx < 0))
            dx[y, x] = -gx if turn else gx
            dy[y, x] = -gy if turn else gy
            position[y, x] = border_x.size if turn else 0
        for k in range(border_x.size):
            bx, by = border_x[k], border_y[k]
            for x in range(width):
                position[y, x] += np.uint32(dy[y, x] * bx > dx[y, x] * by)
        for x in range(width):
            place = position[y, x]
            position[y, x] = np.uint32(LANES) * (np.uint32(0) if place == last else place)
        for x in range(width - 1, magnitude.shape[1]):  # pixels of the border and beyond it repeat those before
            magnitude[y, x], position[y, x] = magnitude[y, width - 2], position[y, width - 2]


@fast
def _cast_between_cells(magnitude, position, offset, height, cell, cells_y, cells_x, bins, weights, votes):
    """Add each pixel's vote, shared between the four cells around it, at their place in the grid of cells' corners.

    Pixels of the image's border don't vote. Where the last cell reaches beyond the image, its pixels repeat those
    before the border.
    """
    for k in range(votes.size):
        votes[k] = 0
    row, end = (cells_x + 1) * bins * LANES, cells_x * cell[1] - 1
    for y in range(1, cells_y * cell[0] - 1):
        source = min(y, height - 2)
        base = (2 * y + 1 + cell[0]) // (2 * cell[0]) * row
        # From cell to cell: adding twice in a row to the same place would wait for the first sum.
        for j in range(cell[1]):
            weight = np.uintp((y % cell[0] * cell[1] + j) * LANES)
            for x in range(j if j > 0 else cell[1], end, cell[1]):
                place = np.uintp(base + offset[x] + position[source, x])
                add_weighted(votes, place, magnitude[source, x], weights, weight)


@fast
def _add_up(votes, histograms):
    """The histogram of each cell from what was added at its four corners."""
    cells_y, cells_x, bins = histograms.shape
    step, row = np.uintp(bins * LANES), np.uintp((cells_x + 1) * bins * LANES)
    for y in range(cells_y):
        for x in range(cells_x):
            # As the cell below right of a corner, below left, above right, above left.
            first = np.uintp(y) * row + np.uintp(x) * step
            for j in range(bins):
                k = first + np.uintp(LANES * j)
                upper = votes[k + np.uintp(3)] + votes[k + step + np.uintp(2)]
                histograms[y, x, j] = upper + votes[k + row + np.uintp(1)] + votes[k + row + step]


@fast
def _describe_cells(histograms, energy, orientations, out, i):
    """Signed and unsigned orientations of each inner cell, and its texture, under four normalizations."""
    limit, half, share = np.float32(0.2), np.float32(0.5), np.float32(0.2357)
    factors = np.empty(4, np.float32)
    for y in range(out.shape[1]):
        for x in range(out.shape[2]):
            for f in range(4):  # with the neighbors below right, above right, below left, above left
                r, c = y + 1 - f % 2, x + 1 - f // 2
                total = energy[r, c] + energy[r, c + 1] + energy[r + 1, c] + energy[r + 1, c + 1]
                factors[f] = np.float32(1) / np.sqrt(total + np.float32(1e-4))
            a, b, c, d = factors[0], factors[1], factors[2], factors[3]
            in_a = in_b = in_c = in_d = np.float32(0)
            for k in range(2 * orientations):
                value = histograms[y + 1, x + 1, k]
                under_a, under_b = min(value * a, limit), min(value * b, limit)
                under_c, under_d = min(value * c, limit), min(value * d, limit)
                in_a += under_a
                in_b += under_b
                in_c += under_c
                in_d += under_d
                out[i, y, x, k] = half * (under_a + under_b + under_c + under_d)
            for k in range(orientations):
                both = histograms[y + 1, x + 1, k] + histograms[y + 1, x + 1, k + orientations]
                total = min(both * a, limit) + min(both * b, limit) + min(both * c, limit) + min(both * d, limit)
                out[i, y, x, 2 * orientations + k] = half * total
            place = 3 * orientations
            out[i, y, x, place], out[i, y, x, place + 1] = share * in_a, share * in_b
            out[i, y, x, place + 2], out[i, y, x, place + 3] = share * in_c, share * in_d
