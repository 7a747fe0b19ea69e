"""Networks in ONNX files, run by `cv2.dnn`. Such a file is data: nothing in it is executed but the network's layers."""

import hashlib
import threading
from collections.abc import Iterator
from functools import cached_property

import cv2
import numpy as np

from cvclassic.errors import InputError

LONGEST_MESSAGE = 200  # characters of what OpenCV says
MOST_FIELDS = 500_000  # of protobuf messages; a network of 2,000 weights and 3,000 nodes has 20,000
_one_at_a_time = threading.Lock()  # a cv2.dnn.Net holds its input, and Dask's threads may share one


class OnnxNetwork:
    """A `Backbone` from the content of an ONNX file.

    It is given one image at a time: that was the fastest of all batch sizes with OpenCV 5 (EfficientNet-Lite0 on 2
    cores, 163 images/s, in batches of 32 124), and networks that were exported for one image work.

    Parameters
    ----------
    content : bytes
    name : str
        What messages call it.
    """

    def __init__(self, content: bytes, name: str):
        self.content, self.name = content, name

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.blake2b(self.content, digest_size=8).hexdigest()

    def check_size(self, height: int, width: int) -> None:
        """InputError where the file says that its input is none for RGB images of this size.

        `cv2.dnn` may run a network on an input of another layout without a word, and give numbers without sense.
        """
        found = declared_inputs(self.content)
        if found is None:
            raise InputError(f"{self.name} is no ONNX network.")
        told = "; ".join(str(tuple("n" if side is None else side for side in shape)) for shape in found.values())
        told = told if len(told) <= LONGEST_MESSAGE else f"{told[:LONGEST_MESSAGE]} …"
        shape = next(iter(found.values()), ())
        fits = [side in (None, wanted) for side, wanted in zip(shape[1:], (3, height, width), strict=False)]
        if len(found) != 1 or len(shape) != 4 or not all(fits):
            raise InputError(
                f"The input of {self.name} is {told or 'missing'}; a backbone has one, (n, 3, {height}, {width}) for "
                "its size. Correct the size, or export it with the channels first."
            )

    def embed(self, images: np.ndarray) -> np.ndarray:
        """The output (n, …) for scaled images (n, height, width, 3); InputError where it can't be run on them."""
        features = []
        try:
            for image in images:
                with _one_at_a_time:
                    self._network.setInput(np.ascontiguousarray(image.transpose(2, 0, 1)[np.newaxis]))
                    features.append(np.atleast_2d(self._network.forward()))
        except cv2.error as error:
            height, width = images.shape[1:3]
            raise InputError(
                f"{self.name} can't be run on images of {height} x {width} pixels. cv2.dnn says: {_said(error)}"
            ) from error
        features = np.concatenate(features)
        pooled = features.shape[2:] == (1,) * (features.ndim - 2)  # (n, d, 1, 1), as a pooling leaves it
        return features.reshape(features.shape[:2]) if pooled else features

    @cached_property
    def _network(self) -> cv2.dnn.Net:
        try:
            network = cv2.dnn.readNetFromONNX(np.frombuffer(self.content, np.uint8))
            outputs = network.getUnconnectedOutLayersNames()
        except cv2.error as error:
            raise InputError(f"cv2.dnn can't read the ONNX network {self.name}. It says: {_said(error)}") from error
        if len(outputs) != 1:
            raise InputError(f"{self.name} has {len(outputs)} outputs ({', '.join(outputs)}); a backbone has one.")
        return network

    def __getstate__(self):
        return {"content": self.content, "name": self.name}


def declared_inputs(content: bytes) -> dict[str, tuple[int | None, ...]] | None:
    """The inputs of an ONNX file by name, with their shapes; None for a side that varies, and where it is no such file.

    Only what is asked for is read of the file's protobuf messages, by the numbers of onnx.proto: ModelProto.graph (7),
    GraphProto.initializer (5) and .input (11), ValueInfoProto.name (1) and .type (2), TypeProto.tensor_type (1), its
    shape (2), of dimensions (1) with dim_value (1).
    """
    left = iter(range(MOST_FIELDS))
    try:
        weights, inputs = set(), []
        for number, value in _fields(_last(memoryview(content), 7, left), left):
            if number == 5:
                weights.add(bytes(_last(value, 8, left)))
            elif number == 11:
                inputs.append(value)
        found = {}
        for value in inputs:
            name = bytes(_last(value, 1, left))
            if name not in weights:
                shape = _last(_last(_last(value, 2, left), 1, left), 2, left)
                found[name.decode(errors="replace")] = tuple(
                    _side(side, left) for number, side in _fields(shape, left) if number == 1
                )
    except (IndexError, TypeError, ValueError):
        return None
    return found


def _side(dimension: memoryview | int, left: Iterator[int]) -> int | None:
    """The number of a dimension, None where it has a name."""
    values = [value for number, value in _fields(dimension, left) if number == 1]
    return (int(values[0]) or None) if values else None


def _last(message: memoryview | int, wanted: int, left: Iterator[int]) -> memoryview:
    """The last field of a number, which is the one that counts; TypeError where that is a number and no message."""
    found = None
    for number, value in _fields(message, left):
        found = value if number == wanted else found
    if not isinstance(found, memoryview):
        raise TypeError(f"field {wanted} is missing, or no message")
    return found


def _fields(message: memoryview | int, left: Iterator[int]) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field of a protobuf message; TypeError, ValueError or IndexError where it is none.

    `left` are as many fields as may still be read: some bytes are one each, and a file may have any number of them.
    """
    place = 0
    while place < len(message):
        if next(left, None) is None:
            raise ValueError(f"more than {MOST_FIELDS:,} fields")
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(message, place)
        elif kind in (1, 2, 5):
            size, place = _varint(message, place) if kind == 2 else (8 if kind == 1 else 4, place)
            value, place = message[place : place + size], place + size
        else:
            raise ValueError(f"a field of kind {kind}")
        if place > len(message):
            raise IndexError("the message is cut off")
        yield tag >> 3, value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while shift < 70:
        byte = message[place]
        value, place, shift = value | (byte & 127) << shift, place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("a number of more than ten bytes")


def _said(error: cv2.error) -> str:
    """What OpenCV says, in one line."""
    line = " ".join((getattr(error, "err", "") or str(error)).split())
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]} …"
