"""Features learned without labels: a dictionary of patches, and how near each part of an image is to its atoms."""

from functools import partial

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError
from cvclassic.features.extractor import (
    Extractor,
    check_grid,
    check_positive,
    check_positive_int,
    for_kernels,
    grid_edges,
    images_of,
    in_blocks,
    output_array,
    with_channels,
)
from cvclassic.images import check_images
from cvclassic.lazy import gather, is_lazy

_BYTES_PER_BLOCK = 32 << 20  # products of patches and atoms that are held at a time


class PatchDictionary(Extractor):
    """Single-layer feature learning (Coates, Lee and Ng, AISTATS 2011; Coates and Ng, ICML 2011).

    Every patch of an image, pixel by pixel, is brought to unit contrast, whitened (ZCA), and compared with the atoms of
    a dictionary; what comes out is summed over the cells of a grid, and its square root taken.

    Parameters
    ----------
    n_atoms : int
        Size of the dictionary.
    patch_size : int
        Side of a patch in pixels.
    dictionary : {"kmeans", "random"}
        Means of a clustering of whitened patches, or patches drawn at random, brought to length 1.
    encoding : {"triangle", "threshold"}
        `"triangle"`: by how much an atom is nearer than the mean over all atoms, or 0. `"threshold"`: by how much the
        product with an atom exceeds `threshold`, and by how much its negative does: two features for each atom.
    threshold : float
        For `encoding="threshold"`.
    grid : int or (rows, columns)
        Cells over which is summed.
    contrast_regularization, whitening_regularization : float
        What is added to the variance of a patch, for pixels from 0 to 255, and to the variances along the principal
        axes of the normalized patches, before they are brought to 1. The papers have 10 and 0.1; images that went
        through JPEG want more of both.
    n_patches : int
        Patches drawn for whitening and clustering.
    n_iter : int
        Rounds of the clustering.
    random_state : int, RandomState or None
        Draws the patches and the first atoms.

    Attributes
    ----------
    mean_ : array of shape (patch_size * patch_size * channels,)
    whitening_ : array of shape (pixels of a patch, pixels of a patch)
    atoms_ : array of shape (n_atoms, pixels of a patch), float32
        In the whitened space.
    """

    def __init__(
        self,
        *,
        n_atoms=800,
        patch_size=6,
        dictionary="kmeans",
        encoding="triangle",
        threshold=0.25,
        grid=2,
        contrast_regularization=10.0,
        whitening_regularization=0.1,
        n_patches=200_000,
        n_iter=10,
        random_state=None,
    ):
        self.n_atoms = n_atoms
        self.patch_size = patch_size
        self.dictionary = dictionary
        self.encoding = encoding
        self.threshold = threshold
        self.grid = grid
        self.contrast_regularization = contrast_regularization
        self.whitening_regularization = whitening_regularization
        self.n_patches = n_patches
        self.n_iter = n_iter
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn whitening and dictionary from patches drawn at random from the images of `X`.

        A Dask array is computed where patches lie, once, and the patches are those of the same array in memory.
        """
        X = images_of(X)
        self._check(X.shape[1:])
        random = check_random_state(self.random_state)
        patches = random_patches(X, self.n_patches, self.patch_size, self.contrast_regularization, random)
        self.mean_ = patches.mean(axis=0)
        self.whitening_ = zca(patches - self.mean_, self.whitening_regularization)
        self.atoms_ = self._atoms((patches - self.mean_) @ self.whitening_, random)
        self.image_shape_ = X.shape[1:]
        return self

    def prepare(self, X) -> None:
        """Nothing: without a dictionary there is nothing to transform, and two images are too few to learn one."""

    def transform(self, X, out=None) -> np.ndarray:
        """Encode every image; see `Extractor.transform`."""
        check_is_fitted(self)
        X = self._checked(X)
        if is_lazy(X):
            return self._lazily(X, self._n_features(X.shape[1:]), out)
        out = output_array((len(X), self._n_features(X.shape[1:])), out)
        encode = self._prepare(X.shape[1:], X.dtype)
        step = self._images_per_block(X.shape[1:])
        # One block after another: BLAS spreads each over the cores.
        for start in range(0, len(X), step):
            encode(for_kernels(X[start : start + step]), out[start : start + step])
        return out

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        return tags

    def _check(self, image_shape):
        for name in ("n_atoms", "patch_size", "n_patches", "n_iter"):
            check_positive_int(getattr(self, name), name)
        for name in ("contrast_regularization", "whitening_regularization"):
            check_positive(getattr(self, name), name)
        if self.n_patches < self.n_atoms:
            raise InputError(f"n_patches={self.n_patches} must be at least n_atoms={self.n_atoms}.")
        if self.dictionary not in ("kmeans", "random"):
            raise InputError(f'dictionary={self.dictionary!r} is unknown; use "kmeans" or "random".')
        if self.encoding not in ("triangle", "threshold"):
            raise InputError(f'encoding={self.encoding!r} is unknown; use "triangle" or "threshold".')
        check_patch_size(self.patch_size, image_shape)
        check_grid(self.grid, [side - self.patch_size + 1 for side in image_shape[:2]])

    def _n_features(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        return rows * columns * self.n_atoms * (2 if self.encoding == "threshold" else 1)

    def _names(self, image_shape):
        rows, columns = check_grid(self.grid, image_shape)
        signs = ("plus", "minus") if self.encoding == "threshold" else ("near",)
        return [
            f"cell{r}_{c}_{sign}_atom{k}"
            for r in range(rows)
            for c in range(columns)
            for sign in signs
            for k in range(self.n_atoms)
        ]

    def _atoms(self, whitened: np.ndarray, random) -> np.ndarray:
        first = whitened[random.choice(len(whitened), self.n_atoms, replace=False)]
        if self.dictionary == "random":
            return first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), np.float32(1e-6))
        return _kmeans(whitened, first, self.n_iter, random)

    def _prepare(self, image_shape, dtype):
        from cvclassic.features.kernels.patches import normalized_patches, pool_threshold, pool_triangle

        places, cells = self._places(image_shape)
        scale, regularization = scale_of(dtype), np.float32(self.contrast_regularization)
        atom_squares, threshold = (self.atoms_**2).sum(axis=1), np.float32(self.threshold)
        rows, columns = check_grid(self.grid, image_shape)
        triangle = self.encoding == "triangle"
        n_pixels = self.atoms_.shape[1]

        bias = self.mean_ @ self.whitening_
        step = self._images_per_block(image_shape)
        # Made once: fresh memory for each block would cost as much as the work on it.
        buffers = [np.empty((step * len(places), size), np.float32) for size in (n_pixels, n_pixels, self.n_atoms)]

        def encode(images, out):
            n, m = len(images), len(places)
            images, pixels = with_channels(images), images.shape[1] * images.shape[2]
            flat_patches, whitened, flat_products = (buffer[: n * m] for buffer in buffers)
            patches, products = flat_patches.reshape(n, m, n_pixels), flat_products.reshape(n, m, -1)
            pooled = out.reshape(n, rows * columns, -1)

            def cut(block):
                part = images[block]
                everywhere = np.tile(places, (len(part), 1))
                everywhere[:, 0] = np.repeat(np.arange(len(part)), m)
                normalized_patches(part, everywhere, scale, regularization, patches[block].reshape(-1, n_pixels))

            in_blocks(cut, n, pixels)
            np.matmul(flat_patches, self.whitening_, out=whitened)
            whitened -= bias
            squares = np.einsum("ij,ij->i", whitened, whitened).reshape(n, m)
            np.matmul(whitened, self.atoms_.T, out=flat_products)

            def pool(block):
                part = products[block].reshape(-1, products.shape[2])
                if triangle:
                    pool_triangle(part, squares[block].ravel(), atom_squares, cells, pooled[block])
                else:
                    pool_threshold(part, threshold, cells, pooled[block])
                np.sqrt(pooled[block], out=pooled[block])

            in_blocks(pool, n, pixels)

        return encode

    def _images_per_block(self, image_shape) -> int:
        patches_per_image = (image_shape[0] - self.patch_size + 1) * (image_shape[1] - self.patch_size + 1)
        return max(1, _BYTES_PER_BLOCK // (4 * self.n_atoms * patches_per_image))

    def _places(self, image_shape) -> tuple[np.ndarray, np.ndarray]:
        """Where the patches of an image lie, (m, 3) with the image left at 0, and the cell of each."""
        sides = [side - self.patch_size + 1 for side in image_shape[:2]]
        rows, columns = check_grid(self.grid, sides)
        y, x = np.divmod(np.arange(sides[0] * sides[1]), sides[1])
        cell_y = np.searchsorted(grid_edges(sides[0], rows), y, side="right") - 1
        cell_x = np.searchsorted(grid_edges(sides[1], columns), x, side="right") - 1
        return np.stack([np.zeros_like(y), y, x], axis=1), cell_y * columns + cell_x


def check_patch_size(size: int, image_shape: tuple[int, ...]) -> None:
    """Raise `InputError` unless patches of this side lie within the images."""
    if not 2 <= size <= min(image_shape[:2]):
        height, width = image_shape[:2]
        raise InputError(f"patch_size={size} must be from 2 to the images' side; they have {height} x {width} pixels.")


def random_patches(X, n_patches: int, size: int, regularization: float, random) -> np.ndarray:
    """Normalized patches from random places of a batch of images, lazy or not: (n_patches, pixels of a patch), float32.

    Of a Dask array those chunks are computed in which they lie; the patches are those of the same array in memory.
    """
    limits = (len(X), *(side - size + 1 for side in X.shape[1:3]))
    rows, *corners = (random.randint(limit, size=n_patches) for limit in limits)
    cut, corners = partial(_cut, size=size, regularization=regularization), np.stack(corners, axis=1)
    return gather(cut, X, rows, corners) if is_lazy(X) else cut(X, rows, corners)


def _cut(images: np.ndarray, rows: np.ndarray, corners: np.ndarray, *, size: int, regularization: float) -> np.ndarray:
    """The normalized patches at the corners (m, 2) of the images `rows` (m,)."""
    from cvclassic.features.kernels.patches import normalized_patches

    images = check_images(images)
    chosen, row = np.unique(rows, return_inverse=True)
    patches = np.empty((len(rows), size * size * (3 if images.ndim == 4 else 1)), np.float32)
    places = np.column_stack([row, corners])
    kept = for_kernels(with_channels(images)[chosen])
    normalized_patches(kept, places, scale_of(images.dtype), np.float32(regularization), patches)
    return patches


def scale_of(dtype) -> np.float32:
    return np.float32(1 if dtype == np.uint8 else 255)


def zca(centered: np.ndarray, regularization: float) -> np.ndarray:
    """Matrix that whitens, and stays as near as possible to the identity."""
    values, vectors = np.linalg.eigh(centered.T.astype(np.float64) @ centered / len(centered))
    return ((vectors / np.sqrt(np.maximum(values, 0) + regularization)) @ vectors.T).astype(np.float32)


def _kmeans(X: np.ndarray, centers: np.ndarray, n_iter: int, random) -> np.ndarray:
    """Lloyd's algorithm; a center that loses all its rows starts again at a random row."""
    step = max(1, _BYTES_PER_BLOCK // (4 * len(centers)))
    nearness = np.empty((min(step, len(X)), len(centers)), np.float32)
    nearest = np.empty(len(X), np.intp)
    for _ in range(n_iter):
        half_squares = (centers**2).sum(axis=1) / 2
        for start in range(0, len(X), step):
            rows = X[start : start + step]
            block = np.matmul(rows, centers.T, out=nearness[: len(rows)])
            block -= half_squares
            np.argmax(block, axis=1, out=nearest[start : start + step])
        order = np.argsort(nearest, kind="stable")
        counts = np.bincount(nearest, minlength=len(centers))
        present = counts > 0
        sums = np.add.reduceat(X[order], (np.cumsum(counts) - counts)[present], axis=0)
        centers = X[random.randint(len(X), size=len(centers))]
        centers[present] = sums / counts[present, np.newaxis].astype(np.float32)
    return centers
