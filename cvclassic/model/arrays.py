"""Arrays as the content of `.npy` files, and back: no pickle, and nothing allocated that the content doesn't hold."""

import io
import re
from math import prod

import numpy as np

from cvclassic.errors import InputError

TYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")
_START = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    r"\{'descr': '([<|][a-z]\d)', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,10}, ?){0,7}(?:\d{1,10})?)\), \} *\n"
)


def can_be_saved(array: np.ndarray) -> bool:
    """Whether its numbers are of a type that is read again."""
    return np.dtype(array.dtype).newbyteorder("<").str in TYPES


def to_npy(array: np.ndarray) -> bytes:
    """What `numpy.save` writes of an array of numbers; the order of its axes in memory is kept.

    BLAS rounds by that order, and so what is loaded predicts with equal scores.
    """
    array = np.asarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), order="K")
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
    return file.getvalue()


def from_npy(content: bytes) -> np.ndarray:
    """The array; InputError for anything but what `to_npy` makes.

    The header is matched, not evaluated, and its shape compared with the size of the content first.
    """
    if not content.startswith(_START) or len(content) < 10:
        raise InputError("an array does not begin as a .npy file of version 1.0")
    end = 10 + int.from_bytes(content[8:10], "little")
    header = _HEADER.fullmatch(content[10:end].decode("latin1"))
    if header is None or end > len(content):
        raise InputError("the header of an array is damaged")
    descr, fortran, sides = header.groups()
    if descr not in TYPES:
        raise InputError(f"an array has the type {descr}; there are {', '.join(TYPES)}")
    dtype, shape = np.dtype(descr), tuple(int(side) for side in sides.replace(",", " ").split())
    if prod(shape) * dtype.itemsize != len(content) - end:
        raise InputError(f"an array of {descr} claims the shape {shape}, and has {len(content) - end:,} bytes")
    array = np.frombuffer(content, dtype, offset=end)
    if descr == "|b1" and (array.view(np.uint8) > 1).any():
        raise InputError("an array of truth values holds other bytes than 0 and 1")
    # A copy, for the bytes themselves can't be written to, which numba compiles for anew.
    return array.reshape(shape, order="F" if fortran == "True" else "C").copy(order="K")
