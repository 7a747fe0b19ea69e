"""The report in the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cvclassic.experiment.result import Run
from cvclassic.report.summary import dataset_lines, header_lines, job_name, results_of, table
from cvclassic.report.sweep import is_sweep, what_was_seen

FAMILY_STYLES = {"classical": "cyan", "hybrid": "magenta", "neural": "yellow"}


def print_report(run: Run, console: Console) -> None:
    """Print the header, then a table for each data set, best test accuracy first, or a sweep's in its own order."""
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
                console.print(f"[red]{escape(f'{job_name(run, result)}: {result.status}')}[/]", soft_wrap=True)
    if is_sweep(run):
        console.print()
        for sentence in what_was_seen(run):
            console.print(escape(sentence), highlight=False, soft_wrap=True)


def _table(run: Run, dataset: dict) -> Table:
    headings, rows = table(run, dataset)
    shown = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    for number, heading in enumerate(headings):
        shown.add_column(heading, justify="left" if number < 2 else "right", no_wrap=number == 0)
    if is_sweep(run):
        for row in rows:
            shown.add_row(*map(escape, row), style="red" if "failed" in row else "bold" if "best" in row else None)
        return shown
    for row, result in zip(rows, results_of(run, dataset), strict=True):
        if not result.ok:
            row[2] = "failed"
        shown.add_row(*map(escape, row), style=FAMILY_STYLES[result.family] if result.ok else "red")
    return shown
