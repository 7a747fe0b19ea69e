"""Changed `.cvc` files: what `read_model` must answer with an error of ours, or with a model that predicts."""

import io
import json
import random
import zipfile
from collections.abc import Callable

import numpy as np

from cvclassic.model.archive import archive_bytes

EXTREMES = (
    None, True, False, 0, 1, -1, 2, 3, 255, 2**31, -(2**63), 2**64, 10**400, 1e308, -1e-308, 0.5, "", "x", "a" * 5000,
    "../../etc/passwd", "cvclassic.svm.LinearSVM", "sklearn.preprocessing.FunctionTransformer", "os.system", [], {},
    [[]] * 3, {"tuple": []}, {"tuple": [1, 2]}, {"dict": []}, {"dict": [[[], 1]]}, {"array": "parts/0000.npy"},
    {"array": "model.json"}, {"bytes": "parts/0000.npy"}, {"function": "os.system", "keywords": {}},
    {"function": "cvclassic.neural.mlp", "keywords": {"width": 2**30}},
    {"class": "sklearn.decomposition.PCA", "parameters": {}, "fitted": {}},
)  # fmt: skip


def members_of(content: bytes) -> dict[str, bytes]:
    """The members of a valid file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_description(content: bytes, change: Callable[[dict], object]) -> bytes:
    """The file with its model.json changed, and right checksums."""
    members = members_of(content)
    description = json.loads(members["model.json"])
    changed = change(description)
    members["model.json"] = json.dumps(description if changed is None else changed).encode()
    return archive_bytes(members)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The file with something wrong in it; often such that checksums fit and what lies behind them is reached."""
    kind = rng.randrange(4)
    if kind == 0:
        return _bytes(content, rng)
    if kind == 1:
        return with_description(content, lambda description: _json(description, rng))
    members = members_of(content)
    name = rng.choice(sorted(members))
    if kind == 2:
        members[name] = _bytes(members[name], rng)
    else:
        names = [each for each in sorted(members) if each.endswith(".npy")]
        members[rng.choice(names)] = _array(members[rng.choice(names)], rng)
    return archive_bytes(members)


def _bytes(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 3, 20))):
        place = rng.randrange(len(changed)) if changed else 0
        how = rng.randrange(5)
        if how == 0 and changed:
            changed[place] ^= 1 << rng.randrange(8)
        elif how == 1:
            del changed[place:]
        elif how == 2:
            changed[place:place] = changed[: rng.randrange(1, 200)]
        elif how == 3:
            del changed[place : place + rng.randrange(1, 200)]
        else:
            changed[place : place + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"9999"))
    return bytes(changed)


def _json(description: dict, rng: random.Random) -> None:
    """Replace, remove, copy or move a value somewhere in it."""
    places = []

    def walk(node: object) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            places.append((node, key))
            walk(value)

    walk(description)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        node, key = rng.choice(places)
        if (isinstance(node, list) and key >= len(node)) or (isinstance(node, dict) and key not in node):
            continue
        how = rng.randrange(10)
        if how == 0:
            del node[key]
        elif how == 1 and isinstance(node, dict):
            node[rng.choice(("x", "classes_", "estimator", "_strategy", "func", "__class__"))] = node[key]
        elif how == 2 and isinstance(node, list):
            node.insert(key, node[key])
        elif how == 3:
            other, place = rng.choice(places)
            if place in other if isinstance(other, dict) else place < len(other):
                node[key] = json.loads(json.dumps(other[place]))
        elif how == 4 and isinstance(node[key], int | float):
            node[key] = node[key] * rng.choice((-1, 2, 1000, 1e9))
        else:
            node[key] = json.loads(json.dumps(rng.choice(EXTREMES)))


def _array(content: bytes, rng: random.Random) -> bytes:
    array = np.load(io.BytesIO(content))
    how = rng.randrange(7)
    if how == 0 and array.size:
        array = array.copy()
        value = rng.choice((np.nan, np.inf, -1, 0, 1e30, 2**31, -(2**40)))
        if array.dtype.kind != "f":
            value = rng.choice((-1, 0, 1, 7, 100))
        with np.errstate(over="ignore"):
            array.flat[rng.randrange(array.size)] = np.array(value).astype(array.dtype)
    elif how == 1:
        array = array[: rng.randrange(len(array) + 1)] if array.ndim else array
    elif how == 2:
        array = array.astype(rng.choice(("f2", "f4", "f8", "i1", "i8", "u8", "c8", "U3", "?")), copy=False)
    elif how == 3:
        array = np.concatenate([array, array]) if array.ndim else array
    elif how == 4:
        array = array.reshape(rng.choice(((-1,), (-1, 1), (1, -1), (1, 1, -1))))
    elif how == 5:
        array = array.T
    else:
        array = np.zeros_like(array) - 1 if array.dtype.kind != "u" else array
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
