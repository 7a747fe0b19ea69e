"""Test images that the best pipelines get wrong, and what the extractors see in an image of each class."""

import numpy as np

from cvclassic.errors import DataError
from cvclassic.features import HOG, ColorHistogram
from cvclassic.features.show import gradient_arrows, histogram_bars, hog_strokes
from cvclassic.images import check_images
from cvclassic.report.pictures import Picture
from cvclassic.report.pictures.style import INK, WIDTH, blank_axes, draw_image, listed, new_figure, short
from cvclassic.report.pictures.subject import Rival, Subject
from cvclassic.runs.job import SetImages

MOST_IMAGES = 12
MOST_CLASSES = 10
LONGEST_SIDE = 64  # in pixels; larger images are averaged down to it
MOST_COLORS = 16
ARROWS = 10  # along an image
WEAKEST = 0.05  # strokes and arrows below this part of the longest can't be seen
_COLUMNS = 6


def confident_mistakes(subject: Subject) -> list[Picture]:
    """What each rival gets wrong with the largest margin, a picture each."""
    images = _images(subject).test
    rivals = [] if images is None else [rival for rival in subject.rivals if rival.margins is not None]
    return [picture for rival in rivals for picture in _mistakes(subject, images, rival)]


def disagreements(subject: Subject) -> list[Picture]:
    """What each of the two rivals alone gets right."""
    images = _images(subject).test
    if images is None or len(subject.rivals) < 2:
        return []
    first, second = subject.rivals
    if not np.array_equal(first.y_true, second.y_true):
        raise DataError(f"{first.name} and {second.name} were not tested on the same images; start the run anew.")
    return [*_only_right(subject, images, first, second), *_only_right(subject, images, second, first)]


def what_extractors_see(subject: Subject) -> list[Picture]:
    """A column per class, and rows: an image of it, HOG's strokes, gradients, the colors of an RGB image."""
    examples = _images(subject).examples
    if examples is None:
        return []
    examples = check_images(examples[:MOST_CLASSES], name="the images of the classes")
    rows = [("image", _draw_example), ("HOG", _draw_hog), ("gradients", _draw_gradients)]
    if examples.ndim == 4:
        rows.append(("colors", _draw_colors))
    cell, left, top = 56, 62, 20
    figure = new_figure(left + (cell + 4) * len(examples), top + (cell + 6) * len(rows), layout=None)
    axes = blank_axes(figure)
    for c, (image, name) in enumerate(zip(examples, subject.class_names, strict=False)):
        x = left + c * (cell + 4)
        axes.text(x + cell / 2, top - 8, short(name, 9), ha="center", fontsize=9.5)
        for r, (_, draw) in enumerate(rows):
            draw(axes, image, x, top + r * (cell + 6), cell)
    for r, (name, _) in enumerate(rows):
        axes.text(left - 8, top + r * (cell + 6) + cell / 2, name, ha="right", va="center", fontsize=9.5)
    caption = (
        "A training image of each class, and what the extractors of cvclassic.features make of it with their default "
        "parameters: HOG's strokes run along edges, gradients point to where it gets brighter"
    )
    if examples.ndim == 4:
        caption += f", and the bars are the {MOST_COLORS} commonest colors by their share of the pixels"
    if len(subject.class_names) > MOST_CLASSES:
        caption += f". The first {MOST_CLASSES} of {len(subject.class_names)} classes"
    names = listed([short(name, 40) for name in subject.class_names[:MOST_CLASSES]])
    seen = ", ".join(name for name, _ in rows[1:])
    alt = f"One training image each of {names}, with its {seen}."
    return [subject.picture("extractors", "What the extractors see", caption + ".", alt, figure)]


def _mistakes(subject: Subject, images: np.ndarray, rival: Rival) -> list[Picture]:
    wrong = np.flatnonzero(~rival.right)
    chosen = wrong[np.argsort(-rival.margins[wrong], kind="stable")][:MOST_IMAGES]
    if not len(chosen):
        return []
    lines = [
        (_name(subject, rival.y_true[k]), f"→ {_name(subject, rival.y_pred[k])}", f"{rival.margins[k]:.3g}")
        for k in chosen
    ]
    name = rival.name
    caption = (
        f"Of {len(wrong):,} wrong ones of {len(rival.y_true):,} test images, those with the largest margin: the score "
        f"of the predicted class less that of the next. Beneath each: the true class, what {name} takes it for, the "
        "margin."
    )
    alt = f"Wrong with the largest margin, by {name}: {_spoken(subject, rival, chosen)}."
    title = f"What {name} gets wrong most confidently"
    return [subject.picture(f"mistakes-{rival.key}", title, caption, alt, _gallery(images[chosen], lines))]


def _only_right(subject: Subject, images: np.ndarray, right: Rival, wrong: Rival) -> list[Picture]:
    """Those come first that the wrong one is most confident of, where it has margins."""
    found = np.flatnonzero(right.right & ~wrong.right)
    if not len(found):
        return []
    if wrong.margins is not None:
        found = found[np.argsort(-wrong.margins[found], kind="stable")]
    chosen = found[:MOST_IMAGES]
    lines = [(_name(subject, wrong.y_true[k]), f"not {_name(subject, wrong.y_pred[k])}") for k in chosen]
    names = right.name, wrong.name
    caption = (
        f"{names[0]} is right and {names[1]} wrong on {len(found):,} of {len(right.y_true):,} test images. Beneath "
        f"each: the true class, and what {names[1]} takes it for."
    )
    if wrong.margins is not None:
        caption += " Those with its largest margins come first."
    alt = f"{len(found):,} images that {names[0]} alone gets right. {names[1]}: {_spoken(subject, wrong, chosen)}."
    title = f"Right by {names[0]}, wrong by {names[1]}"
    return [subject.picture(f"only-{right.key}-right", title, caption, alt, _gallery(images[chosen], lines))]


def _name(subject: Subject, number: int) -> str:
    return short(subject.class_names[number], 12)


def _spoken(subject: Subject, rival: Rival, chosen: np.ndarray) -> str:
    names = [short(name, 40) for name in subject.class_names]
    return listed([f"{names[rival.y_true[k]]} taken for {names[rival.y_pred[k]]}" for k in chosen], MOST_IMAGES)


def _gallery(images: np.ndarray, lines: list[tuple[str, ...]]):
    """Images in rows of six with lines of text beneath each."""
    side, step, leading = 66, WIDTH / _COLUMNS, 12
    height = side + leading * len(lines[0]) + 12
    columns = min(_COLUMNS, max(len(images), 4))
    figure = new_figure(step * columns, height * -(-len(images) // _COLUMNS), layout=None)
    axes = blank_axes(figure)
    for k, (image, texts) in enumerate(zip(images, lines, strict=True)):
        x, y = step * (k % _COLUMNS) + (step - side) / 2, height * (k // _COLUMNS) + 2
        draw_image(axes, _averaged_down(image), x, y, side)
        for number, text in enumerate(texts, start=1):
            axes.text(x + side / 2, y + side + leading * number - 1, text, ha="center", fontsize=9.5)
    return figure


def _draw_example(axes, image: np.ndarray, x: float, y: float, size: float) -> None:
    draw_image(axes, _averaged_down(image), x, y, size)


def _draw_hog(axes, image: np.ndarray, x: float, y: float, size: float) -> None:
    cell = max(8, max(image.shape[:2]) // 8)
    if min(image.shape[:2]) < cell:
        return
    centers, strokes = hog_strokes(HOG(cell_size=cell), image[np.newaxis])
    _draw_strokes(axes, centers, strokes, image.shape, x, y, size, taper=False)


def _draw_gradients(axes, image: np.ndarray, x: float, y: float, size: float) -> None:
    centers, arrows = gradient_arrows(image[np.newaxis], at_most=ARROWS)
    longest = np.hypot(*arrows.T).max(initial=0)
    if longest > 0:
        arrows = arrows * (1.5 * max(image.shape[:2]) / ARROWS / longest)
    _draw_strokes(axes, centers, arrows, image.shape, x, y, size, taper=True)


def _draw_strokes(
    axes, centers: np.ndarray, strokes: np.ndarray, shape: tuple[int, ...], x: float, y: float, size: float, taper: bool
) -> None:
    """All strokes as one path, which is short in an SVG; with `taper` wedges that point along them."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    lengths = np.hypot(*strokes.T)
    seen = (lengths > WEAKEST * lengths.max(initial=0)) & (lengths > 0)
    scale = size / max(shape[:2])
    offset = np.array([x, y]) + (size - scale * np.array([shape[1], shape[0]])) / 2
    centers, strokes = offset + scale * (centers[seen] + 0.5), scale * strokes[seen]
    across = strokes[:, ::-1] * [-1, 1] / np.hypot(*strokes.T)[:, np.newaxis] * (0.8 if taper else 0.35)
    tip, tail = centers + strokes / 2, centers - strokes / 2
    ends = [tip] if taper else [tip + across, tip - across]
    corners = [tail + across, *ends, tail - across]
    if not len(strokes):
        return
    vertices = np.stack([*corners, corners[0]], axis=1)
    codes = np.full(vertices.shape[:2], Path.LINETO)
    codes[:, 0], codes[:, -1] = Path.MOVETO, Path.CLOSEPOLY
    axes.add_patch(PathPatch(Path(vertices.reshape(-1, 2), codes.ravel()), facecolor=INK, linewidth=0, clip_on=False))


def _draw_colors(axes, image: np.ndarray, x: float, y: float, size: float) -> None:
    shares, _, colors = histogram_bars(ColorHistogram(), image[np.newaxis], at_most=MOST_COLORS)
    width = size / MOST_COLORS
    heights = size * shares / shares.max()
    axes.bar(
        x + width * (np.arange(len(shares)) + 0.5), -heights, 0.9 * width, bottom=y + size, color=colors,
        edgecolor="#7f7f7f", linewidth=0.4, clip_on=False,
    )  # fmt: skip


def _averaged_down(image: np.ndarray) -> np.ndarray:
    """Means of squares of pixels, so that no side is longer than `LONGEST_SIDE`; what is left over is cut off."""
    factor = -(-max(image.shape[:2]) // LONGEST_SIDE)
    if factor == 1 or min(image.shape[:2]) < factor:
        return image
    rows, columns = (side // factor for side in image.shape[:2])
    squares = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, *image.shape[2:])
    means = squares.mean(axis=(1, 3))
    return means.round().astype(np.uint8) if image.dtype == np.uint8 else means


def _images(subject: Subject) -> SetImages:
    return subject.dataset_study.study.run.images[subject.dataset_study.name]
