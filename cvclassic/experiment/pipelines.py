"""Pipeline files: one contender per file, found without being registered."""

import difflib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvclassic.errors import CVClassicError, InputError

FAMILIES = ("classical", "hybrid", "neural")


@dataclass(frozen=True)
class Task:
    """What a pipeline file's `build(task)` and `fits(task)` are told about the job.

    Attributes
    ----------
    image_shape : (height, width) for gray images, (height, width, 3) for RGB
    n_classes : number of classes; labels are 0 .. n_classes - 1
    n_train : number of images that `fit` will get
    seed : the run's seed, for everything random in the pipeline
    stack : the run's `cvclassic.neural.TrainingStack`, the same for every neural pipeline, or the file's own `stack`
    traits : of the data set: "handwriting", "mirror" (mirror images keep their label)
    folder : where the pipeline may leave files of its own, such as a training log; None outside a run. What lies in its
        folder `backup` is there again when an interrupted run is resumed
    """

    image_shape: tuple[int, ...]
    n_classes: int
    n_train: int
    seed: int
    stack: Any
    traits: frozenset[str]
    folder: Path | None = None


@dataclass(frozen=True)
class PipelineFile:
    """A pipeline file that was read: its name (the file's), title (its docstring's first line) and contents."""

    name: str
    path: Path
    title: str
    family: str
    default: bool
    build: Callable[[Task], Any]
    fits: Callable[[Task], bool]
    stack: Any  # the file's own `cvclassic.neural.TrainingStack` in place of the run's, or None
    published: str | None  # the accuracy that the literature gives, and where

    @property
    def builtin(self) -> bool:
        return _builtin_files().get(self.name) == self.path


def builtin_pipelines() -> dict[str, PipelineFile]:
    """All pipelines that come with cvclassic, by name: classical ones first, then hybrid, then neural."""
    files = [load_pipeline(path) for path in _builtin_files().values()]
    files.sort(key=lambda file: FAMILIES.index(file.family))
    return {file.name: file for file in files}


def builtin_folder() -> Path:
    """The folder of the pipelines: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "pipelines"
    return installed if installed.is_dir() else package.parent / "pipelines"


def find_pipelines(names: list[str]) -> list[PipelineFile]:
    """The pipelines called `names`: built-in names, or paths of a user's own files.

    Raises
    ------
    InputError
        For a name that is neither, a file that can't be loaded, or two files of one name.
    """
    builtin = _builtin_files()
    found: dict[str, PipelineFile] = {}
    for name in names:
        if name in builtin:
            file = load_pipeline(builtin[name])
        elif name.endswith(".py") or Path(name).parent != Path("."):
            file = load_pipeline(Path(name))
        else:
            close = difflib.get_close_matches(name, builtin, n=1)
            hint = f"Did you mean {close[0]}? " if close else ""
            raise InputError(
                f"There is no pipeline {name!r}. {hint}Built in: {', '.join(builtin)}; or give the path of a .py file."
            )
        if file.name in found and found[file.name].path != file.path:
            raise InputError(f"Two pipelines are called {file.name!r}; rename {file.path.name}.")
        found[file.name] = file
    return list(found.values())


def load_pipeline(path: Path) -> PipelineFile:
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
    if not callable(getattr(module, "build", None)):
        raise InputError(f"{path} has no function build(task) that returns a scikit-learn estimator.")
    title = (module.__doc__ or path.stem).strip().splitlines()[0].rstrip(".")
    return PipelineFile(
        name=path.stem,
        path=path,
        title=title,
        family=family,
        default=getattr(module, "default", True),
        build=module.build,
        fits=getattr(module, "fits", lambda task: True),
        stack=getattr(module, "stack", None),
        published=getattr(module, "published", None),
    )


def _builtin_files() -> dict[str, Path]:
    paths = [*builtin_folder().glob("*.py"), *builtin_folder().glob("recipes/*.py")]
    return {path.stem: path for path in sorted(paths) if not path.stem.startswith("_")}


def _import_file(path: Path):
    # A name of its own in sys.modules, so that functions and classes defined in the file can be pickled there.
    name = f"cvclassic_pipeline_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except CVClassicError:
        raise
    except Exception as error:
        raise InputError(f"The pipeline file {path} can't be imported: {type(error).__name__}: {error}") from error
    return module
