"""Train, validation and test indices: stratified, seeded, and nested in the number of training images.

They are a pure function of the labels, the groups, the seed and the number of training images. For sizes N1 < N2 with
the same seed, the fitted and the validation images for N1 are among those for N2 (as long as both use the same
validation fraction), so that a learning curve grows one sample instead of drawing a new one per point.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cvclassic.errors import InputError

TEST_FRACTION = 0.25
FEW_IMAGES = 2000  # below this a single test part is too small a sample, and a run tests by folds
LARGE_PART = 10_000  # training images from which 5 % are enough to validate on


class Splits(NamedTuple):
    """Sorted, disjoint int64 indices."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(
    labels: np.ndarray,
    *,
    seed: int = 0,
    train_size: int | None = None,
    max_train_size: int | None = None,
    n_train: int | None = None,
    n_validation: int = 0,
    groups: np.ndarray | None = None,
) -> Splits:
    """Draw the splits.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Integers 0 to k - 1, each class present.
    seed : int
        Not negative.
    train_size : int, optional
        Number of images of the training part (train and validation together) to use; default all.
    max_train_size : int, optional
        The same as an upper bound: clipped to what the part holds, where `train_size` raises. `train_size` wins.
    n_train : int, optional
        Size of the official training part, which comes first; the rest is the test split, in its own order. Without
        it a quarter of each class is the test split.
    n_validation : int
        With `n_train`: so many images at the end of that part are its validation split, which is not drawn then.
    groups : ndarray of shape (n,), optional
        Images with the same number are never in two of the splits that are drawn. None: each stands for itself.

    Raises
    ------
    InputError
        For a class with fewer than two training images (three images where the test split is drawn from them too), a
        negative seed, a size that is below 1, larger than the part, or too small for two images of each class, or
        groups that leave a class without images to train on.
    """
    if seed < 0:
        raise InputError(f"seed={seed} is negative; use 0 or more.")
    labels = np.asarray(labels, dtype=np.int64)
    n_classes = int(labels.max(initial=-1)) + 1
    trained = labels if n_train is None else labels[: n_train - n_validation]
    _check_classes(trained, n_classes, 3 if n_train is None else 2)
    if n_train is not None:
        test = np.arange(n_train, len(labels))
    elif groups is None:
        test = _draw_test(labels, n_classes, _generator(seed, 0))
    else:
        test = np.flatnonzero(deal(labels, groups, (1 - TEST_FRACTION, TEST_FRACTION), _generator(seed, 0)) == 1)
        _check_trained(labels, test, n_classes)
    validation = np.arange(n_train - n_validation, n_train) if n_train is not None and n_validation else None
    return split_beside(
        test,
        labels,
        seed=seed,
        train_size=train_size,
        max_train_size=max_train_size,
        groups=groups,
        validation=validation,
    )


def fold_splits(labels: np.ndarray, n_folds: int, *, seed: int = 0, groups: np.ndarray | None = None) -> list[Splits]:
    """Splits for each of `n_folds` folds: every image is in the test split of one of them.

    Each class is spread over the folds as evenly as its groups allow; validation is drawn anew from what a fold leaves.

    Raises
    ------
    InputError
        For fewer than two folds or more than the largest class has images, a class with fewer than three images, a
        negative seed, or groups that leave a class of some fold without images to train on.
    """
    if seed < 0:
        raise InputError(f"seed={seed} is negative; use 0 or more.")
    labels = np.asarray(labels, dtype=np.int64)
    n_classes = int(labels.max(initial=-1)) + 1
    _check_classes(labels, n_classes, 3)
    most = int(np.bincount(labels).max())
    if not 2 <= n_folds <= most:
        raise InputError(f"folds={n_folds}; the largest class has {most} images: use 2 to {most}.")
    parts = deal(labels, groups, (1 / n_folds,) * n_folds, _generator(seed, 3))
    found = []
    for fold in range(n_folds):
        test = np.flatnonzero(parts == fold)
        _check_trained(labels, test, n_classes)
        found.append(split_beside(test, labels, seed=seed + fold, groups=groups))
    return found


def deal(
    labels: np.ndarray, groups: np.ndarray | None, shares: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """The part, 0 to k - 1, of each image, (n,): each class by these shares, each group as a whole.

    Groups of several images are dealt first, the largest first, each to the part that lacks most of their classes; the
    single ones then fill what is missing of each class, so that without groups every class is spread to within one
    image.
    """
    n_classes, shares = int(labels.max()) + 1, np.asarray(shares)
    missing = np.bincount(labels, minlength=n_classes)[:, np.newaxis] * shares  # of each class in each part
    parts = np.full(len(labels), -1)
    order = rng.permutation(len(labels))
    if groups is not None:
        _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        order_of_groups = rng.permutation(len(sizes))
        for group in order_of_groups[np.argsort(-sizes[order_of_groups], kind="stable")]:
            if sizes[group] == 1:
                break
            members = np.flatnonzero(numbers == group)
            counts = np.bincount(labels[members], minlength=n_classes)
            part = int(np.argmax(counts @ missing + 1e-9 * missing.sum(axis=0)))
            parts[members] = part
            missing[:, part] -= counts
    for label in range(n_classes):
        members = order[(labels[order] == label) & (parts[order] < 0)]
        for k, part in enumerate(_fill(missing, label, len(members))):
            parts[members[k]] = part
    return parts


def _fill(missing: np.ndarray, label: int, n: int) -> np.ndarray:
    """The parts of `n` single images of a class, which are taken off `missing`."""
    wanted = np.maximum(missing[label], 0)
    counts = np.floor(wanted * (n / wanted.sum() if wanted.sum() > n else 1) + 1e-9).astype(int)
    for _ in range(n - counts.sum()):  # to the part that lacks most of this class, of equals most of all
        counts[np.argmax(np.round(missing[label] - counts, 9) + 1e-6 * (missing.sum(axis=0) - counts))] += 1
    missing[label] -= counts
    return np.repeat(np.arange(len(counts)), counts)


def split_beside(
    test: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int = 0,
    train_size: int | None = None,
    max_train_size: int | None = None,
    groups: np.ndarray | None = None,
    validation: np.ndarray | None = None,
) -> Splits:
    """Draw train and validation split, as `split` does, from all that a test split leaves.

    Where `validation`, sorted indices, is given, nothing is drawn but a sample of both in the same proportion, where
    fewer images are wanted.

    Raises
    ------
    InputError
        For a size that is below 1, larger than what is left, or too small for two images of each class.
    """
    labels = np.asarray(labels, dtype=np.int64)
    n_classes = int(labels.max(initial=-1)) + 1
    order_rng, validation_rng = _generator(seed, 1), _generator(seed, 2)
    part = np.setdiff1d(np.arange(len(labels)), test, assume_unique=True)
    size = _resolve_size(train_size, max_train_size, len(part), n_classes)
    if validation is not None:
        part = np.setdiff1d(part, validation, assume_unique=True)
        held_out = int(np.clip(round(size * len(validation) / (len(part) + len(validation))), 1, size - n_classes))
        drawn = [
            np.sort(rows[_stratified_order(labels[rows], n_classes, rng)[0][:n]])
            for rows, n, rng in ((part, size - held_out, order_rng), (validation, held_out, validation_rng))
        ]
        return Splits(*drawn, test)

    order, ranks = _stratified_order(labels[part], n_classes, order_rng)
    order, ranks = part[order[:size]], ranks[:size]
    fraction = 0.05 if size >= LARGE_PART else 0.10
    if groups is None:
        held_out = _validation_mask(labels[order], ranks, n_classes, fraction, validation_rng)
    else:  # drawn from the whole part, so that it is nested in the number of images too
        held_out = np.zeros(len(labels), bool)
        held_out[part] = deal(labels[part], groups[part], (1 - fraction, fraction), validation_rng) == 1
        held_out = _with_one_of_each_left(held_out[order], labels[order], groups[order])
    return Splits(np.sort(order[~held_out]), np.sort(order[held_out]), test)


def _generator(seed: int, draw: int) -> np.random.Generator:
    """One generator per draw: the test split must not depend on how many training images are used."""
    return np.random.default_rng([seed, draw])


def _check_classes(labels: np.ndarray, n_classes: int, smallest: int) -> None:
    counts = np.bincount(labels, minlength=n_classes)
    if n_classes < 2 or counts.min() < smallest:
        raise InputError(
            f"Two classes or more with {smallest} images each to draw from are needed; found {counts.tolist()}."
        )


def _check_trained(labels: np.ndarray, test: np.ndarray, n_classes: int) -> None:
    """Each class keeps two images to train on, one of which may be validated on."""
    left = np.bincount(np.delete(labels, test), minlength=n_classes)
    if left.min() < 2:
        label = int(left.argmin())
        raise InputError(
            f"Class number {label + 1}, with {np.sum(labels == label)} images, would keep {left[label]} to train on, "
            "and two are needed. There are too few folds for it, or nearly all of its images are of one group: use "
            "more folds, add images, or leave the groups out."
        )


def _with_one_of_each_left(held_out: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The mask without the groups whose classes would have no image left to be fitted on."""
    for label in np.unique(labels):
        if held_out[labels == label].all():
            held_out = held_out & ~np.isin(groups, groups[labels == label])
    return held_out


def _resolve_size(train_size: int | None, max_train_size: int | None, available: int, n_classes: int) -> int:
    smallest = 2 * n_classes
    for option, value in (("train_size", train_size), ("max_train_size", max_train_size)):
        if value is not None and value < 1:
            raise InputError(f"{option}={value}: a number of training images is needed, {smallest} to {available}.")
    if train_size is None:
        return available if max_train_size is None else int(np.clip(max_train_size, smallest, available))
    if train_size > available:
        raise InputError(f"train_size={train_size}, but the training part has {available} images; use at most that.")
    if train_size < smallest:
        raise InputError(
            f"train_size={train_size} can't hold two images of each of the {n_classes} classes; use {smallest} or more."
        )
    return int(train_size)


def _spread_offsets(n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Offsets in (0, 1), one per class, evenly spaced and shuffled: roundings of single classes cancel in the sum."""
    return (rng.permutation(n_classes) + 0.5) / n_classes


def _draw_test(labels: np.ndarray, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    counts = np.bincount(labels, minlength=n_classes)
    wanted = np.floor(counts * TEST_FRACTION + _spread_offsets(n_classes, rng)).astype(int)
    wanted = np.clip(wanted, 1, counts - 2)  # one to test on, two to train on
    order, ranks = _stratified_order(labels, n_classes, rng)
    return np.sort(order[ranks < wanted[labels[order]]])


def _stratified_order(labels: np.ndarray, n_classes: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An order of all images in which every prefix is stratified, and each image's rank within its class.

    Each class is shuffled and laid out evenly on [0, 1]; the merged classes are the order. The first two of each class
    go to the front, so that no prefix of 2 k images or more misses a class.
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # class by class, shuffled within
    counts = np.bincount(labels, minlength=n_classes)
    ranks = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    by_class = labels[order]
    position = (ranks + _spread_offsets(n_classes, rng)[by_class]) / counts[by_class]
    merged = np.lexsort((by_class, np.where(ranks < 2, ranks - 2, position)))
    return order[merged], ranks[merged]


def _validation_mask(
    labels: np.ndarray, ranks: np.ndarray, n_classes: int, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Which images of a stratified order are validation: the ranks at which a class's running quota passes an integer.

    The offsets make a fraction of the classes pass early, so that even classes of two or three images add up to about
    the fraction. An image's answer depends on what stands before it alone, hence the nesting.
    """
    offset = _spread_offsets(n_classes, rng)[labels]
    mask = np.floor((ranks + 1) * fraction + offset) > np.floor(ranks * fraction + offset)
    early = np.flatnonzero(mask & (ranks == 0))
    mask[early] = False  # a class's first image is always fitted on; its second takes the place
    return mask | ((ranks == 1) & np.isin(labels, labels[early]))
