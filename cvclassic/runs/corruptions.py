"""Changed copies of test images: eight corruptions in five strengths, after Hendrycks and Dietterich (ICLR 2019).

Of the five corruptions that their CIFAR-10-C has too (Gaussian noise, blur, brightness, contrast, JPEG), the strengths
are those of CIFAR-10-C. These differ:

- All strengths of a corruption share their random draws, so that strength alone tells them apart.
- The width of the blur is theirs at 32 pixels a side, and grows with the shorter side.
- Values are rounded to the nearest of the 256 levels, where their code cuts them off.
- JPEG is OpenCV's encoder.
- Rotation, shift and occlusion are not in CIFAR-10-C; their strengths are ours. What a turn or a shift moves in from
  outside repeats the edge; an occlusion is a gray square.

The mean corruption error here is the plain mean of all error rates. Theirs divides each corruption's by those of
AlexNet first, which has no meaning on other data sets.
"""

from collections.abc import Callable

import cv2
import numpy as np

from cvclassic.errors import InputError
from cvclassic.images import check_images

STRENGTHS = (1, 2, 3, 4, 5)

# Standard deviations, of pixels in [0, 1].
NOISE = (0.04, 0.06, 0.08, 0.09, 0.10)
# Standard deviations, as a fraction of the shorter side.
BLUR = (0.4 / 32, 0.6 / 32, 0.7 / 32, 0.8 / 32, 1.0 / 32)
# What is added to a gray image, or to the value of HSV.
BRIGHTNESS = (0.05, 0.1, 0.15, 0.2, 0.3)
# What is left of each pixel's distance from its channel's mean.
CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)
# Degrees, to the left or to the right.
ROTATION = (5, 10, 15, 20, 30)
# Fractions of height and width, in a diagonal direction of four.
SHIFT = (1 / 32, 2 / 32, 3 / 32, 4 / 32, 6 / 32)
# Quality, of 100.
JPEG = (80, 65, 58, 50, 40)
# Side of the square, as a fraction of the shorter side.
OCCLUSION = (4 / 32, 6 / 32, 8 / 32, 11 / 32, 14 / 32)


def corrupt(images: np.ndarray, name: str, strength: int, *, seed: int = 0) -> np.ndarray:
    """Changed copies of `images`, with their shape and dtype; the same for the same seed.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, 3)
        uint8, or floating point in [0, 1].
    name : str
        A key of `CORRUPTIONS`.
    strength : int
        1 to 5.
    seed : int
        Of the noise, the directions and the places.

    Raises
    ------
    InputError
        For an unknown name or strength, or an unusable batch.
    """
    if name not in CORRUPTIONS:
        raise InputError(f"The corruption {name!r} is unknown; use one of {', '.join(CORRUPTIONS)}.")
    if strength not in STRENGTHS:
        raise InputError(f"strength={strength!r}; it must be a whole number from 1 to 5.")
    images = np.asarray(images)
    checked = check_images(images)
    change, strengths = CORRUPTIONS[name]
    random = np.random.default_rng([seed, list(CORRUPTIONS).index(name)])
    changed = np.empty_like(images)
    for k, image in enumerate(checked):  # one by one, for memory: floats take four times as much as bytes
        pixels = image / np.float32(255) if image.dtype == np.uint8 else image
        pixels = np.clip(change(pixels, strengths[strength - 1], random), 0, 1)
        changed[k] = np.rint(pixels * 255) if images.dtype == np.uint8 else pixels
    return changed


def _noise(image: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    return image + deviation * random.standard_normal(image.shape, dtype=np.float32)


def _blur(image: np.ndarray, fraction: float, random: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), fraction * min(image.shape[:2]), borderType=cv2.BORDER_REPLICATE)


def _brightness(image: np.ndarray, more: float, random: np.random.Generator) -> np.ndarray:
    if image.ndim == 2:
        return image + np.float32(more)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = np.minimum(hsv[..., 2] + more, 1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _contrast(image: np.ndarray, left: float, random: np.random.Generator) -> np.ndarray:
    mean = image.mean(axis=(0, 1), keepdims=True)
    return (image - mean) * np.float32(left) + mean


def _rotation(image: np.ndarray, degrees: float, random: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    center = (width - 1) / 2, (height - 1) / 2
    return _warped(image, cv2.getRotationMatrix2D(center, random.choice([-degrees, degrees]), 1))


def _shift(image: np.ndarray, fraction: float, random: np.random.Generator) -> np.ndarray:
    down, right = random.choice([-fraction, fraction], 2) * image.shape[:2]
    return _warped(image, np.array([[1, 0, right], [0, 1, down]]))


def _jpeg(image: np.ndarray, quality: int, random: np.random.Generator) -> np.ndarray:
    pixels = np.rint(image * 255).astype(np.uint8)
    pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    pixels = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)
    pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if pixels.ndim == 3 else pixels
    return pixels / np.float32(255)


def _occlusion(image: np.ndarray, fraction: float, random: np.random.Generator) -> np.ndarray:
    size = max(round(fraction * min(image.shape[:2])), 1)
    top, left = (random.random(2) * (np.array(image.shape[:2]) - size + 1)).astype(int)
    covered = image.copy()
    covered[top : top + size, left : left + size] = 0.5
    return covered


def _warped(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


CORRUPTIONS: dict[str, tuple[Callable, tuple[float, ...]]] = {
    "Gaussian noise": (_noise, NOISE),
    "blur": (_blur, BLUR),
    "brightness": (_brightness, BRIGHTNESS),
    "contrast": (_contrast, CONTRAST),
    "rotation": (_rotation, ROTATION),
    "shift": (_shift, SHIFT),
    "JPEG": (_jpeg, JPEG),
    "occlusion": (_occlusion, OCCLUSION),
}
"""The corruptions by name: the function of one float32 image, and its five strengths."""
