"""What the extractors share: checks of the batch, the output array, work in blocks, and the few common parameters."""

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError

from cvclassic.errors import InputError
from cvclassic.images import check_images
from cvclassic.lazy import in_chunk, is_lazy, lazy_images, map_chunks

NORMALIZATIONS = (None, "l1", "sqrt", "l2")  # in the order in which the kernels number them

# Images are worked on in blocks of about so many pixels: small enough for the caches, large enough for the overhead.
_PIXELS_PER_BLOCK = 1 << 19


class ImageTransformer(TransformerMixin, BaseEstimator):
    """What takes image batches and works on them with the kernels, with or without `fit` before."""

    def prepare(self, X) -> None:
        """Compile the kernels for images like those of `X`, or load them; a run does so before its clock starts."""
        self.transform(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


class Extractor(ImageTransformer):
    """A stateless extractor: image batch in, float32 `(n, d)` out, with or without `fit` before.

    A kind of feature says three things: `_check(image_shape)` raises `InputError` where the parameters can't be used
    with images of that shape, `_n_features(image_shape)` and `_names(image_shape)` count and name its features, and
    `_prepare(image_shape, dtype)` returns the function that computes them for a block of images: `(images, out)`.
    """

    def fit(self, X, y=None):
        """Check the parameters against the images of `X`, and remember their shape; nothing is learned.

        Parameters
        ----------
        X : ndarray or Dask array of shape (n, height, width) or (n, height, width, 3)
            uint8, or floating point in [0, 1]. Of a Dask array nothing is computed.
        y : ignored

        Raises
        ------
        InputError
            For an unusable batch or parameter; the message says which.
        """
        X = images_of(X)
        self._check(X.shape[1:])
        self.image_shape_ = X.shape[1:]
        return self

    def transform(self, X, out=None) -> np.ndarray:
        """Extract the features of every image.

        Parameters
        ----------
        X : ndarray or Dask array of shape (n, height, width) or (n, height, width, 3)
            uint8, or floating point in [0, 1]; after `fit`, images of the same shape as there.
        out : ndarray of shape (n, d), float32, C-contiguous, optional
            Where to put the features: memory that is used again needs not be made again.

        Returns
        -------
        ndarray of shape (n, d), float32, C-contiguous; `out` where it is given. Of a Dask array a Dask array, with its
        chunks along the first axis; nothing is computed yet.
        """
        X = self._checked(X)
        self._check(X.shape[1:])
        if is_lazy(X):
            return self._lazily(X, self._n_features(X.shape[1:]), out)
        out = output_array((len(X), self._n_features(X.shape[1:])), out)
        extract = self._prepare(X.shape[1:], X.dtype)
        in_blocks(lambda block: extract(for_kernels(X[block]), out[block]), len(X), X.shape[1] * X.shape[2])
        return out

    def _lazily(self, X, n_features: int, out):
        if out is not None:
            raise InputError("out is for arrays in memory, and X is a Dask array; leave it out.")
        return map_chunks(self, "transform", X, (n_features,), np.float32)

    def _checked(self, X):
        """`X` as a batch of images, of the shape of those at `fit` if there was one."""
        X = images_of(X)
        fitted_shape = getattr(self, "image_shape_", X.shape[1:])
        if X.shape[1:] != fitted_shape:
            raise InputError(
                f"{type(self).__name__} was fitted on images of shape {fitted_shape}, and X holds images of shape "
                f"{X.shape[1:]}. Resize them, or call fit again."
            )
        return X

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the features, in the order of the columns; needs `fit`, since they depend on the images' shape."""
        if not hasattr(self, "image_shape_"):
            raise NotFittedError(f"Call fit first: the features of {type(self).__name__} depend on the images' shape.")
        return np.asarray(self._names(self.image_shape_), dtype=object)


def images_of(X):
    """`X` as a batch of images, in memory or lazy; InputError if it is none."""
    return lazy_images(X) if is_lazy(X) else check_images(X)


def output_array(shape: tuple[int, int], out: np.ndarray | None) -> np.ndarray:
    """A new float32 array of `shape`, or `out` if it can hold one; InputError if not."""
    if out is None:
        return np.empty(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable:
        raise InputError(
            f"out has shape {out.shape} and dtype {out.dtype}; the features need a writable, C-contiguous "
            f"float32 array of shape {shape}."
        )
    return out


def in_blocks(work: Callable[[slice], None], n_images: int, pixels: int) -> None:
    """Call `work` on slices of `n_images` images of so many `pixels`, on `NUMBA_NUM_THREADS` (or all) threads.

    In a chunk of a Dask array it is one thread.
    """
    n_threads = 1 if in_chunk() else numba.config.NUMBA_NUM_THREADS
    step = max(1, min(_PIXELS_PER_BLOCK // pixels, -(-n_images // n_threads)))
    blocks = deque(slice(start, start + step) for start in range(0, n_images, step))
    n_helpers = min(n_threads, len(blocks)) - 1

    def work_on_what_is_left():
        while True:
            try:
                block = blocks.popleft()  # which threads may call at once
            except IndexError:
                return
            work(block)

    if n_helpers < 1:  # also for no images
        work_on_what_is_left()
        return
    with ThreadPoolExecutor(n_helpers) as threads:
        helpers = [threads.submit(work_on_what_is_left) for _ in range(n_helpers)]
        work_on_what_is_left()
        for helper in helpers:
            helper.result()


def for_kernels(images: np.ndarray) -> np.ndarray:
    """Images as kernels take them: C-contiguous, and writable, since numba compiles anew for arrays that aren't."""
    images = np.ascontiguousarray(images)
    return images if images.flags.writeable else images.copy()


def with_channels(images: np.ndarray) -> np.ndarray:
    """View of gray or RGB images as (n, height, width, channels)."""
    return images if images.ndim == 4 else images[..., np.newaxis]


def as_pair(value, name: str) -> tuple[int, int]:
    """Read a parameter that is one positive int, or a pair `(height, width)` or `(rows, columns)`."""
    several = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)
    pair = tuple(value) if several else (value, value)
    if len(pair) != 2 or not all(isinstance(v, int | np.integer) and v >= 1 for v in pair):
        raise InputError(f"{name}={value!r:.60} must be a positive int, or a pair of them (vertical, horizontal).")
    return int(pair[0]), int(pair[1])


def check_positive_int(value, name: str) -> None:
    """Raise `InputError` unless `value` is an int of at least 1."""
    if not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{name}={value!r} must be an int of at least 1.")


def check_positive(value, name: str, *, below: float = math.inf) -> None:
    """Raise `InputError` unless `value` is a number above 0 and below `below`."""
    if not isinstance(value, int | float | np.number) or isinstance(value, bool) or not 0 < value < below:
        raise InputError(
            f"{name}={value!r} must be a number above 0{'' if below == math.inf else f' and below {below}'}."
        )


def check_normalization(value) -> None:
    """Raise `InputError` unless `value` is one of `NORMALIZATIONS`."""
    if value not in NORMALIZATIONS:
        raise InputError(f"normalization={value!r} is unknown; use one of {', '.join(map(repr, NORMALIZATIONS))}.")


def check_grid(grid, image_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return `grid` as (rows, columns), each cell at least one pixel large."""
    rows, columns = as_pair(grid, "grid")
    height, width = image_shape[:2]
    if rows > height or columns > width:
        raise InputError(f"grid={grid!r} has more cells than the images of {height} x {width} pixels have pixels.")
    return rows, columns


def grid_edges(size: int, parts: int) -> np.ndarray:
    """Borders of `parts` cells along `size` pixels, (parts + 1,): nearly equal, without gap or overlap."""
    return np.arange(parts + 1) * size // parts


def cell_offsets(grid, image_shape, row_stride: int, column_stride: int) -> tuple[np.ndarray, np.ndarray]:
    """What the cell of each pixel row and of each pixel column adds to a place in the features, uint32."""
    rows, columns = check_grid(grid, image_shape)
    row_cell = np.searchsorted(grid_edges(image_shape[0], rows), np.arange(image_shape[0]), side="right") - 1
    column_cell = np.searchsorted(grid_edges(image_shape[1], columns), np.arange(image_shape[1]), side="right") - 1
    return (row_cell * row_stride).astype(np.uint32), (column_cell * column_stride).astype(np.uint32)
