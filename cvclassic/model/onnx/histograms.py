"""`SobelHistogram`, `ColorHistogram`, `LBP` and `ColorGrid`: what is counted and averaged over the cells of a grid."""

import numpy as np

from cvclassic.features import LBP, ColorGrid, ColorHistogram, SobelHistogram
from cvclassic.features.extractor import cell_offsets, check_grid, grid_edges
from cvclassic.features.lbp import neighbor_steps, pattern_labels
from cvclassic.images import channel_ranges
from cvclassic.model.onnx.graph import Graph, Value
from cvclassic.model.onnx.pixels import Images, angle, to_gray, to_hsv, to_lab

RADIANS = np.float32(np.pi / 180)
TINY = 1e-30  # keeps the sum of an empty histogram from being a divisor of 0


def sobel_histogram(graph: Graph, step: SobelHistogram, images: Images) -> Value:
    """Features (n, d)."""
    height, width = images.shape[:2]
    n, (rows, columns) = int(step.orientations), check_grid(step.grid, images.shape)
    gray = graph.padded(to_gray(graph, images), top=1, left=1, bottom=1, right=1, mode="reflect")
    # Sums of whole numbers, which are exact.
    kernel = np.array([[[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]]], np.float32)
    dx, dy = graph.convolved(gray, kernel), graph.convolved(gray, kernel.swapaxes(2, 3))
    length = graph.add("Sqrt", graph.add("Add", graph.add("Mul", dx, dx), graph.add("Mul", dy, dy)))
    turn = graph.add("Mul", graph.add("Mul", angle(graph, dx, dy), RADIANS), np.float32(n))
    place = graph.add("Floor", graph.add("Div", turn, np.float32(2 * np.pi if step.signed else np.pi)))
    for _ in range(2):  # unsigned orientations go round twice, and an angle may be rounded up to 360 degrees
        around = graph.add("Sub", place, float(n))
        place = graph.add("Where", graph.add("Less", place, float(n)), place, around)
    own = graph.add("Equal", place, np.arange(n, dtype=np.float32).reshape(n, 1, 1))
    votes = graph.add("Mul", graph.cast(own, np.float32), length)
    cells = graph.pooled(_members(height, rows), votes, np.ascontiguousarray(_members(width, columns).T))
    found = graph.reshaped(graph.transposed(cells, 0, 3, 2, 1), -1, columns * rows * n)
    return _normalized(graph, found, step.normalization)


def color_histogram(graph: Graph, step: ColorHistogram, images: Images) -> Value:
    """Features (n, d)."""
    convert = {"rgb": lambda graph, images: images.tensor, "hsv": to_hsv, "lab": to_lab, "gray": to_gray}
    pixels = convert[step.color_space](graph, images)
    bins = np.array(step._bins(), np.int64)
    rows, columns = check_grid(step.grid, images.shape)
    sizes = [int(np.prod(bins))] if step.joint else bins.tolist()
    places = _bins_of_levels(step.color_space, bins)
    if step.joint:
        places *= np.append(np.cumprod(bins[:0:-1])[::-1], 1)[:, np.newaxis]
    else:
        places += (np.cumsum(bins) - bins)[:, np.newaxis]
    # All tables behind one another, so that one look-up serves every channel.
    level = graph.add("Add", pixels, (256 * np.arange(len(bins), dtype=np.float32)).reshape(-1, 1, 1))
    place = graph.add("Gather", places.ravel(), graph.cast(level, np.int64))
    if step.joint:
        place = graph.total(place, 1)
    return _histograms(graph, place, images.shape, (rows, columns), sizes, step.normalization)


def lbp(graph: Graph, step: LBP, images: Images) -> Value:
    """Features (n, d); the patterns in double precision, of which the last bit decides on flat ground."""
    height, width = images.shape[:2]
    labels, names = pattern_labels(step.points, step.method)
    angles = 2 * np.pi * np.arange(step.points, dtype=np.float64) / step.points
    row_step, row_rest = neighbor_steps(np.round(-step.radius * np.sin(angles), 5), height)
    column_step, column_rest = neighbor_steps(np.round(step.radius * np.cos(angles), 5), width)
    border = 2 + int(np.ceil(step.radius))
    gray = to_gray(graph, images)
    center = graph.cast(gray, np.float64)
    padded = graph.cast(graph.padded(gray, top=border, left=border, bottom=border, right=border), np.float64)
    pattern = None
    for p in range(step.points):
        top, left = int(row_step[p, 0]) + border, int(column_step[p, 0]) + border

        def part(down, right, top=top, left=left):
            rows = graph.sliced(padded, 2, top + down, top + down + height)
            return graph.sliced(rows, 3, left + right, left + right + width)

        if row_rest[p, 0] == 0 and column_rest[p, 0] == 0:
            reached = graph.add("GreaterOrEqual", part(0, 0), center)
        else:
            down, right = row_rest[p].reshape(height, 1), column_rest[p].reshape(1, width)
            value = graph.add(
                "Add",
                graph.add("Mul", 1 - down, _between(graph, part(0, 0), part(0, 1), right)),
                graph.add("Mul", down, _between(graph, part(1, 0), part(1, 1), right)),
            )
            reached = graph.add("GreaterOrEqual", graph.add("Sub", value, center), np.float64(0))
        bit = graph.add("Mul", graph.cast(reached, np.float32), float(2**p))
        pattern = bit if pattern is None else graph.add("Add", pattern, bit)
    place = graph.add("Gather", labels.astype(np.int64), graph.cast(pattern, np.int64))
    grid = check_grid(step.grid, images.shape)
    return _histograms(graph, place, images.shape, grid, [len(names)], step.normalization)


def color_grid(graph: Graph, step: ColorGrid, images: Images) -> Value:
    """Features (n, d). The spread is taken about the mean, which single precision is enough for."""
    (height, width), (rows, columns) = images.shape[:2], check_grid(step.grid, images.shape)
    pixels = to_lab(graph, images) if len(images.shape) == 3 else images.tensor
    down, across = _members(height, rows), _members(width, columns)
    sizes = np.outer(down.sum(axis=1), across.sum(axis=1))
    mean = graph.add("Div", graph.pooled(down, pixels, np.ascontiguousarray(across.T)), sizes)
    distance = graph.add("Sub", pixels, graph.pooled(np.ascontiguousarray(down.T), mean, across))
    squares = graph.pooled(down, graph.add("Mul", distance, distance), np.ascontiguousarray(across.T))
    spread = graph.add("Sqrt", graph.add("Div", squares, sizes))
    found = graph.transposed(graph.add("Concat", mean, spread, axis=1), 0, 2, 3, 1)
    return graph.reshaped(found, -1, rows * columns * (6 if len(images.shape) == 3 else 2))


def _members(side: int, parts: int) -> np.ndarray:
    """Which pixels of a line belong to each of its parts, (parts, side): 1, others 0."""
    edges, pixels = grid_edges(side, parts), np.arange(side)
    return np.float32((edges[:-1, np.newaxis] <= pixels) & (pixels < edges[1:, np.newaxis]))


def _bins_of_levels(color_space: str, bins: np.ndarray) -> np.ndarray:
    """The bin of each of 256 levels, (channels, 256), as `cv2.calcHist` finds it, in double precision."""
    ranges = np.array(channel_ranges(color_space, np.uint8), dtype=float)
    scale = bins / (ranges[:, 1] - ranges[:, 0])
    place = np.floor(np.arange(256) * scale[:, np.newaxis] - (ranges[:, 0] * scale)[:, np.newaxis])
    return np.clip(place, 0, (bins - 1)[:, np.newaxis]).astype(np.int64)


def _histograms(graph, place, shape, grid, sizes, normalization):
    """Counts of `place` (n, channels, height, width), int64, in each cell; `sizes` are those of a cell's histograms.

    With several histograms in a cell there is a channel for each of them.
    """
    size, n_cells = sum(sizes), grid[0] * grid[1]
    row, column = cell_offsets(grid, shape, grid[1] * size, size)
    offset = row[:, np.newaxis].astype(np.int64) + column.astype(np.int64)
    places = graph.add("Flatten", graph.add("Add", place, offset), axis=1)
    counts = graph.counted(places, len(sizes) * shape[0] * shape[1], n_cells * size)
    cells = graph.reshaped(counts, -1, n_cells, size)
    if len(sizes) > 1:
        parts = graph.add("Split", cells, sizes, n_outputs=len(sizes), axis=2)
        cells = graph.add("Concat", *(_normalized(graph, part, normalization) for part in parts), axis=2)
    else:
        cells = _normalized(graph, cells, normalization)
    return graph.reshaped(cells, -1, n_cells * size)


def _normalized(graph, histograms, normalization):
    """Each histogram (last axis) by `NORMALIZATIONS`; an empty one stays zero."""
    if normalization is None:
        return histograms
    if normalization == "l2":
        total = graph.add("Sqrt", graph.total(graph.add("Mul", histograms, histograms), -1))
    else:
        total = graph.total(histograms, -1)
    shares = graph.add("Div", histograms, graph.add("Max", total, TINY))
    return graph.add("Sqrt", shares) if normalization == "sqrt" else shares


def _between(graph, left, right, rest):
    """Linear interpolation, in the order of sums and products of scikit-image."""
    return graph.add("Add", graph.add("Mul", 1 - rest, left), graph.add("Mul", rest, right))
