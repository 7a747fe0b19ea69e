"""Histogram of Sobel gradient orientations in a few cells: the descriptor of OpenCV's SVM tutorial."""

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


class SobelHistogram(Extractor):
    """Orientation histogram of the 3 x 3 Sobel gradient in each cell of a grid, weighted by its magnitude.

    With the default parameters it equals the 64-vector of OpenCV's tutorial "OCR of Hand-written Data using SVM"
    (`samples/python/tutorial_code/ml/py_svm_opencv/hogsvm.py`); with `normalization="sqrt"` that of its sample
    `samples/python/digits.py`. RGB images are made gray, and floating point images are scaled to 0..255, so that both
    dtypes give the same numbers.

    Parameters
    ----------
    orientations : int
        Bins over 360 degrees, over 180 where `signed=False`.
    signed : bool
        Whether opposite directions are told apart.
    grid : int or (rows, columns)
        Cells of the grid on the image.
    normalization : {"l1", "sqrt", "l2", None}
        For the vector as a whole: sum 1, square root of that (Hellinger), Euclidean length 1, or none.

    Notes
    -----
    Columns: the cells column by column, as in the tutorial, each with its orientations from 0 degrees (gradient to the
    right) towards 90 degrees (gradient downwards).
    """

    def __init__(self, *, orientations=16, signed=True, grid=2, normalization=None):
        self.orientations = orientations
        self.signed = signed
        self.grid = grid
        self.normalization = normalization

    def _check(self, image_shape):
        check_positive_int(self.orientations, "orientations")
        check_normalization(self.normalization)
        check_grid(self.grid, image_shape)
        if min(image_shape[:2]) < 2:
            raise InputError(f"SobelHistogram needs images of 2 x 2 pixels or more; found {image_shape[:2]}.")

    def _n_features(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        return rows * columns * self.orientations

    def _names(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        step = (360 if self.signed else 180) / self.orientations
        return [
            f"cell{r}_{c}_{i * step:g}to{(i + 1) * step:g}deg"
            for c, r in product(range(columns), range(rows))
            for i in range(self.orientations)
        ]

    def _prepare(self, image_shape, dtype):
        from cvclassic.features.kernels.sobel import sobel_histogram

        rows, _ = check_grid(self.grid, image_shape)
        orientations, norm = int(self.orientations), NORMALIZATIONS.index(self.normalization)
        offsets = cell_offsets(self.grid, image_shape, orientations, rows * orientations)
        span = np.float32(2 * np.pi if self.signed else np.pi)
        scale = np.float32(1 if dtype == np.uint8 else 255)

        def extract(images, out):
            gray = to_gray(images)[..., np.newaxis]
            sobel_histogram(gray, orientations, span, scale, *offsets, norm, out)

        return extract
