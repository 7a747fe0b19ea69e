"""Records and arrays of a run as bytes, and back from files that may hold anything: DataError says what is wrong.

JSON can't hold half of a surrogate pair, by which Python writes a byte of a file's name that is no UTF-8: it becomes
U+FFFD and its four hexadecimal digits, as does U+FFFD itself. What is read back is equal to what was written.
"""

import dataclasses
import functools
import io
import os
import re
import stat
import zipfile
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from cvclassic.datasets.npz import Header, open_archive, open_member, read_header, read_rest
from cvclassic.errors import DataError

T = TypeVar("T")
LARGEST_JSON = 2**25  # bytes; a record of 100,000 jobs has 26 million, and takes twenty times as much memory at worst


class Expected(NamedTuple):
    """An array that a file should hold: names of the data types, and the shapes, that are fine."""

    types: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]


def to_json(record: object) -> bytes:
    """A record of `runs.job` as JSON."""
    return _adapter(type(record)).dump_json(_with_texts(record, _escaped), indent=1) + b"\n"


def from_json(kind: type[T], content: bytes) -> T:
    """The record of this kind that `to_json` wrote."""
    try:
        record = _adapter(kind).validate_json(content, strict=True)
        return _with_texts(record, _unescaped) if _may_hold_escapes(content) else record
    except Exception as error:  # of any kind: a spec that is made of odd values checks itself
        raise DataError(f"is damaged ({_first_line(error)})") from None


def read_content(path: Path, most: int = LARGEST_JSON) -> bytes:
    """What a file of at most so many bytes holds; no link, pipe or device, which lead elsewhere or never end."""
    _check_file(path, most)
    return path.read_bytes()


def write_array(file: IO[bytes], array: np.ndarray) -> None:
    """What `np.save` writes; on a full disk this says so, and `np.save` gives no reason."""
    array = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    file.write(array.data)


def npy(array: np.ndarray) -> bytes:
    """The content of a .npy file."""
    file = io.BytesIO()
    write_array(file, array)
    return file.getvalue()


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The content of a compressed .npz file; the same bytes for the same arrays, which `np.savez` gives not."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npy(array), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def read_npz(path: Path, expected: Mapping[str, Expected]) -> dict[str, np.ndarray]:
    """Those arrays of an .npz file that are expected and there; nothing that is larger than expected is unpacked."""
    most = sum(8 * max(map(prod, each.shapes)) + 4096 for each in expected.values())
    _check_file(path, 2 * most)
    try:
        with open_archive(path) as archive:
            names = [name for name in expected if f"{name}.npy" in archive.namelist()]
            return {name: _read_member(archive, name, expected[name]) for name in names}
    except (DataError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and numpy have many kinds
        raise DataError(f"is damaged ({_first_line(error)})") from None


def map_npy(path: Path, expected: Expected) -> np.ndarray:
    """The array of an .npy file, mapped for reading."""
    _check_file(path)
    try:
        with open(path, "rb") as file:
            header, offset = _read_header(file, expected), file.tell()
        size = offset + header.size
        if path.stat().st_size != size:
            raise DataError(f"is damaged ({path.stat().st_size:,} bytes instead of {size:,})")
        return np.memmap(path, header.dtype, "r", offset, header.shape)
    except (DataError, OSError):
        raise
    except Exception as error:
        raise DataError(f"is damaged ({_first_line(error)})") from None


@functools.cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


def _read_member(archive: zipfile.ZipFile, name: str, expected: Expected) -> np.ndarray:
    with open_member(archive, name) as file:
        return read_rest(file, _read_header(file, expected))


def _read_header(file: IO[bytes], expected: Expected) -> Header:
    header = read_header(file)
    if header.fortran_order or str(header.dtype) not in expected.types or header.shape not in expected.shapes:
        wanted = " or ".join(map(str, expected.shapes))
        found = f"{header.dtype}, {str(header.shape)[:80]}"
        raise DataError(f"is damaged (an array of {found}, where {wanted} was expected)")
    return header


def _check_file(path: Path, most: int | None = None) -> None:
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode):
        raise DataError("is no regular file")
    if most is not None and found.st_size > most:
        raise DataError(f"is damaged ({found.st_size:,} bytes, far more than there should be)")


def _first_line(error: Exception) -> str:
    """What went wrong, in one short line of printable characters."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        text = f"{place}: {first['msg']}" if place else first["msg"]
    line = (text.splitlines() or [""])[0]
    return "".join(character if character.isprintable() else "?" for character in line)[:200]


def _with_texts(value: T, change: Callable[[str], str]) -> T:
    """`value`, a record or a part of one, with every text changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple | list):
        return type(value)(_with_texts(each, change) for each in value)
    if isinstance(value, dict):
        return {_with_texts(key, change): _with_texts(each, change) for key, each in value.items()}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(value, **{name: _with_texts(getattr(value, name), change) for name in names})
    return value


def _may_hold_escapes(content: bytes) -> bool:
    """Whether U+FFFD is in a JSON text; where it isn't, there is no need to look at every text of a record."""
    return "\ufffd".encode() in content or b"\\u" in content


def _escaped(text: str) -> str:
    return re.sub("[\ud800-\udfff\ufffd]", lambda found: f"\ufffd{ord(found[0]):04x}", text)


def _unescaped(text: str) -> str:
    return re.sub("\ufffd([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
