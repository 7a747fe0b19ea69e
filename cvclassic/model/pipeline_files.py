"""The built-in pipeline files: where they lie, and how they are imported."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType

PREFIX = "cvclassic_pipeline_"


def builtin_folder() -> Path:
    """The folder of the pipelines: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "pipelines"
    return installed if installed.is_dir() else package.parent / "pipelines"


def module_name(path: Path) -> str:
    """The name in `sys.modules`, one of its own, so that functions and classes defined in the file can be pickled."""
    return f"{PREFIX}{path.stem}"


def import_file(path: Path) -> ModuleType:
    """Run a pipeline file, and return it as a module."""
    name = module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def builtin_module(stem: str) -> ModuleType:
    """The built-in pipeline file of this name, imported where it is not."""
    path = _builtin_file(stem)
    module = sys.modules.get(module_name(path))
    if module is not None and Path(module.__file__).resolve() == path:  # a file of a user's may have the same name
        return module
    return import_file(path)


def is_of_builtin(thing: type | Callable, stem: str) -> bool:
    """Whether a class or function was defined by the built-in file of this name, whenever that was imported."""
    functions = [thing] if not isinstance(thing, type) else vars(thing).values()
    code = next((each.__code__ for each in functions if isinstance(each, FunctionType)), None)
    return code is not None and Path(code.co_filename).resolve() == _builtin_file(stem)


def _builtin_file(stem: str) -> Path:
    folder = builtin_folder()
    return next(path for path in (folder / f"{stem}.py", folder / "recipes" / f"{stem}.py") if path.is_file()).resolve()
