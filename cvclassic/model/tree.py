"""A fitted pipeline as JSON and arrays, and back: a tree of known classes, their parameters and what they learned."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator

from cvclassic.augmentation import layers
from cvclassic.errors import InputError
from cvclassic.model import kinds
from cvclassic.model.arrays import can_be_saved, from_npy, to_npy
from cvclassic.model.kinds import Kind, Shape, Value, function_called, kind_called, kind_of, name_of_function

DEEPEST = 40  # estimators, lists and dicts inside one another
LONGEST = 2**20  # elements of a list, characters of a text
LEAF = (bool, int, float, str, type(None))

Json = None | bool | int | float | str | list | dict


class Unsavable(InputError):
    """A part of an estimator can't be saved."""


class Members:
    """What stands beside the JSON while a tree is written: arrays and the like, by the names of the file's members.

    Parameters
    ----------
    fitted : bool
        Whether what was learned is written, and not the parameters alone.
    """

    def __init__(self, *, fitted: bool = True):
        self.fitted = fitted
        self.contents: dict[str, bytes] = {}

    def add(self, content: bytes, suffix: str) -> str:
        name = f"parts/{len(self.contents):04d}.{suffix}"
        self.contents[name] = content
        return name


def unsavable(estimator: BaseEstimator) -> str | None:
    """Which part of an estimator, fitted or not, can't be saved in a `.cvc` file, and why; None where all can."""
    try:
        for layer in layers(estimator):  # what a wrapper was given is not saved, and so no parameter
            _parameters(layer, _known(layer), Members(fitted=False), 0)
    except Unsavable as error:
        return str(error)
    return None


def encode(value: Value, members: Members, depth: int = 0) -> Json:
    """A value that may stand in a file, as JSON; arrays become members. `Unsavable` for anything else."""
    if depth > DEEPEST:
        raise Unsavable(f"its parts stand inside one another more than {DEEPEST} deep")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise Unsavable(f"the number {value} can't be saved")
    if isinstance(value, LEAF):
        return value
    if isinstance(value, list):
        return [encode(each, members, depth + 1) for each in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(each, members, depth + 1) for each in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(each, members, depth + 1) for each in item] for item in value.items()]}
    if isinstance(value, np.ndarray):
        return _encoded_array(value, members)
    if isinstance(value, bytes):
        return {"bytes": members.add(value, "bin")}
    if isinstance(value, BaseEstimator):
        return _encoded_estimator(value, members, depth)
    return _encoded_function(value, members, depth)


def decode(value: Json, take: Callable[[str], bytes], n_classes: int, depth: int = 0) -> Value:
    """The value; `take` gives a member's content. InputError for what `encode` doesn't make, or can't be so."""
    if depth > DEEPEST:
        raise InputError(f"its parts stand inside one another more than {DEEPEST} deep")
    if isinstance(value, list):
        return [decode(each, take, n_classes, depth + 1) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"it holds the number {value}")
    if not isinstance(value, dict):
        return value
    if value.keys() == {"tuple"} and isinstance(value["tuple"], list):
        return tuple(decode(value["tuple"], take, n_classes, depth))
    if value.keys() == {"dict"} and isinstance(value["dict"], list):
        return _decoded_dict(decode(value["dict"], take, n_classes, depth))
    if value.keys() == {"array"} and isinstance(value["array"], str):
        return _decoded_array(take(value["array"]))
    if value.keys() == {"bytes"} and isinstance(value["bytes"], str):
        return take(value["bytes"])
    if value.keys() == {"function", "keywords"} and isinstance(value["function"], str):
        return _decoded_function(value, take, n_classes, depth)
    if value.keys() == {"class", "parameters", "fitted"}:
        return _decoded_estimator(value, take, n_classes, depth)
    raise InputError(f"it holds a part with {', '.join(sorted(map(str, value)))[:80] or 'nothing'} in it")


def check(estimator: Value, shape: Shape, n_classes: int) -> Shape:
    """Hold an estimator that was read against what comes in; returns the shape of what goes out.

    Raises
    ------
    InputError
        Where it doesn't fit.
    """
    kind = kind_of(estimator)
    if kind is None:
        raise InputError(f"it has {type(estimator).__name__} where an estimator should be")
    try:
        return kind.check(estimator, shape, n_classes)
    except InputError:
        raise
    except Exception as error:  # parameters of any wrong type, which the estimator's own checks don't expect
        raise InputError(f"its {kind.name} is damaged ({type(error).__name__}: {str(error)[:120]})") from error


def _known(estimator: object) -> Kind:
    kind = kind_of(estimator)
    if kind is None:
        raise Unsavable(f"{type(estimator).__name__} can't be saved: {_advice(type(estimator))}")
    reason = kind.refuse(estimator)
    if reason:
        raise Unsavable(f"{type(estimator).__name__} can't be saved: {reason}")
    return kind


def _advice(found: type) -> str:
    if found.__module__.startswith("sklearnex."):
        return "use cvclassic.svm.KernelSVM, which is fitted by scikit-learn-intelex too"
    if found.__module__.startswith("sklearn."):
        return "docs/models.md lists the classes of scikit-learn that can"
    return f"{found.__module__} is no module of cvclassic; let it be by cvclassic.model.register"


def _encoded_estimator(estimator: BaseEstimator, members: Members, depth: int) -> Json:
    kind = _known(estimator)
    parameters = _parameters(estimator, kind, members, depth)
    if not members.fitted:
        return {"class": kind.name, "parameters": parameters, "fitted": {}}
    if kind.collect is not None:
        found = kind.collect(estimator)
    else:
        found = {name: getattr(estimator, name) for name in kind.fitted if hasattr(estimator, name)}
    missing = [name for name, fits in kind.fitted.items() if name not in found and not fits(None)]
    if missing:
        raise InputError(f"{type(estimator).__name__} is not fitted: it has no {missing[0]}. Fit it before it is saved")
    fitted = {name: _named(estimator, name, value, members, depth) for name, value in found.items()}
    return {"class": kind.name, "parameters": parameters, "fitted": fitted}


def _parameters(estimator: BaseEstimator, kind: Kind, members: Members, depth: int) -> dict[str, Json]:
    found = {name: value for name, value in estimator.get_params(deep=False).items() if name not in kind.left_out}
    return {name: _named(estimator, name, value, members, depth) for name, value in found.items()}


def _named(estimator: BaseEstimator, name: str, value: Value, members: Members, depth: int) -> Json:
    """`encode`, with a message that tells whose value it is."""
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return None  # it draws what is learned, and has done so
    try:
        return encode(value, members, depth + 1)
    except Unsavable as error:
        if isinstance(value, BaseEstimator | list | tuple):
            raise
        raise Unsavable(f"{type(estimator).__name__}({name}=…) can't be saved: {error}") from error


def _encoded_array(value: np.ndarray, members: Members) -> Json:
    if not can_be_saved(value):
        raise Unsavable(f"an array of {value.dtype} can't be saved")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise Unsavable("an array with NaN or infinite values can't be saved")
    return {"array": members.add(to_npy(value), "npy")}


def _encoded_function(value: Value, members: Members, depth: int) -> Json:
    keywords = {}
    while isinstance(value, partial) and not value.args:
        value, keywords = value.func, value.keywords | keywords
    name = name_of_function(value) if callable(value) else None
    if name is None:
        what = f"the function {value.__name__}" if hasattr(value, "__name__") else f"a {type(value).__name__}"
        raise Unsavable(f"{what} is none that a .cvc file may name; cvclassic.model.register lets it be")
    return {"function": name, "keywords": {key: encode(each, members, depth + 1) for key, each in keywords.items()}}


def _decoded_dict(items: list[Value]) -> dict[Value, Value]:
    if not all(isinstance(item, list) and len(item) == 2 and isinstance(item[0], LEAF) for item in items):
        raise InputError("a dict in it has other items than a key and a value")
    return dict(items)


def _decoded_array(content: bytes) -> np.ndarray:
    array = from_npy(content)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError("an array in it has NaN or infinite values")
    return array


def _decoded_function(value: dict[str, Json], take: Callable, n_classes: int, depth: int) -> Callable:
    function = function_called(value["function"])
    keywords = _decoded_mapping(value["keywords"], take, n_classes, depth)
    if not all(
        isinstance(each, LEAF) and (not isinstance(each, int) or abs(each) <= kinds.LARGEST)
        for each in keywords.values()
    ):
        raise InputError(f"it gives {value['function']} parameters that it can't have")
    return partial(function, **keywords) if keywords else function


def _decoded_mapping(value: Json, take: Callable, n_classes: int, depth: int) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise InputError("a part of it has no parameters by name")
    return {name: decode(each, take, n_classes, depth + 1) for name, each in value.items()}


def _decoded_estimator(value: dict[str, Json], take: Callable, n_classes: int, depth: int) -> BaseEstimator:
    if not isinstance(value["class"], str):
        raise InputError("it has a part without the name of a class")
    kind = kind_called(value["class"])
    parameters = _decoded_mapping(value["parameters"], take, n_classes, depth)
    fitted = _decoded_mapping(value["fitted"], take, n_classes, depth)
    cls = kind.load()
    known = set(cls._get_param_names()) - set(kind.left_out)
    if kind.name.startswith("sklearn."):  # whose versions take parameters of `fit` away
        parameters = {name: found for name, found in parameters.items() if name in known}
    for name in parameters.keys() - known:
        raise InputError(f"its {kind.name} has a parameter {name[:80]!r}, which this version does not know")
    for name, found in parameters.items():
        if kinds.number(found) and abs(found) > 1e18:
            raise InputError(f"its {kind.name} has {name}={found!r}")
    try:
        estimator = cls(**parameters, **kind.left_out)
    except TypeError as error:
        raise InputError(f"its {kind.name} lacks a parameter ({str(error)[:120]})") from error
    _restore(estimator, kind, fitted)
    return estimator


def _restore(estimator: BaseEstimator, kind: Kind, fitted: dict[str, Value]) -> None:
    for name in fitted.keys() - kind.fitted.keys():
        raise InputError(f"its {kind.name} has an attribute {name[:80]!r}, which it can't have")
    for name, fits in kind.fitted.items():
        if not fits(fitted.get(name)):
            raise InputError(f"its {kind.name} has no {name}, or what can be none")
    try:
        if kind.restore is not None:
            kind.restore(estimator, fitted)
        else:
            for name, found in fitted.items():
                setattr(estimator, name, found)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"its {kind.name} can't be made ({type(error).__name__}: {str(error)[:120]})") from error
