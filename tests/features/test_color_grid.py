"""ColorGrid against numpy on the pixels of cv2.cvtColor."""

import cv2
import numpy as np
import pytest

from cvclassic.features import ColorGrid

X = np.random.default_rng(3).integers(0, 256, (4, 15, 17, 3), dtype=np.uint8)


def cells_2_by_3(pixels):
    return [part for half in (pixels[:7], pixels[7:]) for part in (half[:, :5], half[:, 5:11], half[:, 11:])]


def test_lab_statistics():
    for image, features in zip(X, ColorGrid(grid=(2, 3)).transform(X), strict=True):
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(float)
        expected = [np.concatenate([cell.mean((0, 1)), cell.std((0, 1))]) for cell in cells_2_by_3(lab)]
        np.testing.assert_allclose(features, np.concatenate(expected), atol=1e-4)


def test_floating_point_lab_in_8_bit_units():
    images = X.astype(np.float32) / 255
    for image, features in zip(images, ColorGrid(grid=(2, 3)).transform(images), strict=True):
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB) * [2.55, 1, 1] + [0, 128, 128]
        expected = [np.concatenate([cell.mean((0, 1)), cell.std((0, 1))]) for cell in cells_2_by_3(lab)]
        np.testing.assert_allclose(features, np.concatenate(expected), atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_gray_statistics(dtype):
    images = X[..., 0] if dtype == np.uint8 else X[..., 0] / 255
    for image, features in zip(X[..., 0], ColorGrid(grid=(2, 3)).transform(images), strict=True):
        expected = [(cell.mean(), cell.std()) for cell in cells_2_by_3(image.astype(float))]
        np.testing.assert_allclose(features, np.ravel(expected), atol=1e-4)


def test_names_follow_the_columns():
    extractor = ColorGrid(grid=1).fit(X)
    assert list(extractor.get_feature_names_out()) == [
        f"cell0_0_{statistic}_{channel}" for statistic in ("mean", "std") for channel in "Lab"
    ]
    assert list(ColorGrid(grid=1).fit(X[..., 0]).get_feature_names_out()) == ["cell0_0_mean_gray", "cell0_0_std_gray"]
