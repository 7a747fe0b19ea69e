"""LinearSVM's problem for data that are passed over: Newton's method of sums over batches or chunks.

What a pass needs of the rows is a sum over them. The batches of a stream and the chunks of a Dask array differ in how
they add up, and share what is added, `Sums`, and what is done with it, `solve_by_passes`.
"""

import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cvclassic.svm.threads import in_parallel, sum_in_parallel

BLOCK_ROWS = 4096
SLICE_ROWS = 1 << 14  # whose margins stay in the caches, and below malloc's limit for memory of its own
GRAM_FEATURES = 8000  # up to here a Gram matrix is made
LENGTHS = 0.5 ** np.arange(1, 16)  # step lengths that a pass tries at once, beside the full step
STEPS = np.concatenate([[1.0], LENGTHS])
_of_thread = threading.local()


@dataclass(frozen=True, eq=False)
class Point:
    """Where a pass evaluates k one-against-the-rest problems: at `W + P`, and at shorter steps from `W` on the way.

    `W` and `P` are (k, d) float64; `signs` and `weights` (k, n_classes) say what a row of each class is to a problem.
    `whole` (k,) says where the Gram matrix of all rows is known, so that the sum over the rows outside the margin is
    as good, and they are fewer. `problems` (k,) are their numbers among all.
    """

    W: np.ndarray
    P: np.ndarray
    signs: np.ndarray
    weights: np.ndarray
    whole: np.ndarray
    problems: np.ndarray

    def of(self, chosen) -> "Point":
        """The point with these of its problems alone."""
        names = ("W", "P", "signs", "weights", "whole", "problems")
        return Point(*(getattr(self, name)[chosen] for name in names))


class Sums:
    """What a pass adds up at a `Point`, over rows with the constant feature.

    Attributes
    ----------
    losses : (k, 16), at the full step and the shorter ones
    slopes : (k, d), half the gradient of the loss
    grams : (k, d, d), of the rows that are inside the margin less that of those that were there before: none, all
        where the point says `whole`, or those that `add` is told
    active : (k,), rows inside the margin
    rows : int
    """

    def __init__(self, k: int, d: int):
        self.losses, self.slopes = np.zeros((k, len(STEPS))), np.zeros((k, d))
        self.grams, self.active, self.rows = np.zeros((k, d, d)), np.zeros(k), 0

    def add(self, X, codes, weight, point: Point, before=None) -> np.ndarray:
        """Rows (n, d), the codes of their classes (n,), and their own weights (n,) or None.

        `before` (k, n) says which rows were inside the margin; returns which ones are.
        """
        k = len(point.W)
        ends = np.concatenate([point.W, point.W + point.P]).astype(X.dtype)
        slices = [slice(start, start + SLICE_ROWS) for start in range(0, len(X), SLICE_ROWS)]
        margins = np.hstack(in_parallel(lambda rows: ends @ X[rows].T, slices))
        inside, pulls = np.empty((k, len(X)), bool), np.empty((k, len(X)), X.dtype)

        def one_problem(row):
            sign, factor = point.signs[row, codes].astype(X.dtype), point.weights[row, codes].astype(X.dtype)
            if weight is not None:
                factor *= weight.astype(X.dtype)
            old, new = margins[row] * sign, margins[k + row] * sign
            self.losses[row] += _losses(old, new, factor) if point.P[row].any() else _loss(new, factor)
            active = inside[row] = new < 1
            self.active[row] += np.count_nonzero(active)
            pulls[row] = np.where(active, new - 1, 0) * sign * factor
            was = np.full(len(X), point.whole[row]) if before is None else before[row]
            add_gram(self.grams[row], X, np.flatnonzero(active & ~was), factor)
            add_gram(self.grams[row], X, np.flatnonzero(was & ~active), factor, -1)

        in_parallel(one_problem, range(k))
        blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, len(X), BLOCK_ROWS)]
        self.slopes += sum_in_parallel(lambda rows: pulls[:, rows] @ X[rows], blocks, self.slopes.shape)
        self.rows += len(X)
        return inside

    def take(self, other: "Sums") -> None:
        """Add what another one has summed."""
        for name in ("losses", "slopes", "grams", "active"):
            getattr(self, name).__iadd__(getattr(other, name))
        self.rows += other.rows


class Passes(Protocol):
    """What the first pass has learned, and the passes after it; d counts the constant feature.

    Attributes
    ----------
    classes : (n_classes,), sorted
    n_features : int, without the constant one
    counts : float64 (n_classes,), rows of each class, or the sums of their weights
    sums, grams : float64 (n_classes, d) and (n_classes, d, d), weighted sum and Gram matrix of each class's rows
    rows : int
    dtype : of the rows
    remembers : bool
        Whether the last `evaluate` gave the Gram matrices less those of the problems' evaluation before; the first one
        is that of all rows.
    """

    classes: np.ndarray
    n_features: int
    counts: np.ndarray
    sums: np.ndarray
    grams: np.ndarray
    rows: int
    dtype: np.dtype
    remembers: bool

    def evaluate(self, point: Point) -> Sums:
        """One pass."""


def solve_by_passes(passes: Passes, factors, C, tol, max_iter):
    """Newton's method; returns weights (k, d) float64, steps taken, converged.

    A pass evaluates the classes that are not done at the end of their last step: loss, gradient, and the Gram matrix of
    the rows inside the margin. Where that step turns out too long, the pass has tried shorter ones as well, the best is
    taken, and the next pass evaluates there.
    """
    signs, weights = _against_the_rest(factors)
    W = np.zeros((len(signs), passes.sums.shape[1]))
    objectives = C * weights @ passes.counts
    floors = np.finfo(passes.dtype).eps * objectives
    # At w = 0 every row is inside the margin, so that the first pass has brought all that the first step needs.
    totals = np.einsum("kc,cij->kij", weights, passes.grams)
    gradients = -2 * C * (weights * signs) @ passes.sums
    P, last = newton_steps(totals, gradients, C), totals if passes.remembers else None
    slopes, shares, todo = np.einsum("kd,kd->k", gradients, P), np.zeros(len(W)), np.ones(len(W), bool)
    steps = 0
    while steps < max_iter and todo.any():
        steps += 1
        asked = np.flatnonzero(todo)
        whole = (shares > 0.5) & (last is None)  # passes that remember change the only copy of the totals
        point = Point(W, P, signs, weights, whole, np.arange(len(W))).of(asked)
        at = _Evaluation(passes, point, C, totals, last)
        shares[asked], next_steps = at.shares, newton_steps(at.grams, at.gradients, C)
        for row, k in enumerate(asked):
            if P[k].any() and at.objectives[row] > objectives[k] + 1e-3 * slopes[k]:
                best = at.shorter[row].argmin()
                todo[k] = at.shorter[row, best] < objectives[k]
                if todo[k]:
                    W[k] += LENGTHS[best] * P[k]
                    objectives[k] = at.shorter[row, best]
                P[k] = 0
                continue
            W[k] += P[k]
            objectives[k] = at.objectives[row]
            P[k] = next_steps[row]
            slopes[k] = at.gradients[row] @ P[k]
            todo[k] = -slopes[k] / 2 > tol * objectives[k] + floors[k]
            if not todo[k]:  # so short a step is taken unseen
                W[k] += P[k]
    return W, steps, not todo.any()


class _Evaluation:
    """One pass at `W + P`: `objectives` and `shorter` ones on the way there, `gradients`, `grams`, active `shares`."""

    def __init__(self, passes: Passes, point: Point, C, totals, last):
        sums = passes.evaluate(point)
        points = point.W[:, None] + STEPS[:, None] * point.P[:, None]
        values = 0.5 * np.square(points).sum(axis=2) + C * sums.losses
        self.objectives, self.shorter = values[:, 0], values[:, 1:]
        self.gradients = point.W + point.P + 2 * C * sums.slopes
        self.shares = sums.active / passes.rows
        self.grams = sums.grams
        for row, k in enumerate(point.problems):
            if passes.remembers:
                self.grams[row] += last[k]
                last[k] = self.grams[row]
            elif point.whole[row]:
                self.grams[row] += totals[k]


def _loss(margin, factor):
    return factor @ np.square(np.maximum(1 - margin, 0)).astype(np.float64)


def _losses(old, new, factor):
    """At each of `STEPS` from the margins `old` to `new`: (16,), float64.

    The loss of a row that is inside the margin at both ends is a parabola; only those that cross it are tried out.
    """
    inside = (old < 1) & (new < 1)
    crossing = (old < 1) ^ (new < 1)
    gap, way = (1 - old[inside]).astype(np.float64), (old[inside] - new[inside]).astype(np.float64)
    weight = factor[inside].astype(np.float64)
    losses = (weight @ (gap * gap)) + 2 * STEPS * (weight @ (gap * way)) + STEPS**2 * (weight @ (way * way))
    old, new, weight = (each[crossing].astype(np.float64) for each in (old, new, factor))
    return losses + [weight @ np.square(np.maximum(1 - (old + step * (new - old)), 0)) for step in STEPS]


def class_sums(X, weight):
    """Of rows (n, d) of one class, the constant feature included: their sum (d,) and Gram matrix (d, d), float64."""
    factor = np.ones(len(X), X.dtype) if weight is None else weight.astype(X.dtype)
    gram = np.zeros((X.shape[1], X.shape[1]))
    add_gram(gram, X, np.arange(len(X)), factor)
    total = X.sum(axis=0, dtype=np.float64) if weight is None else weight.astype(np.float64) @ X
    return total, gram


def with_constant(X, constant):
    """Rows with the constant feature, where there is one."""
    return X if constant is None else np.hstack([X, np.full((len(X), 1), constant, X.dtype)])


def add_gram(total, X, chosen, weight, times=1) -> None:
    """Add the weighted Gram matrix of the `chosen` rows, 1 or -1 `times`, to `total`, (d, d) float64."""
    add = np.add if times == 1 else np.subtract
    for start in range(0, len(chosen), BLOCK_ROWS):
        add(total, _product(X, chosen[start : start + BLOCK_ROWS], weight), out=total)


def _product(X, block, weight) -> np.ndarray:
    """The weighted Gram matrix of a block of rows; it lasts until this thread makes the next one."""
    d = X.shape[1]
    rows = np.take(X, block, axis=0, out=_scratch("rows", (BLOCK_ROWS, d), X.dtype)[: len(block)], mode="clip")
    rows *= np.sqrt(weight[block])[:, None]
    return np.matmul(rows.T, rows, out=_scratch("product", (d, d), X.dtype))  # NumPy sees the transpose: BLAS's SYRK


def _scratch(name: str, shape, dtype) -> np.ndarray:
    """Memory of this thread's own, whatever is in it: to get fresh memory for each block takes a third of a pass.

    So it is where malloc gives freed memory back to the system at once, as Dask's workers ask it to.
    """
    held = getattr(_of_thread, name, None)
    if held is None or held.shape != shape or held.dtype != dtype:
        held = np.empty(shape, dtype)
        setattr(_of_thread, name, held)
    return held


def newton_steps(grams, gradients, C):
    return np.array(in_parallel(lambda k: _newton_step(grams[k], gradients[k], C), range(len(grams))))


def _against_the_rest(factors):
    """Signs and weights (k, n_classes) of the classes' rows in each problem; of two classes there is one problem."""
    n = len(factors)
    own = range(n) if n > 2 else [1]
    rest = np.ones(n) if n > 2 else factors[[0, 0]]
    weights = np.array([np.where(np.arange(n) == k, factors[k], rest[k]) for k in own])
    signs = np.array([np.where(np.arange(n) == k, 1.0, -1.0) for k in own])
    return signs, weights


def _newton_step(gram, gradient, C):
    hessian = 2 * C * gram
    hessian.flat[:: len(hessian) + 1] += 1
    step = -np.linalg.solve(hessian, gradient)
    return step if step @ gradient < 0 else -gradient / (1 + 2 * C * np.trace(gram))
