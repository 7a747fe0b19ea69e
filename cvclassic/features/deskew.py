"""Straighten slanted handwriting."""

import cv2
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from cvclassic.images import check_images, to_gray


class Deskew(TransformerMixin, BaseEstimator):
    """Shear each image so that its second moments show no slant: images to images, same shape and dtype.

    The shear of OpenCV's tutorial "OCR of Hand-written Data using SVM" for images of any size: rows move sideways by
    mu11 / mu02 pixels per row about the middle row, with linear interpolation, and zeros come in at the borders.
    Meant for bright strokes on black. RGB images are sheared by the slant of their gray version; an image without
    vertical extent stays as it is.
    """

    def fit(self, X, y=None):
        """Check the batch; nothing is learned."""
        check_images(X)
        return self

    def transform(self, X) -> np.ndarray:
        """Shear every image.

        Parameters
        ----------
        X : ndarray of shape (n, height, width) or (n, height, width, 3)
            uint8, or floating point in [0, 1].

        Returns
        -------
        ndarray of the shape of X; uint8, or float32 for floating point images
        """
        X = check_images(X)
        gray = to_gray(X)
        out = np.empty_like(X, order="C")
        for image, gray_image, straight in zip(X, gray, out, strict=True):
            straight[:] = _shear(image, _slant(gray_image))
        return out

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _slant(gray: np.ndarray) -> float:
    """Sideways pixels per row, from the central second moments."""
    moments = cv2.moments(gray)
    # The tutorial's threshold is meant for values from 0 to 255.
    vertical_extent = moments["mu02"] * (1 if gray.dtype == np.uint8 else 255)
    return 0.0 if abs(vertical_extent) < 1e-2 else moments["mu11"] / moments["mu02"]


def _shear(image: np.ndarray, slant: float) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = np.float32([[1, slant, -0.5 * height * slant], [0, 1, 0]])
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
