"""How sure the differences between pipelines are: tests and intervals, from the predictions in a run's folder."""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from cvclassic.experiment.result import Result, Run, job_folder
from cvclassic.experiment.statistics import compare_pairs, compare_seeds, confusion_matrix, holm, macro_f1_interval
from cvclassic.report.sweep import Setting, settings_of

SIGNIFICANT = 0.05

Labels = tuple[np.ndarray, np.ndarray]  # true and predicted classes of the test images


@dataclass(frozen=True)
class Comparison:
    """What can be compared on a data set's test split, best mean accuracy first, the faster of equals first.

    Attributes
    ----------
    contenders : those that succeeded: one setting per pipeline, where a sweep has several the best on validation; all
        settings of a sweep over one pipeline. Of several training sizes the largest
    p_values : by the names of two contenders, both ways round, corrected for all pairs by Holm's method. Where
        predictions are missing a pair is too
    methods : the test of each of these pairs, by name
    labels : true and predicted classes by contender, of its first seed
    unreadable : a line for each predictions file that is there and can't be used
    n_classes : of the data set
    """

    contenders: list[Setting]
    p_values: dict[tuple[str, str], float]
    methods: dict[tuple[str, str], str]
    labels: dict[str, Labels]
    unreadable: list[str]
    n_classes: int

    def verdict(self, setting: Setting, other: Setting) -> str | None:
        """How `setting` stands against `other`: "better", "worse", "tie", or None where that was not tested."""
        p_value = self.p_values.get((setting.name, other.name))
        if p_value is None:
            return None
        if p_value >= SIGNIFICANT:
            return "tie"
        return "better" if setting.mean("test_accuracy") > other.mean("test_accuracy") else "worse"

    def told(self, setting: Setting, other: Setting) -> str:
        """The test of a pair and its p-value, in words."""
        pair = setting.name, other.name
        return f"{self.corrected([self.methods[pair]])}, {p_text(self.p_values[pair])}"

    def corrected(self, methods: Iterable[str]) -> str:
        """Names of tests, and for how many pairs they were corrected."""
        n_pairs = len(self.p_values) // 2
        names = " or ".join(dict.fromkeys(methods))
        return names if n_pairs == 1 else f"{names}, Holm-corrected for {n_pairs} pairs"

    def contender_of(self, results: list[Result]) -> Setting | None:
        """The contender that results of a pipeline belong to."""
        return next((s for s in self.contenders if any(result in results for result in s.results)), None)

    def standing(self, results: list[Result]) -> str:
        """How a table's row stands against the best: "best", "tie, p = 0.38"; empty where that was not tested."""
        contender = self.contender_of(results)
        if contender is None or len(self.contenders) == 1:
            return ""
        best = self.contenders[0]
        if contender is best:
            return "best"
        verdict = self.verdict(contender, best)
        return f"{verdict}, {p_text(self.p_values[contender.name, best.name])}" if verdict else ""

    @cached_property
    def f1_intervals(self) -> dict[str, tuple[float, float]]:
        """95 % bootstrap interval of the macro F1 score by contender."""
        return {
            name: macro_f1_interval(confusion_matrix(*labels, self.n_classes)) for name, labels in self.labels.items()
        }


def compare(run: Run, dataset: dict) -> Comparison:
    """Compare what ran on a data set.

    One seed: McNemar's exact test on the same test images. Several: a paired t-test over the seeds, which says whether
    a difference outlasts the chances of training; two that no seed changes are compared by McNemar's test.
    """
    contenders = _contenders(run, dataset)
    labels, unreadable = {}, []
    for setting in contenders:
        try:
            found = _labels(run, setting.succeeded[0])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            unreadable.append(f"the predictions of {setting.name} can't be read and are left out of the tests: {error}")
        else:
            if found is not None:
                labels[setting.name] = found
    pairs = combinations(contenders, 2)
    tested = {(a.name, b.name): test for a, b in pairs if (test := _test(a, b, labels)) is not None}
    corrected = holm([p_value for _, p_value in tested.values()]) if tested else []
    p_values, methods = {}, {}
    for (first, second), (method, _), p_value in zip(tested, tested.values(), corrected, strict=True):
        for pair in ((first, second), (second, first)):
            p_values[pair], methods[pair] = float(p_value), method
    return Comparison(contenders, p_values, methods, labels, unreadable, len(dataset["class_names"]))


def p_text(p_value: float) -> str:
    """0.0312 as "p = 0.031", the smallest as "p < 0.001"."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def _contenders(run: Run, dataset: dict) -> list[Setting]:
    mine = [result for result in run.results if result.dataset == dataset["name"] and result.ok]
    largest = max((result.n_train for result in mine), default=0)
    whole = replace(run, results=[result for result in mine if result.n_train == largest])
    settings = settings_of(whole, dataset)
    by_pipeline: dict[str, list[Setting]] = {}
    for setting in settings:
        by_pipeline.setdefault(setting.pipeline, []).append(setting)
    if len(by_pipeline) > 1:
        settings = [_best_on_validation(several) for several in by_pipeline.values()]
    return sorted(settings, key=lambda s: (-s.mean("test_accuracy"), s.mean("fit_seconds")))


def _best_on_validation(settings: list[Setting]) -> Setting:
    """The first of equals; one with failed seeds, of which fewer are here, only where all others have some too."""
    if len(settings) == 1:
        return settings[0]
    return max(settings, key=lambda s: (len(s.results), s.mean("validation_accuracy")))


def _labels(run: Run, result: Result) -> Labels | None:
    """The true and predicted classes that the job left; None where it left none."""
    path = job_folder(run.folder, vars(result)) / "predictions.npz"
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        y_true, y_pred = arrays["y_true"], arrays["y_pred"]
    if y_true.shape != y_pred.shape:
        raise ValueError(f"{len(y_pred)} predictions for {len(y_true)} images")
    return y_true, y_pred


def _test(first: Setting, second: Setting, labels: dict[str, Labels]) -> tuple[str, float] | None:
    """The name of the test that suits two contenders, and its p-value; None where neither can be made."""
    by_seed = [{r.seed: r.test_accuracy for r in setting.succeeded} for setting in (first, second)]
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    if len(seeds) > 1 and any(len(set(figures.values())) > 1 for figures in by_seed):
        compared = compare_seeds(*([figures[seed] for seed in seeds] for figures in by_seed))
        return f"paired t-test over {len(seeds)} seeds", compared.p_value
    if first.name not in labels or second.name not in labels:
        return None
    (y_true, y_first), (y_also, y_second) = labels[first.name], labels[second.name]
    if not np.array_equal(y_true, y_also):
        return None
    [pair] = compare_pairs(y_true, {first.name: y_first, second.name: y_second})
    return "McNemar's exact test", pair.p_value
