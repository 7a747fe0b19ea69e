"""The parts that several pipelines share, against the extractors themselves."""

import numpy as np
import pytest

from cvclassic.features import HOG, ColorGrid
from cvclassic.features.hog_color import COLOR_WEIGHT, hog_color, hog_pair


@pytest.mark.parametrize(("side", "cells"), [(8, (3, 4)), (32, (6, 8)), (64, (12, 16))])
def test_each_hog_has_length_one_and_colors_are_standardized_and_weighed(rng, side, cells):
    X = rng.integers(0, 256, (20, side, side + 4, 3), dtype=np.uint8)
    assert [name for name, _ in hog_pair(X.shape[1:])] == [f"hog_{cell}" for cell in cells]
    hogs = [HOG(cell_size=cell, signed=True, orientations=18).transform(X) for cell in cells]
    hogs = [hog / np.linalg.norm(hog, axis=1, keepdims=True) for hog in hogs]
    colors = ColorGrid(grid=4).transform(X).astype(float)
    colors = COLOR_WEIGHT * (colors - colors.mean(axis=0)) / colors.std(axis=0)

    union, _ = hog_color(X.shape[1:], n_train=20, random_state=0)
    np.testing.assert_allclose(union.fit_transform(X), np.hstack([*hogs, colors]), atol=1e-5)
    gray, _ = hog_color(X.shape[1:3], n_train=20, random_state=0)
    assert gray.fit_transform(X[..., 0]).shape == (20, sum(hog.shape[1] for hog in hogs))


# No more components than images, values, or 200.
@pytest.mark.parametrize(
    ("shape", "n_train", "components"),
    [((8, 8), 2, 2), ((8, 8, 3), 12, 12), ((8, 8), 90, 64), ((10, 60, 3), 90, 80), ((32, 32, 3), 220, 200)],
)
def test_components_fit_small_images_and_small_sets(rng, shape, n_train, components):
    X = rng.integers(0, 256, (n_train, *shape), dtype=np.uint8)
    union, pca = hog_color(shape, n_train=n_train, random_state=0)
    assert pca.fit_transform(union.fit_transform(X)).shape == (n_train, components)
