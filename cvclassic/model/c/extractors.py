"""What the C templates need to know of each extractor: its template, shared functions, constants and tables."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cvclassic.features.color_grid import ColorGrid
from cvclassic.features.color_histogram import ColorHistogram
from cvclassic.features.extractor import Extractor, as_pair, check_grid
from cvclassic.features.hog import BLOCK_NORMS, HOG, bin_borders, block_weights
from cvclassic.features.lbp import LBP, pattern_labels
from cvclassic.features.sobel_histogram import SobelHistogram
from cvclassic.images import channel_ranges


class Histograms(NamedTuple):
    """Histograms that are normalized one by one: the first at `start`, `count` of them, `stride` apart."""

    norm: str
    start: int
    size: int
    stride: int = 0
    count: int = 1


@dataclass(frozen=True)
class Template:
    """A template and what it needs; `pieces` are parts of the extractor's own, `shared` are there once in a header."""

    kind: str  # names the extractor in the header
    pieces: tuple[str, ...]
    shared: tuple[str, ...]
    integers: dict[str, int]
    tables: dict[str, np.ndarray]
    color_space: str = ""  # that the template reads pixels in, by PART_COLOR
    real: str = "float"
    work_floats: int = 0  # scratch memory
    histograms: tuple["Histograms", ...] = ()


def template(extractor: Extractor, image_shape: tuple[int, ...]) -> Template:
    """The template of a fitted extractor for uint8 images of `image_shape`."""
    return TEMPLATES[type(extractor)](extractor, image_shape)


def lab_tables() -> dict[str, np.ndarray]:
    """The tables of OpenCV's conversion of uint8 images to Lab: of light, in 1/2040, and of its cube root, in 2^-15."""
    levels = np.arange(256) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    shares = np.arange(2041) / 2040
    root = np.where(shares < 0.008856, shares * (841 / 108) + 16 / 116, np.cbrt(shares)).astype(np.float32)
    return {
        "light": np.rint(light * 2040).astype(np.uint16),
        "root": np.rint(root * np.float32(1 << 15)).astype(np.uint16),
    }


def _hog(hog, image_shape):
    cell, block = as_pair(hog.cell_size, "cell_size"), as_pair(hog.block_size, "block_size")
    blocks = hog._layout(image_shape)
    common = {
        "orientations": hog.orientations,
        "cell_height": cell[0],
        "cell_width": cell[1],
        "gamma_correction": bool(hog.gamma_correction),
        # How squared lengths are rounded with gamma correction; without it they are whole numbers.
        "rounds_both": hog.convention == "opencv",
        "ordered": hog.convention == "skimage",
        "tie_columns": image_shape[1] // 4 * 4 if hog.convention == "opencv" else 0,
    }
    if hog.convention == "felzenszwalb":
        return _felzenszwalb(hog, common, (blocks[0] + 2, blocks[1] + 2))
    integers = common | {
        "n_features": hog._n_features(image_shape),
        "height": image_shape[0] // cell[0] * cell[0],  # pixels beyond the last whole cell don't vote
        "width": image_shape[1] // cell[1] * cell[1],
        "block_height": block[0],
        "block_width": block[1],
        "blocks_y": blocks[0],
        "blocks_x": blocks[1],
        "block_size": block[0] * block[1] * hog.orientations,
    }
    pieces = ("hog_gradient", f"hog_{hog.convention}")
    if hog.convention == "opencv":
        vertical, horizontal = block_weights(cell, block)
        tables = {
            "vertical": vertical[:, : block[0] * cell[0]],
            "horizontal": horizontal[..., : cell[1]].swapaxes(0, 1).reshape(block[1], -1),
            "bin_scale": np.array(hog.orientations / (360 if hog.signed else 180), np.float32),
        }
        return Template("hog", pieces, ("pixels", "angle"), integers, tables)
    double = bool(hog.gamma_correction)
    borders = bin_borders(hog.orientations, np.float64 if double else np.float32)
    n_borders = max(hog.orientations - 1, 1)
    tables = {
        name: np.pad(values, (0, 1))[:n_borders] for name, values in zip(("border_x", "border_y"), borders, strict=True)
    }
    integers |= {"block_norm": BLOCK_NORMS.index(hog.block_norm)}
    return Template("hog", pieces, ("pixels",), integers, tables, real="double" if double else "float")


def _felzenszwalb(hog, integers, cells):
    angles = [math.pi * k / hog.orientations for k in range(hog.orientations)]
    tables = {
        "unit_x": np.array([math.cos(angle) for angle in angles], np.float32),
        "unit_y": np.array([math.sin(angle) for angle in angles], np.float32),
    }
    integers = integers | {"cells_y": cells[0], "cells_x": cells[1]}
    work = cells[0] * cells[1] * (2 * hog.orientations + 1)
    return Template("hog", ("hog_gradient", "hog_felzenszwalb"), ("pixels",), integers, tables, work_floats=work)


def _sobel_histogram(sobel, image_shape):
    rows, columns = check_grid(sobel.grid, image_shape)
    n_features = rows * columns * sobel.orientations
    integers = {"n_features": n_features, "orientations": sobel.orientations, "rows": rows, "columns": columns}
    # The product that the compiled extractor makes of its constants: on a bin's border the last bit decides.
    scale = np.float32(np.pi / 180) * np.float32(sobel.orientations)
    tables = {"scale": np.array(scale), "span": np.array(2 * np.pi if sobel.signed else np.pi, np.float32)}
    shared = ("pixels", "cells", "angle")
    histograms = [Histograms(sobel.normalization, 0, n_features)]
    return Template("sobel", ("sobel_histogram",), shared, integers, tables, histograms=_normalized(histograms))


def _lbp(lbp, image_shape):
    rows, columns = check_grid(lbp.grid, image_shape)
    labels, names = pattern_labels(lbp.points, lbp.method)
    angles = 2 * np.pi * np.arange(lbp.points, dtype=np.float64) / lbp.points
    tables = {
        "down": np.round(-lbp.radius * np.sin(angles), 5),  # as in the extractor
        "right": np.round(lbp.radius * np.cos(angles), 5),
        "labels": labels.astype(np.uint8 if len(names) <= 256 else np.uint16),
    }
    integers = {"n_features": rows * columns * len(names), "points": lbp.points, "n_labels": len(names)}
    integers |= {"rows": rows, "columns": columns}
    histograms = [Histograms(lbp.normalization, 0, len(names), len(names), rows * columns)]
    return Template("lbp", ("lbp",), ("pixels", "cells"), integers, tables, histograms=_normalized(histograms))


def _color_histogram(histogram, image_shape):
    rows, columns = check_grid(histogram.grid, image_shape)
    bins, joint = histogram._bins(), bool(histogram.joint)
    size = math.prod(bins) if joint else sum(bins)
    ranges = np.array(channel_ranges(histogram.color_space, np.dtype(np.uint8)), dtype=float)
    scale = bins / (ranges[:, 1] - ranges[:, 0])  # in double and in this order, as the extractor does
    top = np.array(bins)[:, np.newaxis] - 1
    index = np.clip(np.floor(np.arange(256) * scale[:, np.newaxis]).astype(int), 0, top)
    strides = [math.prod(bins[c + 1 :]) if joint else 1 for c in range(len(bins))]
    starts = np.zeros(len(bins), int) if joint else np.cumsum([0, *bins[:-1]])
    places = index * np.array(strides)[:, np.newaxis] + starts[:, np.newaxis]
    integers = {"n_features": rows * columns * size, "cell_size": size, "channels": len(bins), "joint": joint}
    integers |= {"rows": rows, "columns": columns}
    tables = {"places": places.astype(np.min_scalar_type(int(places.max())))}
    each = [(0, size)] if joint else zip(starts, bins, strict=True)
    histograms = [Histograms(histogram.normalization, int(s), n, size, rows * columns) for s, n in each]
    return Template(
        "color",
        ("color_histogram",),
        ("pixels", "cells"),
        integers,
        tables,
        color_space=histogram.color_space,
        histograms=_normalized(histograms),
    )


def _color_grid(grid, image_shape):
    rows, columns = check_grid(grid.grid, image_shape)
    space, channels = ("lab", 3) if len(image_shape) == 3 else ("gray", 1)
    integers = {"channels": channels, "rows": rows, "columns": columns}
    return Template("grid", ("color_grid",), ("pixels",), integers, {}, color_space=space)


def _normalized(histograms: list[Histograms]) -> tuple[Histograms, ...]:
    return tuple(each for each in histograms if each.norm is not None)


TEMPLATES: dict[type[Extractor], Callable[[Extractor, tuple[int, ...]], Template]] = {
    ColorGrid: _color_grid,
    ColorHistogram: _color_histogram,
    HOG: _hog,
    LBP: _lbp,
    SobelHistogram: _sobel_histogram,
}
