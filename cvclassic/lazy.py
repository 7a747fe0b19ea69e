"""Dask arrays: what is one, how estimators work on its chunks, and sums over them. Dask itself is imported when used.

A lazy batch of images is a Dask array of shape (n, height, width[, 3]), lazy features are (n, d), lazy labels (n,). A
chunk is a number of whole rows: images, their features or labels. Each worker thread uses one thread of BLAS, of OpenCV
and of the compiled kernels while it works on a chunk: the cores are shared out by Dask.
"""

from __future__ import annotations

import copy
import math
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

import cloudpickle
import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.images import check_image_shape

if TYPE_CHECKING:
    import dask.array

SMALL = 4096  # bytes of an estimator that goes with each task
CLAIMED = 1 << 29  # bytes of files that a worker has, and Dask may take for memory
FAN_IN = 4  # sums that are added up at a time, on their way to one

_here = threading.local()
_lock = threading.Lock()
_running = 0  # threads of this process that work on a chunk
_limit = None  # on the process, while there are any


def is_lazy(X: object) -> bool:
    """Whether `X` is a Dask array. Dask is not imported for the answer."""
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(X, module.Array)


def require_dask(what: str) -> None:
    """Raise `MissingDependencyError` where Dask's arrays can't be imported; `what` needs them."""
    try:
        import dask.array  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f'{what} need Dask, which can\'t be imported here ({error}): pip install "cvclassic[dask]".'
        ) from error


def lazy_images(X: dask.array.Array, *, name: str = "X") -> dask.array.Array:
    """`X` as a lazy batch of images, each whole in its chunk; nothing is computed.

    Raises
    ------
    InputError
        For a shape or dtype that images don't have, or a number of images that is not known. Values of floating point
        images are checked when they are computed.
    """
    X = whole_rows(X, name=name)
    check_image_shape(X, name=name)
    if X.dtype != np.uint8 and not np.issubdtype(X.dtype, np.floating):
        raise InputError(
            f"{name} has dtype {X.dtype}; images are uint8, or floating point in [0, 1]. Where its values go up to "
            f"255, convert with {name}.astype(np.uint8); else divide by the largest value that is possible in them: "
            f"({name} / largest).astype(np.float32)."
        )
    return X


def lazy_features(X: dask.array.Array, *, name: str = "X") -> dask.array.Array:
    """`X` as lazy features, (n, d), float32 or float64, with all columns in each chunk; InputError if it is none."""
    X = whole_rows(X, name=name)
    if X.ndim != 2 or 0 in X.shape or X.dtype.kind not in "fiub":
        raise InputError(f"{name} has shape {X.shape} and dtype {X.dtype}; features are numbers of shape (n, d).")
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float32)


def whole_rows(X: dask.array.Array, *, name: str = "X") -> dask.array.Array:
    """`X` with chunks along the first axis alone; InputError where their lengths are not known."""
    if not X.ndim or any(math.isnan(side) for side in X.shape):
        raise InputError(
            f"{name} is a Dask array of shape {X.shape}; its shape must be known. Call {name}.compute_chunk_sizes(), "
            "or give the shape where the array is made."
        )
    split = {axis: -1 for axis in range(1, X.ndim) if X.numblocks[axis] > 1}
    return X.rechunk(split) if split else X


def lazy_column(y: object, X: dask.array.Array, *, name: str) -> dask.array.Array:
    """`y`, one value for each row of `X`, as a Dask array with the chunks of `X`; InputError for another length."""
    import dask.array as da

    lazy = is_lazy(y)
    if not lazy:
        y = np.asarray(y)
    if y.ndim != 1 or y.shape != X.shape[:1]:
        raise InputError(
            f"{name} has shape {y.shape}, and X holds {X.shape[0]} rows; it has one value for each, ({X.shape[0]},)."
        )
    return whole_rows(y, name=name).rechunk((X.chunks[0],)) if lazy else da.from_array(y, chunks=(X.chunks[0],))


def map_chunks(
    owner: object,
    method: str,
    X: dask.array.Array,
    row_shape: tuple[int, ...],
    dtype: np.dtype,
    **arguments: object,
) -> dask.array.Array:
    """`owner.method(X, **arguments)`, chunk by chunk, as a Dask array (n, *row_shape) of `dtype`; nothing is computed.

    `owner` is taken as it is now. One that has learned much is a datum of the graph, which travels once to each worker;
    a small one travels with its chunks, which Dask can then make and work on in one task.
    Where `method` raises an InputError, that gets the number of the chunk.
    """
    import dask
    import dask.array as da

    shared = copy.copy(owner)
    token = dask.base.tokenize(shared)
    if len(cloudpickle.dumps(shared)) > SMALL:
        shared = dask.delayed(shared, traverse=False, pure=False)
    return da.map_blocks(
        _apply,
        X,
        owner=shared,
        method=method,
        arguments=arguments,
        row_shape=row_shape,
        out_dtype=np.dtype(dtype),
        chunks=(X.chunks[0], *((side,) for side in row_shape)),
        drop_axis=list(range(1, X.ndim)),
        new_axis=list(range(1, 1 + len(row_shape))),
        dtype=dtype,
        meta=np.empty((0,) * (1 + len(row_shape)), dtype),
        name=f"{type(owner).__name__}-{method}-{dask.base.tokenize(token, arguments, X.name)}",
    )


def reduce_chunks(function: Callable, merge: Callable[[list], object], columns: Sequence, *shared: object) -> object:
    """`function(*chunks, *shared)` for each chunk of the arrays, and all results merged by a tree on the workers.

    Parameters
    ----------
    function : called with a chunk of each of `columns`, or None where that is None, and the values of `shared`
    merge : called with a list of results, returns one; `FAN_IN` of them at a time
    columns : lazy arrays with the same chunks, or None in their place
    shared : values that travel as data of the graph, once to each worker, and are there again if a worker is lost
    """
    import dask

    lazy = iter(dask.optimize(*(column for column in columns if column is not None)))
    chunks = [None if column is None else next(lazy).to_delayed(optimize_graph=False).ravel() for column in columns]
    n_chunks = next(len(column) for column in chunks if column is not None)
    rows = zip(*([None] * n_chunks if column is None else column for column in chunks), strict=True)
    constants = [dask.delayed(value, traverse=False, pure=False) for value in shared]
    work = dask.delayed(_reduced, pure=False)
    parts = [work(function, number, *row, *constants) for number, row in enumerate(rows)]
    join = dask.delayed(_merged, pure=False)
    while len(parts) > 1:
        parts = [join(merge, parts[start : start + FAN_IN]) for start in range(0, len(parts), FAN_IN)]
    return dask.compute(*parts)[0]


def gather(function: Callable, X: dask.array.Array, rows: np.ndarray, *beside: np.ndarray) -> np.ndarray:
    """`function(X, rows, *beside)`, (m, ...), computed where the rows (m,) of `X` lie: a pass over those chunks.

    `function` gets a chunk, which rows of it are wanted, and what is `beside` them, arrays (m, ...).
    """
    import dask

    starts = np.concatenate([[0], np.cumsum(X.chunks[0])])
    owner = np.searchsorted(starts, rows, side="right") - 1
    chunks, work, places, parts = X.to_delayed().ravel(), dask.delayed(_reduced, pure=False), [], []
    for number in np.unique(owner).tolist():
        here = np.flatnonzero(owner == number)
        places.append(here)
        parts.append(work(function, number, chunks[number], rows[here] - starts[number], *(b[here] for b in beside)))
    found = np.concatenate(dask.compute(*parts))
    out = np.empty_like(found)
    out[np.concatenate(places)] = found
    return out


def kept(X: dask.array.Array, *columns: dask.array.Array | None) -> tuple[dask.array.Array | None, ...]:
    """The arrays for many passes: the chunks of `X` in files where they were computed, and `columns` in memory.

    A file is read as fast as it was written as long as the system has memory for it, and takes none of the process's.
    Dask's own spilling writes a chunk anew each time that it was read.
    """
    import dask

    told = CLAIMED * _n_workers(X) // X.npartitions
    parked = X.map_blocks(_Parked, told, dtype=X.dtype, meta=X._meta)
    held = iter(dask.persist(parked, *(column for column in columns if column is not None)))
    return next(held), *(None if column is None else next(held) for column in columns)


class _Parked:
    """A chunk in a file, which goes when this does. Where Dask takes it to another worker, its rows travel."""

    def __init__(self, rows: np.ndarray, most_told: int):
        self._rows, self._path, self._most_told, self._size = None, None, most_told, rows.nbytes
        if not len(rows):  # of which no file can be mapped
            self._rows = rows
            return
        try:
            handle, self._path = tempfile.mkstemp(".npy", "cvclassic-", _folder())
            weakref.finalize(self, _remove, self._path)
            with os.fdopen(handle, "wb") as file:
                np.save(file, np.asarray(rows))
        except OSError as error:
            raise InputError(
                f"{rows.nbytes / 1e6:,.0f} MB can't be written for the passes to come ({error.strerror}). Give the "
                "workers a folder with more room: `dask worker --local-directory`, or TMPDIR without a cluster."
            ) from error

    def rows(self) -> np.ndarray:
        """The chunk, mapped to memory while it is used."""
        return self._rows if self._path is None else np.load(self._path, mmap_mode="r")

    def __sizeof__(self) -> int:
        """What Dask is told: its size, so that it is not moved lightly, or less where a worker's memory seemed full."""
        return min(self._size, self._most_told)

    def __reduce__(self):
        return _Parked, (np.array(self.rows()), self._most_told)


def _n_workers(X: dask.array.Array) -> int:
    import dask.base

    client = getattr(dask.base.get_scheduler(collections=[X]), "__self__", None)
    return max(1, len(client.nthreads())) if hasattr(client, "nthreads") else 1


def _folder() -> str | None:
    """Where this worker keeps its files; None is the system's place for temporary ones."""
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        with suppress(ValueError):  # not on a worker
            return distributed.get_worker().local_directory
    return None


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def in_chunk() -> bool:
    """Whether this thread works on a chunk, and is to use no other threads."""
    return getattr(_here, "depth", 0) > 0


@contextmanager
def on_one_thread() -> Iterator[None]:
    """One thread of BLAS, of OpenCV and of our kernels for each thread that is in here.

    Most BLAS and OpenCV know one number for the process, which the first thread that comes sets to 1, and the last one
    that leaves sets back; some BLAS know one for each thread.
    """
    global _running, _limit
    with _lock:
        if not _running:
            _limit = _ProcessLimit()
        _running += 1
    _here.depth = getattr(_here, "depth", 0) + 1
    try:
        with _blas().limit(limits=1):
            yield
    finally:
        _here.depth -= 1
        with _lock:
            _running -= 1
            if not _running:
                _limit.end()


class _ProcessLimit:
    """BLAS and OpenCV on one thread, until `end`, by a thread of its own: threadpoolctl heeds the first to set it."""

    def __init__(self):
        self._begun, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)
        self._thread.start()
        self._begun.wait()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _hold(self):
        before = cv2.getNumThreads()
        try:
            with _blas().limit(limits=1):
                cv2.setNumThreads(1)
                self._begun.set()
                self._ended.wait()
        finally:
            cv2.setNumThreads(before)
            self._begun.set()


def _apply(chunk, owner, method, arguments, row_shape, out_dtype, block_id):
    if not len(chunk):
        return np.empty((0, *row_shape), out_dtype)
    with _named(block_id[0]), on_one_thread():
        return np.asarray(getattr(owner, method)(chunk, **arguments)).astype(out_dtype, copy=False)


def _reduced(function, number, *values):
    with _named(number), on_one_thread():
        return function(*(value.rows() if isinstance(value, _Parked) else value for value in values))


def _merged(merge, parts):
    with on_one_thread():
        return merge(parts)


@contextmanager
def _named(number: int) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise type(error)(f"In chunk {number} of X: {error}") from error


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
