"""A `Model` as a `.cvc` file, and back from files that may hold anything."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path

from cvclassic.decoding import InputContract
from cvclassic.errors import InputError
from cvclassic.model.archive import Archive, archive_bytes, replaced, write_archive
from cvclassic.model.calibration import Calibration
from cvclassic.model.kinds import NotKnown
from cvclassic.model.model import Model
from cvclassic.model.tree import Json, Members, Unsavable, check, decode, encode

FORMAT = 1
DESCRIPTION = "model.json"
LARGEST_DESCRIPTION = 2**24  # bytes
MOST_CLASSES = 100_000
LONGEST_WHY = 500  # characters
_FIELDS = {
    "calibration",
    "class_names",
    "figures",
    "fingerprint",
    "format",
    "input",
    "pipeline",
    "versions",
}


def write_model(model: Model, path: Path) -> Path:
    """What `Model.save` does."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file, such as {path / 'model.cvc'}.")
    write_archive(path, model_members(model))
    return path


def model_bytes(model: Model) -> bytes:
    """The content of a model's `.cvc` file."""
    return archive_bytes(model_members(model))


def model_members(model: Model) -> dict[str, bytes]:
    """The members of a model's `.cvc` file, by name, in their order."""
    members = Members()
    description = {
        "format": FORMAT,
        "class_names": list(model.class_names),
        "input": asdict(model.contract),
        "pipeline": _encoded(model, members),
        "calibration": None if model.calibration is None else asdict(model.calibration),
        "figures": model.figures,
        "fingerprint": model.fingerprint,
        "versions": model.versions,
    }
    try:
        content = json.dumps(description, indent=1, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"The model's figures can't be saved: {error}. They are numbers, texts, lists and dicts."
        ) from error
    return {DESCRIPTION: content, **members.contents}


def load_model(path: str | os.PathLike) -> Model:
    """The model in a `.cvc` file.

    No code is read from it, and no pickle; a part of your own is found where `cvclassic.model.register` was called
    before.

    Raises
    ------
    InputError
        For a file that is missing, damaged or no model, from a later version, or with a part that is not known here.
    """
    return read_model(Path(path))


def read_model(source: str | os.PathLike | bytes) -> Model:
    """The model in a file, or in the content of one; raises as `load_model` does."""
    name = "The model" if isinstance(source, bytes) else str(source)
    if not isinstance(source, bytes) and not os.path.lexists(source):
        raise InputError(f"There is no model file {name!r}.")
    try:
        with Archive(source if isinstance(source, bytes) else Path(source)) as archive:
            return _model(archive)
    except InputError as error:
        advice = "" if isinstance(error, NotKnown) else " Copy it once more, or save the model again."
        why = str(error).rstrip(".")
        why = why if len(why) <= LONGEST_WHY else f"{why[:LONGEST_WHY]} …"  # it may hold what stands in the file
        raise InputError(f"{name} can't be read as a model: {why}.{advice}") from error
    except (MemoryError, RecursionError) as error:
        raise InputError(f"{name} can't be read as a model: it takes more memory than there is.") from error


def write_export(model: Model, path: Path, to: str, weights: str) -> Path:
    """What `Model.export` does; in C what is declared has the file's name, where that can be one."""
    arguments = (model.pipeline, model.contract, model.class_names)
    if to == "onnx":
        from cvclassic.model.onnx import to_onnx

        content = to_onnx(*arguments)
    else:
        from cvclassic.model.c import to_c

        named = path.stem.isascii() and path.stem.isidentifier()
        content = to_c(*arguments, name=path.stem if named else "model", weights=weights).encode()
    with replaced(path) as file:
        file.write(content)
    return path


def _encoded(model: Model, members: Members) -> Json:
    try:
        return encode(model.pipeline, members)
    except Unsavable as error:
        raise InputError(f"The model can't be saved: {error}.") from error


def _model(archive: Archive) -> Model:
    description = _description(archive.take(DESCRIPTION, most=LARGEST_DESCRIPTION))
    class_names, contract = _class_names(description["class_names"]), _contract(description["input"])
    k = len(class_names)
    pipeline = decode(description["pipeline"], archive.take, k)
    if archive.left:
        raise InputError(f"it holds {archive.left[0][:80]!r}, which is no part of a model")
    if check(pipeline, contract.shape, k) is not None:
        raise InputError("its pipeline does not end in a classifier")
    return Model(
        pipeline,
        class_names,
        contract,
        calibration=_calibration(description["calibration"]),
        figures=_figures(description["figures"]),
        fingerprint=_text(description["fingerprint"]),
        versions=_versions(description["versions"]),
    )


def _description(content: bytes) -> dict[str, Json]:
    try:
        found = json.loads(
            content.decode("ascii"), object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite
        )
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"its {DESCRIPTION} is no JSON ({type(error).__name__})") from error
    version = found.get("format") if isinstance(found, dict) else None
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        raise NotKnown(f"it has format {version}, and this version reads up to {FORMAT}: update cvclassic")
    if version is not True and version == FORMAT and found.keys() == _FIELDS:
        return found
    raise InputError(f"its {DESCRIPTION} is none of a model of format {FORMAT}")


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError(f"its {DESCRIPTION} has two values of one name")
    return found


def _finite(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise InputError(f"its {DESCRIPTION} has the number {text[:20]}")
    return found


def _class_names(value: Json) -> list[str]:
    fine = isinstance(value, list) and 0 < len(value) <= MOST_CLASSES
    if not fine or not all(isinstance(name, str) and 0 < len(name) < 10_000 for name in value):
        raise InputError("it has no list of class names")
    return value


def _contract(value: Json) -> InputContract:
    if not isinstance(value, dict) or value.keys() != {"height", "width", "channels", "resize"}:
        raise InputError("it does not say what its images look like")
    return InputContract(**value)


def _calibration(value: Json) -> Calibration | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != set(Calibration.__dataclass_fields__):
        raise InputError("its calibration is damaged")
    return Calibration(**value)


def _figures(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InputError("its figures are damaged")
    return value


def _text(value: Json) -> str | None:
    if value is not None and not (isinstance(value, str) and len(value) < 10_000):
        raise InputError("its fingerprint is damaged")
    return value


def _versions(value: Json) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 100 or not all(isinstance(each, str) for each in value.values()):
        raise InputError("its versions are damaged")
    return value
