"""What accuracy costs: against fit time and prediction time, as bars with intervals, and memory beside model size."""

from collections.abc import Callable

import numpy as np

from cvclassic.report.pictures import Picture
from cvclassic.report.pictures.labels import nearest, needs_leader, place_labels
from cvclassic.report.pictures.style import (
    FAMILY_COLORS,
    FAMILY_HATCHES,
    FAMILY_MARKERS,
    INK,
    WIDTH,
    legend_below,
    listed,
    new_figure,
    set_log_ticks,
    short,
)
from cvclassic.report.pictures.subject import Subject, family_of
from cvclassic.report.summary import percent
from cvclassic.report.sweep import Setting

MOST_LABELS = 20  # of points; with more of them those on the front alone have names
MOST_BARS = 40
LONGEST_NAME = 30


def against_fit_time(subject: Subject) -> list[Picture]:
    def seconds(setting: Setting) -> float:
        return setting.mean("fit_seconds")

    settings = subject.having("fit_seconds")
    return _against_time(subject, settings, "fit time", "seconds to fit", seconds, lambda t: f"{t:,.3g} s")


def against_prediction_time(subject: Subject) -> list[Picture]:
    def microseconds(setting: Setting) -> float:
        return float(np.mean([1e6 / result.predict_images_per_second for result in setting.succeeded]))

    unit = "microseconds to predict an image"
    settings = subject.having("predict_images_per_second")
    return _against_time(subject, settings, "prediction time", unit, microseconds, lambda t: f"{t:,.3g} µs")


def bars(subject: Subject) -> list[Picture]:
    succeeded = subject.having("ci_low", "ci_high")
    settings = succeeded[:MOST_BARS]
    if not settings:
        return []
    figure = new_figure(WIDTH, 75 + 20 * len(settings))
    axes = figure.subplots()
    _draw_bars(axes, settings, [100 * s.mean("test_accuracy") for s in settings])
    lows, highs = np.array([_interval(setting) for setting in settings]).T
    for k, setting in enumerate(settings):
        axes.plot([100 * lows[k], 100 * highs[k]], [k, k], color=INK, linewidth=1.2, marker="|", markersize=6)
        axes.annotate(
            _accuracy_text(setting), (100 * max(highs[k], setting.mean("test_accuracy")), k), xytext=(6, 0),
            textcoords="offset points", va="center_baseline", fontsize=9,
        )  # fmt: skip
    axes.set(xlim=(0, 125), xticks=range(0, 101, 20), xlabel="test accuracy, %")
    _family_legend(figure, settings, bars=True)
    whisker = "the mean ± standard deviation over the seeds" if subject.seeds > 1 else "Wilson's 95 % interval"
    caption = f"Share of the test images that are classified rightly; the whisker is {whisker}."
    caption += f" The {MOST_BARS} best of {len(succeeded)} settings." if len(succeeded) > MOST_BARS else ""
    alt = "Test accuracy: " + listed([f"{s.name} {_accuracy_text(s)}" for s in settings], 12) + "."
    return [subject.picture("accuracy", "Test accuracy", caption, alt, figure)]


def costs(subject: Subject) -> list[Picture]:
    settings = subject.having("peak_memory_mb", "model_bytes")[:MOST_BARS]
    if not settings:
        return []
    settings.sort(key=lambda setting: setting.mean("peak_memory_mb"))
    measures = [
        ("peak memory (MB)", lambda s: s.mean("peak_memory_mb"), "{:,.0f}"),
        ("model size (MB)", lambda s: s.mean("model_bytes") / 1e6, "{:,.2f}"),
    ]
    if all(setting in subject.having("fit_energy_joules") for setting in settings):
        measures.append(("energy of the fit (J)", lambda s: s.mean("fit_energy_joules"), "{:,.0f}"))
    figure = new_figure(WIDTH, 70 + 20 * len(settings))
    for axes, (label, measure, form) in zip(figure.subplots(1, len(measures), sharey=True), measures, strict=True):
        values = [measure(setting) for setting in settings]
        _draw_bars(axes, settings, values)
        for k, value in enumerate(values):
            axes.annotate(
                form.format(value), (value, k), xytext=(3, 0), textcoords="offset points", va="center_baseline",
                fontsize=9,
            )  # fmt: skip
        axes.set(xlim=(0, 1.4 * max(values)), xlabel=label)
        axes.xaxis.get_major_locator().set_params(nbins=4)
    _family_legend(figure, settings, bars=True)
    caption = (
        "Peak memory is that of the whole process, libraries and images included; the model's size is that of the "
        "fitted pipeline, pickled."
    )
    texts = [f"{s.name} " + ", ".join(form.format(m(s)) for _, m, form in measures) for s in settings]
    alt = f"Costs, as {', '.join(label for label, _, _ in measures)}: " + listed(texts, 12, "; ") + "."
    return [subject.picture("costs", "Memory and model size", caption, alt, figure)]


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
    settings: list[Setting],
    what: str,
    unit: str,
    measure: Callable[[Setting], float],
    form: Callable[[float], str],
) -> list[Picture]:
    if not settings:
        return []
    times = np.array([measure(setting) for setting in settings])
    accuracies = np.array([setting.mean("test_accuracy") for setting in settings])
    front = pareto_front(times, accuracies)
    over = _over_budget(subject) if what == "fit time" else set()
    figure = new_figure(WIDTH, 340)
    axes = figure.subplots()
    _set_scales(axes, times, 100 * accuracies)
    axes.set(xlabel=unit, ylabel="test accuracy, %")
    budget = subject.run.config.get("time_budget")
    if budget and what == "fit time":
        axes.axvline(budget, color=INK, linewidth=1, linestyle=":", zorder=1)
    lines = _draw_front(axes, times[front], 100 * accuracies[front])
    for setting, time, accuracy in zip(settings, times, accuracies, strict=True):
        lines += _draw_point(axes, setting, time, 100 * accuracy, hollow=setting.name in over)
    _family_legend(figure, settings, bars=False)
    named = np.arange(len(settings)) if len(settings) <= MOST_LABELS else front
    points = np.stack([times[named], 100 * accuracies[named]], axis=1)
    _draw_labels(figure, axes, [settings[k].name for k in named], points, np.array(lines))
    names = [settings[k].name for k in front]
    figures = [f"{settings[k].name} {form(times[k])}, {percent(accuracies[k])}" for k in range(len(settings))]
    alt = f"Test accuracy against {what}. From the fastest to the best, none beats: "
    alt += listed([figures[k] for k in front], separator="; ") + "."
    if len(front) < len(settings):
        others = [figures[k] for k in range(len(settings)) if k not in front]
        alt += f" The others: {listed(others, separator='; ')}."
    title, caption = f"Test accuracy against {what}", _time_caption(subject, names, over, what)
    return [subject.picture(f"accuracy-{what.replace(' ', '-')}", title, caption, alt, figure)]


def _time_caption(subject: Subject, front: list[str], over: set[str], what: str) -> str:
    caption = f"Up and to the left is better. The line joins those that none beats in both: {listed(front)}."
    if len(subject.settings) > MOST_LABELS:
        caption += " They alone have names here."
    if subject.seeds > 1:
        caption += " Points are means over the seeds, with the standard deviation of the accuracy."
    budget = subject.run.config.get("time_budget")
    if budget and what == "fit time":
        caption += f" The dotted line is the time budget of {budget:g} s"
        caption += f"; hollow points are over it: {listed(sorted(over))}." if over else "."
    return caption


def _over_budget(subject: Subject) -> set[str]:
    return {s.name for s in subject.settings if any(getattr(r, "over_budget", None) for r in s.succeeded)}


def _draw_front(axes, times: np.ndarray, accuracies: np.ndarray) -> list[tuple]:
    """The front as steps; their segments x0, y0, x1, y1. After its end it goes on: more time buys no more."""
    x, y = np.append(times, axes.get_xlim()[1]), np.append(accuracies, accuracies[-1])
    axes.step(x, y, where="post", color=INK, linewidth=1, alpha=0.6)
    return [*zip(x[:-1], y[:-1], x[1:], y[:-1], strict=True), *zip(x[1:], y[:-1], x[1:], y[1:], strict=True)]


def _draw_point(axes, setting: Setting, x: float, y: float, hollow: bool) -> list[tuple]:
    """A marker, and a line for the spread over seeds, whose segment comes back."""
    family = family_of(setting)
    color, spread = FAMILY_COLORS[family], 100 * (setting.spread("test_accuracy") or 0.0)
    axes.plot([x, x], [y - spread, y + spread], color=color, linewidth=1.2, alpha=0.7)
    axes.plot(
        [x], [y], marker=FAMILY_MARKERS[family], color=color, markersize=7, linestyle="none",
        markerfacecolor="none" if hollow else color,
    )  # fmt: skip
    return [(x, y - spread, x, y + spread)]


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
    names = [short(name, LONGEST_NAME) for name in names]
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


def _draw_bars(axes, settings: list[Setting], values: list[float]) -> None:
    for k, (setting, value) in enumerate(zip(settings, values, strict=True)):
        axes.barh(k, value, 0.7, **_bar_style(family_of(setting)))
    axes.set_yticks(range(len(settings)), [short(setting.name, LONGEST_NAME) for setting in settings])
    axes.set_ylim(len(settings) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")


def _bar_style(family: str) -> dict:
    from matplotlib.colors import to_rgba

    color, hatch = FAMILY_COLORS[family], FAMILY_HATCHES[family]
    return {"facecolor": "none" if hatch else to_rgba(color, 0.6), "edgecolor": color, "hatch": hatch, "linewidth": 1}


def _family_legend(figure, settings: list[Setting], bars: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    families = [family for family in FAMILY_COLORS if any(family_of(setting) == family for setting in settings)]
    if bars:
        handles = [Patch(label=family, **_bar_style(family)) for family in families]
    else:
        handles = [
            Line2D([], [], linestyle="none", marker=FAMILY_MARKERS[f], color=FAMILY_COLORS[f], markersize=7, label=f)
            for f in families
        ]
    legend_below(figure, handles)


def _interval(setting: Setting) -> tuple[float, float]:
    """Wilson's of the one result; of several, mean ± standard deviation."""
    spread = setting.spread("test_accuracy")
    if spread is None:
        (result,) = setting.succeeded
        return result.ci_low, result.ci_high
    return setting.mean("test_accuracy") - spread, setting.mean("test_accuracy") + spread


def _accuracy_text(setting: Setting) -> str:
    spread = setting.spread("test_accuracy")
    if spread is None:
        low, high = _interval(setting)
        return f"{percent(setting.mean('test_accuracy'))} ({100 * low:.2f} – {100 * high:.2f})"
    return f"{100 * setting.mean('test_accuracy'):.2f} ± {100 * spread:.2f} %"
