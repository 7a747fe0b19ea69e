"""A data set from arrays in memory."""

from collections.abc import Sequence

import numpy as np

from cvclassic.datasets.dataset import Dataset, LabelledImages, drawn, with_findings
from cvclassic.errors import InputError
from cvclassic.images import check_images


def from_arrays(
    X,
    y,
    X_test=None,
    y_test=None,
    *,
    name: str = "arrays",
    traits: Sequence[str] = (),
    seed: int = 0,
    train_size: int | None = None,
    max_train_size: int | None = None,
    groups=None,
) -> Dataset:
    """Labelled images with their splits.

    Parameters
    ----------
    X, X_test : array-like of shape (n, height, width) or (n, height, width, 3)
        Images as `cvclassic.images.check_images` describes them. With `X_test` the split is given: that is the test
        part, and validation is drawn from `X`. Without it a quarter of each class is the test part.
    y, y_test : array-like of shape (n,)
        Labels of any sortable type; sorted they are the classes.
    name : str
        What reports call the set.
    traits : sequence of str
        As of `Dataset`.
    seed, train_size, max_train_size
        As of `cvclassic.datasets.load`.
    groups : array-like of shape (n,), optional
        Of what is known of each image of `X`, then of `X_test`: those with an equal value (a patient, an object) are
        never in two splits. Exact copies never are, and near ones as `groups.join` says.

    Raises
    ------
    InputError
        For arrays that are no images, labels that don't fit them, or too few images of a class.
    """
    source = labelled(X, y, X_test, y_test, traits=traits, groups=groups)
    used = source.apart().near_together()
    dataset = drawn(name, used, seed=seed, train_size=train_size, max_train_size=max_train_size)
    return with_findings(dataset, source)


def labelled(X, y, X_test=None, y_test=None, *, traits: Sequence[str] = (), groups=None) -> LabelledImages:
    """The set before its splits; parameters and errors are those of `from_arrays`."""
    if (X_test is None) != (y_test is None):
        raise InputError("Only one of X_test and y_test is given; give both, or neither.")
    parts = [(X, y, "X", "y")] if X_test is None else [(X, y, "X", "y"), (X_test, y_test, "X_test", "y_test")]
    images, labels = [], []
    for batch, of_batch, batch_name, labels_name in parts:
        images.append(check_images(batch, name=batch_name))
        labels.append(_checked_labels(of_batch, len(images[-1]), labels_name))
    if len({(each.shape[1:], each.dtype) for each in images}) > 1:
        shapes = " and ".join(f"{each.shape[1:]} {each.dtype}" for each in images)
        raise InputError(f"Images of X and X_test must be of one shape and dtype; found {shapes}.")
    classes = np.unique(labels[0])
    unknown = np.setdiff1d(labels[-1], classes)
    if len(unknown):
        raise InputError(f"y_test holds labels that y lacks: {', '.join(map(str, unknown[:5].tolist()))}.")
    numbers = np.concatenate([np.searchsorted(classes, each) for each in labels]).astype(np.int64)
    n_train = None if X_test is None else len(images[0])
    pixels = images[0] if X_test is None else np.concatenate(images)
    known = [] if groups is None else [_checked_labels(groups, len(pixels), "groups").tolist()]
    return LabelledImages(
        images=pixels,
        labels=numbers,
        class_names=tuple(str(label) for label in classes.tolist()),
        provenance="arrays that a Python call brought",
        traits=frozenset(traits),
        n_train=n_train,
    ).grouped(*known)


def _checked_labels(y, n: int, name: str) -> np.ndarray:
    texts = [isinstance(label, str) for label in y] if isinstance(y, Sequence) else []
    if any(texts) and not all(texts):
        raise InputError(f"{name} has labels that are texts and labels that are not; make them all texts.")
    y = np.asarray(y)
    if y.shape != (n,):
        raise InputError(f"{name} has shape {y.shape}; it must hold one label for each of the {n} images, ({n},).")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise InputError(f"{name} holds NaN or infinite values; remove those images, or label them.")
    if y.dtype.kind == "O":
        kinds = sorted({type(label).__name__ for label in y.tolist()})
        if len(kinds) > 1 or kinds == ["NoneType"]:
            raise InputError(f"{name} has labels of types {', '.join(kinds)}; make them all texts, or all numbers.")
        return _checked_labels(y.tolist(), n, name)
    return y
