"""Every extractor as an ONNX graph against itself, on pieces of photographs, drawings, noise and flat images."""

import cv2
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from skimage import data
from sklearn.pipeline import make_pipeline

from cvclassic.features import HOG, LBP, ColorGrid, ColorHistogram, Deskew, GaborBank, PatchDictionary, SobelHistogram
from cvclassic.model.onnx.graph import Graph
from cvclassic.model.onnx.pixels import Images, to_gray, to_hsv, to_lab
from tests.model.onnx_runs import features_by_onnx

RNG = np.random.default_rng(5)


def images_of(height, width):
    """40 RGB images: parts of photographs at several scales, noise, flat ones, and single bright pixels and lines."""
    out = []
    for photograph in (data.astronaut(), data.coffee(), data.cat()):
        for scale in (1, 3):
            for _ in range(4):
                rows, columns = height * scale, width * scale
                top, left = (RNG.integers(0, photograph.shape[i] - side) for i, side in enumerate((rows, columns)))
                part = photograph[top : top + rows, left : left + columns]
                out.append(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA))
    out += list(RNG.integers(0, 256, (6, height, width, 3), dtype=np.uint8))
    out += list(RNG.integers(0, 2, (3, height, width, 3), dtype=np.uint8) * np.uint8(255))
    out += [np.full((height, width, 3), color, np.uint8) for color in (0, 255, (10, 200, 90), 127)]
    line, dot, slanted = (np.zeros((height, width, 3), np.uint8) for _ in range(3))
    line[:, width // 2], dot[height // 3, width // 3] = 255, (0, 255, 255)
    slanted[np.arange(height), np.arange(height) * (width - 1) // height] = (255, 255, 9)
    return np.stack([*out, line, dot, slanted])


COLOR = images_of(30, 26)
GRAY = np.ascontiguousarray(images_of(19, 23)[..., 1])

HOGS = [
    {},
    {"signed": True, "orientations": 18, "cell_size": 5},
    {"gamma_correction": True, "cell_size": (4, 6), "block_size": (3, 1)},
    {"convention": "skimage"},
    {"convention": "skimage", "block_norm": "L1", "orientations": 8, "cell_size": 5, "block_size": (1, 2)},
    {"convention": "skimage", "block_norm": "L1-sqrt", "gamma_correction": True},
    {"convention": "skimage", "block_norm": "L2", "orientations": 12},
    {"convention": "felzenszwalb", "cell_size": 5},
]
OTHERS = [
    SobelHistogram(),
    SobelHistogram(signed=False, orientations=9, grid=3, normalization="l1"),
    SobelHistogram(grid=(1, 3), normalization="l2"),
    LBP(),
    LBP(method="ror", radius=1.5, points=7, normalization="sqrt"),
    LBP(method="default", radius=2.3, points=6, grid=(1, 2), normalization=None),
    ColorGrid(grid=(3, 4)),
    GaborBank(grid=3),
    ColorHistogram(color_space="gray", bins=7, grid=2),
]


def assert_equal_features(extractor, X, tolerance=1e-5):
    own = extractor.fit(X).transform(X)
    found = features_by_onnx(extractor, X)
    assert found.shape == own.shape
    assert np.abs(own).max() > 0
    np.testing.assert_allclose(found, own, rtol=0, atol=tolerance * np.abs(own).max())


@pytest.mark.parametrize("X", [COLOR, GRAY], ids=["rgb", "gray"])
@pytest.mark.parametrize("options", HOGS, ids=repr)
def test_hog(X, options):
    assert_equal_features(HOG(**options), X)


@pytest.mark.parametrize("X", [COLOR, GRAY], ids=["rgb", "gray"])
@pytest.mark.parametrize("extractor", OTHERS, ids=repr)
def test_other_extractors(X, extractor):
    assert_equal_features(extractor, X)


@pytest.mark.parametrize("color_space", ["rgb", "hsv", "lab"])
@pytest.mark.parametrize(
    "options", [{}, {"joint": False, "bins": (3, 5, 4), "grid": (2, 3), "normalization": "l2"}], ids=repr
)
def test_color_histogram(color_space, options):
    assert_equal_features(ColorHistogram(color_space=color_space, **options), COLOR)


@pytest.mark.parametrize("X", [COLOR, GRAY], ids=["rgb", "gray"])
@pytest.mark.parametrize("options", [{}, {"encoding": "threshold", "grid": (1, 2), "patch_size": 4}], ids=repr)
def test_patch_dictionary(X, options):
    """Where the sum of a cell is next to nothing, its square root makes much of rounding."""
    extractor = PatchDictionary(n_atoms=20, n_patches=2000, n_iter=3, random_state=0, **options)
    own, found = extractor.fit(X).transform(X), features_by_onnx(extractor, X)
    np.testing.assert_allclose(found**2, own**2, rtol=0, atol=1e-5 * (own**2).max())


@pytest.mark.parametrize("X", [COLOR[:, :14, :16], GRAY], ids=["rgb", "gray"])
def test_deskewed_images_are_the_same_to_the_pixel(X):
    """A grid of one cell for each pixel shows the pixels: gray levels, and L, a and b."""
    grid = ColorGrid(grid=X.shape[1:3])
    extractor = make_pipeline(Deskew(), grid)
    found = features_by_onnx(extractor, X)
    assert np.array_equal(found, extractor.transform(X))
    assert not np.array_equal(found, grid.fit(X).transform(X))  # something was sheared


@pytest.mark.parametrize(
    ("convert", "code"),
    [(to_gray, cv2.COLOR_RGB2GRAY), (to_hsv, cv2.COLOR_RGB2HSV), (to_lab, cv2.COLOR_RGB2LAB)],
    ids=["gray", "hsv", "lab"],
)
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)], ids=["every fifth level", "all colors"])
def test_colors_are_those_of_opencv(convert, code, step):
    levels = np.append(np.arange(0, 255, step), 255).astype(np.uint8)
    of_pixels = pixel_function(convert, (len(levels), len(levels), 3))
    for red in levels:
        green, blue = np.meshgrid(levels, levels, indexing="ij")
        image = np.stack([np.full_like(green, red), green, blue], axis=2)
        own = cv2.cvtColor(image, code).reshape(*image.shape[:2], -1)
        assert np.array_equal(of_pixels(image), own)


def pixel_function(convert, shape):
    """`convert` as a function of one image, run by onnxruntime."""
    graph = Graph()
    found = convert(graph, Images("image", shape))
    model = graph.model(
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *shape[:2]])],
        [helper.make_tensor_value_info(found, TensorProto.FLOAT, ["n", "channels", *shape[:2]])],
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def of_pixels(image):
        planes = np.float32(image).transpose(2, 0, 1)[np.newaxis]
        return session.run(None, {"image": planes})[0][0].transpose(1, 2, 0)

    return of_pixels
