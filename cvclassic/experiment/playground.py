"""The eight experiments of a neural playground, as sweeps that take less than two minutes each on two cores."""

import difflib
from dataclasses import dataclass, field
from typing import Any

from cvclassic.errors import InputError

EPOCHS = 8  # what the embedded digits need without normalization; preset quick has half as many


@dataclass(frozen=True)
class Experiment:
    """What one experiment runs: every combination of `sweep` on each pipeline and data set, with so many seeds.

    `settings` and `stack` hold for all of its jobs; the command line's own options replace them.
    """

    title: str
    sweep: dict[str, list[str]] = field(default_factory=dict)
    pipelines: tuple[str, ...] = ("mlp",)
    datasets: tuple[str, ...] = ("digits",)
    settings: dict[str, str] = field(default_factory=dict)
    stack: dict[str, Any] = field(default_factory=lambda: {"epochs": EPOCHS})
    repeats: int = 3


# A plain network, as in the textbooks: neither normalization nor dropout hides what depth, rate or activation do.
PLAIN = {"batch_normalization": "False", "dropout": "0"}

EXPERIMENTS = {
    "depth": Experiment("How many hidden layers?", {"depth": ["1", "2", "3", "5"]}, settings=PLAIN | {"width": "128"}),
    "width": Experiment("How many units?", {"width": ["8", "32", "128", "512"]}, settings=PLAIN | {"depth": "1"}),
    "input_features": Experiment(
        "Pixels, or features computed from them?",
        {"input_features": ["pixels", "sobel", "hog", "hog+color"]},
        pipelines=("features_mlp",),
    ),
    "batch_size": Experiment("Few images a step, or many?", {"batch_size": ["8", "32", "128", "512"]}, settings=PLAIN),
    "learning_rate": Experiment(
        "How long a step?",
        {"learning_rate": ["0.001", "0.01", "0.1", "0.5"]},
        settings=PLAIN,
        stack={"epochs": EPOCHS, "optimizer": "sgd", "schedule": "constant"},
    ),
    "activation": Experiment(
        "Which activation?",
        {"activation": ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu"]},
        settings=PLAIN | {"depth": "3", "width": "128"},
        repeats=2,
    ),
    "regularization": Experiment(
        "Do L1 and L2 penalties help?",
        {"l1": ["0", "0.0001", "0.001"], "l2": ["0", "0.001"]},
        settings=PLAIN,
        repeats=2,
    ),
    "dataset": Experiment(
        "Is what wins on one data set best on another?",
        pipelines=("hog_linear_svm", "mlp"),
        datasets=("digits", "shapes"),
    ),
}
ALL = "all"


def find_experiments(names: list[str]) -> dict[str, Experiment]:
    """The experiments called `names`, each once; "all" means every one. InputError for an unknown name."""
    for name in names:
        if name not in (*EXPERIMENTS, ALL):
            close = difflib.get_close_matches(name, EXPERIMENTS, n=1)
            hint = f"Did you mean {close[0]}? " if close else ""
            raise InputError(f"There is no experiment {name!r}. {hint}There are {', '.join(EXPERIMENTS)}, and {ALL}.")
    return {name: chosen for name, chosen in EXPERIMENTS.items() if ALL in names or name in names}
