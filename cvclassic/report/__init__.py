"""The faces of a study, and of a check: they print and draw what it says, and decide nothing."""

from cvclassic.report.files import report_files
from cvclassic.report.findings import check_json, print_check
from cvclassic.report.page import answer_html, page_of_run, page_of_runs, table_html
from cvclassic.report.progress import show_progress
from cvclassic.report.reading import show_reading
from cvclassic.report.terminal import print_report, table_text

__all__ = [
    "answer_html",
    "check_json",
    "page_of_run",
    "page_of_runs",
    "print_check",
    "print_report",
    "report_files",
    "show_progress",
    "show_reading",
    "table_html",
    "table_text",
]
