"""The command: options to objects (data sets, training stack, run, report). Heavy imports wait for their use."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cvclassic.errors import CVClassicError, DataError, InputError

EXIT_OK, EXIT_ROW_FAILED, EXIT_WRONG_INPUT = 0, 1, 2
EMBEDDED = ("digits", "shapes")


class Preset(StrEnum):
    quick = "quick"
    standard = "standard"
    full = "full"


# Training images at most (None: all), and epochs of the neural pipelines.
PRESETS = {Preset.quick: (5000, 4), Preset.standard: (None, 6), Preset.full: (None, 40)}


def compare(
    context: typer.Context,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="A built-in data set, or a folder of class folders of images. Repeat for several."),
    ] = None,
    pipeline: Annotated[
        list[str] | None, typer.Option(help="A pipeline's name, or a .py file of yours. Repeat for several.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the pipelines and data sets, and exit.")] = False,
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="quick: at most 5,000 training images, few epochs; standard: all training images; full: many epochs. "
            "Default: quick for digits and shapes, else standard."
        ),
    ] = None,
    train_size: Annotated[
        int | None, typer.Option(help="Use this many images of the training part (stratified), validation included.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split and of everything random in the pipelines.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each pipeline. Default: all cores.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="Optimizer of all neural pipelines.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of all neural pipelines.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Mini-batch size of all neural pipelines.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of all neural pipelines, at most.")] = None,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Choose C and gamma of each SVM on the validation split, by successive halving."),
    ] = False,
    image_size: Annotated[int, typer.Option(min=8, help="Images from a folder are resized to this side.")] = 32,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where data sets are looked for first. Default: $CVCLASSIC_DATA, else data/.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    out: Annotated[Path | None, typer.Option(help="The run's folder. Default: reports/<UTC time>.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue the run in this folder, with its own options; failed rows run again.")
    ] = None,
) -> None:
    """Train classical and neural pipelines on the same splits and print the accuracy report."""
    try:
        if list_:
            _print_lists()
            raise typer.Exit(EXIT_OK)
        if resume is not None:
            _refuse_other_options(context, "resume")
            code = _resume(resume)
        else:
            stack = {
                "optimizer": optimizer,
                "learning_rate": learning_rate,
                "batch_size": batch_size,
                "epochs": epochs,
            }
            data = {
                "dataset": dataset,
                "preset": preset,
                "train_size": train_size,
                "seed": seed,
                "tune": tune,
                "image_size": image_size,
                "data_dir": None if data_dir is None else str(data_dir),
                "offline": offline,
            }
            code = _start(data, pipeline, stack, threads, out)
    except CVClassicError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(EXIT_WRONG_INPUT) from None
    raise typer.Exit(code)


compare_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
compare_app.command()(compare)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(compare)


@app.callback()
def cvclassic() -> None:
    """Classical computer vision that is fast, and an honest comparison of it with neural networks."""


def _start(
    data: dict[str, Any], pipeline: list[str] | None, stack: dict[str, Any], threads: int | None, out: Path | None
) -> int:
    from cvclassic.datasets.storage import find_data_dir
    from cvclassic.experiment.pipelines import builtin_pipelines, find_pipelines
    from cvclassic.experiment.runner import available_threads, prepare_run
    from cvclassic.neural import TrainingStack

    chosen = find_pipelines(pipeline) if pipeline else [p for p in builtin_pipelines().values() if p.default]
    # Everything that a later --resume needs to load the same things again.
    options = data | {
        "data_dir": str(find_data_dir(data["data_dir"]).resolve()),
        "pipeline": [p.name if p.builtin else str(p.path) for p in chosen],
        "stack": {name: value for name, value in stack.items() if value is not None},
    }
    TrainingStack(**options["stack"])  # a wrong option shows itself before data sets are read
    options, loaded, note = _load_named_or_default(options)
    if note:
        typer.echo(note, err=True)
    training_stack = _training_stack(options)
    folder = out or Path("reports") / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    prepare_run(
        folder,
        loaded,
        chosen,
        stack=training_stack,
        seed=data["seed"],
        threads=threads or available_threads(),
        options=options,
        notes=[note] if note else [],
    )
    return _run_and_report(folder, loaded, chosen, training_stack)


def _resume(folder: Path) -> int:
    from cvclassic.experiment.pipelines import find_pipelines
    from cvclassic.experiment.result import read_config

    options = read_config(folder)["options"]
    chosen = find_pipelines(options["pipeline"])
    return _run_and_report(folder, _load_datasets(options), chosen, _training_stack(options))


def _run_and_report(folder: Path, loaded: list, chosen: list, stack: Any) -> int:
    from rich.console import Console

    from cvclassic.experiment.result import read_run
    from cvclassic.experiment.runner import pending_jobs, run_jobs
    from cvclassic.report import print_report, show_progress, write_report

    try:
        with show_progress(len(pending_jobs(folder)), Console(stderr=True)) as progress:
            run_jobs(folder, loaded, chosen, stack=stack, progress=progress)
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted. What is finished is kept: continue with --resume {folder}", err=True)
        return 130
    run = read_run(folder)
    write_report(run)
    console = Console()
    print_report(run, console if console.is_terminal else Console(width=140))
    typer.echo(f"\nWritten to {folder}: results.csv, results.json, report.md")
    return EXIT_OK if all(result.ok for result in run.results) else EXIT_ROW_FAILED


def _load_named_or_default(options: dict[str, Any]) -> tuple[dict[str, Any], list, str | None]:
    """The options with data sets and preset settled, the sets, and a line that says so where others stand in.

    What the command line names can be had, or the run does not start. Without names the standard sets run, or where
    they can't be had the embedded ones.
    """
    from cvclassic import datasets

    if options["dataset"]:
        settled = _settled(options, options["dataset"])
        return settled, _load_datasets(settled), None
    names, note = datasets.default_names(data_dir=options["data_dir"], offline=options["offline"])
    try:
        settled = _settled(options, names)
        return settled, _load_datasets(settled), note
    except DataError as error:
        if set(names) <= set(EMBEDDED):
            raise
        settled = _settled(options, EMBEDDED)
        return settled, _load_datasets(settled), f"{error} Running {' and '.join(EMBEDDED)} instead."


def _settled(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    default = Preset.quick if set(names) <= set(EMBEDDED) else Preset.standard
    return options | {"dataset": [_absolute(name) for name in names], "preset": options["preset"] or default}


def _load_datasets(options: dict[str, Any]) -> list:
    from cvclassic import datasets

    at_most, _ = PRESETS[options["preset"]]
    return [
        datasets.load(
            name,
            data_dir=options["data_dir"],
            offline=options["offline"],
            image_size=options["image_size"],
            seed=options["seed"],
            train_size=options["train_size"],
            max_train_size=at_most if options["train_size"] is None else None,
        )
        for name in options["dataset"]
    ]


def _training_stack(options: dict[str, Any]) -> Any:
    """The one training stack of the run, from the preset and the command line, its learning rate spelled out."""
    from cvclassic.neural import TrainingStack

    _, epochs = PRESETS[options["preset"]]
    stack = TrainingStack(**({"epochs": epochs} | options["stack"]))
    return replace(stack, learning_rate=stack.initial_learning_rate())


def _absolute(name: str) -> str:
    """A folder is stored by its full path, so that the run can be resumed from elsewhere; names stay."""
    from cvclassic import datasets

    return name if name in dict(datasets.names()) else str(Path(name).resolve())


def _refuse_other_options(context: typer.Context, allowed: str) -> None:
    given = [
        name for name in context.params if name != allowed and context.get_parameter_source(name).name == "COMMANDLINE"
    ]
    if given:
        others = ", ".join("--" + name.strip("_").replace("_", "-") for name in given)
        raise InputError(f"--{allowed} takes its options from the run's folder; remove {others}.")


def _print_lists() -> None:
    from cvclassic import datasets
    from cvclassic.experiment.pipelines import builtin_pipelines

    typer.echo("Pipelines (those with * run only when named):")
    for file in builtin_pipelines().values():
        typer.echo(f"  {file.name + ('' if file.default else ' *'):24} {file.family:10} {file.title}")
    typer.echo("\nData sets (or the path of a folder of class folders of images):")
    for name, description in datasets.names():
        typer.echo(f"  {name:24} {description}")
