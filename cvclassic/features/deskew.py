"""Straighten slanted handwriting."""

import numpy as np

from cvclassic.features.extractor import ImageTransformer, for_kernels, images_of, in_blocks, with_channels
from cvclassic.images import to_gray
from cvclassic.lazy import is_lazy, map_chunks


class Deskew(ImageTransformer):
    """Shear each image so that its second moments show no slant: images to images, same shape and dtype.

    The shear of OpenCV's tutorial "OCR of Hand-written Data using SVM" for images of any size: rows move sideways by
    mu11 / mu02 pixels per row about the middle row, with linear interpolation, and zeros come in at the borders. The
    tutorial's `cv2.warpAffine` rounds that movement to 1/32 pixel, which makes up to 4 gray levels.
    Meant for bright strokes on black. RGB images are sheared by the slant of their gray version; an image without
    vertical extent stays as it is.
    """

    def fit(self, X, y=None):
        """Check the batch; nothing is learned."""
        images_of(X)
        return self

    def transform(self, X) -> np.ndarray:
        """Shear every image.

        Parameters
        ----------
        X : ndarray or Dask array of shape (n, height, width) or (n, height, width, 3)
            uint8, or floating point in [0, 1].

        Returns
        -------
        ndarray of the shape of X; uint8, or float32 for floating point images. Of a Dask array a Dask array.
        """
        from cvclassic.features.kernels.deskew import deskew

        X = images_of(X)
        if is_lazy(X):
            return map_chunks(self, "transform", X, X.shape[1:], np.uint8 if X.dtype == np.uint8 else np.float32)
        out = np.empty_like(X, order="C")
        scale = 1.0 if X.dtype == np.uint8 else 255.0

        def shear(block):
            images = for_kernels(X[block])
            deskew(with_channels(images), to_gray(images), scale, with_channels(out[block]))

        in_blocks(shear, len(X), X.shape[1] * X.shape[2])
        return out
