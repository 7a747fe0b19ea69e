"""LinearSVM's problem for data that come in batches: Newton's method by passes, with the same optimum."""

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_X_y

from cvclassic.errors import InputError
from cvclassic.svm.threads import in_parallel, sum_in_parallel

BLOCK_ROWS = 4096
GRAM_FEATURES = 8000  # up to here a Gram matrix is made
LENGTHS = 0.5 ** np.arange(1, 16)  # step lengths that a pass tries at once, beside the full step


class Stream:
    """What the first pass learns, and the passes after it.

    `classes` (k,), `counts` rows of each class, `n_features`; `sums` (k, d) and `grams` (k, d, d), float64: the sum
    and the Gram matrix of each class's rows, the constant feature included.
    """

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
        self.n_features = self.sums.shape[1] - (self._constant is not None)

    def _of_class(self, X):
        rows = self.with_constant(X)
        gram = _gram(rows, np.arange(len(rows)), np.ones(len(rows), rows.dtype))
        return rows.sum(axis=0, dtype=np.float64), gram, len(rows)

    def coded(self):
        """A pass: batches of rows with the constant feature, (n, d), and the codes of their classes, (n,)."""
        seen = 0
        for X, y in self._pass():
            codes = np.searchsorted(self.classes, y)
            if X.shape[1] != self.n_features or not np.array_equal(self.classes[codes % len(self.classes)], y):
                raise InputError("A pass over the batches brought features or classes that the first pass did not.")
            seen += len(X)
            yield self.with_constant(X), codes
        if seen != self.counts.sum():
            raise InputError(f"A pass over the batches brought {seen} rows, the first one {self.counts.sum()}.")

    def with_constant(self, X):
        return X if self._constant is None else np.hstack([X, np.full((len(X), 1), self._constant, X.dtype)])

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


def solve_stream(stream, factors, C, tol, max_iter):
    """Newton's method; returns weights (k, d) float64, steps taken, converged.

    A pass evaluates all classes at the end of their last step: loss, gradient, and the Gram matrix of the rows inside
    the margin. Where that step turns out too long, the pass has tried shorter ones as well, the best is taken, and
    the next pass evaluates there.
    """
    own = range(len(factors)) if len(factors) > 2 else [1]
    rest = np.ones(len(factors)) if len(factors) > 2 else factors[[0, 0]]
    weights = np.array([np.where(np.arange(len(factors)) == k, factors[k], rest[k]) for k in own])
    signs = np.array([np.where(np.arange(len(factors)) == k, 1.0, -1.0) for k in own])
    W = np.zeros((len(own), stream.sums.shape[1]))
    objectives = C * weights @ stream.counts
    floors = np.finfo(stream.dtype).eps * objectives
    # At w = 0 every row is inside the margin, so that the first pass has brought all that the first step needs.
    totals = np.einsum("kc,cij->kij", weights, stream.grams)
    gradients = -2 * C * (weights * signs) @ stream.sums
    P = _newton_steps(totals, gradients, C)
    slopes, shares, todo = np.einsum("kd,kd->k", gradients, P), np.zeros(len(W)), np.ones(len(W), bool)
    steps = 0
    while steps < max_iter and todo.any():
        steps += 1
        at = _Evaluation(stream, W, P, weights, signs, C, totals, shares > 0.5)
        shares, next_steps = at.shares, _newton_steps(at.grams, at.gradients, C)
        for k in np.flatnonzero(todo):
            if P[k].any() and at.objectives[k] > objectives[k] + 1e-3 * slopes[k]:
                best = at.shorter[k].argmin()
                todo[k] = at.shorter[k, best] < objectives[k]
                if todo[k]:
                    W[k] += LENGTHS[best] * P[k]
                    objectives[k] = at.shorter[k, best]
                P[k] = 0
                continue
            W[k] += P[k]
            objectives[k] = at.objectives[k]
            P[k] = next_steps[k]
            slopes[k] = at.gradients[k] @ P[k]
            todo[k] = -slopes[k] / 2 > tol * objectives[k] + floors[k]
            if not todo[k]:  # so short a step is taken unseen
                W[k] += P[k]
        P[~todo] = 0
    return W, steps, not todo.any()


class _Evaluation:
    """One pass at `W + P`: `objectives` and `shorter` ones on the way there, `gradients`, `grams`, active `shares`."""

    def __init__(self, stream, W, P, weights, signs, C, totals, invert):
        steps = np.concatenate([[1.0], LENGTHS])
        self._losses, self._slopes = np.zeros((len(W), len(steps))), np.zeros(W.shape)
        # Where most rows are active, the few that are not are summed up and subtracted from the total.
        self.grams, self.shares = np.where(invert[:, None, None], totals, 0.0), np.zeros(len(W))
        for X, codes in stream.coded():
            self._add(X, codes, W, P, weights, signs, steps, invert)
        points = W[:, None] + steps[:, None] * P[:, None]
        values = 0.5 * np.square(points).sum(axis=2) + C * self._losses
        self.objectives, self.shorter = values[:, 0], values[:, 1:]
        self.gradients = W + P + 2 * C * self._slopes
        self.shares /= stream.counts.sum()

    def _add(self, X, codes, W, P, weights, signs, steps, invert):
        def one_class(k):
            sign, weight = signs[k, codes].astype(X.dtype), weights[k, codes].astype(X.dtype)
            old, new = (X @ np.stack([W[k], W[k] + P[k]]).astype(X.dtype).T).T * sign
            lengths = steps if P[k].any() else steps[:1]
            for i, length in enumerate(lengths):
                hinge = np.maximum(1 - (old + X.dtype.type(length) * (new - old)), 0)
                self._losses[k, i] += (weight * hinge * hinge).sum(dtype=np.float64)
            active = new < 1
            self.shares[k] += np.count_nonzero(active)
            self._slopes[k] += _weighted_sum(np.where(active, new - 1, 0) * sign * weight, X)
            chosen = np.flatnonzero(active ^ invert[k])
            gram = _gram(X, chosen, weight)
            self.grams[k] += -gram if invert[k] else gram

        in_parallel(one_class, range(len(W)))


def _weighted_sum(r, X):
    return sum_in_parallel(
        lambda start: r[start : start + BLOCK_ROWS] @ X[start : start + BLOCK_ROWS],
        range(0, len(X), BLOCK_ROWS),
        X.shape[1],
    )


def _gram(X, chosen, weight):
    def product(start):
        block = chosen[start : start + BLOCK_ROWS]
        rows = X[block] * np.sqrt(weight[block])[:, None]
        return rows.T @ rows

    return sum_in_parallel(product, range(0, len(chosen), BLOCK_ROWS), (X.shape[1], X.shape[1]))


def _newton_steps(grams, gradients, C):
    return np.array(in_parallel(lambda k: _newton_step(grams[k], gradients[k], C), range(len(grams))))


def _newton_step(gram, gradient, C):
    hessian = 2 * C * gram
    hessian.flat[:: len(hessian) + 1] += 1
    step = -np.linalg.solve(hessian, gradient)
    return step if step @ gradient < 0 else -gradient / (1 + 2 * C * np.trace(gram))
