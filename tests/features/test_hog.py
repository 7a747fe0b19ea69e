"""HOG against cv2.HOGDescriptor and skimage.feature.hog."""

import cv2
import numpy as np
import pytest
from skimage.feature import hog as skimage_hog

from cvclassic.features import HOG

RNG = np.random.default_rng(1)
SIZES = [(16, 16), (20, 20), (33, 47), (64, 32)]


def opencv_hog(image, *, orientations=9, cell=(8, 8), block=(2, 2), signed=False, gamma=False):
    """The descriptor of the upper left window that holds all whole cells; every argument is given."""
    if image.ndim == 3:
        image = np.ascontiguousarray(image[..., ::-1])
    window = [size // c * c for size, c in zip(image.shape, cell, strict=False)]
    descriptor = cv2.HOGDescriptor(
        window[::-1], (block[1] * cell[1], block[0] * cell[0]), cell[::-1], cell[::-1], orientations,
        1, -1.0, 0, 0.2, gamma, 64, signed,
    )  # fmt: skip
    return descriptor.compute(image, locations=[(0, 0)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [(), (3,)], ids=["gray", "rgb"])
@pytest.mark.parametrize("gamma", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_opencv(size, channels, gamma, signed):
    X = RNG.integers(0, 256, (3, *size, *channels), dtype=np.uint8)
    expected = np.stack([opencv_hog(image, signed=signed, gamma=gamma) for image in X])
    np.testing.assert_allclose(HOG(signed=signed, gamma_correction=gamma).transform(X), expected, atol=1e-4)


@pytest.mark.parametrize(("cell", "block"), [(4, 2), ((6, 5), (3, 2)), (8, 1), ((4, 8), (1, 2))])
def test_opencv_cells_and_blocks(cell, block):
    X = RNG.integers(0, 256, (3, 32, 32), dtype=np.uint8)
    pairs = {k: (v, v) if isinstance(v, int) else v for k, v in {"cell": cell, "block": block}.items()}
    expected = np.stack([opencv_hog(image, orientations=7, **pairs) for image in X])
    features = HOG(orientations=7, cell_size=cell, block_size=block).transform(X)
    np.testing.assert_allclose(features, expected, atol=1e-4)


def test_gamma_correction_is_off_by_default_whatever_opencv_says():
    X = RNG.integers(0, 256, (2, 16, 16), dtype=np.uint8)
    np.testing.assert_allclose(HOG().transform(X), HOG(gamma_correction=False).transform(X), atol=0)
    assert np.abs(HOG().transform(X) - HOG(gamma_correction=True).transform(X)).max() > 0.01


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [(), (3,)], ids=["gray", "rgb"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("block_norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
def test_skimage(size, channels, dtype, block_norm):
    X = RNG.integers(0, 256, (2, *size, *channels), dtype=np.uint8)
    if dtype != np.uint8:
        X = X.astype(dtype) / dtype(255)
    for gamma in (False, True):
        expected = [
            skimage_hog(
                image, orientations=8, pixels_per_cell=(5, 8), cells_per_block=(2, 1), block_norm=block_norm,
                transform_sqrt=gamma, channel_axis=-1 if channels else None,
            )
            for image in X
        ]  # fmt: skip
        features = HOG(
            orientations=8,
            cell_size=(5, 8),
            block_size=(2, 1),
            block_norm=block_norm,
            gamma_correction=gamma,
            convention="skimage",
        ).transform(X)
        np.testing.assert_allclose(features, np.stack(expected), atol=1e-5)


@pytest.mark.parametrize("convention", ["opencv", "skimage"])
def test_names_point_at_the_right_cell_and_angle(convention):
    X = np.zeros((1, 24, 24), np.uint8)
    X[0, :8, 20:] = 255  # the one vertical edge, in the upper right cell: a gradient at 0 degrees
    X[0, 8:] = 128
    X[0, :8, :20] = 128
    extractor = HOG(convention=convention, block_size=1, orientations=6).fit(X)
    names = extractor.get_feature_names_out()[extractor.transform(X)[0] > 0.01]
    assert "block0_2_cell0_0_0to30deg" in names
    assert not [name for name in names if name.startswith(("block0_0", "block0_1", "block2"))]
