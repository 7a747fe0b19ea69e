"""Mean and spread of the colors in each cell of a grid: the coarse layout of an image's colors."""

from itertools import product

import numpy as np

from cvclassic.features.extractor import Extractor, check_grid, grid_edges, with_channels
from cvclassic.images import convert, is_color


class ColorGrid(Extractor):
    """Mean and standard deviation of each Lab channel per cell (of the gray level, for gray images).

    Values are in OpenCV's 8-bit units, whatever the dtype of the images: L and gray from 0 to 255, a and b shifted by
    128. uint8 images are converted as `cv2.cvtColor` does it for uint8, floating point ones without rounding.

    Parameters
    ----------
    grid : int or (rows, columns)
        Cells of the grid on the image.

    Notes
    -----
    Columns: cell by cell in rows; in each the means of L, a, b, then their standard deviations (divisor: the number
    of pixels).
    """

    def __init__(self, *, grid=4):
        self.grid = grid

    def _check(self, image_shape):
        check_grid(self.grid, image_shape)

    def _n_features(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        return rows * columns * (6 if len(image_shape) == 3 else 2)

    def _names(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        channels = "Lab" if len(image_shape) == 3 else ("gray",)
        return [
            f"cell{r}_{c}_{statistic}_{channel}"
            for r, c in product(range(rows), range(columns))
            for statistic in ("mean", "std")
            for channel in channels
        ]

    def _prepare(self, image_shape, dtype):
        from cvclassic.features.kernels.color import color_grid

        rows, columns = check_grid(self.grid, image_shape)
        edges = grid_edges(image_shape[0], rows), grid_edges(image_shape[1], columns)

        def extract(images, out):
            pixels = _lab(images) if is_color(images) else _in_8_bit_units(images)
            color_grid(with_channels(pixels), *edges, out.reshape(len(out), rows * columns, 2, -1))

        return extract


def _lab(images: np.ndarray) -> np.ndarray:
    lab = convert(images, "lab")
    return lab if images.dtype == np.uint8 else lab * np.float32([255 / 100, 1, 1]) + np.float32([0, 128, 128])


def _in_8_bit_units(gray: np.ndarray) -> np.ndarray:
    return gray if gray.dtype == np.uint8 else gray * np.float32(255)
