"""results.csv, results.json and report.md, and those of a sweep, written into the run's folder."""

import csv
import io
from dataclasses import asdict

from cvclassic.experiment.result import CSV_COLUMNS, Run, write_json, write_whole
from cvclassic.report.curves import write_learning_curves
from cvclassic.report.summary import dataset_lines, header_lines, table
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
    _write_text(run.folder / "report.md", _markdown(run, curves))
    of_sweep = ["sweep.csv", *filter(None, curves.values())] if is_sweep(run) else []
    return ["results.csv", "results.json", "report.md", *of_sweep]


def _csv(run: Run) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for result in run.results:
        row = asdict(result)
        writer.writerow({name: row[name] for name in CSV_COLUMNS})
    return text.getvalue()


def _markdown(run: Run, curves: dict[str, str | None]) -> str:
    lines = ["# Accuracy report", "", *(f"- {line}" for line in header_lines(run))]
    for dataset in run.datasets:
        lines += ["", f"## {dataset['name']}", "", *(f"- {line}" for line in dataset_lines(run, dataset)), ""]
        headings, rows = table(run, dataset)
        lines += [_markdown_row(headings), _markdown_row(["---", "---", *["---:"] * (len(headings) - 2)])]
        lines += map(_markdown_row, rows)
        if curves.get(dataset["name"]):
            lines += ["", f"![Learning curves on {dataset['name']}]({curves[dataset['name']]})"]
    if is_sweep(run):
        lines += ["", "## What was seen", "", *what_was_seen(run)]
    return "\n".join(lines) + "\n"


def _markdown_row(texts) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _write_text(path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode()))
