"""Histograms of oriented gradients, with the numbers of OpenCV, of scikit-image, or of Felzenszwalb et al."""

from itertools import product

import numpy as np

from cvclassic.errors import InputError
from cvclassic.features.extractor import Extractor, as_pair, check_positive_int, with_channels

CONVENTIONS = ("opencv", "skimage", "felzenszwalb")
BLOCK_NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")


class HOG(Extractor):
    """Histograms of oriented gradients (Dalal and Triggs, CVPR 2005).

    Parameters
    ----------
    orientations : int
        Bins over 180 degrees, over 360 where `signed=True`.
    cell_size : int or (height, width)
        Pixels of a cell.
    block_size : int or (height, width)
        Cells of a block; blocks follow one another at a distance of one cell. `convention="felzenszwalb"` has its own
        normalization, and takes no notice of `block_size` and `block_norm`.
    block_norm : {"L2-Hys", "L1", "L1-sqrt", "L2"}
        Normalization of each block; `convention="opencv"` knows L2-Hys alone.
    signed : bool
        Whether opposite directions are told apart; only with `convention="opencv"`.
    gamma_correction : bool
        Square root of the pixel values first (`gammaCorrection` of OpenCV, `transform_sqrt` of scikit-image).
    convention : {"opencv", "skimage", "felzenszwalb"}
        `"opencv"`: the numbers and the order of `cv2.HOGDescriptor` (votes shared between neighboring orientations and
        cells, blocks weighted by a Gaussian), for a window at the image's upper left corner that holds all whole
        cells; floating point images count as 255 times their values. `"skimage"`: those of `skimage.feature.hog` (each
        pixel votes for one orientation of its own cell). In both, gradients use the whole image, and pixels beyond the
        last whole cell don't vote. `"felzenszwalb"`: Felzenszwalb, Girshick, McAllester and Ramanan (PAMI 2010); with
        9 orientations the 31 channels of their `features.cc`, row by row for all cells but those at the border: 18
        signed and 9 unsigned orientations, and 4 of texture. There a last cell counts if half of it is in the image.

    Notes
    -----
    Within 1e-4 of `cv2.HOGDescriptor` and 1e-5 of `skimage.feature.hog`. An RGB pixel counts with the channel of the
    largest gradient. `gammaCorrection` is off unless asked for, as in OpenCV 4; OpenCV 5 changed its default to on.
    """

    def __init__(
        self,
        *,
        orientations=9,
        cell_size=8,
        block_size=2,
        block_norm="L2-Hys",
        signed=False,
        gamma_correction=False,
        convention="opencv",
    ):
        self.orientations = orientations
        self.cell_size = cell_size
        self.block_size = block_size
        self.block_norm = block_norm
        self.signed = signed
        self.gamma_correction = gamma_correction
        self.convention = convention

    def _check(self, image_shape):
        check_positive_int(self.orientations, "orientations")
        if self.convention not in CONVENTIONS:
            raise InputError(f"convention={self.convention!r} is unknown; use one of {', '.join(CONVENTIONS)}.")
        if self.block_norm not in BLOCK_NORMS:
            raise InputError(f"block_norm={self.block_norm!r} is unknown; use one of {', '.join(BLOCK_NORMS)}.")
        if self.convention == "opencv" and self.block_norm != "L2-Hys":
            raise InputError(
                f'convention="opencv" has block_norm="L2-Hys" alone; for {self.block_norm!r} use convention="skimage".'
            )
        if self.convention != "opencv" and self.signed:
            raise InputError(f'convention="{self.convention}" has no signed=True; use convention="opencv".')
        self._layout(image_shape)

    def _layout(self, image_shape) -> tuple[int, int]:
        """Number of blocks (of cells, for felzenszwalb) that are described, along the height and the width."""
        cell, block = as_pair(self.cell_size, "cell_size"), as_pair(self.block_size, "block_size")
        if self.convention == "felzenszwalb":
            # The whole number nearest to height / cell; the outermost cells lack neighbors and are left out.
            layout, needed = tuple((image_shape[i] + cell[i] // 2) // cell[i] - 2 for i in (0, 1)), (3, 3)
        else:
            layout, needed = tuple(image_shape[i] // cell[i] - block[i] + 1 for i in (0, 1)), block
        if min(layout) < 1:
            raise InputError(
                f"Images of {image_shape[0]} x {image_shape[1]} pixels are smaller than one block of "
                f"{needed[0] * cell[0]} x {needed[1] * cell[1]} (cell_size={self.cell_size!r} pixels, "
                f"{needed[0]} x {needed[1]} cells). Use smaller cells or blocks, or larger images."
            )
        return layout

    def _n_features(self, image_shape):
        rows, columns = self._layout(image_shape)
        if self.convention == "felzenszwalb":
            return rows * columns * (3 * int(self.orientations) + 4)
        block = as_pair(self.block_size, "block_size")
        return rows * columns * block[0] * block[1] * int(self.orientations)

    def _names(self, image_shape):
        rows, columns = (range(n) for n in self._layout(image_shape))
        if self.convention == "felzenszwalb":
            channels = [f"signed_{d}" for d in _degrees(2 * self.orientations, 360, centered=True)]
            channels += [f"unsigned_{d}" for d in _degrees(self.orientations, 180, centered=True)]
            channels += [f"texture{k}" for k in range(4)]
            return [f"cell{r + 1}_{c + 1}_{channel}" for r, c, channel in product(rows, columns, channels)]
        cell_rows, cell_columns = (range(n) for n in as_pair(self.block_size, "block_size"))
        if self.convention == "opencv":  # column by column
            cells = [(r, c, i, j) for c, r, j, i in product(columns, rows, cell_columns, cell_rows)]
        else:
            cells = product(rows, columns, cell_rows, cell_columns)
        degrees = _degrees(self.orientations, 360 if self.signed else 180)
        return [f"block{r}_{c}_cell{i}_{j}_{angle}" for r, c, i, j in cells for angle in degrees]

    def _prepare(self, image_shape, dtype):
        return {"opencv": self._opencv, "skimage": self._skimage, "felzenszwalb": self._felzenszwalb}[self.convention](
            image_shape, dtype
        )

    def _opencv(self, image_shape, dtype):
        from cvclassic.features.kernels.hog_opencv import hog_opencv

        cell, block = as_pair(self.cell_size, "cell_size"), as_pair(self.block_size, "block_size")
        rows, horizontal = block_weights(cell, block)
        vertical, lane_of = _lanes(rows, cell[0])
        scale = np.float32(1 if dtype == np.uint8 else 255)
        orientations, signed, gamma = int(self.orientations), bool(self.signed), bool(self.gamma_correction)

        def extract(images, out):
            images = with_channels(images)
            hog_opencv(images, orientations, signed, gamma, scale, cell, block, vertical, lane_of, horizontal, out)

        return extract

    def _skimage(self, image_shape, dtype):
        from cvclassic.features.kernels.hog_skimage import hog_skimage

        cell, block = as_pair(self.cell_size, "cell_size"), as_pair(self.block_size, "block_size")
        norm, gamma, orientations = BLOCK_NORMS.index(self.block_norm), bool(self.gamma_correction), self.orientations
        # scikit-image computes in double precision all but the gradients of float32 images. Single holds differences of
        # integers exactly, and no angle between them is so near to a border that it would matter.
        integers = dtype == np.uint8 and not gamma
        gradient_type = np.float64 if gamma and dtype == np.uint8 else np.float32
        border_x, border_y = bin_borders(self.orientations, np.float32 if integers else np.float64)
        channels = 3 if len(image_shape) == 3 else 1

        def extract(images, out):
            planes = np.empty((channels, image_shape[0] + 2, image_shape[1] + 2), gradient_type)
            images = with_channels(images)
            hog_skimage(images, int(orientations), gamma, planes, border_x, border_y, cell, block, norm, out)

        return extract

    def _felzenszwalb(self, image_shape, dtype):
        from cvclassic.features.kernels.hog_felzenszwalb import hog_felzenszwalb

        cell, layout = as_pair(self.cell_size, "cell_size"), self._layout(image_shape)
        scale = np.float32(1 if dtype == np.uint8 else 255)
        orientations, gamma = int(self.orientations), bool(self.gamma_correction)

        def extract(images, out):
            out = out.reshape(len(out), *layout, -1)
            hog_felzenszwalb(with_channels(images), orientations, gamma, scale, cell, out)

        return extract


def search_space(image_shape: tuple[int, ...]) -> dict[str, list]:
    """Values of HOG's parameters that are worth trying on images of this shape: 3 to 6 cells along the shorter side."""
    cell_sizes = {max(min(image_shape[:2]) // cells, 4) for cells in (3, 4, 5, 6)}
    return {"orientations": [6, 9, 12, 18], "signed": [False, True], "cell_size": sorted(cell_sizes)}


def _degrees(n: int, span: int, centered: bool = False) -> list[str]:
    step = span / n
    return [f"{k * step:g}deg" if centered else f"{k * step:g}to{(k + 1) * step:g}deg" for k in range(n)]


def block_weights(cell, block) -> tuple[np.ndarray, np.ndarray]:
    """Weight of a block's rows and columns for its cells: OpenCV's Gaussian times linear interpolation.

    Returns
    -------
    vertical : array (cells, pixels of the block, padded to a multiple of 4)
    horizontal : array (cell of the column, cell it votes for, pixels of a cell, padded likewise)
    """
    sigma = (cell[0] * block[0] + cell[1] * block[1]) / 8
    weights = []
    for pixels, cells in zip(cell, block, strict=True):
        place = np.arange(pixels * cells)
        gaussian = np.exp(-((place - pixels * cells / 2) ** 2) / (2 * sigma**2))
        distance = (place + 0.5) / pixels - 0.5 - np.arange(cells)[:, np.newaxis]
        weights.append((gaussian * np.maximum(0, 1 - np.abs(distance))).astype(np.float32))
    vertical = np.pad(weights[0], ((0, 0), (0, -weights[0].shape[1] % 4)))
    horizontal = weights[1].reshape(block[1], block[1], cell[1]).swapaxes(0, 1)
    return vertical, np.ascontiguousarray(np.pad(horizontal, ((0, 0), (0, 0), (0, -cell[1] % 4))))


def _lanes(weights: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a block's rows by place of a row of cells and row of cells voted for, as the kernel takes them.

    Returns
    -------
    vertical : array (groups of 4 lanes, `height` of a cell, 8), each weight twice
    lane_of : int array (place, row of cells voted for)
    """
    n = len(weights)
    pairs = [(place, target) for place in range(n) for target in range(n) if abs(place - target) <= 1]
    lane_of = np.zeros((n, n), np.intp)
    lanes = np.zeros((-(-len(pairs) // 4) * 4, height), np.float32)
    for lane, (place, target) in enumerate(pairs):
        lane_of[place, target] = lane
        lanes[lane] = weights[target, place * height : (place + 1) * height]
    vertical = lanes.reshape(-1, 4, height).swapaxes(1, 2)
    return np.ascontiguousarray(np.concatenate([vertical, vertical], axis=2)), lane_of


def bin_borders(orientations: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    """Directions between the orientation bins of scikit-image, scaled so that 45 degrees is (1, 1) exactly."""
    degrees = 180.0 / orientations * np.arange(1, orientations)
    x, y = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    largest = np.maximum(np.abs(x), np.abs(y))
    x, y = (x / largest).astype(dtype), (y / largest).astype(dtype)
    for exact, exact_x in ((45, 1), (90, 0), (135, -1)):
        here = np.abs(degrees - exact) < 1e-9
        x[here], y[here] = exact_x, 1
        # Where double precision puts the border just beyond, gradients of exactly this angle don't reach it.
        beyond = here & (degrees > exact)
        x[beyond] = np.nextafter(x[beyond], dtype(-2))
    padding = (0, -len(degrees) % 4)
    return np.pad(x, padding), np.pad(y, padding)
