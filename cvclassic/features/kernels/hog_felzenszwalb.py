"""HOG of Felzenszwalb, Girshick, McAllester and Ramanan."""

import math

import numpy as np

from cvclassic.features.kernels.shared import exact, fast, gradients, load


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
    cells_y, cells_x = out.shape[1] + 2, out.shape[2] + 2
    planes = np.empty((channels, height + 2, width + 2), np.float32)
    dx, dy = np.zeros((height, width + 2), np.float32), np.zeros((height, width + 2), np.float32)
    magnitude = np.empty((height, width + 2), np.float32)
    position = np.empty((height, width + 2), np.uint32)
    border_x, border_y = np.empty(orientations, np.float32), np.empty(orientations, np.float32)
    for k in range(orientations):
        border_x[k], border_y[k] = math.cos(math.pi * k / orientations), math.sin(math.pi * k / orientations)
    histograms = np.empty((cells_y, cells_x, 2 * orientations), np.float32)
    energy = np.empty((cells_y, cells_x), np.float32)
    for i in range(n):
        load(images, i, gamma, scale, planes)
        gradients(planes, np.intp(0), np.intp(0), dx, dy)
        _nearest_directions(dx, dy, border_x, border_y, magnitude, position)
        histograms[:] = 0
        _cast_between_cells(magnitude, position, cell, histograms)
        for y in range(cells_y):
            for x in range(cells_x):
                total = np.float32(0)
                for k in range(orientations):
                    both = histograms[y, x, k] + histograms[y, x, k + orientations]
                    total += both * both
                energy[y, x] = total
        _describe_cells(histograms, energy, orientations, out, i)


@exact
def _nearest_directions(dx, dy, unit_x, unit_y, magnitude, position):
    """The signed direction nearest to each gradient; of two equally near, the first."""
    height, width = dx.shape
    for y in range(height):
        for x in range(width):
            gx, gy = dx[y, x], dy[y, x]
            magnitude[y, x] = np.sqrt(gx * gx + gy * gy)
            best, nearest = np.float32(0), 0
            for k in range(unit_x.size):
                along = unit_x[k] * gx + unit_y[k] * gy
                if along > best:
                    best, nearest = along, k
                elif -along > best:
                    best, nearest = -along, k + unit_x.size
            position[y, x] = nearest


@fast
def _cast_between_cells(magnitude, position, cell, histograms):
    """Share each pixel's vote between the four cells around it; pixels of the image's border don't vote.

    Where the last cell reaches beyond the image, its pixels repeat those before the image's border.
    """
    height, width = magnitude.shape[0], magnitude.shape[1] - 2
    cells_y, cells_x = histograms.shape[:2]
    for y in range(1, cells_y * cell[0] - 1):
        place_y = (y + 0.5) / cell[0] - 0.5
        cy = math.floor(place_y)
        weight_y = np.float32(place_y - cy)
        source_y = min(y, height - 2)
        for x in range(1, cells_x * cell[1] - 1):
            place_x = (x + 0.5) / cell[1] - 0.5
            cx = math.floor(place_x)
            weight_x = np.float32(place_x - cx)
            source_x = min(x, width - 2)
            vote, k = magnitude[source_y, source_x], position[source_y, source_x]
            for r in range(2):
                for c in range(2):
                    if 0 <= cy + r < cells_y and 0 <= cx + c < cells_x:
                        share_y = weight_y if r == 1 else np.float32(1) - weight_y
                        share_x = weight_x if c == 1 else np.float32(1) - weight_x
                        histograms[cy + r, cx + c, k] += vote * share_y * share_x


@fast
def _describe_cells(histograms, energy, orientations, out, i):
    """Signed and unsigned orientations of each inner cell, and its texture, under four normalizations."""
    limit = np.float32(0.2)
    factors, texture = np.empty(4, np.float32), np.empty(4, np.float32)
    for y in range(out.shape[1]):
        for x in range(out.shape[2]):
            for f in range(4):  # with the neighbors below right, above right, below left, above left
                r, c = y + 1 - f % 2, x + 1 - f // 2
                total = energy[r, c] + energy[r, c + 1] + energy[r + 1, c] + energy[r + 1, c + 1]
                factors[f] = np.float32(1) / np.sqrt(total + np.float32(1e-4))
                texture[f] = 0
            for k in range(2 * orientations):
                value = np.float32(0)
                for f in range(4):
                    clipped = min(histograms[y + 1, x + 1, k] * factors[f], limit)
                    value += clipped
                    texture[f] += clipped
                out[i, y, x, k] = np.float32(0.5) * value
            for k in range(orientations):
                both = histograms[y + 1, x + 1, k] + histograms[y + 1, x + 1, k + orientations]
                value = np.float32(0)
                for f in range(4):
                    value += min(both * factors[f], limit)
                out[i, y, x, 2 * orientations + k] = np.float32(0.5) * value
            for f in range(4):
                out[i, y, x, 3 * orientations + f] = np.float32(0.2357) * texture[f]
