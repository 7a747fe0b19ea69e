"""PatchDictionary against the papers' formulas, written patch by patch."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from cvclassic.errors import InputError
from cvclassic.features import PatchDictionary
from cvclassic.features.patch_dictionary import _kmeans, zca

RNG = np.random.default_rng(6)
COLOR = RNG.integers(0, 256, (12, 12, 13, 3), dtype=np.uint8)
SMALL = PatchDictionary(n_atoms=10, patch_size=4, n_patches=500, n_iter=3, random_state=0)


def encode(image, extractor):
    size = extractor.patch_size
    image = image.astype(float).reshape(*image.shape[:2], -1)
    sides = [side - size + 1 for side in image.shape[:2]]
    encoded = np.zeros((*sides, extractor.n_atoms * (2 if extractor.encoding == "threshold" else 1)))
    for y in range(sides[0]):
        for x in range(sides[1]):
            patch = image[y : y + size, x : x + size].ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + extractor.contrast_regularization)
            patch = (patch - extractor.mean_) @ extractor.whitening_
            if extractor.encoding == "triangle":
                distances = np.linalg.norm(extractor.atoms_ - patch, axis=1)
                encoded[y, x] = np.maximum(0, distances.mean() - distances)
            else:
                along = extractor.atoms_ @ patch
                encoded[y, x] = np.maximum(0, np.concatenate([along, -along]) - extractor.threshold)
    rows, columns = sides[0] // 2, sides[1] // 2
    quarters = [encoded[:rows, :columns], encoded[:rows, columns:], encoded[rows:, :columns], encoded[rows:, columns:]]
    return np.sqrt(np.concatenate([quarter.sum(axis=(0, 1)) for quarter in quarters]))


@pytest.mark.parametrize("dictionary", ["kmeans", "random"])
@pytest.mark.parametrize("encoding", ["triangle", "threshold"])
@pytest.mark.parametrize("X", [COLOR, COLOR[..., 0], COLOR[..., 0].astype(np.float32) / np.float32(255)])
def test_the_papers_encoding(X, encoding, dictionary):
    extractor = clone(SMALL).set_params(encoding=encoding, dictionary=dictionary)
    if encoding == "triangle":
        extractor.set_params(contrast_regularization=40.0, whitening_regularization=1.0)
    features = extractor.fit_transform(X)
    assert features.dtype == np.float32
    assert features.shape[1] == len(extractor.get_feature_names_out())
    pixels = X if X.dtype == np.uint8 else X * 255
    expected = np.stack([encode(image, extractor) for image in pixels])
    np.testing.assert_allclose(features, expected, rtol=2e-4, atol=2e-3)


def test_whitening():
    patches = RNG.normal(size=(3000, 9)) @ RNG.normal(size=(9, 9))
    patches = (patches - patches.mean(axis=0)).astype(np.float32)
    whitening = zca(patches, 0.1)
    assert np.abs(whitening - zca(patches, 1.0)).max() > 0.1
    covariance = np.cov((patches @ whitening).T, bias=True)
    values, vectors = np.linalg.eigh(np.cov(patches.T, bias=True))
    expected = (vectors * (values / (values + 0.1))) @ vectors.T  # 1 but for the regularization
    np.testing.assert_allclose(covariance, expected, atol=1e-3)
    np.testing.assert_allclose(whitening, whitening.T, atol=1e-4)  # zero-phase: no rotation


def test_random_atoms_have_length_1():
    extractor = clone(SMALL).set_params(dictionary="random").fit(COLOR)
    np.testing.assert_allclose(np.linalg.norm(extractor.atoms_, axis=1), 1, rtol=1e-5)


def test_kmeans_finds_separate_clusters():
    corners = np.float32([[0, 0], [10, 0], [0, 10], [10, 10]])
    X = (np.repeat(corners, 50, axis=0) + RNG.normal(0, 0.1, (200, 2))).astype(np.float32)
    # Two centers start at the same place, so that one of them loses all its rows.
    found = _kmeans(X, X[[0, 0, 60, 160]].copy(), 30, np.random.RandomState(0))
    distances = np.linalg.norm(X[:, np.newaxis] - found, axis=2).min(axis=1)
    assert np.isfinite(found).all()
    assert distances.mean() < 4


def test_the_seed_decides():
    first, second = clone(SMALL).fit(COLOR), clone(SMALL).fit(COLOR)
    np.testing.assert_array_equal(first.atoms_, second.atoms_)
    assert not np.array_equal(first.atoms_, clone(SMALL).set_params(random_state=1).fit(COLOR).atoms_)


def test_blocks_make_no_difference(monkeypatch):
    extractor = clone(SMALL).fit(COLOR)
    whole = extractor.transform(COLOR)
    monkeypatch.setattr("cvclassic.features.patch_dictionary._BYTES_PER_BLOCK", 4 * 10 * 90 * 5)
    np.testing.assert_allclose(extractor.transform(COLOR), whole, rtol=1e-5)


def test_it_needs_fit():
    assert SMALL.__sklearn_tags__().requires_fit
    with pytest.raises(NotFittedError):
        clone(SMALL).transform(COLOR)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_atoms": 0}, "n_atoms=0"),
        ({"n_patches": 5}, "at least n_atoms"),
        ({"patch_size": 14}, "patch_size=14"),
        ({"dictionary": "ica"}, "'ica'"),
        ({"encoding": "hard"}, "'hard'"),
        ({"grid": 10}, "more cells"),
        ({"whitening_regularization": 0.0}, "whitening_regularization=0.0 must be a number above 0"),
        ({"contrast_regularization": "10"}, "contrast_regularization='10'"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(InputError, match=message):
        clone(SMALL).set_params(**parameters).fit(COLOR)
    with pytest.raises(InputError, match="fitted on images of shape"):
        clone(SMALL).fit(COLOR).transform(COLOR[:, :10])


def test_preparing_before_fit_is_no_error(rng):
    PatchDictionary(n_atoms=4).prepare(rng.integers(0, 256, (2, 16, 16), dtype=np.uint8))
