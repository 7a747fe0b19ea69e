"""results.csv and sweep.csv."""

import csv
import io
import re

from cvclassic.report.harmless import harmless
from cvclassic.study.tables import Cell, Table

# A spreadsheet runs a cell that begins so.
_FORMULA = re.compile(r"\s*[=+@-]|[\t\r\n]")


def csv_text(table: Table) -> str:
    """A table as comma-separated values, under the keys of its columns.

    Numbers have all their digits, and None is empty. Texts stand in one line; where a spreadsheet would take one for a
    formula, it has an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_safe(column.key) for column in table.columns])
    writer.writerows([_safe(cell) for cell in row] for row in table.rows)
    return text.getvalue()


def _safe(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    return ("'" if _FORMULA.match(cell) and not _is_number(cell) else "") + harmless(cell)


def _is_number(text: str) -> bool:
    """Whether it is one, such as the value of a setting."""
    try:
        float(text)
    except ValueError:
        return False
    return True
