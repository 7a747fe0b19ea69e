"""From files to pixels, within bounds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InputContract:
    """What a model's images must look like, and how pictures of other sizes become so."""

    height: int
    width: int
    channels: int
    resize: str = "pad"
