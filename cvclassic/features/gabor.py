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
    function of the row and one of the column. An image's features are the same bits whatever else is in the batch, and
    on however many threads.
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
        from cvclassic.features.kernels.gabor import gabor_energies

        height, width = image_shape[:2]
        rows, columns = check_grid(self.grid, image_shape)
        reach, taps, places = self._taps()
        mirrors = [mirrored(size, reach.max()) for size in (height, width)]
        edges = grid_edges(height, rows), grid_edges(width, columns)
        scale = np.float32(1 / 255 if dtype == np.uint8 else 1)

        def extract(images, out):
            energies = out.reshape(len(out), -1, rows, columns)
            gabor_energies(to_gray(images), scale, reach, taps, places, *mirrors, *edges, energies)

        return extract

    def _taps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Reach, weights and places of the filters as `gabor_energies` takes them; one for two that mirror each other.

        Those of direction `k` and of direction `orientations - k` do.
        """
        n = int(self.orientations)
        chosen = [k for k in range(len(self._filters())) if k % n <= n // 2]
        filters = [separate(*self._filters()[k], self.bandwidth) for k in chosen]
        reach = np.array([each.shape[1] - 1 for each in filters])
        taps = np.zeros((len(filters), 2, reach.max() + 1, 2), np.float32)
        for each, weights in zip(taps, filters, strict=True):
            each[:, : weights.shape[1]] = weights
        places = np.array([(k, k + n - 2 * (k % n) if 0 < 2 * (k % n) < n else -1) for k in chosen])
        return reach, taps, places


def separate(frequency: float, theta: float, bandwidth: float) -> np.ndarray:
    """Weights of a filter by the distance from its center: along the row and the column, (2, reach + 1, 2).

    Even (real) and odd (imaginary) ones; at distance 0 half of the weight, since there the two sides are one pixel.
    """
    octaves = 2.0**bandwidth
    sigma = np.sqrt(np.log(2) / 2) / np.pi * (octaves + 1) / (octaves - 1) / frequency
    # The box of skimage.filters.gabor_kernel: 3 standard deviations in the direction of the wave and across it.
    reach = int(np.ceil(max(3 * sigma * max(abs(np.cos(theta)), abs(np.sin(theta))), 1)))
    distance = np.arange(reach + 1)
    spread = np.exp(-(distance**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    spread[0] /= 2
    weights = []
    for wave in (np.cos(theta), np.sin(theta)):
        # A wave that stands still has no odd part, where the cosine of 90 degrees is not quite 0.
        phase = 2 * np.pi * frequency * (wave if abs(wave) > 1e-12 else 0) * distance
        weights.append(np.stack([spread * np.cos(phase), spread * np.sin(phase)], axis=1))
    return np.array(weights)


def mirrored(size: int, beyond: int) -> np.ndarray:
    """Where the values of a line that repeats in reverse at its ends come from, from `beyond` before its `size` on."""
    source = np.arange(-beyond, size + beyond) % (2 * size)
    return np.where(source < size, source, 2 * size - 1 - source)
