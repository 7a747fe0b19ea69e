"""MirrorParts: what it says of mirrored images, and its numbers against scikit-learn's PCA of a doubled set."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion

from cvclassic.errors import InputError
from cvclassic.features import HOG, ColorGrid, MirrorParts, PatchBank

RNG = np.random.default_rng(8)
SMOOTH = RNG.normal(size=(40, 8, 9, 3)).cumsum(axis=1).cumsum(axis=2)
IMAGES = np.interp(SMOOTH, [SMOOTH.min(), SMOOTH.max()], [0, 255]).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
MIRRORED = np.ascontiguousarray(IMAGES[:, :, ::-1])
EXTRACTORS = [HOG(cell_size=4), ColorGrid(), PatchBank(n_filters=8, patch_size=4, n_patches=500, random_state=0)]


def views(extractor):
    """Features of the images, and of their mirror images."""
    fitted = extractor.fit(IMAGES)
    return fitted.transform(IMAGES).astype(float), fitted.transform(MIRRORED).astype(float)


@pytest.mark.parametrize("X", [IMAGES, IMAGES[..., 0]], ids=["color", "gray"])
@pytest.mark.parametrize("extractor", EXTRACTORS, ids=lambda each: type(each).__name__)
def test_one_part_stays_and_the_other_changes_its_sign(extractor, X):
    parts = MirrorParts(extractor, n_components=7)
    found = parts.fit_transform(X)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.shape == (40, 14) == (40, len(set(parts.get_feature_names_out())))
    np.testing.assert_allclose(parts.transform(X), found, atol=1e-6)
    expected = found * np.tile(np.float32([1, -1]), 7)
    np.testing.assert_allclose(parts.transform(np.ascontiguousarray(X[:, :, ::-1])), expected, atol=1e-4)
    assert np.square(found).sum(axis=1).mean() == pytest.approx(1, abs=1e-4)
    assert np.abs(found[:, 1::2]).max() > 0.05


@pytest.mark.parametrize("n_images", [40, 12], ids=["more images than values", "fewer"])
def test_the_axes_are_those_of_images_and_mirror_images_together(n_images):
    """PCA of the doubled set finds axes of one symmetry each: with all of them the distances are the same."""
    extractor = ColorGrid(grid=(1, 2))
    u, v = (each[:n_images] for each in views(extractor))
    doubled = np.concatenate([u, v])
    doubled = (doubled - doubled.mean(axis=0)) / doubled.std(axis=0)
    expected = PCA(12).fit_transform(doubled)[:n_images]
    found = MirrorParts(extractor, n_components=12).fit_transform(IMAGES[:n_images])
    found *= np.sqrt(np.square(expected).sum(axis=1).mean())
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=2e-3)


def test_pairs_and_both_views_give_the_same_products():
    """By `mirror_pairs` half the values stand for all: products are the same but for the factor of 2."""
    bank = EXTRACTORS[2]

    class Views(PatchBank):
        mirror_pairs = property()

    parameters = bank.get_params()
    by_pairs = MirrorParts(bank, n_components=30).fit_transform(IMAGES)
    by_views = MirrorParts(Views(**parameters), n_components=30).fit_transform(IMAGES)
    np.testing.assert_allclose(by_pairs @ by_pairs.T, by_views @ by_views.T, atol=1e-3)


def test_randomized_axes_hold_nearly_as_much(monkeypatch):
    exact = MirrorParts(EXTRACTORS[0], n_components=10, random_state=0)
    variance = np.square(exact.fit_transform(IMAGES) @ np.diag(1 / _lengths(exact))).sum()
    monkeypatch.setattr("cvclassic.features.mirror_parts._LARGEST_EXACT", 10)
    found = MirrorParts(EXTRACTORS[0], n_components=10, random_state=0)
    randomized = np.square(found.fit_transform(IMAGES) @ np.diag(1 / _lengths(found))).sum()
    assert randomized == pytest.approx(variance, rel=0.02)


def _lengths(parts):
    both = np.stack([parts.symmetric_axes_, parts.antisymmetric_axes_], axis=-1)
    return np.linalg.norm(both, axis=0).ravel()


def test_blocks_make_no_difference(monkeypatch):
    parts = MirrorParts(EXTRACTORS[0], n_components=5)
    whole = parts.fit_transform(IMAGES)
    monkeypatch.setattr("cvclassic.features.mirror_parts._IMAGES_PER_BLOCK", 7)
    np.testing.assert_allclose(parts.fit_transform(IMAGES), whole, atol=1e-5)
    np.testing.assert_allclose(parts.transform(IMAGES), whole, atol=1e-5)


def test_in_a_union_the_parts_still_stand_in_turns():
    union = FeatureUnion([(str(k), MirrorParts(each, n_components=6)) for k, each in enumerate(EXTRACTORS)])
    found = union.fit_transform(IMAGES)
    turned = union.transform(MIRRORED)
    np.testing.assert_allclose(turned[:, 0::2], found[:, 0::2], atol=1e-4)
    np.testing.assert_allclose(turned[:, 1::2], -found[:, 1::2], atol=1e-4)


def test_equal_images_and_few_give_finite_values():
    same = np.repeat(IMAGES[:1], 5, axis=0)
    assert np.isfinite(MirrorParts(HOG(cell_size=4)).fit_transform(same)).all()
    assert not MirrorParts(ColorGrid()).fit_transform(np.zeros((4, 9, 9), np.uint8)).any()
    assert MirrorParts(ColorGrid()).fit_transform(IMAGES[:3]).shape == (3, 6)


def test_bad_use_is_named():
    with pytest.raises(InputError, match="n_components=0"):
        MirrorParts(HOG(), n_components=0).fit(IMAGES)
    with pytest.raises(InputError, match="two images or more; X holds 1"):
        MirrorParts(HOG()).fit(IMAGES[:1])
    with pytest.raises(NotFittedError):
        MirrorParts(HOG()).transform(IMAGES)
