"""PatchBank against its formulas, written patch by patch, and against mirrored images."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from cvclassic.errors import InputError
from cvclassic.features import PatchBank
from cvclassic.features.patch_bank import _tents

RNG = np.random.default_rng(6)
COLOR = RNG.integers(0, 256, (12, 12, 13, 3), dtype=np.uint8)
SMALL = PatchBank(n_filters=10, patch_size=4, n_patches=500, random_state=0)


def features_of(image, bank):
    size, (rows, columns) = bank.patch_size, (3, 3)
    image = image.astype(float).reshape(*image.shape[:2], -1)
    sides = [side - size + 1 for side in image.shape[:2]]
    cosines = np.zeros((*sides, bank.n_filters))
    for y in range(sides[0]):
        for x in range(sides[1]):
            patch = image[y : y + size, x : x + size].ravel()
            if np.ptp(patch) == 0:
                continue  # its cosine with everything is 0
            patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + bank.contrast_regularization)
            patch = (patch - bank.mean_) @ bank.whitening_
            cosines[y, x] = bank.filters_ @ (patch / np.linalg.norm(patch))
    out = np.zeros((rows, columns, 2, bank.n_filters))
    for r in range(rows):
        for c in range(columns):
            weights = [
                np.maximum(0, 1 - np.abs((np.arange(side) + 0.5) * 3 / side - (k + 0.5)))
                for k, side in zip((r, c), sides, strict=True)
            ]
            for sign in range(2):
                above = np.maximum(0, (1 - 2 * sign) * cosines - bank.threshold_)
                out[r, c, sign] = np.einsum("y,x,yxk->k", *weights, above)
    return np.sqrt(out.ravel())


@pytest.mark.parametrize("X", [COLOR, COLOR[..., 0], COLOR[..., 0].astype(np.float32) / np.float32(255)])
def test_the_formulas(X):
    bank = clone(SMALL)
    features = bank.fit_transform(X)
    assert features.dtype == np.float32
    assert features.shape[1] == len(set(bank.get_feature_names_out()))
    pixels = X if X.dtype == np.uint8 else X * 255
    expected = np.stack([features_of(image, bank) for image in pixels])
    np.testing.assert_allclose(features, expected, rtol=2e-4, atol=2e-3)


def test_patches_without_contrast_count_for_nothing():
    X = np.zeros((12, 14, 15), np.uint8)
    X[:, 5:9, 6:11] = RNG.integers(0, 256, (12, 4, 5))
    X[0] = 77
    bank = PatchBank(n_filters=10, patch_size=3, n_patches=500, random_state=0)
    features = bank.fit_transform(X)
    assert not features[0].any()
    np.testing.assert_allclose(features[1:], [features_of(image, bank) for image in X[1:]], rtol=2e-4, atol=2e-3)
    assert len(np.unique(bank.filters_, axis=0)) == 10  # of flat patches there would be one filter many times


def test_a_mirrored_image_has_the_same_features_in_another_order():
    bank = clone(SMALL).fit(COLOR)
    first, second = bank.mirror_pairs()
    features, mirrored = bank.transform(COLOR), bank.transform(np.ascontiguousarray(COLOR[:, :, ::-1]))
    np.testing.assert_allclose(mirrored[:, second], features[:, first], atol=2e-4)
    np.testing.assert_allclose(mirrored[:, first], features[:, second], atol=2e-4)
    np.testing.assert_array_equal(np.sort(np.concatenate([first, second])), np.arange(features.shape[1]))
    assert np.abs(features[:, first] - features[:, second]).max() > 0.1


def test_the_filters_are_what_is_said_of_them():
    bank = clone(SMALL).set_params(n_patches=4000).fit(COLOR)
    np.testing.assert_allclose(np.linalg.norm(bank.filters_, axis=1), 1, rtol=1e-5)
    mirrored = bank.filters_[:5].reshape(5, 4, 4, 3)[:, :, ::-1].reshape(5, -1)
    np.testing.assert_array_equal(bank.filters_[5:], mirrored)
    above = PatchBank(n_filters=10, patch_size=4, n_patches=4000, quantile=0.5, random_state=0).fit(COLOR)
    assert above.threshold_ < 0.1 < bank.threshold_ < 1


@pytest.mark.parametrize(("places", "cells"), [(27, 3), (29, 3), (22, 3), (10, 4), (3, 3), (7, 1), (11, 5)])
def test_the_weights_of_places_are_the_same_from_either_end(places, cells):
    weights = _tents(places, cells)
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
    between = slice(-(-places // (2 * cells)), places - -(-places // (2 * cells)))
    np.testing.assert_allclose(weights.sum(axis=0)[between], 1, rtol=1e-6)  # from the first center to the last
    assert weights.min() == 0 or cells == 1
    assert (weights.sum(axis=1) > 0).all()


def test_strips_and_batches_make_no_difference(monkeypatch):
    bank = clone(SMALL).fit(COLOR)
    whole = bank.transform(COLOR)
    np.testing.assert_allclose(bank.transform(COLOR[3:4]), whole[3:4], rtol=1e-5, atol=1e-5)
    monkeypatch.setattr("cvclassic.features.patch_bank._STRIP_BYTES", 1)
    np.testing.assert_allclose(bank.transform(COLOR), whole, rtol=1e-4, atol=1e-4)


def test_the_seed_decides():
    first = clone(SMALL).fit(COLOR)
    np.testing.assert_array_equal(first.filters_, clone(SMALL).fit(COLOR).filters_)
    assert not np.array_equal(first.filters_, clone(SMALL).set_params(random_state=1).fit(COLOR).filters_)


def test_images_without_any_contrast_have_no_features():
    blank = np.full((3, 12, 13, 3), 200, np.uint8)
    assert not clone(SMALL).fit(COLOR).transform(blank).any()
    assert np.isfinite(clone(SMALL).fit_transform(blank)).all()


def test_it_needs_fit_and_prepares_without():
    assert SMALL.__sklearn_tags__().requires_fit
    bank = clone(SMALL)
    bank.prepare(COLOR[:2])
    with pytest.raises(NotFittedError):
        bank.transform(COLOR)
    with pytest.raises(NotFittedError):
        bank.mirror_pairs()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_filters": 0}, "n_filters=0"),
        ({"n_filters": 7}, "n_filters=7 must be even"),
        ({"n_patches": 5}, "at least n_filters"),
        ({"patch_size": 14}, "patch_size=14"),
        ({"grid": 10}, "more cells"),
        ({"quantile": 1.0}, "quantile=1.0 must be a number above 0 and below 1"),
        ({"whitening_regularization": 0.0}, "whitening_regularization=0.0 must be a number above 0"),
        ({"contrast_regularization": "10"}, "contrast_regularization='10'"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(InputError, match=message):
        clone(SMALL).set_params(**parameters).fit(COLOR)
    with pytest.raises(InputError, match="fitted on images of shape"):
        clone(SMALL).fit(COLOR).transform(COLOR[:, :10])
