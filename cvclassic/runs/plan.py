"""What a run does: a job for each data set, pipeline, training size, combination of settings and seed."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator

from cvclassic.augmentation import innermost
from cvclassic.datasets import Dataset
from cvclassic.errors import CVClassicError, InputError
from cvclassic.model import unsavable
from cvclassic.model.pipeline_files import builtin_folder
from cvclassic.neural import TrainingStack
from cvclassic.runs.job import BASELINE, Job
from cvclassic.runs.pipelines import Pipeline, Task
from cvclassic.runs.search import Space, read_space
from cvclassic.runs.settings import Pairs, Settings, find_parameter, split_settings, unknown_setting, weigh_classes
from cvclassic.runs.spec import KEEP_NONE, STACK_FIELDS, STACK_FLAGS, RunSpec

if TYPE_CHECKING:  # it imports the extractors, which takes a while
    from cvclassic.runs.embedded import Store


@dataclass(frozen=True, eq=False)
class RunData:
    """What jobs refer to by name: the spec, the data sets with their splits, and the pipelines.

    `embedded` keeps the embeddings that jobs have made, for the next ones; it is the one part that changes.
    """

    spec: RunSpec
    datasets: dict[str, Dataset]
    pipelines: dict[str, Pipeline]
    embedded: "Store" = field(default_factory=dict)

    @classmethod
    def of(cls, spec: RunSpec, datasets: Iterable[Dataset], pipelines: Iterable[Pipeline]) -> "RunData":
        """InputError for two data sets of one name."""
        datasets, named = list(datasets), [dataset.name for dataset in datasets]
        for name in named:
            if named.count(name) > 1:
                raise InputError(f"Two data sets are called {name!r}; name each once, or rename one folder.")
        return cls(spec, dict(zip(named, datasets, strict=True)), {pipeline.name: pipeline for pipeline in pipelines})

    def only(self, job: Job) -> "RunData":
        """The part that one job needs."""
        datasets = {job.dataset: self.datasets[job.dataset]}
        return RunData(self.spec, datasets, {job.pipeline: self.pipelines[job.pipeline]})

    def part(self, job: Job) -> Dataset:
        """The job's data set with its splits of the job's fold, or at the job's training size."""
        dataset = self.datasets[job.dataset]
        if job.fold is not None:
            return dataset.folds[job.fold - 1]
        return next(part for part in (*dataset.smaller, dataset) if len(part.train) == job.n_train)

    def stack(self, job: Job) -> TrainingStack:
        """The job's training stack: the pipeline's own, or the run's with what the job's settings say of it.

        The run's time budget holds for a stack of the pipeline's own, too. A batch that nobody asked for is at most the
        whole training part, which a network would refuse.
        """
        spec, own = self.spec, self.pipelines[job.pipeline].stack
        stack = stack_with(spec.training_stack(), own, job.settings)
        asked = spec.batch_size is not None or "batch_size" in dict(job.settings)
        if not asked or spec.train_sizes:
            stack = replace(stack, batch_size=min(stack.batch_size, job.n_train))
        return stack

    def task(self, job: Job, folder: Path | None = None) -> Task:
        """What the job's pipeline is told."""
        return task_for(
            self.part(job), self.spec, stack=self.stack(job), seed=job.seed, settings=job.settings, folder=folder
        )

    def space(self, job: Job) -> Space | None:
        """What tuning may vary of the job's pipeline: what it declares, but for what is set; None if it declares none.

        Raises
        ------
        InputError
            For a space that can't be read, or a name that neither the training stack nor the pipeline has.
        """
        pipeline, task = self.pipelines[job.pipeline], self.task(job)
        if pipeline.search is None:
            return None
        try:
            space = read_space(_asked(pipeline, "search", task))
            estimator = _asked(pipeline, "build", task)
            key_of = {name: name if _of_stack(pipeline, name) else find_parameter(estimator, name) for name in space}
        except InputError as error:
            raise InputError(f"{pipeline.name}: {error}") from error
        for name, key in key_of.items():
            if key is None:
                raise InputError(f"search(task) of {pipeline.name} names {name!r}, which is no parameter of it.")
        spec, taken = self.spec, dict(job.settings)
        if spec.augment is not None:
            taken |= dict.fromkeys(("mirror", "shift"))
        if pipeline.takes_stack:
            taken |= dict(spec.settings) | {name: None for name in STACK_FLAGS if getattr(spec, name) is not None}
        fixed = {name if _of_stack(pipeline, name) else find_parameter(estimator, name) for name in taken}
        return {name: axis for name, axis in space.items() if key_of[name] not in fixed}


def plan(data: RunData) -> tuple[list[Job], list[str]]:
    """The jobs in their order, and notes: on pipelines that a data set leaves out, and what an option can't do.

    Each pipeline gets those of the spec's `settings` and `sweep` that it has: a sweep of the batch size is one job, not
    several, for an SVM. Settings of the training stack are the run's, and no job's. The splits are the data set's, the
    same for all. A data set with `smaller` ones gets jobs for each of them too; one with folds gets a job for each of
    these, with a seed of its own.

    Raises
    ------
    InputError
        For a name that no pipeline has, a value that the training stack refuses, or where nothing is left to run.
    """
    spec, stack = data.spec, data.spec.training_stack()
    jobs, skipped, notes, built, taken = [], [], [], [], set()
    named = [name for name, _ in [*spec.settings, *spec.sweep]]
    for dataset in data.datasets.values():
        first = (*spec.settings, *((name, values[0]) for name, values in spec.sweep))
        task = task_for(dataset, spec, stack=stack, seed=spec.seed, settings=first)
        if spec.augment == "mirror" and "handwriting" in dataset.traits:
            notes.append(
                f"--augment mirror was asked for, though a mirrored sign of {dataset.name} may be another sign"
            )
        for pipeline in data.pipelines.values():
            note = _left_out(pipeline, task, dataset.name, named=bool(spec.pipelines))
            if note is not None:
                skipped += [note] * bool(note)
                continue
            is_baseline = pipeline.family == BASELINE  # which no setting is for, and nobody takes home
            estimator = _asked(pipeline, "build", task) if named or spec.class_weight else None
            if spec.keep != KEEP_NONE and not is_baseline and (why := _unsavable(pipeline, task)):
                notes.append(f"{pipeline.name} can't be taken home as a file: {why}")
            weighed = not spec.class_weight or weigh_classes(estimator, spec.class_weight)
            if not weighed and not is_baseline:
                inside = type(innermost(estimator)).__name__
                notes.append(f"--class-weight does not reach {pipeline.name}: {inside} has no parameter class_weight")
            built.append(estimator)
            names = set() if is_baseline else {name for name in named if _takes(pipeline, estimator, name)}
            taken |= names
            fixed = [pair for pair in spec.settings if not (pipeline.takes_stack and pair[0] in STACK_FIELDS)]
            grid = _grid(fixed, spec.sweep, names)
            for chosen in grid:
                stack_with(stack, pipeline.stack, chosen)  # refuses wrong values now
            jobs += _jobs(dataset, pipeline, grid, spec)
    asked = [pipeline for pipeline in data.pipelines.values() if pipeline.family != BASELINE]
    if not any(data.pipelines[job.pipeline] in asked for job in jobs) and (asked or not jobs):
        raise InputError(f"None of the pipelines fits the data: {'; '.join(skipped)}.")
    taken |= {name for name, _ in spec.settings if name in STACK_FIELDS}  # the run's, as by its flag
    for name in named:
        if name not in taken and name in STACK_FIELDS:
            raise InputError(f"{name!r} belongs to the training stack, which none of the chosen pipelines uses.")
        if name not in taken:
            raise unknown_setting(name, stack, built)
    if spec.tune:
        for job in {(job.dataset, job.pipeline): job for job in jobs}.values():
            data.space(job)  # refuses wrong ones now
    return jobs, [*skipped, *dict.fromkeys(notes)]


def task_for(
    dataset: Dataset,
    spec: RunSpec,
    *,
    stack: TrainingStack,
    seed: int,
    settings: Settings,
    folder: Path | None = None,
) -> Task:
    """The `Task` that a pipeline gets for a data set; unless it is asked for, mirror images if they keep the label."""
    return Task(
        image_shape=dataset.image_shape,
        n_classes=dataset.n_classes,
        n_train=len(dataset.train),
        seed=seed,
        stack=stack,
        traits=dataset.traits,
        folder=folder,
        n_images=len(dataset.used),
        settings=settings,
        offline=spec.offline,
        augment=spec.augment or ("mirror" if "mirror" in dataset.traits else "none"),
    )


def stack_with(stack: TrainingStack, own: TrainingStack | None, settings: Settings) -> TrainingStack:
    """A pipeline's `own` stack with the run's time budget, or the run's `stack` with what `settings` say of it."""
    if own is not None:
        return own if stack.time_budget is None else replace(own, time_budget=stack.time_budget)
    of_stack, _ = split_settings(settings, stack)
    return replace(stack, **of_stack)


def _jobs(dataset: Dataset, pipeline: Pipeline, grid: Iterable[Settings], spec: RunSpec) -> Iterator[Job]:
    if dataset.folds:
        for chosen, (fold, part) in itertools.product(grid, enumerate(dataset.folds)):
            yield Job(dataset.name, pipeline.name, spec.seed + fold, len(part.train), chosen, fold + 1)
        return
    sizes = [len(part.train) for part in (*dataset.smaller, dataset)]
    for n_train, chosen, seed in itertools.product(sizes, grid, spec.seeds):
        yield Job(dataset.name, pipeline.name, seed, n_train, chosen)


def _left_out(pipeline: Pipeline, task: Task, dataset: str, named: bool) -> str | None:
    """None for a pipeline that runs on a data set; else a note on why it does not, empty where nobody expects it to."""
    if not named and callable(pipeline.default):
        wanted = _asked(pipeline, "default", task)
        if wanted is not True:
            return f"{pipeline.name} does not run on {dataset}: {wanted}" if wanted else ""
    return None if _asked(pipeline, "fits", task) else f"{pipeline.name} has nothing to do on {dataset}"


def _asked(pipeline: Pipeline, function: str, task: Task) -> BaseEstimator | bool | str | Mapping[str, object]:
    """What the pipeline's function of a task, such as `build`, says; InputError where it fails."""
    try:
        return getattr(pipeline, function)(task)
    except CVClassicError:
        raise
    except (Exception, SystemExit) as error:
        where = pipeline.path or pipeline.name
        raise InputError(f"{function}(task) of {where} failed: {type(error).__name__}: {error}") from error


def _unsavable(pipeline: Pipeline, task: Task) -> str | None:
    """Which part of it can't be saved, and why; None where all can, or its job will say.

    A user's own file is left to its worker: whatever its `build` does, it does it to no one else.
    """
    if pipeline.path is not None and pipeline.path.parent != builtin_folder():
        return None
    try:
        return unsavable(_asked(pipeline, "build", task))
    except InputError:
        return None


def _of_stack(pipeline: Pipeline, name: str) -> bool:
    return pipeline.has_stack and name in STACK_FIELDS


def _takes(pipeline: Pipeline, estimator: BaseEstimator, name: str) -> bool:
    if name in STACK_FIELDS and pipeline.takes_stack:
        return True
    return find_parameter(estimator, name) is not None


def _grid(settings: Iterable[tuple[str, str]], sweep: Pairs[tuple[str, ...]], names: set[str]) -> list[Settings]:
    fixed = tuple(pair for pair in settings if pair[0] in names)
    axes = [[(name, value) for value in values] for name, values in sweep if name in names]
    return [(*fixed, *chosen) for chosen in itertools.product(*axes)]
