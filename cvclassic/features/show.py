"""Pictures of what an extractor sees in an image, and the strokes and bars they are made of."""

import numpy as np

from cvclassic.errors import InputError
from cvclassic.features.color_grid import ColorGrid
from cvclassic.features.color_histogram import ColorHistogram
from cvclassic.features.deskew import Deskew
from cvclassic.features.extractor import as_pair, check_grid, grid_edges
from cvclassic.features.gabor import GaborBank
from cvclassic.features.hog import HOG
from cvclassic.features.lbp import LBP
from cvclassic.features.patch_dictionary import PatchDictionary
from cvclassic.features.sobel_histogram import SobelHistogram
from cvclassic.images import check_images, to_gray

_BARS = 64  # of a histogram: more can't be told apart


def show(extractors, images):
    """Draw images beside their features: HOG glyphs, gradients, histogram bars in their colors, learned patches.

    Parameters
    ----------
    extractors : extractor of `cvclassic.features`, or a list of such
        A `PatchDictionary` must be fitted.
    images : ndarray of shape (height, width) or (height, width, 3), or several
        uint8, or floating point in [0, 1]. Several are a batch (n, height, width[, 3]), or a list of images, whose
        sizes may differ. An array whose last axis has three values is one color image.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each image, a column for each extractor. Not registered with pyplot: nothing to close.
        `figure.savefig(path)` writes it, and notebooks show it.

    Raises
    ------
    InputError
        For no image, an unusable one, no extractor, or one without a picture.
    """
    from matplotlib.figure import Figure

    extractors = list(extractors) if isinstance(extractors, list | tuple) else [extractors]
    batches = _batches_of_one(images)
    if not extractors or not batches:
        raise InputError("There is nothing to show: give at least one extractor and one image.")
    drawers = [_drawer_of(extractor) for extractor in extractors]
    for X in batches:
        for extractor in extractors:
            extractor.transform(X)  # raises for an image or parameters that don't fit
    figure = Figure(figsize=(4 * (1 + len(extractors)), 4 * len(batches)), layout="constrained")
    for X, row in zip(batches, figure.subplots(len(batches), 1 + len(extractors), squeeze=False), strict=True):
        _draw_image(row[0], X[0])
        for axes, extractor, draw in zip(row[1:], extractors, drawers, strict=True):
            draw(axes, extractor, X)
            if len(extractors) > 1:
                axes.set_title(f"{extractor!r}\n{axes.get_title()}", fontsize="small")
    if len(extractors) == 1:
        figure.suptitle(repr(extractors[0]), fontsize="small")
    return figure


def hog_strokes(extractor, X):
    """The star of strokes in each cell of an image: along its edges (across the gradients), longer where stronger.

    Parameters
    ----------
    extractor : HOG
    X : ndarray of shape (1, height, width[, 3])

    Returns
    -------
    centers, strokes : float ndarrays of shape (n, 2)
        x and y in pixels, the first pixel's center at 0; the longest strokes are a little shorter than a cell.
    """
    glyphs = HOG(
        orientations=extractor.orientations, cell_size=extractor.cell_size, block_size=1, convention="skimage",
        block_norm="L1", gamma_correction=extractor.gamma_correction,
    )  # fmt: skip
    height, width = as_pair(extractor.cell_size, "cell_size")
    rows, columns = X.shape[1] // height, X.shape[2] // width
    strengths = np.sqrt(glyphs.transform(X).reshape(rows, columns, -1))  # the weaker strokes are to be seen as well
    strengths = strengths / max(strengths.max(), 1e-6)
    angles = (np.arange(extractor.orientations) + 0.5) * np.pi / extractor.orientations
    directions = 0.9 * np.stack([-np.sin(angles) * width, np.cos(angles) * height], axis=1)
    y, x = np.mgrid[:rows, :columns]
    centers = np.stack([(x + 0.5) * width, (y + 0.5) * height], axis=2) - 0.5
    centers = np.repeat(centers.reshape(-1, 2), extractor.orientations, axis=0)
    return centers, (strengths[..., np.newaxis] * directions).reshape(-1, 2)


def gradient_arrows(X, at_most=32):
    """Gradients of an image's gray levels, on a grid of `at_most` pixels or a few more along the longer side.

    Parameters
    ----------
    X : ndarray of shape (1, height, width[, 3])

    Returns
    -------
    centers, arrows : float ndarrays of shape (n, 2)
        x and y in pixels, the first pixel's center at 0; gray levels per pixel.
    """
    gray = to_gray(X)[0].astype(float)
    dy, dx = np.gradient(gray)
    step = max(1, max(gray.shape) // at_most)
    y, x = (grid.astype(float) for grid in np.mgrid[: gray.shape[0] : step, : gray.shape[1] : step])
    return tuple(np.stack(pair, axis=2).reshape(-1, 2) for pair in ((x, y), (dx[::step, ::step], dy[::step, ::step])))


def histogram_bars(extractor, X, at_most=_BARS):
    """The largest bins of an image's color histogram, in their order.

    Parameters
    ----------
    extractor : ColorHistogram
    X : ndarray of shape (1, height, width[, 3])

    Returns
    -------
    shares : ndarray of shape (n,)
        Of the image's pixels.
    names : list of str
    colors : ndarray of shape (n, 3)
        Mean color of the pixels in each bin, RGB from 0 to 1.
    """
    one = ColorHistogram(
        color_space=extractor.color_space, bins=extractor.bins, joint=extractor.joint, grid=1, normalization="l1"
    ).fit(X)
    shares, names = one.transform(X)[0], one.get_feature_names_out()
    pixels = X.reshape(1, -1, 1, *X.shape[3:])
    each = one.fit(pixels[0, :, np.newaxis]).transform(pixels[0, :, np.newaxis]) > 0
    colors = pixels.reshape(each.shape[0], -1) / (255 if X.dtype == np.uint8 else 1)
    colors = np.repeat(colors, 3 // colors.shape[1], axis=1)
    order = np.sort(np.argsort(shares)[::-1][:at_most])
    order = order[shares[order] > 0]
    names = [names[k].removeprefix("cell0_0_") for k in order]
    return shares[order], names, np.array([colors[each[:, k]].mean(axis=0) for k in order])


def _batches_of_one(images) -> list[np.ndarray]:
    """Each of the images as a batch of one."""
    several = isinstance(images, list | tuple) and len(images) > 0 and np.ndim(images[0]) > 1
    if not several:
        images = np.asarray(images)
        several = images.ndim == 4 or (images.ndim == 3 and images.shape[2] != 3)
    if not several:
        return [check_images(images[np.newaxis], name="[image]")]
    return [check_images(np.asarray(image)[np.newaxis], name=f"[images[{k}]]") for k, image in enumerate(images)]


def _drawer_of(extractor):
    """The function that draws what an extractor sees."""
    draw = next((draw for kind, draw in _PICTURES if isinstance(extractor, kind)), None)
    if draw is None:
        known = ", ".join(kind.__name__ for kind, _ in _PICTURES)
        raise InputError(f"There is no picture for {type(extractor).__name__}; there is one for {known}.")
    return draw


def _draw_image(axes, image):
    axes.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    axes.set_axis_off()


def _draw_hog(axes, extractor, X):
    centers, strokes = hog_strokes(extractor, X)
    axes.quiver(
        *centers.T, *strokes.T, pivot="middle", angles="xy", scale_units="xy", scale=1, headwidth=1, headlength=0,
        headaxislength=0, width=0.005,
    )  # fmt: skip
    _frame_like_image(axes, X)
    axes.set_title("edges in each cell")


def _draw_gradients(axes, extractor, X):
    centers, arrows = gradient_arrows(X)
    axes.quiver(*centers.T, *arrows.T, angles="xy", width=0.004)
    rows, columns = check_grid(extractor.grid, X.shape[1:3])
    for edge in grid_edges(X.shape[1], rows)[1:-1]:
        axes.axhline(edge - 0.5, color="tab:red", linewidth=1)
    for edge in grid_edges(X.shape[2], columns)[1:-1]:
        axes.axvline(edge - 0.5, color="tab:red", linewidth=1)
    _frame_like_image(axes, X)
    axes.set_title("gradients, and the cells")


def _draw_color_histogram(axes, extractor, X):
    """The largest bins of the whole image's histogram, each in the mean color of the pixels in it."""
    shares, names, colors = histogram_bars(extractor, X)
    axes.bar(range(len(shares)), shares, color=colors, edgecolor="gray")
    axes.set_xticks(range(len(shares)), names, rotation=90, fontsize=5)
    axes.set_title("share of the pixels")


def _draw_color_grid(axes, extractor, X):
    rows, columns = check_grid(extractor.grid, X.shape[1:3])
    row_edges, column_edges = grid_edges(X.shape[1], rows), grid_edges(X.shape[2], columns)
    mosaic = X[0].astype(float)
    for r in range(rows):
        for c in range(columns):
            cell = mosaic[row_edges[r] : row_edges[r + 1], column_edges[c] : column_edges[c + 1]]
            cell[:] = cell.mean(axis=(0, 1))
    _draw_image(axes, mosaic.astype(X.dtype))
    axes.set_title("mean of each cell")


def _draw_straight(axes, extractor, X):
    _draw_image(axes, extractor.transform(X)[0])
    axes.set_title("straightened")


def _draw_lbp(axes, extractor, X):
    one = LBP(points=extractor.points, radius=extractor.radius, method=extractor.method, grid=1).fit(X)
    shares = one.transform(X)[0]
    order = np.sort(np.argsort(shares)[::-1][:_BARS])
    axes.bar(range(len(order)), shares[order], color="gray")
    names = [one.get_feature_names_out()[k].removeprefix("cell0_0_") for k in order]
    axes.set_xticks(range(len(order)), names, rotation=90, fontsize=5)
    axes.set_title("share of the pixels")


def _draw_gabor(axes, extractor, X):
    """Energy of each filter over the whole image."""
    one = GaborBank(
        frequencies=extractor.frequencies, orientations=extractor.orientations, bandwidth=extractor.bandwidth, grid=1
    )
    energies = one.transform(X)[0].reshape(-1, extractor.orientations)
    axes.imshow(energies, aspect="auto", cmap="magma")
    degrees = np.arange(extractor.orientations) * 180 / extractor.orientations
    axes.set_xticks(range(extractor.orientations), [f"{d:g}°" for d in degrees])
    axes.set_yticks(range(len(energies)), [f"{f:g}" for f in np.atleast_1d(extractor.frequencies)])
    axes.set_ylabel("cycles per pixel")
    axes.set_title("energy")


def _draw_atoms(axes, extractor, X):
    """The first atoms as patches, each stretched to the full range of brightness."""
    n, size = min(100, extractor.n_atoms), extractor.patch_size
    atoms = extractor.atoms_[:n].reshape(n, size, size, -1)
    low, high = atoms.min(axis=(1, 2, 3), keepdims=True), atoms.max(axis=(1, 2, 3), keepdims=True)
    atoms = (atoms - low) / np.maximum(high - low, 1e-6)
    side = int(np.ceil(np.sqrt(n)))
    sheet = np.ones((side, side, size + 1, size + 1, atoms.shape[3]))
    sheet.reshape(side * side, *sheet.shape[2:])[:n, :size, :size] = atoms
    sheet = sheet.swapaxes(1, 2).reshape(side * (size + 1), side * (size + 1), -1)
    axes.imshow(sheet if sheet.shape[2] == 3 else sheet[..., 0], cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(f"{n} of {extractor.n_atoms} atoms")


def _frame_like_image(axes, X):
    axes.set(xlim=(-0.5, X.shape[2] - 0.5), ylim=(X.shape[1] - 0.5, -0.5), aspect="equal", xticks=[], yticks=[])


_PICTURES = (
    (HOG, _draw_hog),
    (SobelHistogram, _draw_gradients),
    (ColorHistogram, _draw_color_histogram),
    (ColorGrid, _draw_color_grid),
    (Deskew, _draw_straight),
    (LBP, _draw_lbp),
    (GaborBank, _draw_gabor),
    (PatchDictionary, _draw_atoms),
)
