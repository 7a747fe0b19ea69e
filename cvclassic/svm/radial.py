"""The radial kernel between many rows, in tiles: its lower triangle, products with it, and cross kernels unstored."""

from dataclasses import dataclass

import numpy as np

from cvclassic.svm.threads import in_parallel, sum_in_parallel

TILE = 2048  # rows and columns of a tile; two of float32 for each thread are made at a time


@dataclass(frozen=True)
class RadialRows:
    """Rows as the radial kernel exp(-gamma |x - y|^2) needs them: near the origin, and times the root of 2 gamma.

    With parts of mirror images (see `features.MirrorParts`) the kernel is averaged over y and its mirror image, whose
    antisymmetric part has the other sign; which of two rows is mirrored makes no difference.

    Attributes
    ----------
    symmetric : float32 array (n, d); all values, where there are no parts
    antisymmetric : float32 array (n, d); or None
    half_squares : float32 array (n,)
        Half the squared length of each row.
    """

    symmetric: np.ndarray
    antisymmetric: np.ndarray | None
    half_squares: np.ndarray

    def __len__(self) -> int:
        return len(self.symmetric)

    def __getitem__(self, rows: slice) -> "RadialRows":
        parts = (self.symmetric, self.antisymmetric, self.half_squares)
        return RadialRows(*(None if part is None else part[rows] for part in parts))

    def kernel(self, other: "RadialRows") -> np.ndarray:
        """Kernel values with `other`, float32 (n, m)."""
        exponent = self.symmetric @ other.symmetric.T
        exponent -= self.half_squares[:, np.newaxis]
        exponent -= other.half_squares
        if self.antisymmetric is None:
            return _exp(exponent)
        turned = self.antisymmetric @ other.antisymmetric.T
        mirrored = exponent - turned
        exponent += turned
        values = _exp(exponent)
        values += _exp(mirrored)
        values *= np.float32(0.5)
        return values


def radial_rows(X, center, gamma: float, mirror_parts: bool, order=slice(None)) -> RadialRows:
    """`RadialRows` of rows (n, d) of features in their `order`; `center` (d,) is taken off first.

    With `mirror_parts` the columns of `X` are symmetric and antisymmetric parts in turns.
    """
    n, factor = len(X), X.dtype.type(np.sqrt(2 * gamma))
    center = center.astype(X.dtype)
    columns = (slice(0, None, 2), slice(1, None, 2)) if mirror_parts else (slice(None),)
    parts = [np.empty((n, len(center[each])), np.float32) for each in columns]
    order = np.arange(n)[order]
    for start in range(0, n, TILE):
        rows = slice(start, start + TILE)
        moved = (X[order[rows]] - center) * factor
        for part, each in zip(parts, columns, strict=True):
            part[rows] = moved[:, each]
    half_squares = sum(np.einsum("ij,ij->i", part, part) for part in parts) / np.float32(2)
    return RadialRows(parts[0], parts[1] if mirror_parts else None, half_squares)


def lower_triangle(rows: RadialRows, roots: np.ndarray | None) -> list[np.ndarray]:
    """The kernel of all rows, in panels: rows `i * TILE` and on, up to their own columns, float32.

    Where there are `roots` (n,), element i, j is multiplied by those of both.
    """
    starts = range(0, len(rows), TILE)
    panels = [np.empty((min(TILE, len(rows) - start), min(start + TILE, len(rows))), np.float32) for start in starts]

    def fill(place):
        i, j = (slice(start, start + TILE) for start in place)
        tile = rows[i].kernel(rows[j])
        if roots is not None:
            tile *= roots[i, np.newaxis]
            tile *= roots[j]
        panels[place[0] // TILE][:, j] = tile

    in_parallel(fill, [(i, j) for i in starts for j in starts if j <= i])
    return panels


def triangle_bytes(n: int) -> int:
    """What `lower_triangle` takes for `n` rows."""
    return 4 * sum(min(TILE, n - start) * min(start + TILE, n) for start in range(0, n, TILE))


def product(panels: list[np.ndarray], vectors: np.ndarray) -> np.ndarray:
    """The whole, symmetric matrix times `vectors` (n, k), float64."""
    vectors = vectors.astype(np.float32)

    def part(panel):
        stop = panel.shape[1]
        start = stop - len(panel)
        found = np.zeros(vectors.shape, np.float32)
        np.matmul(panel, vectors[:stop], out=found[start:stop])
        if start:
            np.matmul(panel[:, :start].T, vectors[start:stop], out=found[:start])
        return found

    return sum_in_parallel(part, panels, vectors.shape)


def kernel_times(rows: RadialRows, others: RadialRows, weights: np.ndarray) -> np.ndarray:
    """The kernel between `rows` and `others` times `weights` (m, k), float32 (n, k), without holding the kernel."""

    def times(start):
        block = rows[start : start + TILE]
        total = np.zeros((len(block), weights.shape[1]))
        for first in range(0, len(others), TILE):
            part = slice(first, first + TILE)
            total += block.kernel(others[part]) @ weights[part]
        return total.astype(np.float32)

    return np.concatenate(in_parallel(times, range(0, len(rows), TILE)))


def _exp(exponent: np.ndarray) -> np.ndarray:
    np.minimum(exponent, 0, out=exponent)  # rounding apart, squared distances are no less
    return np.exp(exponent, out=exponent)
