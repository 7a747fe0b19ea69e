"""`RunSpec`: all that a run was asked, checked when made. Every default of command and `compare()` stands here."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from cvclassic.augmentation import AUGMENTATIONS
from cvclassic.decoding import PAD, RESIZES
from cvclassic.errors import InputError
from cvclassic.neural import TrainingStack
from cvclassic.runs.settings import Pairs, Settings, as_text, parse_value

ALL = "all"
EMBEDDED = ("digits", "shapes")
HOURS = 3600.0
MOST_SEED = 2**32 - 1  # NumPy's, for its global generator
AUTO = "auto"
KEEP_NONE = "none"  # of `RunSpec.keep`
DEFAULT_FOLDS = 5
ACCURACY = "accuracy"
METRICS = (ACCURACY, "balanced_accuracy", "macro_f1")
SHORT_FIT = 60.0  # seconds: what takes longer is not repeated by itself


class Preset(NamedTuple):
    """Training images at most (None: all of them), and the least epochs and steps of the neural pipelines."""

    max_train_size: int | None
    epochs: int
    min_steps: int


# After 500 steps of batches of 64 cnn and mlp knew 98 to 100 % of the training images of sets of 81 to 900. From 250 to
# 1,000 steps test accuracy rose by at most 2.4 points on digits and shapes at 90, shapes at 270, MNIST and CIFAR-10 at
# 1,000, and 336 textures; from 500 to 2,000 that of cnn on shapes at 900 by 3 (seed 0, 2026-11-24).
PRESETS = {"quick": Preset(5000, 4, 500), "standard": Preset(None, 6, 500), "full": Preset(None, 30, 2000)}


@dataclass(frozen=True)
class RunSpec:
    """What a run is asked to do.

    Parameters
    ----------
    datasets : sequence of str
        Names of data sets, or paths of folders of class folders of images. None given: MNIST and CIFAR-10 as far as
        they can be had, else the embedded `digits` and `shapes`.
    pipelines : sequence of str
        Names of pipelines, or paths of pipeline files. None given: all that run by default.
    preset : {"quick", "standard", "full"}, optional
        quick: at most 5,000 training images, 4 epochs; standard: all of them, 6 epochs; full: all, 30 epochs. On small
        sets networks train longer, for 500 steps at least, or 2,000 with full. None is quick where all sets are
        embedded ones, else standard.
    train_size : int, optional
        Images of the training part to use, validation included; a stratified sample.
    train_sizes : sequence of int or "all"
        Train at each of these sizes, nested in one another.
    folds : int, optional
        Test each image once, in so many stratified folds; 1 is a single split. None is 5 for a folder or arrays without
        a test part and with fewer than 2,000 images, where neither sizes nor settings nor seeds are varied; else 1.
    group : str, optional
        What tells which pictures of a folder belong together, and so to one side of a split: "subfolder",
        "FILE.csv:COLUMN", or a regular expression for their names.
    seed : int
        Of the splits, and of everything random in the pipelines.
    repeats : int or "auto", optional
        Run with so many seeds on the same splits: `seed` and those after it. "auto" runs each pipeline once and the
        contender of each family, where it is one whose predictions depend on the seed and a fit takes less than a
        minute, three times. None is "auto", and 1 for preset quick, folds, sweeps and sizes.
    optimizer, learning_rate, batch_size, epochs : optional
        Of all neural pipelines; None is what `cvclassic.neural.TrainingStack` and the preset say.
    time_budget : float, optional
        Seconds for each fit: networks train until then, or for `epochs` where it is given; other pipelines are shown as
        over budget.
    settings : mapping of name to value
        A field of the training stack, or a parameter of every pipeline that has it.
    sweep : mapping of name to a sequence of values
        Run every combination of these; names as for `settings`.
    experiment : str, optional
        What a ready-made sweep is called in the report.
    augment : {"none", "mirror", "shift", "affine"}, optional
        How every pipeline changes its training images; see `cvclassic.augmentation.augmented`. None is "mirror" for
        data sets in which a mirror image keeps its label (their trait), else "none".
    class_weight : {"balanced", "none"}, optional
        "balanced" lets each class weigh the same in every pipeline, however many images it has.
    metric : {"accuracy", "balanced_accuracy", "macro_f1"}, optional
        What pipelines are chosen and judged by. Balanced accuracy is the mean over the classes of the share of their
        images that is told rightly. None is accuracy, or balanced accuracy for a data set whose largest class has more
        than twice as many images as its smallest.
    margin : float
        Points (of 100) of that metric up to which a difference doesn't matter.
    within : float, optional
        Seconds for the whole run: seeds, preset, folds and steps of networks are cut until its forecast is within them.
    tune : float, optional
        Seconds for which each job searches the space that its pipeline declares (`search` in its file), on validation
        images or by cross-validation on training images, before it is fitted with what was found.
    corruptions : bool
        Test on corrupted copies of the test images too.
    image_size : int, optional
        Side in pixels to which a user's own pictures are resized; None is what fits them
        (`cvclassic.datasets.image_size.usual_size`).
    resize : {"pad", "crop", "stretch"}
        How they become squares: shown whole with a margin, cut to the middle, or stretched.
    data_dir : str, optional
        Where data sets are looked for first. None is `$CVCLASSIC_DATA`, else `data/`.
    offline : bool
        Never touch the network.
    threads : int, optional
        Of each pipeline; None is all cores.
    timeout : float
        Seconds after which a job, tuning included, is ended and counts as failed.
    memory_limit : float, optional
        GiB that a job's processes may use together; None is most of the machine's memory.
    keep : {"contenders", "all", "none"}
        Of which jobs the fitted models stay in the run's folder: those of the best pipeline of each family, all, or
        none. Unless it is "none", what is to be taken of a user's own pictures is fitted once more, on all of them.
    brought : mapping of name to fingerprint
        Arrays and estimators that a Python call brought. They stand beside the spec, and such a run can't be resumed.

    Raises
    ------
    InputError
        For a value that can't be used; it names the field and the flag.
    """

    datasets: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    preset: Literal["quick", "standard", "full"] | None = None
    train_size: int | None = None
    train_sizes: tuple[int | Literal["all"], ...] = ()
    folds: int | None = None
    group: str | None = None
    seed: int = 0
    repeats: int | Literal["auto"] | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    epochs: int | None = None
    time_budget: float | None = None
    settings: Settings = ()
    sweep: Pairs[tuple[str, ...]] = ()
    experiment: str | None = None
    tune: float | None = None
    corruptions: bool = False
    image_size: int | None = None
    resize: Literal["pad", "crop", "stretch"] = PAD
    data_dir: str | None = None
    offline: bool = False
    threads: int | None = None
    timeout: float = 4 * HOURS
    memory_limit: float | None = None
    brought: Pairs[str] = ()
    augment: Literal["none", "mirror", "shift", "affine"] | None = None
    class_weight: Literal["balanced"] | None = None
    metric: Literal["accuracy", "balanced_accuracy", "macro_f1"] | None = None
    margin: float = 1.0
    within: float | None = None
    keep: Literal["contenders", "all", "none"] = "contenders"

    def __post_init__(self):
        for name in ("datasets", "pipelines"):
            self._set(name, _texts(self, name))
        settings, sweep = _pairs(self, "settings"), _pairs(self, "sweep")
        self._set("settings", tuple((_named(name), _value(name, value)) for name, value in settings))
        self._set("sweep", tuple((_named(name), _values(name, values)) for name, values in sweep))
        self._set("brought", _pairs(self, "brought"))
        self._set("optimizer", _lowered(self.optimizer))
        for name in ("preset", "repeats", "augment", "class_weight", "metric", "resize", "keep"):
            self._set(name, _lowered(getattr(self, name)))
        self._set(
            "metric", self.metric and self.metric.replace("-", "_") if isinstance(self.metric, str) else self.metric
        )
        if self.class_weight == "none":
            self._set("class_weight", None)
        self._check_choices()
        self._check_numbers()
        self._set("train_sizes", self._checked_sizes())
        self._check_named_once()
        self.training_stack()  # a wrong value shows itself before data sets are read

    def training_stack(self) -> TrainingStack:
        """The stack of all neural pipelines that bring none of their own; of swept fields it has the first value.

        The preset's epochs and steps are for where nothing else says how long to train: no epochs, no time budget.
        """
        given = {name: value for name in STACK_FLAGS if (value := getattr(self, name)) is not None}
        first = {name: values[0] for name, values in self.sweep}
        of_stack = {
            name: parse_value(value) for name, value in [*self.settings, *first.items()] if name in STACK_FIELDS
        }
        named = given | of_stack
        preset = PRESETS[self.preset or "standard"]
        length = {} if {"epochs", "time_budget"} & named.keys() else {"epochs": preset.epochs}
        length |= {"min_steps": preset.min_steps} if length else {}
        return TrainingStack(**(length | named))

    @property
    def max_train_size(self) -> int | None:
        """The preset's bound of the training part; an explicit size goes before it."""
        return PRESETS[self.preset or "standard"].max_train_size if self.train_size is None else None

    @property
    def seeds(self) -> range:
        """Those of every pipeline, whatever came of others."""
        return range(self.seed, self.seed + (self.repeats if isinstance(self.repeats, int) else 1))

    @property
    def varies(self) -> bool:
        """Whether the run is about something that it varies: settings, training sizes, or seeds."""
        return bool(self.sweep or self.train_sizes or self.experiment or len(self.seeds) > 1)

    def replace(self, **changes) -> "RunSpec":
        """A copy with other values for some fields, checked again."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, object]:
        """The fields as JSON has them; `from_json` gives an equal spec."""
        return _ADAPTER.dump_python(self, mode="json")

    @classmethod
    def from_json(cls, content: object) -> "RunSpec":
        """The spec that `to_json` gave `content` of; InputError where it is none."""
        try:
            return _ADAPTER.validate_python(content)
        except (ValidationError, RecursionError) as error:
            raise InputError(f"This is no description of a run: {_first_line(error)}") from None

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_choices(self) -> None:
        for name, choices in _CHOSEN.items():
            value = getattr(self, name)
            if (value is not None or name == "resize") and value not in choices:
                raise _wrong(name, value, f"use one of {', '.join(choices)}")
        for name in ("corruptions", "offline"):
            if not isinstance(getattr(self, name), bool):
                raise _wrong(name, getattr(self, name), "it is True or False")
        if isinstance(self.data_dir, Path):
            self._set("data_dir", str(self.data_dir))
        for name in ("optimizer", "data_dir", "experiment", "group"):
            if not isinstance(getattr(self, name), str | None):
                raise _wrong(name, getattr(self, name), "it is a text")

    def _check_numbers(self) -> None:
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            if (value is None and name in _OPTIONAL) or (name == "repeats" and value == AUTO):
                continue
            if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
                other = f" or {AUTO!r}" * (name == "repeats")
                raise _wrong(name, value, f"it is a whole number of at least {least}{other}")
            self._set(name, int(value))  # NumPy's numbers are none in JSON
        if self.seed + max(len(self.seeds), self.folds or DEFAULT_FOLDS) > MOST_SEED:
            raise _wrong("seed", self.seed, f"with all repeats and folds it is at most {MOST_SEED:,}")
        if (self.folds or 1) > 1:
            self._check_beside_folds()
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            try:
                fine = not isinstance(value, bool | str) and 0 < float(value) < math.inf
            except (TypeError, ValueError, OverflowError):
                fine = False
            if not fine:
                raise _wrong(name, value, f"it is {_POSITIVE[name]}")
            self._set(name, float(value))
        if self.margin >= 100:
            raise _wrong("margin", self.margin, "it is a number of points above 0 and below 100")

    def _check_beside_folds(self) -> None:
        beside = {
            "repeats": isinstance(self.repeats, int) and self.repeats > 1,
            "train_size": self.train_size is not None,
            "train_sizes": bool(self.train_sizes),
        }
        for name, given in beside.items():
            if given:
                why = "each fold has a seed of its own" if name == "repeats" else "folds use all images"
                flag = "--" + name.replace("_", "-")
                raise InputError(f"{name} ({flag}) and folds (--folds) don't go together: {why}. Remove one of them.")

    def _checked_sizes(self) -> tuple[int | Literal["all"], ...]:
        """Ascending, each once, "all" last."""
        sizes = self.train_sizes
        if isinstance(sizes, str):
            sizes = sizes.split(",")
        elif isinstance(sizes, Integral | None):
            sizes = () if sizes is None else (sizes,)
        elif not isinstance(sizes, Iterable):
            raise _wrong("train_sizes", sizes, "it is a list of numbers of images")
        sizes = [size.strip() if isinstance(size, str) else size for size in sizes]
        if sizes and self.train_size is not None:
            raise InputError("train_sizes (--train-sizes) names the sizes itself; remove train_size (--train-size).")
        for size in sizes:
            whole = str(size).isdecimal() and not isinstance(size, bool) and int(size) > 0
            if not whole and str(size).lower() != ALL:
                advice = f"write numbers of images above 0, and {ALL!r} for as many as there are, such as 100,1000,all"
                raise _wrong("train_sizes", size, advice)
        numbers = sorted({int(size) for size in sizes if str(size).lower() != ALL})
        return (*numbers, *[ALL] * (len(sizes) > 0 and any(str(size).lower() == ALL for size in sizes)))

    def _check_named_once(self) -> None:
        flags = [name for name in STACK_FLAGS if getattr(self, name) is not None]
        names = [*flags, *(name for name, _ in [*self.settings, *self.sweep])]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{name!r} is given more than once; give it one value, or one --sweep with several.")


STACK_FLAGS = ("optimizer", "learning_rate", "batch_size", "epochs", "time_budget")
STACK_FIELDS = tuple(field.name for field in fields(TrainingStack))
_CHOSEN = {
    "preset": tuple(PRESETS),
    "augment": AUGMENTATIONS,
    "class_weight": ("balanced", "none"),
    "metric": METRICS,
    "resize": RESIZES,
    "keep": ("contenders", "all", "none"),
}
_CHOICES = ("optimizer", "schedule", "monitor", "precision")
_WHOLE = {
    "train_size": 1, "folds": 1, "seed": 0, "repeats": 1, "batch_size": 1, "epochs": 1, "image_size": 8, "threads": 1
}  # fmt: skip
_POSITIVE = {
    "within": "a number of seconds above 0",
    "margin": "a number of points above 0",
    "learning_rate": "a number above 0",
    "time_budget": "a number of seconds above 0",
    "tune": "the seconds that each pipeline may search, such as 120",
    "timeout": "a number of seconds above 0",
    "memory_limit": "a number of GiB above 0",
}
_OPTIONAL = (
    *("train_size", "folds", "repeats", "batch_size", "epochs", "image_size", "threads"),
    *("within", "learning_rate", "time_budget", "tune", "memory_limit"),
)


def _wrong(field: str, value: object, advice: str) -> InputError:
    flags = {"datasets": "--dataset", "pipelines": "--pipeline", "settings": "--set"}
    flag = flags.get(field, "--" + field.replace("_", "-"))
    return InputError(f"{field} ({flag}) is {value!r}; {advice}.")


def _texts(spec: RunSpec, field: str) -> tuple[str, ...]:
    value = getattr(spec, field)
    value = (value,) if isinstance(value, str | Path) else () if value is None else value
    if not isinstance(value, Iterable) or not all(isinstance(each, str | Path) for each in value):
        raise _wrong(field, value, "it is a name, a path, or a list of such")
    return tuple(map(str, value))


def _pairs(spec: RunSpec, field: str) -> tuple[tuple, ...]:
    value = getattr(spec, field)
    value = () if value is None else value
    items = value.items() if isinstance(value, Mapping) else value
    try:
        pairs = tuple((name, content) for name, content in items)
    except (TypeError, ValueError):
        raise _wrong(field, value, "it maps names to values, such as {'C': 10}") from None
    if len(dict(pairs)) < len(pairs):
        twice = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
        raise InputError(f"{twice!r} is given more than once; give it one value, or one --sweep with several.")
    return pairs


def _values(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise _wrong("sweep", {name: values}, "each name has a list of values, such as {'C': [1, 10]}")
    found = tuple(dict.fromkeys(_value(name, value) for value in values))
    if not found:
        raise _wrong("sweep", {name: values}, "each name has one value or more")
    return found


def _named(name: object) -> str:
    """The name of a setting; a field of the training stack in any spelling is that field."""
    if not isinstance(name, str):
        raise _wrong("settings", name, "names are texts")
    name = name.replace("-", "_")
    return name.lower() if name.lower() in STACK_FIELDS else name


def _value(name: str, value: object) -> str:
    return as_text(value).lower() if _named(name) in _CHOICES else as_text(value)


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
    return type(error).__name__


_ADAPTER = TypeAdapter(RunSpec)
