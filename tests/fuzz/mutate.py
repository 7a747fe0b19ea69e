"""Ways to spoil a file: at random, or so that what wraps its content (zip, gzip, a checksum) still holds."""

import copy
import gzip
import io
import json
import random
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

Way = Callable[[bytes, random.Random], bytes]

NUMBER = re.compile(rb"-?\d+(?:\.\d*)?(?:e[+-]?\d+)?")
EXTREME_TEXTS = (
    *(b"0", b"-1", b"1", b"255", b"65536", b"2147483648", b"4294967296", b"18446744073709551616", b"9" * 400),
    *(b"nan", b"NaN", b"Infinity", b"-inf", b".Nan", b"-.Inf", b"1e999", b"1e-320", b"-0.0", b"1_0", b"0x10", b"true"),
    *(b"null", b'"text"', b"[]", b"{}", b"\xff\xfe", "²".encode(), "٣".encode()),
)
EXTREME_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
EXTREME_VALUES = (
    *(None, True, 0, -1, 1, 2**31, 2**63, 2**64, 10**40, 0.5, -0.5, 1e308, 5e-324, float("nan"), float("inf")),
    *(
        "",
        "0",
        "nan",
        "../../x",
        "/etc/passwd",
        "a\0b",
        "\u202e",
        "x" * 5000,
        "-" * 3000 + "1",
        "(" * 300,
        "\ufffdd800",
    ),
    *([], {}, [0] * 300, [[[[]]]], {"": None}),
)
DEPTHS = (b"[", b"{", b"(", b"<_>", b"<a>", b"[[", b'{"a":', b"a: {", b"- ", b"-\n ", b"[1,", b"&x;", b"<!--")


def at_random(content: bytes, random: random.Random) -> bytes:
    """Up to eight small changes anywhere."""
    found = bytearray(content)
    for _ in range(1 if random.random() < 0.5 else random.randint(2, 8)):
        found = _CHANGES[random.randrange(len(_CHANGES))](found, random)
    return bytes(found)


def at_the_ends(content: bytes, random: random.Random, size: int = 250) -> bytes:
    """Small changes to the first or the last bytes, where the structure of a file lies that is mostly numbers."""
    if random.random() < 0.5:
        return at_random(content[:size], random) + content[size:]
    return content[:-size] + at_random(content[-size:], random)


def inside_zip(content: bytes, random: random.Random) -> bytes:
    """One member of a zip archive is spoiled, doubled, dropped or renamed, and the archive written anew around it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    which = random.randrange(len(members))
    name, inner = members[which]
    kind = random.random()
    if kind < 0.75:
        inner = at_random(inner, random)
    elif kind < 0.8:
        name = random.choice(("../" + name, "/tmp/" + name, name.upper(), name * 2000, "", "a\0b", "\ud7ff.npy"))
    elif kind < 0.81:
        inner = inner + bytes(random.choice((10**6, 10**7)))
    members[which] = (name, inner)
    if kind >= 0.95:
        del members[which]
    elif kind >= 0.9:
        members.insert(random.randrange(len(members)), (name, at_random(inner, random)))
    file = io.BytesIO()
    kinds = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    packed = kinds[random.choices(range(4), (20, 20, 1, 1))[0]]
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings(action="ignore"):  # of doubled names
        for name, inner in members:
            archive.writestr(zipfile.ZipInfo(name), inner, packed, 1)
    return file.getvalue()


def inside_gzip(content: bytes, random: random.Random) -> bytes:
    """What is packed is spoiled, and packed again."""
    inner = at_random(gzip.decompress(content), random)
    if random.random() < 0.05:
        inner += bytes(random.choice((10**6, 10**7)))
    return gzip.compress(inner, 1, mtime=0)


def inside_png(content: bytes, random: random.Random) -> bytes:
    """A chunk of a PNG file is spoiled, doubled or dropped; lengths and checksums are those of what is there then."""
    chunks, place = [], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    which = random.randrange(len(chunks))
    kind, inner = chunks[which]
    what = random.random()
    if what < 0.7:
        inner = at_random(inner, random)
    elif what < 0.8:
        kind = at_random(kind, random)[:4].ljust(4, b"x")
    chunks[which] = (kind, inner)
    if what >= 0.9:
        del chunks[which]
    elif what >= 0.8:
        chunks.insert(random.randrange(len(chunks)), (kind, inner))
    packed = (struct.pack(">I", len(inner)) + kind + inner + struct.pack(">I", zlib.crc32(kind + inner))
              for kind, inner in chunks)  # fmt: skip
    return content[:8] + b"".join(packed)


def inside_json(content: bytes, random: random.Random) -> bytes:
    """Values somewhere in the tree are replaced by others, of other types too, dropped or doubled."""
    tree = json.loads(content)
    for _ in range(1 if random.random() < 0.7 else random.randint(2, 4)):
        places = list(_places(tree))
        if not places:
            break
        holder, key = random.choice(places)
        what = random.random()
        if what < 0.15:
            del holder[key]
        elif what < 0.3:
            other_holder, other = random.choice(places)
            holder[key] = copy.deepcopy(other_holder[other])
        elif what < 0.4 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif what < 0.45 and isinstance(holder, dict):
            holder[random.choice(("", "x", key + "2", "__class__", "type_id"))] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(random.choice(EXTREME_VALUES))
    return json.dumps(tree).encode()


def _places(tree: object) -> list[tuple[dict | list, object]]:
    found, open_ = [], [tree]
    while open_:
        node = open_.pop()
        keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            found.append((node, key))
            open_.append(node[key])
    return found


def _span(found: bytearray, random: random.Random, most: int = 64) -> tuple[int, int]:
    start = random.randrange(len(found) + 1)
    return start, min(len(found), start + random.randint(1, most if random.random() < 0.9 else len(found) + 1))


def _flip(found: bytearray, random: random.Random) -> bytearray:
    if found:
        found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    return found


def _cut(found: bytearray, random: random.Random) -> bytearray:
    return found[: random.randrange(len(found) + 1)]


def _insert(found: bytearray, random: random.Random) -> bytearray:
    place = random.randrange(len(found) + 1)
    found[place:place] = random.randbytes(random.randint(1, 16))
    return found


def _delete(found: bytearray, random: random.Random) -> bytearray:
    start, end = _span(found, random)
    del found[start:end]
    return found


def _double(found: bytearray, random: random.Random) -> bytearray:
    start, end = _span(found, random)
    block, place = bytes(found[start:end]), random.randrange(len(found) + 1)
    found[place:place] = block * random.choice((1, 1, 1, 2, 50))
    return found


def _overwrite(found: bytearray, random: random.Random) -> bytearray:
    start, end = _span(found, random, 8)
    found[start:end] = random.randbytes(end - start)
    return found


def _extreme_number(found: bytearray, random: random.Random) -> bytearray:
    size = random.choice((1, 2, 4, 8))
    value = random.choice(EXTREME_NUMBERS) % 256**size
    place = random.randrange(len(found) + 1)
    found[place : place + size] = value.to_bytes(size, random.choice(("little", "big")))
    return found


def _extreme_text(found: bytearray, random: random.Random) -> bytearray:
    """A number that is written in digits becomes another."""
    place = random.randrange(len(found) + 1)
    match = NUMBER.search(found, place, place + 4000) or NUMBER.search(found, 0, place)
    if match is None:
        return _extreme_number(found, random)
    found[match.start() : match.end()] = random.choice(EXTREME_TEXTS)
    return found


def _deep(found: bytearray, random: random.Random) -> bytearray:
    place = random.randrange(len(found) + 1)
    found[place:place] = random.choice(DEPTHS) * random.choice((2, 30, 1000, 50_000 if random.random() < 0.1 else 50))
    return found


_CHANGES = (
    *(_flip, _flip, _flip, _cut, _insert, _delete, _double, _overwrite),
    *(_extreme_number, _extreme_text, _extreme_text, _deep),
)
