"""What every source of images comes down to: `Dataset`, and `LabelledImages` before the splits are drawn."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from cvclassic.datasets.splits import split_beside


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images and the three splits that every pipeline shares.

    Attributes
    ----------
    name : str
    images : ndarray of shape (n, height, width) gray or (n, height, width, 3) RGB, uint8
        The whole set as one batch; where there is an official split, its training part comes first, then its test part.
    labels : ndarray of shape (n,), int64
        0 to k - 1, an index into `class_names`.
    class_names : tuple of str
    provenance : str
        One line: where the pixels came from, and whether they are known to be the official ones.
    traits : frozenset of str
        `"handwriting"`: slant carries no meaning. `"mirror"`: a mirrored image keeps its label.
    train, validation, test : ndarray of int64
        Sorted, disjoint indices into `images`: what is fitted on, what is selected and stopped on, what is predicted
        once. See `cvclassic.datasets.splits`.
    warnings : tuple of str
        What a reader of the results should know, such as image files that could not be read.
    smaller : tuple of Dataset
        The same set with fewer training images, ascending and nested, where a run learns from several sizes.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    provenance: str
    traits: frozenset[str]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    warnings: tuple[str, ...] = ()
    smaller: tuple["Dataset", ...] = ()

    @property
    def train_size(self) -> int:
        """Images of the training part, validation included."""
        return len(self.train) + len(self.validation)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """`(height, width)` or `(height, width, 3)`."""
        return self.images.shape[1:]

    @property
    def n_classes(self) -> int:
        """Number of classes, k."""
        return len(self.class_names)

    def with_train_size(self, train_size: int, *, seed: int) -> "Dataset":
        """The same images and test split, with a stratified sample of `train_size` images as the training part.

        With the seed that the splits were drawn with, it is what `load` gives for this size. InputError for a size that
        the set can't give.
        """
        train, validation, _ = split_beside(self.test, self.labels, seed=seed, train_size=train_size)
        return replace(self, train=train, validation=validation)


class LabelledImages(NamedTuple):
    """A set as its source gives it, before the splits; the fields are those of `Dataset`.

    `n_train` is the size of the official training part, which comes first; None where the source has no split.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    provenance: str
    traits: frozenset[str]
    n_train: int | None
    warnings: tuple[str, ...] = ()
