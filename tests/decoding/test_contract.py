import cv2
import numpy as np
import pytest

from cvclassic.decoding import RESIZES, InputContract, fitted
from cvclassic.errors import InputError

rng = np.random.default_rng(0)


def picture(height, width, channels=3):
    return rng.integers(0, 256, (height, width, 3)[: 2 + (channels == 3)], dtype=np.uint8)


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(32, 32), (1, 1), (1, 500), (700, 3), (31, 33), (200, 90), (8, 40)])
def test_any_picture_becomes_what_the_contract_says(resize, channels, shape):
    for given in (1, 3):
        image = fitted(picture(*shape, given), InputContract(32, 48, channels, resize))
        assert image.shape == ((32, 48) if channels == 1 else (32, 48, 3))
        assert image.dtype == np.uint8


def test_a_picture_of_that_size_stays_as_it_is():
    image = picture(32, 48)
    assert np.array_equal(fitted(image, InputContract(32, 48, 3)), image)


@pytest.mark.parametrize("resize", RESIZES)
def test_squares_are_the_same_by_all_ways(resize):
    image = picture(80, 80)
    averaged = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.array_equal(fitted(image, InputContract(32, 32, 3, resize)), averaged)


def test_pad_shows_all_in_the_middle_of_black():
    image = np.full((20, 60, 3), 200, np.uint8)
    found = fitted(image, InputContract(30, 30, 3, "pad"))
    assert (found[10:20] == 200).all()
    assert (found[:10] == 0).all()
    assert (found[20:] == 0).all()


def test_crop_shows_the_middle():
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = 200
    assert (fitted(image, InputContract(20, 20, 3, "crop")) == 200).all()
    assert (fitted(np.swapaxes(image, 0, 1), InputContract(40, 40, 3, "crop")) == 200).all()


def test_stretch_averages_the_side_that_shrinks_where_the_other_grows():
    image = np.zeros((16, 64), np.uint8)
    image[:, ::2] = 200  # lines that interpolation alone would keep or lose by chance
    found = fitted(image, InputContract(32, 32, 1, "stretch"))
    assert (found == 100).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((7, 32, 3), "height of images is 7"),
        ((32, 5000, 3), "width of images is 5000"),
        ((32, True, 3), "width"),
        ((32, 32, 4), "channels of images is 4"),
        ((32, 32, 3, "fit"), "resize is 'fit'; it is one of pad, crop, stretch"),
    ],
)
def test_what_can_not_be_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        InputContract(*values)
