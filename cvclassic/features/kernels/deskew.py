"""Images sheared by their slant."""

import math

import numpy as np

from cvclassic.features.kernels.shared import fast


@fast
def deskew(images, gray, scale, out):
    """Shear each image by the slant of its gray version; `scale` brings its values to 0..255."""
    n, height, width, channels = images.shape
    rounding = np.float32(0.5 if out.itemsize == 1 else 0)
    length = width * channels
    pixels, sheared = images.reshape(n * height * length), out.reshape(n * height * length)
    for i in range(n):
        slant = _slant(gray, i, scale)
        for y in range(height):
            shift = slant * (y - 0.5 * height)
            whole = min(max(math.floor(shift), -width - 1), width)  # as far as that nothing of the row is left
            right = np.float32(shift - math.floor(shift))
            left = np.float32(1) - right
            # Between a and b, each value comes from one pixel and the next; beside them, half of that is outside.
            a, b = min(max(-whole, 0), width), max(min(width - 1 - whole, width), 0)
            start, source = (i * height + y) * length, (i * height + y) * length + whole * channels
            for k in range(length):
                sheared[start + k] = 0
            begin, there, next_pixel = np.uintp(start), np.uintp(source), np.uintp(source + channels)
            for j in range(a * channels, b * channels):
                k = np.uintp(j)
                value = left * pixels[there + k] + right * pixels[next_pixel + k]
                # By way of whole numbers as long as registers have them, which the compiler turns to bytes at once.
                sheared[begin + k] = np.int32(value + rounding) if out.itemsize == 1 else value
            for c in range(channels):
                if -width <= whole < 0:
                    sheared[start + (a - 1) * channels + c] = right * pixels[start + c] + rounding
                if 0 <= whole < width:
                    sheared[start + b * channels + c] = left * pixels[start + length - channels + c] + rounding


@fast
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
