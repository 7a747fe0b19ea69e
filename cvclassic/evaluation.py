"""A model put to the test on labelled pictures: how often it is right, of those that it had not learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

from cvclassic.datasets.arrays import labelled
from cvclassic.datasets.catalog import load_source
from cvclassic.datasets.dataset import LabelledImages
from cvclassic.decoding import fitted
from cvclassic.errors import InputError
from cvclassic.model import Model
from cvclassic.study.statistics import wilson_interval
from cvclassic.take_home import known_of

Data = str | Path | Sequence[np.ndarray]
LEAST_LOG = 1e-15  # probability whose logarithm is taken


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model says of labelled pictures.

    Attributes
    ----------
    class_names : tuple of str
        Of the model.
    n : int
        Pictures that the figures are about: without those that it learned from, where that is known and others are
        left.
    n_known : int or None
        Pictures that it learned from; None where it does not remember.
    all_known : bool
        Whether it learned from all of them, so that the figures are about these.
    accuracy : float
    interval : tuple of two float
        Wilson's, 95 %.
    balanced_accuracy : float
        The mean recall over the classes that are there.
    macro_f1 : float
        Over the classes that are there.
    negative_log_likelihood : float or None
        The mean over pictures, of the true class, in nats; None without probabilities.
    confusion : ndarray of shape (n_classes, n_classes), int64
        Rows are the true classes, columns the predicted ones.
    unreadable : tuple of (str, str)
        Files that could not be read, and why.
    """

    class_names: tuple[str, ...]
    n: int
    n_known: int | None
    all_known: bool
    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float
    macro_f1: float
    negative_log_likelihood: float | None
    confusion: np.ndarray
    unreadable: tuple[tuple[str, str], ...] = ()

    @property
    def recall(self) -> dict[str, float]:
        """Of each class that is there, the share of its pictures that is told."""
        return {
            name: float(row[k] / row.sum())
            for k, (name, row) in enumerate(zip(self.class_names, self.confusion, strict=True))
            if row.sum()
        }


def evaluate(
    model: Model,
    data: Data,
    *,
    data_dir: str | Path | None = None,
    offline: bool = False,
) -> Evaluation:
    """Put a model to the test.

    Parameters
    ----------
    model : Model
    data : name, path, or arrays (X, y)
        As `cvclassic.compare` takes it; of a set with a test part that part. Classes have the names of the model's;
        some of them may be missing.
    data_dir, offline
        As of `cvclassic.datasets.load`, for names.

    Raises
    ------
    InputError
        For what is no data set, can't be read, or has a class that the model does not know.
    """
    source = _source(model, data, data_dir, offline)
    unknown = [name for name in source.class_names if name not in model.class_names]
    if unknown:
        raise InputError(
            f"The data have the class {unknown[0]!r}, which the model does not know; it knows "
            f"{', '.join(model.class_names)[:200]}. Rename or remove the class."
        )
    rows = np.arange(source.n_train or 0, len(source.labels))
    images, number_of = source.images[rows], np.array([model.class_names.index(name) for name in source.class_names])
    if images.shape[1:] != model.contract.shape and images.dtype == np.uint8:
        images = np.stack([fitted(image, model.contract) for image in images])
    y_true, known = number_of[source.labels[rows]], known_of(images, model.figures)
    if known is not None and not known.all():
        images, y_true = images[~known], y_true[~known]
    y_pred, probabilities = model.predict_images(images)
    unreadable = tuple((each.name, each.why) for each in source.files.unreadable) if source.files else ()
    return Evaluation(
        class_names=model.class_names,
        n=len(y_true),
        n_known=None if known is None else int(known.sum()),
        all_known=known is not None and bool(known.all()),
        **_figures(y_true, y_pred, probabilities, len(model.class_names)),
        unreadable=unreadable,
    )


def _source(model: Model, data: Data, data_dir: str | Path | None, offline: bool) -> LabelledImages:
    if not isinstance(data, str | Path):
        if not isinstance(data, Sequence) or len(data) != 2:
            raise InputError("evaluate takes a name, a path, or (X, y).")
        return labelled(*data)
    height, width = model.contract.height, model.contract.width
    if height != width:
        raise InputError(f"The model takes images of {height} x {width} pixels, and files are read as squares.")
    options = {"image_size": height, "resize": model.contract.resize}
    _, source = load_source(str(data), data_dir=data_dir, offline=offline, **options)
    return source


def _figures(y_true: np.ndarray, y_pred: np.ndarray, probabilities: np.ndarray | None, n_classes: int) -> dict:
    there, right = np.unique(y_true), int(np.sum(y_true == y_pred))
    confusion = confusion_matrix(y_true, y_pred, labels=range(n_classes))
    loss = None
    if probabilities is not None:
        loss = float(-np.log(np.maximum(probabilities[np.arange(len(y_true)), y_true], LEAST_LOG)).mean())
    return {
        "accuracy": right / len(y_true),
        "interval": wilson_interval(right, len(y_true)),
        "balanced_accuracy": float(np.mean([confusion[k, k] / confusion[k].sum() for k in there])),
        "macro_f1": float(f1_score(y_true, y_pred, labels=there, average="macro", zero_division=0.0)),
        "negative_log_likelihood": loss,
        "confusion": confusion,
    }


def evaluation_lines(found: Evaluation) -> list[str]:
    """An evaluation in words, and the counts of its confusions."""
    low, high = (f"{100 * bound:.1f}" for bound in found.interval)
    lines = []
    n_all = found.n + (found.n_known or 0)
    if found.all_known:
        lines.append(
            f"It learned from all of these {found.n:,} pictures, so that what follows says nothing about new ones. Put "
            "it to the test on pictures that it has not seen."
        )
    elif found.n_known:
        lines.append(f"It learned from {found.n_known:,} of these {n_all:,} pictures; this is about the others.")
    elif found.n_known is None:
        lines.append("Whether it learned from some of these pictures is not known.")
    lines += [
        f"Right on {100 * found.accuracy:.1f} % of {found.n:,} pictures (95 % interval {low} to {high})",
        f"Balanced accuracy {100 * found.balanced_accuracy:.1f} %, macro F1 {found.macro_f1:.3f}",
    ]
    if found.negative_log_likelihood is not None:
        lines.append(f"Negative log likelihood of its probabilities {found.negative_log_likelihood:.3f}")
    for k, name in enumerate(found.class_names):
        n, right = int(found.confusion[k].sum()), int(found.confusion[k, k])
        if n:
            wrong = [
                f"{found.class_names[c]} {found.confusion[k, c]:,}"
                for c in np.argsort(-found.confusion[k], kind="stable")
                if c != k and found.confusion[k, c]
            ]
            lines.append(f"{name}: {right:,} of {n:,} are told" + (f"; called {', '.join(wrong)}" if wrong else ""))
    return lines


def evaluation_json(found: Evaluation) -> dict[str, object]:
    """An evaluation as JSON has it."""
    return {
        "n": found.n,
        "n_known": found.n_known,
        "all_known": found.all_known,
        "accuracy": found.accuracy,
        "interval": list(found.interval),
        "balanced_accuracy": found.balanced_accuracy,
        "macro_f1": found.macro_f1,
        "negative_log_likelihood": found.negative_log_likelihood,
        "recall": found.recall,
        "class_names": list(found.class_names),
        "confusion": found.confusion.tolist(),
        "unreadable": [{"file": name, "why": why} for name, why in found.unreadable],
    }
