"""What of an image's features stays the same when the image is mirrored, and what changes its sign."""

from collections.abc import Iterator

import numpy as np
from scipy.linalg import eigh
from sklearn.base import clone
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError
from cvclassic.features.extractor import ImageTransformer, check_positive_int, images_of
from cvclassic.images import check_images
from cvclassic.lazy import is_lazy, map_chunks

_IMAGES_PER_BLOCK = 2048
_MOST_ROWS = 25_000  # on which deviations and principal axes are found, evenly out of more
_LEAST_DEVIATION = 0.01  # of the mean deviation: a smaller one counts as this
_LARGEST_EXACT = 5_000  # rows or columns of a matrix whose eigenvectors take seconds
_ROOT_HALF = np.float32(0.5**0.5)


class MirrorParts(ImageTransformer):
    """Symmetric and antisymmetric parts of an extractor's features, scaled and compressed.

    With u the features of an image and v those of its mirror image, s = (u + v) / √2 is the same for both images, and
    a = (u - v) / √2 changes its sign. Products of two images x and y are s·s' + a·a', those of x and the mirrored y are
    s·s' - a·a': whoever has both parts has the features of both views (Haasdonk and Burkhardt, "Invariant kernel
    functions for pattern analysis and machine learning", Machine Learning 2007, on averages over such groups).

    Each s is centered; both parts of a feature are divided by the root of their mean variance, each part is compressed
    by PCA, and all is scaled so that the mean squared length of the training images' rows is 1. The mean and the axes
    are those of the images and their mirror images together.

    Parameters
    ----------
    extractor : Extractor
        One that has `mirror_pairs()` as `PatchBank` does is asked for the features of each image once, others for those
        of its mirror image too.
    n_components : int
        Principal axes of each part, at most; there are no more than features and images.
    random_state : int, RandomState or None
        Of the search for the axes, which is randomized where images and values are more than 5,000 each.

    Attributes
    ----------
    extractor_ : Extractor
        The fitted one.
    mean_ : float32 array of shape (n_values,)
        Of s. With `mirror_pairs()` there are half as many values as features, else as many.
    symmetric_axes_, antisymmetric_axes_ : float32 arrays of shape (n_values, n_components_)
        What s, less its mean, and a are multiplied by.

    Notes
    -----
    Columns: s and a in turns, the first of each, the second of each, and so on. So this stays true of the columns of
    several of them side by side, as in `sklearn.pipeline.FeatureUnion`, and `svm.KernelRidge(mirror_parts=True)` finds
    the two again.
    """

    def __init__(self, extractor, *, n_components=500, random_state=None):
        self.extractor = extractor
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X, y=None) -> "MirrorParts":
        """Learn from images `X`, (n, height, width) or (n, height, width, 3); see `fit_transform`."""
        self._learn(X)
        return self

    def fit_transform(self, X, y=None) -> np.ndarray:
        """`fit(X)` and `transform(X)`, with the features of each image computed once.

        Raises
        ------
        InputError
            For fewer than two images, an unusable batch or parameter, and what the extractor raises.
        """
        parts = self._learn(X)
        out = np.empty((len(parts[0]), 2 * self.symmetric_axes_.shape[1]), np.float32)
        for start in range(0, len(out), _IMAGES_PER_BLOCK):
            rows = slice(start, start + _IMAGES_PER_BLOCK)
            self._project(*(part[rows] for part in parts), out[rows], centered=True)
        return out

    def transform(self, X) -> np.ndarray:
        """The parts of every image's features, float32 (n, 2 n_components_), C-contiguous."""
        check_is_fitted(self)
        X = images_of(X)
        if is_lazy(X):
            return map_chunks(self, "transform", X, (2 * self.symmetric_axes_.shape[1],), np.float32)
        out = np.empty((len(X), 2 * self.symmetric_axes_.shape[1]), np.float32)
        for rows, s, a in self._parts(X):
            self._project(s, a, out[rows], centered=False)
        return out

    def prepare(self, X) -> None:
        """Let the extractor compile what it needs for images like those of `X`."""
        self.extractor.prepare(X)

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns, (2 n_components_,)."""
        check_is_fitted(self)
        n = self.symmetric_axes_.shape[1]
        names = [f"{part}{k}" for k in range(n) for part in ("symmetric", "antisymmetric")]
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        return tags

    def _learn(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Set what is learned; returns s less its mean, and a, of all images."""
        check_positive_int(self.n_components, "n_components")
        X = check_images(X)
        if len(X) < 2:
            raise InputError(f"MirrorParts learns means and axes from two images or more; X holds {len(X)}.")
        self.extractor_ = clone(self.extractor).fit(X)
        s, a = self._all_parts(X)
        self.mean_ = s.mean(axis=0, dtype=np.float64).astype(np.float32)
        s -= self.mean_
        rows = np.linspace(0, len(X) - 1, min(len(X), _MOST_ROWS)).astype(np.intp)
        some = s[rows], a[rows]
        deviations = _deviations(*some)
        n = min(self.n_components, s.shape[1], len(rows))
        found = [_axes(part / deviations, n, self.random_state) for part in some]
        length = sum(variances.sum() for _, variances in found) ** 0.5 or 1.0
        self.symmetric_axes_, self.antisymmetric_axes_ = (
            (axes / (deviations[:, np.newaxis] * length)).astype(np.float32) for axes, _ in found
        )
        return s, a

    def _all_parts(self, X) -> tuple[np.ndarray, np.ndarray]:
        parts = None
        for rows, *block in self._parts(X):
            if parts is None:
                parts = tuple(np.empty((len(X), block[0].shape[1]), np.float32) for _ in block)
            for part, found in zip(parts, block, strict=True):
                part[rows] = found
        return parts

    def _parts(self, X) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Of some images after the other: which, s and a."""
        pairs = self.extractor_.mirror_pairs() if hasattr(self.extractor_, "mirror_pairs") else None
        for start in range(0, len(X), _IMAGES_PER_BLOCK):
            rows = slice(start, start + _IMAGES_PER_BLOCK)
            u = self.extractor_.transform(X[rows])
            if pairs is None:
                v = self.extractor_.transform(np.ascontiguousarray(X[rows, :, ::-1]))
            else:
                u, v = (u[:, columns] for columns in pairs)
            yield rows, (u + v) * _ROOT_HALF, (u - v) * _ROOT_HALF

    def _project(self, s, a, out, *, centered: bool) -> None:
        out[:, 0::2] = (s if centered else s - self.mean_) @ self.symmetric_axes_
        out[:, 1::2] = a @ self.antisymmetric_axes_


def _deviations(s: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The root of the mean variance of both parts of each feature; none too small to divide by."""
    squares = (np.einsum("ij,ij->j", s, s) + np.einsum("ij,ij->j", a, a)) / (2 * len(s))
    deviations = np.sqrt(squares)
    return np.maximum(deviations, _LEAST_DEVIATION * deviations.mean() or np.float32(1))


def _axes(part: np.ndarray, n: int, random_state) -> tuple[np.ndarray, np.ndarray]:
    """The `n` principal axes (d, n) of rows whose mean is 0, and the variances along them.

    Axes that hold nothing but rounding, as where there are fewer different images than `n`, are 0.
    """
    side = min(part.shape)
    if side > _LARGEST_EXACT:
        _, singular, transposed = randomized_svd(part, n, n_iter=4, random_state=random_state)
        return transposed.T, singular**2 / len(part)
    wide = part.shape[0] < part.shape[1]
    products = part @ part.T if wide else part.T @ part
    values, vectors = eigh(products, subset_by_index=[side - n, side - 1], check_finite=False)
    held = values > side * np.finfo(np.float32).eps * values[-1]
    values = np.where(held, values, 0)
    axes = part.T @ (vectors / np.sqrt(np.where(held, values, np.inf))) if wide else vectors * held
    return axes, values / len(part)
