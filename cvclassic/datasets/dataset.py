"""What every source of images comes down to: `Dataset`, and `LabelledImages` before the splits are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cvclassic.datasets.files import Files
from cvclassic.datasets.groups import copies_warning, join, near_copies_warning, together
from cvclassic.datasets.near_copies import Copies, find_copies
from cvclassic.datasets.splits import fold_splits, split, split_beside
from cvclassic.decoding import InputContract
from cvclassic.errors import DataError, InputError

if TYPE_CHECKING:  # the doctor looks at what stands here
    from cvclassic.datasets.doctor.finding import Finding

MOST_COMPARED = 20_000  # different images among which near copies are looked for before a split is drawn


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
    folds : tuple of Dataset
        The same set once for each fold, with the splits of that fold. The set's own test split is then all images.
    given_test : bool
        Whether the test split came with the set, and was not drawn from it.
    groups : ndarray of shape (n,), int64; or None
        Images with the same number belong together. None: each stands for itself, or the splits are given ones.
    names : tuple of str
        Of the images of a folder: paths of their files, relative to it; empty for other sets.
    findings : tuple of Finding
        Of folders and arrays: what the doctor says of them.
    published : bool
        Whether it is a named set, whose figures are compared with those of others.
    given_validation : ndarray of int64, or None
        Sorted indices of the validation part that came with the set, of which `validation` is all or a sample. None
        where validation is drawn from the training part.
    contract : InputContract, or None
        How pictures became the images, of sets that were read from files.
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
    folds: tuple["Dataset", ...] = ()
    given_test: bool = False
    groups: np.ndarray | None = None
    names: tuple[str, ...] = ()
    findings: tuple["Finding", ...] = ()
    published: bool = False
    given_validation: np.ndarray | None = None
    contract: InputContract | None = None

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

    @cached_property
    def used(self) -> np.ndarray:
        """Ascending indices of the images that are in any split, those of `smaller` and `folds` too."""
        parts = (self, *self.smaller, *self.folds)
        return np.unique(np.concatenate([rows for each in parts for rows in (each.train, each.validation, each.test)]))

    @cached_property
    def leaked_test_images(self) -> np.ndarray:
        """Ascending indices, int64, of the test images of a given test split that are copies of training images.

        Exact and near ones (`cvclassic.datasets.near_copies`), of the train or the validation split. Empty where the
        test split is our own, and where there are more than 100,000 different images, among which near copies are not
        looked for, if no exact ones are there. It is found when it is first asked for: 7 s of one core for 10,000 test
        images beside 50,000 of CIFAR-10.
        """
        if not self.given_test:
            return np.empty(0, np.int64)
        rows = np.concatenate([self.train, self.validation, self.test])
        tested = np.arange(len(rows)) >= self.train_size
        copies = find_copies(self.images[rows], among=tested)
        return np.sort(rows[tested & np.isin(copies.near, copies.near[~tested])])

    def with_train_size(self, train_size: int, *, seed: int) -> "Dataset":
        """The same images and test split, with a stratified sample of `train_size` images as the training part.

        With the seed that the splits were drawn with, it is what `load` gives for this size. InputError for a size that
        the set can't give.
        """
        train, validation, _ = split_beside(
            self.test,
            self.labels,
            seed=seed,
            train_size=train_size,
            groups=self.groups,
            validation=self.given_validation,
        )
        return replace(self, train=train, validation=validation)

    def with_folds(self, n_folds: int, *, seed: int) -> "Dataset":
        """The same images in `n_folds` folds, so that each image is tested once.

        Train and validation split are those of the first fold. InputError for a set whose test split is given, and for
        a number of folds that the set can't give.
        """
        if self.given_test:
            raise InputError(
                f"{self.name} has a test part of its own; folds are for sets without. Remove folds (--folds)."
            )
        splits = fold_splits(self.labels, n_folds, seed=seed, groups=self.groups)
        folds = tuple(replace(self, train=s.train, validation=s.validation, test=s.test) for s in splits)
        whole = np.arange(len(self.labels))
        return replace(folds[0], test=whole, folds=folds)


class LabelledImages(NamedTuple):
    """A set as its source gives it, before the splits; the fields are those of `Dataset`.

    `n_train` is the size of the official training part, which comes first; None where the source has no split. Its last
    `n_validation` images are a validation part that came with the set. `groups` and `contract` are those of `Dataset`.
    `files` and `contract` are known of sets that were read from files, `copies` of these and of arrays.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    provenance: str
    traits: frozenset[str]
    n_train: int | None
    warnings: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    files: Files | None = None
    copies: Copies | None = None
    n_validation: int = 0
    contract: InputContract | None = None

    @property
    def part_of(self) -> np.ndarray:
        """Of each image 0, 1 or 2: whether it is of the training, the validation or the test part that were given."""
        if self.n_train is None:
            return np.zeros(len(self.labels), np.int64)
        bounds = [self.n_train - self.n_validation, self.n_train]
        return np.searchsorted(bounds, np.arange(len(self.labels)), side="right")

    def grouped(self, *known: Sequence[object]) -> "LabelledImages":
        """The same with its copies found, and with groups: exact copies, and images that share what is known of them.

        `known` are sequences of length n as `groups.together` takes them.
        """
        copies = find_copies(self.images, most_images=MOST_COMPARED)
        exact = copies.exact.tolist()
        told = filter(None, [copies_warning(exact)])
        return self._replace(groups=together(exact, *known), copies=copies, warnings=(*self.warnings, *told))

    def near_together(self) -> "LabelledImages":
        """The same with near copies in one group too, where `groups.join` allows it, and with a warning.

        Not those of which one is in a given test part.
        """
        if self.copies is None:
            return self
        near = self.copies.near
        if self.n_train is not None:
            near = 2 * near + (np.arange(len(near)) >= self.n_train)
        groups, n_joined, n_apart = join(self.groups, near, self.labels)
        told = near_copies_warning(n_joined, n_apart, self.copies.searched)
        return self._replace(groups=groups, warnings=(*self.warnings, *told))

    def apart(self) -> "LabelledImages":
        """The same without the images that belong together with one of a part that judges them, and with warnings.

        Those are training and validation images that are copies of test images or of one group with them, and training
        images of which that is true of validation images. DataError where fewer than two training images of a class,
        or no validation image at all, are left.
        """
        if self.groups is None or self.n_train is None:
            return self
        part = self.part_of
        tested = np.isin(self.groups, self.groups[part == 2]) & (part < 2)
        validated = np.isin(self.groups, self.groups[part == 1]) & (part == 0) & ~tested
        kept = ~(tested | validated)
        if kept.all():
            return self
        self._check_left((part == 0) & kept, (part == 1) & kept)
        told = [
            f"{n:,} {which} images are copies of {of} images or of one group with them; they were left out of {what}"
            for which, of, what, n in (
                ("training", "test", "training", int(np.sum(tested & (part == 0)))),
                ("validation", "test", "validation", int(np.sum(tested & (part == 1)))),
                ("training", "validation", "training", int(np.sum(validated))),
            )
            if n
        ]
        return self._replace(
            images=self.images[kept],
            labels=self.labels[kept],
            groups=self.groups[kept],
            files=self.files and self.files.of(kept),
            copies=self.copies and self.copies.of(kept),
            n_train=int(np.sum((part < 2) & kept)),
            n_validation=int(np.sum((part == 1) & kept)),
            warnings=(*self.warnings, *told),
        )

    def _check_left(self, training: np.ndarray, validation: np.ndarray) -> None:
        """DataError unless these masks leave enough of both."""
        judged = "validation or test" if self.n_validation else "test"
        counts, left = (
            np.bincount(self.labels[rows], minlength=len(self.class_names)) for rows in (self.part_of == 0, training)
        )
        emptied = [f"{name} ({counts[k]} images)" for k, name in enumerate(self.class_names) if left[k] < 2]
        if emptied:
            raise DataError(
                f"Of {', '.join(emptied)} too few training images are left: the others are copies of {judged} images, "
                f"or of one group with them. Add other training images, or remove the {judged} part."
            )
        if self.n_validation and not validation.any():
            raise DataError(
                "All validation images are copies of test images, or of one group with them. Put others into the "
                "validation part, or remove it."
            )


def drawn(
    name: str, source: LabelledImages, *, seed: int, train_size: int | None, max_train_size: int | None
) -> Dataset:
    """The data set of a source, with its splits; the options are those of `splits.split`."""
    splits = split(
        source.labels,
        seed=seed,
        train_size=train_size,
        max_train_size=max_train_size,
        n_train=source.n_train,
        n_validation=source.n_validation,
        groups=source.groups,
    )
    return Dataset(
        name=name,
        images=source.images,
        labels=source.labels,
        class_names=source.class_names,
        provenance=source.provenance,
        traits=source.traits,
        train=splits.train,
        validation=splits.validation,
        test=splits.test,
        warnings=source.warnings,
        given_test=source.n_train is not None,
        groups=source.groups,
        names=source.files.names if source.files else (),
        published=source.copies is None,
        given_validation=np.flatnonzero(source.part_of == 1) if source.n_validation else None,
        contract=source.contract,
    )


def with_findings(dataset: Dataset, source: LabelledImages) -> Dataset:
    """The data set with what the doctor says of its source: of folders and arrays in which copies were looked for.

    It takes a tenth of a second for some hundred images, 2 s for 5,000.
    """
    if source.copies is None or not source.copies.searched:
        return dataset
    from cvclassic.datasets.doctor import diagnose  # which looks at what stands here

    return replace(dataset, findings=diagnose(dataset.name, source).findings)
