"""LBP against skimage.feature.local_binary_pattern."""

import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.feature import local_binary_pattern

from cvclassic.errors import InputError
from cvclassic.features import LBP


def labels_of_scikit_image(image, points, radius, method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about floating point images
        return local_binary_pattern(image, points, radius, method).astype(int)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 12),
    st.sampled_from([1, 1.0, 1.5, 2, 2.7, 3]),
    st.sampled_from(["uniform", "ror", "default"]),
    st.sampled_from([2, 3, 256]),
    st.sampled_from([np.uint8, np.float32]),
    st.integers(0, 2**32),
)
def test_patterns(points, radius, method, levels, dtype, seed):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, levels, (2, rng.integers(4, 24), rng.integers(4, 24)), dtype=np.uint8)
    X = X if dtype == np.uint8 else X.astype(dtype) / dtype(255)
    features = LBP(points=points, radius=radius, method=method, grid=1, normalization=None).transform(X)
    for image, histogram in zip(X, features, strict=True):
        labels = labels_of_scikit_image(image, points, radius, method)
        if method == "ror":  # only patterns that are their own least rotation occur
            present, counts = np.unique(labels, return_counts=True)
            extractor = LBP(points=points, radius=radius, method=method, grid=1).fit(X)
            names = list(extractor.get_feature_names_out())
            expected = np.zeros(len(names))
            expected[[names.index(f"cell0_0_pattern{p:0{points}b}") for p in present]] = counts
        else:
            expected = np.bincount(labels.ravel(), minlength=len(histogram))
        np.testing.assert_array_equal(histogram, expected)


def test_flat_ground():
    # Interpolation between equal values may come out a bit too low; the patterns then depend on the last bit.
    X = np.repeat(np.arange(1, 250, 7, dtype=np.uint8), 20 * 30).reshape(-1, 20, 30)
    features = LBP(grid=1, normalization=None).transform(X)
    for image, histogram in zip(X, features, strict=True):
        expected = np.bincount(labels_of_scikit_image(image, 8, 1, "uniform").ravel(), minlength=10)
        np.testing.assert_array_equal(histogram, expected)


def test_a_histogram_for_each_cell():
    X = np.random.default_rng(0).integers(0, 256, (3, 15, 17, 3), dtype=np.uint8)
    features = LBP(grid=(2, 3)).transform(X).reshape(3, 6, 10)
    for image, histograms in zip(X, features, strict=True):
        labels = labels_of_scikit_image(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 8, 1, "uniform")
        cells = [part for half in (labels[:7], labels[7:]) for part in (half[:, :5], half[:, 5:11], half[:, 11:])]
        for cell, histogram in zip(cells, histograms, strict=True):
            np.testing.assert_allclose(histogram, np.bincount(cell.ravel(), minlength=10) / cell.size, atol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"points": 17}, "2 to 16"),
        ({"radius": 0}, "radius=0"),
        ({"radius": 99}, "radius=99"),
        ({"method": "var"}, "'var'"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(InputError, match=message):
        LBP(**parameters).fit(np.zeros((1, 8, 8), np.uint8))
