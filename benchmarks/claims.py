"""Simulate studies whose truth is known, and count what is claimed of them: python benchmarks/claims.py [--quick].

Each row is a kind of study, each report the two questions that a run declares. Limits, each within three times its
simulation error: a report says a false "better" in at most 5 % of them, a false "equivalent" in at most 5 %, and
intervals of 95 % cover the truth in 93 % or more. Rows of `KNOWN` can't keep them, for reasons that are known, and are
marked; where another row breaks a limit the exit code is 1. It prints a Markdown table. Figures of a row are those of
each truth: the methods are equal; they differ by the margin; one of each; one differs by twice the margin, and one by
half of it. In full it takes 15 to 20 minutes on one core.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from math import sqrt

import numpy as np
from scipy.stats import norm

from cvclassic.study.differences import Metric, difference
from cvclassic.study.figures import figure_interval
from cvclassic.study.statistics import macro_f1
from cvclassic.study.verdicts import Kind, Verdict, verdicts

MOST_FALSE, LEAST_COVERED, ERRORS = 0.05, 0.93, 3
REPORTS, QUICK = 3_000, 600  # per row


@dataclass(frozen=True)
class Report:
    """What one simulated study said, and the truth: the differences, and whether margins are reached."""

    said: tuple[Verdict, ...]
    truth: tuple[float, ...]

    @property
    def false_better(self) -> bool:
        return any(map(_false_better, self.said, self.truth))

    @property
    def false_equivalent(self) -> bool:
        return any(
            each.kind == Kind.EQUIVALENT and abs(true) >= each.margin - 1e-9
            for each, true in zip(self.said, self.truth, strict=True)
        )

    @property
    def covered(self) -> float:
        """The share of the 95 % intervals that hold the truth."""
        intervals = [each.difference.interval(0.95) for each in self.said]
        return float(np.mean([low <= true <= high for (low, high), true in zip(intervals, self.truth, strict=True)]))


def _false_better(verdict: Verdict, true: float) -> bool:
    ahead = true if verdict.ahead == "first" else -true
    least = verdict.margin + 1e-9 if verdict.kind == Kind.BETTER_BY_MARGIN else 0.0
    return verdict.ahead is not None and ahead <= least


@dataclass(frozen=True)
class Studies:
    """A kind of study: the first of three methods is compared with the second and the third.

    Whether a method is right on an image is a threshold on a sum of normal parts: how easy the image is, for all
    methods alike, and for this method alone, the same of its group, and what a training does to all images and to this
    one. Accuracies over all images and trainings are so known exactly.

    Attributes
    ----------
    accuracies : tuple of float
        Of the first method, and of those that it is compared with.
    sizes : tuple of int
        Test images of each class.
    metric : str
    margin : float
        Of accuracy, from which that of the metric follows.
    seeds : int
    spread : float
        Standard deviation of a training's effect on all images; 1.5 is about that of images.
    group : int or None
        Images in a group; None where images stand for themselves.
    declared : bool
        Whether groups are told.
    likeness : float
        The share of the images' variance that is their group's.
    """

    accuracies: tuple[float, ...]
    sizes: tuple[int, ...]
    metric: Metric = "accuracy"
    margin: float = 0.01
    seeds: int = 1
    spread: float = 0.0
    group: int | None = None
    declared: bool = True
    likeness: float = 0.5

    def reports(self, n: int, random: np.random.Generator) -> Iterator[Report]:
        y_true, groups = self.images()
        truth = tuple(self.metric_of(self.accuracies[0]) - self.metric_of(each) for each in self.accuracies[1:])
        margin = abs(self.metric_of(self.accuracies[0]) - self.metric_of(self.accuracies[0] - self.margin))
        for _ in range(n):
            predicted = self.predictions(y_true, groups, random)
            told = groups if self.declared else None
            found = [difference(predicted[0], other, y_true, self.metric, groups=told) for other in predicted[1:]]
            yield Report(verdicts(found, margin), truth)

    def images(self) -> tuple[np.ndarray, np.ndarray | None]:
        """True classes, and groups where there are some."""
        y_true = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return y_true, None if self.group is None else np.arange(len(y_true)) // self.group

    def predictions(
        self, y_true: np.ndarray, groups: np.ndarray | None, random: np.random.Generator
    ) -> list[np.ndarray]:
        """Of each method, of shape (seeds, n); what is wrong is any of the other classes."""
        n, found = len(y_true), []
        shared = self._of_images(n, groups, random)
        total = sqrt(3 + 0.5 * (self.seeds > 1) + self.spread**2)
        for accuracy in self.accuracies:
            latent = sqrt(2) * shared + self._of_images(n, groups, random) + total * norm.ppf(accuracy)
            latent = latent + random.normal(0, 1, (self.seeds, 1)) * self.spread
            if self.seeds > 1:
                latent = latent + random.normal(0, sqrt(0.5), (self.seeds, n))
            classes = max(len(self.sizes), 2)
            wrong = (y_true + random.integers(1, classes, n)) % classes
            found.append(np.where(latent > 0, y_true, wrong))
        return found

    def metric_of(self, accuracy: float) -> float:
        """The true value of the metric for a method of an accuracy."""
        if self.metric != "macro_f1":
            return accuracy
        return float(macro_f1(_expected_confusion(self.sizes, accuracy)))

    def _of_images(self, n: int, groups: np.ndarray | None, random: np.random.Generator) -> np.ndarray:
        own = random.normal(0, 1, n)
        if groups is None:
            return own
        of_groups = random.normal(0, 1, int(groups.max()) + 1)[groups]
        return sqrt(self.likeness) * of_groups + sqrt(1 - self.likeness) * own


@dataclass(frozen=True)
class Folds:
    """Studies with folds, of classifiers that are fitted in each of them on new data sets.

    Two classes, normal around two means, in as many dimensions; methods see other noise of the same images, so that
    equal ones are equal in truth. The truth is the difference of the expected accuracies of models that are fitted on
    as many images; each model's accuracy is known exactly. `margin` None is the true difference.

    Attributes
    ----------
    n, dimensions : int
    apart : float
        Distance of a mean from the middle.
    shrunk : tuple of float
        For each method, how far the covariance is taken to be the identity: 1 is the nearest mean.
    margin : float or None
    folds : int
    of_models : bool
        Whether the truth is instead the difference of the very models' accuracies.
    """

    n: int
    dimensions: int
    apart: float
    shrunk: tuple[float, ...]
    margin: float | None = 0.05
    folds: int = 5
    of_models: bool = False

    def reports(self, n: int, random: np.random.Generator) -> Iterator[Report]:
        studies = [self.study(random) for _ in range(n)]
        expected = np.mean([accuracies for _, _, _, accuracies in studies], axis=0)
        same = [self.shrunk[0] == each for each in self.shrunk[1:]]
        truth = tuple(0.0 if alike else float(expected[0] - e) for alike, e in zip(same, expected[1:], strict=True))
        margin = max(map(abs, truth)) if self.margin is None else self.margin
        for y_true, predicted, folds, accuracies in studies:
            found = [difference(predicted[0], other, y_true, folds=folds) for other in predicted[1:]]
            models = tuple(map(float, accuracies[0] - accuracies[1:]))
            yield Report(verdicts(found, margin), models if self.of_models else truth)

    def study(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """True classes, predictions of shape (methods, 1, n), folds, and the mean accuracy of each method's models."""
        methods = len(self.shrunk)
        y_true, folds = np.arange(self.n) % 2, random.permutation(np.arange(self.n) % self.folds)
        middle = np.full(self.dimensions, self.apart / sqrt(self.dimensions))
        images = (2 * y_true[:, None] - 1) * middle + random.normal(size=(methods, self.n, self.dimensions))
        predicted, accuracies = np.empty((methods, 1, self.n), dtype=np.int64), np.zeros(methods)
        for fold in range(self.folds):
            held = folds == fold
            for method, shrunk in enumerate(self.shrunk):
                weights, bias = _fitted(images[method][~held], y_true[~held], shrunk)
                predicted[method, 0, held] = images[method][held] @ weights + bias > 0
                ends = np.array([middle @ weights + bias, middle @ weights - bias]) / np.linalg.norm(weights)
                accuracies[method] += norm.cdf(ends).mean() / self.folds
        return y_true, predicted, folds, accuracies


@dataclass(frozen=True)
class Figures:
    """The figure of the first method of studies, alone, with its interval."""

    studies: Studies | Folds

    def coverage(self, n: int, random: np.random.Generator) -> float:
        if isinstance(self.studies, Folds):
            found = [self.studies.study(random) for _ in range(n)]
            truth = float(np.mean([accuracies[0] for _, _, _, accuracies in found]))
            intervals = [figure_interval(predicted[0], y_true, folds=folds) for y_true, predicted, folds, _ in found]
        else:
            y_true, groups = self.studies.images()
            truth, metric = self.studies.metric_of(self.studies.accuracies[0]), self.studies.metric
            predicted = (self.studies.predictions(y_true, groups, random)[0] for _ in range(n))
            intervals = [figure_interval(each, y_true, metric, groups=groups) for each in predicted]
        return float(np.mean([low <= truth <= high for low, high in intervals]))


def _expected_confusion(sizes: tuple[int, ...], accuracy: float) -> np.ndarray:
    """Mean counts, shape (n_classes, n_classes), where each wrong class is said as often."""
    k = len(sizes)
    wrong = (1 - accuracy) / max(k - 1, 1)
    return (wrong + (accuracy - wrong) * np.eye(k)) * np.array(sizes)[:, None]


@dataclass(frozen=True)
class Row:
    """What came of a kind of study; None for what it has no question of."""

    name: str
    reports: int
    covered: float
    false_better: float | None = None
    false_equivalent: float | None = None
    decided: float | None = None

    @property
    def broken(self) -> bool:
        """Whether a limit is broken by more than its simulation error."""
        most = MOST_FALSE + ERRORS * sqrt(MOST_FALSE * (1 - MOST_FALSE) / self.reports)
        least = LEAST_COVERED - ERRORS * sqrt(LEAST_COVERED * (1 - LEAST_COVERED) / self.reports)
        return max(self.false_better or 0, self.false_equivalent or 0) > most or self.covered < least


def simulated(name: str, studies: Studies | Folds | Figures, reports: int, seed: int = 0) -> Row:
    """Count the claims of so many reports."""
    random = np.random.default_rng([seed, *name.encode()])
    if isinstance(studies, Figures):
        return Row(name, reports, studies.coverage(reports, random))
    counts = np.array(
        [
            (
                each.covered,
                each.false_better,
                each.false_equivalent,
                np.mean([verdict.kind != Kind.UNDECIDED for verdict in each.said]),
            )
            for each in studies.reports(reports, random)
        ]
    )
    return Row(name, reports, *map(float, counts.mean(axis=0)))


def rows() -> dict[str, Studies | Folds | Figures]:
    """Every kind of study, by its name."""
    found: dict[str, Studies | Folds | Figures] = {}

    def equal_and_margin(name: str, studies: Studies, beyond: bool = False) -> None:
        best, margin = studies.accuracies[0], studies.margin
        found[f"{name}, equal"] = studies
        found[f"{name}, at the margin"] = replace(studies, accuracies=(best, best - margin, best - margin))
        if beyond:
            found[f"{name}, equal and at the margin"] = replace(studies, accuracies=(best, best, best - margin))
            found[f"{name}, beyond the margin"] = replace(
                studies, accuracies=(best, best - 2 * margin, best - margin / 2)
            )

    for n, margin in ((30, 0.05), (100, 0.05), (400, 0.05), (2_000, 0.02), (10_000, 0.01)):
        equal_and_margin(f"{n:,} images", Studies((0.9, 0.9, 0.9), (n,), margin=margin), beyond=True)
    for n in (100, 400, 2_000):
        equal_and_margin(f"{n:,} images, 99 % right", Studies((0.99, 0.99, 0.99), (n,)))
    for seeds in (2, 3, 5):
        for spread, points in SPREADS.items():
            name = f"400 images, {seeds} seeds that vary by {points}"
            equal_and_margin(name, Studies((0.9, 0.9, 0.9), (400,), margin=0.05, seeds=seeds, spread=spread))
    for seeds in (2, 3, 5):
        name = f"5,000 images, {seeds} seeds that vary by 1 point"
        equal_and_margin(name, Studies((0.9, 0.9, 0.9), (5_000,), margin=0.02, seeds=seeds, spread=0.1))
    for n_groups, size in ((10, 20), (30, 10), (100, 3), (200, 10)):
        for likeness in (0.0, 0.5, 1.0):
            name = f"{n_groups} groups of {size}, likeness {likeness:.1f}"
            studies = Studies((0.9, 0.9, 0.9), (n_groups * size,), margin=0.05, group=size, likeness=likeness)
            equal_and_margin(name, studies)
    studies = Studies((0.99, 0.99, 0.99), (1_000,), margin=0.01, group=10, likeness=1.0)
    equal_and_margin("100 groups of 10, likeness 1.0, 99 % right", studies)
    studies = Studies((0.9, 0.9, 0.9), (600,), margin=0.05, group=6, seeds=3, spread=0.1)
    equal_and_margin("100 groups of 6 and 3 seeds that vary by 1 point", studies)
    studies = Studies((0.9, 0.9, 0.9), (500,), margin=0.05, group=5, declared=False)
    equal_and_margin("100 groups of 5 that nobody declared", studies)
    for metric, words in list(WORDS.items())[1:]:
        for sizes in ((8,) * 10, (500, 20, 8), (50,) * 4):
            name = f"classes of {' '.join(map(str, dict.fromkeys(sizes)))}, {words}"
            studies = Studies((0.9, 0.9, 0.9), sizes, metric, margin=0.05)
            equal_and_margin(f"{len(sizes)} {name}", studies)
    studies = Studies((0.9, 0.9, 0.9), (50,) * 4, "balanced_accuracy", 0.05, seeds=3, spread=0.1)
    equal_and_margin("4 classes of 50, balanced accuracy, 3 seeds that vary by 1 point", studies)
    studies = Studies((0.9, 0.9, 0.9), (100,) * 4, "balanced_accuracy", 0.05, group=5)
    equal_and_margin("4 classes of 100, balanced accuracy, in groups of 5", studies)
    for n, dimensions, apart in ((60, 5, 1.0), (60, 40, 1.3), (200, 5, 1.0), (200, 40, 1.3), (1_000, 40, 1.3)):
        name = f"5 folds of {n:,} images in {dimensions} dimensions"
        found[f"{name}, equal"] = Folds(n, dimensions, apart, (0.1, 0.1, 0.1))
        found[f"{name}, at the margin"] = Folds(n, dimensions, apart, (1.0, 0.1, 0.1), margin=None)
    studies = Folds(200, 40, 1.3, (1.0, 0.1, 0.1), of_models=True)
    found["5 folds of 200 images in 40 dimensions, their very models"] = studies
    found["10 folds of 200 images in 40 dimensions, equal"] = Folds(200, 40, 1.3, (0.1, 0.1, 0.1), folds=10)
    for metric, words in WORDS.items():
        for sizes in ((8,) * 3, (8,) * 10, (500, 20, 8), (1_000,) * 10):
            for accuracy in (0.7, 0.95):
                name = f"{words} of {len(sizes)} classes of {' '.join(map(str, dict.fromkeys(sizes)))}, {accuracy:.0%}"
                found[name] = Figures(Studies((accuracy,), sizes, metric))
        for likeness in (0.5, 1.0):
            studies = Studies((0.9,), (100,) * 3, metric, group=10, likeness=likeness)
            found[f"{words} of 3 classes of 100 in groups of 10, likeness {likeness:.1f}"] = Figures(studies)
    for n in (60, 200):
        found[f"accuracy over 5 folds of {n} images in 40 dimensions"] = Figures(Folds(n, 40, 1.3, (0.1,)))
    return found


WORDS: dict[Metric, str] = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}
SPREADS = {0.1: "1 point", 0.4: "4 points"}  # of accuracy, at 90 %
KNOWN = {
    "400 images, 2 seeds that vary by 4 points": "two seeds don't tell their spread",
    "400 images, 3 seeds that vary by 4 points": "three seeds hardly tell their spread",
    "5,000 images, 2 seeds that vary by 1 point": "two seeds don't tell their spread",
    "5,000 images, 3 seeds that vary by 1 point": "three seeds hardly tell their spread",
    "100 groups of 5 that nobody declared": "groups that nobody declared can't be seen",
}


def known(name: str) -> str | None:
    """Why a row can't keep the limits; None where it must."""
    return next((reason for start, reason in KNOWN.items() if name.startswith(start)), None)


def study_of(name: str) -> str:
    """The name without the truth, which only some have."""
    return next((name.removesuffix(truth) for truth in TRUTHS if name.endswith(truth)), name)


def line(name: str, of_truths: list[Row]) -> str:
    """A line of the Markdown table: the same study under each truth."""
    figures = [[getattr(row, figure) for row in of_truths] for figure in FIGURES]
    cells = (" · ".join(f"{100 * each:.1f}" for each in values if each is not None) for values in figures)
    broken = any(row.broken for row in of_truths)
    mark = "" if not broken else known(name) or "**broken**"
    return " | ".join((f"| {name}", *cells, f"{mark} |"))


FIGURES = ("false_better", "false_equivalent", "covered", "decided")
TRUTHS = (", equal and at the margin", ", equal", ", at the margin", ", beyond the margin", ", 70%", ", 95%")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--quick", action="store_true", help=f"{QUICK} reports a row, not {REPORTS:,}")
    options.add_argument("--reports", type=int, help="so many a row")
    options.add_argument("--only", default="", metavar="TEXT", help="rows with this in their name")
    chosen = options.parse_args()
    reports, started, broken = chosen.reports or (QUICK if chosen.quick else REPORTS), time.perf_counter(), []
    print("| studies | false better % | false equivalent % | covered % | decided % | |")
    print("| --- | --- | --- | --- | --- | --- |")
    wanted = {name: studies for name, studies in rows().items() if chosen.only in name}
    for study, names in groupby(wanted, study_of):
        found = [simulated(name, wanted[name], reports) for name in names]
        print(line(study, found), flush=True)
        broken += [row.name for row in found if row.broken and known(row.name) is None]
    error, seconds = 100 * sqrt(MOST_FALSE * (1 - MOST_FALSE) / reports), time.perf_counter() - started
    print(f"\n{reports:,} reports a row: a standard error of {error:.2f} points at 5 %; {seconds:.0f} s.")
    print(f"Broken: {'; '.join(broken)}." if broken else "All limits are kept.")
    return 1 if broken else 0


def _fitted(images: np.ndarray, y_true: np.ndarray, shrunk: float) -> tuple[np.ndarray, float]:
    """Weights and bias of a linear discriminant."""
    ones, zeros = images[y_true == 1], images[y_true == 0]
    means = ones.mean(axis=0), zeros.mean(axis=0)
    weights = means[0] - means[1]
    if shrunk < 1:
        left = np.concatenate([ones - means[0], zeros - means[1]])
        covariance = (1 - shrunk) * left.T @ left / (len(images) - 2) + shrunk * np.eye(images.shape[1])
        weights = np.linalg.solve(covariance, weights)
    return weights, float(-(means[0] + means[1]) @ weights / 2)


if __name__ == "__main__":
    sys.exit(main())
