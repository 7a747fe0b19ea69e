"""Pipelines: files with one contender each, found without being registered, and estimators that a call brings."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from types import ModuleType

from sklearn.base import BaseEstimator, clone

from cvclassic.augmentation import AUGMENTATIONS, augmentation_of, augmented, innermost
from cvclassic.errors import CVClassicError, InputError
from cvclassic.model.pipeline_files import builtin_folder, import_file
from cvclassic.neural import NeuralClassifier, TrainingStack
from cvclassic.runs.job import FAMILIES, TRAINED_BY_KERAS
from cvclassic.runs.settings import Settings

FUNCTIONS = {
    "build": "a scikit-learn estimator",
    "fits": "True or False",
    "search": "a dict of parameter to a list of values or a range, such as {'C': (0.1, 100, 'log')}",
}
"""What a pipeline file may have of these, all of a `Task`, and what each returns."""


@dataclass(frozen=True)
class Task:
    """What a pipeline file's `build(task)` and `fits(task)` are told about the job.

    Attributes
    ----------
    image_shape : (height, width) for gray images, (height, width, 3) for RGB
    n_classes : number of classes; labels are 0 .. n_classes - 1
    n_train : number of images that `fit` will get
    seed : the job's seed, for everything random in the pipeline
    stack : the run's `cvclassic.neural.TrainingStack`, the same for every neural pipeline, or the file's own `stack`
    traits : of the data set: "handwriting", "mirror" (mirror images keep their label)
    folder : where the pipeline may leave files of its own, such as a training log; None outside a run. What lies in its
        folder `backup` is there again when an interrupted run is resumed
    n_images : number of images of the data set: training, validation and test; None outside a run
    settings : those of --set and --sweep, by name, as text; after `build` they are applied to the estimator
    offline : whether the network must not be touched
    augment : how training images are to be changed, "none", "mirror", "shift" or "affine"; see `augmented`
    """

    image_shape: tuple[int, ...]
    n_classes: int
    n_train: int
    seed: int
    stack: TrainingStack
    traits: frozenset[str]
    folder: Path | None = None
    n_images: int | None = None
    settings: Settings = ()
    offline: bool = False
    augment: str = AUGMENTATIONS[0]

    def augmented(self, estimator: BaseEstimator) -> BaseEstimator:
        """`estimator`, learning from changed training images too, as `augment` says (`augmentation.augmented`)."""
        return augmented(estimator, self.augment, image_shape=self.image_shape, seed=self.seed)


@dataclass(frozen=True)
class Pipeline:
    """A contender: a pipeline file that was read, or an estimator that was brought.

    Attributes
    ----------
    name : the file's, or what the Python call gave
    title : the docstring's first line
    family : one of `cvclassic.runs.job.FAMILIES`
    path : of the file; None for a brought estimator
    default : whether it runs without being named; or a function of a `Task` that says so: True, False, or for a note
        why not
    build, fits : the file's functions of a `Task`
    stack : the file's own training stack, or a brought network's, in place of the run's; or None
    takes_stack : whether settings of the run's training stack are for it
    published : the accuracy that the literature gives, and where; or None
    found_on : the public images on which its constants were found; or None
    search : the file's function of a `Task` to what tuning may vary (see `runs.search`), or None
    """

    name: str
    title: str
    family: str
    path: Path | None
    default: bool | Callable[[Task], bool | str] = field(compare=False)
    build: Callable[[Task], BaseEstimator] = field(compare=False)
    fits: Callable[[Task], bool] = field(compare=False)
    stack: TrainingStack | None = field(default=None, compare=False)
    published: str | None = field(default=None, compare=False)
    takes_stack: bool = field(default=False, compare=False)
    found_on: str | None = field(default=None, compare=False)
    search: Callable[[Task], Mapping[str, object]] | None = field(default=None, compare=False)

    @property
    def has_stack(self) -> bool:
        """Whether it is trained by a training stack, the run's or its own."""
        return self.takes_stack or self.stack is not None

    @property
    def brought(self) -> bool:
        return self.path is None

    @property
    def reference(self) -> str:
        """What `find_pipelines` finds it by again: the name of a built-in one, else its path."""
        return self.name if _builtin_files().get(self.name) == self.path else str(self.path)

    def __reduce__(self):
        if self.path is not None and self.reference == self.name:  # it lies elsewhere on another machine
            return _find, (self.name,)
        if self.path is not None:  # a file travels as its path: its functions need not be picklable
            return load_pipeline, (self.path,)
        return Pipeline, tuple(getattr(self, each.name) for each in fields(self))


def builtin_pipelines() -> dict[str, Pipeline]:
    """All pipelines that come with cvclassic, by name: family by family as in `FAMILIES`."""
    pipelines = [load_pipeline(path) for path in _builtin_files().values()]
    pipelines.sort(key=lambda pipeline: FAMILIES.index(pipeline.family))
    return {pipeline.name: pipeline for pipeline in pipelines}


def default_pipelines() -> list[Pipeline]:
    """Those that run where none is named, or may, by what they say of a data set."""
    return [pipeline for pipeline in builtin_pipelines().values() if pipeline.default]


def find_pipelines(names: Iterable[str], brought: Mapping[str, Pipeline] | None = None) -> list[Pipeline]:
    """The pipelines called `names`, each once: `brought` ones, built-in names in any spelling, or paths of files.

    Raises
    ------
    InputError
        For a name that is none of these, a file that can't be loaded, or two pipelines of one name.
    """
    found: dict[str, Pipeline] = {}
    for name in names:
        pipeline = brought[name] if brought and name in brought else _find(name)
        if found.setdefault(pipeline.name, pipeline) != pipeline:
            raise InputError(f"Two pipelines are called {pipeline.name!r}; rename one of them.")
    return list(found.values())


def file_of(name: str) -> Path | None:
    """The file that a pipeline's name is the path of; None for the name of a built-in one, and of nothing."""
    if spelled(name) in map(spelled, _builtin_files()):
        return None
    is_path = name.endswith(".py") or Path(name).parent != Path(".")
    return Path(name).expanduser() if is_path else None


def bring(estimators: Mapping[str, BaseEstimator]) -> list[Pipeline]:
    """Pipelines of estimators by name; each job fits a clone.

    Where a `random_state` is None it gets the job's seed, and a `NeuralClassifier` has it in any case.

    Raises
    ------
    InputError
        For what is no estimator, or has no name.
    """
    return [_brought(name, estimator) for name, estimator in estimators.items()]


def load_pipeline(path: Path) -> Pipeline:
    """Import the pipeline file at `path` and check that it keeps the contract.

    Raises
    ------
    InputError
        If the file is missing, fails to import, or lacks `family` or `build`.
    """
    path = path.resolve()
    if not path.is_file():
        raise InputError(f"There is no pipeline file {path}.")
    module = _import_file(path)
    family = getattr(module, "family", None)
    if family not in FAMILIES:
        raise InputError(f"{path}: family = {family!r}; a pipeline file sets family to one of {', '.join(FAMILIES)}.")
    for name, returned in FUNCTIONS.items():
        if not callable(getattr(module, name, None)) and (name == "build" or hasattr(module, name)):
            raise InputError(f"{path} has no function {name}(task); {name} returns {returned}.")
    title = (module.__doc__ or path.stem).strip().splitlines()
    return Pipeline(
        name=path.stem,
        path=path,
        title=title[0].rstrip(".") if title else path.stem,
        family=family,
        default=getattr(module, "default", True),
        build=module.build,
        fits=getattr(module, "fits", _always),
        stack=getattr(module, "stack", None),
        published=getattr(module, "published", None),
        takes_stack=family in TRAINED_BY_KERAS and getattr(module, "stack", None) is None,
        found_on=getattr(module, "found_on", None),
        search=getattr(module, "search", None),
    )


def spelled(name: str) -> str:
    """`name` as it is compared: in any case, with - for _."""
    return name.strip().lower().replace("-", "_")


def near(name: str, known) -> str:
    """ "Did you mean X? " where a known name is near, or begins as `name` does; else nothing."""
    by_spelling = {spelled(each): each for each in known}
    close = difflib.get_close_matches(spelled(name), by_spelling, n=1)
    close = close or [each for each in by_spelling if each.startswith(spelled(name))][:1]
    return f"Did you mean {by_spelling[close[0]]}? " if close else ""


def _find(name: str) -> Pipeline:
    builtin = _builtin_files()
    by_spelling = {spelled(each): path for each, path in builtin.items()}
    if spelled(name) in by_spelling:
        return load_pipeline(by_spelling[spelled(name)])
    if (path := file_of(name)) is not None:
        return load_pipeline(path)
    hint = f"{near(name, builtin)}Built in: {', '.join(builtin)}; or give the path of a .py file."
    raise InputError(f"There is no pipeline {name!r}. {hint}")


def _brought(name: str, estimator: BaseEstimator) -> Pipeline:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise InputError(f"{name!r} is no name of a pipeline; bring estimators as {{'mine': estimator}}.")
    if isinstance(estimator, type) or not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        raise InputError(
            f"{name!r} is {estimator!r}, no estimator; bring one with fit, predict and get_params, such as "
            "make_pipeline(HOG(), LinearSVM())."
        )
    inside = innermost(estimator)
    stack = inside.stack if isinstance(inside, NeuralClassifier) else None
    return Pipeline(
        name=name,
        title=f"{type(estimator).__name__}, brought by the call",
        family=_family_of(estimator),
        path=None,
        default=True,
        build=partial(_clone_for, estimator),
        fits=_always,
        stack=stack,
        takes_stack=isinstance(inside, NeuralClassifier) and stack is None,
    )


def _clone_for(estimator: BaseEstimator, task: Task) -> BaseEstimator:
    """A clone with the task's seed where its `random_state` is None; a network also with its stack and log folder.

    Its training images are changed as those of the others are, where it doesn't see to that itself.
    """
    copy = clone(estimator)
    for key, value in copy.get_params(deep=True).items():
        if key.rpartition("__")[2] == "random_state" and value is None:
            copy.set_params(**{key: task.seed})
    network = innermost(copy)
    if isinstance(network, NeuralClassifier):
        network.set_params(seed=task.seed, log_dir=task.folder, stack=task.stack)
    return task.augmented(copy) if augmentation_of(copy) == AUGMENTATIONS[0] else copy


def _family_of(estimator: BaseEstimator) -> str:
    """Neural where a network learns from the images alone, hybrid behind extractors; by the module of its class.

    Pretrained where an `Embedding` is a part of it.
    """
    parts = {type(part).__module__ for part in [estimator, *estimator.get_params(deep=True).values()]}
    if "cvclassic.features.embedding" in parts:
        return "pretrained"
    inside = innermost(estimator)
    bases = {base.__module__.split(".")[0] for base in type(inside).__mro__}
    is_network = isinstance(inside, NeuralClassifier) or bool(bases & {"keras", "torch", "skorch", "tensorflow"})
    is_network = is_network or type(inside).__module__.startswith("sklearn.neural_network")
    if not is_network:
        return "classical"
    return "hybrid" if any(module.startswith("cvclassic.features.") for module in parts) else "neural"


def _always(task: Task) -> bool:
    return True


def _builtin_files() -> dict[str, Path]:
    paths = [*builtin_folder().glob("*.py"), *builtin_folder().glob("recipes/*.py")]
    return {path.stem: path for path in sorted(paths) if not path.stem.startswith("_")}


def _import_file(path: Path) -> ModuleType:
    try:
        return import_file(path)
    except CVClassicError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"The pipeline file {path} can't be imported: {type(error).__name__}: {error}") from error
