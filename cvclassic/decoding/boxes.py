"""Formats that are made of boxes: AVIF and HEIC (ISO base media files), JPEG 2000."""

import struct
from collections.abc import Iterator
from importlib.util import find_spec

from cvclassic.decoding.head import Decoder, Head, damaged
from cvclassic.decoding.reasons import CUT_OFF, HEIC, UnreadableError

_AVIF_BYTES = 20  # of a pixel: three planes of 16 bits, four channels of a library, and what Pillow makes of them
_MOST_BOXES = 10_000
_PACKAGE = "pillow_heif"


def read_avif(content: bytes) -> Head:
    """The head of an AVIF file; of several pictures it has the largest one's size."""
    return _head("AVIF", content)


def read_heif(content: bytes) -> Head:
    """The head of an HEIC file; UnreadableError says what to install where that is missing."""
    if find_spec(_PACKAGE) is None:
        raise UnreadableError(HEIC)
    return _head("HEIF", content)


def read_jp2(content: bytes) -> Head:
    """The head of a JPEG 2000 file."""
    for kind, start, _ in _boxes(content, 0, len(content)):
        if kind == b"jp2c":
            return read_jpeg2000_codestream(content[start:])
    raise damaged()


def read_jpeg2000_codestream(content: bytes) -> Head:
    """The head of a JPEG 2000 codestream, by its segment SIZ."""
    right, bottom, left, top, tile_width, tile_height = struct.unpack(">6I", content[8:32])
    (samples,) = struct.unpack(">H", content[40:42])
    width, height, bits = right - left, bottom - top, (content[42] & 0x7F) + 1
    if not 1 <= samples <= 4 or not tile_width or not tile_height or bits > 38:
        raise damaged()
    if (right // tile_width + 1) * (bottom // tile_height + 1) > 65535:
        raise damaged()
    # A block of code takes a bit or so, and holds 64 x 64 values at most.
    if height * width > len(content) * 8 * 4096:
        raise UnreadableError(CUT_OFF)
    alpha = samples in (2, 4)
    cost = height * width * (4 * samples + 12)
    channels = 1 if samples < 3 else 3
    decoder = Decoder.pillow if alpha else Decoder.opencv
    return Head("JPEG2000", height, width, channels, 8 if bits <= 8 else 16, cost, decoder, alpha)


def _head(name: str, content: bytes) -> Head:
    """By the box `ispe`, which each picture in the file has; bits by `pixi`."""
    sizes, depths = [], [8]
    for kind, start, end in _properties(content):
        if kind == b"ispe":
            sizes.append(struct.unpack(">II", content[start + 4 : start + 12]))
        elif kind == b"pixi":
            depths += content[start + 5 : min(end, start + 5 + content[start + 4])]
    if not sizes:
        raise damaged()
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Head(name, height, width, 3, max(depths), height * width * _AVIF_BYTES, Decoder.pillow, alpha=True)


def _properties(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    for kind, start, end in _boxes(content, 0, len(content)):
        if kind == b"meta":
            for inner, inner_start, inner_end in _boxes(content, start + 4, end):
                if inner == b"iprp":
                    for deeper, deeper_start, deeper_end in _boxes(content, inner_start, inner_end):
                        if deeper == b"ipco":
                            yield from _boxes(content, deeper_start, deeper_end)


def _boxes(content: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where the content begins and ends, of each box; UnreadableError for one that ends beyond `end`."""
    for _ in range(_MOST_BOXES):
        if place + 8 > end:
            return
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        start = place + 8
        if size == 1:
            (size,) = struct.unpack(">Q", content[start : start + 8])
            start += 8
        size = size or end - place  # 0: up to the end
        if size < start - place:
            raise damaged()
        if place + size > end:
            raise UnreadableError(CUT_OFF)
        yield kind, start, place + size
        place += size
    raise damaged()
