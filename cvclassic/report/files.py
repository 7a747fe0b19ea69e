"""The files of a run's report."""

from collections.abc import Callable

from cvclassic.report.curves import learning_curves
from cvclassic.report.markdown import markdown
from cvclassic.report.page import page_of_run
from cvclassic.report.parts import part
from cvclassic.report.results_json import json_text
from cvclassic.report.tables_csv import csv_text
from cvclassic.runs.job import file_name
from cvclassic.study.study import Study
from cvclassic.study.tables import folds_table, results_table, sweep_table


def report_files(study: Study) -> tuple[dict[str, bytes], list[str]]:
    """The content of each file of the report, by name; nothing is written.

    Returns
    -------
    dict of str to bytes
        In the order in which they should be written. What could not be made is missing.
    list of str
        A line for each file that is missing, with the reason.
    """
    files: dict[str, bytes] = {}
    lost: list[str] = []

    def add(name: str, make: Callable[[], str | bytes | None]) -> None:
        content = part(name, lambda: _encoded(make()))
        if isinstance(content, str):
            lost.append(content)
        elif content is not None:
            files[name] = content

    add("results.csv", lambda: csv_text(results_table(study)))
    if any(dataset.record.folds for dataset in study.datasets):
        add("folds.csv", lambda: csv_text(folds_table(study)))
    add("results.json", lambda: json_text(study))
    curves = {dataset.name: f"learning_curves_{file_name(dataset.name)}.png" for dataset in study.datasets}
    if study.is_sweep:
        add("sweep.csv", lambda: csv_text(sweep_table(study)))
        for dataset in study.datasets:
            add(curves[dataset.name], lambda dataset=dataset: learning_curves(dataset))
    add("report.html", lambda: page_of_run(study))
    drawn = {dataset: name for dataset, name in curves.items() if name in files}
    add("report.md", lambda: markdown(study, drawn, lost))  # last, for it says what is missing
    return files, lost


def _encoded(content: str | bytes | None) -> bytes | None:
    """Texts as UTF-8, whatever they hold."""
    return content.encode(errors="replace") if isinstance(content, str) else content
