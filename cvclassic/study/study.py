"""`Study`: what a run says. Which configurations contend and which one wins is decided here alone, by one rule.

The rule looks at validation figures alone: of each pipeline that configuration contends, and of each family that
pipeline, which has the best mean over the seeds or folds that every pipeline has, by the metric of the data set; of
equals the one that is fitted faster, then the one that came first. A baseline is no contender: it is what these have to
beat. One with failed or missing seeds is no contender where another of
its family has all of its. Seeds that were added afterwards for contenders change no choice. What is compared is
compared at the largest number of training images.

With folds there is a second choice, by the same rule inside each fold: what it says of its fold's test images, all
folds together, is what "the best of the family, chosen on validation" reaches, where the one that is named was chosen
on images that are test images elsewhere.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cvclassic.runs.job import BASELINE, FAMILIES, DatasetRecord, Job, Outcome, PipelineRecord, Predictions, Result, Run
from cvclassic.runs.settings import Settings, describe_settings, parse_value
from cvclassic.runs.spec import AUTO, SHORT_FIT
from cvclassic.study.advice import Advice, Question, advice_on, questions_of
from cvclassic.study.contrasts import Contrast, contrasts_of, folds_of
from cvclassic.study.folds import pooled, pooled_job
from cvclassic.study.leaks import without_leaked
from cvclassic.study.single import interval_of
from cvclassic.study.statistics import confusion_matrix

SEEDS = 3
OF_VALIDATION = {
    "accuracy": "validation_accuracy",
    "balanced_accuracy": "validation_balanced_accuracy",
    "macro_f1": "validation_macro_f1",
}
"""The figure of `Result` that a metric is on the validation images."""
OF_TEST = {"accuracy": "test_accuracy", "balanced_accuracy": "balanced_accuracy", "macro_f1": "macro_f1"}
"""The figure of `Result` that a metric is on the test images."""


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
        In the order of the seeds; folds are pooled into one.
    seeds : Collection of int
        Those that every configuration of the run has.
    metric : str
        What it is judged by; one of `runs.spec.METRICS`.
    folds : tuple of Outcome
        In the order of the folds, as far as there are any.
    groups : ndarray of shape (n_test,), int64; or None
        Numbers of what belongs together among the test images.
    """

    name: str
    pipeline: str
    family: str
    n_train: int
    varied: Settings
    outcomes: tuple[Outcome, ...]
    seeds: Collection[int]
    metric: str
    folds: tuple[Outcome, ...] = ()
    groups: np.ndarray | None = None

    @property
    def validation_figure(self) -> str:
        """The figure of `Result` that it is chosen by."""
        return OF_VALIDATION[self.metric]

    @property
    def test_figure(self) -> str:
        """The figure of `Result` that says how good it is."""
        return OF_TEST[self.metric]

    @cached_property
    def succeeded(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.result.ok)

    @property
    def results(self) -> list[Result]:
        """Of the seeds that succeeded."""
        return [outcome.result for outcome in self.succeeded]

    @property
    def trainings(self) -> list[Result]:
        """Of each fit that succeeded: of the folds where there are such, else of the seeds."""
        return [outcome.result for outcome in self.folds or self.outcomes if outcome.result.ok]

    @property
    def deciding(self) -> list[Result]:
        """Of the seeds that every configuration has: what it is chosen by."""
        return [result for result in self.results if result.seed in self.seeds]

    @property
    def complete(self) -> bool:
        """Whether all seeds that every configuration has succeeded."""
        return len(self.deciding) == len(self.seeds)

    @cached_property
    def varies(self) -> bool:
        """Whether its seeds differ in anything that was measured on images; one that has no use for a seed doesn't."""
        if len(self.succeeded) < 2:
            return False
        said = [each.predictions for each in self.succeeded if each.predictions is not None]
        figures = {(r.train_accuracy, r.validation_accuracy, r.test_accuracy) for r in self.results}
        return len(figures) > 1 or any(not np.array_equal(each.y_pred, said[0].y_pred) for each in said)

    @property
    def n_trainings(self) -> int:
        """Trainings that can differ: seeds, or 1 where these make no difference."""
        return len(self.succeeded) if self.varies else min(len(self.succeeded), 1)

    @property
    def converged(self) -> bool | None:
        """Whether none of its trainings was still learning when it ended; None where that is told of none."""
        told = [result.converged for result in self.trainings if result.converged is not None]
        return all(told) if told else None

    def values(self, figure: str) -> list[float]:
        """A figure of `Result` over the seeds that succeeded and have it."""
        return [value for result in self.results if (value := getattr(result, figure)) is not None]

    def mean(self, figure: str) -> float | None:
        """The mean of a figure over the seeds; None where none has it."""
        values = self.values(figure)
        return float(np.mean(values)) if values else None

    def spread(self, figure: str) -> float | None:
        """Standard deviation over the seeds; None for fewer than two, and where they make no difference."""
        values = self.values(figure)
        return float(np.std(values, ddof=1)) if len(values) > 1 and self.varies else None

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the metric on the test images, as a fraction: how far these are a sample."""
        return interval_of(self.succeeded, self.metric, self.groups, folds_of(self))


class DatasetStudy:
    """What a run says of one data set.

    Attributes
    ----------
    study : Study
    record : DatasetRecord
    trainings : list of Outcome
        So far, in the order in which they ran.
    outcomes : list of Outcome
        The same, with the folds of a configuration pooled into one.
    jobs : list of Job
        Those that are planned, with folds pooled likewise.
    configurations : tuple of Configuration
        All of them that have an outcome, in the order in which they ran.
    """

    def __init__(self, study: "Study", record: DatasetRecord):
        self.study, self.record = study, record
        self.trainings = [outcome for outcome in study.run.outcomes if outcome.result.dataset == record.name]
        jobs = [job for job in study.run.record.jobs if job.dataset == record.name]
        self.jobs = list(dict.fromkeys(map(self._pooled_job, jobs)))
        self.configurations = tuple(self._configurations())
        self.outcomes = self._in_order([outcome for each in self.configurations for outcome in each.outcomes])

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
        return max((each.n_trainings for each in self.configurations), default=0)

    @property
    def metric(self) -> str:
        """What its pipelines are chosen and judged by: what was asked for, else what suits its classes."""
        return self.study.run.spec.metric or self.record.metric

    @property
    def groups(self) -> np.ndarray | None:
        """Numbers of what belongs together among the test images, (n_test,); None where each stands for itself."""
        images = self.study.run.images.get(self.name)
        return images.groups if images else None

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """What is asked of it, with the verdicts."""
        return questions_of(self)

    @cached_property
    def advice(self) -> Advice | None:
        """What to take; None where nothing succeeded."""
        return advice_on(self)

    @cached_property
    def baseline(self) -> Configuration | None:
        """What contenders have to beat: the best baseline, at the largest number of training images."""
        found = [each for each in self.configurations if each.family == BASELINE and each.succeeded]
        return ranked([each for each in found if each.n_train == found[-1].n_train])[0] if found else None

    @cached_property
    def sizes(self) -> list[int]:
        """Numbers of training images with a success, ascending."""
        return sorted({each.n_train for each in self.configurations if each.succeeded and each.family != BASELINE})

    def at(self, n_train: int) -> list[Configuration]:
        """The configurations with a success at a number of training images, the best by the rule first; no baseline."""
        return ranked(each for each in self.configurations if each.n_train == n_train and each.family != BASELINE)

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

    def choice(self, *families: str) -> Configuration | None:
        """What the best contender of the first of `families` that has one reaches; without families the best of all.

        Without folds it is that contender. With folds it is what the rule chooses inside each fold, pooled over the
        folds, under the name of the one that is best by the mean over them.
        """
        best = self.best(*families) if families else self.winner
        if best is None or not self.record.folds:
            return best
        among = [each for each in self.contenders if each.complete and (not families or each.family == best.family)]
        if len(among) < 2:
            return best
        chosen = [_best_in_fold(among, fold) for fold in range(len(self.record.folds))]
        outcome = pooled(chosen, self.record, self.study.run.spec.seed)
        return replace(best, outcomes=(outcome,), folds=tuple(chosen))

    @cached_property
    def contrasts(self) -> dict[tuple[str, str], Contrast]:
        """The tests between contenders by their names, each pair both ways round; without those that can't be made."""
        return contrasts_of(self, self.contenders)

    def confusion(self, predictions: Predictions) -> np.ndarray:
        """Counts of shape (n_classes, n_classes): rows are the true classes, columns the predicted ones."""
        return confusion_matrix(predictions.y_true, predictions.y_pred, len(self.record.class_names))

    def contrast(self, first: Configuration, second: Configuration) -> Contrast | None:
        """How `first` stands against `second`; None where that can't be tested."""
        return self.contrasts.get((first.name, second.name))

    def further_jobs(self) -> list[Job]:
        """Jobs with another seed for the contender of each family, so that a claim is not about one training.

        A second seed where a fit takes less than a minute, and a third where the second gives other predictions.
        """
        one_only = len(self.contenders) < 2
        if self.study.run.spec.repeats != AUTO or self.record.folds or self.n_pending or one_only:
            return []
        jobs = []
        for family in FAMILIES:
            best = self.best(family)
            if (
                best is None
                or not best.complete
                or best.mean("fit_seconds") + (best.mean("tuning_seconds") or 0) >= SHORT_FIT
            ):
                continue
            done = len(best.outcomes)
            if done == len(best.succeeded) and (done < 2 or (best.varies and done < SEEDS)):
                jobs.append(replace(best.outcomes[0].result.job, seed=max(best.seeds) + done))
        return jobs

    def _pooled_job(self, job: Job) -> Job:
        return job if job.fold is None else pooled_job(job, self.record, self.study.run.spec.seed)

    def _in_order(self, outcomes: list[Outcome]) -> list[Outcome]:
        places = {job: place for place, job in enumerate(self.jobs)}
        return sorted(outcomes, key=lambda outcome: places[outcome.result.job])

    def _configurations(self) -> Iterable[Configuration]:
        groups: dict[tuple, list[Outcome]] = {}
        for outcome in self.trainings:
            job = self._pooled_job(outcome.result.job)
            groups.setdefault((job.pipeline, job.n_train, job.settings), []).append(outcome)
        several = len([each for each in self.study.run.record.pipelines if each.family != BASELINE]) > 1
        swept = dict(self.study.run.spec.sweep)
        for (pipeline, n_train, settings), outcomes in groups.items():
            varied = tuple(pair for pair in settings if pair[0] in swept)
            name = f"{pipeline if several or not varied else ''} {describe_settings(varied)}".strip()
            family, spec, folds = outcomes[0].result.family, self.study.run.spec, ()
            if self.record.folds:
                whole, folds = pooled(outcomes, self.record, spec.seed), tuple(outcomes)
                outcomes = [] if whole is None else [whole]
            yield Configuration(
                name, pipeline, family, n_train, varied, tuple(outcomes), spec.seeds, self.metric, folds, self.groups
            )


class Study:
    """What a run says of each of its data sets. It reads and draws nothing: all comes from `run`.

    Attributes
    ----------
    run : Run
        Without those images of given test parts that are copies of training images, but for published sets.
    leaks : dict of str to Leak
        What leaked so, by name of the data set.
    datasets : tuple of DatasetStudy
    """

    def __init__(self, run: Run):
        self.run, self.leaks = without_leaked(run)
        self.datasets = tuple(DatasetStudy(self, record) for record in self.run.datasets)

    def __iter__(self) -> Iterator[DatasetStudy]:
        return iter(self.datasets)

    def __getitem__(self, name: str) -> DatasetStudy:
        found = {each.name: each for each in self.datasets}
        if name not in found:
            raise KeyError(f"{name!r}; there are {', '.join(found)}")
        return found[name]

    @property
    def outcomes(self) -> list[Outcome]:
        """Of all data sets, with folds pooled."""
        return [outcome for dataset in self.datasets for outcome in dataset.outcomes]

    def further_jobs(self) -> list[Job]:
        """The jobs that `--repeats auto` adds, now that contenders are known."""
        return [job for dataset in self.datasets for job in dataset.further_jobs()]

    @property
    def has_sizes(self) -> bool:
        """Whether the number of training images was varied."""
        return bool(self.run.spec.train_sizes)

    @property
    def is_sweep(self) -> bool:
        """Whether settings, seeds or the number of training images were varied."""
        return bool(self.run.spec.sweep) or len(self.run.spec.seeds) > 1 or self.has_sizes

    @property
    def varied(self) -> set[str]:
        """What tells jobs on a data set apart besides the pipeline: names of settings, "n_train", "seed"."""
        names = {name for name, _ in [*self.run.spec.sweep, *self.run.spec.settings]}
        if self.has_sizes:
            names.add("n_train")
        seeds = {job.seed for job in self.run.record.jobs if job.fold is None}.union(self.run.spec.seeds)
        if len(seeds) > 1:
            names.add("seed")
        if any(dataset.record.folds for dataset in self.datasets):
            names.add("fold")
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
        return not each.complete, *_by_validation(each.deciding or each.results, each.validation_figure)

    return sorted((each for each in configurations if each.succeeded), key=order)


def _by_validation(results: Sequence[Result], figure: str) -> tuple[float, float]:
    """What the rule orders by: the mean of a validation figure, the highest first, then the mean time of a fit."""
    found = [value for result in results if (value := getattr(result, figure)) is not None]
    # Means over seeds may differ by a rounding.
    return -round(float(np.mean(found)) if found else -1.0, 12), float(np.mean([r.fit_seconds for r in results]))


def _best_in_fold(among: Sequence[Configuration], fold: int) -> Outcome:
    figure = among[0].validation_figure
    return min((each.folds[fold] for each in among), key=lambda outcome: _by_validation([outcome.result], figure))


def _has_complete(configurations: Iterable[Configuration], family: str) -> bool:
    return any(each.complete for each in configurations if each.family == family)
