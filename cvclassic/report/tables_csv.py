"""results.csv and sweep.csv."""

import csv
import io

from cvclassic.harmless import harmless_cell
from cvclassic.study.tables import Cell, Table


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
    return harmless_cell(cell) if isinstance(cell, str) else cell
