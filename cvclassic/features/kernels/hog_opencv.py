"""HOG with the numbers of `cv2.HOGDescriptor`."""

import numpy as np

from cvclassic.features.kernels.shared import angle_of, fast, gradients, load
from cvclassic.features.kernels.vectors import LANES, WIDTH, add_pair, put_sum, sum_lanes


@fast
def hog_opencv(images, orientations, signed, gamma, scale, cell, block, vertical, lane_of, horizontal, out):
    """HOG as `cv2.HOGDescriptor` computes it.

    A pixel's votes are weighted by a product of a function of its row and one of its column in the block. A row of
    cells lies in several rows of blocks, in each at another place, and votes there for up to three rows of cells. Each
    place and each row voted for is a lane; four of them are added up at once. So for every column of pixels the votes
    are summed over the rows of a row of cells, in all lanes; then those sums over columns, for each block and column
    of cells voted for; and last over the rows of cells of a block.

    Parameters
    ----------
    cell, block : (height, width) in pixels; in cells
    vertical : array (groups of 4 lanes, height of a cell, 8), float32
        Weight of each row of a cell in each lane, twice.
    lane_of : array (cells of the block, cells of the block), int
        The lane of each place of a row of cells and each row it votes for; of those too far away one without weight.
    horizontal : array (cells of the block, cells of the block, pixels of a cell), float32
        Weight of each column of each cell of a block for each of its cells; padded by zeros to a multiple of 4 pixels.
    out : array (n, d), float32
    """
    n, height, width, channels = images.shape
    cells_y, cells_x = height // cell[0], width // cell[1]
    blocks_y, blocks_x = cells_y - block[0] + 1, cells_x - block[1] + 1
    bins = orientations + 1  # the last one stands for the first: a vote for two bins is two neighboring values
    planes = np.empty((channels, height + 2, width + 2), np.float32)
    dx, dy = np.zeros((height, width + 2), np.float32), np.zeros((height, width + 2), np.float32)
    position = np.empty((height, width + 2), np.uint32)
    # Columns at the same place in their cells lie together, so that the sums over a cell's columns are long loops.
    offset = np.zeros(width, np.uint32)
    for x in range(cells_x * cell[1]):
        offset[x] = (x % cell[1] * cells_x + x // cell[1]) * bins * LANES
    # Flat arrays and places in them, since numba counts the references to each part of an array that is handed on.
    groups, columns = vertical.shape[0], horizontal.shape[2]
    weights, size = vertical.reshape(vertical.size), columns * cells_x * bins * LANES
    # Eight values are read and written where there may be fewer; those beyond are written over, or never used.
    length = -(-blocks_x * bins // WIDTH) * WIDTH + WIDTH
    votes = np.zeros(size + WIDTH * LANES, np.float32)
    terms, factors, counts = _terms(horizontal, cells_x * bins * LANES, bins * LANES)
    lanes = np.zeros((block[0] + 1) * groups * LANES * block[1] * length, np.float32)  # the last row of cells is 0
    lane, row = block[1] * length, groups * LANES * block[1] * length
    starts = np.empty((block[1] * block[0], 3), np.uintp)
    features, norms = np.zeros(out.shape[1] + WIDTH, np.float32), np.empty(blocks_y * blocks_x, np.float32)
    blocks = out.reshape(n, blocks_x, blocks_y, block[1] * block[0] * orientations)
    bin_scale = np.float32(orientations / 360 if signed else orientations / 180)
    for i in range(n):
        load(images, i, gamma, scale, planes)
        gradients(planes, width // 4 * 4, np.intp(gamma), dx, dy)
        _soft_bins(dx, dy, np.float32(orientations), bin_scale, offset, position)
        for cell_y in range(cells_y):
            for group in range(groups):
                _add_rows(dx, dy, position, cell_y, cell[0], cells_x * cell[1], weights, group, votes)
                place = cell_y % block[0] * row + group * LANES * lane
                _add_columns(votes, terms, factors, counts, length, lanes, place, lane)
            block_y = cell_y - block[0] + 1
            if block_y >= 0:
                _find_starts(block_y, lane_of, length, lane, row, starts)
                _collect(lanes, starts, block[0], bins, blocks_x, features, block_y * (out.shape[1] // blocks_y))
        _l2_hys(features, norms, blocks, i)


@fast
def _soft_bins(dx, dy, orientations, bin_scale, offset, position):
    """Replace each gradient by its votes for the two orientation bins nearest to its angle; note where they belong."""
    height, width = dx.shape[0], offset.size
    zero, half = np.float32(0), np.float32(0.5)
    for y in range(height):
        for x in range(width):
            magnitude = np.sqrt(dx[y, x] * dx[y, x] + dy[y, x] * dy[y, x])
            place = angle_of(dy[y, x], dx[y, x]) * bin_scale - half
            place = place + orientations if place < zero else place
            place = place - orientations if place >= orientations else place
            lower = np.uint32(np.int32(place))
            second = magnitude * (place - np.float32(lower))
            dx[y, x] = magnitude - second
            dy[y, x] = second
            position[y, x] = offset[x] + np.uint32(LANES) * lower


@fast
def _add_rows(first, second, position, cell_y, height, columns, weights, group, votes):
    """Add up the two votes of each pixel over the rows of a row of cells, for each column, in the lanes of a group."""
    for k in range(votes.size):
        votes[k] = 0
    for r in range(height):
        y, weight = cell_y * height + r, np.uintp((group * height + r) * WIDTH)
        for x in range(columns):
            add_pair(votes, np.uintp(position[y, x]), first[y, x], second[y, x], weights, weight)


@fast
def _terms(horizontal, step, cell):
    """Where the sums of each column begin that votes for a column of cells, and its weight; how many there are.

    Columns of `horizontal` (cell of the column, cell it votes for, pixels of a cell) lie `step` apart, cells `cell`.
    """
    cells, pixels = horizontal.shape[1:]
    starts, weights = np.zeros(cells * cells * pixels, np.uintp), np.zeros(cells * cells * pixels, np.float32)
    counts = np.zeros(cells, np.uintp)
    for target in range(cells):
        for source in range(cells):
            for x in range(pixels):
                if horizontal[source, target, x] != 0:
                    k = target * cells * pixels + np.intp(counts[target])
                    starts[k], weights[k] = x * step + source * cell, horizontal[source, target, x]
                    counts[target] += np.uintp(1)
    return starts, weights, counts


@fast
def _add_columns(votes, terms, factors, counts, length, lanes, place, lane):
    """For each block of a row and each column of cells: the weighted sum over the columns that vote for it."""
    first, each = np.uintp(0), np.uintp(terms.size // counts.size)
    for target in range(counts.size):
        for k in range(0, length - WIDTH, WIDTH):
            at, source = np.uintp(place + target * length + k), np.uintp(k * LANES)
            sum_lanes(votes, source, terms, factors, first, counts[target], lanes, at, np.uintp(lane))
        first += each


@fast
def _find_starts(block_y, lane_of, length, lane, row, starts):
    """Where the sums of each cell of a row of blocks lie that come from its own row of cells, that below and above."""
    rows = lane_of.shape[0]
    for column in range(starts.shape[0] // rows):
        for target in range(rows):
            for k in range(3):
                source = target + (k + 1) % 3 - 1
                there = 0 <= source < rows
                place = (block_y + source) % rows * row + lane_of[source, target] * lane if there else rows * row
                starts[column * rows + target, k] = place + column * length


@fast
def _collect(lanes, starts, rows, bins, blocks_x, features, begin):
    """Add up the rows of cells of a row of blocks; the bin after the last belongs to the first."""
    orientations, shift, place = bins - 1, np.uintp(0), np.uintp(begin)
    for _ in range(blocks_x):
        for cell in range(starts.shape[0]):
            own, below, above = starts[cell, 0] + shift, starts[cell, 1] + shift, starts[cell, 2] + shift
            first, second = (own, below) if cell % rows < rows - 1 else (own, above)
            for k in range(0, orientations, WIDTH):
                put_sum(features, place + np.uintp(k), lanes, first + np.uintp(k), second + np.uintp(k))
            features[place] += lanes[first + np.uintp(orientations)] + lanes[second + np.uintp(orientations)]
            if 0 < cell % rows < rows - 1:
                for k in range(orientations):
                    features[place + np.uintp(k)] += lanes[above + np.uintp(k)]
                features[place] += lanes[above + np.uintp(orientations)]
            place += np.uintp(orientations)
        shift += np.uintp(bins)


@fast
def _l2_hys(features, norms, blocks, i):
    """L2-Hys of each block with OpenCV's constants; `features` has them row by row, `blocks` column by column."""
    limit = np.float32(0.2)
    blocks_x, blocks_y, size = blocks.shape[1:]
    # All blocks at each step, so that roots and quotients are taken of several at once.
    for b in range(norms.size):
        start, total = np.uintp(b * size), np.float32(0)
        for k in range(size):
            total += features[start + np.uintp(k)] * features[start + np.uintp(k)]
        norms[b] = total
    for b in range(norms.size):
        norms[b] = np.float32(1) / (np.sqrt(norms[b]) + np.float32(size) * np.float32(0.1))
    for b in range(norms.size):
        start, total, factor = np.uintp(b * size), np.float32(0), norms[b]
        for k in range(size):
            value = features[start + np.uintp(k)] * factor
            value = value if value < limit else limit
            total += value * value
            features[start + np.uintp(k)] = value
        norms[b] = total
    for b in range(norms.size):
        norms[b] = np.float32(1) / (np.sqrt(norms[b]) + np.float32(1e-3))
    flat = blocks.reshape(blocks.size)
    for y in range(blocks_y):
        for x in range(blocks_x):
            start, factor = np.uintp((y * blocks_x + x) * size), norms[y * blocks_x + x]
            target = np.uintp(((i * blocks_x + x) * blocks_y + y) * size)
            for k in range(size):
                flat[target + np.uintp(k)] = features[start + np.uintp(k)] * factor
