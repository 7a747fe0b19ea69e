"""The commands for models: train one, predict pictures with it, put it to the test, look at it, export it."""

import csv
import gc
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cvclassic.cli.choices import Augment, ClassWeight, ExportFormat, Preset, Resize, Weights
from cvclassic.cli.exits import EXIT_OK, EXIT_ROW_FAILED, exit_with, printing, say
from cvclassic.errors import InputError
from cvclassic.harmless import harmless, harmless_cell

if TYPE_CHECKING:
    from cvclassic.model import Model
    from cvclassic.model.predicting import Answer

ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="A .cvc file.")]


def train(
    context: typer.Context,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="A pipeline's name, or a .py file of yours.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="Your pictures, or a data set's name, as for compare.")],
    save: Annotated[Path, typer.Option(help="The .cvc file to write.")],
    image_size: Annotated[int | None, typer.Option(help="As for compare.")] = None,
    resize: Annotated[Resize | None, typer.Option(case_sensitive=False, help="As for compare.")] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Folds in which its accuracy is found; 1 is a single split, which is faster."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="subfolder|FILE.csv:COLUMN|REGEX", help="Which pictures belong together."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    preset: Annotated[Preset | None, typer.Option(case_sensitive=False, help="As for compare.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="As for compare.")] = None,
    augment: Annotated[Augment | None, typer.Option(case_sensitive=False, help="As for compare.")] = None,
    class_weight: Annotated[ClassWeight | None, typer.Option(case_sensitive=False, help="As for compare.")] = None,
    threads: Annotated[int | None, typer.Option(help="As for compare.")] = None,
    data_dir: Annotated[str | None, typer.Option(help="As for compare.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
) -> None:
    """Find out how good a pipeline is on your pictures, then fit it on all of them and save it."""
    given = {name: value for name, value in context.params.items() if name not in ("pipeline", "data", "save")}
    fields = {name: value for name, value in given.items() if value is not None}
    exit_with(lambda: _train(pipeline, data, save.expanduser(), fields))


def predict(
    model: ModelFile,
    paths: Annotated[
        list[str], typer.Argument(metavar="FILES|FOLDERS...", help="Pictures, or folders of such; or URLs.")
    ],
    top: Annotated[int, typer.Option(min=1, help="So many of the likeliest classes are told.")] = 1,
    unsure: Annotated[
        float | None, typer.Option(metavar="PROBABILITY", help='"unsure" where no class is at least so probable.')
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRUE:CALLED=N",
            help="What it costs to call one class another, where that is not 1; the class of least expected cost is "
            "chosen. Repeat for several.",
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv_: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """Say what is on pictures: the class of each, and how probable it is."""
    exit_with(lambda: _predict(model.expanduser(), paths, top, unsure, cost or [], as_json=json_, as_csv=csv_))


def evaluate(
    model: ModelFile,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Labelled pictures, as for compare.")],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: Annotated[str | None, typer.Option(help="As for compare.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
) -> None:
    """Put a model to the test on labelled pictures that it has not learned from."""
    exit_with(lambda: _evaluate(model.expanduser(), data, data_dir, offline, as_json=json_))


def inspect(model: ModelFile) -> None:
    """Say what is in a model's file."""
    exit_with(lambda: _inspect(model.expanduser()))


def export(
    model: ModelFile,
    to: Annotated[ExportFormat, typer.Option(case_sensitive=False, help="An ONNX graph, or a C99 header.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    weights: Annotated[Weights, typer.Option(case_sensitive=False, help="Type of a C header's weights.")] = "float",
) -> None:
    """Write a model in another form, for programs without Python."""
    exit_with(lambda: _export(model.expanduser(), str(to), out.expanduser(), str(weights)))


def _train(pipeline: str, data: str, save: Path, fields: dict[str, object]) -> int:
    from cvclassic.runs.settings import parse_setting
    from cvclassic.training import train_model

    if "set_" in fields:
        fields["settings"] = [parse_setting(text) for text in fields.pop("set_")]
    answer, n = train_model(data, pipeline, save, progress=True, **fields)
    with printing():
        typer.echo(harmless(answer))
        typer.echo(harmless(f"{save} was fitted on all {n:,} pictures: cvclassic predict {save} PICTURES"))
    return EXIT_OK


def _predict(
    path: Path, paths: list[str], top: int, unsure: float | None, cost: list[str], *, as_json: bool, as_csv: bool
) -> int:
    if as_json and as_csv:
        raise InputError("--json and --csv are two forms of one answer; choose one.")
    gc.disable()  # while libraries load, of which nothing can be freed: a tenth of the whole process
    from cvclassic.decoding import SUFFIXES
    from cvclassic.model import load_model, parse_cost
    from cvclassic.model.predicting import answers, files_below

    files = [name for each in paths for name in files_below(each, SUFFIXES)]
    model = load_model(path)
    gc.freeze()
    gc.enable()
    costs = dict(parse_cost(text, model.class_names) for text in cost)
    found = answers(model, files, top=top, unsure=unsure, costs=costs or None)
    failed: list[Answer] = []
    with printing():
        failed = _print_json(found) if as_json else _print_csv(found, top, model) if as_csv else _print_lines(found)
    for each in failed:
        say(harmless(f"{each.path}: {each.error}"), EXIT_OK)
    if failed:
        say(f"{len(failed):,} of {len(files):,} files could not be read.", EXIT_OK)
    return EXIT_ROW_FAILED if failed else EXIT_OK


def _print_lines(found: "Iterable[Answer]") -> "list[Answer]":
    failed = []
    for each in found:
        if each.name is None:
            failed.append(each)
            continue
        told = ", ".join(f"{name} {100 * p:.1f} %" for name, p in each.probabilities)
        alone = len(each.probabilities) == 1 and each.probabilities[0][0] == each.name
        told = told.removeprefix(f"{each.name} ") if alone else told
        typer.echo(harmless("  ".join(filter(None, [each.path, each.name, told]))))
    return failed


def _print_json(found: "Iterable[Answer]") -> "list[Answer]":
    every = list(found)
    rows = [
        {"file": each.path, "error": each.error}
        if each.name is None
        else {"file": each.path, "class": each.name, "probabilities": dict(each.probabilities)}
        for each in every
    ]
    typer.echo(json.dumps(rows, indent=1).encode(errors="replace").decode())
    return [each for each in every if each.name is None]


def _print_csv(found: "Iterable[Answer]", top: int, model: "Model") -> "list[Answer]":
    top = 0 if model.calibration is None else min(top, len(model.class_names))
    likeliest = [key for k in range(1, top + 1) for key in (f"likely_{k}", f"probability_{k}")]
    typer.echo(",".join(["file", "class", *likeliest, "error"]))
    failed = []
    for each in found:
        cells = [cell for name, p in each.probabilities for cell in (harmless_cell(name), p)]
        cells += [""] * (2 * top - len(cells))
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(
            [harmless_cell(each.path), harmless_cell(each.name or ""), *cells, harmless_cell(each.error or "")]
        )
        typer.echo(text.getvalue())
        failed += [each] * (each.name is None)
    return failed


def _evaluate(path: Path, data: str, data_dir: str | None, offline: bool, *, as_json: bool) -> int:
    from cvclassic.evaluation import evaluate, evaluation_json, evaluation_lines
    from cvclassic.model import load_model

    found = evaluate(load_model(path), data, data_dir=data_dir, offline=offline)
    with printing():
        lines = [json.dumps(evaluation_json(found), indent=1)] if as_json else evaluation_lines(found)
        typer.echo("\n".join(line if as_json else harmless(line) for line in lines))
    for name, why in found.unreadable:
        say(harmless(f"{name}: {why}"), EXIT_OK)
    return EXIT_ROW_FAILED if found.unreadable else EXIT_OK


def _inspect(path: Path) -> int:
    from cvclassic.model import load_model
    from cvclassic.model.inspection import described

    with printing():
        typer.echo("\n".join(harmless(line) for line in described(load_model(path), path.stat().st_size)))
    return EXIT_OK


def _export(path: Path, to: str, out: Path, weights: str) -> int:
    from cvclassic.model import load_model

    load_model(path).export(out, to, weights=weights)
    with printing():
        typer.echo(f"Written to {harmless(str(out))}")
    return EXIT_OK
