"""What the pictures of a data set are drawn from."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cvclassic.report.pictures import Picture
from cvclassic.report.pictures.style import in_one_line, short, to_svg
from cvclassic.study.sizes import Curve
from cvclassic.study.study import Configuration, DatasetStudy


@dataclass(frozen=True, eq=False)
class Rival:
    """A contender that the first question is about, and the predictions of its first seed that has them.

    `key` tells it apart from the other one in names of pictures, `role` says in a caption which it is. `margins` are
    the scores of the predicted class less the highest of the others', None where there are no scores per class;
    `y_true` and `y_pred` are class numbers. All have shape (n_test,).
    """

    configuration: Configuration
    key: str
    role: str
    seed: int
    y_true: np.ndarray
    y_pred: np.ndarray
    margins: np.ndarray | None

    @property
    def name(self) -> str:
        return named(self.configuration)

    @property
    def right(self) -> np.ndarray:
        return self.y_pred == self.y_true


@dataclass(frozen=True, eq=False)
class Subject:
    """One data set of a run, with its configurations at the largest number of training images."""

    dataset_study: DatasetStudy

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.dataset_study.record.class_names

    @property
    def configurations(self) -> list[Configuration]:
        """In the study's order, the best on validation first."""
        return self.dataset_study.largest

    @property
    def time_budget(self) -> float | None:
        """Seconds for each fit."""
        return self.dataset_study.study.run.spec.time_budget

    def having(self, *figures: str) -> list[Configuration]:
        """The configurations whose results all have these figures, in the study's order."""
        return [c for c in self.configurations if all(len(c.values(f)) == len(c.results) for f in figures)]

    @cached_property
    def rivals(self) -> list[Rival]:
        """The two that the answer's first question is about, or the only contender, if predictions are there."""
        study = self.dataset_study
        chosen = study.questions[0].named if study.questions else study.contenders[:1]
        keys = [each.family for each in chosen]
        roles = [f"the best {family} one" for family in keys]
        if len(set(keys)) < len(keys):
            keys, roles = [keys[0], f"{keys[1]}-next"], [roles[0], f"the next of the {keys[1]} ones"]
        found = [_rival(*each, len(self.class_names)) for each in zip(chosen, keys, roles, strict=True)]
        return [rival for rival in found if rival is not None]

    def picture(self, name: str, title: str, caption: str, alt: str, figure) -> Picture:
        """The finished picture of a matplotlib Figure."""
        run = self.dataset_study.study.run
        # A hash, since names of runs and data sets hold what an id can't.
        names = repr((run.name, run.record.created, self.dataset_study.name)).encode(errors="surrogatepass")
        prefix = f"p{hashlib.blake2b(names, digest_size=5).hexdigest()}-{name}"
        title, caption, alt = map(in_one_line, (title, caption, alt))
        return Picture(name, title, caption, alt, to_svg(figure, prefix, alt))


def named(contender: Configuration | Curve, longest: int = 60) -> str:
    """The name of a configuration or curve, harmless and not too long."""
    return short(contender.name, longest)


def best_on_test_images_first(configurations: Iterable[Configuration]) -> list[Configuration]:
    """An order to show them in, and for no more than that."""
    return sorted(configurations, key=lambda configuration: -configuration.mean(configuration.test_figure))


def left_out(shown: Sequence, found: Sequence) -> str:
    """The end of a caption, where only the first of those that were found are shown."""
    more = len(found) > len(shown)
    return f" Only the {len(shown)} of {len(found)} that are best on the validation images are shown." if more else ""


def _rival(configuration: Configuration, key: str, role: str, n_classes: int) -> Rival | None:
    for outcome in configuration.succeeded:
        said = outcome.predictions
        if said is not None:
            margins = _margins(said.scores, said.y_pred, n_classes)
            return Rival(configuration, key, role, outcome.result.seed, said.y_true, said.y_pred, margins)
    return None


def _margins(scores: np.ndarray | None, y_pred: np.ndarray, n_classes: int) -> np.ndarray | None:
    if scores is None or not np.isfinite(scores).all():
        return None
    if scores.ndim == 1 and n_classes == 2:
        return np.where(y_pred == 1, scores, -scores)
    if scores.shape != (len(y_pred), n_classes):
        return None
    rows = np.arange(len(y_pred))
    others = scores.astype(np.float64)
    others[rows, y_pred] = -np.inf
    return scores[rows, y_pred] - others.max(axis=1)
