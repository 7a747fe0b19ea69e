"""The command that compares: flags to a `RunSpec`."""

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import typer.core

from cvclassic.cli.choices import Augment, ClassWeight, Keep, Metric, Preset, Resize
from cvclassic.cli.exits import EXIT_INTERRUPTED, EXIT_OK, exit_with, printing, say, say_error
from cvclassic.cli.reports import code_of, say_what_is_written
from cvclassic.errors import InputError

if TYPE_CHECKING:
    from cvclassic.runs.question import Question


def print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"cvclassic {metadata.version('cvclassic')}")
        raise typer.Exit(EXIT_OK)


def compare(
    context: typer.Context,
    data: Annotated[list[str] | None, typer.Argument(metavar="[DATASET...]", help="The same as --dataset.")] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            help="A built-in data set, or your own pictures: a folder of class folders, such a folder in a zip or tar "
            "archive, or a CSV of path and label. Repeat for several."
        ),
    ] = None,
    pipeline: Annotated[
        list[str] | None,
        typer.Option(help="A pipeline's name, or a .py file of yours. Repeat, or part by commas, for several."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List pipelines, experiments and data sets, and exit.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version, and exit.")
    ] = False,
    preset: Annotated[
        Preset | None,
        typer.Option(
            case_sensitive=False,
            help="quick: at most 5,000 training images, few epochs; standard: all training images; full: many epochs. "
            "Default: quick for digits and shapes, else standard.",
        ),
    ] = None,
    train_size: Annotated[
        int | None, typer.Option(help="Use this many images of the training part (stratified), validation included.")
    ] = None,
    train_sizes: Annotated[
        str | None, typer.Option(metavar="N1,N2,all", help="Train at each of these sizes, nested in one another.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Test each image once, in so many folds; 1 is a single split. Default: 5 for a folder of fewer than "
            "2,000 images without a test part."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="subfolder|FILE.csv:COLUMN|REGEX",
            help="Which pictures of a folder belong together (of one patient, one object): they stay in one part.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the split and of everything random in the pipelines. Default: 0.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of each pipeline. Default: all cores.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="A pipeline that takes longer is ended, and fails. Default: 4 hours."),
    ] = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(
            metavar="GIB",
            help="A pipeline that takes more memory, libraries not counted, is ended, and fails. Default: most of the "
            "machine's.",
        ),
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="Optimizer of all neural pipelines.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of all neural pipelines.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Mini-batch size of all neural pipelines.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of all neural pipelines, at most.")] = None,
    time_budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="The time of each fit: neural pipelines stop then, others are shown as over budget."
        ),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="A time for the whole run, such as 90s, 10m or 1h: seeds, preset, folds and steps of networks are cut "
            "to it, and what was cut is said.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A field of the neural pipelines' training stack, such as schedule=constant, or a parameter of every "
            "pipeline that has it, such as C=10. Repeat for several.",
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=V1,V2", help="Run with each of these values; names as for --set. Repeat for a whole grid."
        ),
    ] = None,
    repeats: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Run with so many seeds, on the same splits: --seed and those after it. auto, the default of standard "
            "and full: three for the best of each family, where a fit takes less than a minute.",
        ),
    ] = None,
    experiment: Annotated[
        list[str] | None, typer.Option(help="A ready-made sweep (see --list), or all. Repeat for several.")
    ] = None,
    augment: Annotated[
        Augment | None,
        typer.Option(
            case_sensitive=False,
            help="Let every pipeline learn from changed training images too: mirrored, shifted, or distorted. Default: "
            "mirror where a data set is known to bear it, else none.",
        ),
    ] = None,
    class_weight: Annotated[
        ClassWeight | None,
        typer.Option(case_sensitive=False, help="balanced: rare classes weigh as much as others. Default: none."),
    ] = None,
    metric: Annotated[
        Metric | None,
        typer.Option(
            case_sensitive=False,
            help="What pipelines are chosen and judged by. Default: accuracy, or balanced_accuracy where the largest "
            "class has more than twice as many images as the smallest.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(metavar="POINTS", help="Differences up to this many points don't matter to you. Default: 1."),
    ] = None,
    tune: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Let each pipeline search its own parameters for so long before it is fitted, on validation images.",
        ),
    ] = None,
    corruptions: Annotated[
        bool, typer.Option("--corruptions", help="Test on corrupted copies of the test images too.")
    ] = False,
    image_size: Annotated[
        int | None,
        typer.Option(help="Your own pictures are resized to this side. Default: what fits them, 32 to 64 pixels."),
    ] = None,
    resize: Annotated[
        Resize | None,
        typer.Option(case_sensitive=False, help="How your own pictures become squares. Default: pad."),
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Where data sets are looked for first. Default: $CVCLASSIC_DATA, else data/.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    keep: Annotated[
        Keep | None,
        typer.Option(
            case_sensitive=False,
            help="Whose fitted models stay in the run's folder. Unless it is none, the winner on your own pictures is "
            "fitted on all of them, as best.cvc. Default: contenders, the best of each family.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder. Default: reports/<UTC time>.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue the run in this folder, with its own options; failed rows run again.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="local:N|ADDRESS",
            help="Run on Dask: N worker processes on this machine, or those of the scheduler at an address such as "
            "tcp://HOST:8786. Default: this machine, one job after another.",
        ),
    ] = None,
) -> None:
    """Train classical and neural pipelines on the same splits and print the accuracy report."""
    flags = {name: value for name, value in context.params.items() if _is_given(context, name)}
    data = flags.pop("data", [])
    if data:
        flags["dataset"] = [*data, *flags.get("dataset", [])]
    exit_with(lambda: _compare(flags))


class Compare(typer.core.TyperCommand):
    """The command `compare`, which says what a plain --tune lacks."""

    def parse_args(self, context: typer.Context, arguments: list[str]) -> list[str]:
        for given, following in itertools.pairwise([*arguments, ""]):
            if given == "--tune" and not following.lstrip("+.")[:1].isdigit():
                line = "--tune takes the seconds that each pipeline may search, such as --tune 120."
                raise typer.Exit(say_error(line))
        return super().parse_args(context, arguments)


def _compare(flags: dict[str, object]) -> int:
    """The sub-command `compare`, with the flags that were given."""
    if flags.pop("list_", False):
        with printing():
            _print_lists()
        return EXIT_OK
    cluster = flags.pop("cluster", None)
    if "resume" in flags:
        if len(flags) > 1:
            others = ", ".join("--" + name.strip("_").replace("_", "-") for name in flags if name != "resume")
            raise InputError(f"--resume takes its options from the run's folder; remove {others}.")
        return _resume(flags["resume"].expanduser(), cluster)
    from cvclassic.runs.question import Question
    from cvclassic.runs.spec import RunSpec

    folder = flags.pop("out", None) or Path("reports") / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    experiments, fields = flags.pop("experiment", None), _fields(flags)
    if experiments:
        return _start_experiments(experiments, fields, folder.expanduser(), cluster)
    return _run(Question(RunSpec(**fields)), folder.expanduser(), cluster)


def _fields(flags: dict[str, object]) -> dict[str, object]:
    """The fields of `RunSpec` that flags stand for."""
    from cvclassic.runs.settings import parse_setting, parse_sweep
    from cvclassic.runs.within import parse_duration

    lists = {"dataset": "datasets", "pipeline": "pipelines", "set_": "settings", "sweep": "sweep"}
    fields = {name: value for name, value in flags.items() if name not in lists}
    for name, field in lists.items():
        if name in flags:
            fields[field] = flags[name]
    if "within" in fields:
        fields["within"] = parse_duration(fields["within"])
    if str(fields.get("repeats", "")).isdecimal():
        fields["repeats"] = int(fields["repeats"])
    if "pipelines" in fields:
        fields["pipelines"] = [name.strip() for text in fields["pipelines"] for name in text.split(",") if name.strip()]
    if "settings" in fields:
        fields["settings"] = [parse_setting(text) for text in fields["settings"]]
    if "sweep" in fields:
        fields["sweep"] = [parse_sweep(text) for text in fields["sweep"]]
    return fields


def _start_experiments(names: list[str], fields: dict[str, object], folder: Path, cluster: str | None) -> int:
    """One run for each experiment, in a folder of its own below `folder` where there are several."""
    from cvclassic.comparison import prepare
    from cvclassic.runs.playground import specs_of
    from cvclassic.runs.question import Question

    specs = specs_of(names, fields)
    if len(specs) == 1:
        return _run(Question(*specs.values()), folder, cluster)
    for name in specs:
        if (folder / name).exists():
            raise InputError(
                f"The folder {folder / name} is there already. Choose another --out, or --resume {folder}."
            )
    for name, spec in specs.items():
        prepare(Question(spec), folder / name)  # all of them first, so that --resume knows them all
    return _resume(folder, cluster)


def _resume(folder: Path, cluster: str | None) -> int:
    """Go on with the run in `folder`, or with each of those in the folders below it."""
    from cvclassic.comparison import load_comparison
    from cvclassic.runs.reading import runs_in
    from cvclassic.study.sentences import what_was_seen

    folders = runs_in(folder) or [folder]  # which then says that it holds none
    codes = []
    for each in folders:
        codes.append(_run(None, each, cluster, resume=folder))
        if codes[-1] == EXIT_INTERRUPTED:
            return EXIT_INTERRUPTED
    if len(folders) > 1:
        for each in folders:
            typer.echo("\n".join([f"\n{each.name}", *what_was_seen(load_comparison(each).study)]))
    return max(codes)


def _run(question: "Question | None", folder: Path, cluster: str | None, resume: Path | None = None) -> int:
    """Tell the story, or go on with that of `folder`, and print the report."""
    from rich.console import Console

    from cvclassic.comparison import shown, shown_reading, tell
    from cvclassic.report import print_report
    from cvclassic.runs.reading import runs_in

    try:
        study, faces = tell(question, folder, watch=shown, reads=shown_reading, cluster=cluster)
    except KeyboardInterrupt:
        line = f"\nInterrupted. What is finished is kept: continue with --resume {resume or folder}"
        return say(line if runs_in(folder) else "\nInterrupted.", EXIT_INTERRUPTED)
    with printing():
        console = Console()
        print_report(study, console if console.is_terminal else Console(width=160))
        typer.echo()
        say_what_is_written(folder, faces)
    return code_of(study)


def _is_given(context: typer.Context, name: str) -> bool:
    return context.get_parameter_source(name).name == "COMMANDLINE" and name != "version"


def _print_lists() -> None:
    from cvclassic import datasets
    from cvclassic.runs.pipelines import builtin_pipelines
    from cvclassic.runs.playground import EXPERIMENTS

    typer.echo("Pipelines (those with * run only when named):")
    for each in builtin_pipelines().values():
        told = [f"published: {each.published}"] if each.published else []
        told += [f"constants found on {each.found_on}"] if each.found_on else []
        line = "; ".join([each.title, *told])
        typer.echo(f"  {each.name + ('' if each.default else ' *'):24} {each.family:10} {line}")
    typer.echo("\nExperiments (--experiment NAME, or all):")
    for name, experiment in EXPERIMENTS.items():
        varied = "; ".join(f"{key} {', '.join(values)}" for key, values in experiment.sweep.items())
        typer.echo(f"  {name:24} {experiment.title} {', '.join(experiment.pipelines)}{varied and ': ' + varied}")
    typer.echo("\nData sets (or the path of your own pictures: a folder of class folders, an archive, a CSV):")
    for name, description in datasets.names():
        typer.echo(f"  {name:24} {description}")
