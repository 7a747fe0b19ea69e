"""What kernel machines of libsvm's kind share: kernels, one-vs-one decision values, and the vote over them.

With classes 0 to k - 1 there is a decision function for each pair i < j, in the order (0, 1), (0, 2), ...,
(k - 2, k - 1); above 0 it votes for i, else for j. scikit-learn's `SVC` and OpenCV's `cv2.ml.SVM` agree on this.
"""

from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from cvclassic.svm.threads import in_parallel

BLOCK_ROWS = 1024  # a block of kernel values, 1024 x 2048 float32, stays in the processor's cache
BLOCK_VECTORS = 2048
RBF_BLOCK = 512  # rows and vectors: 1 MB of float32, which a core's own cache holds until its exponents are taken


@dataclass(frozen=True)
class Kernel:
    """A kernel and its numbers; called with (n, d) and (m, d), it gives the (n, m) kernel values in their dtype.

    "linear" x.y, "poly" (gamma x.y + coef0)^degree, "rbf" exp(-gamma |x - y|^2), "intersection" sum of min(x, y),
    "chi2" exp(-gamma sum of (x - y)^2 / (x + y)), "sigmoid" tanh(gamma x.y + coef0), as scikit-learn and OpenCV have
    them.
    """

    name: str
    gamma: float = 1.0
    degree: float = 3
    coef0: float = 0.0

    def __call__(self, X, Y):
        return getattr(self, f"_{self.name}")(X, Y)

    def _linear(self, X, Y):
        return X @ Y.T

    def _poly(self, X, Y):
        K = (X * X.dtype.type(self.gamma)) @ Y.T
        K += X.dtype.type(self.coef0)
        return _power(K, self.degree)

    def _sigmoid(self, X, Y):
        K = (X * X.dtype.type(self.gamma)) @ Y.T
        K += X.dtype.type(self.coef0)
        return np.tanh(K, out=K)

    def _rbf(self, X, Y):
        center = _center(Y)
        return _rbf_values(self.rbf_left(X, center), self.rbf_right(Y, center))

    def rbf_left(self, X, center):
        """Rows (n, d) as (n, d + 2), so that one matrix product with `rbf_right` gives the whole exponent."""
        # The distance does not care where the origin lies; near the data, |x|^2 + |y|^2 - 2 x.y loses fewest digits.
        X = X - center
        parts = [X * X.dtype.type(2 * self.gamma), -self.gamma * _squared_norms(X), np.ones((len(X), 1), X.dtype)]
        return np.hstack(parts).astype(X.dtype, copy=False)

    def rbf_right(self, Y, center):
        """The other side, (m, d), as (m, d + 2)."""
        Y = Y - center
        parts = [Y, np.ones((len(Y), 1), Y.dtype), -self.gamma * _squared_norms(Y)]
        return np.hstack(parts).astype(Y.dtype, copy=False)

    def _intersection(self, X, Y):
        K = np.zeros((len(X), len(Y)), X.dtype)
        part = np.empty_like(K)
        for x, y in zip(X.T, Y.T, strict=True):
            K += np.minimum.outer(x, y, out=part)
        return K

    def _chi2(self, X, Y):
        K = np.zeros((len(X), len(Y)), X.dtype)
        for x, y in zip(X.T, Y.T, strict=True):
            total = np.add.outer(x, y)
            difference = np.subtract.outer(x, y)
            np.square(difference, out=difference)
            K += np.divide(difference, total, out=np.zeros_like(total), where=total != 0)
        K *= -X.dtype.type(self.gamma)
        return np.exp(K, out=K)


def pair_decisions(X, vectors, weights, intercept, kernel) -> np.ndarray:
    """Decision values of all pairs, (n, pairs), in the dtype of `X`.

    `vectors` (m, d) are the support vectors, `weights` (m, pairs) their signed weights, `intercept` (pairs,).
    """
    if isinstance(kernel, Kernel) and kernel.name == "linear":
        return X @ (weights.T @ vectors).astype(X.dtype).T + intercept.astype(X.dtype)
    vectors, weights = vectors.astype(X.dtype, copy=False), weights.astype(X.dtype, copy=False)
    row_block, vector_block, prepared, values = BLOCK_ROWS, BLOCK_VECTORS, None, kernel
    if isinstance(kernel, Kernel) and kernel.name == "rbf":
        # The support vectors' side is made once, so that small blocks cost nothing more.
        center = _center(vectors)
        vectors = kernel.rbf_right(vectors, center)
        row_block, vector_block, values = RBF_BLOCK, RBF_BLOCK, _rbf_values
        prepared = partial(kernel.rbf_left, center=center)

    def decide(start):
        rows = X[start : start + row_block]
        rows = rows if prepared is None else prepared(rows)
        total = np.tile(np.asarray(intercept, np.float64), (len(rows), 1))
        for first in range(0, len(vectors), vector_block):
            block = slice(first, first + vector_block)
            total += values(rows, vectors[block]) @ weights[block]
        return total.astype(X.dtype)

    return np.concatenate(in_parallel(decide, range(0, len(X), row_block)))


def _rbf_values(rows, columns):
    """exp(-gamma |x - y|^2), (n, m), of `Kernel.rbf_left` and `Kernel.rbf_right`."""
    K = rows @ columns.T
    np.minimum(K, 0, out=K)
    return np.exp(K, out=K)


def _center(Y):
    return Y.mean(axis=0, dtype=np.float64).astype(Y.dtype)


def vote(decisions, n_classes: int) -> np.ndarray:
    """The class with most votes for each row, (n,) intp; the first of those with equally many, as libsvm has it."""
    return _votes(decisions, n_classes).argmax(axis=1)


def one_vs_rest_scores(decisions, n_classes: int) -> np.ndarray:
    """Scores (n, n_classes): the votes, plus the summed decision values squeezed into (-1/3, 1/3).

    The numbers are those of `sklearn.svm.SVC.decision_function` with `decision_function_shape="ovr"`.
    """
    confidence = np.zeros((len(decisions), n_classes))
    for pair, (i, j) in enumerate(combinations(range(n_classes), 2)):
        confidence[:, i] += decisions[:, pair]
        confidence[:, j] -= decisions[:, pair]
    return _votes(decisions, n_classes) + confidence / (3 * (np.abs(confidence) + 1))


def _votes(decisions, n_classes):
    votes = np.zeros((len(decisions), n_classes), np.intp)
    for pair, (i, j) in enumerate(combinations(range(n_classes), 2)):
        won = decisions[:, pair] > 0
        votes[:, i] += won
        votes[:, j] += ~won
    return votes


def _squared_norms(X):
    return np.einsum("ij,ij->i", X, X)[:, None]


def _power(K, degree):
    if degree != int(degree) or not 1 <= degree <= 8:
        return np.power(K, K.dtype.type(degree))
    # NumPy's power is many times slower than multiplying.
    result = K.copy() if degree > 1 else K
    for _ in range(int(degree) - 1):
        result *= K
    return result
