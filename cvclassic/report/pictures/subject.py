"""What the pictures of a data set are drawn from."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cvclassic.errors import InputError
from cvclassic.experiment.result import Result, Run, job_folder
from cvclassic.report.pictures import Picture
from cvclassic.report.pictures.style import to_svg
from cvclassic.report.sweep import Setting, settings_of


@dataclass(frozen=True)
class Rival:
    """The best setting of a family, and the predictions of its first seed.

    `margins` are the scores of the predicted class less the highest of the others', None where there are no scores
    per class; `y_true` and `y_pred` are class numbers. All have shape (n_test,).
    """

    setting: Setting
    family: str
    y_true: np.ndarray
    y_pred: np.ndarray
    margins: np.ndarray | None

    @property
    def name(self) -> str:
        return self.setting.name

    @property
    def right(self) -> np.ndarray:
        return self.y_pred == self.y_true


class Subject:
    """One data set of a run, with its settings at their largest training size."""

    def __init__(self, run: Run, dataset: dict):
        self.run, self.dataset = run, dataset
        mine = [result for result in run.results if result.dataset == dataset["name"]]
        self.sizes = sorted({result.n_train for result in mine}) if run.config.get("train_sizes") else []
        at_largest = self.settings_at(self.sizes[-1]) if self.sizes else _best_first(run, dataset, mine)
        self.settings: list[Setting] = at_largest
        # A hash, since names of folders and data sets hold what an id can't.
        self._id = hashlib.blake2b(f"{run.folder}/{dataset['name']}".encode(errors="replace"), digest_size=5)

    @property
    def class_names(self) -> list[str]:
        return self.dataset["class_names"]

    @property
    def seeds(self) -> int:
        """The most seeds that any setting succeeded with."""
        return max(len(setting.succeeded) for setting in self.settings)

    def settings_at(self, n_train: int) -> list[Setting]:
        """The settings with results at a training size, best mean test accuracy first."""
        mine = [r for r in self.run.results if r.dataset == self.dataset["name"] and r.n_train == n_train]
        return _best_first(self.run, self.dataset, mine)

    def having(self, *figures: str) -> list[Setting]:
        """The settings whose results have all of these figures."""
        return [s for s in self.settings if all(getattr(r, f, None) is not None for r in s.succeeded for f in figures)]

    def best(self, *families: str) -> Setting | None:
        """The setting of best mean test accuracy in the first of `families` that has one."""
        for family in families:
            for setting in self.settings:
                if family_of(setting) == family:
                    return setting
        return None

    @cached_property
    def rivals(self) -> list[Rival]:
        """The best classical setting and the best neural one (without one the best hybrid), if their files are there.

        Raises
        ------
        InputError
            For predictions that can't be read.
        """
        chosen = [self.best("classical"), self.best("neural", "hybrid")]
        rivals = [self._rival(setting) for setting in chosen if setting is not None]
        return [rival for rival in rivals if rival is not None]

    def picture(self, name: str, title: str, caption: str, alt: str, figure) -> Picture:
        return Picture(name, title, caption, alt, to_svg(figure, f"p{self._id.hexdigest()}-{name}", alt))

    def _rival(self, setting: Setting) -> Rival | None:
        path = job_folder(self.run.folder, _identity(setting.succeeded[0])) / "predictions.npz"
        if not path.is_file():
            return None
        try:
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
            y_true, y_pred = arrays["y_true"], arrays["y_pred"]
        except Exception as error:  # of zipfile, zlib or NumPy, as the damage has it
            raise InputError(f"{path} can't be read ({error}); the run is damaged, start it anew.") from error
        margins = _margins(arrays.get("scores"), y_pred, len(self.class_names))
        return Rival(setting, family_of(setting), y_true, y_pred, margins)


def family_of(setting: Setting) -> str:
    return setting.results[0].family


def _best_first(run: Run, dataset: dict, results: list[Result]) -> list[Setting]:
    # As if of a run of one size, so that sizes are no part of the settings' names.
    of_one_size = replace(run, results=results, config=run.config | {"train_sizes": None})
    succeeded = [setting for setting in settings_of(of_one_size, dataset) if setting.succeeded]
    return sorted(succeeded, key=lambda setting: -setting.mean("test_accuracy"))


def _identity(result: Result) -> dict:
    return {name: getattr(result, name) for name in ("dataset", "pipeline", "seed", "n_train", "settings")}


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
