"""Copies among images: exact ones by their pixels, near ones by an index of what they show, confirmed on the pixels.

A near copy is what saving, resizing, trimming or brightening makes of a picture. Pictures that only look alike, such as
two ones of handwritten digits, are none: a near copy stands out from all that surrounds it.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cvclassic.images import digests

SIDE = 32  # of the thumbnails on which pictures are compared
MOST_IMAGES = 100_000  # different ones that are compared: time grows with their square
PLAIN = 2.0  # gray levels: a thumbnail whose standard deviation is less shows nothing to compare
DETAIL = 4.0  # frequencies over which an index spreads: smooth slopes from dark to bright have fewer, and look alike
SIMILAR = 0.7  # correlation of indices from which a pair is looked at
NEAREST = 5  # pairs that are looked at for each image
SURROUNDING = 20  # the neighbor whose distance says how dense the surroundings are
LOOKED_AT = 0.6  # of that distance: the most at which a pair is looked at
SPARSE = 0.2  # a distance to that neighbor from which pictures are moved over one another
STANDS_OUT = 0.06  # of that distance: the most that near copies have, or
STANDS_FAR_OUT = 0.2  # of its square, whichever is more: nothing is near by chance where the surroundings are sparse
EDGES_AGREE = 0.9  # correlation of the edges
COLORS_AGREE = 0.9  # correlation of all pixels and channels
_FREQUENCIES = 8
_MARGIN = 3  # pixels of a thumbnail that are not compared, for a shift moves them out of the other one
_SURE = 0.98  # agreement that needs no better place
_PROMISING = 0.8  # agreement in one of the first places that is worth trying the others
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Copies:
    """What are copies of one another.

    Attributes
    ----------
    exact : ndarray of shape (n,), int64
        Images with the same number have the same pixels.
    near : ndarray of shape (n,), int64
        Images with the same number are exact or near copies of one another, by way of others too.
    plain : ndarray of shape (n,), bool
        Images of one color: they are compared exactly only. All False where near copies were not looked for.
    searched : bool
        Whether near copies were looked for; there may be too many images.
    """

    exact: np.ndarray
    near: np.ndarray
    plain: np.ndarray
    searched: bool

    def of(self, rows: np.ndarray) -> "Copies":
        """What is known of these images, by a mask or by indices; numbers stay what they are."""
        return replace(self, exact=self.exact[rows], near=self.near[rows], plain=self.plain[rows])


def find_copies(images: np.ndarray, *, most_images: int = MOST_IMAGES, among: np.ndarray | None = None) -> Copies:
    """Exact and near copies in an image batch.

    Each picture has an index: the 63 lowest frequencies (discrete cosine transform) of its gray 32 x 32 thumbnail, each
    weighted by its frequency, of length 1; so the product of two is the correlation of their coarse edges. Products of
    all pairs give candidates: from 0.7 on, at most the 5 nearest of each picture, at no more than 0.6 of the distance
    (1 - correlation) to the 20th nearest. Candidates are laid over one another, smoothed; where that 20th neighbor is
    farther than 0.2, also shifted by up to 2 pixels of the thumbnail and scaled by up to an eighth. In the best place
    the correlation of their edges must be 0.9 or more, that of all pixels in all channels too, and the distance of the
    edges no more than 0.06 of that to the 20th nearest picture, or 0.2 of its square, seen from either. In sets of
    fewer than 40 it is the neighbor in the middle. Pictures of one color and smooth slopes are compared exactly only.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, 3)
        As `cvclassic.images.check_images` returns them.
    most_images : int
        Where there are more different images, near copies are not looked for.
    among : ndarray of shape (n,), bool, optional
        Images whose near copies are looked for, which is faster than all of them; copies of others may be missed.
    """
    exact = _numbered(digests(images))
    _, first = np.unique(exact, return_index=True)
    links = [np.column_stack([first[exact], np.arange(len(exact))])]
    if len(first) > most_images:  # thumbnails of all of them take longer than reading them from the cache
        return Copies(exact, components(*links, len(exact)), np.zeros(len(exact), bool), searched=False)
    thumbnails = _thumbnails(images, first)
    gray, flat = _gray_and_flat(thumbnails)
    wanted = np.bincount(exact, among, len(first)) > 0 if among is not None else np.ones(len(first), bool)
    links.append(first[_confirmed(thumbnails, gray, flat, wanted)])
    return Copies(exact, components(np.concatenate(links), len(exact)), flat[exact], searched=True)


def components(links: np.ndarray, n: int) -> np.ndarray:
    """Numbers (n,) int64 of what links, (m, 2), join, directly or by way of others."""
    joined = coo_matrix((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(n, n))
    return connected_components(joined, directed=False)[1].astype(np.int64)


def _numbered(keys: np.ndarray) -> np.ndarray:
    """Equal rows get the same number, in the order in which they come first."""
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse.ravel()].astype(np.int64)


def _thumbnails(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """These images as (n, 32, 32[, 3]) uint8."""
    found = np.empty((len(rows), SIDE, SIDE, *images.shape[3:]), np.uint8)
    for k, row in enumerate(rows):
        image = _without_margins(images[row])
        if image.shape[:2] != (SIDE, SIDE):
            how = cv2.INTER_AREA if min(image.shape[:2]) >= SIDE else cv2.INTER_LINEAR
            image = cv2.resize(image, (SIDE, SIDE), interpolation=how)
        found[k] = image if image.dtype == np.uint8 else np.rint(255 * image)
    return found


def _without_margins(image: np.ndarray) -> np.ndarray:
    """The picture without black margins of equal width on two sides, as padding makes them.

    In all pictures of one shape they are the same, and would outweigh what the pictures show. A drawing on black ends
    in a few pixels, and is none that was padded.
    """
    shown = image if image.ndim == 2 else image.max(axis=2)
    for pixels, axis in ((shown, 1), (shown.T, 0)):
        sides = pixels.any(axis=0)
        if sides[0] or sides[-1] or not sides.any():
            continue
        first, last = int(sides.argmax()), len(sides) - int(sides[::-1].argmax())
        edges = np.count_nonzero(pixels[:, [first, last - 1]], axis=0)
        if abs(first - (len(sides) - last)) <= 1 and 2 * edges.min() > len(pixels):
            return image[:, first:last] if axis == 1 else image[first:last]
    return image


def _gray_and_flat(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gray thumbnails (n, 32, 32) float32 from 0 to 255, and whether each is of one color, (n,)."""
    gray, flat = np.empty(thumbnails.shape[:3], np.float32), np.empty(len(thumbnails), bool)
    for start in range(0, len(thumbnails), _BLOCK):
        some = slice(start, start + _BLOCK)
        block = thumbnails[some].astype(np.float32)
        gray[some] = block if block.ndim == 3 else block @ np.array([0.299, 0.587, 0.114], np.float32)
        flat[some] = block.std(axis=(1, 2)).reshape(len(block), -1).max(axis=1) < PLAIN
    return gray, flat


def _indices(gray: np.ndarray) -> np.ndarray:
    """(n, 63) float32 of length 1."""
    places = np.arange(SIDE)
    waves = np.cos(np.pi * np.arange(_FREQUENCIES)[:, np.newaxis] * (2 * places + 1) / (2 * SIDE))
    waves[0] /= np.sqrt(2)
    waves = waves.astype(np.float32)
    weights = np.hypot(*np.mgrid[:_FREQUENCIES, :_FREQUENCIES]).astype(np.float32)
    found = ((waves @ gray @ waves.T) * weights).reshape(len(gray), _FREQUENCIES**2)[:, 1:]
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)


def _confirmed(thumbnails: np.ndarray, gray: np.ndarray, flat: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The pairs (m, 2) of near copies among thumbnails, at least one of each wanted."""
    indices = _indices(gray)
    told = np.flatnonzero(~flat & ((indices**4).sum(axis=1) <= 1 / DETAIL))
    indices = indices[told]
    pairs, around = _candidates(indices, np.flatnonzero(wanted[told]))
    agreement, place = _laid_over(gray[told], pairs, around >= SPARSE)
    allowed = around * np.maximum(STANDS_OUT, STANDS_FAR_OUT * around)
    passed = (agreement >= EDGES_AGREE) & (1 - agreement <= allowed)
    pairs = told[pairs[passed]]
    return pairs[_color_agreement(thumbnails, pairs, place[passed]) >= COLORS_AGREE]


def _candidates(indices: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (m, 2) that may be near copies, and of each the distance that counts as its surroundings, (m,)."""
    n = len(indices)
    rank = int(np.clip(n // 2, 2, SURROUNDING))
    around = np.full(n, np.nan)
    pairs = [np.empty((0, 2), np.int64)]
    for rows in _blocks(wanted) if n > rank else ():
        products = _products(indices, rows)
        close = np.flatnonzero((products >= SIMILAR).any(axis=1))
        products, rows = products[close], rows[close]
        around[rows] = _distances(products, rank)
        row, other = np.nonzero(products >= np.maximum(SIMILAR, 1 - LOOKED_AT * around[rows])[:, np.newaxis])
        order = np.lexsort((other, -products[row, other], row))
        row, other = row[order], other[order]
        nearest = np.arange(len(row)) - np.searchsorted(row, row) < NEAREST
        pairs.append(np.column_stack([rows[row], other])[nearest])
    found = np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)
    unknown = np.unique(found)
    for rows in _blocks(unknown[np.isnan(around[unknown])]):
        around[rows] = _distances(_products(indices, rows), rank)
    return found, around[found].min(axis=1)


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]


def _products(indices: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Correlations of these rows' indices with all, (m, n); -1 with itself."""
    found = indices[rows] @ indices.T
    found[np.arange(len(rows)), rows] = -1
    return found


def _distances(products: np.ndarray, rank: int) -> np.ndarray:
    """To the neighbor of this rank, (m,)."""
    place = products.shape[1] - rank
    return 1 - np.partition(products, place, axis=1)[:, place]


def _laid_over(gray: np.ndarray, pairs: np.ndarray, movable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each pair the best correlation of the edges over all places, and that place, (m,)."""
    agreement, chosen = np.empty(len(pairs)), np.empty(len(pairs), np.int64)
    for start in range(0, len(pairs), _BLOCK):
        some = slice(start, start + _BLOCK)
        left, right = pairs[some].T
        smooth = _blurred(gray[right])
        edges = _edges(_blurred(gray[left]))
        best, place = _correlations(edges, _edges(smooth)), np.zeros(len(left), np.int64)
        for places, enough in ((_FIRST_PLACES, -1), (_FURTHER_PLACES, _PROMISING)):
            moved = np.flatnonzero(movable[some] & (best < _SURE) & (best >= enough))
            for number in places if len(moved) else ():
                down, across = _PLACES[number]
                found = _correlations(edges[moved], _edges(down @ smooth[moved] @ across.T))
                better = found > best[moved]
                best[moved[better]], place[moved[better]] = found[better], number
        agreement[some], chosen[some] = best, place
    return agreement, chosen


def _color_agreement(thumbnails: np.ndarray, pairs: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Correlations of all pixels and channels of each pair in its place, (m,)."""
    found = np.empty(len(pairs))
    for k, ((left, right), place) in enumerate(zip(pairs, places, strict=True)):
        down, across = _PLACES[place]
        own, other = (_blurred(thumbnails[[row]].astype(np.float32)) for row in (left, right))
        other = np.einsum("yh,nhw...,xw->nyx...", down, other, across, optimize=True)
        found[k] = _correlations(_core(own), _core(other))[0]
    return found


def _blurred(thumbnails: np.ndarray) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(image, (0, 0), 1.2) for image in thumbnails])


def _edges(smooth: np.ndarray) -> np.ndarray:
    """Differences between neighbors, downwards and across, (n, 2 * d)."""
    down = _core(np.diff(smooth, axis=1)[:, :, 1:])
    across = _core(np.diff(smooth, axis=2)[:, 1:])
    return np.concatenate([down.reshape(len(down), -1), across.reshape(len(across), -1)], axis=1)


def _core(images: np.ndarray) -> np.ndarray:
    return images[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def _correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson's correlation, row by row, (n,) float64; 0 where a row is constant."""
    first, second = (x.reshape(len(x), -1).astype(np.float64) for x in (first, second))
    first, second = (x - x.mean(axis=1, keepdims=True) for x in (first, second))
    norms = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return (first * second).sum(axis=1) / np.maximum(norms, 1e-9)


def _moved(scale: float, shift: float) -> np.ndarray:
    """The matrix (32, 32) that resamples a row of pixels, scaled about its middle and shifted; linear in between."""
    middle = (SIDE - 1) / 2
    places = np.clip((np.arange(SIDE) - middle) * scale + middle + shift, 0, SIDE - 1)
    low = np.minimum(places.astype(int), SIDE - 2)
    found = np.zeros((SIDE, SIDE), np.float32)
    found[np.arange(SIDE), low] = 1 - (places - low)
    found[np.arange(SIDE), low + 1] += places - low
    return found


_PLACES = [
    (_moved(scale, down), _moved(scale, across))
    for scale, shifts in (
        (1, (0, -1, 1, -2, 2)),
        (0.94, (0, -1, 1)),
        (1 / 0.94, (0, -1, 1)),
        (0.88, (0,)),
        (1 / 0.88, (0,)),
    )
    for down in shifts
    for across in shifts
]
_FIRST_PLACES = (1, 2, 5, 10, 25, 34, 43, 44)  # one pixel up, down, left, right; four scales
_FURTHER_PLACES = tuple(sorted({*range(1, len(_PLACES))} - {*_FIRST_PLACES}))
