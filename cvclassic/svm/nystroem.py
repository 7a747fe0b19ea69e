"""Nyström's approximation of a kernel by landmarks, for sets too large for the exact problem."""

import numpy as np
from sklearn.utils.random import sample_without_replacement

from cvclassic.errors import InputError
from cvclassic.lazy import gather, is_lazy, reduce_chunks
from cvclassic.svm.threads import in_parallel, on_one_thread

BLOCK_ROWS = 4096


def landmark_map(X, kernel, n_landmarks, seed):
    """Landmarks (m, d), rows of `X` drawn at random, and the (m, m) matrix that makes features of kernel values.

    With it the products of features are the kernel values between landmarks, exactly (Williams and Seeger, "Using the
    Nyström method to speed up kernel machines", NIPS 2000); `sklearn.kernel_approximation.Nystroem` does the same.
    `X` may be a Dask array; the rows are those of the same array in memory.
    """
    rng = np.random.RandomState(seed) if seed is None or isinstance(seed, int | np.integer) else seed
    rows = np.sort(sample_without_replacement(len(X), min(n_landmarks, len(X)), random_state=rng))
    landmarks = gather(_rows_of, X, rows) if is_lazy(X) else X[rows]
    values, vectors = on_one_thread(np.linalg.eigh, kernel(landmarks, landmarks).astype(np.float64))
    # Directions that hold nothing but rounding would be blown up by the division.
    kept = values > len(landmarks) * np.finfo(X.dtype).eps * values[-1]
    return landmarks, (vectors[:, kept] / np.sqrt(values[kept])).astype(X.dtype)


def features(X, landmarks, projection, kernel) -> np.ndarray:
    """Features (n, r) of the rows of `X`, block by block on all cores, in their dtype."""
    result = np.empty((len(X), projection.shape[1]), X.dtype)

    def fill(start):
        rows = slice(start, start + BLOCK_ROWS)
        np.matmul(kernel(X[rows], landmarks), projection, out=result[rows])

    in_parallel(fill, range(0, len(X), BLOCK_ROWS))
    return result


def spread(X) -> tuple[float, float]:
    """Variance and minimum of all values of lazy features, in one pass; InputError for NaN or infinite ones."""
    n, _, squares, low = reduce_chunks(_spread_of, _spread_together, [X])
    return squares / n, low


def _rows_of(X, rows):
    return X[rows]


def _spread_of(X):
    if not np.isfinite(X).all():
        raise InputError("it holds NaN or infinite values; remove or replace them.")
    if not X.size:
        return 0, 0.0, 0.0, np.inf
    return X.size, X.mean(dtype=np.float64), X.size * X.var(dtype=np.float64), float(X.min())


def _spread_together(parts):
    n = sum(part[0] for part in parts)
    mean = sum(part[0] * part[1] for part in parts) / max(n, 1)
    squares = sum(part[2] + part[0] * (part[1] - mean) ** 2 for part in parts)
    return n, mean, squares, min(part[3] for part in parts)
