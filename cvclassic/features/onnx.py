"""Networks in ONNX files, run by `cv2.dnn`. Such a file is data: nothing in it is executed but the network's layers."""

import hashlib
from collections.abc import Iterator
from functools import cached_property

import cv2
import numpy as np

from cvclassic.errors import InputError

LONGEST_MESSAGE = 200  # characters of what OpenCV says


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
    try:
        graph = list(_fields(next(value for number, value in _fields(memoryview(content)) if number == 7)))
        weights = {bytes(_of(tensor, 8)[-1]) for number, tensor in graph if number == 5}
        found = {}
        for value in (value for number, value in graph if number == 11):
            name = bytes(_of(value, 1)[-1])
            if name not in weights:
                sides = _of(_of(_of(_of(value, 2)[-1], 1)[-1], 2)[-1], 1)
                found[name.decode(errors="replace")] = tuple(next(iter(_of(side, 1)), None) or None for side in sides)
    except (IndexError, StopIteration, TypeError, ValueError):
        return None
    return found


def _of(message: memoryview, wanted: int) -> list[memoryview | int]:
    return [value for number, value in _fields(message) if number == wanted]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field of a protobuf message; ValueError or IndexError where it is none."""
    place = 0
    while place < len(message):
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
