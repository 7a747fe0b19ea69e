"""Colors in the cells of a grid: histograms, means and deviations."""

import math

import numpy as np

from cvclassic.features.kernels.shared import exact, fast, normalize


@fast
def color_histogram(levels, tables, joint, row_offset, edges, stride, starts, norm, out):
    """Histograms of each cell of a grid.

    Parameters
    ----------
    levels : array (n, height, width, channels), uint8 or uint16
    tables : array (channels, number of levels), uint32
        What each level of a channel adds to the place in the histogram; with `joint=False` each is a place by itself.
    row_offset : array (height,), uint32
        What a pixel's row adds to that.
    edges, stride : array (columns + 1,), int
        Borders of the cells along a row of pixels, and what each cell adds to the place.
    starts : array (number of histograms + 1,)
        Where each histogram begins in a row of `out`.
    norm : 0 for none, 1 for l1, 2 for sqrt, 3 for l2
    """
    n, height, _, channels = levels.shape
    size = out.shape[1]
    # Neighboring pixels often fall into the same bin, and adding twice in a row to the same place waits for the first
    # sum. So four neighbors count in histograms of their own, where those are small.
    lane = np.uint32(size if size <= 2048 else 0)
    lanes = 4 if lane > 0 else 1
    counts = np.empty(lanes * size, np.int32)
    one = np.int32(1)
    for i in range(n):
        counts[:] = 0
        for y in range(height):
            for column in range(edges.size - 1):
                first, last = edges[column], edges[column + 1]
                base = row_offset[y] + np.uint32(column * stride)
                if joint and channels == 3:
                    whole = first + (last - first) // 4 * 4
                    for x in range(first, whole, 4):
                        for k in range(4):
                            place = base + np.uint32(k) * lane
                            place += tables[0, levels[i, y, x + k, 0]]
                            place += tables[1, levels[i, y, x + k, 1]]
                            place += tables[2, levels[i, y, x + k, 2]]
                            counts[np.uintp(place)] += one
                    for x in range(whole, last):
                        place = base + tables[0, levels[i, y, x, 0]]
                        place += tables[1, levels[i, y, x, 1]] + tables[2, levels[i, y, x, 2]]
                        counts[np.uintp(place)] += one
                else:
                    for x in range(first, last):
                        for c in range(channels):
                            place = base + np.uint32(x % 4) * lane + tables[c, levels[i, y, x, c]]
                            counts[np.uintp(place)] += one
        for k in range(size):
            out[i, k] = counts[k]
        for p in range(1, lanes):
            for k in range(size):
                out[i, k] += counts[p * size + k]
        if norm > 0:
            for h in range(starts.size - 1):
                normalize(out[i, starts[h] : starts[h + 1]], norm)


@exact
def quantize(images, scale, shift, top, levels):
    """Bin of every channel of floating point images: `floor(value * scale - shift)` in double, from 0 to `top`."""
    n, height, width, channels = images.shape
    for i in range(n):
        for y in range(height):
            for x in range(width):
                for c in range(channels):
                    place = images[i, y, x, c] * scale[c] - shift[c]
                    levels[i, y, x, c] = min(max(np.int64(math.floor(place)), 0), top[c])


@fast
def color_grid(pixels, row_edges, column_edges, out):
    """Mean and standard deviation per channel of each cell between the edges; `out` is (n, cells, 2, channels)."""
    n, _, _, channels = pixels.shape
    columns = column_edges.size - 1
    for i in range(n):
        for cell in range(out.shape[1]):
            top, bottom = row_edges[cell // columns], row_edges[cell // columns + 1]
            left, right = column_edges[cell % columns], column_edges[cell % columns + 1]
            size = (bottom - top) * (right - left)
            for c in range(channels):
                total, squares = 0.0, 0.0
                for y in range(top, bottom):
                    if pixels.itemsize == 1:  # whole numbers, a row of which fits into 32 bits
                        row_total, row_squares = np.uint32(0), np.uint32(0)
                        for x in range(left, right):
                            level = np.uint32(pixels[i, y, x, c])
                            row_total += level
                            row_squares += level * level
                        total += row_total
                        squares += row_squares
                    else:
                        for x in range(left, right):
                            value = np.float64(pixels[i, y, x, c])
                            total += value
                            squares += value * value
                mean = total / size
                out[i, cell, 0, c] = mean
                out[i, cell, 1, c] = np.sqrt(max(squares / size - mean * mean, 0.0))
