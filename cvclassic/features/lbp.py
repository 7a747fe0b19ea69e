"""Local binary patterns: which neighbors of a pixel are at least as bright as itself."""

from itertools import product

import numpy as np

from cvclassic.errors import InputError
from cvclassic.features.extractor import (
    NORMALIZATIONS,
    Extractor,
    cell_offsets,
    check_grid,
    check_normalization,
    check_positive_int,
)
from cvclassic.images import to_gray

METHODS = ("uniform", "ror", "default")


class LBP(Extractor):
    """Histograms of local binary patterns (Ojala, Pietikäinen and Mäenpää, PAMI 2002) per cell.

    The patterns are those of `skimage.feature.local_binary_pattern(gray, points, radius, method)`, pixels beyond the
    border being 0. RGB images are made gray.

    Parameters
    ----------
    points : int
        Neighbors on a circle, 2 to 16.
    radius : float
        Radius of that circle in pixels.
    method : {"uniform", "ror", "default"}
        `"uniform"`: `points + 2` patterns, rotation-invariant, all but the smooth ones together; `"ror"`:
        rotation-invariant, each pattern by its least rotation; `"default"`: all `2 ** points` patterns.
    grid : int or (rows, columns)
        A histogram for each cell of a grid on the image.
    normalization : {"l1", "sqrt", "l2", None}
        For each histogram by itself, as in `ColorHistogram`.
    """

    def __init__(self, *, points=8, radius=1.0, method="uniform", grid=4, normalization="l1"):
        self.points = points
        self.radius = radius
        self.method = method
        self.grid = grid
        self.normalization = normalization

    def _check(self, image_shape):
        check_positive_int(self.points, "points")
        if not 2 <= self.points <= 16:
            raise InputError(f"points={self.points!r} must be from 2 to 16.")
        if not (np.isreal(self.radius) and 0 < self.radius < max(image_shape[:2])):
            raise InputError(f"radius={self.radius!r} must be positive, and less than the images' side.")
        if self.method not in METHODS:
            raise InputError(f"method={self.method!r} is unknown; use one of {', '.join(METHODS)}.")
        check_normalization(self.normalization)
        check_grid(self.grid, image_shape)

    def _n_features(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        return rows * columns * len(pattern_labels(self.points, self.method)[1])

    def _names(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        patterns = pattern_labels(self.points, self.method)[1]
        return [f"cell{r}_{c}_{p}" for r, c, p in product(range(rows), range(columns), patterns)]

    def _prepare(self, image_shape, dtype):
        from cvclassic.features.kernels.color import color_histogram
        from cvclassic.features.kernels.lbp import local_binary_patterns

        labels, names = pattern_labels(self.points, self.method)
        _, columns = check_grid(self.grid, image_shape)
        n_cells, norm = int(np.prod(check_grid(self.grid, image_shape))), NORMALIZATIONS.index(self.normalization)
        offsets = cell_offsets(self.grid, image_shape, columns * len(names), len(names))
        starts = np.arange(n_cells + 1) * len(names)
        # Each pattern is a bin by itself, in one channel.
        factors, strides, channel_starts = (np.array([value], np.uint32) for value in (1 << 16, 1, 0))
        # Five decimals, as in scikit-image: so the neighbors on the axes lie on pixels exactly.
        angles = 2 * np.pi * np.arange(self.points, dtype=np.float64) / self.points
        steps = neighbor_steps(np.round(-self.radius * np.sin(angles), 5), image_shape[0])
        steps += neighbor_steps(np.round(self.radius * np.cos(angles), 5), image_shape[1])
        row_step, row_rest, column_step, column_rest = steps
        border = 2 + max(-row_step.min(), -column_step.min(), 0)
        border = int(max(border, row_step.max() - image_shape[0] + 3, column_step.max() - image_shape[1] + 3))
        labels = labels.astype(np.uint8) if len(names) <= 256 else labels  # with code in common with colors

        def extract(images, out):
            patterns = np.empty((*images.shape[:3], 1), labels.dtype)
            places = border, row_step, column_step, row_rest, column_rest
            local_binary_patterns(to_gray(images), *places, labels, 1.0, patterns)
            layout = factors, strides, channel_starts, *offsets, starts, norm
            color_histogram(patterns, False, True, *layout, out)

        return extract


def neighbor_steps(distances: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole part and rest of the place of each neighbor, (points, size), for each place of the center."""
    places = np.arange(size) + distances[:, np.newaxis]
    whole = np.floor(places)
    return whole.astype(np.int64), places - whole


def pattern_labels(points: int, method: str) -> tuple[np.ndarray, list[str]]:
    """Label of each of the `2 ** points` patterns, uint16, and the names of the labels."""
    patterns = np.arange(2**points)
    bits = patterns[:, np.newaxis] >> np.arange(points) & 1
    if method == "uniform":
        # Changes along the circle, cut open between the last and the first point, as scikit-image counts them.
        smooth = np.abs(np.diff(bits, axis=1)).sum(axis=1) <= 2
        labels = np.where(smooth, bits.sum(axis=1), points + 1)
        return labels.astype(np.uint16), [f"ones{k}" for k in range(points + 1)] + ["others"]
    if method == "ror":
        mask = 2**points - 1
        rotations = [(patterns >> k | patterns << (points - k)) & mask for k in range(points)]
        least, labels = np.unique(np.min(rotations, axis=0), return_inverse=True)
        return labels.astype(np.uint16), [f"pattern{p:0{points}b}" for p in least]
    return patterns.astype(np.uint16), [f"pattern{p:0{points}b}" for p in patterns]
