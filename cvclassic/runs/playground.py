"""The eight experiments of a neural playground, as sweeps that take less than two minutes each on two cores."""

from dataclasses import dataclass, field

from cvclassic.errors import InputError
from cvclassic.runs.pipelines import near, spelled
from cvclassic.runs.spec import ALL, RunSpec

EPOCHS = 8  # what the embedded digits need without normalization; preset quick has half as many


@dataclass(frozen=True)
class Experiment:
    """What one experiment runs: every combination of `sweep` on each pipeline and data set, with so many seeds.

    `settings` hold for all of its jobs; the command line's own options replace them.
    """

    title: str
    sweep: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pipelines: tuple[str, ...] = ("mlp",)
    datasets: tuple[str, ...] = ("digits",)
    settings: dict[str, str] = field(default_factory=dict)
    repeats: int = 3


# A plain network, as in the textbooks: neither normalization nor dropout hides what depth, rate or activation do.
PLAIN = {"batch_normalization": "False", "dropout": "0"}

EXPERIMENTS = {
    "depth": Experiment("How many hidden layers?", {"depth": ("1", "2", "3", "5")}, settings=PLAIN | {"width": "128"}),
    "width": Experiment("How many units?", {"width": ("8", "32", "128", "512")}, settings=PLAIN | {"depth": "1"}),
    "input_features": Experiment(
        "Pixels, or features computed from them?",
        {"input_features": ("pixels", "sobel", "hog", "hog+color")},
        pipelines=("features_mlp",),
    ),
    "batch_size": Experiment("Few images a step, or many?", {"batch_size": ("8", "32", "128", "512")}, settings=PLAIN),
    "learning_rate": Experiment(
        "How long a step?",
        {"learning_rate": ("0.001", "0.01", "0.1", "0.5")},
        settings=PLAIN | {"optimizer": "sgd", "schedule": "constant"},
    ),
    "activation": Experiment(
        "Which activation?",
        {"activation": ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu")},
        settings=PLAIN | {"depth": "3", "width": "128"},
        repeats=2,
    ),
    "regularization": Experiment(
        "Do L1 and L2 penalties help?",
        {"l1": ("0", "0.0001", "0.001"), "l2": ("0", "0.001")},
        settings=PLAIN,
        repeats=2,
    ),
    "dataset": Experiment(
        "Is what wins on one data set best on another?",
        pipelines=("hog_linear_svm", "mlp"),
        datasets=("digits", "shapes"),
    ),
}


def specs_of(names: list[str], given: dict[str, object]) -> dict[str, RunSpec]:
    """The specs of the experiments called `names`, by name; "all" means every one.

    Parameters
    ----------
    names : in any case, and with - or _
    given : fields of `RunSpec` that go before the experiments' own

    Raises
    ------
    InputError
        For an unknown name, and for fields that the experiments settle themselves.
    """
    wanted = {spelled(name) for name in names}
    for name in names:
        if spelled(name) not in (*EXPERIMENTS, ALL):
            hint = near(name, EXPERIMENTS)
            raise InputError(f"There is no experiment {name!r}. {hint}There are {', '.join(EXPERIMENTS)}, and {ALL}.")
    for name, flag in (("pipelines", "--pipeline"), ("sweep", "--sweep")):
        if given.get(name):
            raise InputError(f"--experiment chooses the pipelines and what to sweep; remove {flag}.")
    chosen = {name: each for name, each in EXPERIMENTS.items() if ALL in wanted or name in wanted}
    return {name: _spec_of(name, experiment, given) for name, experiment in chosen.items()}


def _spec_of(name: str, experiment: Experiment, given: dict[str, object]) -> RunSpec:
    settings = dict(given.get("settings", ()))
    for swept in experiment.sweep:
        if swept in settings or given.get(swept) is not None:
            raise InputError(f"The experiment {name} sweeps {swept!r}; give it no other value.")
    own = {key: value for key, value in experiment.settings.items() if given.get(key) is None}
    epochs = {} if "epochs" in settings else {"epochs": EPOCHS}
    return RunSpec(
        **{"datasets": experiment.datasets, "repeats": experiment.repeats, **epochs}
        | given
        | {
            "experiment": f"{name}: {experiment.title}",
            "pipelines": experiment.pipelines,
            "sweep": experiment.sweep,
            "settings": own | settings,
        }
    )
