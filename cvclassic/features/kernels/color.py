"""Colors in the cells of a grid: histograms, means and deviations."""

import math

import numpy as np

from cvclassic.features.kernels.shared import exact, fast, normalize


@fast
def color_histogram(levels, hsv, joint, factors, strides, channel_starts, row_offset, column_offset, starts, norm, out):
    """Histograms of each cell of a grid.

    Parameters
    ----------
    levels : array (n, height, width, channels), uint8 or uint16
    hsv : bool
        Whether `levels` are RGB pixels, uint8, of which those of HSV are to be counted; only with `joint=True`.
    factors, strides : arrays (channels,), uint32
        A level's bin is `level * factor >> 16`, and the distance of two bins in the histogram is the stride.
    channel_starts : array (channels,), uint32
        With `joint=False`, where the histogram of a channel begins.
    row_offset, column_offset : arrays (height,), (width,), uint32
        What a pixel's row and column add to the place in a row of `out`.
    starts : array (number of histograms + 1,)
        Where each histogram begins in a row of `out`.
    norm : 0 for none, 1 for l1, 2 for sqrt, 3 for l2
    """
    n, height, width, channels = levels.shape
    size = out.shape[1]
    # Neighboring pixels often fall into the same bin, and adding twice in a row to the same place waits for the first
    # sum. So four neighbors count in histograms of their own, where those are small.
    lanes = 4 if size <= 2048 else 1
    counts = np.empty(lanes * size, np.int32)
    offset = np.empty(width, np.uint32)
    for x in range(width):
        offset[x] = column_offset[x] + np.uint32(x % lanes * size)
    places, pixels = np.empty(width, np.uint32), levels.reshape(levels.size)
    for i in range(n):
        counts[:] = 0
        for y in range(height):
            start = np.uintp((i * height + y) * width * channels)
            if hsv:
                _find_places_in_hsv(pixels, start, factors, strides, row_offset[y], offset, places)
                _count(places, counts)
            elif joint and channels == 3:
                _find_places(pixels, start, factors, strides, row_offset[y], offset, places)
                _count(places, counts)
            else:
                for c in range(channels):
                    base = np.uint32(row_offset[y] + channel_starts[c])
                    for x in range(width):
                        level = np.uint32(pixels[start + np.uintp(x * channels + c)])
                        places[x] = _place(level, factors[c], np.uint32(1), np.uint32(base + offset[x]))
                    _count(places, counts)
        for k in range(size):
            out[i, k] = counts[k]
        for p in range(1, lanes):
            for k in range(size):
                out[i, k] += counts[p * size + k]
        if norm > 0:
            for h in range(starts.size - 1):
                normalize(out[i, starts[h] : starts[h + 1]], norm)


@fast
def _place(level, factor, stride, base):
    # Brought back to 32 bits at each step: numba counts in 64, and a register holds half as many of those.
    return np.uint32(base + np.uint32(np.uint32(np.uint32(level * factor) >> np.uint32(16)) * stride))


@fast
def _find_places(pixels, start, factors, strides, base, offset, places):
    """Place in a joint histogram of each pixel of a row of three channels."""
    a, b, c, step, second = factors[0], factors[1], factors[2], strides[0], strides[1]
    for j in range(places.size):
        k = start + np.uintp(3 * j)
        place = _place(np.uint32(pixels[k]), a, step, np.uint32(base + offset[j]))
        place = _place(np.uint32(pixels[k + np.uintp(1)]), b, second, place)
        places[j] = _place(np.uint32(pixels[k + np.uintp(2)]), c, np.uint32(1), place)


@fast
def _find_places_in_hsv(pixels, start, factors, strides, base, offset, places):
    """Place in a joint HSV histogram of each pixel of a row of RGB, uint8, with the levels of `cv2.cvtColor`."""
    a, b, c, step, second = factors[0], factors[1], factors[2], strides[0], strides[1]
    for j in range(places.size):
        k = start + np.uintp(3 * j)
        hue, saturation, value = _hsv(
            np.int32(pixels[k]), np.int32(pixels[k + np.uintp(1)]), np.int32(pixels[k + np.uintp(2)])
        )
        place = _place(np.uint32(hue), a, step, np.uint32(base + offset[j]))
        place = _place(np.uint32(saturation), b, second, place)
        places[j] = _place(np.uint32(value), c, np.uint32(1), place)


@exact
def _hsv(red, green, blue):
    """Hue (0 to 179), saturation and value as OpenCV has them, which divides by way of whole numbers of 12 more bits.

    Both of its quotients come from one division here; they are the same for every value and difference of 8 bits.
    """
    value, least = red if red > green else green, red if red < green else green
    value, least = value if value > blue else blue, least if least < blue else blue
    difference = np.int32(value - least)
    double = np.int32(difference + difference)
    if value == red:
        hue = np.int32(green - blue)
    elif value == green:
        hue = np.int32(np.int32(blue - red) + double)
    else:
        hue = np.int32(np.int32(red - green) + np.int32(double + double))
    product = np.float32(value) * np.float32(difference)
    inverse = np.float32(1) / (product if product > np.float32(0) else np.float32(1))
    of_value = np.int32(np.float32(255 << 12) * (np.float32(difference) * inverse) + np.float32(0.5))
    of_difference = np.int32(np.float32((180 << 12) // 6) * (np.float32(value) * inverse) + np.float32(0.5))
    half, bits = np.int32(1 << 11), np.int32(12)
    saturation = np.int32(np.int32(np.int32(difference * of_value) + half) >> bits)
    hue = np.int32(np.int32(np.int32(hue * of_difference) + half) >> bits)
    return np.int32(hue + np.int32(180)) if hue < np.int32(0) else hue, saturation, value


@fast
def _count(places, counts):
    for x in range(places.size):
        counts[np.uintp(places[x])] += np.int32(1)


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
