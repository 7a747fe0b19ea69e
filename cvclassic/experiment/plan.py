"""What a run does: a job for each data set, pipeline, training size, combination of settings and seed."""

import itertools
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from cvclassic.datasets import Dataset
from cvclassic.errors import CVClassicError, InputError
from cvclassic.experiment.pipelines import PipelineFile, Task
from cvclassic.experiment.settings import find_parameter, split_settings, unknown_setting


def plan_jobs(
    datasets: list[Dataset],
    pipelines: list[PipelineFile],
    *,
    stack: Any,
    seed: int,
    settings: dict[str, str],
    sweep: dict[str, list[str]],
    repeats: int,
) -> tuple[list[dict[str, Any]], list[str]]:
    """The jobs in their order, and a line for each pipeline that a data set leaves out.

    A job is a dict of "dataset", "pipeline", "seed", "n_train" and "settings", JSON-able. Each pipeline gets those of
    `settings` and `sweep` that it has: a sweep of the batch size is one job, not several, for an SVM. The seeds are
    `seed` to `seed + repeats - 1`; the splits are the data set's, the same for all. A data set with `smaller` ones gets
    jobs for each of them too.

    Raises
    ------
    InputError
        For a name that no pipeline has, or a value that the training stack refuses.
    """
    jobs, skipped, built, taken = [], [], [], set()
    for dataset in datasets:
        task = task_for(dataset, stack=stack, seed=seed)
        for pipeline in pipelines:
            if not pipeline.fits(task):
                skipped.append(f"{pipeline.name} has nothing to do on {dataset.name}")
                continue
            estimator = _build(pipeline, task) if settings or sweep else None
            built.append(estimator)
            names = {name for name in [*settings, *sweep] if _takes(pipeline, estimator, stack, name)}
            taken |= names
            grid = _grid(settings, sweep, names)
            for chosen in grid:
                stack_of(pipeline, stack, chosen)  # refuses wrong values now
            sizes = [len(part.train) for part in (*dataset.smaller, dataset)]
            for n_train, chosen, k in itertools.product(sizes, grid, range(repeats)):
                identity = {"dataset": dataset.name, "pipeline": pipeline.name, "seed": seed + k}
                jobs.append(identity | {"n_train": n_train, "settings": chosen})
    if built:
        _check_all_taken([*settings, *sweep], taken, stack, built)
    return jobs, skipped


def task_for(dataset: Dataset, *, stack: Any, seed: int, folder: Path | None = None) -> Task:
    """The `Task` that a pipeline gets for a data set."""
    return Task(
        image_shape=dataset.image_shape,
        n_classes=dataset.n_classes,
        n_train=len(dataset.train),
        seed=seed,
        stack=stack,
        traits=dataset.traits,
        folder=folder,
    )


def stack_of(pipeline: PipelineFile, stack: Any, settings: dict[str, str]) -> Any:
    """The training stack of one job: the pipeline's own, or the run's with what `settings` say of it.

    The run's time budget holds for a stack of the pipeline's own, too.
    """
    if pipeline.stack is not None:
        return pipeline.stack if stack.time_budget is None else replace(pipeline.stack, time_budget=stack.time_budget)
    of_stack, _ = split_settings(settings, stack)
    return replace(stack, **of_stack)


def _build(pipeline: PipelineFile, task: Task):
    try:
        return pipeline.build(task)
    except CVClassicError:
        raise
    except Exception as error:
        raise InputError(f"build(task) of {pipeline.path} failed: {type(error).__name__}: {error}") from error


def _takes(pipeline: PipelineFile, estimator, stack: Any, name: str) -> bool:
    if name in {f.name for f in fields(stack)}:
        return pipeline.family != "classical" and pipeline.stack is None
    return find_parameter(estimator, name) is not None


def _grid(settings: dict[str, str], sweep: dict[str, list[str]], names: set[str]) -> list[dict[str, str]]:
    fixed = {name: value for name, value in settings.items() if name in names}
    axes = {name: values for name, values in sweep.items() if name in names}
    return [fixed | dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _check_all_taken(names: list[str], taken: set[str], stack: Any, estimators: list) -> None:
    for name in names:
        if name not in taken:
            if name in {f.name for f in fields(stack)}:
                raise InputError(f"{name!r} belongs to the training stack, which none of the chosen pipelines uses.")
            raise unknown_setting(name, stack, estimators)
