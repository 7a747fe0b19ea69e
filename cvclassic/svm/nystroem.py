"""Nyström's approximation of a kernel by landmarks, for sets too large for the exact problem."""

import numpy as np

from cvclassic.svm.threads import in_parallel

BLOCK_ROWS = 4096


def landmark_map(X, kernel, n_landmarks, seed):
    """Landmarks (m, d), rows of `X` drawn at random, and the (m, m) matrix that makes features of kernel values.

    With it the products of features are the kernel values between landmarks, exactly (Williams and Seeger, "Using the
    Nyström method to speed up kernel machines", NIPS 2000); `sklearn.kernel_approximation.Nystroem` does the same.
    """
    rng = np.random.RandomState(seed) if seed is None or isinstance(seed, int | np.integer) else seed
    landmarks = X[np.sort(rng.permutation(len(X))[: min(n_landmarks, len(X))])]
    values, vectors = np.linalg.eigh(kernel(landmarks, landmarks).astype(np.float64))
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
