"""Deskew against OpenCV's tutorial, written anew here."""

import cv2
import numpy as np
import pytest

from cvclassic.features import Deskew


def slanted_stroke(height, width, slant):
    image = np.zeros((height, width), np.uint8)
    cv2.line(image, (int(width / 2 - slant), 2), (int(width / 2 + slant), height - 3), 255, 2, cv2.LINE_AA)
    return image


def tutorial(image):
    moments = cv2.moments(image)
    if abs(moments["mu02"]) < 1e-2:
        return image.copy()
    skew = moments["mu11"] / moments["mu02"]
    matrix = np.float32([[1, skew, -0.5 * image.shape[0] * skew], [0, 1, 0]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return cv2.warpAffine(image, matrix, image.shape[::-1], flags=flags)


@pytest.mark.parametrize("size", [(20, 20), (28, 28), (17, 31)])
def test_the_tutorials_numbers(size):
    X = np.stack([slanted_stroke(*size, slant) for slant in (-6, -3, 0, 2, 5)])
    expected = np.stack([tutorial(image) for image in X])
    # warpAffine rounds positions to 1/32 pixel: up to 255 / 64 gray levels.
    assert np.abs(Deskew().transform(X).astype(int) - expected).max() <= 4


def test_the_slant_is_gone():
    X = np.stack([slanted_stroke(28, 28, slant) for slant in (-6, 4, 6)])
    moments = [cv2.moments(image) for image in Deskew().fit_transform(X)]
    assert all(abs(m["mu11"] / m["mu02"]) < 0.03 for m in moments)


def test_floating_point_and_color():
    gray = np.stack([slanted_stroke(20, 20, slant) for slant in (-5, 4)])
    straight = Deskew().transform(gray)
    as_float = Deskew().transform(gray / 255)
    assert as_float.dtype == np.float32
    np.testing.assert_allclose(as_float * 255, straight, atol=4)
    color = Deskew().transform(np.repeat(gray[..., np.newaxis], 3, axis=3))
    np.testing.assert_array_equal(color, np.repeat(straight[..., np.newaxis], 3, axis=3))


def test_an_empty_image_stays_empty():
    X = np.zeros((2, 8, 8), np.uint8)
    X[1, 4] = 9  # one row: no vertical extent
    np.testing.assert_array_equal(Deskew().transform(X), X)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(20, 20), (64, 5), (300, 7), (9, 1)])
def test_rows_move_by_the_slant_also_out_of_the_image(size, channels):
    height, width = size
    rng = np.random.default_rng(0)
    stroke = np.stack([np.eye(height, width, k, dtype=bool) | np.eye(height, width, dtype=bool) for k in (-3, 1, 40)])
    X = stroke[..., np.newaxis] * rng.integers(0, 256, (3, height, width, channels), dtype=np.uint8)
    gray = np.repeat(X[..., :1], channels, axis=3)  # channels that are equal, so that the gray version is one of them
    expected = np.zeros(gray.shape)
    for i, image in enumerate(gray[..., 0].astype(float)):
        y, x = np.mgrid[:height, :width]
        center_x, center_y = ((image * each).sum() / max(image.sum(), 1) for each in (x, y))
        mu11 = (image * (x - center_x) * (y - center_y)).sum()
        mu02 = (image * (y - center_y) ** 2).sum()
        slant = mu11 / mu02 if mu02 >= 1e-2 else 0.0
        for row in range(height):
            place = np.arange(width) + slant * (row - height / 2)
            expected[i, row] = np.interp(place, np.arange(-1, width + 1), np.pad(image[row], 1))[:, np.newaxis]
    found = Deskew().transform(gray if channels == 3 else gray[..., 0])
    np.testing.assert_allclose(found.reshape(gray.shape), expected, atol=0.51)
