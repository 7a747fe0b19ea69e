"""Rows in memory as LinearSVM's solvers use them: scores, sums and Gram matrices, block by block on all cores."""

import numpy as np

from cvclassic.svm.threads import in_parallel, sum_in_parallel

BLOCK_ROWS = 4096  # rows per BLAS call: large enough for its full speed, small enough for float32 sums to stay exact
PRODUCT_FEATURES = 1024  # whose products are added up at a time


class Rows:
    """The data with the constant feature, never copied whole: products are taken block by block."""

    def __init__(self, X, constant):
        self.X, self.constant = X, constant
        self.n, self.d = len(X), X.shape[1] + (constant is not None)

    def scores(self, W):
        """`W` (k, d) times the rows: (k, n) in the data's dtype."""
        weights = W[:, : self.X.shape[1]].astype(self.X.dtype)
        scores = np.empty((len(W), self.n), self.X.dtype)

        def fill(block):
            np.matmul(weights, self.X[block].T, out=scores[:, block])

        in_parallel(fill, self.blocks())
        if self.constant is not None:
            scores += (W[:, -1:] * self.constant).astype(self.X.dtype)
        return scores

    def weighted_sum(self, R):
        """`R` (k, n) times the rows: (k, d), summed over blocks in float64."""
        total = np.zeros((len(R), self.d))
        width = self.X.shape[1]
        total[:, :width] = sum_in_parallel(lambda b: R[:, b] @ self.X[b], self.blocks(), (len(R), width))
        if self.constant is not None:
            total[:, -1] = self.constant * R.sum(axis=1, dtype=np.float64)
        return total

    def products(self):
        """The product of each row with each other, (n, n) float64."""

        def product(start):
            part = self.X[:, start : start + PRODUCT_FEATURES].astype(np.float64)
            return part @ part.T

        total = sum_in_parallel(product, range(0, self.X.shape[1], PRODUCT_FEATURES), (self.n, self.n))
        return total if self.constant is None else total + self.constant**2

    def blocks(self):
        return [slice(start, start + BLOCK_ROWS) for start in range(0, self.n, BLOCK_ROWS)]

    def gram(self, index, weight, dtype=None):
        """Sum of `weight[i] * x_i x_i^T` over the rows of `index`: (d, d) float64, from BLAS in `dtype`."""

        def product(start):
            chosen = index[start : start + BLOCK_ROWS]
            part = np.empty((len(chosen), self.d), dtype or self.X.dtype)
            part[:, : self.X.shape[1]] = self.X[chosen]
            if self.constant is not None:
                part[:, -1] = self.constant
            if weight is not None:
                part *= np.sqrt(weight[chosen])[:, None]
            return part.T @ part  # NumPy sees the transpose and calls BLAS's SYRK

        return sum_in_parallel(product, range(0, len(index), BLOCK_ROWS), (self.d, self.d))
