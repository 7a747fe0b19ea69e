"""What predicts the class without looking at the picture: its size, its shape, its file, its color."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from cvclassic.datasets.dataset import LabelledImages
from cvclassic.datasets.doctor.finding import NOTE, SEVERE, WARNING, Finding, percent
from cvclassic.datasets.files import Files
from cvclassic.decoding import InputContract, shown_size
from cvclassic.images import is_color

FOLDS = 5
DEPTH = 4  # of the trees: 16 ranges at most
LEAF = 3  # images in a leaf at least
LEAST_IMAGES = 20  # fewer can't show anything beyond chance
MOST_IMAGES = 5_000  # a sample of them is enough
CERTAIN = 2.58  # standard errors, 99 %
SEEN = (
    0.25  # of the way from the most frequent class's share to all: from here a shortcut is told, of facts of the file
)
OBVIOUS = 0.8  # of that way: a pipeline could get nearly all right by it
COLORED = 0.5  # of that way, for the mean color, which often has to do with the class


class Shortcut(NamedTuple):
    """How well facts other than the picture predict the class."""

    name: str
    accuracy: float  # cross-validated
    most_frequent: float  # the share of the most frequent class
    gain: float  # a lower bound: 0 is no better than the most frequent class, 1 always right


def shortcuts(facts: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray) -> list[Shortcut]:
    """How well each of some facts alone predicts the class.

    A decision tree of depth 4 is cross-validated in 5 stratified folds that keep groups together. The lower bound of
    its accuracy, 2.58 standard errors below, is set beside the share of the most frequent class.

    Parameters
    ----------
    facts : dict of str to ndarray of shape (n, d)
        By name.
    labels, groups : ndarray of shape (n,), int64
        Classes with fewer than 5 groups are left out, and of more than 5,000 images a sample is taken.

    Returns
    -------
    list of Shortcut
        Empty where fewer than 20 images or two classes remain. Facts that are all equal are left out.
    """
    rows = np.arange(len(labels))
    if len(rows) > MOST_IMAGES:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_IMAGES, replace=False))
    distinct = np.unique(np.column_stack([labels[rows], groups[rows]]), axis=0)[:, 0]
    enough = np.flatnonzero(np.bincount(distinct) >= FOLDS)
    rows = rows[np.isin(labels[rows], enough)]
    if len(enough) < 2 or len(rows) < LEAST_IMAGES:
        return []
    labels, groups = labels[rows], groups[rows]
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(labels, labels, groups))
    most = float(np.bincount(labels).max() / len(labels))
    n = len(np.unique(groups))
    found = []
    for name, values in facts.items():
        values = values[rows]
        if (values == values[0]).all():
            continue
        tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=LEAF, random_state=0)
        right = cross_val_predict(tree, values, labels, cv=folds) == labels
        accuracy = float(right.mean())
        low = accuracy - CERTAIN * np.sqrt(max(accuracy * (1 - accuracy), 1 / n) / n)
        found.append(Shortcut(name, accuracy, most, max(0.0, (low - most) / (1 - most))))
    return found


def shortcut_findings(source: LabelledImages, groups: np.ndarray) -> Iterator[Finding]:
    """The shortcuts that are worth telling."""
    facts = _facts(source.images, source.files, source.contract)
    found = {each.name: each for each in shortcuts(facts, source.labels, groups)}
    told = {name: each for name, each in found.items() if each.gain >= (COLORED if name in (_COLOR, _LIGHT) else SEEN)}
    if _SIDES in told and _ASPECT in told:  # one and the same, seen twice
        del told[min((_SIDES, _ASPECT), key=lambda name: told[name].gain)]
    if _SIZE in told and not {_SIDES, _ASPECT, _DEPTH}.isdisjoint(told):  # it follows from those
        del told[_SIZE]
    for name, shortcut in told.items():
        sentence = (
            f"From the {name} alone one can tell the class of {percent(round(1000 * shortcut.accuracy), 1000)} of the "
            f"images (always answering the most frequent class: {percent(round(1000 * shortcut.most_frequent), 1000)})."
        )
        yield Finding(
            "shortcut",
            _severity(name, shortcut.gain),
            len(source.labels),
            (),
            f"{sentence} {_CONSEQUENCES[name]}",
        )


def _severity(name: str, gain: float) -> str:
    """A class may have to do with its color, and with detail, which makes files large; with the others it hasn't."""
    if name in (_COLOR, _LIGHT):
        return WARNING
    if name == _SIZE:
        return WARNING if gain >= OBVIOUS else NOTE
    return SEVERE if gain >= OBVIOUS else WARNING


_SIDES, _ASPECT, _SIZE = "width and height", "aspect ratio", "file size"
_DEPTH, _COLOR, _LIGHT = "bit depth and number of channels", "mean color", "mean brightness"
_LEAK = (
    "A pipeline can learn how the pictures were made instead of what they show, and fail on pictures made otherwise. "
    "Make it the same for all classes, "
)
_CONSEQUENCES = {
    _SIDES: _LEAK + "or take pictures of each class from the same sources.",
    _ASPECT: _LEAK + "by cropping all pictures to one shape.",
    _SIZE: (
        "Either the classes differ in detail, which is fine, or their files were saved in different ways, which leaves "
        "marks that a pipeline can learn instead of what pictures show. In the second case save all in the same way."
    ),
    _DEPTH: _LEAK + "by saving all as the same kind of file.",
    _COLOR: (
        "Where color makes the class, that is fine, and a color histogram is all you need. Where it should not, a "
        "pipeline may learn light and background: vary them in each class, or look at pipelines that see no color."
    ),
    _LIGHT: (
        "Where brightness makes the class, that is fine, and a histogram is all you need. Where it should not, a "
        "pipeline may learn light and background: vary them in each class."
    ),
}


def _facts(images: np.ndarray, files: Files | None, contract: InputContract | None) -> dict[str, np.ndarray]:
    color = is_color(images)
    means = images.reshape(len(images), -1, 3 if color else 1).mean(axis=1, dtype=np.float64)
    found = {_COLOR if color else _LIGHT: means}
    if files is not None:
        size, height, width, channels, bits = files.facts.T.astype(float)
        shown = [shown_size(h, w, contract) for _, h, w, _, _ in files.facts.tolist()]
        means *= contract.height * contract.width / np.prod(shown, axis=1)[:, np.newaxis]  # without its margin
        found |= {
            _SIDES: np.column_stack([width, height]),
            _ASPECT: (width / height)[:, np.newaxis],
            _SIZE: size[:, np.newaxis],
            _DEPTH: np.column_stack([channels, bits]),
        }
    return found
