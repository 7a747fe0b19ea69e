"""Learning curves of a sweep, drawn by matplotlib."""

import io

import numpy as np

from cvclassic.harmless import harmless
from cvclassic.study.study import Configuration, DatasetStudy

LONGEST_LABEL = 60


def learning_curves(dataset: DatasetStudy) -> bytes | None:
    """The training histories on a data set as a PNG: loss (training dashed, validation solid) and validation accuracy
    by epoch, a color per configuration and a line per seed; None where no job has a history."""
    shown = [each for each in dataset.configurations if any(result.history for result in each.results)]
    if not shown:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for each, color in zip(shown, _colors(len(shown)), strict=True):
        label = f"{each.name}, {each.n_train:,} images" if dataset.study.has_sizes else each.name
        _draw(loss, accuracy, each, color, _plain(label))
    loss.set(xlabel="epoch", ylabel="loss (training dashed)", yscale="log")
    accuracy.set(xlabel="epoch", ylabel="validation accuracy")
    for axes in (loss, accuracy):
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(_plain(dataset.name))
    figure.legend(loc="outside right upper", fontsize="small")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _plain(text: str) -> str:
    """A name that fits, and that matplotlib takes for no formula."""
    return harmless(text)[:LONGEST_LABEL].replace("$", "\\$")


def _draw(loss, accuracy, configuration: Configuration, color, label: str) -> None:
    loss.plot([], [], color=color, label=label)  # one entry in the legend, however many seeds
    for result in configuration.results:
        for axes, key, style in ((loss, "loss", "--"), (loss, "val_loss", "-"), (accuracy, "val_accuracy", "-")):
            values = (result.history or {}).get(key, [])
            axes.plot(range(1, len(values) + 1), values, style, color=color, linewidth=1)


def _colors(n: int) -> np.ndarray:
    from matplotlib import colormaps

    return colormaps["tab10"](range(n)) if n <= 10 else colormaps["viridis"](np.linspace(0, 0.9, n))
