"""report.html, report.md, results.csv, results.json, and a sweep's files, written into the run's folder."""

import csv
import io
from dataclasses import asdict
from pathlib import Path

from cvclassic.errors import InputError
from cvclassic.experiment.result import CSV_COLUMNS, Run, write_json, write_whole
from cvclassic.report.answer import answer
from cvclassic.report.comparison import Comparison, compare
from cvclassic.report.curves import write_learning_curves
from cvclassic.report.page import page_of_run, page_of_runs
from cvclassic.report.summary import dataset_lines, failure_lines, header_lines, table
from cvclassic.report.sweep import is_sweep, sweep_csv, what_was_seen


def write_report(run: Run) -> list[str]:
    """Write all files of the report, each whole or not at all, and return their names."""
    _write_text(run.folder / "results.csv", _csv(run))
    content = {
        "schema_version": run.config["schema_version"],
        "run": run.config,
        "datasets": run.datasets,
        "results": [asdict(result) for result in run.results],
    }
    write_json(run.folder / "results.json", content)
    curves = {}
    if is_sweep(run):
        _write_text(run.folder / "sweep.csv", sweep_csv(run))
        curves = {dataset["name"]: write_learning_curves(run, dataset) for dataset in run.datasets}
    comparisons = {dataset["name"]: compare(run, dataset) for dataset in run.datasets}
    _write_text(run.folder / "report.md", _markdown(run, comparisons, curves))
    _write_text(run.folder / "report.html", page_of_run(run, comparisons))
    of_sweep = ["sweep.csv", *filter(None, curves.values())] if is_sweep(run) else []
    return ["report.html", "report.md", "results.csv", "results.json", *of_sweep]


def write_side_by_side(runs: list[Run], path: Path) -> None:
    """Write one page on several runs: their answers, and a table for each data set with the rows of all of them.

    Raises
    ------
    InputError
        If `path` can't be written.
    """
    text = page_of_runs(runs)
    try:
        _write_text(path, text)
    except OSError as error:
        raise InputError(f"The page {path} can't be written: {error}. Choose another --out.") from error


def _csv(run: Run) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for result in run.results:
        row = asdict(result)
        writer.writerow({name: row[name] for name in CSV_COLUMNS})
    return text.getvalue()


def _markdown(run: Run, comparisons: dict[str, Comparison], curves: dict[str, str | None]) -> str:
    lines = ["# Accuracy report", "", *(f"- {line}" for line in header_lines(run))]
    for dataset in run.datasets:
        comparison = comparisons[dataset["name"]]
        lines += ["", f"## {dataset['name']}", "", *answer(run, dataset, comparison), ""]
        lines += [*(f"- {line}" for line in dataset_lines(run, dataset, comparison)), ""]
        headings, rows = table(run, dataset, comparison)
        lines += [_markdown_row(headings), _markdown_row(["---", "---", *["---:"] * (len(headings) - 2)])]
        lines += map(_markdown_row, rows)
        if failed := failure_lines(run, dataset):
            lines += ["", *(f"- {line}" for line in failed)]
        if curves.get(dataset["name"]):
            lines += ["", f"![Learning curves on {dataset['name']}]({curves[dataset['name']]})"]
    if is_sweep(run):
        lines += ["", "## What was seen", "", *what_was_seen(run)]
    return "\n".join(lines) + "\n"


def _markdown_row(texts) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _write_text(path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode()))
