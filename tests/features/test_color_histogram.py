"""ColorHistogram against cv2.calcHist."""

import itertools

import cv2
import numpy as np
import pytest

from cvclassic.features import ColorHistogram

X = np.random.default_rng(2).integers(0, 256, (4, 15, 17, 3), dtype=np.uint8)
RANGES = {"rgb": [0, 256] * 3, "hsv": [0, 180, 0, 256, 0, 256], "lab": [0, 256] * 3}
CODES = {"hsv": cv2.COLOR_RGB2HSV, "lab": cv2.COLOR_RGB2LAB}


def in_space(image, color_space):
    return image if color_space == "rgb" else cv2.cvtColor(image, CODES[color_space])


@pytest.mark.parametrize("color_space", ["rgb", "hsv", "lab"])
@pytest.mark.parametrize("bins", [(8, 8, 8), (7, 3, 5), (180, 1, 2), (26, 2, 3), (3, 256, 5)])
def test_joint_counts(color_space, bins):
    features = ColorHistogram(color_space=color_space, bins=bins, normalization=None).transform(X)
    for image, histogram in zip(X, features, strict=True):
        pixels = in_space(image, color_space)
        expected = cv2.calcHist([pixels], [0, 1, 2], None, bins, RANGES[color_space])
        np.testing.assert_array_equal(histogram, expected.ravel())


def test_hsv_of_every_value_and_every_difference():
    rng = np.random.default_rng(0)
    value, difference = (each.ravel() for each in np.meshgrid(np.arange(256), np.arange(256)))
    value, difference = value[difference <= value], difference[difference <= value]
    between = value - (rng.random(len(value)) * (difference + 1)).astype(int)
    colors = np.stack([value, value - difference, between], axis=1).astype(np.uint8)
    colors = np.concatenate([colors[:, order] for order in itertools.permutations(range(3))])
    images = rng.permutation(colors).reshape(-1, 8, 48, 3)
    for channel, (bins, end) in enumerate([(180, 180), (256, 256), (256, 256)]):
        of_channels = tuple(bins if c == channel else 1 for c in range(3))
        features = ColorHistogram(bins=of_channels, normalization=None).transform(images)
        for image, histogram in zip(images, features, strict=True):
            expected = cv2.calcHist([in_space(image, "hsv")], [channel], None, [bins], [0, end])
            np.testing.assert_array_equal(histogram, expected.ravel())


@pytest.mark.parametrize("color_space", ["rgb", "hsv", "lab"])
def test_counts_of_each_channel_in_each_cell(color_space):
    bins = (5, 6, 7)
    features = ColorHistogram(
        color_space=color_space, bins=bins, joint=False, grid=(2, 3), normalization=None
    ).transform(X)
    for image, histogram in zip(X, features, strict=True):
        pixels = in_space(image, color_space)
        cells = [part for half in (pixels[:7], pixels[7:]) for part in (half[:, :5], half[:, 5:11], half[:, 11:])]
        expected = [
            cv2.calcHist(
                [np.ascontiguousarray(cell)], [c], None, [bins[c]], RANGES[color_space][2 * c : 2 * c + 2]
            ).ravel()
            for cell in cells
            for c in range(3)
        ]
        np.testing.assert_array_equal(histogram, np.concatenate(expected))


@pytest.mark.parametrize("images", [X, X[..., 0]])
def test_gray(images):
    features = ColorHistogram(color_space="gray", bins=10, normalization=None).transform(images)
    for image, histogram in zip(images, features, strict=True):
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
        np.testing.assert_array_equal(histogram, cv2.calcHist([gray], [0], None, [10], [0, 256]).ravel())


@pytest.mark.parametrize("color_space", ["rgb", "hsv", "lab"])
def test_floating_point_counts(color_space):
    images = np.clip(X.astype(np.float32) / 255, 0.01, 0.99)
    ranges = {"rgb": [0, 1] * 3, "hsv": [0, 360, 0, 1, 0, 1], "lab": [0, 100, -127, 127, -127, 127]}[color_space]
    features = ColorHistogram(color_space=color_space, bins=6, normalization=None).transform(images)
    for image, histogram in zip(images, features, strict=True):
        expected = cv2.calcHist([in_space(image, color_space)], [0, 1, 2], None, [6] * 3, ranges)
        # cvtColor's vector and scalar paths round differently, so that a pixel on the border may change its bin.
        assert np.abs(histogram - expected.ravel()).sum() <= 2


def test_white_falls_into_the_last_bin():
    white = np.ones((1, 4, 4, 3), np.float32)
    assert ColorHistogram(color_space="rgb").transform(white)[0, -1] == 1


@pytest.mark.parametrize(
    ("normalization", "length"),
    [("l1", lambda h: h.sum()), ("sqrt", lambda h: (h**2).sum()), ("l2", lambda h: (h**2).sum())],
)
def test_normalization_of_each_histogram(normalization, length):
    features = ColorHistogram(joint=False, grid=2, normalization=normalization).transform(X)
    for histogram in features.reshape(-1, 8):
        assert length(histogram) == pytest.approx(1, abs=1e-5)
    counts = ColorHistogram(joint=False, grid=2, normalization=None).transform(X)
    assert (np.argsort(features[0, :8], kind="stable") == np.argsort(counts[0, :8], kind="stable")).all()


def test_names_follow_the_columns():
    red = np.zeros((1, 4, 4, 3), np.uint8)
    red[0, 2:, 2:, 0] = 255
    extractor = ColorHistogram(color_space="rgb", bins=(2, 3, 4), grid=2).fit(red)
    names = extractor.get_feature_names_out()
    present = set(names[extractor.transform(red)[0] > 0])
    assert present == {"cell0_0_r0_g0_b0", "cell0_1_r0_g0_b0", "cell1_0_r0_g0_b0", "cell1_1_r1_g0_b0"}
