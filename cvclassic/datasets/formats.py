"""Readers for the files of the standard sets. What is truncated, corrupt or hostile raises `DataError`."""

import gzip
import io
import pickle
import pickletools
import struct
import zlib
from math import prod
from pathlib import Path

import cv2
import numpy as np

from cvclassic.datasets.npz import open_archive, open_member, read_header, read_rest
from cvclassic.datasets.storage import LARGEST_FILE, damaged
from cvclassic.errors import DataError

MOST_IMAGES = 1_000_000
LARGEST_PAGE = 10_000_000  # bytes of digits.png, which has 700,000


def read_mnist_npz(path: Path) -> dict[str, np.ndarray]:
    """The four arrays of Keras's `mnist.npz`: `x_train`, `y_train`, `x_test`, `y_test`; images (n, 28, 28) uint8."""
    arrays: dict[str, np.ndarray] = {}
    try:
        with open_archive(path) as archive:
            for name in ("x_train", "y_train", "x_test", "y_test"):
                with open_member(archive, name) as file:
                    header = read_header(file)
                    if sum(array.nbytes for array in arrays.values()) + header.size > LARGEST_FILE:
                        raise damaged(path, f"unpacked it would have more than {LARGEST_FILE:,} bytes")
                    arrays[name] = read_rest(file, header)
    except DataError:
        raise
    except KeyError as error:
        raise damaged(path, f"it lacks an array that MNIST has ({error.args[0]})") from error
    except Exception as error:  # of many kinds, by zipfile and zlib
        raise damaged(path, f"it is truncated, corrupt or no .npz file ({error})") from error
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        check_images_and_labels(path, images, labels, (28, 28), 10)
    return arrays


def read_idx(path: Path) -> np.ndarray:
    """One `.gz` file of Fashion-MNIST: images (n, 28, 28) or labels (n,), uint8.

    The format is that of http://yann.lecun.com/exdb/mnist: a magic number whose last byte counts the dimensions, then
    the dimensions, all big-endian.
    """
    try:
        with gzip.open(path, "rb") as file:
            magic, n_items = struct.unpack(">II", file.read(8))
            if magic not in (0x0801, 0x0803) or not 0 < n_items <= MOST_IMAGES:
                raise damaged(path, f"its head is not that of an idx file of bytes ({magic:#x}, {n_items} items)")
            shape = (n_items, *struct.unpack(">II", file.read(8))) if magic == 0x0803 else (n_items,)
            if magic == 0x0803 and shape[1:] != (28, 28):
                raise damaged(path, f"its images are {shape[1]} x {shape[2]}, not 28 x 28")
            size = prod(shape)
            if size > LARGEST_FILE:
                raise damaged(path, f"unpacked it would have more than {LARGEST_FILE:,} bytes")
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise damaged(path, f"it is truncated, corrupt or no .gz file ({error})") from error
    if len(content) != size:
        raise damaged(path, f"its head promises {size:,} bytes and it has {'fewer' if len(content) < size else 'more'}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_cifar_batch(path: Path, content: bytes, label_key: str, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, 3072) uint8 and labels (n,) of a pickled CIFAR batch, without running anything that it asks for.

    Parameters
    ----------
    path : Path
        For messages; `content` is what the file holds.
    """
    try:
        _check_opcodes(content)
        batch = _BatchUnpickler(io.BytesIO(content), encoding="bytes").load()
        batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
        pixels, labels = batch["data"].array, batch[label_key]
        labels = labels.array if isinstance(labels, _PickledArray) else _as_array(labels)
    except _RefusedError as error:
        raise damaged(path, f"{error}, which no CIFAR batch does; nothing in it was run") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise damaged(path, f"it is truncated, corrupt or no CIFAR batch ({type(error).__name__}: {error})") from error
    check_images_and_labels(path, pixels, labels, (3072,), n_classes)
    return pixels, labels


def read_opencv_digits(path: Path) -> np.ndarray:
    """The digits of OpenCV's tutorial as a grid (50 rows, 100 columns, 20, 20), uint8; five rows for each digit."""
    with open(path, "rb") as file:
        head = file.read(24)
        size = file.seek(0, 2)
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n" or size > LARGEST_PAGE:
        raise damaged(path, "it is no PNG image of OpenCV's tutorial")
    width, height = struct.unpack(">II", head[16:])  # before it is decoded: memory is taken for what it promises
    if (width, height) != (2000, 1000):
        raise damaged(path, f"it is {width} x {height} pixels; OpenCV's digits.png is 2000 x 1000")
    page = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
    if page is None or page.shape != (1000, 2000):
        raise damaged(path, "it is a damaged image")
    return page.reshape(50, 20, 100, 20).transpose(0, 2, 1, 3)


def check_images_and_labels(path: Path, images, labels, item_shape: tuple[int, ...], n_classes: int) -> None:
    """Raise `DataError` unless these are uint8 images of `item_shape` with as many labels, from 0 to n_classes - 1."""
    if images.dtype != np.uint8 or images.shape[1:] != item_shape or len(images) == 0:
        wanted = " x ".join(str(side) for side in item_shape)
        raise damaged(
            path, f"its images have shape {images.shape} and dtype {images.dtype}; expected n x {wanted} uint8"
        )
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise damaged(path, f"its labels have shape {labels.shape} and dtype {labels.dtype} for {len(images)} images")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise damaged(path, f"its labels go from {labels.min()} to {labels.max()}; expected 0 to {n_classes - 1}")


def _as_array(labels: object) -> np.ndarray:
    """A list of whole numbers as int64; a list that holds itself, or others many times over, would never end."""
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise TypeError("its labels are no list of whole numbers")
    return np.array(labels, np.int64)


class _RefusedError(pickle.UnpicklingError):
    """A pickle that asks for more than an array."""


class _PickledArray:
    """Stands in for `numpy.ndarray` while unpickling, so that no pickle talks to numpy's own constructors.

    Those allocate what a pickle says, and trust the state of a dtype. A CIFAR batch holds bytes: nothing else is built.
    """

    def __init__(self, *_):
        self.array = None

    def __setstate__(self, state):
        _, shape, dtype, fortran_order, content = state
        if dtype.code not in (b"u1", "u1") or fortran_order or not isinstance(content, bytes):
            raise _RefusedError("it holds an array that is not of bytes in C order")
        self.array = np.frombuffer(content, np.uint8).reshape(shape)


class _PickledDtype:
    """Stands in for `numpy.dtype`: remembers the type's code and ignores the rest."""

    def __init__(self, code, *_):
        self.code = code

    def __setstate__(self, state):
        pass


class _BatchUnpickler(pickle.Unpickler):
    """Knows the three names in a pickled array, under their old and new modules, and refuses all others."""

    def find_class(self, module, name):
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _PickledArray
        if (module, name) == ("numpy", "dtype"):
            return _PickledDtype
        if (module, name) == ("numpy", "ndarray"):
            return None  # only ever an argument of _reconstruct, which doesn't use it here
        raise _RefusedError(f"it asks for {module[:40]}.{name[:40]}")


# What numpy arrays, lists, texts and numbers need in pickle protocols 2 to 4; no class is ever instantiated otherwise.
_OPCODES = """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2
    BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES
    EMPTY_DICT SETITEM SETITEMS EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    BINPUT LONG_BINPUT BINGET LONG_BINGET MEMOIZE GLOBAL STACK_GLOBAL REDUCE BUILD
""".split()  # noqa: SIM905


def _check_opcodes(content: bytes) -> None:
    """Refuse what would cost memory or time out of proportion before the unpickler sees it.

    The memo is allocated up to its largest index, and hashing nested tuples takes 2^depth steps.
    """
    n_tuples = 0
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in _OPCODES:
            raise _RefusedError(f"it uses the pickle instruction {opcode.name}")
        if opcode.name == "LONG_BINPUT" and argument > MOST_IMAGES:
            raise _RefusedError(f"it numbers its objects up to {argument:,}")
        n_tuples += opcode.name.startswith("TUPLE")
        if n_tuples > 20:
            raise _RefusedError("it nests more tuples than an array needs")
