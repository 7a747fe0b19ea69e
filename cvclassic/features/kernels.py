"""The numeric loops of the extractors, compiled by numba: one call works on a batch of images, without the GIL.

Every function is compiled once for each dtype of the images (uint8, float32) and kept on disk. Scratch arrays are made
once per call, not per image. Images come as `(n, height, width, channels)` with 1 or 3 channels, C-contiguous; floating
point pixels are brought to the scale of 0..255 by `scale`.
"""

import math

import numpy as np
from numba import njit

# Sums may be reordered and fused: that's what lets them run on vector registers. Where the last bit decides between
# two outcomes (the strongest channel, the bin of an angle), arithmetic stays as written.
_exact = njit(nogil=True, cache=True, error_model="numpy")
_fast = njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})

_DEGREES = np.float32(180 / np.pi)
# The polynomial that OpenCV uses for its angles (cv2.cartToPolar, cv2.fastAtan2); it errs by up to 0.01 degrees.
_P1 = np.float32(0.9997878412794807) * _DEGREES
_P3 = np.float32(-0.3258083974640975) * _DEGREES
_P5 = np.float32(0.1555786518463281) * _DEGREES
_P7 = np.float32(-0.04432655554792128) * _DEGREES
_RADIANS = np.float32(np.pi / 180)


@_fast
def hog_opencv(images, orientations, signed, gamma, scale, cell, block, vertical, horizontal, out):
    """HOG as `cv2.HOGDescriptor` computes it.

    A pixel's votes are weighted by a product of a function of its row and one of its column in the block. So the
    votes of the rows of a block are summed first, for each cell row of the block, and then those sums over columns.

    Parameters
    ----------
    cell, block : (height, width) in pixels; in cells
    vertical : array (cells of the block, pixels of the block), float32
        Weight of each row of a block for each of its cell rows; padded by zeros to a multiple of 4 pixels.
    horizontal : array (cells of the block, cells of the block, pixels of a cell), float32
        Weight of each column of each cell of a block for each of its cells; padded likewise.
    out : array (n, d), float32
    """
    n, height, width, channels = images.shape
    cells_x = width // cell[1]
    blocks_y, blocks_x = height // cell[0] - block[0] + 1, cells_x - block[1] + 1
    block_rows = cell[0] * block[0]
    bins = orientations + 1  # the last one stands for the first: a vote for two bins is two neighboring values
    planes = np.empty((channels, height + 2, width + 2), np.float32)
    dx, dy = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    position = np.empty((height, width), np.uint32)
    # Columns at the same place in their cells lie together, so that the sums over a cell's columns are long loops.
    offset = np.zeros(width, np.uint32)
    for x in range(cells_x * cell[1]):
        offset[x] = (x % cell[1] * cells_x + x // cell[1]) * bins
    votes = np.zeros((vertical.shape[1], horizontal.shape[2] * cells_x * bins), np.float32)
    sums = np.zeros((block[0], horizontal.shape[2], cells_x * bins), np.float32)
    flat_sums = sums.reshape(votes.shape[1] * block[0]).reshape(block[0], votes.shape[1])
    parts = np.zeros((block[1], block[1], cells_x * bins), np.float32)
    cell_parts = parts.reshape(block[1], block[1], cells_x, bins)
    blocks = out.reshape(n, blocks_x, blocks_y, block[1], block[0], orientations)
    flat_blocks = out.reshape(n, blocks_x * blocks_y, block[1] * block[0] * orientations)
    bin_scale = np.float32(orientations / 360 if signed else orientations / 180)
    for i in range(n):
        _load(images, i, gamma, scale, planes)
        _gradients(planes, width // 4 * 4, 1 if gamma else 0, dx, dy)
        _soft_bins(dx, dy, np.float32(orientations), bin_scale, offset, position)
        done = 0
        for block_y in range(blocks_y):
            top = block_y * cell[0]
            _cast_votes(dx, dy, position, done, top + block_rows, block_rows, cells_x * cell[1], votes)
            done = top + block_rows
            _weigh_rows(votes, top, block_rows, vertical, cell[1] * cells_x * bins, flat_sums)
            for cell_y in range(block[0]):
                _weigh_columns(sums, cell_y, horizontal, parts)
                _collect(cell_parts, block_y, cell_y, blocks, i)
        _l2_hys_opencv(flat_blocks, i)


@_fast
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
    dx, dy = np.empty((height, width), planes.dtype), np.empty((height, width), planes.dtype)
    magnitude = np.empty((height, width), np.float32)
    position = np.empty((height, width), np.uint32)
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
        _load(images, i, gamma, np.float32(1), planes)
        _gradients(planes, 0, rounding, dx, dy)
        _hard_bins(dx, dy, border_x, border_y, offset, magnitude, position)
        histograms[:] = 0
        for y in range(cells_y * cell[0]):
            _count_votes(magnitude, position, y, cell[1], cells_x, flat, y // cell[0])
        for y in range(cells_y):
            for k in range(flat.shape[1]):
                flat[y, k] *= share
        _gather_blocks(histograms, blocks, i)
        _normalize_blocks(flat_blocks, i, norm)


@_exact
def _hard_bins(dx, dy, border_x, border_y, offset, magnitude, position):
    """Orientation bin of each gradient, 0 to 180 degrees, found without an angle: by the borders that it has passed."""
    height, width = dx.shape
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


@_fast
def _count_votes(magnitude, position, y, cell_width, cells_x, histograms, row):
    """Add the magnitudes of row `y` to the bins of their cells."""
    step = np.uintp(cell_width)
    # From cell to cell: adding twice in a row to the same place would wait for the first sum.
    for j in range(cell_width):
        x = np.uintp(j)
        for _ in range(cells_x):
            histograms[row, np.uintp(position[y, x])] += magnitude[y, x]
            x += step


@_fast
def _gather_blocks(histograms, blocks, i):
    _, blocks_y, blocks_x, rows, columns, orientations = blocks.shape
    for y in range(blocks_y):
        for x in range(blocks_x):
            for r in range(rows):
                for c in range(columns):
                    for k in range(orientations):
                        blocks[i, y, x, r, c, k] = histograms[y + r, x + c, k]


@_fast
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


@_fast
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
    dx, dy = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    magnitude = np.empty((height, width), np.float32)
    position = np.empty((height, width), np.uint32)
    border_x, border_y = np.empty(orientations, np.float32), np.empty(orientations, np.float32)
    for k in range(orientations):
        border_x[k], border_y[k] = math.cos(math.pi * k / orientations), math.sin(math.pi * k / orientations)
    histograms = np.empty((cells_y, cells_x, 2 * orientations), np.float32)
    energy = np.empty((cells_y, cells_x), np.float32)
    for i in range(n):
        _load(images, i, gamma, scale, planes)
        _gradients(planes, 0, 0, dx, dy)
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


@_exact
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


@_fast
def _cast_between_cells(magnitude, position, cell, histograms):
    """Share each pixel's vote between the four cells around it; pixels of the image's border don't vote.

    Where the last cell reaches beyond the image, its pixels repeat those before the image's border.
    """
    height, width = magnitude.shape
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


@_fast
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


@_fast
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
                _normalize(out[i, starts[h] : starts[h + 1]], norm)


@_fast
def _normalize(histogram, norm):
    """Bring a histogram to sum 1, to the square root of that, or to Euclidean length 1; an empty one stays zero."""
    total = np.float32(0)
    if norm == 3:
        for k in range(histogram.size):
            total += histogram[k] * histogram[k]
        total = np.sqrt(total)
    else:
        for k in range(histogram.size):
            total += histogram[k]
    if total > 0:
        factor = np.float32(1) / total
        for k in range(histogram.size):
            histogram[k] *= factor
        if norm == 2:
            for k in range(histogram.size):
                histogram[k] = np.sqrt(histogram[k])


@_exact
def quantize(images, scale, shift, top, levels):
    """Bin of every channel of floating point images: `floor(value * scale - shift)` in double, from 0 to `top`."""
    n, height, width, channels = images.shape
    for i in range(n):
        for y in range(height):
            for x in range(width):
                for c in range(channels):
                    place = images[i, y, x, c] * scale[c] - shift[c]
                    levels[i, y, x, c] = min(max(np.int64(math.floor(place)), 0), top[c])


@_fast
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


@_fast
def sobel_histogram(gray, orientations, span, scale, row_offset, column_offset, norm, out):
    """Orientation histograms of the 3 x 3 Sobel gradient, weighted by magnitude.

    Parameters
    ----------
    gray : array (n, height, width, 1)
    span : float32
        2 pi for signed orientations, pi for unsigned ones.
    row_offset, column_offset : arrays (height,), (width,), uint32
        What a pixel's row and column add to the place in a row of `out`.
    """
    n, height, width, _ = gray.shape
    planes = np.empty((1, height + 2, width + 2), np.float32)
    magnitude, position = np.empty((height, width), np.float32), np.empty((height, width), np.uint32)
    for i in range(n):
        _load(gray, i, False, scale, planes)
        _sobel_votes(planes, orientations, span, row_offset, column_offset, magnitude, position)
        for k in range(out.shape[1]):
            out[i, k] = 0
        for y in range(height):
            for x in range(width):
                out[i, np.uintp(position[y, x])] += magnitude[y, x]
        if norm > 0:
            _normalize(out[i], norm)


@_exact
def _sobel_votes(planes, orientations, span, row_offset, column_offset, magnitude, position):
    height, width = magnitude.shape
    last, two, factor = np.int32(orientations), np.float32(2), np.float32(orientations)
    for y in range(height):
        for x in range(width):
            upper = planes[0, y, x + 2] - planes[0, y, x]
            middle = planes[0, y + 1, x + 2] - planes[0, y + 1, x]
            lower = planes[0, y + 2, x + 2] - planes[0, y + 2, x]
            left = planes[0, y + 2, x] - planes[0, y, x]
            center = planes[0, y + 2, x + 1] - planes[0, y, x + 1]
            right = planes[0, y + 2, x + 2] - planes[0, y, x + 2]
            dx, dy = upper + two * middle + lower, left + two * center + right
            magnitude[y, x] = np.sqrt(dx * dx + dy * dy)
            place = np.int32(factor * (_angle(dy, dx) * _RADIANS) / span)
            # Unsigned orientations go round twice; and an angle may be rounded up to 360 degrees.
            place = place - last if place >= last else place
            place = place - last if place >= last else place
            position[y, x] = row_offset[y] + column_offset[x] + np.uint32(place)


@_exact
def deskew(images, gray, scale, out):
    """Shear each image by the slant of its gray version; `scale` brings its values to 0..255."""
    n, height, width, channels = images.shape
    rounding = 0.5 if out.itemsize == 1 else 0.0
    for i in range(n):
        slant = _slant(gray, i, scale)
        for y in range(height):
            shift = slant * (y - 0.5 * height)
            whole = math.floor(shift)
            right = shift - whole
            for x in range(width):
                source = x + whole
                for c in range(channels):
                    value = 0.0
                    if 0 <= source < width:
                        value += (1 - right) * images[i, y, source, c]
                    if -1 <= source < width - 1:
                        value += right * images[i, y, source + 1, c]
                    out[i, y, x, c] = value + rounding


@_exact
def _slant(gray, i, scale):
    """Sideways pixels per row: the ratio of the central second moments mu11 and mu02."""
    height, width = gray.shape[1:]
    m00 = m10 = m01 = m11 = m02 = 0.0
    for y in range(height):
        total = along = 0.0
        for x in range(width):
            value = np.float64(gray[i, y, x])
            total += value
            along += value * x
        m00 += total
        m10 += along
        m01 += total * y
        m11 += along * y
        m02 += total * y * y
    if m00 == 0:
        return 0.0
    mu02 = m02 - m01 * m01 / m00
    mu11 = m11 - m10 * m01 / m00
    # The threshold of OpenCV's tutorial, which is meant for values from 0 to 255.
    return 0.0 if abs(mu02 * scale) < 1e-2 else mu11 / mu02


@_exact
def local_binary_patterns(images, row_step, column_step, row_rest, column_rest, labels, one, patterns):
    """Pattern of each pixel as `skimage.feature.local_binary_pattern` finds it, replaced by its label.

    Parameters
    ----------
    images : array (n, height, width)
    row_step, column_step : arrays (points, height), (points, width), int64
        Whole part of each neighbor's row and column.
    row_rest, column_rest : arrays of the same shapes, float64
        The rest, for linear interpolation; computed as scikit-image does, since the last bit decides on flat ground.
    labels : array (2 ** points,), uint16
    one : 1.0; a product times `one` is not fused with a sum
    patterns : array (n, height, width, 1), uint16
    """
    n, height, width = images.shape
    border = 2 + max(-row_step.min(), -column_step.min(), 0)
    border = max(border, row_step[:, -1].max() - height + 3, column_step[:, -1].max() - width + 3)
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


@_exact
def _compare_pixels(padded, border, top, left, bit, found):
    """Set `bit` where the neighbor is at least as large as the center; it lies on a pixel."""
    height, width = found.shape
    for y in range(height):
        neighbor, center = padded[y + top, left : left + width], padded[y + border, border : border + width]
        for x in range(width):
            found[y, x] |= bit if neighbor[x] >= center[x] else np.uint32(0)


@_exact
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


@_fast
def normalized_patches(images, places, scale, regularization, patches):
    """Cut patches out and bring each to mean 0 and, but for `regularization`, variance 1.

    `images` is (n, height, width, channels), `places` (m, 3): image, top, left; `patches` (m, size * size * channels).
    """
    channels = images.shape[3]
    size = round((patches.shape[1] / channels) ** 0.5)
    for m in range(places.shape[0]):
        i, top, left = places[m]
        k = 0
        total = np.float32(0)
        for y in range(top, top + size):
            for x in range(left, left + size):
                for c in range(channels):
                    value = np.float32(images[i, y, x, c]) * scale
                    patches[m, k] = value
                    total += value
                    k += 1
        mean = total / np.float32(k)
        squares = np.float32(0)
        for j in range(k):
            patches[m, j] -= mean
            squares += patches[m, j] * patches[m, j]
        factor = np.float32(1) / np.sqrt(squares / np.float32(k - 1) + regularization)
        for j in range(k):
            patches[m, j] *= factor


@_fast
def pool_triangle(products, patch_squares, atom_squares, cells, out):
    """Sum `max(0, mean distance - distance)` to each atom over the patches of each cell.

    `products` (m, atoms) of patches and atoms is overwritten; `out` is (images, cells, atoms), and each image has as
    many patches as `cells` is long.
    """
    per_image, atoms = cells.shape[0], products.shape[1]
    zero = np.float32(0)
    for i in range(out.shape[0]):
        out[i] = 0
        for p in range(per_image):
            m, cell = i * per_image + p, cells[p]
            square, total = patch_squares[m], zero
            for k in range(atoms):
                distance = square + atom_squares[k] - np.float32(2) * products[m, k]
                distance = np.sqrt(distance if distance > zero else zero)
                products[m, k] = distance
                total += distance
            mean = total / np.float32(atoms)
            for k in range(atoms):
                value = mean - products[m, k]
                out[i, cell, k] += value if value > zero else zero


@_fast
def pool_threshold(products, threshold, cells, out):
    """Sum what exceeds `threshold`, upwards and downwards by itself; `out` is (images, cells, 2 * atoms)."""
    per_image, atoms = cells.shape[0], products.shape[1]
    zero = np.float32(0)
    for i in range(out.shape[0]):
        out[i] = 0
        for p in range(per_image):
            m, cell = i * per_image + p, cells[p]
            for k in range(atoms):
                up, down = products[m, k] - threshold, -products[m, k] - threshold
                out[i, cell, k] += up if up > zero else zero
                out[i, cell, atoms + k] += down if down > zero else zero


@_exact
def _load(images, i, gamma, scale, planes):
    """Bring image `i` to floating point planes with a border of one reflected pixel (`cv2.BORDER_REFLECT_101`)."""
    height, width, channels = images.shape[1:]
    for c in range(channels):
        for y in range(height):
            if channels == 1:
                for x in range(width):
                    planes[c, y + 1, x + 1] = images[i, y, x, 0] * scale
            else:
                for x in range(width):
                    planes[c, y + 1, x + 1] = images[i, y, x, c] * scale
            if gamma:
                for x in range(width):
                    planes[c, y + 1, x + 1] = np.sqrt(planes[c, y + 1, x + 1])
            planes[c, y + 1, 0] = planes[c, y + 1, min(2, width)]
            planes[c, y + 1, width + 1] = planes[c, y + 1, max(width - 1, 1)]
        for x in range(width + 2):
            planes[c, 0, x] = planes[c, min(2, height), x]
            planes[c, height + 1, x] = planes[c, max(height - 1, 1), x]


@_exact
def _gradients(planes, tie, rounding, dx, dy):
    """Central differences (zero at the border) of the channel where they are largest.

    Of equally strong channels the first one counts: for columns before `tie` in the order blue, green, red (the vector
    loop of OpenCV on BGR images), then in the order red, green, blue (its scalar loop, and scikit-image). `rounding`
    says how lengths are compared where they aren't integers: 1 as OpenCV, which rounds each square (kept apart here,
    since the compiler would fuse one of them with the sum), 2 and 3 as scikit-image on single and double precision.
    """
    height, width = dx.shape
    if planes.shape[0] == 1:
        for y in range(height):
            for x in range(width):
                dx[y, x] = planes[0, y + 1, x + 2] - planes[0, y + 1, x]
                dy[y, x] = planes[0, y + 2, x + 1] - planes[0, y, x + 1]
        return
    squares = np.empty((3, 2, width), np.float32)
    for y in range(height):
        for c in range(3 if rounding == 1 else 0):
            for x in range(width):
                squares[c, 0, x] = (planes[c, y + 1, x + 2] - planes[c, y + 1, x]) ** 2
                squares[c, 1, x] = (planes[c, y + 2, x + 1] - planes[c, y, x + 1]) ** 2
        for x in range(width):
            red_x, red_y = planes[0, y + 1, x + 2] - planes[0, y + 1, x], planes[0, y + 2, x + 1] - planes[0, y, x + 1]
            green_x = planes[1, y + 1, x + 2] - planes[1, y + 1, x]
            green_y = planes[1, y + 2, x + 1] - planes[1, y, x + 1]
            blue_x = planes[2, y + 1, x + 2] - planes[2, y + 1, x]
            blue_y = planes[2, y + 2, x + 1] - planes[2, y, x + 1]
            red, green = _strength(red_x, red_y, rounding), _strength(green_x, green_y, rounding)
            blue = _strength(blue_x, blue_y, rounding)
            if rounding == 1:
                red, green = squares[0, 0, x] + squares[0, 1, x], squares[1, 0, x] + squares[1, 1, x]
                blue = squares[2, 0, x] + squares[2, 1, x]
            early = x < tie
            green_over_red = (green > red) | (early & (green == red))
            if green_over_red:
                red_x, red_y, red = green_x, green_y, green
            blue_over = (blue > red) | (early & (blue == red))
            dx[y, x] = blue_x if blue_over else red_x
            dy[y, x] = blue_y if blue_over else red_y


@_exact
def _strength(x, y, rounding):
    """Squared length of a gradient; for `rounding` 2, its length in single precision; for 3, blind to the order."""
    if rounding == 2:
        return np.float32(np.sqrt(np.float64(x) * x + np.float64(y) * y))
    if rounding == 3:
        x, y = max(abs(x), abs(y)), min(abs(x), abs(y))
    return x * x + y * y


@_fast
def _soft_bins(dx, dy, orientations, bin_scale, offset, position):
    """Replace each gradient by its votes for the two orientation bins nearest to its angle; note where they belong."""
    height, width = dx.shape
    zero, half = np.float32(0), np.float32(0.5)
    for y in range(height):
        for x in range(width):
            magnitude = np.sqrt(dx[y, x] * dx[y, x] + dy[y, x] * dy[y, x])
            place = _angle(dy[y, x], dx[y, x]) * bin_scale - half
            place = place + orientations if place < zero else place
            place = place - orientations if place >= orientations else place
            lower = np.uint32(np.int32(place))
            second = magnitude * (place - np.float32(lower))
            dx[y, x] = magnitude - second
            dy[y, x] = second
            position[y, x] = offset[x] + lower


@_fast
def _angle(y, x):
    """Angle of (x, y) in degrees, 0 to 360, as OpenCV approximates it."""
    zero = np.float32(0)
    ax, ay = abs(x), abs(y)
    smaller, larger = (ax, ay) if ax < ay else (ay, ax)
    ratio = smaller / (larger + np.float32(2.220446e-16))
    square = ratio * ratio
    angle = (((_P7 * square + _P5) * square + _P3) * square + _P1) * ratio
    angle = np.float32(90) - angle if ax < ay else angle
    angle = np.float32(180) - angle if x < zero else angle
    return np.float32(360) - angle if y < zero else angle


@_fast
def _cast_votes(first, second, position, start, stop, slots, columns, votes):
    """Write the two votes of each pixel of the rows from `start` into its own histogram."""
    for y in range(start, stop):
        slot = y % slots
        for k in range(votes.shape[1]):
            votes[slot, k] = 0
        for x in range(columns):
            place = np.uintp(position[y, x])
            votes[slot, place] = first[y, x]
            votes[slot, place + np.uintp(1)] = second[y, x]


@_fast
def _weigh_rows(votes, top, block_rows, vertical, size, sums):
    """Weighted sums of the rows of a block, which lie in slots modulo `block_rows`, for each cell row of the block."""
    for cell in range(sums.shape[0]):
        fresh = True
        for r in range(0, block_rows, 4):
            a, b, c, d = vertical[cell, r], vertical[cell, r + 1], vertical[cell, r + 2], vertical[cell, r + 3]
            if a + b + c + d == 0:
                continue
            ra, rb = (top + r) % block_rows, (top + r + 1) % block_rows
            rc, rd = (top + r + 2) % block_rows, (top + r + 3) % block_rows
            if fresh:
                for k in range(size):
                    sums[cell, k] = a * votes[ra, k] + b * votes[rb, k] + c * votes[rc, k] + d * votes[rd, k]
            else:
                for k in range(size):
                    sums[cell, k] += a * votes[ra, k] + b * votes[rb, k] + c * votes[rc, k] + d * votes[rd, k]
            fresh = False


@_fast
def _weigh_columns(sums, cell_y, horizontal, parts):
    """For each cell column of a block and each cell that it votes for: the weighted sum over the cell's columns."""
    for source in range(parts.shape[0]):
        for target in range(max(source - 1, 0), min(source + 2, parts.shape[0])):
            fresh = True
            for x in range(0, horizontal.shape[2], 4):
                a, b = horizontal[source, target, x], horizontal[source, target, x + 1]
                c, d = horizontal[source, target, x + 2], horizontal[source, target, x + 3]
                if a + b + c + d == 0:
                    continue
                if fresh:
                    for k in range(parts.shape[2]):
                        parts[source, target, k] = (
                            a * sums[cell_y, x, k]
                            + b * sums[cell_y, x + 1, k]
                            + c * sums[cell_y, x + 2, k]
                            + d * sums[cell_y, x + 3, k]
                        )
                else:
                    for k in range(parts.shape[2]):
                        parts[source, target, k] += (
                            a * sums[cell_y, x, k]
                            + b * sums[cell_y, x + 1, k]
                            + c * sums[cell_y, x + 2, k]
                            + d * sums[cell_y, x + 3, k]
                        )
                fresh = False


@_fast
def _collect(parts, block_y, cell_y, blocks, i):
    """Add up the parts of each cell of a row of blocks; the bin after the last belongs to the first."""
    blocks_x, cells_x, orientations = blocks.shape[1], blocks.shape[3], blocks.shape[5]
    for block_x in range(blocks_x):
        for target in range(cells_x):
            for k in range(orientations):
                blocks[i, block_x, block_y, target, cell_y, k] = parts[target, target, block_x + target, k]
            wrapped = parts[target, target, block_x + target, orientations]
            for source in (target - 1, target + 1):
                if 0 <= source < cells_x:
                    for k in range(orientations):
                        blocks[i, block_x, block_y, target, cell_y, k] += parts[source, target, block_x + source, k]
                    wrapped += parts[source, target, block_x + source, orientations]
            blocks[i, block_x, block_y, target, cell_y, 0] += wrapped


@_fast
def _l2_hys_opencv(blocks, i):
    """L2-Hys of each block with OpenCV's constants, in place."""
    limit = np.float32(0.2)
    size = blocks.shape[2]
    for b in range(blocks.shape[1]):
        total = np.float32(0)
        for k in range(size):
            total += blocks[i, b, k] * blocks[i, b, k]
        factor = np.float32(1) / (np.sqrt(total) + np.float32(size) * np.float32(0.1))
        total = np.float32(0)
        for k in range(size):
            value = blocks[i, b, k] * factor
            value = value if value < limit else limit
            total += value * value
            blocks[i, b, k] = value
        factor = np.float32(1) / (np.sqrt(total) + np.float32(1e-3))
        for k in range(size):
            blocks[i, b, k] *= factor
