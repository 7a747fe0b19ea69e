"""A sweep as a table: one line per setting with mean and spread over its seeds, and the sentences that follow.

The number of training images is swept like a setting; the settings are compared at the same number only.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cvclassic.experiment.result import Result, Run, describe_settings
from cvclassic.report.sizes import Curve, Point, seen_over_sizes

FIGURES = ("validation_accuracy", "test_accuracy", "train_accuracy", "fit_seconds")


@dataclass(frozen=True)
class Setting:
    """A pipeline with its settings and a number of training images, and the results of its seeds.

    `varied` are the settings that differ in the run; `name` tells it apart from the others with as many images.
    """

    name: str
    pipeline: str
    n_train: int
    varied: dict[str, str]
    results: list[Result]

    @property
    def succeeded(self) -> list[Result]:
        return [result for result in self.results if result.ok]

    def mean(self, figure: str) -> float:
        return float(np.mean([getattr(result, figure) for result in self.succeeded]))

    def spread(self, figure: str) -> float | None:
        """Standard deviation over the seeds; None for a single one."""
        values = [getattr(result, figure) for result in self.succeeded]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None


def is_sweep(run: Run) -> bool:
    """Whether settings, seeds or the number of training images were varied."""
    return bool(run.config["sweep"]) or run.config["repeats"] > 1 or has_sizes(run)


def has_sizes(run: Run) -> bool:
    """Whether the number of training images was varied."""
    return bool(run.config.get("train_sizes"))


def settings_of(run: Run, dataset: dict) -> list[Setting]:
    """The settings on a data set, in the order in which they ran."""
    groups: dict[tuple, list[Result]] = {}
    for result in run.results:
        if result.dataset == dataset["name"]:
            groups.setdefault((result.pipeline, result.n_train, *result.settings.items()), []).append(result)
    several = len(run.config["pipelines"]) > 1
    found = []
    for (pipeline, n_train, *settings), results in groups.items():
        varied = {name: value for name, value in settings if name in run.config["sweep"]}
        name = f"{pipeline if several or not varied else ''} {describe_settings(varied)}".strip()
        found.append(Setting(name, pipeline, n_train, varied, results))
    return found


def sweep_columns(run: Run) -> list[str]:
    """Headings of the table."""
    varied = ["train images"] * has_sizes(run) + list(run.config["sweep"])
    extra = [heading for heading, _, _ in extra_figures(run)]
    return ["pipeline", *varied, "validation accuracy", "test accuracy", *extra, "fit s", "seeds", "on validation"]


def sweep_rows(run: Run, dataset: dict) -> list[list[str]]:
    """One row of texts per setting, for `sweep_columns`."""
    settings = settings_of(run, dataset)
    best = {n_train: _best([s for s in settings if s.n_train == n_train]) for n_train in {s.n_train for s in settings}}
    return [_row(run, setting, best[setting.n_train], dataset) for setting in settings]


def extra_figures(run: Run) -> list[tuple[str, str, Callable[[float], str]]]:
    """Heading, name and form of the figures that only some runs have."""
    known = [
        ("mean corruption error", "mean_corruption_error", lambda error: f"{100 * error:.2f} %"),
        ("fit J", "fit_energy_joules", lambda joules: f"{joules:,.0f}"),
    ]
    return [each for each in known if any(getattr(result, each[1]) is not None for result in run.results)]


def sweep_csv(run: Run) -> str:
    """sweep.csv: one row per setting and seed, a column per setting; a setting that a pipeline lacks is empty."""
    names = list(dict.fromkeys(name for job in run.config["jobs"] for name in job["settings"]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "pipeline", *names, "seed", "n_train", "status", *FIGURES])
    for result in run.results:
        settings = [result.settings.get(name) for name in names]
        figures = [getattr(result, figure) for figure in FIGURES]
        row = [result.dataset, result.pipeline, *settings, result.seed, result.n_train, result.status, *figures]
        writer.writerow(row)
    return text.getvalue()


def what_was_seen(run: Run) -> list[str]:
    """Two sentences: what was best on the validation split (never the test split), and what was worst.

    Two settings tie where their mean validation accuracies differ by no more than twice the standard deviation over
    seeds (of the two, pooled), or by no more than one validation image. Where the number of training images was varied,
    the two are about the largest, and two sentences on the numbers come first, or alone where nothing else was varied.
    """
    scored = [(dataset, settings_of(run, dataset)) for dataset in run.datasets]
    scored = [(dataset, settings) for dataset, settings in scored if any(s.succeeded for s in settings)]
    if not scored:
        return ["No job succeeded.", "There is nothing to compare."]
    over_sizes = []
    if has_sizes(run):
        over_sizes = seen_over_sizes({dataset["name"]: _curves(settings) for dataset, settings in scored})
        if not run.config["sweep"] and run.config["repeats"] == 1:
            return over_sizes
        scored = [(dataset, _largest(settings)) for dataset, settings in scored]

    def sentence(clause: Callable[[list[Setting], dict], str]) -> str:
        clauses = [clause(settings, dataset) for dataset, settings in scored]
        if len(scored) > 1:
            clauses = [f"on {dataset['name']} {text}" for (dataset, _), text in zip(scored, clauses, strict=True)]
        return "; ".join(clauses) + "."

    return [*over_sizes, f"Best on validation: {sentence(_best_clause)}", f"Worst: {sentence(_worst_clause)}"]


def fit_seconds(seconds: float, results: list[Result]) -> str:
    """The time of fits as a table shows it."""
    return f"{seconds:.1f}" + " (over budget)" * any(result.over_budget for result in results)


def _curves(settings: list[Setting]) -> list[Curve]:
    """A curve for each pipeline, of that of its settings which is best on validation with the most images."""
    curves = []
    for pipeline in dict.fromkeys(setting.pipeline for setting in settings):
        own = [s for s in settings if s.pipeline == pipeline and s.succeeded]
        if best := _best(_largest(own)):
            points = {s.n_train: _point(s) for s in own if s.varied == best.varied}
            curves.append(Curve(best.name, best.results[0].family, points))
    return curves


def _point(setting: Setting) -> Point:
    return Point(*map(setting.mean, ("test_accuracy", "ci_low", "ci_high")))


def _largest(settings: list[Setting]) -> list[Setting]:
    """Those with the most training images with which one succeeded."""
    most = max((s.n_train for s in settings if s.succeeded), default=0)
    return [s for s in settings if s.n_train == most]


def _row(run: Run, setting: Setting, best: Setting | None, dataset: dict) -> list[str]:
    n_train = [f"{setting.n_train:,}"] * has_sizes(run)
    start = [setting.pipeline, *n_train, *(setting.varied.get(name, "") for name in run.config["sweep"])]
    extra = extra_figures(run)
    seeds = f"{len(setting.succeeded)} of {len(setting.results)}" if not _all_ok(setting) else str(len(setting.results))
    if not setting.succeeded:
        return [*start, "failed", "", *[""] * len(extra), "", seeds, ""]
    mark = "best" if setting is best else "tie" if _ties(setting, best, dataset) else ""
    figures = [_accuracy(setting, "validation_accuracy"), _accuracy(setting, "test_accuracy")]
    told = [all(getattr(result, figure) is not None for result in setting.succeeded) for _, figure, _ in extra]
    figures += [form(setting.mean(figure)) if t else "" for t, (_, figure, form) in zip(told, extra, strict=True)]
    return [*start, *figures, fit_seconds(setting.mean("fit_seconds"), setting.succeeded), seeds, mark]


def _best_clause(settings: list[Setting], dataset: dict) -> str:
    best = _best(settings)
    ties = [s for s in settings if s is not best and _ties(s, best, dataset)]
    if not ties:
        return _described(best)
    names = "all others" if len(ties) == len(settings) - 1 > 1 else " and ".join(s.name for s in ties)
    return f"{_described(best)}, a tie with {names}"


def _worst_clause(settings: list[Setting], dataset: dict) -> str:
    best = _best(settings)
    worst = min((s for s in settings if s.succeeded), key=lambda s: s.mean("validation_accuracy"))
    if worst is best:
        return f"{best.name} too, for there is nothing to compare it with"
    _, tolerance = _tolerance(worst, best, dataset)
    told = "a tie within" if _ties(worst, best, dataset) else "more than"
    return f"{_described(worst)}, {100 * _behind(worst, best):.2f} points behind, {told} {tolerance}"


def _best(settings: list[Setting]) -> Setting | None:
    """By mean validation accuracy; of equals the first. A setting with failed seeds counts only where all have some."""
    candidates = [s for s in settings if _all_ok(s)] or [s for s in settings if s.succeeded]
    return max(candidates, key=lambda s: s.mean("validation_accuracy"), default=None)


def _tolerance(setting: Setting, best: Setting, dataset: dict) -> tuple[float, str]:
    """Up to which difference of validation accuracies the two tie, and why: twice their spread, or one image."""
    spreads = [s.spread("validation_accuracy") or 0.0 for s in (setting, best)]
    twice = 2 * float(np.sqrt(np.mean(np.square(spreads))))
    sizes = next((s for s in dataset.get("smaller_sizes", []) if s["train"] == best.n_train), dataset["sizes"])
    image = 1 / sizes["validation"]
    if twice > image:
        return twice, f"twice the spread over seeds ({100 * twice:.2f} points)"
    return image, f"one validation image ({100 * image:.2f} points)"


def _ties(setting: Setting, best: Setting | None, dataset: dict) -> bool:
    if best is None or not setting.succeeded:
        return False
    return _behind(setting, best) <= _tolerance(setting, best, dataset)[0] + 1e-12


def _behind(setting: Setting, best: Setting) -> float:
    return best.mean("validation_accuracy") - setting.mean("validation_accuracy")


def _described(setting: Setting) -> str:
    validation, test = (_accuracy(setting, figure) for figure in ("validation_accuracy", "test_accuracy"))
    seconds = f"{setting.mean('fit_seconds'):.1f} s a fit"
    return f"{setting.name} with {validation} of the validation images, {test} of the test images, {seconds}"


def _accuracy(setting: Setting, figure: str) -> str:
    mean, spread = setting.mean(figure), setting.spread(figure)
    return f"{100 * mean:.2f} %" if spread is None else f"{100 * mean:.2f} ± {100 * spread:.2f} %"


def _all_ok(setting: Setting) -> bool:
    return len(setting.succeeded) == len(setting.results)
