"""The report in the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cvclassic.experiment.result import Run
from cvclassic.report.summary import COLUMNS, cells, dataset_lines, header_lines, results_of

FAMILY_STYLES = {"classical": "cyan", "hybrid": "magenta", "neural": "yellow"}


def print_report(run: Run, console: Console) -> None:
    """Print the header, then a table for each data set, best test accuracy first."""
    console.print()
    for line in header_lines(run):
        console.print(escape(line), style="dim", highlight=False, soft_wrap=True)
    for dataset in run.datasets:
        console.print(f"\n[bold]{escape(dataset['name'])}[/]", highlight=False)
        for line in dataset_lines(run, dataset):
            console.print(escape(line), highlight=False, soft_wrap=True)
        console.print(_table(run, dataset))
        for result in results_of(run, dataset):
            if not result.ok:
                console.print(f"[red]{escape(result.pipeline)}: {escape(result.status)}[/]", soft_wrap=True)


def _table(run: Run, dataset: dict) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if number < 2 else "right", no_wrap=number == 0)
    for result in results_of(run, dataset):
        row = cells(result)
        if not result.ok:
            row[2] = "failed"
        table.add_row(*map(escape, row), style=FAMILY_STYLES[result.family] if result.ok else "red")
    return table
