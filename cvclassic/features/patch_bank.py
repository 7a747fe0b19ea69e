"""Features of random patches: where in an image, and how clearly, patches of other images are seen in it."""

from functools import cache
from typing import NamedTuple

import numpy as np
import scipy.linalg.blas  # noqa: F401  the BLAS that numba's products run on: to be there when its threads are counted
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import ThreadpoolController

from cvclassic.errors import InputError
from cvclassic.features.extractor import (
    Extractor,
    check_grid,
    check_positive,
    check_positive_int,
    images_of,
    with_channels,
)
from cvclassic.features.patch_dictionary import check_patch_size, random_patches, scale_of, zca

_STRIP_BYTES = 1 << 20  # patches and products of a strip of an image: a processor's second cache holds them
_FLAT_PART = 0.1  # of the patches drawn as filters, those with least contrast are left out
_FLAT = 1e-6  # mean square of a normalized patch that has no contrast but for rounding
_FOR_THRESHOLD = 2000  # patches whose cosines with the filters decide the threshold
_SHORTEST = np.float32(1e-6)


class PatchBank(Extractor):
    """Random patches as filters (after Coates and Ng, ICML 2011), in pairs that are mirror images of one another.

    Every patch of an image, pixel by pixel, is brought to unit contrast, whitened (ZCA) and brought to length 1; what
    its cosine with each filter exceeds a threshold by, and what its negative does, is summed around the centers of a
    grid's cells, and the square root taken. A patch counts for a cell by 1 less its distance from the center, in cells,
    downwards times across, so that what moves a little changes the sums a little. Patches without any contrast, as in
    the paper around handwriting, count for nothing: not here, and not in what is learned, if others are enough. A
    mirrored image has the same features in another order: see `mirror_pairs`.

    Parameters
    ----------
    n_filters : int
        An even number: half are patches drawn at random, the other half their mirror images.
    patch_size : int
        Side of a patch in pixels.
    grid : int or (rows, columns)
        Cells around whose centers is summed.
    quantile : float
        The threshold, as the part of the training patches' cosines that lies below it.
    contrast_regularization, whitening_regularization : float
        What is added to the variance of a patch, for pixels from 0 to 255, and to the variances along the principal
        axes of the normalized patches, before they are brought to 1.
    n_patches : int
        Patches drawn for whitening and filters; each counts with its mirror image.
    random_state : int, RandomState or None
        Draws the patches.

    Attributes
    ----------
    mean_ : array of shape (patch_size * patch_size * channels,), float32
    whitening_ : array of shape (pixels of a patch, pixels of a patch), float32
    filters_ : array of shape (n_filters, pixels of a patch), float32
        In the whitened space, each of length 1; filter `n_filters / 2 + k` is the mirror image of filter `k`.
    threshold_ : float
    """

    def __init__(
        self,
        *,
        n_filters=256,
        patch_size=6,
        grid=3,
        quantile=0.95,
        contrast_regularization=10.0,
        whitening_regularization=0.1,
        n_patches=60_000,
        random_state=None,
    ):
        self.n_filters = n_filters
        self.patch_size = patch_size
        self.grid = grid
        self.quantile = quantile
        self.contrast_regularization = contrast_regularization
        self.whitening_regularization = whitening_regularization
        self.n_patches = n_patches
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn whitening, filters and threshold from patches drawn at random from the images of `X`.

        A Dask array is computed where patches lie, once, and the patches are those of the same array in memory.
        """
        X = images_of(X)
        self._check(X.shape[1:])
        random = check_random_state(self.random_state)
        patches = random_patches(X, self.n_patches, self.patch_size, self.contrast_regularization, random)
        clear = (patches**2).mean(axis=1) > _FLAT
        if clear.sum() >= self.n_filters:
            patches = patches[clear]
        both = np.concatenate([patches, self._mirrored(patches)])
        self.mean_ = both.mean(axis=0)
        both -= self.mean_
        self.whitening_ = zca(both, self.whitening_regularization)
        candidates = _of_length_1((patches - self.mean_) @ self.whitening_)
        chosen = self._chosen(candidates, random)
        self.filters_ = np.concatenate([chosen, self._mirrored(chosen)])
        some = candidates.vectors[random.permutation(len(patches))[:_FOR_THRESHOLD]]
        self.threshold_ = float(np.quantile(some @ self.filters_.T, self.quantile))
        self.image_shape_ = X.shape[1:]
        return self

    def prepare(self, X) -> None:
        """Compile the kernels for images like those of `X`, with filters of those few images that are not kept."""
        few = {"n_filters": 2, "n_patches": 20, "random_state": 0}
        clone(self).set_params(**few).fit(X).transform(X)

    def transform(self, X, out=None) -> np.ndarray:
        """The features of every image; see `Extractor.transform`."""
        check_is_fitted(self)
        with _blas().limit(limits=1):  # each thread of this library's own works on images by itself
            return super().transform(X, out)

    def mirror_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns that change places when an image is mirrored left to right: two int arrays (n_features / 2,).

        Feature `first[k]` of an image is feature `second[k]` of its mirror image, within float32 rounding, and the
        other way round; each column stands in one of the two, once.
        """
        check_is_fitted(self)
        rows, columns = check_grid(self.grid, self.image_shape_)
        at = np.arange(self._n_features(self.image_shape_)).reshape(rows, columns, 2, 2, -1)
        return at[:, :, :, 0].ravel(), at[:, ::-1, :, 1].ravel()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        return tags

    def _check(self, image_shape):
        for name in ("n_filters", "patch_size", "n_patches"):
            check_positive_int(getattr(self, name), name)
        if self.n_filters % 2:
            raise InputError(f"n_filters={self.n_filters} must be even: half of them are mirror images.")
        if self.n_patches < self.n_filters:
            raise InputError(f"n_patches={self.n_patches} must be at least n_filters={self.n_filters}.")
        for name in ("contrast_regularization", "whitening_regularization"):
            check_positive(getattr(self, name), name)
        check_positive(self.quantile, "quantile", below=1)
        check_patch_size(self.patch_size, image_shape)
        check_grid(self.grid, self._places(image_shape))

    def _places(self, image_shape) -> list[int]:
        """How many patches lie below and beside one another in an image."""
        return [side - self.patch_size + 1 for side in image_shape[:2]]

    def _n_features(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        return rows * columns * 2 * self.n_filters

    def _names(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        return [
            f"cell{r}_{c}_{sign}_filter{k}"
            for r in range(rows)
            for c in range(columns)
            for sign in ("plus", "minus")
            for k in range(self.n_filters)
        ]

    def _mirrored(self, patches) -> np.ndarray:
        side = self.patch_size
        return patches.reshape(len(patches), side, side, -1)[:, :, ::-1].reshape(len(patches), -1)

    def _chosen(self, candidates, random) -> np.ndarray:
        """Half as many patches as there are filters, drawn at random from those that are not nearly flat."""
        clear = np.flatnonzero(candidates.lengths >= np.quantile(candidates.lengths, _FLAT_PART))
        return candidates.vectors[random.permutation(clear)[: self.n_filters // 2]]

    def _prepare(self, image_shape, dtype):
        from cvclassic.features.kernels.patch_bank import patch_bank

        cells = check_grid(self.grid, image_shape)
        height, width = self._places(image_shape)
        weights = [_tents(*each) for each in zip((height, width), cells, strict=True)]
        row_bytes = 4 * width * (2 * len(self.mean_) + self.n_filters)
        strip = max(1, min(height, _STRIP_BYTES // row_bytes))
        fixed = (
            scale_of(dtype),
            np.float32(self.contrast_regularization),
            self.whitening_,
            self.mean_ @ self.whitening_,
            np.ascontiguousarray(self.filters_.T),
            np.float32(self.threshold_),
            *weights,
            strip,
        )

        def extract(images, out):
            patch_bank(with_channels(images), *fixed, out.reshape(len(out), *cells, 2, -1))

        return extract


class _Directions(NamedTuple):
    """Rows of length 1, (n, d), and the lengths that they had, (n,)."""

    vectors: np.ndarray
    lengths: np.ndarray


def _of_length_1(rows: np.ndarray) -> _Directions:
    lengths = np.linalg.norm(rows, axis=1)
    return _Directions(rows / np.maximum(lengths, _SHORTEST)[:, np.newaxis], lengths)


def _tents(places: int, cells: int) -> np.ndarray:
    """What each of `cells` along so many `places` takes of each: float32 (cells, places), the same from either end."""
    distance = np.abs((np.arange(places) + 0.5) * cells / places - (np.arange(cells)[:, np.newaxis] + 0.5))
    weights = np.maximum(1 - distance, 0)
    return ((weights + weights[::-1, ::-1]) / 2).astype(np.float32)  # equal to the last bit, whatever the rounding


@cache
def _blas():
    return ThreadpoolController().select(user_api="blas")
