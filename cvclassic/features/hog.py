"""Histograms of oriented gradients, with the numbers of OpenCV or of scikit-image."""

from itertools import product

import cv2
import numpy as np

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.features.extractor import Extractor, as_pair, check_positive_int
from cvclassic.images import is_color

CONVENTIONS = ("opencv", "skimage")
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
        Cells of a block; blocks follow one another at a distance of one cell.
    block_norm : {"L2-Hys", "L1", "L1-sqrt", "L2"}
        Normalization of each block; `convention="opencv"` knows L2-Hys alone.
    signed : bool
        Whether opposite directions are told apart; only with `convention="opencv"`.
    gamma_correction : bool
        Square root of the pixel values first (`gammaCorrection` of OpenCV, `transform_sqrt` of scikit-image).
    convention : {"opencv", "skimage"}
        `"opencv"`: the numbers and the order of `cv2.HOGDescriptor` (votes shared between neighboring orientations and
        cells, blocks weighted by a Gaussian), for a window at the image's upper left corner that holds all whole
        cells. Floating point images are rounded to 8 bits. `"skimage"`: those of `skimage.feature.hog` (each pixel
        votes for one orientation of its own cell). In both, gradients use the whole image, pixels beyond the last
        whole cell don't vote, and an RGB pixel counts with the channel of the largest gradient.

    Notes
    -----
    Every argument is passed on by name: OpenCV 5 changed the default of `gammaCorrection` from off to on.
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
        if self.convention == "skimage" and self.signed:
            raise InputError('convention="skimage" has unsigned orientations alone; use convention="opencv".')
        self._blocks(image_shape)

    def _blocks(self, image_shape) -> tuple[int, int]:
        """Number of blocks along the height and the width."""
        cell, block = as_pair(self.cell_size, "cell_size"), as_pair(self.block_size, "block_size")
        blocks = tuple(image_shape[i] // cell[i] - block[i] + 1 for i in (0, 1))
        if min(blocks) < 1:
            raise InputError(
                f"Images of {image_shape[0]} x {image_shape[1]} pixels are smaller than one block of "
                f"{block[0] * cell[0]} x {block[1] * cell[1]} (cell_size={self.cell_size!r} pixels, "
                f"block_size={self.block_size!r} cells). Use smaller cells or blocks, or larger images."
            )
        return blocks

    def _n_features(self, image_shape):
        return int(np.prod(self._blocks(image_shape)) * np.prod(as_pair(self.block_size, "block_size"))) * int(
            self.orientations
        )

    def _names(self, image_shape):
        rows, columns = (range(n) for n in self._blocks(image_shape))
        cell_rows, cell_columns = (range(n) for n in as_pair(self.block_size, "block_size"))
        if self.convention == "opencv":  # column by column
            cells = [(r, c, i, j) for c, r, j, i in product(columns, rows, cell_columns, cell_rows)]
        else:
            cells = product(rows, columns, cell_rows, cell_columns)
        step = (360 if self.signed else 180) / self.orientations
        degrees = [f"{k * step:g}to{(k + 1) * step:g}deg" for k in range(self.orientations)]
        return [f"block{r}_{c}_cell{i}_{j}_{angle}" for r, c, i, j in cells for angle in degrees]

    def _extract(self, images, out):
        if self.convention == "opencv":
            self._extract_opencv(images, out)
        else:
            self._extract_skimage(images, out)

    def _extract_opencv(self, images, out):
        if images.dtype != np.uint8:
            images = np.rint(images * np.float32(255)).astype(np.uint8)
        if is_color(images):
            images = np.ascontiguousarray(images[..., ::-1])
        descriptor = self._descriptor(images.shape[1:3])
        for image, features in zip(images, out, strict=True):
            features[:] = descriptor.compute(image, locations=((0, 0),)).ravel()

    def _descriptor(self, image_size):
        if self.orientations * np.prod(as_pair(self.block_size, "block_size")) < 4:
            raise InputError("A block of cv2.HOGDescriptor with fewer than 4 values crashes; use more orientations.")
        if not hasattr(cv2, "HOGDescriptor"):
            raise MissingDependencyError(
                f'OpenCV {cv2.__version__} has no HOGDescriptor. Use convention="skimage", or install '
                "opencv-contrib-python-headless in place of opencv-python."
            )
        cell_height, cell_width = as_pair(self.cell_size, "cell_size")
        block_height, block_width = as_pair(self.block_size, "block_size")
        return cv2.HOGDescriptor(
            _winSize=(image_size[1] // cell_width * cell_width, image_size[0] // cell_height * cell_height),
            _blockSize=(block_width * cell_width, block_height * cell_height),
            _blockStride=(cell_width, cell_height),
            _cellSize=(cell_width, cell_height),
            _nbins=int(self.orientations),
            _derivAperture=1,
            _winSigma=-1,
            _histogramNormType=0,
            _L2HysThreshold=0.2,
            _gammaCorrection=bool(self.gamma_correction),
            _nlevels=64,
            _signedGradient=bool(self.signed),
        )

    def _extract_skimage(self, images, out):
        from skimage.feature import hog  # costs 0.2 s, which the default convention need not pay

        for image, features in zip(images, out, strict=True):
            features[:] = hog(
                image,
                orientations=self.orientations,
                pixels_per_cell=as_pair(self.cell_size, "cell_size"),
                cells_per_block=as_pair(self.block_size, "block_size"),
                block_norm=self.block_norm,
                visualize=False,
                transform_sqrt=self.gamma_correction,
                feature_vector=True,
                channel_axis=-1 if is_color(images) else None,
            )
