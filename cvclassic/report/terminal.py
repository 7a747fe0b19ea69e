"""The report in the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cvclassic.experiment.result import Run
from cvclassic.report.answer import answer
from cvclassic.report.comparison import Comparison, compare
from cvclassic.report.summary import F1_INTERVAL, dataset_lines, failure_lines, header_lines, results_of, table
from cvclassic.report.sweep import is_sweep, what_was_seen

FAMILY_STYLES = {"classical": "cyan", "hybrid": "magenta", "neural": "yellow"}


def print_report(run: Run, console: Console) -> None:
    """Print the header, then for each data set the answer and a table, best first, or a sweep's in its own order."""
    console.print()
    for line in header_lines(run):
        console.print(escape(line), style="dim", highlight=False, soft_wrap=True)
    for dataset in run.datasets:
        comparison = compare(run, dataset)
        console.print(f"\n[bold]{escape(dataset['name'])}[/]", highlight=False)
        console.print(escape(" ".join(answer(run, dataset, comparison))), highlight=False)
        for line in dataset_lines(run, dataset, comparison):
            console.print(escape(line), style="dim", highlight=False, soft_wrap=True)
        console.print(_table(run, dataset, comparison))
        for line in failure_lines(run, dataset):
            console.print(f"[red]{escape(line)}[/]", soft_wrap=True)
    if is_sweep(run):
        console.print()
        for sentence in what_was_seen(run):
            console.print(escape(sentence), highlight=False, soft_wrap=True)


def _table(run: Run, dataset: dict, comparison: Comparison) -> Table:
    headings, rows = table(run, dataset, comparison)
    shown = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    hidden = headings.index(F1_INTERVAL) if F1_INTERVAL in headings else None  # for lack of width
    for number, heading in enumerate(headings):
        if number != hidden:
            shown.add_column(heading, justify="left" if number < 2 else "right", no_wrap=number == 0)
    if hidden is not None:
        for row in rows:
            del row[hidden]
    if is_sweep(run):
        mark = headings.index("on validation")
        for row in rows:
            style = "red" if "failed" in row else "bold" if row[mark] == "best" else None
            shown.add_row(*map(escape, row), style=style)
        return shown
    for row, result in zip(rows, results_of(run, dataset), strict=True):
        if not result.ok:
            row[2] = "failed"
        shown.add_row(*map(escape, row), style=FAMILY_STYLES[result.family] if result.ok else "red")
    return shown
