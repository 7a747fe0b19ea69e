"""Settings by name: fields of the training stack and parameters of a pipeline's estimator, from `NAME=VALUE` texts.

A job's settings are pairs of name and value, both as text, as the command line gave them: texts are the same in a file
and in memory, which tuples and dicts with numbers as keys are not in JSON.
"""

import ast
import difflib
from collections.abc import Collection, Iterable
from dataclasses import fields
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BeforeValidator, PlainSerializer

from cvclassic.augmentation import innermost
from cvclassic.errors import InputError
from cvclassic.neural import TrainingStack

LONGEST_LITERAL = 1000  # characters
V = TypeVar("V")
Pairs = Annotated[
    tuple[tuple[str, V], ...],
    BeforeValidator(lambda found: _pairs(found) if isinstance(found, dict) else found),
    PlainSerializer(dict),
]
"""A mapping that can be hashed: pairs of name and value, an object in JSON."""
Settings = Pairs[str]
"""Names and values of a job's settings, as text."""


def parse_setting(text: str) -> tuple[str, str]:
    """("NAME", "VALUE") of "NAME=VALUE"; InputError for anything else."""
    name, equals, value = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    if not (name.isidentifier() and equals and value):
        raise InputError(f"{text!r} is no setting; write NAME=VALUE, such as batch_size=32.")
    return name, value


def parse_sweep(text: str) -> tuple[str, list[str]]:
    """("NAME", ["V1", "V2"]) of "NAME=V1,V2"; commas inside of brackets part nothing. A value counts once."""
    name, joined = parse_setting(text)
    values, depth = [""], 0
    for character in joined:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            values.append("")
        else:
            values[-1] += character
    values = list(dict.fromkeys(value.strip() for value in values))
    if "" in values:
        raise InputError(f"The sweep {text!r} has an empty value; write NAME=V1,V2, such as batch_size=32,128.")
    return name, values


def parse_value(text: str) -> Any:
    """The Python literal that `text` is (number, True, False, None, tuple, list, dict), else `text` itself.

    >>> parse_value("1e-3"), parse_value("(512, 256)"), parse_value("adam")
    (0.001, (512, 256), 'adam')
    """
    if len(text) > LONGEST_LITERAL:  # Python's parser needs memory and depth for what is nested
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def as_text(value: object) -> str:
    """The text that `parse_value` makes `value` of again: texts as they are, other values as Python writes them."""
    return value if isinstance(value, str) else repr(value.item() if isinstance(value, np.generic) else value)


def describe_settings(settings: Settings) -> str:
    """Settings as one text: "optimizer=adam, batch_size=32"."""
    return ", ".join(f"{name}={value}" for name, value in settings)


def apply_settings(estimator, settings: Settings) -> None:
    """Set the parameters that `settings` name; see `find_parameter`."""
    for name, value in settings:
        estimator.set_params(**{find_parameter(estimator, name): parse_value(value)})


def weigh_classes(estimator, class_weight: str) -> bool:
    """Set the parameter `class_weight` of the classifier inside `estimator`; False where it has none.

    One that was brought with weights of its own keeps them.
    """
    classifier = innermost(estimator)
    parameters = _parameters(classifier)
    if "class_weight" not in parameters:
        return False
    if parameters["class_weight"] is None:
        classifier.set_params(class_weight=class_weight)
    return True


def find_parameter(estimator, name: str) -> str | None:
    """The key of `estimator.get_params()` that `name` means: itself, else the only one that ends in `__name`.

    Where none does, one that differs in upper and lower case alone: `c` for `C`.

    Raises
    ------
    InputError
        Where more than one key ends so.
    """
    keys = _parameters(estimator)
    if name in keys:
        return name
    ending = f"__{name}"
    found = [key for key in keys if key.endswith(ending)]
    found = found or [key for key in keys if f"__{key}".lower().endswith(ending.lower())]
    if len(found) > 1:
        raise InputError(f"{name!r} may mean {', '.join(found)}; name one of them in full.")
    return found[0] if found else None


def split_settings(settings: Settings, stack: TrainingStack) -> tuple[dict[str, Any], Settings]:
    """The values of the settings that are fields of `stack`, and the rest as it is."""
    ours = {f.name for f in fields(stack)}
    of_stack = {name: parse_value(value) for name, value in settings if name in ours}
    return of_stack, tuple((name, value) for name, value in settings if name not in ours)


def unknown_setting(name: str, stack: TrainingStack, estimators: Iterable) -> InputError:
    """The error for a name that is neither a field of `stack` nor a parameter of one of the estimators."""
    keys = [key for estimator in estimators for key in _parameters(estimator)]
    known = dict.fromkeys([*(f.name for f in fields(stack)), *(key.rpartition("__")[2] for key in keys), *keys])
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    has = ", ".join(f.name for f in fields(stack))
    hint = f"Near names: {', '.join(near)}." if near else f"The training stack has {has}."
    return InputError(f"Neither the training stack nor a chosen pipeline has a parameter {name!r}. {hint}")


def _parameters(estimator) -> Collection[str]:
    return estimator.get_params(deep=True) if hasattr(estimator, "get_params") else ()


def _pairs(mapping: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in mapping.items())
