"""Responses to a bank of Gabor filters: how much of each spatial frequency and direction there is, and where."""

from itertools import product

import numpy as np

from cvclassic.errors import InputError
from cvclassic.features.extractor import Extractor, check_grid, check_positive_int, grid_edges
from cvclassic.images import to_gray


class GaborBank(Extractor):
    """Mean energy of Gabor filters (Daugman, JOSA A 1985) per cell.

    Each filter is that of `skimage.filters.gabor(image, frequency, theta, bandwidth=bandwidth)`, with its kernel cut
    off at 3 standard deviations and the image mirrored at its border; the energy is the sum of the squares of the real
    and the imaginary response. RGB images are made gray; uint8 ones count as their values divided by 255.

    Parameters
    ----------
    frequencies : tuple of floats
        Cycles per pixel, above 0 and up to 0.5.
    orientations : int
        Directions, spread evenly over 180 degrees from 0 (waves along a row).
    bandwidth : float
        Bandwidth in octaves; the smaller, the larger the filters.
    grid : int or (rows, columns)
        The mean energy is taken over each cell of a grid on the image.

    Notes
    -----
    Columns: frequency by frequency, in each direction by direction, then the cells in rows.

    With equal spread along and across the wave, as in scikit-image by default, the complex filter is a product of a
    function of the row and one of the column; so both passes are matrix products, in which the mirrored border is
    folded into the matrices.
    """

    def __init__(self, *, frequencies=(0.1, 0.2, 0.4), orientations=6, bandwidth=1.0, grid=4):
        self.frequencies = frequencies
        self.orientations = orientations
        self.bandwidth = bandwidth
        self.grid = grid

    def _check(self, image_shape):
        if not np.size(self.frequencies) or not all(0 < f <= 0.5 for f in np.atleast_1d(self.frequencies)):
            raise InputError(f"frequencies={self.frequencies!r} must be above 0 and up to 0.5 cycles per pixel.")
        check_positive_int(self.orientations, "orientations")
        if not self.bandwidth > 0:
            raise InputError(f"bandwidth={self.bandwidth!r} must be a positive number of octaves.")
        check_grid(self.grid, image_shape)

    def _filters(self) -> list[tuple[float, float]]:
        thetas = np.arange(self.orientations) * np.pi / self.orientations
        return list(product(np.atleast_1d(self.frequencies).tolist(), thetas.tolist()))

    def _n_features(self, image_shape):
        return len(self._filters()) * int(np.prod(check_grid(self.grid, image_shape)))

    def _names(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        return [
            f"frequency{frequency:g}_{np.rad2deg(theta):g}deg_cell{r}_{c}"
            for (frequency, theta), r, c in product(self._filters(), range(rows), range(columns))
        ]

    def _prepare(self, image_shape, dtype):
        height, width = image_shape[:2]
        filters = [separate(frequency, theta, self.bandwidth, height, width) for frequency, theta in self._filters()]
        rows, columns = check_grid(self.grid, image_shape)
        row_means, column_means = means(height, rows), means(width, columns)
        scale = np.float32(1 / 255 if dtype == np.uint8 else 1)

        def extract(images, out):
            gray = to_gray(images) * scale
            responses = out.reshape(len(out), len(filters), rows, columns)
            for k, (vertical, horizontal) in enumerate(filters):
                across = gray.reshape(-1, width) @ horizontal
                response = vertical @ across.view(np.complex64).reshape(gray.shape)
                energy = np.square(response.real) + np.square(response.imag)
                responses[:, k] = row_means @ energy @ column_means.T

        return extract


def separate(frequency, theta, bandwidth, height, width) -> tuple[np.ndarray, np.ndarray]:
    """The filter's action on columns, complex64 (height, height), and on rows, to be multiplied from the right.

    The latter is float32 (width, 2 width): real and imaginary parts alternate.
    """
    octaves = 2.0**bandwidth
    sigma = np.sqrt(np.log(2) / 2) / np.pi * (octaves + 1) / (octaves - 1) / frequency
    # The box of skimage.filters.gabor_kernel: 3 standard deviations in the direction of the wave and across it.
    reach = int(np.ceil(max(3 * sigma * max(abs(np.cos(theta)), abs(np.sin(theta))), 1)))
    place = np.arange(-reach, reach + 1)
    matrices = []
    for size, wave in ((height, np.sin(theta)), (width, np.cos(theta))):
        kernel = np.exp(-(place**2) / (2 * sigma**2) + 2j * np.pi * frequency * wave * place)
        matrices.append(_with_mirrored_border(kernel / (np.sqrt(2 * np.pi) * sigma), size))
    return matrices[0], np.ascontiguousarray(matrices[1].T).view(np.float32)


def _with_mirrored_border(kernel: np.ndarray, size: int) -> np.ndarray:
    """Convolution with `kernel` of a line of `size` pixels that repeats in reverse at its ends, as a matrix."""
    matrix = np.zeros((size, size), complex)
    reach = len(kernel) // 2
    for offset, weight in zip(range(-reach, reach + 1), kernel, strict=True):
        source = (np.arange(size) - offset) % (2 * size)
        source = np.where(source < size, source, 2 * size - 1 - source)
        np.add.at(matrix, (np.arange(size), source), weight)
    return matrix.astype(np.complex64)


def means(size: int, parts: int) -> np.ndarray:
    """Matrix (parts, size) that takes the mean of each part of a line."""
    edges = grid_edges(size, parts)
    matrix = np.zeros((parts, size), np.float32)
    for k in range(parts):
        matrix[k, edges[k] : edges[k + 1]] = 1 / (edges[k + 1] - edges[k])
    return matrix
