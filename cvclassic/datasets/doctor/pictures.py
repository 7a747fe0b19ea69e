"""Findings on files and pictures: what is not in the set, and what becomes of the rest at the chosen size."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from cvclassic.datasets.doctor.finding import NOTE, WARNING, Finding, counted, percent, some
from cvclassic.datasets.files import HIDDEN, OTHER, Files, Unused
from cvclassic.decoding import CROP, EMPTY, PAD, STRETCH, SUFFIXES, InputContract
from cvclassic.images import is_color

LONG = 1.5  # times as long as the other side: such a picture changes much when it becomes square
SHARE = 0.1  # of the images, from which stretching or cropping is a warning
SAME = 1.05  # factor within which all aspect ratios count as one
SHRUNK = 4.0  # pixels of a side that become one
TINY = 8  # pixels of a side below which there is nothing to see
# Pictures, but of formats that are not read.
UNREAD_FORMATS = frozenset({".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".dcm", ".psd", ".jxl"})


def file_findings(files: Files) -> Iterator[Finding]:
    """Files that are not in the data set."""
    empty = [each for each in files.unreadable if each.why == EMPTY]
    damaged = [each for each in files.unreadable if each.why != EMPTY]
    if damaged:
        yield Finding(
            "unreadable_files",
            WARNING,
            len(damaged),
            tuple(each.name for each in damaged),
            f"{counted(len(damaged), 'image file', 'image files')} can't be read: {_by_why(damaged)}. They are left "
            "out, so that the answer is about the others. Put whole copies in their place, or remove them.",
        )
    if empty:
        yield Finding(
            "empty_files",
            WARNING,
            len(empty),
            tuple(each.name for each in empty),
            f"{counted(len(empty), 'image file has', 'image files have')} 0 bytes: {some([e.name for e in empty])}. "
            "They are left out, so that the answer is about the others. Copy them again, or remove them.",
        )
    if files.skipped:
        lost = [each for each in files.skipped if _may_be_wanted(each)]
        advice = "There is nothing to do if that is meant."
        if lost:
            named = some([each.name for each in lost])
            advice = (
                f"Pictures that you want in may be among them ({named}): put such into class folders, as PNG or JPEG."
            )
        yield Finding(
            "skipped_files",
            WARNING if lost else NOTE,
            len(files.skipped),
            tuple(each.name for each in files.skipped),
            f"{counted(len(files.skipped), 'file or folder is', 'files or folders are')} passed over: "
            f"{_by_why(files.skipped)}. The answer is about the others. {advice}",
        )


def described(files: Files) -> str:
    """One sentence on sizes, bit depths and colors of the files."""
    _, heights, widths, channels, bits = files.facts.T
    sides = f"{widths[0]:,} x {heights[0]:,} pixels"
    if len(np.unique(files.facts[:, 1:3], axis=0)) > 1:
        sides = (
            f"{widths.min():,} to {widths.max():,} pixels wide and {heights.min():,} to {heights.max():,} high, the "
            f"medians {np.median(widths):,.0f} x {np.median(heights):,.0f}"
        )
    gray = int((channels == 1).sum())
    colors = {0: "in color", len(channels): "gray"}.get(gray, f"{gray:,} gray, {len(channels) - gray:,} in color")
    return f"Files: {sides}; {' and '.join(map(str, np.unique(bits)))} bits; {colors}."


def size_findings(files: Files, contract: InputContract) -> Iterator[Finding]:
    """What becomes of pictures that are made squares."""
    height, width = files.facts[:, 1].astype(float), files.facts[:, 2].astype(float)
    ratio = np.maximum(height / width, width / height)
    long = np.flatnonzero(ratio >= LONG)
    if len(long):
        shape = width / height
        alike = shape.max() <= SAME * shape.min()
        kind, text = _HOW_SQUARE[contract.resize]
        yield Finding(
            kind,
            WARNING if len(long) >= SHARE * len(ratio) and not alike and contract.resize != PAD else NOTE,
            len(long),
            _names(files, long),
            f"{_of(len(long), len(ratio))} have a side {LONG:g} times as long as the other or more (up to "
            f"{ratio.max():.3g} times). {text(float(ratio.max()), alike)}",
        )
    # The side of a picture that becomes the side of the image.
    side = {PAD: np.maximum(height, width), CROP: np.minimum(height, width), STRETCH: np.sqrt(height * width)}
    side, image_size = side[contract.resize], contract.height
    shrunk = np.flatnonzero(side > SHRUNK * image_size)
    if len(shrunk):
        half = float(np.median(side[shrunk]))
        larger = 2 * image_size if half / image_size <= 2 * SHRUNK else 4 * image_size
        yield Finding(
            "lost_detail",
            WARNING if 2 * len(shrunk) >= len(ratio) else NOTE,
            len(shrunk),
            _names(files, shrunk),
            f"{_of(len(shrunk), len(ratio))} are made more than {SHRUNK:g} times smaller (half of them from {half:.0f} "
            f"pixels or more a side to {image_size}). Details of fewer than {half / image_size:.0f} pixels can't be "
            f"seen any more. If the classes differ in such, try --image-size {larger}, which takes longer.",
        )
    tiny = np.flatnonzero(np.minimum(height, width) < TINY)
    if len(tiny):
        yield Finding(
            "tiny_pictures",
            WARNING,
            len(tiny),
            _names(files, tiny),
            f"{_of(len(tiny), len(ratio))} have a side of fewer than {TINY} pixels: {some(_names(files, tiny))}. "
            "There is next to nothing to see in them, and they are blown up. Look at them, and remove those that are "
            "no pictures.",
        )


def color_findings(images: np.ndarray, names: Sequence[str], files: Files | None) -> Iterator[Finding]:
    """Gray pictures among colored ones, and different bit depths."""
    told, fewer = [], np.zeros(len(names), bool)
    if is_color(images):
        gray = np.array([bool((image == image[..., :1]).all()) for image in images])
        if gray.any() and not gray.all():
            told.append(f"{_of(int(gray.sum()), len(gray))} are gray, the others in color")
            fewer |= gray if 2 * gray.sum() <= len(gray) else ~gray
    if files is not None and len(depths := np.unique(files.facts[:, 4])) > 1:
        bits = files.facts[:, 4]
        counts = {int(depth): int((bits == depth).sum()) for depth in depths}
        told.append("bit depths differ: " + ", ".join(f"{n:,} of {depth} bits" for depth, n in counts.items()))
        fewer |= bits != max(counts, key=counts.__getitem__)
    if told:
        rows = np.flatnonzero(fewer)
        yield Finding(
            "mixed_color",
            NOTE,
            len(rows),
            tuple(names[i] for i in rows),
            f"{'; '.join(told)}. All are made alike (color, 8 bits) before anything learns, and may still look "
            f"different for no reason of their class. Look at some, such as {some([names[i] for i in rows])}; best, "
            "all come from the same source.",
        )


def _padding_text(ratio: float, alike: bool) -> str:
    return (
        f"They are shown whole, with black margins that take up to {100 * (1 - 1 / ratio):.0f} % of the square: they "
        "are seen smaller than square ones. If what matters is in their middle, --resize crop shows it larger."
    )


def _cropping_text(ratio: float, alike: bool) -> str:
    return (
        f"Only the square in their middle is looked at, so that up to {100 * (1 - 1 / ratio):.0f} % of a picture is "
        "lost. If what tells the class may lie there, use --resize pad."
    )


def _stretching_text(ratio: float, alike: bool) -> str:
    told = "all in the same way" if alike else "each in its own way"
    return f"They are made square, which distorts their shapes, {told}. Where shapes matter, use --resize pad."


# The kind of finding, and what to say of pictures of that ratio of sides, which are all alike or not.
_HOW_SQUARE: dict[str, tuple[str, Callable[[float, bool], str]]] = {
    PAD: ("padding", _padding_text),
    CROP: ("cropping", _cropping_text),
    STRETCH: ("stretching", _stretching_text),
}


def _by_why(unused: Sequence[Unused]) -> str:
    """How many for which reason, with names."""
    counts = Counter(each.why for each in unused)
    return "; ".join(
        f"{n:,} {why} ({some([each.name for each in unused if each.why == why], 2)})" for why, n in counts.most_common()
    )


def _may_be_wanted(unused: Unused) -> bool:
    """Whether what was passed over looks like a picture, by its suffix, in a place or a format that is not read."""
    if unused.why == HIDDEN:
        return False
    suffix = "." + unused.name.rpartition(".")[2].lower()
    return suffix in UNREAD_FORMATS or (unused.why != OTHER and suffix in SUFFIXES)


def _names(files: Files, rows: np.ndarray) -> tuple[str, ...]:
    return tuple(files.names[i] for i in rows)


def _of(n: int, total: int) -> str:
    return f"{n:,} of {total:,} images ({percent(n, total)})"
