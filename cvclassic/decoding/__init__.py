"""From files to pixels: what a file promises is checked before a decoder sees it, and memory stays bounded.

>>> from cvclassic.decoding import InputContract, read_pictures
>>> pictures = read_pictures(["cat.jpg", "dog.png"], InputContract(height=64, width=64, channels=3))  # doctest: +SKIP
>>> pictures.images.shape, pictures.unreadable  # doctest: +SKIP
((2, 64, 64, 3), {})

docs/pictures.md says what is read, and by which rules.
"""

from cvclassic.decoding.cache import read_set
from cvclassic.decoding.contract import RESIZES, InputContract, fitted
from cvclassic.decoding.files import file_content
from cvclassic.decoding.reading import Content, Facts, Pictures, read_contents, read_pictures
from cvclassic.decoding.reasons import CUT_OFF, EMPTY, LOCKED, MISSING, NO_FILE, NO_PICTURE, UnreadableError

__all__ = [
    "CUT_OFF",
    "EMPTY",
    "LOCKED",
    "MISSING",
    "NO_FILE",
    "NO_PICTURE",
    "RESIZES",
    "Content",
    "Facts",
    "InputContract",
    "Pictures",
    "UnreadableError",
    "file_content",
    "fitted",
    "read_contents",
    "read_pictures",
    "read_set",
]
