"""What several kinds of kernels need: how they are compiled, pixels, gradients, angles, norms."""

import numpy as np
from numba import njit

# Sums may be reordered and fused: that's what lets them run on vector registers. Where the last bit decides between
# two outcomes (the strongest channel, the bin of an angle), arithmetic stays as written.
# Constants that go from one function to another are given a type (`np.intp(0)`): else there is a version for each.
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
    # Flat, since numba counts the references to each part of an array that is made.
    pixels, values = images.reshape(images.size), planes.reshape(planes.size)
    plane = np.uintp((height + 2) * (width + 2))
    for y in range(height):
        start, red = np.uintp((i * height + y) * width * channels), np.uintp((y + 1) * (width + 2) + 1)
        if channels == 3:  # at a distance that the compiler knows, so that it takes several at once
            green, blue = red + plane, red + plane + plane
            for j in range(width):
                x, k = np.uintp(j), start + np.uintp(3 * j)
                values[red + x] = pixels[k] * scale
                values[green + x] = pixels[k + np.uintp(1)] * scale
                values[blue + x] = pixels[k + np.uintp(2)] * scale
        else:
            for j in range(width):
                values[red + np.uintp(j)] = pixels[start + np.uintp(j)] * scale
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

    Rows of `dx` and `dy` are as long as those of `planes`: two values longer than the image's, and those are no use.
    Of equally strong channels the first one counts: for columns before `tie` in the order blue, green, red (the vector
    loop of OpenCV on BGR images), then in the order red, green, blue (its scalar loop, and scikit-image). `rounding`
    says how lengths are compared where they aren't integers: 1 as OpenCV, which rounds each square (kept apart here,
    since the compiler would fuse one of them with the sum), 2 and 3 as scikit-image on single and double precision.
    """
    height, row = dx.shape
    values, across, down = planes.reshape(planes.size), dx.reshape(dx.size), dy.reshape(dy.size)
    # Rows of all arrays are equally long, so that one long loop does them all.
    if planes.shape[0] == 1:
        for j in range(height * row - 2):
            left, top = np.uintp(j + row), np.uintp(j + 1)
            across[np.uintp(j)] = values[left + np.uintp(2)] - values[left]
            down[np.uintp(j)] = values[top + np.uintp(2 * row)] - values[top]
        return
    squares = np.empty((6, dx.size) if rounding == 1 else (6, 1), np.float32)
    if rounding == 1:
        for c in range(3):
            for j in range(height * row - 2):
                start = np.uintp(c * (height + 2) * row + j)
                left, top = start + np.uintp(row), start + np.uintp(1)
                squares[2 * c, j] = (values[left + np.uintp(2)] - values[left]) ** 2
                squares[2 * c + 1, j] = (values[top + np.uintp(2 * row)] - values[top]) ** 2
    _take_strongest(values, squares, row, np.intp(0), height * row - 2, tie > 0, rounding, across, down)
    for y in range(height if 0 < tie < row - 2 else 0):
        _take_strongest(values, squares, row, y * row + tie, y * row + row - 2, tie == 0, rounding, across, down)


@exact
def _take_strongest(values, squares, row, first, last, early, rounding, dx, dy):
    """The gradients at places `first` to `last`: of the equally strong, blue counts first if `early`."""
    plane, two, below = np.uintp(values.size // 3), np.uintp(2), np.uintp(2 * row)
    for j in range(first, last):
        left, top = np.uintp(j + row), np.uintp(j + 1)
        red_x, red_y = values[left + two] - values[left], values[top + below] - values[top]
        left, top = left + plane, top + plane
        green_x, green_y = values[left + two] - values[left], values[top + below] - values[top]
        left, top = left + plane, top + plane
        blue_x, blue_y = values[left + two] - values[left], values[top + below] - values[top]
        if rounding == 1:
            red, green = squares[0, j] + squares[1, j], squares[2, j] + squares[3, j]
            blue = squares[4, j] + squares[5, j]
        else:
            red, green = strength(red_x, red_y, rounding), strength(green_x, green_y, rounding)
            blue = strength(blue_x, blue_y, rounding)
        second = green >= red if early else green > red
        red_x, red_y, red = (green_x, green_y, green) if second else (red_x, red_y, red)
        third = blue >= red if early else blue > red
        dx[np.uintp(j)] = blue_x if third else red_x
        dy[np.uintp(j)] = blue_y if third else red_y


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
