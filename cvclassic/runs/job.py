"""What a run is made of: jobs, their results and outcomes, and the record of a whole run. Nothing is done here."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ConfigDict

from cvclassic.datasets.doctor.finding import Finding
from cvclassic.runs.search import Value
from cvclassic.runs.settings import Pairs, Settings, describe_settings
from cvclassic.runs.spec import ACCURACY, RunSpec

if TYPE_CHECKING:  # it imports scipy
    from cvclassic.model import Calibration

SCHEMA_VERSION = 6
LONGEST_NAME = 80  # characters of a part of a folder's name
BASELINE = "baseline"
FAMILIES = ("classical", "hybrid", "neural", "pretrained", BASELINE)
TRAINED_BY_KERAS = ("hybrid", "neural")
FINITE = ConfigDict(allow_inf_nan=False)


@dataclass(frozen=True)
class ClassFigures:
    """One class on the test images."""

    __pydantic_config__ = FINITE

    name: str
    precision: float
    recall: float
    f1: float
    n_test: int


@dataclass(frozen=True)
class Trial:
    """What --tune tried: a candidate, at one level of its search.

    `parameters` are those that differ from the pipeline as it stands; it is tried, too, with none. Each of its fits had
    `n_train` images and, where it is a network, the share `steps` of its whole training. `accuracy` is that on
    `n_held_out` images that it was not fitted on, None where it failed or was cut off at the end of the time.
    """

    __pydantic_config__ = FINITE

    parameters: dict[str, Value]
    n_train: int
    steps: float
    n_held_out: int
    accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class Tuning:
    """What --tune tried and chose: parameters that take the place of the pipeline's own, none where it stays as it is.

    `accuracy` and `default_accuracy` are those of the chosen and of the pipeline as it stands, at the last level of the
    search that was enough to choose by, on held-out images. Where nothing could be chosen, `reason` says why.
    """

    __pydantic_config__ = FINITE

    chosen: dict[str, Value]
    accuracy: float | None
    default_accuracy: float | None
    tried: tuple[Trial, ...]
    reason: str | None = None


@dataclass(frozen=True)
class Training:
    """The course of a network's training; epochs are counted from 0.

    `planned_epochs` is how many it had at most, None where only a time budget ended it; `best_epoch` the one whose
    weights were kept, `overfit_epoch` the one from which the validation loss rose while the training loss fell.
    """

    __pydantic_config__ = FINITE

    planned_epochs: int | None
    best_epoch: int
    overfit_epoch: int | None


@dataclass(frozen=True)
class Job:
    """One thing to fit: a pipeline on a data set, with a seed, a number of training images and settings.

    `n_train` counts the images that it is fitted on, without validation. `fold` counts from 1; None without folds.
    """

    dataset: str
    pipeline: str
    seed: int
    n_train: int
    settings: Settings = ()
    fold: int | None = None

    @property
    def name(self) -> str:
        """The name of its folder below the data set's: a file name on every system, and no other job's."""
        settings = describe_settings(self.settings).replace(", ", ",")
        fold = "" if self.fold is None else f"-fold{self.fold}"
        name = f"{file_name(self.pipeline)}-seed{self.seed}-n{self.n_train}{fold}"
        return f"{name}-{file_name(settings)}" if settings else name

    @property
    def folder(self) -> PurePosixPath:
        """Its folder, relative to the run's."""
        return PurePosixPath(file_name(self.dataset), self.name)

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        return f"{self.pipeline} on {self.dataset}: {self.told(('n_train', 'seed', 'fold', *dict(self.settings)))}"

    def told(self, varied: Collection[str]) -> str:
        """What tells it apart on its data set, where these vary: settings by name, "n_train", "seed", "fold"."""
        n_train = f"{self.n_train:,} training images" if "n_train" in varied else ""
        settings = describe_settings(tuple(pair for pair in self.settings if pair[0] in varied))
        seed = f"seed {self.seed}" if "seed" in varied else ""
        fold = f"fold {self.fold}" if "fold" in varied and self.fold is not None else ""
        return ", ".join(filter(None, [n_train, settings, seed, fold]))


@dataclass(frozen=True)
class Result:
    """What was measured of one job. Accuracies and F1 are fractions from 0 to 1; figures of a failed job are None.

    `settings` are those that a sweep or --set gave the job, by name, as text (see `runs.settings`).
    `tuning` tells what --tune tried and chose; `tuning_seconds` is the time that took, which is not in `fit_seconds`,
    and `tuning_candidates` how many settings were tried, the pipeline as it stands among them.
    `train_accuracy` is taken on `n_train_scored` images, a seeded sample where there are more than that.
    `fit_seconds` and `fit_energy_joules` of a network's training that was interrupted and resumed are those of all its
    tries, of each up to its last whole epoch; of other pipelines, which begin anew, those of the last try.
    `predict_images_per_second` is taken on all test images in one call, and `answer_seconds` is what one image alone
    takes, both after a call that warms up; see `runs.measure`.
    `over_budget` tells whether `fit_seconds` went beyond the run's time budget; None without one.
    `fit_energy_joules` is what the processors used during the fit, also for other processes; None where they don't say.
    `augment` tells how its training images were changed: "none", "mirror", "shift" or "affine", or several of these
    joined by "+".
    `corruptions` has five accuracies, of strengths 1 to 5, for each name in `runs.corruptions.CORRUPTIONS`, taken on
    `n_corrupted` test images; `mean_corruption_error` is the mean of 1 - accuracy over all of them. None without
    --corruptions.
    `backbone` names the frozen networks that it embeds images with, and a hash of each; None without one. What they
    took for the images of a fit or prediction is in its figures, also where they embed once for all jobs.
    `balanced_accuracy` is the mean recall over the classes that have test images.
    `negative_log_likelihood`, `brier_score` and `calibration_error` are those of the test images' scores, made
    probabilities by one factor that was fitted on validation images (`runs.calibration`); None without scores, or with
    too few validation images.
    `machine` is where it ran: processor, cores, system, memory, and the threads that it had (`runs.record`); None in
    runs of earlier versions.
    `training` and `converged` are those of a network; `converged` is None where it can't be told whether more steps
    would have helped, and for whatever is no network.
    """

    __pydantic_config__ = FINITE

    dataset: str
    pipeline: str
    family: str
    status: str
    seed: int
    n_train: int
    n_features: int | None = None
    train_accuracy: float | None = None
    test_accuracy: float | None = None
    macro_f1: float | None = None
    fit_seconds: float | None = None
    predict_images_per_second: float | None = None
    peak_memory_mb: float | None = None
    model_bytes: int | None = None
    settings: Settings = ()
    validation_accuracy: float | None = None
    n_train_scored: int | None = None
    n_test: int | None = None
    per_class: tuple[ClassFigures, ...] = ()
    history: dict[str, list[float]] | None = None
    tuning: Tuning | None = None
    warnings: tuple[str, ...] = ()
    over_budget: bool | None = None
    fit_energy_joules: float | None = None
    corruptions: dict[str, list[float]] | None = None
    mean_corruption_error: float | None = None
    n_corrupted: int | None = None
    fold: int | None = None
    backbone: str | None = None
    augment: str | None = None
    answer_seconds: float | None = None
    training: Training | None = None
    converged: bool | None = None
    tuning_seconds: float | None = None
    tuning_candidates: int | None = None
    balanced_accuracy: float | None = None
    validation_balanced_accuracy: float | None = None
    validation_macro_f1: float | None = None
    negative_log_likelihood: float | None = None
    brier_score: float | None = None
    calibration_error: float | None = None
    machine: str | None = None

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def job(self) -> Job:
        return Job(self.dataset, self.pipeline, self.seed, self.n_train, self.settings, self.fold)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a job said of its test images, in their order.

    Attributes
    ----------
    y_true, y_pred : ndarray of shape (n_test,), int64
        Numbers of classes.
    scores : ndarray of shape (n_test, n_classes) or, for two classes, (n_test,), float32; or None
    places : ndarray of shape (n_test,), int64; or None
        Of a fold: where its images stand among the test images of the data set, ascending.
    """

    y_true: np.ndarray
    y_pred: np.ndarray
    scores: np.ndarray | None = None
    places: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a job. `predictions` are None where it failed, or where their file is damaged.

    `estimator` is the fitted one, and `calibration` how its scores become probabilities, by the validation images,
    where the job ran in this process; None otherwise.
    """

    result: Result
    predictions: Predictions | None = None
    estimator: object | None = None
    calibration: "Calibration | None" = None


@dataclass(frozen=True)
class Sizes:
    """Numbers of images; `test` is None where it is the same as elsewhere."""

    train: int
    validation: int
    test: int | None = None


@dataclass(frozen=True)
class DatasetRecord:
    """What a run says of a data set (dataset.json).

    `smaller_sizes` are those of --train-sizes, ascending, but for the largest. `folds` are the sizes of each fold;
    `sizes` are then those of the first, with all images to test on. `test_images` is a hash of the test images and
    their labels: two runs with the same one were tested on the same. `metric` is what its pipelines are judged by where
    nothing else is asked for. `grouped` tells whether some test images belong together, and `leaked` how many of a test
    part that was given are copies of training images; of a `published` set they are counted with the others, for its
    figures are compared with those of others. `findings` are what the doctor says of it, with the names of the
    first files of each, and `test_names` the files of the test images, where these are files and not too many.
    """

    __pydantic_config__ = FINITE

    name: str
    class_names: tuple[str, ...]
    provenance: str
    traits: tuple[str, ...]
    image_shape: tuple[int, ...]
    sizes: Sizes
    smaller_sizes: tuple[Sizes, ...] = ()
    folds: tuple[Sizes, ...] = ()
    warnings: tuple[str, ...] = ()
    test_images: str = ""
    metric: str = ACCURACY
    grouped: bool = False
    leaked: int = 0
    published: bool = False
    findings: tuple[Finding, ...] = ()
    test_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class PipelineRecord:
    """What a run says of a pipeline.

    `stack` is its own training stack, `published` the literature's accuracy, and `found_on` the public images on which
    its constants were found. `content` is a hash of its file, where that is none of cvclassic's.
    """

    __pydantic_config__ = FINITE

    name: str
    title: str
    family: str
    stack: dict[str, str | int | float | bool | None] | None = None
    published: str | None = None
    found_on: str | None = None
    content: str | None = None


@dataclass(frozen=True)
class RunRecord:
    """What stands in run.json: the spec with everything settled (names, preset, threads), and what was planned.

    `stack` are the fields of the run's training stack, and `fingerprints` the hash of each data set's images, labels
    and splits, in their order.
    """

    __pydantic_config__ = FINITE

    schema_version: int
    created: str
    spec: RunSpec
    stack: dict[str, str | int | float | bool | None]
    machine: str
    versions: dict[str, str]
    notes: tuple[str, ...]
    fingerprints: Pairs[str]
    pipelines: tuple[PipelineRecord, ...]
    jobs: tuple[Job, ...]


@dataclass(frozen=True, eq=False)
class SetImages:
    """What a study and its report need of a data set's images; None where it can't be read.

    Attributes
    ----------
    test : ndarray of the test images
    examples : ndarray of a training image of each class
    groups : ndarray of shape (n_test,), int64
        Numbers of what belongs together among the test images; None where each stands for itself.
    leaked : ndarray of int64
        Ascending places of the test images that are copies of training images; None where there are none.
    """

    test: np.ndarray | None = None
    examples: np.ndarray | None = None
    groups: np.ndarray | None = None
    leaked: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """All that a run's folder holds, as a study takes it.

    Attributes
    ----------
    name : str
        What a page with several runs calls it.
    record : RunRecord
    datasets : in the order of the run; those whose description is damaged are missing, and named in `problems`
    outcomes : those so far, in the order of `record.jobs`
    images : by name of the data set
    problems : tuple of str
        A line for each file that is damaged, and what that costs.
    """

    name: str
    record: RunRecord
    datasets: tuple[DatasetRecord, ...]
    outcomes: tuple[Outcome, ...]
    images: dict[str, SetImages]
    problems: tuple[str, ...] = ()

    @property
    def spec(self) -> RunSpec:
        return self.record.spec


def file_name(text: str) -> str:
    """A name for a file or folder that stands for `text`, and for no other: `text` itself where it is safe and short.

    No separator, no leading or trailing dot, nothing that a run's own files are called, ASCII only.
    """
    safe = re.fullmatch(r"[\w+=,-][\w.,=+-]*", text, re.ASCII) and not text.endswith(".")
    if safe and len(text) <= LONGEST_NAME and not re.search(OWN_FILES, text, re.IGNORECASE):
        return text
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()
    readable = re.sub(r"[^\w+=,-]+", "_", text, flags=re.ASCII)[:40].strip("_")
    return f"{readable}-{digest}" if readable else digest


# What a run's folder holds besides those of the data sets; and the device names of Windows.
OWN_FILES = r"\.(json|csv|md|html|png|npz|npy|log|lock|cvc)$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)"
