"""What several kinds of kernels need: how they are compiled, pixels, gradients, angles, norms."""

import numpy as np
from numba import njit

# Sums may be reordered and fused: that's what lets them run on vector registers. Where the last bit decides between
# two outcomes (the strongest channel, the bin of an angle), arithmetic stays as written.
exact = njit(nogil=True, cache=True, error_model="numpy")
fast = njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})

_DEGREES = np.float32(180 / np.pi)
# The polynomial that OpenCV uses for its angles (cv2.cartToPolar, cv2.fastAtan2); it errs by up to 0.01 degrees.
_P1 = np.float32(0.9997878412794807) * _DEGREES
_P3 = np.float32(-0.3258083974640975) * _DEGREES
_P5 = np.float32(0.1555786518463281) * _DEGREES
_P7 = np.float32(-0.04432655554792128) * _DEGREES
RADIANS = np.float32(np.pi / 180)


@exact
def load(images, i, gamma, scale, planes):
    """Bring image `i` to floating point planes with a border of one reflected pixel (`cv2.BORDER_REFLECT_101`)."""
    height, width, channels = images.shape[1:]
    pixels = images[i].reshape(height * width * channels)
    for y in range(height):
        row = pixels[y * width * channels : (y + 1) * width * channels]
        if channels == 3:  # at a distance that the compiler knows, so that it takes several at once
            red, green, blue = planes[0, y + 1, 1:], planes[1, y + 1, 1:], planes[2, y + 1, 1:]
            for x in range(width):
                red[x] = row[3 * x] * scale
                green[x] = row[3 * x + 1] * scale
                blue[x] = row[3 * x + 2] * scale
        else:
            for x in range(width):
                planes[0, y + 1, x + 1] = row[x] * scale
    for c in range(channels):
        for y in range(height):
            if gamma:
                for x in range(width):
                    planes[c, y + 1, x + 1] = np.sqrt(planes[c, y + 1, x + 1])
            planes[c, y + 1, 0] = planes[c, y + 1, min(2, width)]
            planes[c, y + 1, width + 1] = planes[c, y + 1, max(width - 1, 1)]
        for x in range(width + 2):
            planes[c, 0, x] = planes[c, min(2, height), x]
            planes[c, height + 1, x] = planes[c, max(height - 1, 1), x]


@exact
def gradients(planes, tie, rounding, dx, dy):
    """Central differences (zero at the border) of the channel where they are largest.

    Of equally strong channels the first one counts: for columns before `tie` in the order blue, green, red (the vector
    loop of OpenCV on BGR images), then in the order red, green, blue (its scalar loop, and scikit-image). `rounding`
    says how lengths are compared where they aren't integers: 1 as OpenCV, which rounds each square (kept apart here,
    since the compiler would fuse one of them with the sum), 2 and 3 as scikit-image on single and double precision.
    """
    height, width = dx.shape
    if planes.shape[0] == 1:
        for y in range(height):
            for x in range(width):
                dx[y, x] = planes[0, y + 1, x + 2] - planes[0, y + 1, x]
                dy[y, x] = planes[0, y + 2, x + 1] - planes[0, y, x + 1]
        return
    squares = np.empty((3, 2, width), np.float32)
    for y in range(height):
        for c in range(3 if rounding == 1 else 0):
            for x in range(width):
                squares[c, 0, x] = (planes[c, y + 1, x + 2] - planes[c, y + 1, x]) ** 2
                squares[c, 1, x] = (planes[c, y + 2, x + 1] - planes[c, y, x + 1]) ** 2
        for x in range(width):
            red_x, red_y = planes[0, y + 1, x + 2] - planes[0, y + 1, x], planes[0, y + 2, x + 1] - planes[0, y, x + 1]
            green_x = planes[1, y + 1, x + 2] - planes[1, y + 1, x]
            green_y = planes[1, y + 2, x + 1] - planes[1, y, x + 1]
            blue_x = planes[2, y + 1, x + 2] - planes[2, y + 1, x]
            blue_y = planes[2, y + 2, x + 1] - planes[2, y, x + 1]
            red, green = strength(red_x, red_y, rounding), strength(green_x, green_y, rounding)
            blue = strength(blue_x, blue_y, rounding)
            if rounding == 1:
                red, green = squares[0, 0, x] + squares[0, 1, x], squares[1, 0, x] + squares[1, 1, x]
                blue = squares[2, 0, x] + squares[2, 1, x]
            early = x < tie
            green_over_red = (green > red) | (early & (green == red))
            if green_over_red:
                red_x, red_y, red = green_x, green_y, green
            blue_over = (blue > red) | (early & (blue == red))
            dx[y, x] = blue_x if blue_over else red_x
            dy[y, x] = blue_y if blue_over else red_y


@exact
def strength(x, y, rounding):
    """Squared length of a gradient; for `rounding` 2, its length in single precision; for 3, blind to the order."""
    if rounding == 2:
        return np.float32(np.sqrt(np.float64(x) * x + np.float64(y) * y))
    if rounding == 3:
        x, y = max(abs(x), abs(y)), min(abs(x), abs(y))
    return x * x + y * y


@fast
def angle_of(y, x):
    """Angle of (x, y) in degrees, 0 to 360, as OpenCV approximates it."""
    zero = np.float32(0)
    ax, ay = abs(x), abs(y)
    smaller, larger = (ax, ay) if ax < ay else (ay, ax)
    ratio = smaller / (larger + np.float32(2.220446e-16))
    square = ratio * ratio
    angle = (((_P7 * square + _P5) * square + _P3) * square + _P1) * ratio
    angle = np.float32(90) - angle if ax < ay else angle
    angle = np.float32(180) - angle if x < zero else angle
    return np.float32(360) - angle if y < zero else angle


@fast
def normalize(histogram, norm):
    """Bring a histogram to sum 1, to the square root of that, or to Euclidean length 1; an empty one stays zero."""
    total = np.float32(0)
    if norm == 3:
        for k in range(histogram.size):
            total += histogram[k] * histogram[k]
        total = np.sqrt(total)
    else:
        for k in range(histogram.size):
            total += histogram[k]
    if total > 0:
        factor = np.float32(1) / total
        for k in range(histogram.size):
            histogram[k] *= factor
        if norm == 2:
            for k in range(histogram.size):
                histogram[k] = np.sqrt(histogram[k])
