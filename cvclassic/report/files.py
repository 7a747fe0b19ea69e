"""results.csv, results.json and report.md, written into the run's folder."""

import csv
import io
from dataclasses import asdict

from cvclassic.experiment.result import CSV_COLUMNS, Run, write_json, write_whole
from cvclassic.report.summary import COLUMNS, cells, dataset_lines, header_lines, results_of


def write_report(run: Run) -> None:
    """Write all files of the report, each whole or not at all."""
    _write_text(run.folder / "results.csv", _csv(run))
    content = {
        "schema_version": run.config["schema_version"],
        "run": run.config,
        "datasets": run.datasets,
        "results": [asdict(result) for result in run.results],
    }
    write_json(run.folder / "results.json", content)
    _write_text(run.folder / "report.md", _markdown(run))


def _csv(run: Run) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for result in run.results:
        row = asdict(result)
        writer.writerow({name: row[name] for name in CSV_COLUMNS})
    return text.getvalue()


def _markdown(run: Run) -> str:
    lines = ["# Accuracy report", "", *(f"- {line}" for line in header_lines(run))]
    for dataset in run.datasets:
        lines += ["", f"## {dataset['name']}", "", *(f"- {line}" for line in dataset_lines(run, dataset)), ""]
        lines += [_markdown_row(COLUMNS), _markdown_row(["---", "---", *["---:"] * (len(COLUMNS) - 2)])]
        lines += [_markdown_row(cells(result)) for result in results_of(run, dataset)]
    return "\n".join(lines) + "\n"


def _markdown_row(texts) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _write_text(path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode()))
