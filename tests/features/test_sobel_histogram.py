"""SobelHistogram against the descriptor of OpenCV's tutorial, written anew here."""

import cv2
import numpy as np
import pytest

from cvclassic.features import SobelHistogram

RNG = np.random.default_rng(4)


def digits(n=20, size=20):
    """Smooth strokes, and noise: both kinds of gradients."""
    X = RNG.integers(0, 256, (n, size, size), dtype=np.uint8)
    X[: n // 2] = [cv2.GaussianBlur(image, (5, 5), 0) for image in X[: n // 2]]
    return X


def tutorial(image, hellinger=False):
    magnitude, angle = cv2.cartToPolar(cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1))
    bins = np.int32(16 * angle / (2 * np.pi))
    half = image.shape[0] // 2
    upper, lower, left, right = slice(None, half), slice(half, None), slice(None, half), slice(half, None)
    quadrants = [(upper, left), (lower, left), (upper, right), (lower, right)]
    histogram = np.concatenate([np.bincount(bins[q].ravel(), magnitude[q].ravel(), 16) for q in quadrants])
    if hellinger:
        histogram = np.sqrt(histogram / (histogram.sum() + 1e-7))
        histogram /= np.linalg.norm(histogram) + 1e-7
    return histogram


@pytest.mark.parametrize(("normalization", "hellinger"), [(None, False), ("sqrt", True)])
def test_the_tutorials_descriptor(normalization, hellinger):
    X = digits()
    features = SobelHistogram(normalization=normalization).transform(X)
    expected = np.stack([tutorial(image, hellinger) for image in X])
    # A pixel whose angle lies on the border of two bins may go to either: OpenCV's angles err by about 0.01 degrees.
    moved = np.abs(features - expected) > 1e-5 * expected.max()
    assert moved.mean() <= 2e-3


def test_edges_at_exact_angles():
    # Multiples of 45 degrees are in the middle of the tutorial's range of bins or on a border; they must not be lost.
    X = np.zeros((4, 8, 8), np.uint8)
    X[0, :, 4:], X[1, :, :4], X[2, 4:], X[3, :4] = 200, 200, 200, 200
    features = SobelHistogram(orientations=4, grid=1).fit(X).transform(X)
    assert features.argmax(axis=1).tolist() == [0, 2, 1, 3]
    # Two columns or rows of eight pixels with a difference of 200, weighted by 1 + 2 + 1.
    np.testing.assert_allclose(features.max(axis=1), 2 * 8 * 4 * 200, rtol=1e-5)


def test_unsigned_puts_opposite_directions_together():
    X = digits()
    signed = SobelHistogram(orientations=16).transform(X).reshape(-1, 4, 2, 8).sum(axis=2)
    unsigned = SobelHistogram(orientations=8, signed=False).transform(X).reshape(-1, 4, 8)
    assert (np.abs(signed - unsigned) > 1e-4 * signed.max()).mean() <= 2e-3


def test_rgb_counts_as_its_gray_version():
    X = RNG.integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)
    gray = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in X])
    np.testing.assert_array_equal(SobelHistogram().transform(X), SobelHistogram().transform(gray))


def test_floating_point_on_the_scale_of_uint8():
    X = digits()
    # n / 256 is exact in binary, so that no angle on a border changes its bin.
    as_float = SobelHistogram().transform(X / 256)
    np.testing.assert_allclose(as_float, SobelHistogram().transform(X) * np.float32(255 / 256), rtol=1e-5, atol=1e-2)


def test_normalization_of_the_whole_vector():
    X = digits()
    np.testing.assert_allclose(SobelHistogram(normalization="l1").transform(X).sum(axis=1), 1, rtol=1e-5)
    for normalization in ("sqrt", "l2"):
        lengths = np.linalg.norm(SobelHistogram(normalization=normalization).transform(X), axis=1)
        np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    flat = np.full((1, 8, 8), 7, np.uint8)
    assert not SobelHistogram(normalization="l1").transform(flat).any()


def test_names_follow_the_tutorials_order():
    X = np.zeros((1, 8, 8), np.uint8)
    X[0, 6, 0:3] = 255  # lower left
    extractor = SobelHistogram().fit(X)
    assert extractor.get_feature_names_out()[extractor.transform(X)[0].argmax()].startswith("cell1_0_")
