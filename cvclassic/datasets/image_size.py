"""The size to which pictures are resized where nobody says one."""

import math
from collections.abc import Sequence

import numpy as np

from cvclassic.decoding import Content, UnreadableError, read_head

STEP, SMALLEST, LARGEST = 16, 32, 64
MOST_PIXELS = 2**26  # of all images together, so that a run on many pictures is done in reasonable time
LOOKED_AT = 200  # files whose heads are read


def usual_size(contents: Sequence[Content], resize: str) -> int:
    """Height and width in pixels that fit a set of pictures, and the time that pipelines take.

    The median of their sides (the longer ones where pictures are padded, the shorter ones where they are cropped, the
    geometric mean where they are stretched), rounded down to a multiple of 16, from 32 to 64; less than that where all
    images together would have more than 67 million pixels, as 16,384 of 64 x 64. The sides are those of 200 files at
    most, evenly spaced.
    """
    places = np.unique(np.linspace(0, len(contents) - 1, min(len(contents), LOOKED_AT)).round().astype(int))
    sides = [side for place in places if (side := _side(contents[place], resize)) is not None]
    fitting = min(float(np.median(sides)) if sides else SMALLEST, math.sqrt(MOST_PIXELS / len(contents)), LARGEST)
    return max(SMALLEST, int(fitting // STEP) * STEP)


def _side(content: Content, resize: str) -> float | None:
    """The side of a picture that decides; None where it can't be read."""
    try:
        with content() as held:
            head = read_head(held)
    except UnreadableError:
        return None
    if resize == "stretch":
        return math.sqrt(head.height * head.width)
    return float((min if resize == "crop" else max)(head.height, head.width))
