"""The built-in pipeline files: where they lie, and how they are imported."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def builtin_folder() -> Path:
    """The folder of the pipelines: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "pipelines"
    return installed if installed.is_dir() else package.parent / "pipelines"


def module_name(path: Path) -> str:
    """The name in `sys.modules`, one of its own, so that functions and classes defined in the file can be pickled."""
    return f"cvclassic_pipeline_{path.stem}"


def import_file(path: Path) -> ModuleType:
    """Run a pipeline file, and return it as a module."""
    name = module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def builtin_module(stem: str, *, importing: bool) -> ModuleType | None:
    """The built-in pipeline file of this name; None where it isn't imported and `importing` is False."""
    folder = builtin_folder()
    path = next(path for path in (folder / f"{stem}.py", folder / "recipes" / f"{stem}.py") if path.is_file())
    module = sys.modules.get(module_name(path))
    # A file of a user's own may have the same name.
    if module is not None and Path(module.__file__).resolve() == path.resolve():
        return module
    return import_file(path) if importing else None
