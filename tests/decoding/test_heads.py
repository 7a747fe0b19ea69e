"""What a file promises is checked before a decoder sees it."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from cvclassic.decoding import InputContract, UnreadableError, read_head
from cvclassic.decoding.budget import DECODING
from cvclassic.decoding.pixels import read_image
from tests.damaged_pictures import bomb, jpeg_bomb, png, saved, with_tag

SMALL = InputContract(32, 32, 3)
KINDS = ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_says_what_pillow_says(kind):
    content = saved(kind, side=61)
    head = read_head(content)
    assert (head.width, head.height) == Image.open(io.BytesIO(content)).size
    assert (head.format, head.channels, head.bits) == (kind, 3, 8)
    assert 3 * 61 * 61 <= head.cost < 40 * 61 * 61


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_anywhere_is_never_read_as_a_picture(kind):
    content = saved(kind)
    for end in {*range(0, len(content) - 40, max(1, len(content) // 60)), len(content) * 9 // 10}:
        with pytest.raises(UnreadableError):
            read_image(content[:end], SMALL)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_bytes_give_a_picture_or_our_error(kind):
    content, rng = saved(kind), np.random.default_rng(0)
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            changed[place] = rng.integers(256)
        try:
            image, _ = read_image(bytes(changed), SMALL)
        except UnreadableError:
            continue
        assert image.shape == (32, 32, 3)


def gif_bomb():
    return saved("GIF")[:6] + struct.pack("<HH", 60_000, 60_000) + saved("GIF")[10:]


def bmp_bomb():
    content = saved("BMP")
    return content[:18] + struct.pack("<ii", 30_000, 30_000) + content[26:]


def tiff_bomb():
    content = saved("TIFF", compression="tiff_adobe_deflate")
    return with_tag(with_tag(with_tag(content, 256, 30_000), 257, 30_000), 278, 30_000)


def avif_bomb():
    content = saved("AVIF")
    return content.replace(struct.pack(">II", 48, 48), struct.pack(">II", 30_000, 30_000))


def webp_bomb():
    """Chunk VP8X with 16,777,216 x 16,777,216 pixels."""
    frame = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6
    return b"RIFF" + struct.pack("<I", 4 + len(frame)) + b"WEBP" + frame


def jpeg2000_bomb():
    content = saved("JPEG2000")
    return content.replace(struct.pack(">II", 48, 48), struct.pack(">II", 60_000, 60_000))


def pnm_bomb():
    return b"P6 40000 40000 255\n" + bytes(100)


def chunks_without_end():
    """A PNG of a million empty chunks."""
    return saved("PNG")[:33] + (struct.pack(">I", 0) + b"abcd" + struct.pack(">I", zlib.crc32(b"abcd"))) * 1_000_000


def padding_without_end():
    return b"\xff\xd8" + b"\xff" * 50_000_000


def blocks_without_end():
    return saved("GIF")[:13] + b"\x21\xfe\x00" * 1_000_000


BOMBS = [bomb, jpeg_bomb, gif_bomb, bmp_bomb, tiff_bomb, avif_bomb, webp_bomb, jpeg2000_bomb, pnm_bomb]
ENDLESS = [chunks_without_end, padding_without_end, blocks_without_end]


@pytest.mark.parametrize("make", [*BOMBS, *ENDLESS])
def test_more_pixels_than_the_bytes_can_hold_are_refused(make):
    with pytest.raises(UnreadableError):
        read_head(make())


def test_a_true_picture_of_one_color_is_read_however_well_it_is_compressed():
    """The bounds are those of the compressions, not of usual pictures."""
    for kind, options in (("PNG", {}), ("JPEG", {}), ("WEBP", {}), ("GIF", {}), ("TIFF", {"compression": "tiff_lzw"})):
        file = io.BytesIO()
        Image.new("RGB", (3000, 2000), (255, 255, 255)).save(file, kind, **options)
        image, facts = read_image(file.getvalue(), InputContract(32, 32, 3, "stretch"))
        assert (image >= 254).all()
        assert facts[:2] == (2000, 3000)


def test_a_picture_that_would_take_too_much_memory_is_named_with_the_sum():
    side = 30_000
    content = png(side, side, bytes(side * side // 1000))
    with pytest.raises(UnreadableError, match=r"30,000 x 30,000 pixels, which take [\d,]+ MiB"):
        read_head(content)
    assert side * side > DECODING.most


MEMORY = """
import resource, sys
from cvclassic.decoding import InputContract, UnreadableError
from cvclassic.decoding.pixels import read_image
from tests.decoding.test_heads import BOMBS
import PIL.Image
PIL.Image.init()
used = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize"))) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, used + 2**27))
for make in BOMBS:
    try:
        read_image(make(), InputContract(32, 32, 3))
    except UnreadableError as error:
        print(make.__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_bombs_cost_next_to_no_memory():
    """In a process that can have 128 MiB beyond what its libraries take."""
    ran = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert len(lines) == len(BOMBS), ran.stdout
    assert not any("memory" in line for line in lines)
