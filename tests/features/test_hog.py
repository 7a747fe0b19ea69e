"""HOG against cv2.HOGDescriptor and skimage.feature.hog."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color, data, draw, filters
from skimage.feature import hog as skimage_hog

from cvclassic.errors import InputError
from cvclassic.features import HOG

RNG = np.random.default_rng(1)
needs_opencvs_hog = pytest.mark.skipif(
    not hasattr(cv2, "HOGDescriptor"),
    reason="OpenCV without HOGDescriptor; stored numbers are checked instead",
)
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


@needs_opencvs_hog
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [(), (3,)], ids=["gray", "rgb"])
@pytest.mark.parametrize("gamma", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_opencv(size, channels, gamma, signed):
    X = RNG.integers(0, 256, (3, *size, *channels), dtype=np.uint8)
    expected = np.stack([opencv_hog(image, signed=signed, gamma=gamma) for image in X])
    np.testing.assert_allclose(HOG(signed=signed, gamma_correction=gamma).transform(X), expected, atol=1e-4)


@needs_opencvs_hog
@pytest.mark.parametrize(("cell", "block"), [(4, 2), ((6, 5), (3, 2)), (8, 1), ((4, 8), (1, 2))])
def test_opencv_cells_and_blocks(cell, block):
    X = RNG.integers(0, 256, (3, 32, 32), dtype=np.uint8)
    pairs = {k: (v, v) if isinstance(v, int) else v for k, v in {"cell": cell, "block": block}.items()}
    expected = np.stack([opencv_hog(image, orientations=7, **pairs) for image in X])
    features = HOG(orientations=7, cell_size=cell, block_size=block).transform(X)
    np.testing.assert_allclose(features, expected, atol=1e-4)


@st.composite
def batches(draw_from, dtypes=("uint8", "float32"), levels=(2, 4, 16, 256)):
    """Images with few or many levels, so that equal gradients and ties between channels occur."""
    height, width = draw_from(st.integers(4, 40)), draw_from(st.integers(4, 40))
    levels = draw_from(st.sampled_from(levels))
    channels = draw_from(st.sampled_from([(), (3,)]))
    rng = np.random.default_rng(draw_from(st.integers(0, 2**32)))
    X = (rng.integers(0, levels, (2, height, width, *channels)) * (255 // (levels - 1))).astype(np.uint8)
    return X if draw_from(st.sampled_from(dtypes)) == "uint8" else X.astype(np.float32) / np.float32(255)


def cells_and_blocks(X):
    """Sizes of cells and blocks, each (height, width), that fit into the images."""
    sides = [
        st.integers(1, size).flatmap(
            lambda cell, size=size: st.tuples(st.just(cell), st.integers(1, min(4, size // cell)))
        )
        for size in X.shape[1:3]
    ]
    return st.tuples(*sides).map(lambda s: ((s[0][0], s[1][0]), (s[0][1], s[1][1])))


# What cv2.HOGDescriptor of OpenCV 5.0 gives for one 16 x 16 image with 4 orientations: gray, RGB, and gray with gamma.
REFERENCE = {
    "gray": """0.32033 0.12440 0.00109 0.21904 0.32033 0.16712 0.00124 0.32033
               0.32033 0.28934 0.01705 0.32033 0.32033 0.32033 0.02232 0.32033""",
    "rgb": """0.26001 0.21962 0.17900 0.25471 0.26001 0.26001 0.26001 0.20247
              0.26001 0.26001 0.26001 0.26001 0.26001 0.26001 0.26001 0.26001""",
    "gamma": """0.31326 0.14549 0.00872 0.22580 0.31326 0.18985 0.01018 0.31326
                0.31326 0.31056 0.05016 0.31326 0.31326 0.31326 0.06710 0.31326""",
}


@pytest.mark.parametrize("kind", REFERENCE)
def test_opencvs_numbers_where_opencv_has_no_hog(kind):
    y, x = np.mgrid[:16, :16]
    image = ((x * x * 3 + y * 7 + x * y) % 256).astype(np.uint8)
    if kind == "rgb":
        image = np.stack([image, image[::-1], image.T], axis=-1)
    features = HOG(orientations=4, gamma_correction=kind == "gamma").transform(image[np.newaxis])[0]
    np.testing.assert_allclose(features, [float(value) for value in REFERENCE[kind].split()], atol=1e-4)


@needs_opencvs_hog
@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(2, 20), st.booleans(), st.booleans())  # with one bin, cv2 loses one of two votes
def test_opencv_with_any_parameters(random, orientations, signed, gamma):
    X = random.draw(batches(dtypes=["uint8"]))
    cell, block = random.draw(cells_and_blocks(X))
    if orientations * block[0] * block[1] < 4:  # cv2 itself reads beyond its arrays there
        orientations = 4
    expected = [
        opencv_hog(image, orientations=orientations, cell=cell, block=block, signed=signed, gamma=gamma) for image in X
    ]
    features = HOG(
        orientations=orientations, cell_size=cell, block_size=block, signed=signed, gamma_correction=gamma
    ).transform(X)
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(1, 20), st.sampled_from(["L1", "L1-sqrt", "L2", "L2-Hys"]), st.booleans())
def test_skimage_with_any_parameters(random, orientations, block_norm, gamma):
    # Square roots of 1, 2 and 3 make angles of exactly 60 degrees, where the last bit of an arctangent decides.
    X = random.draw(batches(levels=(2, 256) if gamma else (2, 4, 16, 256)))
    cell, block = random.draw(cells_and_blocks(X))
    features = HOG(
        convention="skimage",
        orientations=orientations,
        cell_size=cell,
        block_size=block,
        block_norm=block_norm,
        gamma_correction=gamma,
    ).transform(X)
    expected = [
        skimage_hog(
            image, orientations=orientations, pixels_per_cell=cell, cells_per_block=block, block_norm=block_norm,
            transform_sqrt=gamma, channel_axis=-1 if image.ndim == 3 else None,
        )
        for image in X
    ]  # fmt: skip
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-5)


def felzenszwalb(image, cell, orientations=9):
    """The 3 * orientations + 4 channels pixel by pixel and cell by cell, in double precision, for a gray image."""
    image = image.astype(float)
    height, width = image.shape
    cells = [int(np.floor(size / side + 0.5)) for size, side in zip(image.shape, cell, strict=True)]
    histogram = np.zeros((*cells, 2 * orientations))
    angles = np.pi * np.arange(2 * orientations) / orientations
    for y in range(1, cells[0] * cell[0] - 1):
        for x in range(1, cells[1] * cell[1] - 1):
            r, c = min(y, height - 2), min(x, width - 2)
            dx, dy = image[r, c + 1] - image[r, c - 1], image[r + 1, c] - image[r - 1, c]
            # Half of a tiny angle against the clock: where two directions are equally near, the first counts.
            nearest = int(np.argmax(np.round(dx * np.cos(angles) + dy * np.sin(angles), 6)))
            py, px = (y + 0.5) / cell[0] - 0.5, (x + 0.5) / cell[1] - 0.5
            for cy in (int(np.floor(py)), int(np.floor(py)) + 1):
                for cx in (int(np.floor(px)), int(np.floor(px)) + 1):
                    if 0 <= cy < cells[0] and 0 <= cx < cells[1]:
                        share = (1 - abs(py - cy)) * (1 - abs(px - cx))
                        histogram[cy, cx, nearest] += np.hypot(dx, dy) * share
    unsigned = histogram[..., :orientations] + histogram[..., orientations:]
    energy = (unsigned**2).sum(axis=2)
    out = np.zeros((cells[0] - 2, cells[1] - 2, 3 * orientations + 4))
    for y in range(1, cells[0] - 1):
        for x in range(1, cells[1] - 1):
            corners = [(y, x), (y - 1, x), (y, x - 1), (y - 1, x - 1)]
            norms = [np.sqrt(energy[r : r + 2, c : c + 2].sum() + 1e-4) for r, c in corners]
            signed = np.array([np.minimum(histogram[y, x] / norm, 0.2) for norm in norms])
            both = np.array([np.minimum(unsigned[y, x] / norm, 0.2) for norm in norms])
            out[y - 1, x - 1] = np.concatenate([signed.sum(0) / 2, both.sum(0) / 2, 0.2357 * signed.sum(1)])
    return out


@pytest.mark.parametrize(("size", "cell"), [((32, 32), (8, 8)), ((20, 37), (6, 5)), ((15, 16), (4, 4))])
def test_felzenszwalb(size, cell):
    X = RNG.integers(0, 256, (2, *size), dtype=np.uint8)
    extractor = HOG(convention="felzenszwalb", cell_size=cell).fit(X)
    expected = np.stack([felzenszwalb(image, cell) for image in X])
    assert expected.shape[-1] == 31
    np.testing.assert_allclose(extractor.transform(X).reshape(expected.shape), expected, atol=1e-4)
    color_images = np.repeat(X[..., np.newaxis], 3, axis=3)
    np.testing.assert_allclose(
        extractor.fit(color_images).transform(color_images), extractor.fit(X).transform(X), atol=1e-6
    )


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


def hog(
    image, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(3, 3), block_norm="L2-Hys", transform_sqrt=False
):
    """`skimage.feature.hog` on top of ours: one image of any range (block norms don't depend on the range, but eps)."""
    top = 1 if image.dtype == np.uint8 else max(1, float(image.max()))
    return HOG(
        convention="skimage",
        orientations=orientations,
        cell_size=pixels_per_cell,
        block_size=cells_per_block,
        block_norm=block_norm,
        gamma_correction=transform_sqrt,
    ).transform((image if top == 1 else image / top)[np.newaxis])[0]


class TestCasesOfScikitImage:
    """What scikit-image's own tests/skimage/feature/test_hog.py asks of its hog; visualization aside."""

    def test_output_size(self):
        image = data.astronaut()[:256].mean(axis=2) / 255
        assert len(hog(image, cells_per_block=(1, 1), block_norm="L1")) == 9 * 32 * 64
        assert len(hog(data.camera()[:150, :200], cells_per_block=(1, 1), block_norm="L1")) == 9 * 18 * 25

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("block_norm", ["L1", "L2-Hys"])
    def test_astronaut(self, dtype, block_norm):
        # scikit-image compares with a stored array that isn't installed; it keeps to it, so that it is the reference.
        image = color.rgb2gray(data.astronaut()).astype(dtype)
        expected = skimage_hog(image, cells_per_block=(3, 3), block_norm=block_norm)
        np.testing.assert_allclose(hog(image, block_norm=block_norm), expected, rtol=0, atol=1.5e-5)

    def test_odd_cell_size(self):
        image = np.zeros((3, 3))
        image[2, 2] = 1
        output = hog(image, pixels_per_cell=(3, 3), cells_per_block=(1, 1), block_norm="L1")
        np.testing.assert_allclose(output, [0.5, 0, 0, 0, 0.5, 0, 0, 0, 0], atol=0.5e-1)

    @pytest.mark.parametrize("quarter_turns", range(4))
    def test_a_step_of_brightness(self, quarter_turns):
        image = np.zeros((35, 35))
        image[17:] = 100
        image = np.rot90(image, quarter_turns)
        outputs = [
            hog(variant, orientations=4, cells_per_block=(1, 1), block_norm="L1", transform_sqrt=root)
            for variant in (image, image.astype(np.uint8))
            for root in (False, True)
        ]
        for output in outputs[1:]:
            np.testing.assert_allclose(output, outputs[0], atol=1.5e-4)
        strongest = outputs[0].reshape(-1, 4).max(axis=0)
        np.testing.assert_allclose(strongest, [0, 0, 1, 0] if quarter_turns % 2 == 0 else [1, 0, 0, 0], atol=1.5e-2)

    @pytest.mark.parametrize("orientations", range(2, 15))
    def test_a_circle_has_every_orientation(self, orientations):
        image = np.zeros((100, 100))
        image[draw.disk((50, 50), 33)] = 100
        image = filters.gaussian(image, sigma=2, mode="reflect")
        output = hog(image, orientations=orientations, cells_per_block=(1, 1), block_norm="L1").reshape(
            -1, orientations
        )
        np.testing.assert_allclose(output.mean(axis=0), output.mean(), atol=1.5e-1)

    def test_errors(self):
        with pytest.raises(ValueError):
            hog(np.eye(4), block_norm="Linf")
        with pytest.raises(InputError, match="smaller than one block of 24 x 24"):
            hog(np.zeros((23, 23)))
        assert hog(np.zeros((24, 24))).shape == (81,)

    @pytest.mark.parametrize("crop", [np.s_[:], np.s_[:64, :32]])
    def test_the_order_of_the_channels_makes_no_difference(self, crop):
        image = data.astronaut()[crop]
        image[..., 1:] = 0
        reference = hog(image, block_norm="L1")
        for shift in (1, 2):
            np.testing.assert_allclose(hog(np.roll(image, shift, axis=2), block_norm="L1"), reference, atol=1e-7)
