"""Energies of Gabor filters."""

import numpy as np

from cvclassic.features.kernels.shared import fast
from cvclassic.features.kernels.vectors import ROWS, SPAN, weigh_around


@fast
def gabor_energies(gray, scale, reach, taps, places, mirror_rows, mirror_columns, row_edges, column_edges, out):
    """Mean energy of each filter in each cell of a grid.

    A filter is a product of a function of the column and one of the row, each with an even real and an odd imaginary
    part: of the pixels at the same distance on both sides the sum goes to one, and the difference to the other. Two
    filters that mirror each other differ in the sign of one odd part alone, and share everything but the last step.

    Parameters
    ----------
    gray : array (n, height, width), uint8 or float32
    scale : float32
        What the values are multiplied by.
    reach : array (filters,), int
        Distance of the outermost pixels that a filter takes.
    taps : array (filters, 2, longest reach + 1, 2), float32
        Weights along the row and along the column, from distance 0 on, even and odd.
    places : array (filters, 2), int
        Place in `out` of a filter and of that which mirrors it, or -1 where there is none.
    mirror_rows, mirror_columns : arrays (height + 2 longest,), (width + 2 longest,), int
        The row and the column of the image that stands for each one, from `longest` before the image on.
    out : array (n, places, rows, columns), float32
    """
    height, width = gray.shape[1:]
    longest = taps.shape[2] - 1
    # Rows are worked on `SPAN` values at a time, and `ROWS` of them at once; what lies beyond the image is not used.
    # They lie an odd number of spans apart, lest those of a column all compete for the same few lines of the cache.
    stride, rows = (-(-width // SPAN) // 2 * 2 + 1) * SPAN, -(-height // ROWS) * ROWS
    length = stride + 2 * longest
    padded = np.zeros(rows * length, np.float32)
    parts = np.zeros(2 * (rows + 2 * longest) * stride, np.float32)  # real and imaginary
    energies = np.empty((2, row_edges.size - 1, stride), np.float32)
    weights, distances = taps.reshape(taps.size), 2 * taps.shape[2]
    for i in range(gray.shape[0]):
        for y in range(height):
            for x in range(mirror_columns.size):
                padded[y * length + x] = gray[i, y, mirror_columns[x]] * scale
        for k in range(reach.size):
            along, down = 2 * k * distances, (2 * k + 1) * distances
            _weigh_columns(padded, length, weights, along, reach[k], height, width, longest, stride, parts)
            _mirror_border(parts, stride, reach[k], longest, mirror_rows)
            _weigh_rows(parts, weights, down, reach[k], height, width, longest, stride, row_edges, energies)
            for side in range(2):
                if places[k, side] >= 0:
                    _take_means(energies[side], row_edges, column_edges, out[i, places[k, side]])


@fast
def _weigh_columns(padded, length, weights, start, reach, height, width, longest, stride, parts):
    """The even and the odd part of a filter along each row; rows lie `longest` rows deep in what comes out."""
    first, count, step, row, below = (
        np.uintp(start),
        np.uintp(reach + 1),
        np.uintp(1),
        np.uintp(length),
        np.uintp(stride),
    )
    for y in range(0, height, ROWS):
        for x in range(0, width, SPAN):
            place, even = np.uintp(y * length + longest + x), np.uintp((longest + y) * stride + x)
            odd = even + np.uintp(parts.size // 2)
            weigh_around(padded, place, step, weights, first, count, row, parts, even, odd, below)


@fast
def _mirror_border(parts, stride, reach, longest, mirror_rows):
    """Repeat rows beyond the image's border, as far as a filter reaches."""
    height = mirror_rows.size - 2 * longest
    for d in range(2 * reach):
        y = longest - 1 - d if d < reach else longest + height + d - reach
        target, source = y * stride, (longest + mirror_rows[y]) * stride
        for part in range(2):
            for x in range(part * parts.size // 2, part * parts.size // 2 + stride):
                parts[target + x] = parts[source + x]


@fast
def _weigh_rows(parts, weights, start, reach, height, width, longest, stride, row_edges, energies):
    """Energies of a filter and of that which mirrors it, summed over the rows of each row of cells."""
    first, count, step, below = np.uintp(start), np.uintp(reach + 1), np.uintp(stride), np.uintp(4 * SPAN)
    a, b, c, d = np.uintp(0), np.uintp(SPAN), np.uintp(2 * SPAN), np.uintp(3 * SPAN)
    sums = np.empty(ROWS * 4 * SPAN, np.float32)
    flat, own, other = energies.reshape(energies.size), np.uintp(0), np.uintp(energies.size // 2)
    for k in range(flat.size):
        flat[k] = 0
    for x in range(0, width, SPAN):
        cell_y = 0
        for y in range(0, height, ROWS):
            place = np.uintp((longest + y) * stride + x)
            weigh_around(parts, place, step, weights, first, count, step, sums, a, b, below)
            place += np.uintp(parts.size // 2)
            weigh_around(parts, place, step, weights, first, count, step, sums, c, d, below)
            for r in range(min(ROWS, height - y)):
                cell_y += y + r == row_edges[cell_y + 1]
                own, start_of_row = np.uintp(cell_y * stride + x), np.uintp(r) * below
                for i in range(SPAN):
                    j = np.uintp(i)
                    k = start_of_row + j
                    flat[own + j] += (sums[k] - sums[k + d]) ** 2 + (sums[k + b] + sums[k + c]) ** 2
                    flat[other + own + j] += (sums[k] + sums[k + d]) ** 2 + (sums[k + b] - sums[k + c]) ** 2


@fast
def _take_means(energies, row_edges, column_edges, means):
    """Means over the cells of a grid of what is summed over rows already."""
    for y in range(means.shape[0]):
        for x in range(means.shape[1]):
            total = np.float32(0)
            for column in range(column_edges[x], column_edges[x + 1]):
                total += energies[y, column]
            pixels = (row_edges[y + 1] - row_edges[y]) * (column_edges[x + 1] - column_edges[x])
            means[y, x] = total / np.float32(pixels)
