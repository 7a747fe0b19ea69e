"""What is taken for what: confusion matrices, and the F1 score of each class."""

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from cvclassic.report.pictures import Picture
from cvclassic.report.pictures.style import WIDTH, draw_cells, listed, new_figure, short
from cvclassic.report.pictures.subject import Rival, Subject, best_on_test_images_first, left_out, named
from cvclassic.runs.job import Predictions

MOST_COUNTED = 5  # classes of a small confusion matrix with counts in its cells
MOST_NUMBERED = 12  # classes of a confusion matrix with numbers in its cells, and in one order only
MOST_NUMBERED_F1 = 30
MOST_COLUMNS = 30
LONGEST_NAME = 18
MOST_OPTIMALLY_ORDERED = 300  # classes; the best order of the tree's leaves takes time with the cube of their number
_KEY = np.array([0, 0.01, 0.05, 0.2, 0.5, 1])


def confusions(subject: Subject) -> list[Picture]:
    found = []
    for rival in subject.rivals:
        counts = subject.dataset_study.confusion(Predictions(rival.y_true, rival.y_pred))
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        found.append(_confusion(subject, rival, counts, shares))
        if len(shares) > MOST_NUMBERED:
            found.append(_confusion(subject, rival, counts, shares, similar_together(shares)))
    return found


def f1_of_each_class(subject: Subject) -> list[Picture]:
    found = [c for c in subject.configurations if all(result.per_class for result in c.results)]
    shown = best_on_test_images_first(found[:MOST_COLUMNS])
    if not shown:
        return []
    scores = np.array([np.mean([[own.f1 for own in r.per_class] for r in c.results], axis=0) for c in shown]).T
    order = np.argsort(scores.mean(axis=1), kind="stable")
    scores, names = scores[order], [subject.class_names[k] for k in order]
    numbered = len(names) <= MOST_NUMBERED_F1
    lowest = np.floor(10 * scores.min()) / 10
    shades = (scores - lowest) / max(1 - lowest, 1e-9)
    row = 17 if numbered else 11
    figure = new_figure(max(330, 110 + 30 * len(shown)), 160 + row * len(names))
    axes, key = figure.subplots(2, 1, height_ratios=[row * len(names), 12])
    texts = np.vectorize(lambda score: f"{100 * score:.0f}")(scores) if numbered and len(shown) <= 20 else None
    draw_cells(axes, shades, texts)
    axes.set_yticks(range(len(names)), [short(n, LONGEST_NAME) for n in names], fontsize=9.5 if numbered else 9)
    axes.set_xticks(range(len(shown)), [named(configuration, 26) for configuration in shown], rotation=90)
    axes.tick_params(axis="x", labeltop=True, labelbottom=False)
    steps = np.linspace(lowest, 1, 5)
    _draw_key(key, steps, (steps - lowest) / max(1 - lowest, 1e-9), "F1, %")
    mean = scores.mean(axis=1)
    ends = [f"{short(names[k], 40)} ({100 * mean[k]:.1f} %)" for k in range(len(names))]
    caption = "A row per class, the hardest on top, and a column per pipeline, the most accurate at the left."
    caption += left_out(shown, found)
    alt = f"F1 of each class. Lowest mean over the pipelines: {listed(ends[:3])}; highest: {listed(ends[:-4:-1])}."
    return [subject.picture("f1", "F1 of each class", caption, alt, figure)]


def similar_together(shares: np.ndarray) -> np.ndarray:
    """An order of the classes in which those that are taken for one another stand together.

    Average linkage of 1 - the mean share of each pair, in the best order of its leaves (Bar-Joseph, Gifford and
    Jaakkola 2001).

    Parameters
    ----------
    shares : ndarray of shape (n_classes, n_classes)
        A confusion matrix whose rows are divided by their sums.
    """
    distances = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distances, 0)
    tree = linkage(
        squareform(distances, checks=False), "average", optimal_ordering=len(shares) <= MOST_OPTIMALLY_ORDERED
    )
    return leaves_list(tree)


def most_confused(counts: np.ndarray, most: int = 3) -> list[tuple[int, int]]:
    """The pairs (true, predicted) of different classes with the largest shares of the true class, largest first."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    cells = np.argsort(-shares, axis=None, kind="stable")[:most]
    return [(int(t), int(p)) for t, p in zip(*np.unravel_index(cells, shares.shape), strict=True) if shares[t, p] > 0]


def _confusion(
    subject: Subject, rival: Rival, counts: np.ndarray, shares: np.ndarray, order: np.ndarray | None = None
) -> Picture:
    n = len(shares)
    numbered = n <= MOST_NUMBERED
    shown = shares if order is None else shares[np.ix_(order, order)]
    names = [short(subject.class_names[k], LONGEST_NAME) for k in (range(n) if order is None else order)]
    counted = n <= MOST_COUNTED
    side = 130 + 44 * n if counted else 390 if numbered else WIDTH
    figure = new_figure(side, side + (0 if counted else 30 if numbered else 52))
    if numbered:
        axes = figure.subplots()
        texts = np.vectorize(lambda count: f"{count:,}")(counts) if counted else np.vectorize(_share_text)(shown)
        draw_cells(axes, np.sqrt(shown), texts)
    else:
        axes, key = figure.subplots(2, 1, height_ratios=[430, 12])
        draw_cells(axes, np.sqrt(shown))
        _draw_key(key, _KEY, np.sqrt(_KEY), "% of the true class")
    ticks = range(0, n, -(-n // 30))
    axes.set_xticks(ticks, [names[k] for k in ticks], rotation=90 if max(map(len, names)) > 2 else 0)
    axes.set_yticks(ticks, [names[k] for k in ticks])
    axes.set(xlabel="predicted class", ylabel="true class")
    worst = _worst_text(subject, counts)
    caption = (
        f"{rival.name}, {rival.role} on the validation images{_of_seed(rival)}. Each row shows what the images of a "
        f"true class were taken for{'' if counted else ', in % of them'}. {worst}"
    )
    title, name = f"What {rival.name} takes for what", f"confusion-{rival.key}"
    if order is not None:
        title, name = f"{title}, similar classes together", f"{name}-sorted"
    elif not numbered:
        caption += " Classes are in their own order."
    right = np.trace(counts) / max(counts.sum(), 1)
    alt = f"Confusion matrix of {rival.name} with {n} classes; {100 * right:.2f} % of the images lie on its diagonal. "
    return subject.picture(name, title, caption, alt + worst, figure)


def _of_seed(rival: Rival) -> str:
    return f" (seed {rival.seed})" if len(rival.configuration.results) > 1 else ""


def _worst_text(subject: Subject, counts: np.ndarray) -> str:
    sizes = np.maximum(counts.sum(axis=1), 1)
    texts = [
        f"{short(subject.class_names[t], 40)} taken for {short(subject.class_names[p], 40)} "
        f"({counts[t, p]:,} of {sizes[t]:,}, {100 * counts[t, p] / sizes[t]:.1f} %)"
        for t, p in most_confused(counts)
    ]
    return f"Most often: {listed(texts)}." if texts else "No image is taken for another class."


def _share_text(share: float) -> str:
    """Per cent, in three digits at most where that is not wrong: 0.4, 12, 98, 99.6; nothing for 0."""
    if share == 0:
        return ""
    exact = share < 0.0995 or 0.99 <= share < 0.9995
    return f"{100 * share:.{1 if exact else 0}f}"


def _draw_key(axes, values: np.ndarray, shades: np.ndarray, label: str) -> None:
    draw_cells(axes, shades[np.newaxis])
    axes.set_xticks(range(len(values)), [f"{100 * value:g}" for value in values])
    axes.set_yticks([])
    axes.set_xlabel(label)
