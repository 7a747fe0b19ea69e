"""Small networks as ONNX files, written byte by byte: no library is needed for them.

images (n, channels, height, width) -> Conv 3 x 3 with padding -> Relu -> GlobalAveragePool -> Flatten -> (n, d)
"""

import json
from pathlib import Path

import numpy as np
from scipy.signal import correlate

FLOAT, INT, INTS = 1, 2, 7  # of TensorProto.DataType and AttributeProto.AttributeType
WEIGHTS = np.random.default_rng(3).normal(0, 0.3, (5, 3, 3, 3)).astype(np.float32)


def write_backbone(
    path: Path, *, weights=WEIGHTS, size=12, mean=(100, 110, 120), std=50, pool=True, batch=None
) -> Path:
    """Such a network at `path`, with its .json beside it."""
    path.write_bytes(network(weights, size, pool, batch))
    path.with_suffix(".json").write_text(json.dumps({"size": size, "mean": mean, "std": std}))
    return path


def expected(images: np.ndarray, *, weights=WEIGHTS, mean=(100, 110, 120), std=50) -> np.ndarray:
    """What it makes of RGB images that have its size, (n, height, width, 3), from 0 to 255."""
    scaled = ((images.astype(np.float64) - mean) / std).transpose(0, 3, 1, 2)
    padded = np.pad(scaled, ((0, 0), (0, 0), (1, 1), (1, 1)))
    maps = [[correlate(image, kernel, "valid")[0] for kernel in weights.astype(np.float64)] for image in padded]
    return np.maximum(maps, 0).mean(axis=(2, 3))


def network(weights: np.ndarray, size: int, pool: bool, batch: int | None) -> bytes:
    nodes = [
        _node(
            "Conv",
            ["images", "weights"],
            "maps",
            [_attribute("kernel_shape", [3, 3]), _attribute("pads", [1, 1, 1, 1])],
        ),
        _node("Relu", ["maps"], "rectified" if pool else "embedding", []),
    ]
    if pool:
        nodes += [
            _node("GlobalAveragePool", ["rectified"], "pooled", []),
            _node("Flatten", ["pooled"], "embedding", [_attribute("axis", 1)]),
        ]
    tensor = [_number(1, side) for side in weights.shape]
    tensor += [_number(2, FLOAT), _bytes(8, b"weights"), _bytes(9, weights.astype("<f4").tobytes())]
    graph = [_bytes(1, node) for node in nodes]
    graph += [_bytes(2, b"tiny"), _bytes(5, b"".join(tensor))]
    graph += [_bytes(11, _value("images", [batch, weights.shape[1], size, size]))]
    graph += [_bytes(12, _value("embedding", [batch, len(weights)]))]
    return b"".join([_number(1, 7), _bytes(7, b"".join(graph)), _bytes(8, _number(2, 12))])


def _node(kind: str, inputs: list[str], output: str, attributes: list[bytes]) -> bytes:
    names = [_bytes(1, name.encode()) for name in inputs] + [_bytes(2, output.encode())]
    return b"".join([*names, _bytes(4, kind.encode()), *(_bytes(5, each) for each in attributes)])


def _attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return _bytes(1, name.encode()) + _number(3, value) + _number(20, INT)
    return b"".join([_bytes(1, name.encode()), *(_number(8, each) for each in value), _number(20, INTS)])


def _value(name: str, shape: list[int | None]) -> bytes:
    sides = [_bytes(2, b"n") if side is None else _number(1, side) for side in shape]
    tensor = _number(1, FLOAT) + _bytes(2, b"".join(_bytes(1, side) for side in sides))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
