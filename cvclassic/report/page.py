"""report.html: one file without anything from outside, filled into page.html.jinja."""

import base64
import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cvclassic.errors import InputError
from cvclassic.experiment.result import Run
from cvclassic.report.answer import answer
from cvclassic.report.comparison import Comparison, compare, p_text
from cvclassic.report.pictures import Picture, pictures
from cvclassic.report.summary import description_lines, failure_lines, header_lines, remark_lines, table
from cvclassic.report.sweep import is_sweep, what_was_seen

HERE = Path(__file__).parent
NUMBER = re.compile(r"[\d.,]+( |$)")
UNBROKEN = re.compile(r"(?<=\d) (?=%|s\b|±|–)|(?<=[±–=<]) (?=\d)|(?<=\bp) (?=[=<])")  # spaces inside of figures


@dataclass(frozen=True)
class Table:
    """A table of texts: `numeric` are the columns that are aligned and sorted as numbers, `heads` those of row names.

    `failed` are the rows of failed jobs.
    """

    caption: str
    headings: list[str]
    rows: list[list[str]]
    numeric: set[int]
    failed: set[int]
    heads: int


@dataclass(frozen=True)
class Block:
    """What one run says of a data set.

    `run` is its name where the page has several, `seen` the sentences on a sweep, `pairs` None for less than two.
    """

    run: str
    answer: list[str]
    description: list[str]
    seen: list[str]
    pairs: dict[str, Any] | None
    remarks: list[str]
    failures: list[str]


@dataclass(frozen=True)
class Section:
    """One data set on the page, a block for each run that has it."""

    id: str
    name: str
    blocks: list[Block]
    table: Table
    pictures: list[Picture]


def page_of_run(run: Run, comparisons: dict[str, Comparison]) -> str:
    """The page of one run: for each data set the answer, the table, all pairs and the pictures.

    Parameters
    ----------
    run : Run
    comparisons : dict
        `compare(run, dataset)` by the name of the data set.
    """
    sections = []
    for number, dataset in enumerate(run.datasets, 1):
        comparison = comparisons[dataset["name"]]
        drawn, lost = _pictures(run, dataset)
        block = _block("", run, dataset, comparison, lost)
        order = "In the order in which they ran" if is_sweep(run) else "Best test accuracy first"
        shown = _table(order, [("", *table(run, dataset, comparison))])
        sections.append(Section(f"set-{number}", dataset["name"], [block], shown, drawn))
    return _render([("", run)], sections)


def page_of_runs(runs: list[Run]) -> str:
    """One page on several runs, without pictures: a data set's table has the rows of all of them, with their names."""
    named = list(zip(_names(runs), runs, strict=True))
    sections = []
    for number, name in enumerate(dict.fromkeys(dataset["name"] for run in runs for dataset in run.datasets), 1):
        theirs = [(label, run, dataset) for label, run in named for dataset in run.datasets if dataset["name"] == name]
        compared = [(label, run, dataset, compare(run, dataset)) for label, run, dataset in theirs]
        blocks = [_block(label, run, dataset, comparison, []) for label, run, dataset, comparison in compared]
        tables = [(label, *table(run, dataset, comparison)) for label, run, dataset, comparison in compared]
        caption = "Each row is compared with the best of its own run"
        if len({_digest_of_test_images(run, name) for _, run, _ in theirs}) > 1:
            caption += ". The runs have different test images"
        sections.append(Section(f"set-{number}", name, blocks, _table(caption, tables), []))
    return _render(named, sections)


def _render(runs: list[tuple[str, Run]], sections: list[Section]) -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["unbroken"] = _unbroken
    style, script = ((HERE / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    digest = hashlib.sha256(script.encode()).digest()
    return environment.get_template("page.html.jinja").render(
        sections=sections,
        runs=[(name, run, header_lines(run)) for name, run in runs],
        sweeps=any(is_sweep(run) for _, run in runs),
        style=Markup(style),
        script=Markup(script),
        script_hash=f"sha256-{base64.b64encode(digest).decode()}",
        svg=Markup,
    )


def _block(name: str, run: Run, dataset: dict, comparison: Comparison, lost: list[str]) -> Block:
    told = answer(run, dataset, comparison)
    seen = what_was_seen(replace(run, datasets=[dataset])) if is_sweep(run) and comparison.contenders else []
    return Block(
        run=name,
        answer=told,
        seen=[sentence for sentence in seen if sentence not in told],
        description=description_lines(dataset),
        pairs=_pairs(comparison),
        remarks=[*remark_lines(run, dataset, comparison), *lost],
        failures=failure_lines(run, dataset),
    )


def _pictures(run: Run, dataset: dict) -> tuple[list[Picture], list[str]]:
    """The pictures, or a line that says why there are none: a damaged file must not cost the rest of the page."""
    try:
        return pictures(run, dataset), []
    except InputError as error:
        return [], [f"Warning: there are no pictures: {error}"]


def _table(caption: str, parts: list[tuple[str, list[str], list[list[str]]]]) -> Table:
    """One table of (run's name, headings, rows) parts; a column that a part lacks is empty there."""
    several = any(name for name, _, _ in parts)
    headings = list(dict.fromkeys(heading for _, headings, _ in parts for heading in headings))
    rows = []
    for name, own, texts in parts:
        for row in texts:
            cells = dict(zip(own, row, strict=True))
            rows.append([*([name] if several else []), *(cells.get(heading, "") for heading in headings)])
    headings = ["run", *headings] if several else headings
    failed = {number for number, row in enumerate(rows) if any(map(_is_failure, row))}
    rows = [["failed" if _is_failure(cell) else cell for cell in row] for row in rows]  # the reasons stand below
    numeric = {number for number, cells in enumerate(zip(*rows, strict=True)) if _are_numbers(cells)}
    return Table(caption, headings, rows, numeric, failed, heads=2 if several else 1)


def _are_numbers(cells: tuple[str, ...]) -> bool:
    filled = [cell for cell in cells if cell not in ("", "failed")]
    return bool(filled) and all(map(NUMBER.match, filled))


def _is_failure(cell: str) -> bool:
    return cell == "failed" or cell.startswith("failed: ")


def _pairs(comparison: Comparison) -> dict[str, Any] | None:
    """The matrix of p-values: each row against each column, as a verdict and a text."""
    contenders = comparison.contenders
    if not comparison.p_values:
        return None
    rows = []
    for setting in contenders:
        cells = []
        for other in contenders:
            p_value = comparison.p_values.get((setting.name, other.name))
            verdict = comparison.verdict(setting, other)
            cells.append((verdict, p_text(p_value)) if verdict else ("", "" if setting is other else "not tested"))
        rows.append(cells)
    return {
        "names": [setting.name for setting in contenders],
        "rows": rows,
        "test": comparison.corrected(comparison.methods.values()),
    }


def _digest_of_test_images(run: Run, name: str) -> str:
    with open(run.folder / name / "test_images.npy", "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _unbroken(text: str) -> str:
    """The text with figures kept on one line; after a dash the space alone would not do it."""
    return UNBROKEN.sub("\N{NO-BREAK SPACE}", text).replace("–\N{NO-BREAK SPACE}", "–\N{WORD JOINER}\N{NO-BREAK SPACE}")


def _names(runs: list[Run]) -> list[str]:
    """The folders' names, or their paths where two have the same name."""
    names = [run.folder.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.folder) for run in runs]
