"""Work spread over cores by this library, with BLAS on one thread in each.

BLAS's own threads wait for one another at every product, and where anything else runs on the machine that wait costs
more than it brings: ten times the wall time for `LinearSVM` beside a second busy process. Whole pieces of work don't.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController


def in_parallel(function, items) -> list:
    """`[function(item) for item in items]`, on as many cores as BLAS may use (OMP_NUM_THREADS and its like)."""
    items = list(items)
    threads = min(_blas_threads(), len(items))
    if threads <= 1:  # also inside another call of this function
        return [function(item) for item in items]
    with _blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))


def sum_in_parallel(function, items, shape) -> np.ndarray:
    """The sum of `function(item)`, arrays of `shape`, in float64, with one running sum per core; 0 for no items."""
    items = list(items)
    threads = max(1, min(_blas_threads(), len(items)))

    def part(first):
        total = np.zeros(shape)
        for item in items[first::threads]:
            total += function(item)
        return total

    parts = in_parallel(part, range(threads))
    return sum(parts[1:], parts[0])


def _blas_threads() -> int:
    return max((library["num_threads"] for library in _blas().info()), default=1)


@cache
def _blas():
    return ThreadpoolController().select(user_api="blas")
