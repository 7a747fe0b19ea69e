"""From a file's content to pixels: OpenCV where it reads a kind of file faithfully, Pillow for the others."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cvclassic.decoding.budget import DECODING
from cvclassic.decoding.contract import InputContract, resized
from cvclassic.decoding.head import Decoder, Head
from cvclassic.decoding.heads import read_head
from cvclassic.decoding.reasons import NO_PICTURE, UnreadableError
from cvclassic.decoding.tiff import without_orientation

if TYPE_CHECKING:
    from PIL import Image

_SETTINGS = threading.Lock()
_before: list[tuple[int, int]] = []  # OpenCV's level and threads, once for each that reads
_BITS = (8, 10, 12, 14, 16)  # what cameras and scanners use of 16
_BLOCK = 1 << 20  # pixels that are laid on white at a time
# What turns a picture as its EXIF orientation mark says: transposed first, then flipped (cv2.flip: 0 upside down, 1
# left to right, -1 both).
_TURNS: dict[int, tuple[bool, int | None]] = {
    1: (False, None), 2: (False, 1), 3: (False, -1), 4: (False, 0),
    5: (True, None), 6: (True, 1), 7: (True, -1), 8: (True, 0),
}  # fmt: skip


def read_image(content: bytes, contract: InputContract) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """The picture in a file's content as the contract wants it, and height, width, channels and bits of the file.

    16-bit values are divided by the largest of 8, 10, 12, 14 or 16 bits, the fewest that hold all values of the picture
    (a camera's 12 bits in 16 are no dark picture). Floating point values are taken as 0 to 1 where all are, else as 0
    to 255, or as 16-bit values; where they are negative or larger, from the least to the largest. What is transparent
    shows white, and an orientation mark is followed.

    Raises
    ------
    UnreadableError
    """
    head = read_head(content)
    with DECODING.taking(head.cost):
        image, is_bgr = _decoded(content, head)
        turned = _turned(image, head.orientation)
        height, width = turned.shape[:2]
        image = resized(turned, contract)
        if image.ndim == 3 and contract.channels == 1:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if is_bgr else cv2.COLOR_RGB2GRAY)
        elif image.ndim == 2 and contract.channels == 3:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        elif is_bgr and image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return image, (height, width, head.channels, head.bits)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """OpenCV shares no picture out among threads, which costs more than it gains, and prints no line for bad ones.

    Both are settings of the whole process: of several threads that read at a time the first one changes them, and the
    last one puts back what was before.
    """
    log = getattr(cv2.utils, "logging", cv2)  # the place in OpenCV 5, and in 4
    with _SETTINGS:
        if not _before:
            threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
            settings = log.setLogLevel(0), threads
        else:
            settings = _before[0]
        _before.append(settings)
    try:
        yield
    finally:
        with _SETTINGS:
            level, threads = _before.pop()
            if not _before:
                log.setLogLevel(level)
                cv2.setNumThreads(threads)


def _decoded(content: bytes, head: Head) -> tuple[np.ndarray, bool]:
    """Gray or three channels, uint8, as the file has them; whether those are BGR."""
    if head.orientation_at is not None and head.orientation != 1:
        content = without_orientation(content, head.orientation_at)
    if head.decoder is Decoder.opencv:
        image = _by_opencv(content, head)
        if image is not None and {image.shape[:2], image.shape[1::-1]} & {(head.height, head.width)}:
            return image, True
    return _by_pillow(content, head), False


def _by_opencv(content: bytes, head: Head) -> np.ndarray | None:
    flags = cv2.IMREAD_IGNORE_ORIENTATION
    if head.alpha:
        flags = cv2.IMREAD_UNCHANGED
    elif head.bits > 8:
        flags |= cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    else:
        flags |= cv2.IMREAD_GRAYSCALE if head.channels == 1 else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        return None
    if image is None or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,), (4,)):
        return None
    return _on_white(image) if image.shape[2:] == (4,) else _to_8_bits(image)


def _by_pillow(content: bytes, head: Head) -> np.ndarray:
    """Gray or RGB, uint8."""
    from PIL import Image, ImageOps

    if head.format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    try:
        image = Image.open(io.BytesIO(content), formats=[head.format])
        if image.width * image.height > head.width * head.height:  # AVIF and HEIC may show a part of what they have
            raise UnreadableError(NO_PICTURE)
        image.load()  # the first picture, where there are several
        if head.format in ("AVIF", "HEIF"):  # turned by boxes, which Pillow gives as EXIF
            image = ImageOps.exif_transpose(image)
        return _array(image)
    except UnreadableError:
        raise
    except MemoryError as error:
        raise UnreadableError("too large for the memory that is free") from error
    except Exception as error:  # a damaged file makes decoders raise nearly anything
        raise UnreadableError(NO_PICTURE) from error


def _array(image: "Image.Image") -> np.ndarray:
    from PIL import Image

    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    elif image.mode == "F" or image.mode.startswith("I"):
        return _to_8_bits(np.asarray(image))
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return np.asarray(image)


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Values of any number type as uint8, by the rules of `read_image`."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        scale, shift = (255 / (high - low), -255 * low / (high - low)) if high > low else (0.0, 0.0)
    elif values.dtype.kind == "f" and high <= 1:
        scale, shift = 255.0, 0.0
    else:
        scale, shift = 255 / _most(high), 0.0
    if values.dtype not in (np.uint16, np.float32, np.float64):
        values = values.astype(np.float64)
    return cv2.convertScaleAbs(values, alpha=scale, beta=shift)


def _most(high: float) -> int:
    """The largest value of the fewest usual bits that hold `high`."""
    return next(2**bits - 1 for bits in _BITS if high < 2**bits)


def _on_white(image: np.ndarray) -> np.ndarray:
    """(height, width, 3) uint8 of (height, width, 4) uint8 or uint16 whose last channel is opacity."""
    if image.dtype not in (np.uint8, np.uint16):
        return _to_8_bits(np.ascontiguousarray(image[..., :3]))
    most, opaque = (
        (255, 255) if image.dtype == np.uint8 else (_most(int(image[..., :3].max())), _most(int(image[..., 3].max())))
    )
    laid = np.empty((*image.shape[:2], 3), np.uint8)
    rows = max(1, _BLOCK // image.shape[1])
    for top in range(0, len(image), rows):
        block = image[top : top + rows].astype(np.float32)
        alpha = block[..., 3:] / opaque
        laid[top : top + rows] = np.rint((block[..., :3] * alpha / most + (1 - alpha)) * 255)
    return laid


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    transposed, flip = _TURNS[orientation]
    if transposed:
        image = cv2.transpose(image)
    return image if flip is None else cv2.flip(image, flip)
