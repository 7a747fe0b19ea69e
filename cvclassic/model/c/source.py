"""C source: literals, constants, and the templates that lie beside this file.

A template is C in which `MODEL` stands for the model's name, `PART` for that of one of its parts, and a few words in
capitals for what the generator puts there.
"""

import re
from importlib import resources

import numpy as np

from cvclassic.errors import InputError

_TYPES = {
    "float32": "float",
    "float64": "double",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
}
_WIDTH = 118
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")


def check_name(name: str) -> None:
    """Raise `InputError` unless `name` can begin the names of C functions."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"name={name!r} can't begin the names of C functions: use up to 31 letters a-z, digits and underscores, "
            'the first a letter, such as "digits".'
        )


def filled(template: str, names: dict[str, str], words: dict[str, str] | None = None) -> str:
    """The text of a template: `words` are replaced as they are, then `MODEL` and `PART` by their `names`."""
    text = resources.files(__package__).joinpath("templates", f"{template}.h").read_text(encoding="utf-8")
    for word, replacement in (words or {}).items():
        text = text.replace(word, replacement)
    return re.sub(r"\b(MODEL|PART)(?=_)", lambda match: names[match[1]], text)


def integer_constants(prefix: str, values: dict[str, int]) -> str:
    """An enum: whole numbers that have names, cost no memory, and can size arrays."""
    entries = ", ".join(f"{prefix}_{name} = {int(value)}" for name, value in values.items())
    return f"enum {{\n{_wrapped(entries, indent='    ')}\n}};\n"


def array(name: str, values: np.ndarray) -> str:
    """`static const` array of one or two dimensions, or one number, of the C type of its dtype."""
    sizes = "".join(f"[{n}]" for n in values.shape)
    return f"static const {_TYPES[values.dtype.name]} {name}{sizes} = {_initializer(values)};\n"


def string(text: str) -> str:
    """A C string literal of the text's UTF-8 bytes; all but plain characters as octal escapes, which end by themselves.

    A question mark is escaped too: two of them would begin a trigraph.
    """
    plain = set(b" !#$%&'()*+,-./:;<=>@[]^_`{|}~") | set(range(48, 58)) | set(range(65, 91)) | set(range(97, 123))
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode("utf-8", "surrogateescape")) + '"'


def string_bytes(text: str) -> int:
    """Bytes of the string in memory, its final zero included."""
    return len(text.encode("utf-8", "surrogateescape")) + 1


def _initializer(values: np.ndarray) -> str:
    if values.ndim == 0:
        return _numbers(values.reshape(1))[0]
    if values.ndim == 1:
        return f"{{\n{_wrapped(', '.join(_numbers(values)))}\n}}"
    return "{\n" + ",\n".join(f"{{\n{_wrapped(', '.join(_numbers(row)))}\n}}" for row in values) + "\n}"


def _numbers(values: np.ndarray) -> list[str]:
    """The shortest literals that give the same numbers back."""
    if values.dtype == np.int32 or values.dtype == np.uint32 or values.dtype.itemsize < 4:
        return [str(v) for v in values.tolist()]
    suffix = "f" if values.dtype == np.float32 else ""
    return [f"{v!s}{suffix}" for v in values]


def _wrapped(entries: str, indent: str = "") -> str:
    """Entries that are separated by ", " on lines of at most `_WIDTH` characters."""
    lines, line = [], []
    length = 0
    for entry in entries.split(", "):
        if line and length + len(entry) + 2 > _WIDTH:
            lines.append(", ".join(line) + ",")
            line, length = [], 0
        line.append(entry)
        length += len(entry) + 2
    return "\n".join(indent + line for line in [*lines, ", ".join(line)])
