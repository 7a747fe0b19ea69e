"""What a worker gets of a run: a job and its data, also where estimators and classes come from the user's own code."""

import contextlib
import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cloudpickle
import numpy as np

from cvclassic.datasets import Dataset
from cvclassic.runs.job import Job
from cvclassic.runs.plan import RunData

FIND = """import importlib.util, json, sys
found = {name: importlib.util.find_spec(name) for name in sys.argv[1:]}
print(json.dumps({name: spec and spec.origin for name, spec in found.items()}))"""


def pickled(job: Job, data: RunData, by_value: Sequence[ModuleType]) -> bytes:
    """The job and its data but for the images; classes and functions of the modules `by_value` travel whole.

    Raises
    ------
    Exception
        Of any kind, where a part of the pipeline can't be pickled.
    """
    needed = data.only(job)
    datasets = {name: _without_images(dataset) for name, dataset in needed.datasets.items()}
    with _registered(by_value):
        return cloudpickle.dumps((job, replace(needed, datasets=datasets)), protocol=5)


def why_not_handed_over(error: Exception) -> str:
    """The reason of a job whose `pickled` raised."""
    return " ".join(f"it can't be handed to a worker process: {type(error).__name__}: {error}".split())


def modules_to_send(data: RunData, environment: Mapping[str, str]) -> list[ModuleType]:
    """The modules that an estimator of `data` may need, and a new interpreter does not find by their name.

    Such as a script's neighbours, or tests; what is defined in the script or notebook itself goes by value anyway.
    """
    if not any(pipeline.brought for pipeline in data.pipelines.values()):
        return []
    installed = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    installed.append(Path(__file__).resolve().parents[1])
    modules = [m for name, m in sorted(sys.modules.items()) if _has_file(name, m)]
    modules = [m for m in modules if not any(Path(m.__file__).resolve().is_relative_to(place) for place in installed)]
    roots = sorted({module.__name__.partition(".")[0] for module in modules})
    command = [sys.executable, "-P", "-c", FIND, *roots]
    answer = subprocess.run(command, env=environment, capture_output=True)
    found = {} if answer.returncode else json.loads(answer.stdout)
    findable = {
        name for name in roots if found.get(name) and found[name] == getattr(sys.modules.get(name), "__file__", 0)
    }
    return [module for module in modules if module.__name__.partition(".")[0] not in findable]


def _has_file(name: str, module: object) -> bool:
    if not isinstance(module, ModuleType) or name in ("__main__", "__mp_main__"):
        return False
    return module.__name__ == name and isinstance(getattr(module, "__file__", None), str)


@contextlib.contextmanager
def _registered(modules: Sequence[ModuleType]) -> Iterator[None]:
    """Let cloudpickle take what these modules define by value, meanwhile."""
    before = cloudpickle.list_registry_pickle_by_value()
    new = [module for module in modules if module.__name__ not in before and module.__name__ in sys.modules]
    for module in new:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in new:
            cloudpickle.unregister_pickle_by_value(module)


def _without_images(dataset: Dataset) -> Dataset:
    none = np.empty((0, *dataset.images.shape[1:]), dataset.images.dtype)
    smaller, folds = (tuple(replace(part, images=none) for part in parts) for parts in (dataset.smaller, dataset.folds))
    return replace(dataset, images=none, smaller=smaller, folds=folds)
