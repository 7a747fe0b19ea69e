"""What very many pictures look like, by the heads of some of them."""

import io
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from cvclassic.datasets.image_size import deciding_side, fitting_size
from cvclassic.datasets.listing import Lister
from cvclassic.datasets.remote import RemoteFolder
from cvclassic.decoding import UnreadableError, read_head
from cvclassic.decoding.remote import REQUESTS

FIRST_BYTES = 2**16  # of a file far away, in which most have their sizes
_FORMATS = ["BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM"]  # whose heads stand in the first bytes
_GRAY = ("1", "L", "LA", "I", "I;16", "F")


class Seen(NamedTuple):
    """What the head of a file says; channels are 1 or 3."""

    height: int
    width: int
    channels: int


def look(tree: Lister, names: Sequence[str]) -> list[Seen | None]:
    """What the heads of files say, None of those that can't be read; of files far away the first bytes are read."""
    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(pool.map(lambda name: _seen(tree, name), names))


def size_of(seen: Sequence[Seen], resize: str) -> int:
    """Height and width in pixels, by the rule of `image_size.usual_size` for few pictures."""
    return fitting_size([deciding_side(each.height, each.width, resize) for each in seen], math.inf)


def _seen(tree: Lister, name: str) -> Seen | None:
    try:
        if isinstance(tree, RemoteFolder) and (found := _by_first_bytes(tree.place.head(name, FIRST_BYTES))):
            return found
        with tree.content(name)() as content:
            head = read_head(content)
    except UnreadableError:
        return None
    return Seen(head.height, head.width, head.channels)


def _by_first_bytes(first: bytes) -> Seen | None:
    """What they tell; None where more is needed."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(first), formats=_FORMATS) as image:
            return Seen(image.height, image.width, 1 if image.mode in _GRAY else 3)
    except Exception:  # a head that is cut off makes decoders raise nearly anything
        return None
