"""Curves: of training, of accuracy against the number of training images, and against the strength of corruptions."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from cvclassic.experiment.result import Result, Run
from cvclassic.report.pictures import Picture
from cvclassic.report.pictures.style import (
    INK,
    WIDTH,
    legend_below,
    listed,
    new_figure,
    series_style,
    set_log_ticks,
    short,
)
from cvclassic.report.pictures.subject import Subject, family_of
from cvclassic.report.summary import percent
from cvclassic.report.sweep import Setting

MOST_LINES = 10
MOST_NETWORKS = 6
LONGEST_NAME = 34


def learning_curves(subject: Subject) -> list[Picture]:
    """Loss, accuracy and learning rate by epoch of the networks, a line per seed."""
    trained = [s for s in subject.settings if any(result.history for result in s.succeeded)]
    settings = trained[:MOST_NETWORKS]
    if not settings:
        return []
    rated = any("learning_rate" in result.history for s in settings for result in _with_history(s))
    figure = new_figure(WIDTH, 400 + 16 * len(settings) + (90 if rated else 0))
    panels = figure.subplots(3 if rated else 2, 1, sharex=True, height_ratios=[2, 2, 1][: 3 if rated else 2])
    for number, setting in enumerate(settings):
        for result in _with_history(setting):
            _draw_training(panels, subject.run, result, series_style(number))
    _scale_training(panels)
    legend_below(figure, _training_legend(settings))
    caption = (
        "Training dashed, validation solid. A large ring is the epoch whose weights were kept, a triangle the epoch "
        "from which the validation loss rose while the training loss fell on, a cross the end of a training that "
        "stopped before its last epoch."
    )
    if len(trained) > len(settings):
        caption += f" The {len(settings)} of best test accuracy out of {len(trained)}."
    alt = "Learning curves. " + " ".join(_training_text(subject.run, setting) for setting in settings)
    return [subject.picture("learning-curves", "Learning curves", caption, alt, figure)]


def against_training_images(subject: Subject) -> list[Picture]:
    """Test accuracy against training images, a line per setting, where the run has several sizes."""
    if len(subject.sizes) < 2:
        return []
    lines = _lines(subject)
    settings = subject.settings[:MOST_LINES]
    figure = new_figure(WIDTH, 330 + 9 * len(settings))
    axes = figure.subplots()
    for setting in settings:
        at = lines[setting.name]
        means, spreads = (np.array([100 * at[n][k] for n in at]) for k in (0, 1))
        style = series_style(subject.settings.index(setting))
        axes.plot(list(at), means, label=_in_legend(setting), **style)
        if spreads.any():
            axes.fill_between(list(at), means - spreads, means + spreads, color=style["color"], alpha=0.15, linewidth=0)
    axes.set(xscale="log", xlabel="training images", ylabel="test accuracy, %")
    axes.set_xticks(subject.sizes, [f"{n:,}" for n in subject.sizes], rotation=90 if len(subject.sizes) > 7 else 0)
    axes.xaxis.minorticks_off()
    legend_below(figure)
    crossing = where_they_cross(subject.run, subject.dataset)
    caption = "All sizes are tested on the same images." + (f" {crossing}" if crossing else "")
    if subject.seeds > 1:
        caption += " Lines are means over the seeds, bands their standard deviation."
    if len(settings) < len(subject.settings):
        caption += f" The {len(settings)} settings that are best with all training images."
    ends = [f"{s.name} {_ends(lines[s.name])}" for s in settings]
    alt = f"Test accuracy against training images. {crossing} " + listed(ends, MOST_LINES, "; ") + "."
    return [subject.picture("training-images", "Accuracy against training images", caption, alt, figure)]


def against_corruptions(subject: Subject) -> list[Picture]:
    """Accuracy on changed test images, a panel per corruption, where the run has them."""
    measured = [s for s in subject.settings if all(getattr(r, "corruptions", None) for r in s.succeeded)]
    if not measured:
        return []
    measured.sort(key=_mean_corruption_error)
    settings = measured[:MOST_LINES]
    names = list(settings[0].succeeded[0].corruptions)
    rows = -(-len(names) // 2)
    figure = new_figure(WIDTH, 30 + 125 * rows + 9 * len(settings))
    panels = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        for setting in settings:
            label = _in_legend(setting) if name == names[0] else None
            style = series_style(subject.settings.index(setting)) | {"markersize": 3.5}
            axes.plot(range(6), 100 * _under(setting, name), label=label, **style)
        axes.set_title(short(name.replace("_", " "), 30))
        axes.set_xticks(range(6))
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes in panels[: len(names)][-2:]:
        axes.set_xlabel("strength")
        axes.tick_params(labelbottom=True)
    figure.supylabel("test accuracy, %", fontsize=10)
    legend_below(figure)
    errors = [f"{s.name} {percent(_mean_corruption_error(s))}" for s in settings]
    caption = "Each fitted pipeline on changed copies of the test images, of strengths 1 to 5; 0 is the image as it is."
    alt = f"Accuracy under {len(names)} corruptions. Mean error over all of them: {listed(errors, MOST_LINES)}."
    return [subject.picture("corruptions", "Robustness", caption, alt, figure)]


def where_they_cross(run: Run, dataset: dict) -> str:
    """Whether, and where, the lines of accuracy against training images cross: of the best classical and neural ones.

    The best are those with the highest mean test accuracy at the largest size, without a neural one the best hybrid.

    Returns
    -------
    str
        A sentence, or "" where the run has not both or not several sizes.
    """
    subject = Subject(run, dataset)
    pair = [subject.best("classical"), subject.best("neural", "hybrid")] if subject.settings else []
    if len(subject.sizes) < 2 or len(pair) < 2 or None in pair:
        return ""
    lines = _lines(subject)
    first, second = ({n: mean for n, (mean, _) in lines[s.name].items()} for s in pair)
    names = [setting.name for setting in pair]
    shared = sorted(first.keys() & second.keys())
    if len(shared) < 2:
        return ""
    found = crossings(first, second)
    if found:
        passes = [
            f"{names[0 if first[after] > second[after] else 1]} overtakes between {before:,} and {after:,}"
            for before, after in found
        ]
        return f"{names[0]} and {names[1]} cross: {listed(passes)} training images."
    leads = sum(np.sign(first[n] - second[n]) for n in shared)
    if not leads:
        return f"{names[0]} and {names[1]} are level at all sizes."
    ahead, behind = names if leads > 0 else names[::-1]
    return f"{ahead} and {behind} do not cross: {ahead} is ahead from {shared[0]:,} to {shared[-1]:,} training images."


def crossings(first: Mapping[int, float], second: Mapping[int, float]) -> list[tuple[int, int]]:
    """Between which training sizes two curves cross.

    Parameters
    ----------
    first, second : mapping from training size to accuracy
        Only sizes that both have count.

    Returns
    -------
    list of (before, after)
        Of each crossing the last size at which one is ahead and the next at which the other is; sizes at which they
        are equal may lie between.
    """
    ahead = [(n, first[n] > second[n]) for n in sorted(first.keys() & second.keys()) if first[n] != second[n]]
    return [(a, b) for (a, before), (b, after) in pairwise(ahead) if before != after]


def best_epoch(history: Mapping[str, list[float]], monitor: str) -> int | None:
    """The epoch, counted from 0, whose weights are kept: the best of the monitored figure; None without that."""
    values = history.get(monitor)
    if not values:
        return None
    return int(np.argmin(values) if monitor.endswith("loss") else np.argmax(values))


def overfit_epoch(history: Mapping[str, list[float]]) -> int | None:
    """Where the validation loss turned while the training loss fell on, as `cvclassic.neural`'s OverfitWatch marks it.

    The first epoch, counted from 0, after the lowest validation loss, if two epochs in a row came after it with a
    training loss below that epoch's.
    """
    validation = history.get("val_loss")
    if not validation:
        return None
    best = int(np.argmin(validation))
    fell = np.array(history["loss"][best + 1 :]) < history["loss"][best]
    return best + 1 if np.any(fell[1:] & fell[:-1]) else None


def _with_history(setting: Setting) -> list[Result]:
    return [result for result in setting.succeeded if result.history]


def _draw_training(panels, run: Run, result: Result, style: dict) -> None:
    history, color = result.history, style["color"]
    epochs = np.arange(1, len(history["loss"]) + 1)
    every = max(1, len(epochs) // 8)
    solid = style | {"markevery": every}
    dashed = {"color": color, "linewidth": 1, "linestyle": (0, (4, 2)), "alpha": 0.8}
    for axes, figure, scale in ((panels[0], "loss", 1), (panels[1], "accuracy", 100)):
        if figure in history:
            axes.plot(epochs, scale * np.array(history[figure]), **dashed)
        if f"val_{figure}" in history:
            axes.plot(epochs, scale * np.array(history[f"val_{figure}"]), **solid)
    if len(panels) == 3 and "learning_rate" in history:
        panels[2].plot(epochs, history["learning_rate"], **solid, drawstyle="steps-mid")
    for epoch, marker, size in (
        (best_epoch(history, _stack_of(run, result).get("monitor", "val_loss")), "o", 11),
        (overfit_epoch(history), "v", 10),
        (len(epochs) - 1 if _stopped_early(run, result) else None, "x", 9),
    ):
        if epoch is not None:
            _mark(panels, history, epoch, marker, size, color)


def _scale_training(panels) -> None:
    panels[0].set(ylabel="loss")
    panels[1].set(ylabel="accuracy, %")
    low, high = panels[0].dataLim.intervaly
    if high > 4 * low > 0:
        panels[0].set_yscale("log")
        set_log_ticks(panels[0].yaxis)
    if len(panels) == 3:
        panels[2].set(ylabel="learning rate", yscale="log")
        low, high = np.log10(panels[2].dataLim.intervaly)
        panels[2].set_ylim(10 ** np.floor(low - 0.05), 10 ** np.ceil(high + 0.05))  # a constant one needs ticks too
        set_log_ticks(panels[2].yaxis)
    last = int(panels[0].dataLim.x1)
    panels[-1].set(xlabel="epoch", xticks=range(1, last + 1, -(-last // 12)))


def _mark(panels, history: Mapping[str, list[float]], epoch: int, marker: str, size: float, color: str) -> None:
    for axes, figure, scale in ((panels[0], "loss", 1), (panels[1], "accuracy", 100)):
        values = history.get(f"val_{figure}", history.get(figure))
        if values:
            axes.plot(
                epoch + 1, scale * values[epoch], marker=marker, markersize=size, markeredgecolor=color,
                markeredgewidth=1.5, markerfacecolor="none", linestyle="none",
            )  # fmt: skip


def _training_legend(settings: list[Setting]) -> list:
    from matplotlib.lines import Line2D

    marks = (
        ("weights kept", {"marker": "o", "markersize": 9}),
        ("overfitting begins", {"marker": "v", "markersize": 8}),
        ("stopped early", {"marker": "x", "markersize": 7}),
    )
    lines = [
        Line2D([], [], label=short(setting.name, LONGEST_NAME), **series_style(number))
        for number, setting in enumerate(settings)
    ]
    dashed = Line2D([], [], color=INK, linewidth=1, linestyle=(0, (4, 2)), label="training")
    solid = Line2D([], [], color=INK, linewidth=1.3, label="validation")
    points = [
        Line2D([], [], linestyle="none", markerfacecolor="none", markeredgecolor=INK, label=label, **mark)
        for label, mark in marks
    ]
    return [*lines, dashed, solid, *points]


def _training_text(run: Run, setting: Setting) -> str:
    """The training of the first seed in a sentence."""
    result = _with_history(setting)[0]
    history, n = result.history, len(result.history["loss"])
    best = best_epoch(history, _stack_of(run, result).get("monitor", "val_loss"))
    text = f"{setting.name}: {n} epochs" + (", stopped early" if _stopped_early(run, result) else "")
    if best is not None:
        text += f"; the weights of epoch {best + 1} were kept"
        if "val_accuracy" in history:
            text += f", validation accuracy {percent(history['val_accuracy'][best])}"
    turn = overfit_epoch(history)
    return text + (f"; overfitting from epoch {turn + 1}." if turn is not None else ".")


def _stack_of(run: Run, result: Result) -> dict:
    """The training stack of a job: its pipeline's own or the run's, with the job's settings."""
    own = run.config["pipelines"][result.pipeline]["stack"]
    return run.config["stack"] | result.settings if own is None else own


def _stopped_early(run: Run, result: Result) -> bool:
    epochs = _stack_of(run, result).get("epochs")
    return epochs is not None and len(result.history["loss"]) < int(epochs)


def _lines(subject: Subject) -> dict[str, dict[int, tuple[float, float]]]:
    """Mean and standard deviation (0 for one seed) of the test accuracy by setting's name and training size."""
    lines: dict[str, dict[int, tuple[float, float]]] = {}
    for n in subject.sizes:
        for setting in subject.settings_at(n):
            at = lines.setdefault(setting.name, {})
            at[n] = setting.mean("test_accuracy"), setting.spread("test_accuracy") or 0.0
    return lines


def _ends(at: Mapping[int, tuple[float, float]]) -> str:
    sizes = list(at)
    texts = [f"{percent(at[n][0])} with {n:,}" for n in dict.fromkeys((sizes[0], sizes[-1]))]
    return " to ".join(texts)


def _in_legend(setting: Setting) -> str:
    return f"{short(setting.name, LONGEST_NAME)} ({family_of(setting)})"


def _under(setting: Setting, corruption: str) -> np.ndarray:
    """Mean accuracies over the seeds: of the test images as they are, then of each strength."""
    runs = [[result.test_accuracy, *result.corruptions[corruption]] for result in setting.succeeded]
    return np.mean(runs, axis=0)


def _mean_corruption_error(setting: Setting) -> float:
    return float(np.mean([1 - np.mean(list(result.corruptions.values())) for result in setting.succeeded]))
