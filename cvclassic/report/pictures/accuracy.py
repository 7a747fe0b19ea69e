"""What accuracy costs: against fit time and prediction time, as bars with intervals, and memory beside model size."""

from collections.abc import Callable

import numpy as np

from cvclassic.report.pictures import Picture
from cvclassic.report.pictures.labels import nearest, needs_leader, place_labels
from cvclassic.report.pictures.style import (
    INK,
    WIDTH,
    bar_style,
    family_color,
    family_marker,
    legend_below,
    listed,
    new_figure,
    set_log_ticks,
)
from cvclassic.report.pictures.subject import Subject, best_on_test_images_first, left_out, named
from cvclassic.study.study import Configuration
from cvclassic.study.tables import METRIC_NAMES, accuracy_text, interval_text, percent

TIME_WIDTH, TIME_HEIGHT = 400, 275  # as wide as a phone, for one of them stands beside the answer
MOST_LABELS, MOST_LETTERS = 12, 240  # of points; with more of them some alone have names
MOST_BARS = 40
LONGEST_NAME = 36
TAKEN = {  # a ring around what to take
    "marker": "o",
    "markersize": 13,
    "color": INK,
    "markerfacecolor": "none",
    "markeredgewidth": 1.2,
    "linestyle": "none",
}
METRICS_ARE = {
    "accuracy": "Share of the test images that are classified rightly",
    "balanced_accuracy": "Share of a class's test images that are classified rightly, in the mean over the classes",
    "macro_f1": "F1 of the classes on the test images, in the mean",
}


def against_fit_time(subject: Subject) -> list[Picture]:
    def seconds(configuration: Configuration) -> float:
        return configuration.mean("fit_seconds")

    found = subject.having("fit_seconds")
    return _against_time(subject, found, "fit time", "seconds to fit", seconds, lambda t: f"{t:,.3g} s")


def against_prediction_time(subject: Subject) -> list[Picture]:
    def microseconds(configuration: Configuration) -> float:
        return float(np.mean([1e6 / speed for speed in configuration.values("predict_images_per_second")]))

    unit = "microseconds to predict an image"
    found = subject.having("predict_images_per_second")
    return _against_time(subject, found, "prediction time", unit, microseconds, lambda t: f"{t:,.3g} µs")


def bars(subject: Subject) -> list[Picture]:
    found = subject.configurations
    shown = best_on_test_images_first(found[:MOST_BARS])
    figure = new_figure(WIDTH, 75 + 20 * len(shown))
    axes = figure.subplots()
    _draw_bars(axes, shown, [100 * c.mean(c.test_figure) for c in shown])
    for k, configuration in enumerate(shown):
        low, high = configuration.interval
        axes.plot([100 * low, 100 * high], [k, k], color=INK, linewidth=1.2, marker="|", markersize=6)
        axes.annotate(
            _accuracy_text(configuration), (100 * max(high, configuration.mean(configuration.test_figure)), k),
            xytext=(6, 0), textcoords="offset points", va="center_baseline", fontsize=9,
        )  # fmt: skip
    metric = METRIC_NAMES[subject.dataset_study.metric]
    axes.set(xlim=(0, 125), xticks=range(0, 101, 20), xlabel=f"test {metric}, %")
    _family_legend(figure, shown, bars=True)
    caption = f"{METRICS_ARE[subject.dataset_study.metric]}; the whisker is the 95 % interval."
    if any(configuration.n_trainings > 1 for configuration in shown):
        caption += " Of several seeds it is the mean, ± their standard deviation."
    baseline = subject.dataset_study.baseline
    if baseline is not None:
        score = 100 * baseline.mean(baseline.test_figure)
        axes.axvline(score, color=INK, linewidth=1, linestyle=":")
        axes.annotate(
            named(baseline, 20), (score, 1), xycoords=("data", "axes fraction"), xytext=(3, 2),
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
        caption += f" The dotted line is {named(baseline)}, {score:.2f} %."
    alt = f"Test {metric}: " + listed([f"{named(c)} {_accuracy_text(c)}" for c in shown], 12) + "."
    return [subject.picture("accuracy", f"Test {metric}", caption + left_out(shown, found), alt, figure)]


def costs(subject: Subject) -> list[Picture]:
    found = subject.having("peak_memory_mb", "model_bytes")
    shown = sorted(found[:MOST_BARS], key=lambda configuration: configuration.mean("peak_memory_mb"))
    if not shown:
        return []
    measures = [
        ("peak memory (MB)", lambda c: c.mean("peak_memory_mb"), "{:,.0f}"),
        ("model size (MB)", lambda c: c.mean("model_bytes") / 1e6, "{:,.2f}"),
    ]
    if set(shown) <= set(subject.having("fit_energy_joules")):
        measures.append(("energy of the fit (J)", lambda c: c.mean("fit_energy_joules"), "{:,.0f}"))
    figure = new_figure(WIDTH, 70 + 20 * len(shown))
    for axes, (label, measure, form) in zip(figure.subplots(1, len(measures), sharey=True), measures, strict=True):
        values = [measure(configuration) for configuration in shown]
        _draw_bars(axes, shown, values)
        for k, value in enumerate(values):
            axes.annotate(
                form.format(value), (value, k), xytext=(3, 0), textcoords="offset points", va="center_baseline",
                fontsize=9,
            )  # fmt: skip
        axes.set(xlim=(0, 1.4 * max(values) or 1), xlabel=label)
        axes.xaxis.get_major_locator().set_params(nbins=4)
    _family_legend(figure, shown, bars=True)
    caption = (
        "Peak memory is that of the whole process, libraries and images included; the model's size is that of the "
        "fitted pipeline, pickled."
    )
    texts = [f"{named(c)} " + ", ".join(form.format(measure(c)) for _, measure, form in measures) for c in shown]
    alt = f"Costs, as {', '.join(label for label, _, _ in measures)}: " + listed(texts, 12, "; ") + "."
    return [subject.picture("costs", "Memory and model size", caption + left_out(shown, found), alt, figure)]


def pareto_front(costs: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Numbers of the points, cheapest first, that no other beats: none costs at most as much and gains more, or costs
    less and gains at least as much."""
    front: list[int] = []
    for k in np.lexsort([-np.asarray(gains), costs]):
        if not front or gains[k] > gains[front[-1]] or (costs[k], gains[k]) == (costs[front[-1]], gains[front[-1]]):
            front.append(int(k))
    return np.array(front, dtype=int)


def _against_time(
    subject: Subject,
    found: list[Configuration],
    what: str,
    unit: str,
    measure: Callable[[Configuration], float],
    form: Callable[[float], str],
) -> list[Picture]:
    if not found:
        return []
    shown, metric = best_on_test_images_first(found), METRIC_NAMES[subject.dataset_study.metric]
    times = np.array([measure(configuration) for configuration in shown])
    accuracies = np.array([configuration.mean(configuration.test_figure) for configuration in shown])
    front = pareto_front(times, accuracies)
    taken = subject.dataset_study.advice.taken
    figure = new_figure(TIME_WIDTH, TIME_HEIGHT)
    axes = figure.subplots()
    of_fit = what == "fit time"
    budget = [subject.time_budget] if of_fit and subject.time_budget is not None else []
    intervals = np.array([configuration.interval for configuration in shown])
    _set_scales(axes, np.append(times, budget), 100 * intervals)
    axes.set(xlabel=unit, ylabel=f"test {metric}, %")
    for seconds in budget:
        axes.axvline(seconds, color=INK, linewidth=1, linestyle=":", zorder=1)
    lines = _draw_front(axes, times[front], 100 * accuracies[front])
    for configuration, time, accuracy in zip(shown, times, accuracies, strict=True):
        lines += _draw_point(axes, configuration, time, 100 * accuracy, hollow=of_fit and _over_budget(configuration))
        if configuration is taken:
            axes.plot([time], [100 * accuracy], **TAKEN)
    _family_legend(figure, shown, bars=False)
    names = [named(configuration, LONGEST_NAME) for configuration in shown]
    labelled, crowded = np.arange(len(shown)), len(shown) > MOST_LABELS or sum(map(len, names)) > MOST_LETTERS
    if crowded:
        told = [taken, *(each for question in subject.dataset_study.questions for each in question.named)]
        labelled = np.array([k for k in labelled if k in front or any(shown[k] is each for each in told)])
    points = np.stack([times[labelled], 100 * accuracies[labelled]], axis=1)
    _draw_labels(figure, axes, [names[k] for k in labelled], points, np.array(lines))
    figures = [f"{named(shown[k])} {form(times[k])}, {percent(accuracies[k])}" for k in range(len(shown))]
    alt = f"Test {metric} against {what}. From the fastest to the best, none beats: "
    alt += listed([figures[k] for k in front], separator="; ") + "."
    if len(front) < len(shown):
        others = [figures[k] for k in range(len(shown)) if k not in front]
        alt += f" The others: {listed(others, separator='; ')}."
    if any(each is taken for each in shown):
        alt += f" What to take: {named(taken)}."
    caption = _time_caption(shown, crowded) + (_budget_words(subject, shown) if of_fit else "")
    name = f"accuracy-{what.replace(' ', '-')}"
    return [subject.picture(name, f"Test {metric} against {what}", caption, alt, figure)]


def _time_caption(shown: list[Configuration], crowded: bool) -> str:
    caption = "Up and to the left is better. The line joins those that none beats in both; whiskers are 95 % intervals."
    if crowded:
        caption += " They alone have names here, and those that the answer compares."
    if any(configuration.n_trainings > 1 for configuration in shown):
        caption += " Points are means over the seeds."
    return caption


def _budget_words(subject: Subject, shown: list[Configuration]) -> str:
    over = listed(sorted(named(configuration) for configuration in shown if _over_budget(configuration)))
    if subject.time_budget is None:  # a sweep has several
        return f" Hollow points are over their time budget: {over}." if over else ""
    line = f" The dotted line is the time budget of {subject.time_budget:g} s"
    return f"{line}; hollow points are over it: {over}." if over else f"{line}."


def _over_budget(configuration: Configuration) -> bool:
    return any(result.over_budget for result in configuration.results)


def _draw_front(axes, times: np.ndarray, accuracies: np.ndarray) -> list[tuple]:
    """The front as steps; their segments x0, y0, x1, y1. After its end it goes on: more time buys no more."""
    x, y = np.append(times, axes.get_xlim()[1]), np.append(accuracies, accuracies[-1])
    axes.step(x, y, where="post", color=INK, linewidth=1, alpha=0.6)
    return [*zip(x[:-1], y[:-1], x[1:], y[:-1], strict=True), *zip(x[1:], y[:-1], x[1:], y[1:], strict=True)]


def _draw_point(axes, configuration: Configuration, x: float, y: float, hollow: bool) -> list[tuple]:
    """A marker, and a whisker for the interval, whose segment comes back."""
    color, (low, high) = family_color(configuration.family), (100 * bound for bound in configuration.interval)
    axes.plot([x, x], [low, high], color=color, linewidth=1.2, alpha=0.7, marker="_", markersize=5)
    axes.plot(
        [x], [y], marker=family_marker(configuration.family), color=color, markersize=7, linestyle="none",
        markerfacecolor="none" if hollow else color,
    )  # fmt: skip
    return [(x, low, x, high)]


def _set_scales(axes, times: np.ndarray, accuracies: np.ndarray) -> None:
    """A log axis with room for names at both ends, and accuracies with a little air."""
    low, high = np.log10([times.min(), times.max()])
    margin = max(0.15 * (high - low), 0.4)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (low - margin), 10 ** (high + margin))
    air = max(0.12 * np.ptp(accuracies), 0.2)
    axes.set_ylim(accuracies.min() - air, accuracies.max() + air)
    set_log_ticks(axes.xaxis)


def _draw_labels(figure, axes, names: list[str], points: np.ndarray, lines: np.ndarray) -> None:
    """Names beside points (n, 2), clear of lines x0, y0, x1, y1; both as the axes have them."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    points = axes.transData.transform(points)
    sizes = np.array([_text_size(figure, name) for name in names])
    ends = np.stack([axes.transData.transform(lines[:, :2]), axes.transData.transform(lines[:, 2:])])
    lines = np.hstack([ends.min(axis=0) - 1, ends.max(axis=0) + 1])
    frame = axes.get_window_extent()
    right, top = figure.bbox.x1 - 2, figure.bbox.y1 - 2  # names may lie beside the frame, but not on its ticks
    boxes = place_labels(points, sizes, (frame.x0 + 2, frame.y0 + 2, right, top), lines)
    for name, point, box in zip(names, points, boxes, strict=True):
        # A page's font may be narrower than ours: the text stays at the side that faces its point.
        side = "left" if box[0] >= point[0] else "right" if box[2] <= point[0] else "center"
        anchor = {"left": box[0], "right": box[2], "center": (box[0] + box[2]) / 2}[side]
        axes.text(
            anchor, (box[1] + box[3]) / 2, name, transform=None, ha=side, va="center_baseline", fontsize=9.5,
            clip_on=False,
        )  # fmt: skip
        if needs_leader(point, box):
            end = nearest(point, box)
            axes.plot(*np.stack([point, end]).T, transform=None, color=INK, linewidth=0.6, alpha=0.5, zorder=1)


def _text_size(figure, text: str) -> tuple[float, float]:
    drawn = figure.text(0, 0, text, fontsize=9.5)
    extent = drawn.get_window_extent()
    drawn.remove()
    return extent.width + 2, 12.0


def _draw_bars(axes, shown: list[Configuration], values: list[float]) -> None:
    for k, (configuration, value) in enumerate(zip(shown, values, strict=True)):
        axes.barh(k, value, 0.7, **bar_style(configuration.family))
    axes.set_yticks(range(len(shown)), [named(configuration, LONGEST_NAME) for configuration in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")


def _family_legend(figure, shown: list[Configuration], bars: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    families = sorted({configuration.family for configuration in shown})
    if bars:
        handles = [Patch(label=family, **bar_style(family)) for family in families]
    else:
        handles = [
            Line2D([], [], linestyle="none", marker=family_marker(f), color=family_color(f), markersize=7, label=f)
            for f in families
        ]
        handles.append(Line2D([], [], label="what to take", **TAKEN))
    legend_below(figure, handles)


def _accuracy_text(configuration: Configuration) -> str:
    mean, spread = configuration.mean(configuration.test_figure), configuration.spread(configuration.test_figure)
    return f"{accuracy_text((mean, spread))} ({interval_text(configuration.interval)})"
