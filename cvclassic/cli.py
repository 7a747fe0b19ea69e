"""The command: options to objects (data sets, training stack, run, report). Heavy imports wait for their use."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cvclassic.errors import CVClassicError, DataError, InputError

EXIT_OK, EXIT_ROW_FAILED, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130
EMBEDDED = ("digits", "shapes")


class Preset(StrEnum):
    quick = "quick"
    standard = "standard"
    full = "full"


# Training images at most (None: all), and epochs of the neural pipelines.
PRESETS = {Preset.quick: (5000, 4), Preset.standard: (None, 6), Preset.full: (None, 30)}


def compare(
    context: typer.Context,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="A built-in data set, or a folder of class folders of images. Repeat for several."),
    ] = None,
    pipeline: Annotated[
        list[str] | None, typer.Option(help="A pipeline's name, or a .py file of yours. Repeat for several.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List pipelines, experiments and data sets, and exit.")] = False,
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
    train_sizes: Annotated[
        str | None, typer.Option(metavar="N1,N2,all", help="Train at each of these sizes, nested in one another.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split and of everything random in the pipelines.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each pipeline. Default: all cores.")] = None,
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
        int | None, typer.Option(min=1, help="Run with so many seeds, on the same splits: --seed and those after it.")
    ] = None,
    experiment: Annotated[
        list[str] | None, typer.Option(help="A ready-made sweep (see --list), or all. Repeat for several.")
    ] = None,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Choose C and gamma of each SVM on the validation split, by successive halving."),
    ] = False,
    corruptions: Annotated[
        bool, typer.Option("--corruptions", help="Test on corrupted copies of the test images too.")
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
            stack = _given(
                optimizer=optimizer,
                learning_rate=learning_rate,
                batch_size=batch_size,
                epochs=epochs,
                time_budget=time_budget,
            )
            data = {
                "dataset": dataset,
                "preset": preset,
                "train_size": train_size,
                "train_sizes": _train_sizes(train_sizes, train_size),
                "seed": seed,
                "tune": tune,
                "corruptions": corruptions,
                "image_size": image_size,
                "data_dir": None if data_dir is None else str(data_dir),
                "offline": offline,
            }
            wanted = {"pipeline": pipeline, "stack": stack, "set": set_, "sweep": sweep, "repeats": repeats}
            folder = out or Path("reports") / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
            if experiment:
                code = _start_experiments(experiment, data | wanted, threads, folder)
            else:
                code = _run_and_report(*_prepare(data | _understood(wanted), threads, folder))
    except CVClassicError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(EXIT_WRONG_INPUT) from None
    raise typer.Exit(code)


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN_DIR...", help="The folder of a run, or of several.")],
    out: Annotated[Path | None, typer.Option(help="The page on which several runs are laid side by side.")] = None,
) -> None:
    """Make a run's report again from its folder, or lay several runs side by side on one page."""
    try:
        _report(folders, out)
    except CVClassicError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(EXIT_WRONG_INPUT) from None


compare_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
compare_app.command()(compare)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(compare)
app.command()(report)


@app.callback()
def cvclassic() -> None:
    """Classical computer vision that is fast, and an honest comparison of it with neural networks."""


def _understood(wanted: dict[str, Any]) -> dict[str, Any]:
    """What the command line wants of training, as options: fields of the stack by --set go to those by other flags."""
    from cvclassic.experiment.settings import parse_setting, parse_sweep, split_settings
    from cvclassic.neural import TrainingStack

    settings = [parse_setting(text) for text in wanted["set"] or ()]
    sweep = [parse_sweep(text) for text in wanted["sweep"] or ()]
    names = [*wanted["stack"], *(name for name, _ in [*settings, *sweep])]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name!r} is given more than once; give it one value, or one --sweep with several.")
    of_stack, settings = split_settings(dict(settings), TrainingStack())
    # The first of each sweep stands in for the rest, for a field may be right for the swept optimizers only.
    swept, _ = split_settings({name: values[0] for name, values in sweep}, TrainingStack())
    stack = wanted["stack"] | of_stack | swept
    TrainingStack(**stack)  # a wrong option shows itself before data sets are read
    return wanted | {"stack": stack, "set": settings, "sweep": dict(sweep), "repeats": wanted["repeats"] or 1}


def _start_experiments(names: list[str], wanted: dict[str, Any], threads: int | None, folder: Path) -> int:
    """One run for each experiment, in a folder of its own below `folder` where there are several."""
    from cvclassic.experiment.playground import find_experiments

    for name in ("pipeline", "sweep"):
        if wanted[name]:
            raise InputError(f"--experiment chooses the pipelines and what to sweep; remove --{name}.")
    experiments = find_experiments(names)
    options = {name: _options_of(name, experiment, wanted) for name, experiment in experiments.items()}
    if len(options) == 1:
        return _run_and_report(*_prepare(*options.values(), threads, folder))
    for name in options:
        if (folder / name).exists():
            raise InputError(
                f"The folder {folder / name} is there already. Choose another --out, or --resume {folder}."
            )
    for name in options:
        _prepare(options[name], threads, folder / name)  # all of them first, so that --resume knows them all
    return _resume(folder)


def _options_of(name: str, experiment: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """The experiment's options, with what the command line says in place of its own."""
    given = _understood(wanted)
    for swept in experiment.sweep:
        if swept in given["stack"] or swept in given["set"]:
            raise InputError(f"The experiment {name} sweeps {swept!r}; give it no other value.")
    return given | {
        "experiment": f"{name}: {experiment.title}",
        "dataset": given["dataset"] or list(experiment.datasets),
        "pipeline": list(experiment.pipelines),
        "stack": experiment.stack | given["stack"],
        "set": experiment.settings | given["set"],
        "sweep": experiment.sweep,
        "repeats": wanted["repeats"] or experiment.repeats,
    }


def _prepare(options: dict[str, Any], threads: int | None, folder: Path) -> tuple[Path, list, list, Any]:
    """Load the data and write the run's folder; what `_run_and_report` takes."""
    from cvclassic.datasets.storage import find_data_dir
    from cvclassic.experiment.pipelines import builtin_pipelines, find_pipelines
    from cvclassic.experiment.runner import available_threads, prepare_run

    names = options["pipeline"]
    chosen = find_pipelines(names) if names else [p for p in builtin_pipelines().values() if p.default]
    # Everything that a later --resume needs to load the same things again; the jobs themselves stand in run.json.
    settings = {name: options[name] for name in ("set", "sweep", "repeats")}
    options = {name: value for name, value in options.items() if name not in settings} | {
        "data_dir": str(find_data_dir(options["data_dir"]).resolve()),
        "pipeline": [p.name if p.builtin else str(p.path) for p in chosen],
    }
    options, loaded, notes = _load_named_or_default(options)
    for note in notes:
        typer.echo(note, err=True)
    stack = _training_stack(options)
    prepare_run(
        folder,
        loaded,
        chosen,
        stack=stack,
        seed=options["seed"],
        threads=threads or available_threads(),
        options=options,
        settings=settings["set"],
        sweep=settings["sweep"],
        repeats=settings["repeats"],
        notes=notes,
    )
    return folder, loaded, chosen, stack


def _resume(folder: Path) -> int:
    """Go on with the run in `folder`, or with each of those in the folders below it."""
    from cvclassic.experiment.pipelines import find_pipelines
    from cvclassic.experiment.result import read_config, read_run
    from cvclassic.report import what_was_seen

    below = sorted(folder.glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns)
    folders = [folder] if (folder / "run.json").is_file() or not below else [path.parent for path in below]
    codes, seen = [], []
    for each in folders:
        options = read_config(each)["options"]
        chosen = find_pipelines(options["pipeline"])
        loaded, _ = _load_datasets(options)
        codes.append(_run_and_report(each, loaded, chosen, _training_stack(options), resume=folder))
        if codes[-1] == EXIT_INTERRUPTED:
            break
        seen += [f"\n{each.name}", *what_was_seen(read_run(each))]
    if len(folders) > 1:
        typer.echo("\n".join(seen))
    return max(codes)


def _run_and_report(folder: Path, loaded: list, chosen: list, stack: Any, resume: Path | None = None) -> int:
    from rich.console import Console

    from cvclassic.experiment.result import read_run
    from cvclassic.experiment.runner import pending_jobs, run_jobs
    from cvclassic.report import print_report, show_progress, write_report

    try:
        with show_progress(pending_jobs(folder), Console(stderr=True)) as progress:
            run_jobs(folder, loaded, chosen, stack=stack, progress=progress)
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted. What is finished is kept: continue with --resume {resume or folder}", err=True)
        return EXIT_INTERRUPTED
    run = read_run(folder)
    written = write_report(run)
    console = Console()
    print_report(run, console if console.is_terminal else Console(width=160))
    typer.echo(f"\nWritten to {folder}: {', '.join(written)}")
    return EXIT_OK if all(result.ok for result in run.results) else EXIT_ROW_FAILED


def _report(folders: list[Path], out: Path | None) -> None:
    """All files of one run's report, or one page on several runs."""
    from cvclassic.experiment.result import read_run
    from cvclassic.report import write_report, write_side_by_side

    if len(folders) == 1 and out is not None:
        raise InputError("--out is for several runs; the report of one is written into its folder.")
    if len(folders) > 1 and out is None:
        raise InputError("Several runs are laid side by side on one page; name its file with --out FILE.")
    runs = [read_run(folder) for folder in folders]
    if out is None:
        [run] = runs
        typer.echo(f"Written to {run.folder}: {', '.join(write_report(run))}")
    else:
        write_side_by_side(runs, out)
        typer.echo(f"Written to {out}")


def _load_named_or_default(options: dict[str, Any]) -> tuple[dict[str, Any], list, list[str]]:
    """The options with data sets and preset settled, the sets, and lines that say so where others stand in.

    What the command line names can be had, or the run does not start. Without names the standard sets run, or where
    they can't be had the embedded ones.
    """
    from cvclassic import datasets

    if options["dataset"]:
        settled = _settled(options, options["dataset"])
        return settled, *_load_datasets(settled)
    names, note = datasets.default_names(data_dir=options["data_dir"], offline=options["offline"])
    try:
        settled = _settled(options, names)
        loaded, notes = _load_datasets(settled)
    except DataError as error:
        if set(names) <= set(EMBEDDED):
            raise
        note = f"{error} Running {' and '.join(EMBEDDED)} instead."
        settled = _settled(options, EMBEDDED)
        loaded, notes = _load_datasets(settled)
    return settled, loaded, [note, *notes] if note else notes


def _settled(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    default = Preset.quick if set(names) <= set(EMBEDDED) else Preset.standard
    return options | {"dataset": [_absolute(name) for name in names], "preset": options["preset"] or default}


def _load_datasets(options: dict[str, Any]) -> tuple[list, list[str]]:
    """The data sets, and a line for each training size that one of several can't give."""
    from cvclassic import datasets
    from cvclassic.experiment.sizes import at_train_sizes

    at_most, _ = PRESETS[options["preset"]]
    loaded = [
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
    if options["train_sizes"] is None:
        return loaded, []
    return at_train_sizes(loaded, options["train_sizes"], seed=options["seed"])


def _training_stack(options: dict[str, Any]) -> Any:
    """The one training stack of the run, from the preset and the command line."""
    from cvclassic.neural import TrainingStack

    _, epochs = PRESETS[options["preset"]]
    return TrainingStack(**({"epochs": epochs} | options["stack"]))


def _train_sizes(text: str | None, train_size: int | None) -> list[int | str] | None:
    if text is None:
        return None
    from cvclassic.experiment.sizes import parse_train_sizes

    if train_size is not None:
        raise InputError("--train-sizes names the sizes itself; remove --train-size.")
    return parse_train_sizes(text)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


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
    from cvclassic.experiment.playground import EXPERIMENTS

    typer.echo("Pipelines (those with * run only when named):")
    for file in builtin_pipelines().values():
        published = f"; published: {file.published}" if file.published else ""
        typer.echo(f"  {file.name + ('' if file.default else ' *'):24} {file.family:10} {file.title}{published}")
    typer.echo("\nExperiments (--experiment NAME, or all):")
    for name, experiment in EXPERIMENTS.items():
        varied = "; ".join(f"{key} {', '.join(values)}" for key, values in experiment.sweep.items())
        typer.echo(f"  {name:24} {experiment.title} {', '.join(experiment.pipelines)}{varied and ': ' + varied}")
    typer.echo("\nData sets (or the path of a folder of class folders of images):")
    for name, description in datasets.names():
        typer.echo(f"  {name:24} {description}")
