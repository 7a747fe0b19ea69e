"""LinearSVM's passes over a stream of batches."""

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
        for X, y in self._pass():
            self.dtype = X.dtype
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
        """One pass over the batches."""
        sums = Sums(*point.W.shape)
        for X, y in self._pass():
            codes = np.searchsorted(self.classes, y)
            if X.shape[1] != self.n_features or not np.array_equal(self.classes[codes % len(self.classes)], y):
                raise InputError("A pass over the batches brought features or classes that the first pass did not.")
            sums.add(with_constant(X, self._constant), codes, None, point)
        if sums.rows != self.rows:
            raise InputError(f"A pass over the batches brought {sums.rows} rows, the first one {self.rows}.")
        return sums

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
