"""report.html, one file without anything from outside; and the parts of it that a notebook shows.

One screen has the answer, one picture and the warnings; then comes a table of a few columns, whose rows open; what else
there is is folded.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cvclassic.datasets.doctor.finding import WARNING as DOCTORS_WARNING
from cvclassic.harmless import harmless
from cvclassic.report.parts import FINDING, WARNING, Words, header_of, part, seen_in, words_of
from cvclassic.report.pictures import Picture, pictures
from cvclassic.study.study import OF_TEST, OF_VALIDATION, DatasetStudy, Study
from cvclassic.study.tables import Column, PairsTable, Table, figures_table, pairs_table

HERE = Path(__file__).parent
UNBROKEN = re.compile(r"(?<=\d) (?=%|s\b|ms\b|±|–)|(?<=[±–=<]) (?=\d)|(?<=\bp) (?=[=<])")  # spaces inside of figures
MOST_COLUMNS, MOST_ON_A_PHONE = 8, 4  # of a table; the others stand in the row that opens below
MOST_SETTINGS = 2  # that come before other columns
MOST_WARNINGS = 4  # that are not folded
FIRST = "accuracy-fit-time"  # the picture beside the answer
CURVES = ("training-images", "corruptions", "learning-curves")
# What a person needs of a row, the most needed first.
SCORES = tuple(OF_TEST.values())
NEEDED = ("verdict", "fit_seconds", "ci")
ALSO_NEEDED = ("family", "answer_seconds", *OF_VALIDATION.values(), "train_accuracy", "predict_images_per_second")

Cell = tuple[str, str | float | None]  # its text, and what it is sorted by


@dataclass(frozen=True)
class Figures:
    """A table as the page has it: each row is its mark and its cells.

    `heads` is the number of columns that name the row. `places` are those of the columns that stand in the table, and
    `on_a_phone` of those that do so even there; the others are in the row that opens below.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: list[tuple[str, list[Cell]]]
    heads: int = 1

    @property
    def places(self) -> list[int]:
        return sorted(self._by_need[:MOST_COLUMNS])

    @property
    def on_a_phone(self) -> list[int]:
        return sorted(self._by_need[:MOST_ON_A_PHONE])

    def rest(self, cells: list[Cell]) -> list[tuple[str, str, bool]]:
        """What the row opens for: heading and text, and whether these are missing in the table on a phone alone."""
        among = [k for k, (text, _) in enumerate(cells) if text and k not in self.on_a_phone]
        return [(self.columns[k].heading, cells[k][0], k in self.places) for k in among]

    @functools.cached_property
    def _by_need(self) -> list[int]:
        """Places of the columns with anything in them, the most needed first."""
        keys = [column.key for column in self.columns]
        filled = [k for k in range(len(keys)) if any(cells[k][0] for _, cells in self.rows)]
        scores = [k for k in filled if keys[k] in SCORES]  # that of the data set's metric comes first
        settings = [k for k in filled if self.columns[k].setting or keys[k] == "n_train"]
        order = [*range(self.heads), *scores[:1], *settings[:MOST_SETTINGS]]
        order += [keys.index(key) for key in NEEDED if key in keys]
        order += [*settings, *(keys.index(key) for key in ALSO_NEEDED if key in keys), *filled]
        return [k for k in dict.fromkeys(order) if k in filled]


@dataclass(frozen=True)
class Block:
    """What one run says of a data set.

    `run` is its name where the page has several, `seen` the sentences on a sweep that its answer has not, `pairs` None
    for less than two contenders, or a line that says why it is missing, `lost` what could not be drawn or made.
    """

    run: str
    words: Words
    seen: list[str]
    pairs: PairsTable | str | None
    lost: list[str]

    @property
    def warnings(self) -> list[str]:
        """What a reader must see beside the answer."""
        return [*self.words.failures, *self.words.warnings, *self.lost]

    @property
    def details(self) -> list[str]:
        """How it was judged, and what else there is to know."""
        remarks = [line for line in self.words.remarks if line not in self.words.warnings]
        return [*self.words.questions, *remarks]


@dataclass(frozen=True)
class Section:
    """One data set on the page, a block for each run that has it; `table` is a line where it could not be made."""

    id: str
    name: str
    blocks: list[Block]
    table: Figures | str
    drawn: list[Picture]

    @property
    def first(self) -> Picture | None:
        """The picture beside the answer."""
        return next((each for each in self.drawn if each.name == FIRST), None)

    @property
    def pictures(self) -> list[Picture]:
        return [each for each in self.drawn if each.name not in (FIRST, *CURVES)]

    @property
    def curves(self) -> list[Picture]:
        return [each for each in self.drawn if each.name in CURVES]


def page_of_run(study: Study) -> str:
    """The page of one run: for each data set the answer, the table, all pairs and the pictures."""
    sections = []
    for number, dataset in enumerate(study.datasets, 1):
        found = part("The pictures", pictures, dataset)
        drawn, lost = ([], [found]) if isinstance(found, str) else found
        table = part("The table", _figures_of, dataset)
        sections.append(Section(f"set-{number}", dataset.name, [_block("", dataset, lost)], table, drawn))
    return _render([("", study)], sections)


def page_of_runs(studies: Sequence[Study]) -> str:
    """One page on several runs, without pictures: a data set's table has the rows of all of them, with their names."""
    named = list(zip(_names(studies), studies, strict=True))
    sections = []
    for number, name in enumerate(dict.fromkeys(each.name for study in studies for each in study.datasets), 1):
        theirs = [(run, dataset) for run, study in named for dataset in study.datasets if dataset.name == name]
        blocks, tables = [], []
        for run, dataset in theirs:
            table = part("The table", _figures_of, dataset)
            blocks.append(_block(run, dataset, [table] if isinstance(table, str) else []))
            tables += [] if isinstance(table, str) else [(run, table)]
        differ = len({dataset.record.test_images for _, dataset in theirs}) > 1
        whole = part("The table", _side_by_side, tables, differ) if tables else table
        sections.append(Section(f"set-{number}", name, blocks, whole, []))
    return _render(named, sections)


def table_html(table: Table) -> str:
    """A table as HTML, for a notebook."""
    return str(_environment().get_template("tables.html.jinja").module.figures(_figures(table)))


def answer_html(study: Study) -> str:
    """The answers, the tables and the failures as HTML, for a notebook."""
    sections = [(d.name, words_of(d), part("The table", _figures_of, d)) for d in study.datasets]
    return str(_environment().get_template("tables.html.jinja").module.answers(sections))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        finalize=lambda value: harmless(value) if type(value) is str else value,  # markup of our own is another type
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = _unbroken
    environment.filters["parted"] = _parted
    return environment


def _render(runs: list[tuple[str, Study]], sections: list[Section]) -> str:
    style, script = ((HERE / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    digest = hashlib.sha256(script.encode()).digest()
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            sections=sections,
            runs=[(name, *_header(study)) for name, study in runs],
            made=_made(runs),
            most_warnings=MOST_WARNINGS,
            style=Markup(style),
            script=Markup(script),
            script_hash=f"sha256-{base64.b64encode(digest).decode()}",
            svg=Markup,
        )
    )


def _made(runs: list[tuple[str, Study]]) -> list[str]:
    """When and where the runs were made, those that have it in common together."""
    found: dict[str, list[str]] = {}
    for name, study in runs:
        record = study.run.record
        machines = dict.fromkeys(outcome.result.machine for outcome in study.run.outcomes if outcome.result.machine)
        where = " and ".join(machines) or record.machine
        found.setdefault(f"{record.created[:10]}, {where}", []).append(name)
    return [": ".join(filter(None, [", ".join(names), made])) for made, names in found.items()]


def _header(study: Study) -> tuple[list[str], list[str]]:
    """The lines on a run, and those that warn."""
    lines = header_of(study)
    warnings = [line for line in lines if line.startswith(WARNING)]
    return [line for line in lines if line not in warnings], warnings


def _block(run: str, dataset: DatasetStudy, lost: list[str]) -> Block:
    words = words_of(dataset)
    seen = seen_in([dataset]) if dataset.sizes else []
    pairs = part("The comparison of pairs", pairs_table, dataset)
    return Block(run, words, [sentence for sentence in seen if sentence not in words.answer], pairs, lost)


def _figures_of(dataset: DatasetStudy) -> Figures:
    return _figures(figures_table(dataset))


def _figures(table: Table) -> Figures:
    rows = [
        (mark, list(zip(table.texts(row), map(table.sort_key, row), strict=True)))
        for row, mark in zip(table.rows, table.marks, strict=True)
    ]
    return Figures(table.caption, table.columns, rows)


def _side_by_side(tables: list[tuple[str, Figures]], differ: bool) -> Figures:
    """One table of those of several runs, with the run in front; a column that one lacks is empty there."""
    columns = {column.key: column for _, table in tables for column in table.columns}
    rows = []
    for run, table in tables:
        keys = [column.key for column in table.columns]
        for mark, row in table.rows:
            cells = dict(zip(keys, row, strict=True))
            rows.append((mark, [(run, run), *(cells.get(key, ("", None)) for key in columns)]))
    caption = "Each row is compared with what to take of its own run" + ". The runs have different test images" * differ
    return Figures(caption, (Column("run", "run", setting=True), *columns.values()), rows, heads=2)


def _parted(line: str) -> tuple[str, str]:
    """The first sentence of a warning of the doctor, and what opens below it; of what is severe all is seen."""
    if not line.startswith(f"{FINDING}{DOCTORS_WARNING}: "):
        return line, ""
    first, *rest = re.split(r"(?<=\.) (?=[A-Z])", line, maxsplit=1)
    return first, " ".join(rest)


def _unbroken(text: str) -> str:
    """The text with figures kept on one line; after a dash the space alone would not do it."""
    return UNBROKEN.sub("\N{NO-BREAK SPACE}", text).replace("–\N{NO-BREAK SPACE}", "–\N{WORD JOINER}\N{NO-BREAK SPACE}")


def _names(studies: Sequence[Study]) -> list[str]:
    """The runs' names, with their place on the command line where two have the same."""
    names = [study.run.name for study in studies]
    return [f"{name} ({n})" if names.count(name) > 1 else name for n, name in enumerate(names, 1)]
