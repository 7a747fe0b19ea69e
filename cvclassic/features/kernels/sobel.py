"""Histograms of the orientations of Sobel gradients."""

import numpy as np

from cvclassic.features.kernels.shared import RADIANS, angle_of, exact, fast, load, normalize


@fast
def sobel_histogram(gray, orientations, span, scale, row_offset, column_offset, norm, out):
    """Orientation histograms of the 3 x 3 Sobel gradient, weighted by magnitude.

    Parameters
    ----------
    gray : array (n, height, width, 1)
    span : float32
        2 pi for signed orientations, pi for unsigned ones.
    row_offset, column_offset : arrays (height,), (width,), uint32
        What a pixel's row and column add to the place in a row of `out`.
    """
    n, height, width, _ = gray.shape
    planes = np.empty((1, height + 2, width + 2), np.float32)
    magnitude, position = np.empty((height, width), np.float32), np.empty((height, width), np.uint32)
    for i in range(n):
        load(gray, i, np.bool_(False), scale, planes)
        _sobel_votes(planes, orientations, span, row_offset, column_offset, magnitude, position)
        for k in range(out.shape[1]):
            out[i, k] = 0
        for y in range(height):
            for x in range(width):
                out[i, np.uintp(position[y, x])] += magnitude[y, x]
        if norm > 0:
            normalize(out[i], norm)


@exact
def _sobel_votes(planes, orientations, span, row_offset, column_offset, magnitude, position):
    height, width = magnitude.shape
    last, two, factor = np.int32(orientations), np.float32(2), np.float32(orientations)
    for y in range(height):
        for x in range(width):
            upper = planes[0, y, x + 2] - planes[0, y, x]
            middle = planes[0, y + 1, x + 2] - planes[0, y + 1, x]
            lower = planes[0, y + 2, x + 2] - planes[0, y + 2, x]
            left = planes[0, y + 2, x] - planes[0, y, x]
            center = planes[0, y + 2, x + 1] - planes[0, y, x + 1]
            right = planes[0, y + 2, x + 2] - planes[0, y, x + 2]
            dx, dy = upper + two * middle + lower, left + two * center + right
            magnitude[y, x] = np.sqrt(dx * dx + dy * dy)
            place = np.int32(factor * (angle_of(dy, dx) * RADIANS) / span)
            # Unsigned orientations go round twice; and an angle may be rounded up to 360 degrees.
            place = place - last if place >= last else place
            place = place - last if place >= last else place
            position[y, x] = row_offset[y] + column_offset[x] + np.uint32(place)
