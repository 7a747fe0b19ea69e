"""The contract for image batches."""

import re

import cv2
import numpy as np
import pytest

from cvclassic.errors import InputError
from cvclassic.images import COLOR_SPACES, channel_ranges, check_images, convert, digests, is_color, to_gray

RGB = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("X", [RGB, RGB[..., 0], RGB.astype(np.float32) / 255])
def test_a_good_batch_comes_back_as_it_is(X):
    assert check_images(X) is X


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floating_point_becomes_float32(dtype):
    X = (RGB / 255).astype(dtype)
    checked = check_images(X)
    assert checked.dtype == np.float32
    np.testing.assert_array_equal(checked, X.astype(np.float32))


def test_lists_are_read_as_arrays():
    assert check_images([[[0.0, 1.0], [0.5, 0.25]]]).shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (RGB[0, :, :, 0], r"shape \(5, 7\).*image\[np.newaxis\]"),
        (RGB[0], r"shape \(5, 7, 3\).*one RGB image pass image\[np.newaxis\]"),
        (RGB[..., :1], r"shape \(3, 5, 7, 1\).*X\[\.\.\., 0\]"),
        (np.concatenate([RGB, RGB[..., :1]], axis=3), r"X\[\.\.\., :3\]"),
        (RGB[..., :2], r"shape \(3, 5, 7, 2\)"),
        (RGB[np.newaxis], r"shape \(1, 3, 5, 7, 3\)"),
        (RGB[:0], "no pixels"),
        (RGB.astype(np.int64), r"int64.*astype\(np.uint8\)"),
        (RGB.astype(np.float32), "Divide by 255"),
        (RGB / 255 - 0.5, "Scale the values"),
        (np.full((1, 2, 2), np.nan), "remove NaN"),
        ([[[1, 2], [3]]], "one shape"),
    ],
)
def test_bad_batches_say_what_to_do(X, message):
    with pytest.raises(InputError, match=message):
        check_images(X)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64])
def test_what_is_said_of_more_bits_keeps_their_values(bits, dtype):
    X = (RGB.astype(np.int64) * (2**bits - 1) // 255).astype(dtype)
    converted = follow(X, r"convert with (.*?\(np.float32\)).*same number")
    np.testing.assert_allclose(check_images(converted), RGB / 255, atol=1 / 2**bits)


def test_what_is_said_of_bools_and_of_integers_of_bytes_keeps_their_values():
    black_and_white = RGB > 127
    np.testing.assert_array_equal(
        check_images(follow(black_and_white, "Convert with (.*?)\\.$")), black_and_white * 255
    )
    for dtype in (np.int16, np.int32, np.uint64):
        X = RGB.astype(dtype)
        np.testing.assert_array_equal(check_images(follow(X, r"Convert with (X.astype\(np.uint8\))")), RGB)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (RGB.astype(np.int16) - 128, "from -128 to 127; shift and scale"),
        (RGB.astype(np.int64) * 10**6, "from 0 to 255000000; divide all images by the largest"),
        (RGB.astype(np.uint16), r"16 bits, and are all this dark, with \(X / 65535\)"),
        (RGB.astype(complex), "numbers first"),
        (np.array([[["a"]]]), "numbers first"),
    ],
)
def test_other_types_say_what_was_found(X, message):
    with pytest.raises(InputError, match=message):
        check_images(X)


def follow(X, advice):
    """Convert the images as the error says."""
    with pytest.raises(InputError) as caught:
        check_images(X)
    return eval(re.search(advice, str(caught.value))[1], {"X": X, "np": np})


def test_the_name_of_the_argument_is_in_the_message():
    with pytest.raises(InputError, match="X_val has shape"):
        check_images(RGB[0, 0], name="X_val")


def test_is_color():
    assert is_color(RGB)
    assert not is_color(RGB[..., 0])


@pytest.mark.parametrize(
    ("color_space", "code"), [("hsv", cv2.COLOR_RGB2HSV), ("lab", cv2.COLOR_RGB2LAB), ("gray", cv2.COLOR_RGB2GRAY)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_conversion_of_a_batch_equals_cvtcolor_of_each_image(color_space, code, dtype):
    X = RGB if dtype == np.uint8 else RGB.astype(np.float32) / 255
    converted = convert(X, color_space)
    assert converted.dtype == dtype
    expected = np.stack([cv2.cvtColor(image, code) for image in X])
    # In float, cvtColor's vector and scalar paths may round the last bit differently.
    np.testing.assert_allclose(
        converted, expected, rtol=0 if dtype == np.uint8 else 1e-5, atol=0 if dtype == np.uint8 else 1e-4
    )


def test_conversion_takes_views_that_are_not_contiguous():
    np.testing.assert_array_equal(convert(RGB[:, ::2, ::-1], "hsv"), convert(RGB, "hsv")[:, ::2, ::-1])


def test_gray_and_rgb_pass_through():
    assert convert(RGB, "rgb") is RGB
    assert to_gray(RGB[..., 0]).base is RGB


def test_color_from_gray_images_is_an_error():
    with pytest.raises(InputError, match="needs RGB images"):
        convert(RGB[..., 0], "lab")


def test_unknown_color_space():
    with pytest.raises(InputError, match=r"'yuv' is unknown; use one of rgb, hsv"):
        convert(RGB, "yuv")


@pytest.mark.parametrize("color_space", COLOR_SPACES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_converted_values_stay_within_the_channel_ranges(color_space, dtype):
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), axis=-1).reshape(1, -1, 1, 3).astype(np.uint8)
    X = every if dtype == np.uint8 else every.astype(np.float32) / 255
    converted = convert(X, color_space)
    ranges = channel_ranges(color_space, X.dtype)
    for channel, (low, high) in enumerate(ranges):
        values = converted.reshape(-1, len(ranges))[:, channel]
        # cvtColor's float Lab is interpolated from a table and overshoots by less than this.
        assert values.min() >= low - 0.1
        assert values.max() < high if dtype == np.uint8 else values.max() <= high + 0.1


def test_digests_tell_images_apart_by_pixels_shape_and_dtype():
    images = np.concatenate([RGB, RGB])
    batches = [images, images[:, ::-1], images.reshape(6, 7, 5, 3), images.astype(np.float32), images[:, :, ::-1]]
    assert len({bytes(digest) for batch in batches for digest in digests(batch)}) == 3 * len(batches)
    np.testing.assert_array_equal(digests(images)[:3], digests(images)[3:])
