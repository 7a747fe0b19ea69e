"""How the pictures look, and how a figure becomes SVG that stands in a page."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import numpy as np

from cvclassic.harmless import harmless

# matplotlib knows no currentColor: this color, used nowhere else, is replaced by it in the SVG.
INK = "#010203"

# Of Okabe and Ito, Color universal design (2008), a violet and a grey; contrasts are 3 or more on white and near-black.
FAMILY_COLORS = {
    "classical": "#0072b2",
    "neural": "#d55e00",
    "hybrid": "#cc79a7",
    "pretrained": "#8430f0",
    "baseline": "#78785a",
}
_FAMILY_MARKERS = {"classical": "o", "neural": "s", "hybrid": "^", "pretrained": "v", "baseline": "D"}
_FAMILY_HATCHES = {
    "classical": "",
    "neural": "////",
    "hybrid": "xxxx",
    "pretrained": "\\\\\\\\",
    "baseline": "....",
}
_ANY_OTHER = ("#7f7f7f", "P", "oo")  # color, marker and hatch of any other family
SERIES_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a7a00", "#7f7f7f", "#4a8fd1")
SERIES_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*")

HEAT = "#0072b2"
MOST_OPAQUE = 0.75  # of a heat map's cells: the page's text color is legible on it, black or white
MOST_VECTOR_CELLS = 2500  # of a heat map; beyond that it is a small image
WIDTH = 468  # of most pictures, in points: 6.5 inches

_STYLE = {
    "figure.dpi": 72,  # a pixel is a point, and one unit of the SVG
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.7,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "hatch.linewidth": 0.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "cvclassic",
    "text.parse_math": False,  # a class may be called "$"
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_NOT_IN_XML = re.compile("[\ufffe\uffff]")  # what XML can't hold, of what `harmless` leaves
ElementTree.register_namespace("", _SVG)


@contextmanager
def drawing_style() -> Iterator[None]:
    """Figures made and saved inside look alike, whatever the user's matplotlibrc says."""
    from matplotlib import style

    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a browser has more fonts
        yield


def new_figure(width: float, height: float, layout: str | None = "constrained"):
    """A matplotlib Figure of this size in points, without a background."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), layout=layout)
    figure.patch.set_visible(False)
    return figure


def blank_axes(figure):
    """Axes over all of the figure, in points from the upper left corner, without ticks."""
    width, height = figure.get_size_inches() * 72
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def draw_image(axes, image: np.ndarray, x: float, y: float, size: float) -> None:
    """An image (height, width[, 3]) in a square of blank axes, its upper left corner at x, y; pixels stay pixels."""
    height, width = (side * size / max(image.shape[:2]) for side in image.shape[:2])
    left, top = x + (size - width) / 2, y + (size - height) / 2
    image = image if image.dtype == np.uint8 else image.astype(np.float32)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(
        image, extent=(left, left + width, top + height, top), aspect="auto", interpolation="none", cmap="gray", vmin=0,
        vmax=255 if image.dtype == np.uint8 else 1, clip_on=False,
    )  # fmt: skip
    axes.set(xlim=limits[0], ylim=limits[1])


def draw_cells(axes, shades: np.ndarray, texts: np.ndarray | None = None) -> None:
    """A heat map of shades from 0 to 1, with texts in the cells or without.

    The shade is opacity, so that 0 is the page's own background, light or dark.
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb

    rows, columns = shades.shape
    color = np.broadcast_to(to_rgb(HEAT), (rows, columns, 3))
    colors = np.concatenate([color, MOST_OPAQUE * np.clip(shades, 0, 1)[..., np.newaxis]], axis=2)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set(visible=True, alpha=0.3)
    if shades.size > MOST_VECTOR_CELLS:
        axes.imshow((colors * 255).round().astype(np.uint8), interpolation="none", aspect="auto")
    else:
        y, x = np.mgrid[:rows, :columns]
        corner = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.48
        cells = np.stack([x.ravel(), y.ravel()], axis=1)[:, np.newaxis] + corner
        seen = colors[..., 3].ravel() > 0
        axes.add_collection(PolyCollection(cells[seen], facecolors=colors.reshape(-1, 4)[seen], linewidths=0))
    if texts is not None:
        for (r, c), text in np.ndenumerate(texts):
            axes.text(c, r, text, ha="center", va="center_baseline", fontsize=8.5)


def family_color(family: str) -> str:
    return FAMILY_COLORS.get(family, _ANY_OTHER[0])


def family_marker(family: str) -> str:
    return _FAMILY_MARKERS.get(family, _ANY_OTHER[1])


def bar_style(family: str) -> dict:
    """How a family's bars look, as matplotlib's patches take it."""
    from matplotlib.colors import to_rgba

    color, hatch = family_color(family), _FAMILY_HATCHES.get(family, _ANY_OTHER[2])
    return {"facecolor": "none" if hatch else to_rgba(color, 0.6), "edgecolor": color, "hatch": hatch, "linewidth": 1}


def series_style(number: int) -> dict:
    """Color and marker of a line among others, the same for the same number."""
    color = SERIES_COLORS[number % len(SERIES_COLORS)]
    marker = SERIES_MARKERS[number % len(SERIES_MARKERS)]
    line = "-" if number < len(SERIES_COLORS) else (0, (5, 1.5))
    return {"color": color, "marker": marker, "linestyle": line, "markersize": 4.5, "linewidth": 1.3}


def legend_below(figure, handles: list | None = None) -> None:
    """A legend below all axes, of `handles` or of the lines in the first axes, in as many columns as fit."""
    handles = handles or figure.axes[0].get_lines()
    longest = max(len(handle.get_label()) for handle in handles)
    width = figure.get_size_inches()[0] * 72
    figure.legend(handles=handles, loc="outside lower center", ncols=int(np.clip(width / (6 * longest + 40), 1, 3)))


def set_log_ticks(axis) -> None:
    """Plain numbers on a log axis, as many as there is room for."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = np.log10(sorted(axis.get_view_interval()))
    subs = (1.0, 2.0, 5.0) if high - low < 1.8 else (1.0, 3.0) if high - low < 4 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def in_one_line(text: str) -> str:
    """Text of any origin in one line with single spaces, harmless, and without what XML can't hold."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", " ".join(harmless(text).split()))


def short(text: str, longest: int) -> str:
    """A name that fits: in one line, harmless, cut where it is too long."""
    text = in_one_line(text)
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def listed(texts: list[str], most: int = 10, separator: str = ", ") -> str:
    """The texts in one, and how many more there are."""
    more = len(texts) - most
    return separator.join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def to_svg(figure, prefix: str, alt: str) -> str:
    """The figure as an `<svg>` element for a page: see `Picture.svg`. `prefix` begins all ids in it."""
    file = io.BytesIO()
    figure.savefig(file, format="svg")
    text = file.getvalue().decode().replace(INK, "currentColor")
    wanted = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            # matplotlib's style sheet is for "*", which in a page is everything.
            if child.tag == f"{{{_SVG}}}metadata" or child.find(f"{{{_SVG}}}style") is not None:
                parent.remove(child)
    for element in root.iter():
        _for_a_page(element, prefix, wanted)
    width, height = (float(side) for side in root.get("viewBox").split()[2:])
    root.attrib.clear()
    root.attrib |= {
        "viewBox": f"0 0 {width:g} {height:g}",
        "role": "img",
        "aria-label": alt,
        "style": f"min-width: {0.85 * width:.0f}px; max-width: {1.4 * width:.0f}px",
        "fill": "currentColor",
        "stroke-linejoin": "round",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _for_a_page(element, prefix: str, wanted: set[str]) -> None:
    """The page's font, ids of its own, no more digits than can be seen."""
    attributes = element.attrib
    if element.text and not element.text.strip():
        element.text = None
    if element.tail:
        element.tail = None
    identifier = attributes.pop("id", None)
    if identifier in wanted:
        attributes["id"] = f"{prefix}-{identifier}"
    link = attributes.pop(f"{{{_XLINK}}}href", None)
    if link is not None:
        attributes["href"] = f"#{prefix}-{link[1:]}" if link.startswith("#") else "".join(link.split())
    for name in ("style", "clip-path"):
        if name in attributes:
            value = re.sub(r"font-family:[^;]*;?\s*", "", attributes[name])
            attributes[name] = value.replace("url(#", f"url(#{prefix}-")
    for name in ("d", "x", "y"):
        if name in attributes:
            attributes[name] = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", attributes[name])
            attributes[name] = attributes[name].replace(" \n", " ").strip()
    if re.fullmatch(r"rotate\(-?0(\.0)? .*\)", attributes.get("transform", "")):
        del attributes["transform"]
