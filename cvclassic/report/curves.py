"""Learning curves of a sweep, drawn by matplotlib."""

import numpy as np

from cvclassic.experiment.result import Run, write_whole
from cvclassic.report.sweep import Setting, has_sizes, settings_of


def write_learning_curves(run: Run, dataset: dict) -> str | None:
    """Draw the training histories on a data set into the run's folder.

    Loss (training dashed, validation solid) and validation accuracy by epoch, a color per setting and a line per seed.

    Returns
    -------
    The name of the file, or None where no job has a history.
    """
    settings = [s for s in settings_of(run, dataset) if any(r.history for r in s.succeeded)]
    if not settings:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    colors = _colors(len(settings))
    for setting, color in zip(settings, colors, strict=True):
        label = f"{setting.name}, {setting.n_train:,} images" if has_sizes(run) else setting.name
        _draw(loss, accuracy, setting, color, label)
    loss.set(xlabel="epoch", ylabel="loss (training dashed)", yscale="log")
    accuracy.set(xlabel="epoch", ylabel="validation accuracy")
    for axes in (loss, accuracy):
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(dataset["name"])
    figure.legend(loc="outside right upper", fontsize="small")
    name = f"learning_curves_{dataset['name']}.png"
    write_whole(run.folder / name, lambda file: figure.savefig(file, format="png", dpi=120))
    return name


def _draw(loss, accuracy, setting: Setting, color, label: str) -> None:
    loss.plot([], [], color=color, label=label)  # one entry in the legend, however many seeds
    for result in setting.succeeded:
        for axes, key, style in ((loss, "loss", "--"), (loss, "val_loss", "-"), (accuracy, "val_accuracy", "-")):
            values = result.history.get(key, [])
            axes.plot(range(1, len(values) + 1), values, style, color=color, linewidth=1)


def _colors(n: int) -> np.ndarray:
    from matplotlib import colormaps

    return colormaps["tab10"](range(n)) if n <= 10 else colormaps["viridis"](np.linspace(0, 0.9, n))
