"""Images sheared by their slant."""

import math

import numpy as np

from cvclassic.features.kernels.shared import exact


@exact
def deskew(images, gray, scale, out):
    """Shear each image by the slant of its gray version; `scale` brings its values to 0..255."""
    n, height, width, channels = images.shape
    rounding = 0.5 if out.itemsize == 1 else 0.0
    for i in range(n):
        slant = _slant(gray, i, scale)
        for y in range(height):
            shift = slant * (y - 0.5 * height)
            whole = math.floor(shift)
            right = shift - whole
            for x in range(width):
                source = x + whole
                for c in range(channels):
                    value = 0.0
                    if 0 <= source < width:
                        value += (1 - right) * images[i, y, source, c]
                    if -1 <= source < width - 1:
                        value += right * images[i, y, source + 1, c]
                    out[i, y, x, c] = value + rounding


@exact
def _slant(gray, i, scale):
    """Sideways pixels per row: the ratio of the central second moments mu11 and mu02."""
    height, width = gray.shape[1:]
    m00 = m10 = m01 = m11 = m02 = 0.0
    for y in range(height):
        total = along = 0.0
        for x in range(width):
            value = np.float64(gray[i, y, x])
            total += value
            along += value * x
        m00 += total
        m10 += along
        m01 += total * y
        m11 += along * y
        m02 += total * y * y
    if m00 == 0:
        return 0.0
    mu02 = m02 - m01 * m01 / m00
    mu11 = m11 - m10 * m01 / m00
    # The threshold of OpenCV's tutorial, which is meant for values from 0 to 255.
    return 0.0 if abs(mu02 * scale) < 1e-2 else mu11 / mu02
