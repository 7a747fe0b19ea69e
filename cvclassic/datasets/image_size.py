"""The size to which pictures are resized where nobody says one."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cvclassic.decoding import Content, UnreadableError, read_head
from cvclassic.decoding.head import Head

STEP, SMALLEST, LARGEST = 16, 32, 64
MOST_PIXELS = 2**26  # of all images together, so that a run on many pictures is done in reasonable time
LOOKED_AT = 200  # files whose heads are read


def usual_size(contents: Sequence[Content], resize: str, *, threads: int = 1) -> int:
    """Height and width in pixels that fit a set of pictures, and the time that pipelines take.

    The median of their sides (the longer ones where pictures are padded, the shorter ones where they are cropped, the
    geometric mean where they are stretched), rounded down to a multiple of 16, from 32 to 64; less than that where all
    images together would have more than 67 million pixels, as 16,384 of 64 x 64. The sides are those of 200 files at
    most, evenly spaced, which are read in so many threads.
    """
    places = np.unique(np.linspace(0, len(contents) - 1, min(len(contents), LOOKED_AT)).round().astype(int))
    with ThreadPoolExecutor(threads) as pool:
        heads = list(pool.map(_head, [contents[place] for place in places]))
    sides = [deciding_side(head.height, head.width, resize) for head in heads if head is not None]
    return fitting_size(sides, math.sqrt(MOST_PIXELS / len(contents)))


def fitting_size(sides: Sequence[float], most: float = LARGEST) -> int:
    """The median of sides, in pixels, as `usual_size` rounds and bounds it."""
    fitting = min(float(np.median(sides)) if len(sides) else SMALLEST, most, LARGEST)
    return max(SMALLEST, int(fitting // STEP) * STEP)


def deciding_side(height: int, width: int, resize: str) -> float:
    """The side of a picture that decides."""
    if resize == "stretch":
        return math.sqrt(height * width)
    return float((min if resize == "crop" else max)(height, width))


def _head(content: Content) -> Head | None:
    """What the head of a file says; None where it can't be read."""
    try:
        with content() as held:
            return read_head(held)
    except UnreadableError:
        return None
