"""LinearSVM's passes over the chunks of Dask arrays, where these lie: sums of chunks, added up by a tree."""

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from cvclassic.errors import InputError
from cvclassic.lazy import is_lazy, kept, lazy_column, lazy_features, reduce_chunks
from cvclassic.svm.linear_passes import GRAM_FEATURES, Point, Sums, class_sums, with_constant

BYTES_OF_A_SUM = 1 << 27  # of Gram matrices that a chunk's sums hold; where all classes have more, a step takes passes


class Chunks:
    """`Passes` over Dask arrays.

    One pass over the labels finds the classes, one over all the sums of each; then follow those of the solver.
    """

    def __init__(self, estimator, X, y, sample_weight):
        if not is_lazy(X):
            raise InputError(
                f"y is a Dask array, and X is a {type(X).__name__} in memory. A step before may have taken all of it "
                "there, as scikit-learn's PCA and scalers do; those of cvclassic.features take Dask arrays."
            )
        X = lazy_features(X)
        if X.shape[1] > GRAM_FEATURES:
            raise InputError(f"LinearSVM takes Dask arrays of up to {GRAM_FEATURES} features; X has {X.shape[1]}.")
        self.n_features, self.dtype, self.remembers = X.shape[1], X.dtype, False
        self._constant = float(estimator.intercept_scaling) if estimator.fit_intercept else None
        y = lazy_column(y, X, name="y")
        weight = None if sample_weight is None else lazy_column(sample_weight, X, name="sample_weight")
        found = reduce_chunks(_labels, _together, [y, weight])
        if len(found) < 2:
            raise InputError(f"LinearSVM needs two classes or more to tell apart; y holds {list(found)}.")
        self.classes = np.array(sorted(found))
        self.counts, self.rows = np.array([found[label][0] for label in self.classes.tolist()]), X.shape[0]
        if not self.counts.any():
            raise InputError("sample_weight is 0 for all rows; weights are 0 or more, not all 0.")
        codes = y.map_blocks(_codes, self.classes, dtype=np.int32, meta=np.empty(0, np.int32))
        self._columns = kept(X, codes, weight)
        groups = self._groups(len(self.classes))
        parts = [reduce_chunks(_class_sums, _added, self._columns, group, self._constant) for group in groups]
        self.sums, self.grams = (np.concatenate([part[i] for part in parts]) for i in range(2))

    def evaluate(self, point: Point) -> Sums:
        """One pass over the chunks; several, each for some of the classes, where a chunk's sums would be too large."""
        found = [
            reduce_chunks(_evaluated, _merged, self._columns, self._constant, point.of(group))
            for group in self._groups(len(point.W))
        ]
        sums = found[0]
        for name in ("losses", "slopes", "grams", "active") if len(found) > 1 else ():
            setattr(sums, name, np.concatenate([getattr(part, name) for part in found]))
        return sums

    def _groups(self, n: int) -> list[np.ndarray]:
        d = self.n_features + (self._constant is not None)
        size = max(1, BYTES_OF_A_SUM // (8 * d * d))
        return [np.arange(start, min(start + size, n)) for start in range(0, n, size)]


def _labels(y, weight) -> dict:
    """Of each class in a chunk, by its label: the sum of its rows' weights, and how many they are."""
    try:
        y = column_or_1d(y)
        check_classification_targets(y)
    except (ValueError, TypeError) as error:
        raise InputError(f"y can't be used: {error}") from error
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise InputError("y holds NaN or infinite values; a label is a whole number or a text.")
    if weight is not None and not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise InputError("sample_weight holds NaN, infinite or negative values; weights are 0 or more.")
    labels, codes = np.unique(y, return_inverse=True)
    rows = np.bincount(codes, minlength=len(labels))
    sums = rows.astype(np.float64) if weight is None else np.bincount(codes, weight, minlength=len(labels))
    return {label: (a, b) for label, a, b in zip(labels.tolist(), sums.tolist(), rows.tolist(), strict=True)}


def _together(parts: list[dict]) -> dict:
    total = {}
    for label, (a, b) in (item for part in parts for item in part.items()):
        before = total.get(label, (0.0, 0))
        total[label] = (before[0] + a, before[1] + b)
    return total


def _codes(y, classes):
    codes = np.searchsorted(classes, y)
    if not np.array_equal(classes[codes % len(classes)], y):
        raise InputError("y gives other labels when it is computed again; its chunks must be the same each time.")
    return codes.astype(np.int32)


def _class_sums(X, codes, weight, group, constant):
    X = _rows(X, constant)
    found = []
    for code in group:
        own = codes == code
        found.append(class_sums(X[own], None if weight is None else weight[own]))
    return tuple(np.array(part) for part in zip(*found, strict=True))


def _added(parts):
    return tuple(sum(rest, first.copy()) for first, *rest in zip(*parts, strict=True))


def _evaluated(X, codes, weight, constant, point) -> Sums:
    sums = Sums(*point.W.shape)
    sums.add(_rows(X, constant), codes, weight, point)
    return sums


def _merged(parts: list[Sums]) -> Sums:
    """New sums: those of a chunk may be asked for again, where a worker is lost."""
    total = Sums(*parts[0].slopes.shape)
    for part in parts:
        total.take(part)
    return total


def _rows(X, constant):
    try:
        X = check_array(X, dtype=[np.float32, np.float64], order="C", ensure_min_samples=0, estimator="LinearSVM")
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from error
    return with_constant(X, constant)
