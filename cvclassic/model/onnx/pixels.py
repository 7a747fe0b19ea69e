"""From bytes to what the extractors see: gray levels, color spaces, gradients, deskewed and mirrored images.

Images are float32 (n, channels, height, width) here, whole numbers from 0 to 255. The conversions between color spaces
have the integers of `cv2.cvtColor`: for all 2^24 colors the same as OpenCV 5.0.0.
"""

from typing import NamedTuple

import numpy as np

from cvclassic.model.onnx.graph import Graph, Value

# OpenCV's weights of red, green and blue in gray, in 1/2^15 (`modules/imgproc/src/color_rgb.simd.hpp`).
GRAY = np.array([9798, 19235, 3735], np.float32)
# Its matrix from linear RGB to CIE XYZ over the white point D65, in 1/2^12 (`color_lab.cpp`).
RGB_TO_XYZ = np.array([[1777, 1541, 778], [871, 2929, 296], [73, 448, 3575]], np.float32)
_DEGREES = np.float32(180 / np.pi)
# The polynomial of `cv2.fastAtan2`, as features/kernels/shared.py has it.
ARC_TANGENT = [
    np.float32(p) * _DEGREES
    for p in (0.9997878412794807, -0.3258083974640975, 0.1555786518463281, -0.04432655554792128)
]


class Images(NamedTuple):
    """A tensor of images, and the shape of one: (height, width) or (height, width, 3)."""

    tensor: Value
    shape: tuple[int, ...]


def from_bytes(graph: Graph, name: Value, shape: tuple[int, ...]) -> Images:
    """The input of the graph, uint8 (n, height, width) or (n, height, width, 3), as `Images`."""
    numbers = graph.cast(name, np.float32)
    color = len(shape) == 3
    return Images(graph.transposed(numbers, 0, 3, 1, 2) if color else graph.reshaped(numbers, -1, 1, *shape), shape)


def mirrored(graph: Graph, images: Images) -> Value:
    """Left and right exchanged."""
    return graph.add("Gather", images.tensor, np.arange(images.shape[1])[::-1].astype(np.int64), axis=3)


def to_gray(graph: Graph, images: Images) -> Value:
    """(n, 1, height, width) as `cv2.COLOR_RGB2GRAY`."""
    if len(images.shape) == 2:
        return images.tensor
    # Below 2^24, so that single precision holds every sum exactly.
    weighted = graph.total(graph.add("Mul", images.tensor, GRAY.reshape(3, 1, 1)), 1)
    return _shifted(graph, weighted, 15)


def to_hsv(graph: Graph, images: Images) -> Value:
    """(n, 3, height, width) as `cv2.COLOR_RGB2HSV`: hue 0 to 179, saturation, value."""
    red, green, blue = graph.add("Split", images.tensor, n_outputs=3, axis=1)
    value = graph.add("Max", red, green, blue)
    spread = graph.add("Sub", value, graph.add("Min", red, green, blue))
    numbers = np.maximum(np.arange(256), 1)
    by_value = np.where(np.arange(256) > 0, np.rint((255 << 12) / numbers), 0).astype(np.int32)
    by_spread = np.where(np.arange(256) > 0, np.rint((180 << 12) / (6.0 * numbers)), 0).astype(np.int32)
    saturation = _scaled(graph, spread, graph.add("Gather", by_value, graph.cast(value, np.int64)), 0)

    from_red = graph.add("Sub", green, blue)
    from_green = graph.add("Add", graph.add("Sub", blue, red), graph.add("Mul", spread, 2.0))
    from_blue = graph.add("Add", graph.add("Sub", red, green), graph.add("Mul", spread, 4.0))
    other = graph.add("Where", graph.add("Equal", value, green), from_green, from_blue)
    sixths = graph.add("Where", graph.add("Equal", value, red), from_red, other)
    hue = _scaled(graph, sixths, graph.add("Gather", by_spread, graph.cast(spread, np.int64)), 180)
    hue = graph.add("Where", graph.add("Less", hue, 0.0), graph.add("Add", hue, 180.0), hue)
    return graph.add("Concat", hue, saturation, value, axis=1)


def to_lab(graph: Graph, images: Images) -> Value:
    """(n, 3, height, width) as `cv2.COLOR_RGB2LAB`: L from 0 to 255, a and b shifted by 128."""
    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    ratio = np.arange(3072) / (255 * 8)
    # In single precision, as OpenCV computes its table: that decides two of the entries.
    root = np.where(ratio < 216 / 24389, ratio * (841 / 108) + 16 / 116, np.cbrt(ratio)).astype(np.float32)
    root = np.rint(np.float32(2**15) * root).astype(np.int32)

    light = graph.add("Gather", np.rint(255 * 8 * linear).astype(np.float32), graph.cast(images.tensor, np.int64))
    tristimulus = graph.convolved(light, RGB_TO_XYZ.reshape(3, 3, 1, 1))  # sums of integers below 2^24
    roots = graph.add("Gather", root, graph.cast(_shifted(graph, tristimulus, 12), np.int64))
    x, y, z = graph.add("Split", roots, n_outputs=3, axis=1)

    def descaled(factor: int, value: Value, offset: int) -> Value:
        total = graph.add("Add", graph.add("Mul", value, np.int32(factor)), np.int32(offset + 2**14))
        return graph.add("Div", total, np.int32(2**15))  # none of them is negative

    lightness = descaled(296, y, -((16 * 255 * 2**15 + 50) // 100))
    a = descaled(500, graph.add("Sub", x, y), 128 << 15)
    b = descaled(200, graph.add("Sub", y, z), 128 << 15)
    lab = graph.clipped(graph.add("Concat", lightness, a, b, axis=1), np.int32(0), np.int32(255))
    return graph.cast(lab, np.float32)


def central_differences(graph: Graph, images: Value, shape: tuple[int, ...]) -> tuple[Value, Value]:
    """Gradients along the width and the height, 0 at the border."""

    def difference(axis: int, size: int, **border) -> Value:
        if size < 3:
            return graph.add("Sub", images, images)
        after, before = graph.sliced(images, axis, 2, size), graph.sliced(images, axis, 0, size - 2)
        return graph.padded(graph.add("Sub", after, before), **border)

    return difference(3, shape[1], left=1, right=1), difference(2, shape[0], top=1, bottom=1)


def angle(graph: Graph, dx: Value, dy: Value) -> Value:
    """The direction of gradients in degrees, 0 to 360, as `cv2.fastAtan2` approximates it."""
    ax, ay = graph.add("Abs", dx), graph.add("Abs", dy)
    ratio = graph.add("Div", graph.add("Min", ax, ay), graph.add("Add", graph.add("Max", ax, ay), 2.220446e-16))
    square = graph.add("Mul", ratio, ratio)
    p1, p3, p5, p7 = ARC_TANGENT
    found = graph.add("Add", graph.add("Mul", square, p7), p5)
    for p in (p3, p1):
        found = graph.add("Add", graph.add("Mul", found, square), p)
    found = graph.add("Mul", found, ratio)
    for turned, degrees in (
        (graph.add("Less", ax, ay), 90.0),
        (graph.add("Less", dx, 0.0), 180.0),
        (graph.add("Less", dy, 0.0), 360.0),
    ):
        found = graph.add("Where", turned, graph.add("Sub", degrees, found), found)
    return found


def deskew(graph: Graph, _step, images: Images) -> Images:
    """`features.Deskew`: rows shifted sideways by the slant of the gray image; in double precision, as there."""
    height, width = images.shape[:2]
    slant = _slant(graph, graph.cast(to_gray(graph, images), np.float64), height, width)
    rows = np.arange(height, dtype=np.float64).reshape(height, 1) - 0.5 * height
    shift = graph.add("Mul", slant, rows)  # (n, 1, height, 1)
    whole = graph.add("Floor", shift)
    right = graph.add("Sub", shift, whole)
    left = graph.add("Sub", np.float64(1), right)
    # A column of zeros on each side, for all that lies beyond.
    source = graph.padded(images.tensor, left=1, right=1)
    place = graph.add("Add", whole, np.arange(width, dtype=np.float64) + 1)
    value = None
    for weight, offset in ((left, 0), (right, 1)):
        column = graph.clipped(graph.add("Add", place, np.float64(offset)), np.float64(0), np.float64(width + 1))
        index = graph.cast(column, np.int64)
        if len(images.shape) == 3:
            index = graph.add("Concat", index, index, index, axis=1)
        neighbor = graph.cast(graph.add("GatherElements", source, index, axis=3), np.float64)
        part = graph.add("Mul", weight, neighbor)
        value = part if value is None else graph.add("Add", value, part)
    rounded = graph.add("Floor", graph.add("Add", value, np.float64(0.5)))
    return Images(graph.cast(rounded, np.float32), images.shape)


def _slant(graph, gray, height, width):
    """mu11 / mu02 (n, 1, 1, 1), and 0 where an image has no vertical extent."""
    x = np.arange(width, dtype=np.float64)
    y = np.arange(height, dtype=np.float64).reshape(height, 1)

    def per_mass(value):
        return graph.add("Div", value, graph.add("Max", m00, np.float64(1)))  # the least mass that is not 0

    mass, along = graph.total(gray, 3), graph.total(graph.add("Mul", gray, x), 3)  # of each row
    m00, m10 = graph.total(mass, 2), graph.total(along, 2)
    m01, m02 = (graph.total(graph.add("Mul", mass, weights), 2) for weights in (y, y * y))
    m11 = graph.total(graph.add("Mul", along, y), 2)
    mu02 = graph.add("Sub", m02, per_mass(graph.add("Mul", m01, m01)))
    mu11 = graph.add("Sub", m11, per_mass(graph.add("Mul", m10, m01)))
    flat = graph.add("Less", graph.add("Abs", mu02), np.float64(1e-2))
    slope = graph.add("Div", mu11, graph.add("Where", flat, np.float64(1), mu02))
    return graph.add("Where", flat, np.float64(0), slope)


def _shifted(graph, whole, bits):
    """`(whole + half) >> bits` of whole numbers in single precision."""
    return graph.add("Floor", graph.add("Mul", graph.add("Add", whole, 2.0 ** (bits - 1)), 2.0**-bits))


def _scaled(graph, whole, factors, least):
    """`(whole * factors + 2^11) >> 12`, where that is no less than `-least`, in integers and back."""
    product = graph.add("Mul", graph.cast(whole, np.int32), factors)
    # Division cuts towards 0, a shift rounds down.
    found = graph.add("Div", graph.add("Add", product, np.int32((1 << 11) + (least << 12))), np.int32(1 << 12))
    return graph.cast(graph.add("Sub", found, np.int32(least)), np.float32)
