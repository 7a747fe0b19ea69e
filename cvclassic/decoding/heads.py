"""The heads of files: whether what they promise can be true, before a decoder believes it.

Each format's reader takes a file's content and gives its `Head`, or raises `UnreadableError`: for a file that is cut
off, promises more pixels than its bytes can hold, or would take too much memory to decode.
"""

import re
import struct
import zlib
from collections.abc import Callable

from cvclassic.decoding.boxes import read_avif, read_heif, read_jp2, read_jpeg2000_codestream
from cvclassic.decoding.head import Decoder, Head, checked, damaged
from cvclassic.decoding.reasons import CUT_OFF, NO_PICTURE, UnreadableError
from cvclassic.decoding.tiff import exif_orientation, read_tiff

PILLOW_BYTES = 12  # of a pixel that Pillow decodes: its own four, a converted copy, and the array
MOST_CHUNKS = 100_000  # of a file; a picture has some tens, or thousands where it is very large
DEFLATE, LZW, RUNS = 1032, 2800, 128  # times as large as its bytes is what a compression can hold at most


def read_head(content: bytes) -> Head:
    """What a file's content says of its picture; UnreadableError where that can't be."""
    reader = _reader_of(content)
    if reader is None:
        raise UnreadableError(NO_PICTURE)
    try:
        return checked(reader(content))
    except (struct.error, IndexError) as error:  # something was to be where the file has ended
        raise UnreadableError(CUT_OFF) from error


def check_signature(first: bytes) -> None:
    """UnreadableError unless the first bytes of a file are those of a format that is known."""
    if _reader_of(first) is None:
        raise UnreadableError(NO_PICTURE)


def _reader_of(content: bytes) -> Callable[[bytes], Head] | None:
    for start, reader in _BY_START.items():
        if content.startswith(start):
            return reader
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _webp
    if content[4:8] == b"ftyp":
        brands = {content[place : place + 4] for place in range(8, min(len(content), 64), 4)}
        if brands & {b"avif", b"avis"}:
            return read_avif
        return read_heif if brands & {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"} else None
    return _pnm if re.match(rb"P[1-6]\s", content) else None


def _png(content: bytes) -> Head:
    place, data, orientation, transparent = 8, 0, 1, False
    width, height, depth, color = struct.unpack(">IIBB", content[16:26])
    for _ in range(MOST_CHUNKS):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        if place + 12 + length > len(content):
            raise UnreadableError(CUT_OFF)
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"tRNS"):
            (sum_,) = struct.unpack(">I", content[place + 8 + length : place + 12 + length])
            if zlib.crc32(memoryview(content)[place + 4 : place + 8 + length]) != sum_:
                raise damaged()
        data += length * (kind == b"IDAT")
        transparent |= kind == b"tRNS"
        if kind == b"eXIf":
            orientation = exif_orientation(content[place + 8 : place + 8 + length])
        if kind == b"IEND":
            break
        place += 12 + length
    else:
        raise damaged()
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(color)
    if samples is None or content[12:16] != b"IHDR" or depth not in (1, 2, 4, 8, 16):
        raise damaged()
    if height * ((width * samples * depth + 7) // 8) > data * DEFLATE:
        raise UnreadableError(CUT_OFF)
    alpha = color in (4, 6)
    # OpenCV leaves out a color that is named as the transparent one.
    decoder = Decoder.pillow if transparent and not alpha else Decoder.opencv
    cost = (
        PILLOW_BYTES if decoder is Decoder.pillow else (4 if alpha else 3) * (depth + 7) // 8 + 3 * (alpha or depth > 8)
    )
    return Head(
        "PNG",
        height,
        width,
        1 if color in (0, 4) else 3,
        max(depth, 8),
        height * width * cost,
        decoder,
        alpha,
        orientation,
    )


_PADDING = re.compile(rb"\xff+")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(content: bytes) -> Head:
    place, frame, orientation = 2, None, 1
    for _ in range(MOST_CHUNKS):
        place = content.find(b"\xff", place)  # as decoders do, what stands between segments is passed over
        if place < 0:
            raise UnreadableError(CUT_OFF)
        place = _PADDING.match(content, place).end()
        marker = content[place]
        place += 1
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            continue
        if marker == 0xD9:
            raise damaged()
        (length,) = struct.unpack(">H", content[place : place + 2])
        segment = content[place + 2 : place + length]
        place += length
        if marker == 0xDA:
            break
        if marker in _FRAMES:
            frame = (marker, *struct.unpack(">BHHB", segment[:6]))
        elif marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = exif_orientation(segment[6:])
    if frame is None:
        raise damaged()
    marker, bits, height, width, samples = frame
    # Each block of 8 x 8 takes a bit at least. Without an end OpenCV 4 would fill what is missing up with gray.
    if height * width // 512 > len(content) - place or content.find(b"\xff\xd9", place) < 0:
        raise UnreadableError(CUT_OFF)
    decoder = Decoder.opencv if samples in (1, 3) else Decoder.pillow
    progressive = 2 * samples * (marker not in (0xC0, 0xC1))  # coefficients of the whole picture, 16 bits each
    cost = (3 if decoder is Decoder.opencv else PILLOW_BYTES) + progressive
    return Head(
        "JPEG", height, width, 1 if samples == 1 else 3, bits, height * width * cost, decoder, orientation=orientation
    )


def _bmp(content: bytes) -> Head:
    (start,) = struct.unpack("<I", content[10:14])
    (size,) = struct.unpack("<I", content[14:18])
    if size == 12:
        width, height, _, bits = struct.unpack("<HHHH", content[18:26])
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack("<iiHHI", content[18:34])
    height = abs(height)  # negative ones stand on their heads
    row = (width * bits + 31) // 32 * 4
    if compression not in (0, 1, 2, 3, 6):
        raise damaged()
    if height * row > (len(content) - start) * (RUNS if compression in (1, 2) else 1):
        raise UnreadableError(CUT_OFF)
    return Head("BMP", height, width, 1 if bits == 1 else 3, 8, height * width * 6)


def _gif(content: bytes) -> Head:
    width, height, flags = struct.unpack("<HHB", content[6:11])
    place = 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
    for _ in range(MOST_CHUNKS):
        kind = content[place]
        if kind == 0x21:  # an extension
            place, _ = _sub_blocks(content, place + 2)
        elif kind == 0x2C:
            colors = content[place + 9]
            place, data = _sub_blocks(content, place + 11 + (3 * 2 ** ((colors & 7) + 1) if colors & 0x80 else 0))
            if height * width > data * LZW:
                raise UnreadableError(CUT_OFF)
            return Head("GIF", height, width, 3, 8, height * width * PILLOW_BYTES, Decoder.pillow, alpha=True)
        else:
            break
    raise damaged()


def _sub_blocks(content: bytes, place: int) -> tuple[int, int]:
    """Where a GIF's row of blocks ends, and how many bytes they hold."""
    data = 0
    while length := content[place]:
        place, data = place + 1 + length, data + length
    return place + 1, data


def _webp(content: bytes) -> Head:
    (size,) = struct.unpack("<I", content[4:8])
    if size + 8 > len(content):
        raise UnreadableError(CUT_OFF)
    kind, place, orientation, alpha, extended, frame = content[12:16], 12, 1, False, False, None
    for _ in range(MOST_CHUNKS):
        if place + 8 > size + 8:
            break
        kind, length = struct.unpack("<4sI", content[place : place + 8])
        start = place + 8
        if start + length > size + 8:
            raise UnreadableError(CUT_OFF)
        if kind == b"VP8X":
            extended, alpha = True, bool(content[start] & 0x12)  # transparency, or several pictures
            frame = tuple(int.from_bytes(content[start + at : start + at + 3], "little") + 1 for at in (7, 4))
        elif kind == b"VP8L" and not extended:
            (bits,) = struct.unpack("<I", content[start + 1 : start + 5])
            frame, alpha = ((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1), bool(bits >> 28 & 1)
        elif kind == b"VP8 " and not extended:
            width, height = struct.unpack("<HH", content[start + 6 : start + 10])
            frame = height & 0x3FFF, width & 0x3FFF
        elif kind == b"EXIF":
            orientation = exif_orientation(content[start : start + length].removeprefix(b"Exif\0\0"))
        place = start + length + length % 2
    if frame is None:
        raise damaged()
    decoder = Decoder.pillow if alpha else Decoder.opencv
    cost = PILLOW_BYTES if alpha else 8
    return Head("WEBP", *frame, 3, 8, frame[0] * frame[1] * cost, decoder, alpha, orientation)


_NUMBER = re.compile(rb"(?:\s|#[^\n]*\n)*(\d{1,9})")


def _pnm(content: bytes) -> Head:
    kind, place, numbers = content[1] - ord("0"), 2, []
    for _ in range(2 if kind in (1, 4) else 3):
        found = _NUMBER.match(content, place)
        if not found:
            raise damaged()
        numbers.append(int(found.group(1)))
        place = found.end()
    width, height, most = (*numbers, 1)[:3]
    samples = 3 if kind in (3, 6) else 1
    if kind in (1, 2, 3):
        needed = height * width * samples * (1 if kind == 1 else 2) - 1  # digits, and a space between numbers
    else:
        needed = height * ((width + 7) // 8 if kind == 4 else width * samples * (1 if most < 256 else 2)) + 1
    if not 0 < most < 65536:
        raise damaged()
    if needed > len(content) - place:
        raise UnreadableError(CUT_OFF)
    bits = 16 if most > 255 else 8
    return Head("PPM", height, width, samples, bits, height * width * PILLOW_BYTES, Decoder.pillow)


_BY_START = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"BM": _bmp,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"II*\0": read_tiff,
    b"MM\0*": read_tiff,
    b"\0\0\0\x0cjP  \r\n\x87\n": read_jp2,
    b"\xff\x4f\xff\x51": read_jpeg2000_codestream,
}
