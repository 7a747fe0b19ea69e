"""The faces of a study: they print and draw what it says, and decide nothing."""

from cvclassic.report.files import report_files
from cvclassic.report.page import answer_html, page_of_run, page_of_runs, table_html
from cvclassic.report.progress import show_progress
from cvclassic.report.terminal import print_report, table_text

__all__ = [
    "answer_html",
    "page_of_run",
    "page_of_runs",
    "print_report",
    "report_files",
    "show_progress",
    "table_html",
    "table_text",
]
