"""LinearSVM's passes over a stream of batches."""

import zlib

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_X_y

from cvclassic.errors import InputError
from cvclassic.svm.linear_passes import GRAM_FEATURES, Point, Sums, class_sums, with_constant
from cvclassic.svm.threads import in_parallel


class Stream:
    """`Passes` over batches."""

    def __init__(self, estimator, batches):
        if not callable(batches):
            raise InputError(
                f"batches is a {type(batches).__name__}; pass a function that starts a new pass over (X, y)."
            )
        self._batches = batches
        self._constant = float(estimator.intercept_scaling) if estimator.fit_intercept else None
        found = {}
        self.remembers, self._marks, self._bits = True, [], {}
        for X, y in self._pass():
            self.dtype = X.dtype
            self._marks.append(_mark(X, y))
            labels = np.unique(y)
            parts = in_parallel(lambda one, X=X, y=y: self._of_class(X[y == one]), labels)
            for label, new in zip(labels.tolist(), parts, strict=True):
                found[label] = tuple(a + b for a, b in zip(found.get(label, (0.0, 0.0, 0)), new, strict=True))
        if len(found) < 2:
            raise InputError(f"LinearSVM needs two classes or more to tell apart; the batches hold {list(found)}.")
        self.classes = np.array(sorted(found))
        self.sums, self.grams, self.counts = (np.array([found[c][i] for c in self.classes.tolist()]) for i in range(3))
        self.rows, self.n_features = int(self.counts.sum()), self.sums.shape[1] - (self._constant is not None)

    def evaluate(self, point: Point) -> Sums:
        """One pass over the batches; a second one where they come in another order than before.

        Which rows were inside the margin is kept from pass to pass, a bit for each row and problem, so that Gram
        matrices need only the rows that crossed it.
        """
        if self.remembers:
            sums = self._evaluate(point)
            if self.remembers:
                return sums
        return self._evaluate(point)

    def _evaluate(self, point):
        sums = Sums(*point.W.shape)
        for place, (X, y) in enumerate(self._pass()):
            codes = np.searchsorted(self.classes, y)
            if X.shape[1] != self.n_features or not np.array_equal(self.classes[codes % len(self.classes)], y):
                raise InputError("A pass over the batches brought features or classes that the first pass did not.")
            if self.remembers and (place >= len(self._marks) or self._marks[place] != _mark(X, y)):
                self.remembers = False
            X = with_constant(X, self._constant)
            if not self.remembers:
                sums.add(X, codes, None, point)
                continue
            before = self._inside(place, len(X))
            before[point.problems] = sums.add(X, codes, None, point, before[point.problems])
            self._bits[place] = np.packbits(before, axis=1)
        if sums.rows != self.rows:
            raise InputError(f"A pass over the batches brought {sums.rows} rows, the first one {self.rows}.")
        return sums

    def _inside(self, place, n):
        """Which of a batch's rows were inside the margin of each problem at its last evaluation; all at first."""
        if place not in self._bits:
            return np.ones((len(self.classes) if len(self.classes) > 2 else 1, n), bool)
        return np.unpackbits(self._bits[place], axis=1, count=n).astype(bool)

    def _of_class(self, X):
        return *class_sums(with_constant(X, self._constant), None), len(X)

    def _pass(self):
        width = None
        for X, y in self._batches():
            try:
                X, y = check_X_y(X, y, dtype=[np.float32, np.float64], order="C")
                check_classification_targets(y)
            except (ValueError, TypeError) as error:
                raise InputError(f"A batch can't be used: {error}") from error
            if X.shape[1] != (width or X.shape[1]) or X.shape[1] > GRAM_FEATURES:
                raise InputError(f"Batches have up to {GRAM_FEATURES} features, all the same; found {X.shape[1]}.")
            width = X.shape[1]
            yield X, y


def _mark(X, y) -> tuple:
    """What tells a batch from another one, without reading all of it."""
    return len(X), zlib.crc32(np.ascontiguousarray(X[:: max(1, len(X) // 100)])), hash(tuple(y.tolist()))
