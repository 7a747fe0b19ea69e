"""The report in the terminal, and tables as plain text."""

import io
from collections.abc import Iterable

from rich import table as rich_table
from rich.console import Console
from rich.text import Text

from cvclassic.harmless import harmless
from cvclassic.report.parts import header_of, part, seen_in, words_of
from cvclassic.runs.job import BASELINE
from cvclassic.study.study import DatasetStudy, Study
from cvclassic.study.tables import FAILED, TAKEN, Table, figures_table

STYLES = {
    "classical": "cyan",
    "hybrid": "magenta",
    "neural": "yellow",
    "pretrained": "green",
    BASELINE: "dim",
    FAILED: "red",
    TAKEN: "bold",
}
NAMES = ("dataset", "pipeline", "family")  # by key: columns that are never broken


def print_report(study: Study, console: Console) -> None:
    """Print the header, for each data set the answer, what to know and the table, and what was seen in a sweep."""
    console.print()
    _print_lines(console, header_of(study), "dim")
    for dataset in study.datasets:
        _print_dataset(dataset, console)
    if seen := seen_in(study.datasets):
        console.print()
        _print_lines(console, seen)


def table_text(table: Table, width: int = 160) -> str:
    """A table as plain text in lines of at most `width` characters."""
    text = io.StringIO()
    Console(file=text, width=width, force_terminal=False, no_color=True).print(_drawn(table, gap=1))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _print_dataset(dataset: DatasetStudy, console: Console) -> None:
    words = words_of(dataset)
    console.print()
    _print_lines(console, [dataset.name], "bold")
    console.print(Text(harmless(" ".join(words.answer))))
    _print_lines(console, [*words.description, *words.remarks], "dim")
    table = part("The table", _drawn_figures, dataset)
    if isinstance(table, str):
        _print_lines(console, [table], "red")
    else:
        console.print(table)
    _print_lines(console, words.failures, "red")


def _print_lines(console: Console, lines: Iterable[str], style: str = "") -> None:
    for line in lines:
        console.print(Text(harmless(line), style=style), soft_wrap=True)


def _drawn_figures(dataset: DatasetStudy) -> rich_table.Table:
    return _drawn(figures_table(dataset))


def _drawn(table: Table, gap: int = 2) -> rich_table.Table:
    """The table without columns that are minor or empty, for lack of width."""
    rows = [table.texts(row) for row in table.rows]
    shown = [n for n, column in enumerate(table.columns) if not column.minor and any(row[n] for row in rows)]
    drawn = rich_table.Table(box=None, header_style="bold", padding=(0, gap, 0, 0), pad_edge=False)
    for column in (table.columns[n] for n in shown):
        justify = "right" if column.numeric else "left"
        drawn.add_column(
            Text(harmless(column.heading)),
            justify=justify,
            no_wrap=column.key in NAMES,
            overflow="fold",
        )
    for row, mark in zip(rows, table.marks, strict=True):
        drawn.add_row(*(Text(harmless(row[n])) for n in shown), style=STYLES.get(mark))
    return drawn
