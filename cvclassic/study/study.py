"""`Study`: what a run says. Which configurations contend and which one wins is decided here alone, by one rule.

The rule looks at validation figures alone: of each pipeline that configuration contends, and of each family that
pipeline, which has the best mean validation accuracy over its seeds; of equals the one that is fitted faster, then the
one that came first. One with failed or missing seeds is no contender where another of its family has all of its. What
is compared is compared at the largest number of training images.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cvclassic.runs.job import DatasetRecord, Outcome, PipelineRecord, Predictions, Result, Run
from cvclassic.runs.settings import Settings, describe_settings, parse_value
from cvclassic.study.contrasts import Contrast, contrasts_of
from cvclassic.study.statistics import confusion_matrix, wilson_interval


@dataclass(frozen=True, eq=False)
class Configuration:
    """A pipeline with its settings and a number of training images, and what came of its seeds so far.

    Attributes
    ----------
    name : str
        Tells it apart from the others with as many training images.
    pipeline, family : str
    n_train : int
    varied : Settings
        Those of its settings that differ in the run.
    outcomes : tuple of Outcome
        In the order of the seeds.
    planned : int
        Seeds that the run has for it.
    """

    name: str
    pipeline: str
    family: str
    n_train: int
    varied: Settings
    outcomes: tuple[Outcome, ...]
    planned: int

    @cached_property
    def succeeded(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.result.ok)

    @property
    def results(self) -> list[Result]:
        """Of the seeds that succeeded."""
        return [outcome.result for outcome in self.succeeded]

    @property
    def complete(self) -> bool:
        """Whether all of its seeds succeeded."""
        return len(self.succeeded) == self.planned

    def values(self, figure: str) -> list[float]:
        """A figure of `Result` over the seeds that succeeded and have it."""
        return [value for result in self.results if (value := getattr(result, figure)) is not None]

    def mean(self, figure: str) -> float | None:
        """The mean of a figure over the seeds; None where none has it."""
        values = self.values(figure)
        return float(np.mean(values)) if values else None

    def spread(self, figure: str) -> float | None:
        """Standard deviation over the seeds; None for fewer than two."""
        values = self.values(figure)
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the mean test accuracy, as fractions: how far the test images are a sample."""
        n_test = self.results[0].n_test
        return wilson_interval(self.mean("test_accuracy") * n_test, n_test)


class DatasetStudy:
    """What a run says of one data set.

    Attributes
    ----------
    study : Study
    record : DatasetRecord
    jobs : list of Job
        Planned for it.
    outcomes : list of Outcome
        So far, in the order of the jobs.
    configurations : tuple of Configuration
        All of them that have an outcome, in the order in which they ran.
    """

    def __init__(self, study: "Study", record: DatasetRecord):
        self.study, self.record = study, record
        self.jobs = [job for job in study.run.record.jobs if job.dataset == record.name]
        self.outcomes = [outcome for outcome in study.run.outcomes if outcome.result.dataset == record.name]
        self.configurations = tuple(self._configurations())

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def failures(self) -> list[Result]:
        return [outcome.result for outcome in self.outcomes if not outcome.result.ok]

    @property
    def n_pending(self) -> int:
        """Jobs that have no outcome yet."""
        return len(self.jobs) - len(self.outcomes)

    @property
    def n_seeds(self) -> int:
        """The most seeds that any configuration succeeded with."""
        return max((len(each.succeeded) for each in self.configurations), default=0)

    @cached_property
    def sizes(self) -> list[int]:
        """Numbers of training images with a success, ascending."""
        return sorted({each.n_train for each in self.configurations if each.succeeded})

    def at(self, n_train: int) -> list[Configuration]:
        """The configurations with a success at a number of training images, the best by the rule first."""
        return ranked(each for each in self.configurations if each.n_train == n_train)

    @cached_property
    def largest(self) -> list[Configuration]:
        """Those with a success at the largest number of training images with one, the best by the rule first."""
        return self.at(self.sizes[-1]) if self.sizes else []

    @cached_property
    def contenders(self) -> list[Configuration]:
        """What is compared, the best by the rule first: the best of each pipeline; of a single pipeline all."""
        best: dict[str, list[Configuration]] = {}
        for each in self.largest:  # ranked: the first of a pipeline is its best
            best.setdefault(each.pipeline, []).append(each)
        found = self.largest if len(best) == 1 else [own[0] for own in best.values()]
        return ranked(each for each in found if each.complete or not _has_complete(found, each.family))

    @property
    def winner(self) -> Configuration | None:
        """The contender that is best by the rule."""
        return self.contenders[0] if self.contenders else None

    def best(self, *families: str) -> Configuration | None:
        """The best contender, by the rule, of the first of `families` that has one."""
        for family in families:
            for contender in self.contenders:
                if contender.family == family:
                    return contender
        return None

    def contender_of(self, result: Result) -> Configuration | None:
        """The contender that a result belongs to."""
        return next((each for each in self.contenders if any(own is result for own in each.results)), None)

    @cached_property
    def contrasts(self) -> dict[tuple[str, str], Contrast]:
        """The tests between contenders by their names, each pair both ways round; without those that can't be made."""
        return contrasts_of(self.contenders)

    def confusion(self, predictions: Predictions) -> np.ndarray:
        """Counts of shape (n_classes, n_classes): rows are the true classes, columns the predicted ones."""
        return confusion_matrix(predictions.y_true, predictions.y_pred, len(self.record.class_names))

    def contrast(self, first: Configuration, second: Configuration) -> Contrast | None:
        """How `first` stands against `second`; None where that can't be tested."""
        return self.contrasts.get((first.name, second.name))

    def _configurations(self) -> Iterable[Configuration]:
        groups: dict[tuple, list[Outcome]] = {}
        for outcome in self.outcomes:
            job = outcome.result.job
            groups.setdefault((job.pipeline, job.n_train, job.settings), []).append(outcome)
        several = len(self.study.run.record.pipelines) > 1
        swept = dict(self.study.run.spec.sweep)
        for (pipeline, n_train, settings), outcomes in groups.items():
            varied = tuple(pair for pair in settings if pair[0] in swept)
            name = f"{pipeline if several or not varied else ''} {describe_settings(varied)}".strip()
            family, planned = outcomes[0].result.family, self.study.run.spec.repeats
            yield Configuration(name, pipeline, family, n_train, varied, tuple(outcomes), planned)


class Study:
    """What a run says of each of its data sets. It reads and draws nothing: all comes from `run`.

    Attributes
    ----------
    run : Run
    datasets : tuple of DatasetStudy
    """

    def __init__(self, run: Run):
        self.run = run
        self.datasets = tuple(DatasetStudy(self, record) for record in run.datasets)

    def __iter__(self) -> Iterator[DatasetStudy]:
        return iter(self.datasets)

    def __getitem__(self, name: str) -> DatasetStudy:
        found = {each.name: each for each in self.datasets}
        if name not in found:
            raise KeyError(f"{name!r}; there are {', '.join(found)}")
        return found[name]

    @property
    def has_sizes(self) -> bool:
        """Whether the number of training images was varied."""
        return bool(self.run.spec.train_sizes)

    @property
    def is_sweep(self) -> bool:
        """Whether settings, seeds or the number of training images were varied."""
        return bool(self.run.spec.sweep) or self.run.spec.repeats > 1 or self.has_sizes

    @property
    def varied(self) -> set[str]:
        """What tells jobs on a data set apart besides the pipeline: names of settings, "n_train", "seed"."""
        names = {name for name, _ in [*self.run.spec.sweep, *self.run.spec.settings]}
        if self.has_sizes:
            names.add("n_train")
        if self.run.spec.repeats > 1:
            names.add("seed")
        return names

    def pipeline(self, name: str) -> PipelineRecord:
        """What the run says of a pipeline."""
        return next(each for each in self.run.record.pipelines if each.name == name)

    def stack_of(self, result: Result) -> dict[str, object]:
        """The fields of a result's training stack: its pipeline's own, or the run's with the job's settings."""
        own = self.pipeline(result.pipeline).stack
        if own is not None:
            return dict(own)
        stack = self.run.record.stack
        return stack | {name: parse_value(value) for name, value in result.settings if name in stack}


def ranked(configurations: Iterable[Configuration]) -> list[Configuration]:
    """The configurations with a success, the best by the rule first; those with failed or missing seeds last."""

    def order(each: Configuration) -> tuple:
        validation = each.mean("validation_accuracy")
        # Means over seeds may differ by a rounding.
        return not each.complete, -round(-1.0 if validation is None else validation, 12), each.mean("fit_seconds")

    return sorted((each for each in configurations if each.succeeded), key=order)


def _has_complete(configurations: Iterable[Configuration], family: str) -> bool:
    return any(each.complete for each in configurations if each.family == family)
