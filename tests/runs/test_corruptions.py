"""Corruptions against their formulas and against SciPy, scikit-image and OpenCV."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import hsv2rgb, rgb2hsv

from cvclassic.datasets.builtin import load_digits
from cvclassic.errors import InputError
from cvclassic.runs.corruptions import BRIGHTNESS, CONTRAST, CORRUPTIONS, JPEG, NOISE, STRENGTHS, corrupt

SHAPES = {"gray": (28, 28), "RGB": (32, 32, 3), "wide": (20, 45, 3), "tiny": (8, 8), "tall": (70, 33)}


def noise_images(shape, dtype, rng, n=6):
    pixels = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    return pixels if dtype == np.uint8 else (pixels / 255).astype(dtype)


@pytest.fixture(scope="module")
def photos():
    """Digits in gray, and in a color on another: pictures with edges and plain areas."""
    gray = load_digits().images[:40]
    ink, paper = np.random.default_rng(0).integers(0, 256, (2, len(gray), 1, 1, 3))
    share = gray[..., np.newaxis] / 255
    return {"RGB": np.rint(share * ink + (1 - share) * paper).astype(np.uint8), "gray": gray}


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_dtype_range_and_input_are_kept_and_the_seed_decides(rng, name, dtype, shape):
    images = noise_images(SHAPES[shape], dtype, rng)
    before = images.copy()
    for strength in STRENGTHS:
        changed = corrupt(images, name, strength, seed=3)
        assert changed.shape == images.shape
        assert changed.dtype == dtype
        assert changed.min() >= 0
        assert changed.max() <= (255 if dtype == np.uint8 else 1)
        assert np.array_equal(changed, corrupt(images, name, strength, seed=3))
    assert np.array_equal(images, before)
    if (name, shape) != ("blur", "tiny"):  # a quarter of a pixel wide, which bytes don't show
        assert not np.array_equal(changed, images)
    other = corrupt(images, name, 5, seed=4)
    random = name in ("Gaussian noise", "rotation", "shift", "occlusion")
    assert np.array_equal(other, changed) != random


@pytest.mark.parametrize("kind", ["RGB", "gray"])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_difference_grows_with_strength(photos, name, kind):
    images = photos[kind].astype(np.float64)
    differences = [np.abs(corrupt(photos[kind], name, strength) - images).mean() for strength in STRENGTHS]
    assert differences[0] > 0
    assert (np.diff(differences) > 0).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_bytes_and_floats_are_changed_alike(photos, name):
    for images in photos.values():
        changed = corrupt((images / 255).astype(np.float32), name, 3)
        assert np.abs(corrupt(images, name, 3) / 255 - changed).max() <= 0.5 / 255 + 1e-5


def test_noise_has_its_mean_and_deviation():
    gray = np.full((50, 32, 32, 3), 0.5, dtype=np.float32)
    n = gray.size
    for strength, deviation in zip(STRENGTHS, NOISE, strict=True):
        noise = corrupt(gray, "Gaussian noise", strength) - 0.5
        assert abs(noise.mean()) < 5 * deviation / np.sqrt(n)
        assert noise.std() == pytest.approx(deviation, rel=5 / np.sqrt(2 * n))
    assert not np.allclose(noise[0], noise[1])


@pytest.mark.parametrize("side", [32, 64])
def test_blur_is_that_of_scipy_and_grows_with_the_side(rng, side):
    images = noise_images((side, side + 8, 3), np.float64, rng)
    for strength, sigma in zip(STRENGTHS, (0.4, 0.6, 0.7, 0.8, 1.0), strict=True):
        sigma *= side / 32
        oracle = gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest", truncate=6)
        assert np.abs(corrupt(images, "blur", strength) - oracle).max() < 2e-3  # kernels end at 4 sigma, more or less


def test_brightness_adds_to_gray_and_to_the_value_of_hsv(rng):
    gray, color = noise_images((9, 9), np.float64, rng), noise_images((9, 9, 3), np.float64, rng)
    for strength, more in zip(STRENGTHS, BRIGHTNESS, strict=True):
        assert corrupt(gray, "brightness", strength) == pytest.approx(np.minimum(gray + more, 1), abs=1e-6)
        hsv = rgb2hsv(color)
        hsv[..., 2] = np.minimum(hsv[..., 2] + more, 1)
        assert corrupt(color, "brightness", strength) == pytest.approx(hsv2rgb(hsv), abs=1e-5)


def test_contrast_keeps_a_part_of_the_distance_from_each_channels_mean(rng):
    color = noise_images((9, 9, 3), np.float64, rng)
    mean = color.mean(axis=(1, 2), keepdims=True)
    for strength, left in zip(STRENGTHS, CONTRAST, strict=True):
        assert corrupt(color, "contrast", strength) == pytest.approx(mean + left * (color - mean), abs=1e-6)


def test_jpeg_is_opencvs_round_trip(rng, photos):
    for strength, quality in zip(STRENGTHS, JPEG, strict=True):
        for images in photos.values():
            for image, changed in zip(images[:5], corrupt(images[:5], "JPEG", strength), strict=True):
                bgr = np.ascontiguousarray(image[..., ::-1]) if image.ndim == 3 else image
                coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
                decoded = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)
                assert np.array_equal(changed, decoded[..., ::-1] if image.ndim == 3 else decoded)


def test_shift_moves_whole_pixels_of_32_diagonally_and_repeats_the_edge(rng):
    images = noise_images((32, 32, 3), np.uint8, rng, n=40)
    directions = set()
    for strength, pixels in zip(STRENGTHS, (1, 2, 3, 4, 6), strict=True):
        for image, changed in zip(images, corrupt(images, "shift", strength), strict=True):
            padded = np.pad(image, ((pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
            candidates = {
                (down, right): np.roll(padded, (down, right), axis=(0, 1))[pixels:-pixels, pixels:-pixels]
                for down in (-pixels, pixels)
                for right in (-pixels, pixels)
            }
            [(down, right)] = [where for where, oracle in candidates.items() if np.array_equal(changed, oracle)]
            directions.add((down > 0, right > 0))
    assert len(directions) == 4


def test_rotation_turns_about_the_center_to_either_side():
    # A bright disk to the right of the center of an odd frame lands where sine and cosine say.
    side, radius = 65, 20
    rows, columns = np.mgrid[:side, :side]
    image = np.exp(-((rows - 32) ** 2 + (columns - 32 - radius) ** 2) / 18)
    images = np.repeat(image[np.newaxis], 30, axis=0)
    for strength, degrees in zip(STRENGTHS, (5, 10, 15, 20, 30), strict=True):
        turned = corrupt(images, "rotation", strength)
        weights = turned / turned.sum(axis=(1, 2), keepdims=True)
        down = (weights * rows).sum(axis=(1, 2)) - 32
        right = (weights * columns).sum(axis=(1, 2)) - 32
        assert np.abs(down) == pytest.approx(np.full(30, radius * np.sin(np.radians(degrees))), abs=0.1)
        assert right == pytest.approx(np.full(30, radius * np.cos(np.radians(degrees))), abs=0.1)
        assert {-1, 1} == set(np.sign(down))


def test_an_occlusion_is_a_gray_square_wholly_inside_at_many_places(rng):
    images = np.zeros((200, 32, 40), dtype=np.uint8)
    for strength, size in zip(STRENGTHS, (4, 6, 8, 11, 14), strict=True):
        covered = corrupt(images, "occlusion", strength) == 128
        rows, columns = covered.any(axis=2), covered.any(axis=1)
        assert (rows.sum(axis=1) == size).all()
        assert (columns.sum(axis=1) == size).all()
        assert (covered.sum(axis=(1, 2)) == size**2).all()
        for there in (rows, columns):  # the first and the last place are reached too
            assert there[:, 0].any()
            assert there[:, -1].any()


def test_wrong_input_is_refused(rng):
    images = noise_images((9, 9), np.uint8, rng)
    with pytest.raises(InputError, match="'fog' is unknown; use one of Gaussian noise, blur"):
        corrupt(images, "fog", 1)
    with pytest.raises(InputError, match="strength=6"):
        corrupt(images, "blur", 6)
    with pytest.raises(InputError, match="Divide by 255"):
        corrupt(images.astype(float), "blur", 1)
