"""Curves: of training, of accuracy against the number of training images, and against the strength of corruptions."""

from collections.abc import Mapping

import numpy as np

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
from cvclassic.report.pictures.subject import Subject, left_out, named
from cvclassic.runs.job import Result
from cvclassic.study.sizes import Curve, crossing_sentence, curves
from cvclassic.study.study import Configuration, DatasetStudy
from cvclassic.study.tables import METRIC_NAMES, percent

MOST_LINES = 10
MOST_NETWORKS = 6
LONGEST_NAME = 34


def learning_curves(subject: Subject) -> list[Picture]:
    """Loss, accuracy and learning rate by epoch of the networks, a line per seed or fold."""
    trained = [c for c in subject.configurations if _with_history(c)]
    shown = trained[:MOST_NETWORKS]
    if not shown:
        return []
    rated = any("learning_rate" in result.history for c in shown for result in _with_history(c))
    figure = new_figure(WIDTH, 400 + 16 * len(shown) + (90 if rated else 0))
    panels = figure.subplots(3 if rated else 2, 1, sharex=True, height_ratios=[2, 2, 1][: 3 if rated else 2])
    for number, configuration in enumerate(shown):
        for result in _with_history(configuration):
            _draw_training(panels, result, series_style(number))
    _scale_training(panels)
    legend_below(figure, _training_legend(shown))
    caption = (
        "Training dashed, validation solid. A large ring is the epoch whose weights were kept, a triangle the epoch "
        "from which the validation loss rose while the training loss fell on, a cross the end of a training that "
        "stopped before its last epoch, an arrow the end of one that was still learning: more steps would help it."
    )
    learning = [named(c) for c in shown if any(result.converged is False for result in _with_history(c))]
    if learning:
        caption += f" Still learning: {listed(learning, MOST_NETWORKS)}."
    alt = "Learning curves. " + " ".join(_training_text(configuration) for configuration in shown)
    return [subject.picture("learning-curves", "Learning curves", caption + left_out(shown, trained), alt, figure)]


def against_training_images(subject: Subject) -> list[Picture]:
    """Test accuracy against training images, a line per curve of the study, where the run has several sizes."""
    study = subject.dataset_study
    if len(study.sizes) < 2:
        return []
    found = curves(study)
    shown = found[:MOST_LINES]
    figure = new_figure(WIDTH, 330 + 9 * len(shown))
    axes = figure.subplots()
    for number, curve in enumerate(shown):
        style = series_style(number)
        means, spreads = 100 * np.array([[curve.points[n].accuracy, _spread(study, curve, n)] for n in curve.points]).T
        axes.plot(list(curve.points), means, label=_in_legend(curve), **style)
        if spreads.any():
            low, high = means - spreads, means + spreads
            axes.fill_between(list(curve.points), low, high, color=style["color"], alpha=0.15, linewidth=0)
    axes.set(xscale="log", xlabel="training images", ylabel=f"test {METRIC_NAMES[study.metric]}, %")
    axes.set_xticks(study.sizes, [f"{n:,}" for n in study.sizes], rotation=90 if len(study.sizes) > 7 else 0)
    axes.xaxis.minorticks_off()
    legend_below(figure)
    crossing = crossing_sentence(study)
    caption = f"All sizes are tested on the same images. {crossing}"
    if study.n_seeds > 1:
        caption += " Lines are means over the seeds, bands their standard deviation."
    caption += left_out(shown, found)
    ends = listed([_ends(curve) for curve in shown], MOST_LINES, "; ")
    alt = f"Test {METRIC_NAMES[study.metric]} against training images. {crossing} {ends}."
    return [subject.picture("training-images", "Accuracy against training images", caption, alt, figure)]


def against_corruptions(subject: Subject) -> list[Picture]:
    """Accuracy on changed test images, a panel per corruption, where the run has them."""
    found = subject.having("corruptions", "mean_corruption_error")
    if not found:
        return []
    shown = sorted(found[:MOST_LINES], key=lambda configuration: configuration.mean("mean_corruption_error"))
    names = list(shown[0].results[0].corruptions)
    rows = -(-len(names) // 2)
    figure = new_figure(WIDTH, 30 + 125 * rows + 9 * len(shown))
    panels = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        for configuration in shown:
            style = series_style(subject.configurations.index(configuration)) | {"markersize": 3.5}
            axes.plot(range(6), 100 * _under(configuration, name), label=_in_legend(configuration), **style)
        axes.set_title(short(name.replace("_", " "), 30))
        axes.set_xticks(range(6))
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes in panels[: len(names)][-2:]:
        axes.set_xlabel("strength")
        axes.tick_params(labelbottom=True)
    figure.supylabel("test accuracy, %", fontsize=10)
    legend_below(figure)
    errors = [f"{named(c)} {percent(c.mean('mean_corruption_error'))}" for c in shown]
    caption = "Each fitted pipeline on changed copies of the test images, of strengths 1 to 5; 0 is the image as it is."
    first = shown[0].results[0]
    if first.n_corrupted is not None and first.n_corrupted < first.n_test:
        caption += f" Strength 0 is measured on all {first.n_test:,} test images, the others on {first.n_corrupted:,}."
    alt = f"Accuracy under {len(names)} corruptions. Mean error over all of them: {listed(errors, MOST_LINES)}."
    return [subject.picture("corruptions", "Robustness", caption + left_out(shown, found), alt, figure)]


def _with_history(configuration: Configuration) -> list[Result]:
    """The results of its seeds or folds that have a loss of each epoch, and as many of each other figure."""
    found = [result for result in configuration.trainings if result.history and result.history.get("loss")]
    return [r for r in found if len({len(values) for values in r.history.values()}) == 1]


def _draw_training(panels, result: Result, style: dict) -> None:
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
    training = result.training
    for epoch, marker, size in (
        (training and training.best_epoch, "o", 11),
        (training and training.overfit_epoch, "v", 10),
        (len(epochs) - 1 if _stopped_early(result) else None, "x", 9),
        (len(epochs) - 1 if result.converged is False else None, ">", 9),
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
        low, high = np.log10([panels[2].dataLim.minposy, panels[2].dataLim.y1])  # a schedule may end at 0
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


def _training_legend(shown: list[Configuration]) -> list:
    from matplotlib.lines import Line2D

    marks = (
        ("weights kept", {"marker": "o", "markersize": 9}),
        ("overfitting begins", {"marker": "v", "markersize": 8}),
        ("stopped early", {"marker": "x", "markersize": 7}),
        ("still learning", {"marker": ">", "markersize": 7}),
    )
    lines = [
        Line2D([], [], label=named(configuration, LONGEST_NAME), **series_style(number))
        for number, configuration in enumerate(shown)
    ]
    dashed = Line2D([], [], color=INK, linewidth=1, linestyle=(0, (4, 2)), label="training")
    solid = Line2D([], [], color=INK, linewidth=1.3, label="validation")
    points = [
        Line2D([], [], linestyle="none", markerfacecolor="none", markeredgecolor=INK, label=label, **mark)
        for label, mark in marks
    ]
    return [*lines, dashed, solid, *points]


def _training_text(configuration: Configuration) -> str:
    """The training of the first seed in a sentence."""
    result = _with_history(configuration)[0]
    history, training = result.history, result.training
    text = f"{named(configuration)}: {len(history['loss'])} epochs"
    text += ", stopped early" if _stopped_early(result) else ""
    text += ", still learning" if result.converged is False else ""
    if training is None:
        return f"{text}."
    text += f"; the weights of epoch {training.best_epoch + 1} were kept"
    if "val_accuracy" in history:
        text += f", validation accuracy {percent(history['val_accuracy'][training.best_epoch])}"
    turn = training.overfit_epoch
    return text + (f"; overfitting from epoch {turn + 1}." if turn is not None else ".")


def _stopped_early(result: Result) -> bool:
    planned = result.training and result.training.planned_epochs
    return planned is not None and len(result.history["loss"]) < planned


def _spread(study: DatasetStudy, curve: Curve, n_train: int) -> float:
    """Standard deviation of a point over the seeds; 0 for a single one."""
    return next((each.spread(each.test_figure) for each in study.at(n_train) if each.name == curve.name), None) or 0.0


def _ends(curve: Curve) -> str:
    ends = dict.fromkeys((min(curve.points), max(curve.points)))
    return f"{named(curve)} " + " to ".join(f"{percent(curve.points[n].accuracy)} with {n:,}" for n in ends)


def _in_legend(contender: Configuration | Curve) -> str:
    return f"{named(contender, LONGEST_NAME)} ({contender.family})"


def _under(configuration: Configuration, corruption: str) -> np.ndarray:
    """Mean accuracies over the seeds: of the test images as they are, then of each strength."""
    runs = [[result.test_accuracy, *result.corruptions[corruption]] for result in configuration.results]
    return np.mean(runs, axis=0)
