"""What is known of a picture before it is decoded."""

from enum import StrEnum
from typing import NamedTuple

from cvclassic.decoding.budget import DECODING
from cvclassic.decoding.reasons import NO_PICTURE, UnreadableError, too_many_pixels


class Decoder(StrEnum):
    """Which library decodes; where OpenCV gives up, Pillow is asked, too."""

    opencv = "opencv"
    pillow = "pillow"


class Head(NamedTuple):
    """What the head of a file says, once it has been found possible."""

    format: str  # as Pillow calls it
    height: int  # as stored, before it is turned
    width: int
    channels: int  # 1 or 3, transparency not counted
    bits: int  # of each channel
    cost: int  # bytes that a decoder takes, an upper bound
    decoder: Decoder = Decoder.opencv
    alpha: bool = False
    orientation: int = 1  # of EXIF, 1 to 8
    orientation_at: tuple[int, int] | None = None  # where TIFF has it: decoders of some versions turn by it themselves


def checked(head: Head) -> Head:
    """The head, if it has pixels, and not too many; else UnreadableError."""
    if head.height < 1 or head.width < 1:
        raise UnreadableError(NO_PICTURE)
    if head.cost > DECODING.most:
        raise too_many_pixels(head.height, head.width, head.cost, DECODING.most)
    return head if head.orientation in range(1, 9) else head._replace(orientation=1)


def damaged() -> UnreadableError:
    """For what contradicts its own format."""
    return UnreadableError(NO_PICTURE)
