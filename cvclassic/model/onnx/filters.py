"""`PatchDictionary` and `GaborBank`: convolutions and what is pooled of them."""

import numpy as np

from cvclassic.features import GaborBank, PatchDictionary
from cvclassic.features.extractor import check_grid, grid_edges
from cvclassic.features.gabor import mirrored, separate
from cvclassic.model.onnx.graph import Graph, Value
from cvclassic.model.onnx.pixels import Images, to_gray


def patch_dictionary(graph: Graph, step: PatchDictionary, images: Images) -> Value:
    """Features (n, d)."""
    size, channels = int(step.patch_size), 3 if len(images.shape) == 3 else 1
    n_pixels = size * size * channels
    # Each pixel of a patch is a filter of its own; channels run fastest in a patch, and slowest in a kernel.
    kernels = np.eye(n_pixels).reshape(n_pixels, size, size, channels).transpose(0, 3, 1, 2)
    places, cells = step._places(images.shape)
    patches = graph.reshaped(graph.convolved(images.tensor, kernels), -1, n_pixels, len(places))
    patches = graph.transposed(patches, 0, 2, 1)
    # Not by the filters: in flat patches nothing must be left.
    patches = graph.add("Sub", patches, graph.mean(patches, -1))
    variance = graph.add("Div", graph.total(graph.add("Mul", patches, patches), -1), float(n_pixels - 1))
    contrast = graph.add("Sqrt", graph.add("Add", variance, float(step.contrast_regularization)))
    whitened = graph.add("MatMul", graph.add("Div", patches, contrast), step.whitening_)
    whitened = graph.add("Sub", whitened, step.mean_ @ step.whitening_)
    products = graph.add("MatMul", whitened, np.ascontiguousarray(step.atoms_.T))
    if step.encoding == "triangle":
        squares = graph.total(graph.add("Mul", whitened, whitened), -1)
        of_atoms = (step.atoms_**2).sum(axis=1)
        distance = graph.add("Sub", graph.add("Add", squares, of_atoms), graph.add("Mul", products, 2.0))
        distance = graph.add("Sqrt", graph.add("Relu", distance))
        codes = graph.add("Relu", graph.add("Sub", graph.mean(distance, -1), distance))
    else:
        ways = [graph.add("Sub", way, float(step.threshold)) for way in (products, graph.add("Neg", products))]
        codes = graph.add("Relu", graph.add("Concat", *ways, axis=2))
    n_cells = int(np.prod(check_grid(step.grid, images.shape)))
    members = np.float32(np.arange(n_cells)[:, np.newaxis] == cells)
    width = len(step.atoms_) * (1 if step.encoding == "triangle" else 2)
    return graph.reshaped(graph.add("Sqrt", graph.add("MatMul", members, codes)), -1, n_cells * width)


def gabor_bank(graph: Graph, step: GaborBank, images: Images) -> Value:
    """Features (n, d): every filter by matrix products along the rows and the columns."""
    height, width = images.shape[:2]
    filters = [separate(frequency, theta, step.bandwidth) for frequency, theta in step._filters()]
    horizontal = np.stack([_as_matrix(along, width).T for along, _ in filters])
    vertical = np.stack([_as_matrix(down, height) for _, down in filters])
    gray = graph.add("Mul", to_gray(graph, images), np.float32(1 / 255))
    across = [graph.add("MatMul", gray, part) for part in _parts(horizontal)]
    down = _parts(vertical)
    real = graph.add("Sub", graph.add("MatMul", down[0], across[0]), graph.add("MatMul", down[1], across[1]))
    imaginary = graph.add("Add", graph.add("MatMul", down[0], across[1]), graph.add("MatMul", down[1], across[0]))
    energy = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
    rows, columns = check_grid(step.grid, images.shape)
    found = graph.pooled(_means(height, rows), energy, np.ascontiguousarray(_means(width, columns).T))
    return graph.reshaped(found, -1, len(filters) * rows * columns)


def _parts(matrices):
    return np.ascontiguousarray(matrices.real), np.ascontiguousarray(matrices.imag)


def _as_matrix(weights: np.ndarray, size: int) -> np.ndarray:
    """What the `weights` of a filter along a line (reach + 1, 2) do to one of `size` pixels, mirrored at its ends."""
    matrix, reach, place = np.zeros((size, size), complex), len(weights) - 1, np.arange(size)
    source = mirrored(size, reach)
    for distance, (even, odd) in enumerate(weights):
        np.add.at(matrix, (place, source[place + reach - distance]), even - 1j * odd)
        np.add.at(matrix, (place, source[place + reach + distance]), even + 1j * odd)
    return matrix.astype(np.complex64)


def _means(size: int, parts: int) -> np.ndarray:
    """Matrix (parts, size) that takes the mean of each part of a line."""
    edges = grid_edges(size, parts)
    matrix = np.zeros((parts, size), np.float32)
    for k in range(parts):
        matrix[k, edges[k] : edges[k + 1]] = 1 / (edges[k + 1] - edges[k])
    return matrix
