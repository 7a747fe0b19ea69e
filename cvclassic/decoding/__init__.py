"""From files to pixels: what a file promises is checked before a decoder sees it, and memory stays bounded.

>>> from cvclassic.decoding import InputContract, read_pictures
>>> pictures = read_pictures(["cat.jpg", "dog.png"], InputContract(height=64, width=64, channels=3))  # doctest: +SKIP
>>> pictures.images.shape, pictures.unreadable  # doctest: +SKIP
((2, 64, 64, 3), {})

docs/pictures.md says what is read, and by which rules.
"""

from cvclassic.decoding.budget import READING
from cvclassic.decoding.cache import cache_folder, read_set
from cvclassic.decoding.contract import (
    CROP,
    LARGEST_SIDE,
    PAD,
    RESIZES,
    SMALLEST_SIDE,
    STRETCH,
    InputContract,
    fitted,
    shown_size,
)
from cvclassic.decoding.files import SUFFIXES, file_content
from cvclassic.decoding.heads import check_signature, read_head
from cvclassic.decoding.reading import Content, Facts, Pictures, read_contents, read_pictures
from cvclassic.decoding.reasons import CUT_OFF, EMPTY, LOCKED, MISSING, NO_FILE, NO_PICTURE, UnreadableError
from cvclassic.decoding.urls import is_url, local_path

__all__ = [
    "CROP",
    "CUT_OFF",
    "EMPTY",
    "LARGEST_SIDE",
    "LOCKED",
    "MISSING",
    "NO_FILE",
    "NO_PICTURE",
    "PAD",
    "READING",
    "RESIZES",
    "SMALLEST_SIDE",
    "STRETCH",
    "SUFFIXES",
    "Content",
    "Facts",
    "InputContract",
    "Pictures",
    "UnreadableError",
    "cache_folder",
    "check_signature",
    "file_content",
    "fitted",
    "is_url",
    "local_path",
    "read_contents",
    "read_head",
    "read_pictures",
    "read_set",
    "shown_size",
]
