"""What a `.cvc` file may hold of estimators: one `Kind` for each class, and how one of a user's own joins them.

A file names kinds; it never says what is to be imported. The names that come with cvclassic stand in the tables here,
and a table's module is imported when one of its names is met.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from sklearn.base import BaseEstimator

from cvclassic.errors import InputError
from cvclassic.model import pipeline_files

Value = object
"""What stands in a file: None, bool, int, float, str, bytes, lists, tuples and dicts of these, arrays, estimators and
functions."""

Shape = tuple[int, ...] | None
"""Of one image, (height, width[, 3]), or of its features, (n,); None where that isn't known."""

LARGEST = 2**24  # features of an image, pixels of one, and any whole number among parameters


class NotKnown(InputError):
    """A file is whole, but needs a class, a function or a version that is not here; the message tells where it is."""


@dataclass(frozen=True)
class Kind:
    """A class of estimators that can be saved.

    Attributes
    ----------
    name : str
        What files call it: the public place of the class, such as "sklearn.decomposition.PCA".
    fitted : mapping of str to function
        What it learned: each attribute, and the function that tells whether a value can be one.
    check : function (estimator, shape, n_classes) -> shape
        Of an estimator that was read: InputError where its parts don't fit together, or don't fit what comes in;
        returns the shape of what goes out, None for a classifier.
    left_out : mapping of str to value
        Parameters that prediction has no use for, and what they are after loading.
    collect : function (estimator) -> dict of attributes, optional
        In place of reading them from the estimator.
    restore : function (estimator, dict), optional
        In place of setting them.
    refuse : function (estimator) -> str or None, optional
        Why this one can't be saved, by its parameters.
    """

    name: str
    fitted: Mapping[str, Callable[[Value], bool]] = field(default_factory=dict)
    check: Callable[[BaseEstimator, Shape, int], Shape] = lambda estimator, shape, n_classes: None
    left_out: Mapping[str, Value] = field(default_factory=dict)
    collect: Callable[[BaseEstimator], dict[str, Value]] | None = None
    restore: Callable[[BaseEstimator, dict[str, Value]], None] | None = None
    refuse: Callable[[BaseEstimator], str | None] = lambda estimator: None

    def load(self) -> type[BaseEstimator]:
        """The class."""
        return _REGISTERED[self.name] if self.name in _REGISTERED else _loaded(self.name)


# Where the kinds of each module are described.
_TABLES = {
    "cvclassic.augmentation": "cvclassic.model.kinds_wrappers",
    "cvclassic.features": "cvclassic.model.kinds_features",
    "cvclassic.neural": "cvclassic.model.kinds_neural",
    "cvclassic.svm": "cvclassic.model.kinds_svm",
    "pipelines": "cvclassic.model.kinds_pipelines",
    "sklearn": "cvclassic.model.kinds_sklearn",
    "sklearn.ensemble": "cvclassic.model.kinds_trees",
    "sklearn.tree": "cvclassic.model.kinds_trees",
}
_FUNCTIONS = {
    "cvclassic.neural.cnn",
    "cvclassic.neural.cnn_fast",
    "cvclassic.neural.hybrid",
    "cvclassic.neural.linear_head",
    "cvclassic.neural.mlp",
    "cvclassic.neural.resnet_small",
    "pipelines.most_frequent.unseen",
    "pipelines.recipe_cifar10_cnn.network",
    "pipelines.recipe_mnist_relu.network",
    "pipelines.recipe_mnist_sigmoid.network",
}
_REGISTERED: dict[str, object] = {}
_REGISTERED_KINDS: dict[str, Kind] = {}


def register(
    thing: type[BaseEstimator] | Callable,
    *,
    fitted: Mapping[str, Callable[[Value], bool]] | tuple[str, ...] = (),
    name: str | None = None,
    check: Callable[[BaseEstimator, Shape, int], Shape] | None = None,
) -> type[BaseEstimator] | Callable:
    """Let an estimator class or a function of your own be saved in `.cvc` files, and be found when one is loaded.

    What is loaded needs the same call before: put it beside the class or function, into a module that the loading
    program imports. Parameters are saved as `get_params` gives them.

    Parameters
    ----------
    thing : class of estimators, or function
        A function is one that `FunctionTransformer` calls, or a model function of `NeuralClassifier`.
    fitted : names of attributes, or mapping of each to a function
        What `fit` learns and `predict` or `transform` needs. The function tells whether a value that was read can be
        one; without it anything passes that a file may hold (numbers, texts, arrays of finite numbers, estimators).
    name : str, optional
        What files call it; by default its module and name, of a pipeline file the file's name and its own.
    check : function (estimator, shape, n_classes) -> shape, optional
        As of `Kind`.

    Returns
    -------
    `thing`, so that this can stand above a class or function as `@register`

    Raises
    ------
    InputError
        For a name that another one has.
    """
    name = name or ".".join(_place(thing))
    known = _REGISTERED.get(name)
    if (known is not None and not _same(known, thing)) or name in _FUNCTIONS or _described(name) is not None:
        raise InputError(f"{name!r} is the name of another one; register yours by name=.")
    _REGISTERED[name] = thing
    if isinstance(thing, type):
        checks = fitted if isinstance(fitted, Mapping) else dict.fromkeys(fitted, anything)
        _REGISTERED_KINDS[name] = Kind(name, checks, check or (lambda estimator, shape, n_classes: None))
    return thing


def anything(value: Value) -> bool:
    """True: for what is registered without a function that checks it."""
    return True


def kind_called(name: str) -> Kind:
    """The kind of this name; `NotKnown` where there is none."""
    kind = _REGISTERED_KINDS.get(name) or _described(name)
    if kind is None:
        raise _not_known(name)
    return kind


def kind_of(estimator: object) -> Kind | None:
    """The kind of this very class, not of one that it derives from; None where there is none."""
    for name, kind in _REGISTERED_KINDS.items():
        if _same(_REGISTERED[name], type(estimator)):
            return kind
    for table in [each for prefix, each in _TABLES.items() if _may_hold(prefix, type(estimator))]:
        for kind in importlib.import_module(table).KINDS:
            if _is(type(estimator), kind.name):
                return kind
    return None


def function_called(name: str) -> Callable:
    """The function of this name; `NotKnown` where there is none."""
    if name in _FUNCTIONS:
        return _loaded(name)
    found = _REGISTERED.get(name)
    if found is None or isinstance(found, type):
        raise _not_known(name)
    return found


def name_of_function(function: Callable) -> str | None:
    """What files call it; None where it can't be saved."""
    for name, known in _REGISTERED.items():
        if _same(known, function):
            return name
    return next((name for name in sorted(_FUNCTIONS) if _is(function, name)), None)


def _same(one: type | Callable, other: type | Callable) -> bool:
    """Whether both are the same class or function, be it that its file was run twice."""
    return one is other or (isinstance(one, type) == isinstance(other, type) and _place(one) == _place(other))


def _place(thing: type | Callable) -> tuple[str, str]:
    """Module and name; a pipeline file is a module of its own name, whoever imports it."""
    module = getattr(thing, "__module__", None) or ""
    return module.removeprefix(pipeline_files.PREFIX), getattr(thing, "__qualname__", type(thing).__qualname__)


@cache
def _described(name: str) -> Kind | None:
    prefix = max((each for each in _TABLES if name.startswith(f"{each}.")), key=len, default=None)
    if prefix is None:
        return None
    kinds = importlib.import_module(_TABLES[prefix]).KINDS
    return next((kind for kind in kinds if kind.name == name), None)


def _may_hold(prefix: str, found: type) -> bool:
    """Whether a table may have this class: so no other one is imported."""
    module = found.__module__
    in_pipeline = module.startswith(pipeline_files.PREFIX)
    return in_pipeline if prefix == "pipelines" else module == prefix or module.startswith(f"{prefix}.")


def _loaded(name: str) -> object:
    """The class or function of one of our own tables' names."""
    module, _, attribute = name.rpartition(".")
    if module.startswith("pipelines."):
        return getattr(pipeline_files.builtin_module(module.removeprefix("pipelines.")), attribute)
    return getattr(importlib.import_module(module), attribute)


def _is(thing: type | Callable, name: str) -> bool:
    """Whether a class or function is the one of this name; its module is imported then."""
    module, _, attribute = name.rpartition(".")
    if module.startswith("pipelines."):
        stem = module.removeprefix("pipelines.")
        return getattr(thing, "__qualname__", "") == attribute and pipeline_files.is_of_builtin(thing, stem)
    return getattr(sys.modules.get(module), attribute, None) is thing


def _not_known(name: str) -> NotKnown:
    return NotKnown(
        f"it holds {name[:80]!r}, which is not known here. Where that is of your own, import the code that registers "
        "it (cvclassic.model.register) first; else update cvclassic"
    )


def agree(fits: bool, what: str) -> None:
    """InputError with what doesn't fit, unless it does."""
    if not fits:
        raise InputError(f"{what} does not fit the rest")


def floats(*ndim: int) -> Callable[[Value], bool]:
    """Whether a value is a floating point array of so many dimensions."""
    return lambda value: isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim in ndim


def integers(*ndim: int) -> Callable[[Value], bool]:
    """Whether a value is an array of integers of so many dimensions."""
    return lambda value: isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim in ndim


def maybe(check: Callable[[Value], bool]) -> Callable[[Value], bool]:
    """Whether a value is None, or passes `check`."""
    return lambda value: value is None or check(value)


def whole(value: Value) -> bool:
    """Whether a value is an int from 0 on."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def number(value: Value) -> bool:
    """Whether a value is an int or float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def flag(value: Value) -> bool:
    """Whether a value is True or False."""
    return isinstance(value, bool)


def sizes(value: Value) -> bool:
    """Whether a value is a tuple of ints from 1 on."""
    return isinstance(value, tuple) and 0 < len(value) <= 4 and all(whole(v) and v >= 1 for v in value)


def estimator(value: Value) -> bool:
    """Whether a value is an estimator."""
    return isinstance(value, BaseEstimator)


def check_classes(found: Value, n_classes: int) -> bool:
    """Whether a value can be the `classes_` of a classifier of the model: class numbers, in order."""
    if not (isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype.kind in "iu" and len(found)):
        return False
    return bool((np.diff(found.astype(np.int64)) > 0).all() and found[0] >= 0 and found[-1] < n_classes)
