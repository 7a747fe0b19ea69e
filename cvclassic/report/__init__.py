"""The report: made from a run's folder alone; nothing here trains or predicts."""

from cvclassic.report.files import write_report, write_side_by_side
from cvclassic.report.progress import show_progress
from cvclassic.report.sweep import what_was_seen
from cvclassic.report.terminal import print_report

__all__ = ["print_report", "show_progress", "what_was_seen", "write_report", "write_side_by_side"]
