"""Conjugate gradients for many right-hand sides at once, with a preconditioner after Nyström."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from cvclassic.svm.radial import product
from cvclassic.svm.threads import on_one_thread


class Solution(NamedTuple):
    """What was found for `(K + alpha I) x = b`.

    `x` is float64 (n, k), `n_iter` the steps taken, and `residual` the largest |b - (K + alpha I) x| / |b| of the k
    right-hand sides, as the recursion has it.
    """

    x: np.ndarray
    n_iter: int
    residual: float


def solve(panels: list[np.ndarray], alpha: float, b: np.ndarray, *, rank: int, tol: float, max_iter: int) -> Solution:
    """Solve `(K + alpha I) x = b` by preconditioned conjugate gradients, all columns of `b` (n, k) in each step.

    Parameters
    ----------
    panels : of the lower triangle of K, as `radial.lower_triangle` makes them
        In random order: the first rows stand for all where the preconditioner is made.
    rank : int
        Eigenvectors of the preconditioner, at most.
    tol : float
        The residual at which to stop.
    """
    precondition = nystroem_preconditioner(panels, alpha, rank)
    x, r = np.zeros_like(b), b.copy()
    z = precondition(r)
    p, rz = z, _products(r, z)
    lengths = np.sqrt(_products(b, b))
    n_iter, residual = 0, 1.0
    while residual > tol and n_iter < max_iter:
        q = product(panels, p) + alpha * p
        step = _ratio(rz, _products(p, q))
        x += step * p
        r -= step * q
        n_iter, residual = n_iter + 1, float(_ratio(np.sqrt(_products(r, r)), lengths).max())
        z = precondition(r)
        before, rz = rz, _products(r, z)
        p = z + _ratio(rz, before) * p
    return Solution(x, n_iter, residual)


def nystroem_preconditioner(panels: list[np.ndarray], alpha: float, rank: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function that nearly divides (n, k) by K + alpha I, along the directions in which that is largest.

    The eigenvectors of the first panel's rows are carried on to all rows (Williams and Seeger, NIPS 2000); along the
    others nothing is done (Frangella, Tropp and Udell, "Randomized Nyström preconditioning", SIAM J. Matrix Anal. Appl.
    2023, equation 1.3).
    """
    first = panels[0].astype(np.float64)
    m = len(first)
    rank = min(rank, m)
    values, vectors = on_one_thread(_largest, (first + first.T) / 2, rank)
    # Directions that hold nothing but rounding would be blown up by the division.
    kept = values > m * np.finfo(np.float32).eps * values[-1]
    carried = (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    features = np.concatenate([panel[:, :m] @ carried for panel in panels])
    values, turn = on_one_thread(_largest, features.T.astype(np.float64) @ features, features.shape[1])
    directions = features @ (turn / np.sqrt(values)).astype(np.float32)
    shrunk = ((values[0] + alpha) / (values + alpha) - 1)[:, np.newaxis]

    def precondition(r):
        return r + directions @ (shrunk * (directions.T @ r.astype(np.float32))).astype(np.float32)

    return precondition


def _largest(matrix: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The `n` largest eigenvalues and their vectors."""
    side = len(matrix)
    return eigh(matrix, subset_by_index=[side - n, side - 1], overwrite_a=True, check_finite=False)


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->j", a, b)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 where b is 0: a right-hand side that is solved already."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)
