"""What a model's images must look like, and how a picture of another size becomes such an image."""

from dataclasses import dataclass

import cv2
import numpy as np

from cvclassic.errors import InputError

PAD, CROP, STRETCH = RESIZES = ("pad", "crop", "stretch")
SMALLEST_SIDE = 8
LARGEST_SIDE = 4096


@dataclass(frozen=True)
class InputContract:
    """What a model's images must look like, and how pictures of other sizes become so.

    Parameters
    ----------
    height, width : int
        In pixels, 8 to 4096.
    channels : {1, 3}
        1 is gray, 3 is RGB.
    resize : {"pad", "crop", "stretch"}
        What becomes of a picture of another shape. pad: it is shown whole, and what is missing on two sides has the
        mean color of the picture's edges there. crop: the largest part of that shape in its middle. stretch: its sides
        are scaled, each by its own factor.

    Raises
    ------
    InputError
        For other values.
    """

    height: int
    width: int
    channels: int
    resize: str = PAD

    def __post_init__(self):
        for name in ("height", "width"):
            side = getattr(self, name)
            if isinstance(side, bool) or not isinstance(side, int) or not SMALLEST_SIDE <= side <= LARGEST_SIDE:
                raise InputError(
                    f"{name} of images is {side!r}; it is a whole number of pixels from {SMALLEST_SIDE} to "
                    f"{LARGEST_SIDE:,}."
                )
        if isinstance(self.channels, bool) or self.channels not in (1, 3):
            raise InputError(f"channels of images is {self.channels!r}; it is 1 (gray) or 3 (RGB).")
        if self.resize not in RESIZES:
            raise InputError(f"resize is {self.resize!r}; it is one of {', '.join(RESIZES)}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """`(height, width)` or `(height, width, 3)`."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, 3)


def fitted(image: np.ndarray, contract: InputContract) -> np.ndarray:
    """One picture as the contract wants it.

    It is averaged where it becomes smaller (OpenCV's INTER_AREA) and interpolated where it becomes larger (bilinear).

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, 3), uint8
        Gray or RGB, of any size.
    contract : InputContract

    Returns
    -------
    ndarray of shape `contract.shape`, uint8
    """
    image = resized(image, contract)
    if contract.channels == 1:
        return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)


def resized(image: np.ndarray, contract: InputContract) -> np.ndarray:
    """A picture of the contract's height and width; its channels, in whatever order, stay as they are."""
    height, width = image.shape[:2]
    wanted = contract.height, contract.width
    if (height, width) == wanted:
        return image
    if contract.resize == STRETCH:
        return _scaled(image, *wanted)
    if contract.resize == CROP:
        scale = max(wanted[0] / height, wanted[1] / width)
        rows, columns = (
            min(side, max(1, round(most / scale))) for side, most in zip((height, width), wanted, strict=True)
        )
        top, left = (height - rows) // 2, (width - columns) // 2
        return _scaled(image[top : top + rows, left : left + columns], *wanted)
    scale = min(wanted[0] / height, wanted[1] / width)
    inner = [min(most, max(1, round(side * scale))) for side, most in zip((height, width), wanted, strict=True)]
    return _padded(_scaled(image, *inner), *wanted)


def _scaled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """A side that becomes shorter is averaged first, one that becomes longer is interpolated then."""
    smaller = min(height, image.shape[0]), min(width, image.shape[1])
    if smaller != image.shape[:2]:
        image = cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA)
    if (height, width) != image.shape[:2]:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image


def _padded(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The picture in the middle; what is missing has the mean color of the edge that it adjoins."""
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    bottom, right = top + image.shape[0], left + image.shape[1]
    padded = np.empty((height, width, *image.shape[2:]), np.uint8)
    padded[top:bottom, left:right] = image
    padded[:top, left:right] = _mean(image[0])
    padded[bottom:, left:right] = _mean(image[-1])
    padded[:, :left] = _mean(image[:, 0])
    padded[:, right:] = _mean(image[:, -1])
    return padded


def _mean(edge: np.ndarray) -> np.ndarray:
    """The mean color of a row or column of pixels, (3,) or a number, uint8."""
    return np.rint(edge.mean(axis=0)).astype(np.uint8)
