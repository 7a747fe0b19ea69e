"""Files that look like pictures and are none: twelve kinds of damage, for tests and by hand.

    python tests/damaged_pictures.py FOLDER [N]

writes a folder of two classes with N good pictures (1,000) and N / 100 of each kind of damaged ones.
"""

import io
import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def saved(kind: str, side: int = 48, seed: int = 0, **options) -> bytes:
    """A picture of random blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks).resize((side, side), Image.Resampling.BICUBIC).save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG, 8 bits gray, of this size by its head, and with these bytes as its compressed pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bomb() -> bytes:
    """80 bytes or so that promise 30,000 x 30,000 pixels."""
    return png(30_000, 30_000, zlib.compress(b"\0"))


def jpeg_bomb() -> bytes:
    """A small JPEG whose head says 65,500 x 65,500 pixels."""
    content = saved("JPEG")
    place = content.index(b"\xff\xc0")
    return content[: place + 5] + struct.pack(">HH", 65_500, 65_500) + content[place + 9 :]


def flipped() -> bytes:
    """A PNG with a flipped bit in its pixels."""
    content = bytearray(saved("PNG"))
    content[len(content) // 2] ^= 4
    return bytes(content)


def with_tag(content: bytes, tag: int, value: int) -> bytes:
    """A TIFF, little-endian as Pillow writes it, with another value of a tag, as 32 bits."""
    first = struct.unpack("<I", content[4:8])[0]
    n = struct.unpack("<H", content[first : first + 2])[0]
    place = next(p for p in range(first + 2, first + 2 + 12 * n, 12) if content[p : p + 2] == struct.pack("<H", tag))
    return content[:place] + struct.pack("<HHII", tag, 4, 1, value) + content[place + 12 :]


def beyond_the_end() -> bytes:
    """A TIFF whose pixels lie beyond its end."""
    return with_tag(saved("TIFF"), 273, 10**9)


def sparse(path: Path) -> None:
    """A terabyte on paper."""
    with open(path, "wb") as file:
        file.write(saved("JPEG"))
        file.truncate(2**40)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    """A link that leads to itself by way of another."""
    other = path.with_name(f".{path.name}")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


def wrote(make: Callable[[], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(make()) and None


# What writes each kind, and what is said of it.
KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty.jpg": (wrote(lambda: b""), "empty"),
    "half.jpg": (wrote(lambda: saved("JPEG")[:700]), "cut off"),
    "half.png": (wrote(lambda: saved("PNG")[:-40]), "cut off"),
    "half.webp": (wrote(lambda: saved("WEBP")[:-30]), "cut off"),
    "text.png": (wrote(lambda: b"<html>404 Not Found</html>"), "no picture"),
    "zeros.bmp": (wrote(lambda: bytes(4096)), "no picture"),
    "bomb.png": (wrote(bomb), "too large|cut off"),
    "bomb.jpg": (wrote(jpeg_bomb), "too large|cut off"),
    "flipped.png": (wrote(flipped), "no picture"),
    "beyond.tif": (wrote(beyond_the_end), "cut off"),
    "sparse.jpg": (sparse, "too large"),
    "pipe.png": (pipe, "no file"),
    "loop.gif": (loop, "leads to no file"),
}


def write_damaged(folder: Path, n: int, each: int) -> dict[str, str]:
    """`n` good pictures in two classes, and `each` of every kind of damaged ones; names of those, and what is said."""
    bad = {}
    for label, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for k in range(label, n, 2):
            kind = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")[k // 2 % 6]
            (folder / name / f"{k:05}.{kind.lower()[:4]}").write_bytes(saved(kind, seed=k))
    for number in range(each):
        name = ("cat", "dog")[number % 2]
        for file, (write, told) in KINDS.items():
            path = folder / name / f"bad{number}-{file}"
            write(path)
            bad[f"{name}/{path.name}"] = told
    return bad


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    print(f"{len(write_damaged(Path(sys.argv[1]), count, max(1, count // 100)))} damaged files beside {count}")
