"""Directories of TIFF: of a TIFF file, and of the EXIF data inside other files."""

import struct

import numpy as np

from cvclassic.decoding.head import Decoder, Head, damaged
from cvclassic.decoding.reasons import CUT_OFF, UnreadableError

ORIENTATION = 0x112
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_STRIP_STARTS, _STRIP_SIZES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_STARTS, _TILE_SIZES = 273, 279, 322, 323, 324, 325
_EXTRA = 338
_TYPES = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 11: "f4", 12: "f8"}
_MOST_ENTRIES = 1000
# What a byte can hold at most, by the number of the compression; fax, WebP and the like have no such bound.
_GROWTH = {1: 1, 5: 2800, 6: 512, 7: 512, 8: 1032, 32773: 128, 32946: 1032}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR, _LAB = 0, 1, 2, 3, 6, 8


def exif_orientation(content: bytes) -> int:
    """The orientation mark, 1 to 8, of EXIF data; 1 where there is none that can be read."""
    try:
        entries, order = _directory(content)
        return int(_numbers(content, entries[ORIENTATION], order)[0])
    except (KeyError, IndexError, struct.error, UnreadableError):
        return 1


def read_tiff(content: bytes) -> Head:
    """The head of the first picture in a TIFF file."""
    entries, order = _directory(content)

    def numbers(tag: int, *default: int) -> list[int]:
        return _numbers(content, entries[tag], order).tolist() if tag in entries else list(default)

    try:
        width, height = numbers(_WIDTH)[0], numbers(_HEIGHT)[0]
        bits, samples = numbers(_BITS, 1), numbers(_SAMPLES, 1)[0]
        photometric, compression = numbers(_PHOTOMETRIC, 1)[0], numbers(_COMPRESSION, 1)[0]
        orientation = numbers(ORIENTATION, 1)[0]
        tile = numbers(_TILE_WIDTH, 0)[0] * numbers(_TILE_HEIGHT, 0)[0]
    except IndexError:
        raise damaged() from None
    if not 1 <= samples <= 16 or not bits or not 1 <= bits[0] <= 64:
        raise damaged()
    held = _held(
        len(content), numbers(_STRIP_STARTS, *numbers(_TILE_STARTS)), numbers(_STRIP_SIZES, *numbers(_TILE_SIZES))
    )
    if compression in _GROWTH and height * width * samples * bits[0] // 8 > held * _GROWTH[compression]:
        raise UnreadableError(CUT_OFF)
    gray = photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
    alpha = samples > (1 if gray or photometric == _PALETTE else 3) and photometric != 5
    usual = photometric in (_BLACK_IS_ZERO, _RGB, _YCBCR, _LAB) and not alpha
    each = samples * max(1, (bits[0] + 7) // 8)
    return Head(
        "TIFF",
        height,
        width,
        1 if gray else 3,
        bits[0] if bits[0] in (10, 12, 14, 16, 32, 64) else 8,
        max(height * width, tile) * (2 * each + (6 if usual else 12)),
        Decoder.opencv if usual else Decoder.pillow,
        alpha,
        orientation,
        _place_of_orientation(entries, order),
    )


def without_orientation(content: bytes, at: tuple[int, int]) -> bytes:
    """The same file with an orientation mark that says: as it stands."""
    place, size = at
    one = (1).to_bytes(size, "little" if content.startswith(b"II") else "big")
    return b"".join([content[:place], one, content[place + size :]])


def _directory(content: bytes) -> tuple[dict[int, tuple[int, int, int]], str]:
    """Type, number of values and place of them, by tag, in the first directory; and "<" or ">", the order of bytes."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None:
        raise damaged()
    (first,) = struct.unpack(f"{order}I", content[4:8])
    (count,) = struct.unpack(f"{order}H", content[first : first + 2])
    if count > _MOST_ENTRIES:
        raise damaged()
    entries = {}
    for place in range(first + 2, first + 2 + 12 * count, 12):
        tag, kind, n = struct.unpack(f"{order}HHI", content[place : place + 8])
        size = n * np.dtype(_TYPES[kind]).itemsize if kind in _TYPES else 8
        at = place + 8 if size <= 4 else struct.unpack(f"{order}I", content[place + 8 : place + 12])[0]
        entries.setdefault(tag, (kind, n, at))
    return entries, order


def _numbers(content: bytes, entry: tuple[int, int, int], order: str) -> np.ndarray:
    kind, n, at = entry
    if kind not in _TYPES:
        raise damaged()
    dtype = np.dtype(order + _TYPES[kind])
    if at + n * dtype.itemsize > len(content):
        raise UnreadableError(CUT_OFF)
    return np.frombuffer(content, dtype, n, at)


def _held(size: int, starts: list[int], sizes: list[int]) -> int:
    """The bytes that hold pixels; UnreadableError where they would lie beyond the end of the file."""
    if not starts or len(starts) != len(sizes):
        raise damaged()
    if any(start + length > size for start, length in zip(starts, sizes, strict=True)):
        raise UnreadableError(CUT_OFF)
    return sum(sizes)


def _place_of_orientation(entries: dict[int, tuple[int, int, int]], order: str) -> tuple[int, int] | None:
    if ORIENTATION not in entries:
        return None
    kind, _, at = entries[ORIENTATION]
    return at, np.dtype(order + _TYPES.get(kind, "u2")).itemsize
