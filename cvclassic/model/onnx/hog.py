"""`features.HOG` in its three conventions, by comparisons, sums and matrix products."""

import numpy as np

from cvclassic.features import HOG
from cvclassic.features.extractor import as_pair
from cvclassic.features.hog import bin_borders, block_weights
from cvclassic.model.onnx.graph import Graph, Value
from cvclassic.model.onnx.pixels import Images, angle, central_differences


def hog(graph: Graph, step: HOG, images: Images) -> Value:
    """Features (n, d)."""
    describe = {"opencv": _opencv, "skimage": _skimage, "felzenszwalb": _felzenszwalb}[step.convention]
    return describe(graph, step, images)


def _opencv(graph, step, images):
    (height, width), n = images.shape[:2], int(step.orientations)
    block = as_pair(step.block_size, "block_size")
    pixels = graph.add("Sqrt", images.tensor) if step.gamma_correction else images.tensor
    dx, dy = _strongest(graph, pixels, images.shape, first_red_from=width // 4 * 4)
    scale = np.float32(n / 360 if step.signed else n / 180)
    place = graph.add("Sub", graph.add("Mul", angle(graph, dx, dy), scale), 0.5)
    around = graph.add("Add", place, float(n))
    place = graph.add("Where", graph.add("Less", place, 0.0), around, place)
    place = graph.add("Where", graph.add("Less", place, float(n)), place, graph.add("Sub", place, float(n)))
    # One bin more, which stands for the first.
    bins = np.arange(n + 1, dtype=np.float32).reshape(n + 1, 1, 1)
    share = graph.add("Relu", graph.add("Sub", 1.0, graph.add("Abs", graph.add("Sub", place, bins))))
    votes = graph.add("Mul", share, _length(graph, dx, dy))

    rows, columns = _weights(step, height, width)
    blocks = rows.shape[0] // block[0], columns.shape[1] // block[1]
    sums = graph.reshaped(graph.pooled(rows, votes, columns), -1, n + 1, blocks[0], block[0], blocks[1], block[1])
    sums = graph.add("MatMul", graph.transposed(sums, 0, 4, 2, 5, 3, 1), np.eye(n + 1, n, dtype=np.float32) + _wrap(n))
    size = block[0] * block[1] * n
    found = graph.reshaped(sums, -1, blocks[0] * blocks[1], size)
    found = graph.add("Div", found, graph.add("Add", _norm(graph, found), np.float32(size) * np.float32(0.1)))
    found = graph.add("Min", found, 0.2)
    found = graph.add("Div", found, graph.add("Add", _norm(graph, found), 1e-3))
    return graph.reshaped(found, -1, blocks[0] * blocks[1] * size)


def _wrap(n):
    matrix = np.zeros((n + 1, n), np.float32)
    matrix[n, 0] = 1
    return matrix


def _weights(step, height, width):
    """What rows weigh in the cell rows of all blocks, (blocks * cells, height), and columns, (width, blocks * cells).

    Pixels beyond the last whole cell don't vote.
    """
    cell, block = as_pair(step.cell_size, "cell_size"), as_pair(step.block_size, "block_size")
    vertical, horizontal = block_weights(cell, block)
    vertical = vertical[:, : cell[0] * block[0]]
    horizontal = horizontal[:, :, : cell[1]].transpose(1, 0, 2).reshape(block[1], -1)
    matrices = []
    for side, pixels, weights in ((height, cell[0], vertical), (width, cell[1], horizontal)):
        blocks = side // pixels - len(weights) + 1
        matrix = np.zeros((blocks, len(weights), side), np.float32)
        for k in range(blocks):
            matrix[k, :, k * pixels : k * pixels + weights.shape[1]] = weights
        matrices.append(matrix.reshape(-1, side))
    return matrices[0], np.ascontiguousarray(matrices[1].T)


def _skimage(graph, step, images):
    (height, width), n = images.shape[:2], int(step.orientations)
    cell, block = as_pair(step.cell_size, "cell_size"), as_pair(step.block_size, "block_size")
    dtype = np.float64 if step.gamma_correction else np.float32
    pixels = images.tensor
    if step.gamma_correction:
        pixels = graph.add("Sqrt", graph.cast(pixels, np.float64))
    dx, dy = _strongest(graph, pixels, images.shape, first_red_from=0)
    length = graph.cast(_length(graph, dx, dy), np.float32)
    zero = dtype(0)
    turn = graph.add("And", graph.add("Equal", dy, zero), graph.add("Less", dx, zero))
    turn = graph.add("Or", graph.add("Less", dy, zero), turn)
    dx, dy = (graph.add("Where", turn, graph.add("Neg", each), each) for each in (dx, dy))
    x, y = (border[: n - 1].reshape(n - 1, 1, 1) for border in bin_borders(n, dtype))
    passed = graph.add("GreaterOrEqual", graph.add("Mul", dy, x), graph.add("Mul", dx, y))
    bins = graph.total(graph.cast(passed, np.float32), 1)
    own = graph.add("Equal", bins, np.arange(n, dtype=np.float32).reshape(n, 1, 1))
    votes = graph.add("Mul", graph.cast(own, np.float32), length)

    cells = height // cell[0], width // cell[1]
    rows, columns = (np.kron(np.eye(k), np.full(c, 1 / c)).astype(np.float32) for k, c in zip(cells, cell, strict=True))
    rows, columns = (
        np.pad(matrix, ((0, 0), (0, side - matrix.shape[1]))) for matrix, side in ((rows, height), (columns, width))
    )
    found = graph.transposed(graph.pooled(rows, votes, np.ascontiguousarray(columns.T)), 0, 2, 3, 1)
    blocks = cells[0] - block[0] + 1, cells[1] - block[1] + 1
    parts = [
        graph.sliced(graph.sliced(found, 1, r, r + blocks[0]), 2, c, c + blocks[1])
        for r in range(block[0])
        for c in range(block[1])
    ]
    found = _normalized(graph, graph.add("Concat", *parts, axis=3), step.block_norm)
    return graph.reshaped(found, -1, blocks[0] * blocks[1] * block[0] * block[1] * n)


def _normalized(graph, blocks, norm):
    """Each block (last axis) with scikit-image's constants."""
    eps = np.float32(1e-5)
    if norm in ("L1", "L1-sqrt"):
        blocks = graph.add("Div", blocks, graph.add("Add", graph.total(blocks, -1), eps))
        return graph.add("Sqrt", blocks) if norm == "L1-sqrt" else blocks
    blocks = graph.add("Div", blocks, _norm(graph, blocks, eps * eps))
    if norm == "L2-Hys":
        blocks = graph.add("Min", blocks, 0.2)
        blocks = graph.add("Div", blocks, _norm(graph, blocks, eps * eps))
    return blocks


def _felzenszwalb(graph, step, images):
    (height, width), n = images.shape[:2], int(step.orientations)
    cell = as_pair(step.cell_size, "cell_size")
    pixels = graph.add("Sqrt", images.tensor) if step.gamma_correction else images.tensor
    dx, dy = _strongest(graph, pixels, images.shape, first_red_from=0)
    directions = np.pi * np.arange(n) / n
    x, y = (np.float32(f(directions)).reshape(n, 1, 1) for f in (np.cos, np.sin))
    along = graph.add("Add", graph.add("Mul", dx, x), graph.add("Mul", dy, y))
    # Of equally near ones the first counts, where each direction is followed by its opposite.
    both = graph.add("Concat", along, graph.add("Neg", along), axis=1)
    order = np.arange(2 * n).reshape(2, n).T.ravel()
    nearest = graph.add("ArgMax", graph.add("Gather", both, order, axis=1), axis=1, keepdims=1)
    own = graph.add("Equal", nearest, np.argsort(order).reshape(2 * n, 1, 1))
    votes = graph.add("Mul", graph.cast(own, np.float32), _length(graph, dx, dy))

    rows, columns = (_between_cells(side, pixels) for side, pixels in zip((height, width), cell, strict=True))
    histograms = graph.pooled(rows, votes, np.ascontiguousarray(columns.T))
    signed, opposite = graph.add("Split", histograms, n_outputs=2, axis=1)
    unsigned = graph.add("Add", signed, opposite)
    energy = graph.total(graph.add("Mul", unsigned, unsigned), 1)
    cells = len(rows), len(columns)
    sums = graph.pooled(
        np.eye(cells[0] - 1, cells[0], dtype=np.float32) + np.eye(cells[0] - 1, cells[0], 1, dtype=np.float32),
        energy,
        np.eye(cells[1], cells[1] - 1, dtype=np.float32) + np.eye(cells[1], cells[1] - 1, -1, dtype=np.float32),
    )
    inner = tuple(side - 2 for side in cells)
    of_signed, of_unsigned, texture = [], [], []
    middle = [_window(graph, each, 1, 1, inner) for each in (histograms, unsigned)]
    for f in range(4):  # with the neighbors below right, above right, below left, above left
        total = graph.add("Add", _window(graph, sums, 1 - f % 2, 1 - f // 2, inner), 1e-4)
        length = graph.add("Sqrt", total)
        clipped = [graph.add("Min", graph.add("Div", each, length), 0.2) for each in middle]
        of_signed.append(clipped[0])
        of_unsigned.append(clipped[1])
        texture.append(graph.add("Mul", graph.total(clipped[0], 1), 0.2357))
    halves = [graph.add("Mul", graph.add("Sum", *each), 0.5) for each in (of_signed, of_unsigned)]
    found = graph.transposed(graph.add("Concat", *halves, *texture, axis=1), 0, 2, 3, 1)
    return graph.reshaped(found, -1, inner[0] * inner[1] * (3 * n + 4))


def _between_cells(side, pixels):
    """What each pixel of a line gives each cell, (cells, side); pixels at the border don't vote.

    Where the last cell reaches beyond the image, its pixels repeat those before the border.
    """
    cells = (side + pixels // 2) // pixels
    matrix = np.zeros((cells, side))
    for p in range(1, cells * pixels - 1):
        place = (p + 0.5) / pixels - 0.5
        first = int(np.floor(place))
        for k, share in ((first, 1 - (place - first)), (first + 1, place - first)):
            if 0 <= k < cells:
                matrix[k, min(p, side - 2)] += share
    return matrix.astype(np.float32)


def _window(graph, x, top, left, size):
    return graph.sliced(graph.sliced(x, 2, top, top + size[0]), 3, left, left + size[1])


def _strongest(graph, pixels, shape, *, first_red_from):
    """Gradients (n, 1, height, width) of the channel in which they are longest.

    Of equally strong channels the first one counts: in the order blue, green, red for columns before `first_red_from`,
    as in OpenCV's vector loop, and in the order red, green, blue from there on.
    """
    dx, dy = central_differences(graph, pixels, shape)
    if len(shape) == 2:
        return dx, dy
    squares = graph.add("Add", graph.add("Mul", dx, dx), graph.add("Mul", dy, dy))
    channels = [graph.add("Split", each, n_outputs=3, axis=1) for each in (squares, dx, dy)]
    strength, dx, dy = (each[0] for each in channels)
    for k in (1, 2):
        other, other_x, other_y = (each[k] for each in channels)
        over = graph.add("Greater", other, strength)
        if first_red_from >= shape[1]:
            over = graph.add("GreaterOrEqual", other, strength)
        elif first_red_from:
            early = (np.arange(shape[1]) < first_red_from).reshape(1, 1, 1, -1)
            tie = graph.add("And", graph.add("Equal", other, strength), early)
            over = graph.add("Or", over, tie)
        strength = graph.add("Where", over, other, strength)
        dx, dy = graph.add("Where", over, other_x, dx), graph.add("Where", over, other_y, dy)
    return dx, dy


def _length(graph, dx, dy):
    return graph.add("Sqrt", graph.add("Add", graph.add("Mul", dx, dx), graph.add("Mul", dy, dy)))


def _norm(graph, x, extra=None):
    """Euclidean length along the last axis, with `extra` added to its square."""
    squares = graph.total(graph.add("Mul", x, x), -1)
    return graph.add("Sqrt", squares if extra is None else graph.add("Add", squares, extra))
