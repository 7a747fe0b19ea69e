"""What every extractor keeps to: output, parameters, scikit-learn's tools, and errors."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from cvclassic import features
from cvclassic.errors import InputError
from cvclassic.features import HOG, LBP, ColorGrid, ColorHistogram, Deskew, SobelHistogram
from cvclassic.features.compile import GROUPS, compile_kernels

RGB = np.random.default_rng(0).integers(0, 256, (6, 20, 24, 3), dtype=np.uint8)
GRAY = RGB[..., 0]
EXTRACTORS = [
    HOG(),
    HOG(convention="skimage", cell_size=(5, 6)),
    ColorHistogram(bins=3),
    ColorHistogram(color_space="gray", grid=2),
    ColorHistogram(joint=False, bins=(4, 5, 6), grid=(1, 2)),
    ColorGrid(),
    SobelHistogram(),
    LBP(),
    LBP(points=6, radius=2.5, method="ror", grid=(2, 3)),
    HOG(convention="felzenszwalb", cell_size=5),
    SobelHistogram(grid=(2, 3), signed=False, normalization="l2"),
]


def takes_gray(extractor):
    return extractor.get_params().get("color_space", "gray") == "gray"


@pytest.mark.parametrize("extractor", EXTRACTORS, ids=repr)
@pytest.mark.parametrize("X", [RGB, RGB / 255, GRAY, (GRAY / 255).astype(np.float32)])
def test_output_and_names(extractor, X):
    if X.ndim == 3 and not takes_gray(extractor):
        pytest.skip("needs RGB")
    before = X.copy()
    extractor = clone(extractor)
    features = extractor.fit_transform(X)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    assert np.isfinite(features).all()
    names = extractor.get_feature_names_out()
    assert len(set(names)) == features.shape[1] == len(names)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("extractor", EXTRACTORS, ids=repr)
def test_stateless_and_independent_of_the_batch(extractor):
    extractor = clone(extractor)
    whole = extractor.transform(RGB)
    assert not extractor.__sklearn_tags__().requires_fit
    np.testing.assert_array_equal(whole[2:3], extractor.transform(RGB[2:3]))
    np.testing.assert_array_equal(whole, extractor.fit(RGB).transform(RGB))
    # A view that isn't contiguous, as an index into a larger array often is.
    padded = np.zeros((6, 20, 48, 3), np.uint8)
    padded[:, :, ::2] = RGB
    np.testing.assert_array_equal(whole, extractor.transform(padded[:, :, ::2]))


@pytest.mark.parametrize("extractor", EXTRACTORS, ids=repr)
def test_more_images_than_one_block(extractor, monkeypatch):
    whole = extractor.transform(RGB)
    monkeypatch.setattr("cvclassic.features.extractor._PIXELS_PER_BLOCK", 20 * 24 * 4)
    np.testing.assert_array_equal(extractor.transform(RGB), whole)


@pytest.mark.parametrize(
    ("extractor", "tolerance"),
    [
        (HOG(), 1e-4),
        (HOG(convention="skimage"), 1e-5),
        (ColorHistogram(color_space="rgb"), 0),  # with 8 bins no level lies between the borders of both dtypes
        (ColorGrid(), 1),  # 8-bit Lab is rounded
    ],
    ids=repr,
)
def test_both_dtypes_tell_the_same(extractor, tolerance):
    as_float = RGB.astype(np.float32) / np.float32(255)
    np.testing.assert_allclose(extractor.transform(as_float), extractor.transform(RGB), atol=tolerance, rtol=0)


def test_a_pipeline_a_union_and_a_grid_search():
    y = np.arange(6) % 2
    union = FeatureUnion([("hog", HOG()), ("colors", ColorGrid())])
    model = Pipeline([("features", union), ("classifier", RidgeClassifier())])
    assert model.fit(RGB, y).predict(RGB).shape == (6,)
    assert union.get_feature_names_out()[0] == "hog__block0_0_cell0_0_0to20deg"
    search = GridSearchCV(model, {"features__hog__cell_size": [5, 10]}, cv=2).fit(RGB, y)
    assert search.best_params_["features__hog__cell_size"] in (5, 10)
    assert make_pipeline(Deskew(), SobelHistogram()).fit(GRAY).transform(GRAY).shape == (6, 64)


def test_another_shape_than_at_fit():
    extractor = HOG().fit(RGB)
    with pytest.raises(InputError, match=r"fitted on images of shape \(20, 24, 3\).*\(16, 24, 3\)"):
        extractor.transform(RGB[:, :16])


def test_names_need_the_shape():
    with pytest.raises(NotFittedError, match="depend on the images' shape"):
        HOG().get_feature_names_out()


@pytest.mark.parametrize(
    ("extractor", "message"),
    [
        (HOG(cell_size=16), "20 x 24 pixels are smaller than one block of 32 x 32"),
        (HOG(cell_size=0), "cell_size=0 must be a positive int"),
        (HOG(cell_size=2.5), r"cell_size=2\.5"),
        (HOG(block_size=(1, 2, 3)), r"block_size=\(1, 2, 3\)"),
        (HOG(orientations=0), "orientations=0"),
        (HOG(convention="matlab"), "'matlab' is unknown; use one of opencv"),
        (HOG(block_norm="L3"), "'L3' is unknown"),
        (HOG(block_norm="L1"), "for 'L1' use convention=\"skimage\""),
        (HOG(convention="skimage", signed=True), "no signed=True"),
        (ColorHistogram(color_space="xyz"), "'xyz' is unknown"),
        (ColorHistogram(bins=(8, 8)), "has 2 entries"),
        (ColorHistogram(bins=0), "bins=0"),
        (ColorHistogram(bins=70_000), "bins=70000 are more than 65,536"),
        (ColorHistogram(grid=21), "more cells than"),
        (ColorHistogram(normalization="max"), "'max' is unknown"),
        (ColorGrid(grid=(1, 25)), "more cells than"),
        (SobelHistogram(orientations=1.5), r"orientations=1\.5"),
        (SobelHistogram(normalization="hellinger"), "'hellinger' is unknown"),
    ],
)
def test_bad_parameters(extractor, message):
    for use in (extractor.fit, extractor.transform):
        with pytest.raises(InputError, match=message):
            use(RGB)


def test_color_asked_of_gray_images():
    with pytest.raises(InputError, match='color_space="gray"'):
        ColorHistogram().fit(GRAY)


@pytest.mark.parametrize("extractor", [HOG(), ColorGrid(), Deskew()], ids=repr)
def test_bad_batches(extractor):
    for use in (extractor.fit, extractor.transform):
        with pytest.raises(InputError, match="shape"):
            use(GRAY[0])


def test_every_extractor_is_compiled_ahead():
    ahead = {type(extractor).__name__ for group in GROUPS for extractor in group}
    without_kernels = {"Embedding", "MirrorParts", "PCA", "StandardScaler"}
    assert ahead == set(features.__all__) - {"show", "stream"} - without_kernels
    for group in GROUPS:
        compile_kernels(group)


@pytest.mark.parametrize("extractor", EXTRACTORS, ids=repr)
def test_features_in_memory_of_ones_own(extractor):
    expected = extractor.transform(RGB)
    out = np.full(expected.shape, np.nan, np.float32)
    assert extractor.transform(RGB, out=out) is out
    np.testing.assert_array_equal(out, expected)
    for wrong in (out[:-1], out.astype(float), np.asfortranarray(out)):
        with pytest.raises(InputError, match="out has shape"):
            extractor.transform(RGB, out=wrong)
