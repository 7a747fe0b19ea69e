"""The commands that look at what is there: a run's report made again, and the check of a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cvclassic.cli.choices import Resize
from cvclassic.cli.exits import EXIT_OK, EXIT_ROW_FAILED, exit_with, printing, say
from cvclassic.errors import InputError

if TYPE_CHECKING:
    from cvclassic.comparison import Faces
    from cvclassic.study.study import Study


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN_DIR...", help="The folder of a run, or of several.")],
    out: Annotated[Path | None, typer.Option(help="The page on which several runs are laid side by side.")] = None,
) -> None:
    """Make a run's report again from its folder, or lay several runs side by side on one page."""
    exit_with(lambda: _report([folder.expanduser() for folder in folders], out and out.expanduser()))


def check(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A data set's name, or your own pictures, as for compare.")
    ],
    image_size: Annotated[
        int | None, typer.Option(help="The side to which your own pictures are resized, as for compare.")
    ] = None,
    resize: Annotated[
        Resize, typer.Option(case_sensitive=False, help="How your own pictures become squares, as for compare.")
    ] = "pad",
    group: Annotated[
        str | None,
        typer.Option(metavar="subfolder|FILE.csv:COLUMN|REGEX", help="Which pictures belong together, as for compare."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print all as JSON, with the names of all files.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 where a finding is severe.")] = False,
    data_dir: Annotated[str | None, typer.Option(help="Where data sets are looked for first, as for compare.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
) -> None:
    """Look a data set over: copies, contradicting labels, unusable files, shortcuts, too few images."""
    options = {
        "image_size": image_size,
        "resize": str(resize),
        "group": group,
        "data_dir": data_dir,
        "offline": offline,
    }
    exit_with(lambda: _check(dataset, options, as_json=json_, strict=strict))


def code_of(study: "Study") -> int:
    """0 where every row is there and fine."""
    whole = all(each.n_pending == 0 and not each.failures for each in study) and not study.run.problems
    return EXIT_OK if whole else EXIT_ROW_FAILED


def say_what_is_written(folder: Path, faces: "Faces") -> None:
    names = sorted(faces.written, key=lambda name: not name.startswith("report"))  # what people open first
    typer.echo(f"Written to {folder}: {', '.join(names)}")
    for name, what in faces.models.items():
        typer.echo(f"{name} is {what}: cvclassic predict {folder / name} PICTURES")
    for line in faces.lost:
        say(line, EXIT_OK)


def _report(folders: list[Path], out: Path | None) -> int:
    """All files of one run's report, or one page on several runs."""
    from cvclassic.comparison import load_comparison, write_file
    from cvclassic.report import page_of_runs

    if len(folders) == 1 and out is not None:
        raise InputError("--out is for several runs; the report of one is written into its folder.")
    if len(folders) > 1 and out is None:
        raise InputError("Several runs are laid side by side on one page; name its file with --out FILE.")
    comparisons = [load_comparison(folder) for folder in folders]
    if out is None:
        [comparison] = comparisons
        for problem in comparison.study.run.problems:
            say(f"Warning: {problem}", EXIT_OK)
        say_what_is_written(comparison.folder, comparison.write_report())
        return code_of(comparison.study)
    else:
        page = page_of_runs([comparison.study for comparison in comparisons])
        write_file(page.encode(errors="replace"), out)
        typer.echo(f"Written to {out}")
    return EXIT_OK


def _check(dataset: str, options: dict[str, object], *, as_json: bool, strict: bool) -> int:
    """What there is to say of a data set."""
    from rich.console import Console

    from cvclassic.datasets.doctor import check
    from cvclassic.report import check_json, print_check

    found = check(dataset, **options)
    with printing():
        if as_json:
            typer.echo(check_json(found))
        else:
            console = Console()
            print_check(found, console if console.is_terminal else Console(width=100))
    return EXIT_ROW_FAILED if strict and found.severe else EXIT_OK
