"""Train, validation and test indices: stratified, seeded, and nested in the number of training images.

They are a pure function of the labels, the seed and the number of training images. For sizes N1 < N2 with the same
seed, the fitted and the validation images for N1 are among those for N2 (as long as both use the same validation
fraction), so that a learning curve grows one sample instead of drawing a new one per point.
"""

from typing import NamedTuple

import numpy as np

from cvclassic.errors import InputError

TEST_FRACTION = 0.25
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

    Raises
    ------
    InputError
        For a class with fewer than two training images (three images where the test split is drawn from them too), a
        negative seed, or a size that is below 1, larger than the part, or too small for two images of each class.
    """
    if seed < 0:
        raise InputError(f"seed={seed} is negative; use 0 or more.")
    labels = np.asarray(labels, dtype=np.int64)
    n_classes = int(labels.max(initial=-1)) + 1
    _check_classes(labels if n_train is None else labels[:n_train], n_classes, 3 if n_train is None else 2)
    test = _draw_test(labels, n_classes, _generator(seed, 0)) if n_train is None else np.arange(n_train, len(labels))
    return split_beside(test, labels, seed=seed, train_size=train_size, max_train_size=max_train_size)


def split_beside(
    test: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int = 0,
    train_size: int | None = None,
    max_train_size: int | None = None,
) -> Splits:
    """Draw train and validation split, as `split` does, from all that a test split leaves.

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

    order, ranks = _stratified_order(labels[part], n_classes, order_rng)
    order, ranks = part[order[:size]], ranks[:size]
    fraction = 0.05 if size >= LARGE_PART else 0.10
    held_out = _validation_mask(labels[order], ranks, n_classes, fraction, validation_rng)
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
