"""The one contract for image batches, and the conversions between color spaces.

A batch is a `numpy.ndarray` of shape `(n, height, width)` (gray) or `(n, height, width, 3)` (RGB), either `uint8`
or floating point in [0, 1]. BGR exists only inside a cv2 call.
"""

import hashlib

import cv2
import numpy as np

from cvclassic.errors import InputError

COLOR_SPACES = ("rgb", "hsv", "lab", "gray")
DIGEST_BYTES = 16

_CONVERSIONS = {"hsv": cv2.COLOR_RGB2HSV, "lab": cv2.COLOR_RGB2LAB, "gray": cv2.COLOR_RGB2GRAY}
_UINT8_RANGES = {
    "rgb": [(0, 256)] * 3,
    "hsv": [(0, 180), (0, 256), (0, 256)],
    "lab": [(0, 256)] * 3,
    "gray": [(0, 256)],
}
_FLOAT_RANGES = {
    "rgb": [(0, 1)] * 3,
    "hsv": [(0, 360), (0, 1), (0, 1)],
    "lab": [(0, 100), (-127, 127), (-127, 127)],
    "gray": [(0, 1)],
}


def check_images(X, *, name: str = "X") -> np.ndarray:
    """Return `X` as an image batch, or raise.

    Parameters
    ----------
    X : array-like of shape (n, height, width) or (n, height, width, 3)
        uint8, or floating point in [0, 1]. float64 and float16 come back as float32; the rest comes back as it is.

    Raises
    ------
    InputError
        With the shape, dtype or range that was found, and what to do about it.
    """
    check_in_memory(X, name=name)
    try:
        X = np.asarray(X)
    except ValueError as error:  # rows of different lengths
        raise InputError(
            f"{name} can't be read as an array: its images must all be of one shape. Resize them."
        ) from error
    check_image_shape(X, name=name)
    found = f"{name} has shape {X.shape} and dtype {X.dtype}"
    if X.dtype == np.uint8:
        return X
    if not np.issubdtype(X.dtype, np.floating):
        raise InputError(f"{found}; images are uint8, or floating point in [0, 1]. {_conversion(X, name)}")
    low, high = float(X.min()), float(X.max())
    if not (low >= 0 and high <= 1):  # also false where there is a NaN
        advice = "Divide by 255." if 1 < high <= 255 and low >= 0 else "Scale the values, and remove NaN."
        raise InputError(f"{found} and values from {low:g} to {high:g}; floating point images lie in [0, 1]. {advice}")
    return X.astype(np.float32, copy=False)


def check_in_memory(X, *, name: str = "X") -> None:
    """Raise `InputError` for a Dask array: NumPy would take all of it into memory without a word."""
    if hasattr(X, "__dask_graph__"):
        raise InputError(
            f"{name} is a Dask {type(X).__name__}, and this works on arrays in memory: pass {name}.compute() where it "
            "fits there. Dask arrays are taken by the extractors, features.PCA, features.StandardScaler, "
            'svm.LinearSVM and svm.KernelSVM(backend="nystroem").'
        )


def check_image_shape(X, *, name: str = "X") -> None:
    """Raise `InputError` unless an array, also a lazy one, has the shape of an image batch, whatever its dtype."""
    found = f"{name} has shape {X.shape} and dtype {X.dtype}"
    wanted = "an image batch is (n, height, width) gray or (n, height, width, 3) RGB"
    if X.ndim == 2:
        raise InputError(f"{found}; {wanted}. For one gray image pass image[np.newaxis].")
    if X.ndim == 3 and X.shape[2] == 3 and X.shape[1] > 3:  # gray ones of 3 columns that are higher, nobody has
        raise InputError(f"{found}; {wanted}. For one RGB image pass image[np.newaxis].")
    if X.ndim == 4 and X.shape[3] == 1:
        raise InputError(f"{found}; {wanted}. Drop the last axis: X[..., 0].")
    if X.ndim == 4 and X.shape[3] == 4:
        raise InputError(f"{found}; {wanted}. Drop the alpha channel: X[..., :3].")
    if X.ndim not in (3, 4) or (X.ndim == 4 and X.shape[3] != 3):
        raise InputError(f"{found}; {wanted}.")
    if 0 in X.shape:
        raise InputError(f"{found}; it holds no pixels.")


def _conversion(X: np.ndarray, name: str) -> str:
    """How to convert images of another type without ruin."""
    if X.dtype == bool:
        return f"Convert with {name}.astype(np.uint8) * 255."
    if X.dtype.kind not in "iu":
        return "Convert them to numbers first."
    low, high = int(X.min()), int(X.max())
    if low < 0:
        return (
            f"Its values go from {low} to {high}; shift and scale them to [0, 1], all images by the same two numbers."
        )
    if X.dtype.itemsize == 1 or high <= 255:
        bits = f" Where they have 16 bits, and are all this dark, with ({name} / 65535).astype(np.float32)."
        return f"Convert with {name}.astype(np.uint8).{bits if X.dtype.itemsize == 2 else ''}"
    bits = next((n for n in (10, 12, 14, 16) if high < 2**n), None)
    if bits is None:
        return f"Its values go from {low} to {high}; divide all images by the largest value that is possible in them."
    return (
        f"Its values go from {low} to {high}, which take {bits} bits; with so many convert with "
        f"({name} / {2**bits - 1}).astype(np.float32), or divide by the largest value of your camera or file format. "
        "Divide all images by the same number."
    )


def is_color(X: np.ndarray) -> bool:
    """Whether a batch that passed `check_images` is RGB."""
    return X.ndim == 4


def to_gray(X: np.ndarray) -> np.ndarray:
    """Gray version of a batch, `(n, height, width)`, same dtype; the weights are those of `cv2.COLOR_RGB2GRAY`."""
    return convert(X, "gray")


def convert(X: np.ndarray, color_space: str) -> np.ndarray:
    """Convert an RGB batch to `color_space`, with the numbers that `cv2.cvtColor` gives for its dtype.

    A gray batch passes unchanged where `color_space` is `"gray"`. For the range of each channel see `channel_ranges`.

    Returns
    -------
    ndarray of shape (n, height, width, 3), or (n, height, width) for `"gray"`; dtype of `X`

    Raises
    ------
    InputError
        For an unknown color space, or color asked of gray images.
    """
    check_color_space(color_space)
    if not is_color(X):
        if color_space == "gray":
            return X
        raise InputError(f"color_space={color_space!r} needs RGB images (n, height, width, 3); found shape {X.shape}.")
    if color_space == "rgb":
        return X
    n, height, width, _ = X.shape
    # Conversion works pixel by pixel, so that a whole batch is one tall image to cv2: no loop over images.
    tall = cv2.cvtColor(np.ascontiguousarray(X).reshape(n * height, width, 3), _CONVERSIONS[color_space])
    return tall.reshape((n, height, width, *tall.shape[2:]))


def channel_ranges(color_space: str, dtype: np.dtype) -> list[tuple[float, float]]:
    """The `(low, high)` range of each channel of `color_space`; half-open for uint8, closed for floating point."""
    check_color_space(color_space)
    return list((_UINT8_RANGES if dtype == np.uint8 else _FLOAT_RANGES)[color_space])


def check_color_space(color_space: str) -> None:
    """Raise `InputError` unless `color_space` is one of `COLOR_SPACES`."""
    if color_space not in COLOR_SPACES:
        raise InputError(f"color_space={color_space!r} is unknown; use one of {', '.join(COLOR_SPACES)}.")


def digests(X: np.ndarray) -> np.ndarray:
    """A hash of each image of a batch, (n, 16), uint8: exact copies share it. Other shapes or dtypes have another."""
    kind = f"{X.dtype.str}{X.shape[1:]}".encode()
    found = bytearray()
    for image in X:
        digest = hashlib.blake2b(kind, digest_size=DIGEST_BYTES)
        digest.update(np.ascontiguousarray(image))
        found += digest.digest()
    return np.frombuffer(bytes(found), np.uint8).reshape(len(X), DIGEST_BYTES)
