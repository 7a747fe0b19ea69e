"""report.md."""

import re
from collections.abc import Iterable, Mapping, Sequence

from cvclassic.harmless import harmless
from cvclassic.report.parts import header_of, part, seen_in, words_of
from cvclassic.study.study import DatasetStudy, Study
from cvclassic.study.tables import figures_table

# Where it would be read as markup, and nowhere else, so that the file is legible as it is: a mark beside a letter, a
# tag, an entity, and what makes a heading, a list or a quotation at the start of a text.
_MARKUP = re.compile(
    r"[\\`\[\]|~$]|\*(?! |$)|(?<! )\*|_(?![^\W_])|(?<![^\W_])_|(?P<tag><)(?! )|(?P<entity>&)(?=#?\w+;)|^[#*+>=-]"
)


def markdown(study: Study, curves: Mapping[str, str], lost: Sequence[str]) -> str:
    """The report as Markdown.

    Parameters
    ----------
    study : Study
    curves : mapping of str to str
        The file of learning curves, by name of the data set.
    lost : sequence of str
        A line for each file that could not be made.
    """
    lines = ["# Accuracy report", "", *_listed(header_of(study)), *_listed(lost)]
    for dataset in study.datasets:
        lines += _dataset_lines(dataset)
        if dataset.name in curves:
            lines += ["", f"![Learning curves on {escaped(dataset.name)}]({curves[dataset.name]})"]
    if seen := seen_in(study.datasets):
        lines += ["", "## What was seen", "", *map(escaped, seen)]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """`text` in one line, which Markdown shows as it is."""
    return _MARKUP.sub(_escape, harmless(text))


def _escape(found: re.Match[str]) -> str:
    return "&lt;" if found["tag"] else "&amp;" if found["entity"] else "\\" + found[0]


def _dataset_lines(dataset: DatasetStudy) -> list[str]:
    words = words_of(dataset)
    table = part("The table", _table_lines, dataset)
    return [
        *("", f"## {escaped(dataset.name)}", ""),
        *map(escaped, words.answer),
        "",
        *_listed([*words.description, *words.remarks]),
        "",
        *([escaped(table)] if isinstance(table, str) else table),
        *([""] if words.failures else []),
        *_listed(words.failures),
    ]


def _listed(lines: Iterable[str]) -> list[str]:
    return [f"- {escaped(line)}" for line in lines]


def _table_lines(dataset: DatasetStudy) -> list[str]:
    table = figures_table(dataset)
    return [
        _row(escaped(column.heading) for column in table.columns),
        _row("---:" if column.numeric else "---" for column in table.columns),
        *(_row(map(escaped, table.texts(row))) for row in table.rows),
    ]


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"
