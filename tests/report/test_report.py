"""The report in the terminal and in Markdown says what the study says."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from cvclassic.harmless import harmless
from cvclassic.report import markdown as markdown_module
from cvclassic.report import parts, print_report, report_files, table_text, terminal
from cvclassic.report.markdown import escaped
from cvclassic.runs.job import PipelineRecord
from cvclassic.study.study import Study
from cvclassic.study.tables import Column, Table, results_table
from tests.made_runs import make_run, make_study

JOBS = [
    ("animals", "svm", "classical", 20, 1.0),
    ("animals", "broken", "neural", "failed: ValueError: a | b [c]"),
    ("animals", "cnn", "neural", 60, 9.0),
]


def markdown_of(study):
    return report_files(study)[0]["report.md"].decode()


def printed(study, width=160, **more):
    file = io.StringIO()
    print_report(study, Console(file=file, width=width, **more))
    return file.getvalue()


def faces(study):
    """Both, each sentence in one line."""
    return markdown_of(study), " ".join(printed(study).split())


def test_both_say_what_a_reader_must_know():
    study = make_study(JOBS, notes=("mlp has nothing to do on animals",), problems=("a file is damaged",), seed=3)
    markdown, terminal_text = faces(study)
    for text in (markdown, terminal_text):
        for said in (
            *("seed 3", "preset standard", "2 threads", "optimizer adam", "a machine, 2 cores", "drawn at random"),
            *("1,000 train, 50 validation, 400 test", "mlp has nothing to do on animals", "a file is damaged"),
            *("use svm: right on 95 of 100 test images", "svm, the only classical pipeline, reaches 95.00 %"),
            *("92.40 – 96.74", "worse by more than the margin", "verdict", "Failed: broken"),
        ):
            assert said in text
        assert text.index("the only classical") < text.index("macro F1")
    assert "ValueError: a | b [c]" in terminal_text
    assert "ValueError: a \\| b \\[c\\]" in markdown
    assert markdown.index("| svm | classical") < markdown.index("| cnn | neural") < markdown.index("| broken | neural")
    assert re.search(r"\| svm \| classical \| 95.00 % \| [\d. –]+ \| taken \| .* \| 0.9[\d]+ – 0.9\d+ \|", markdown)
    assert "F1 interval" not in terminal_text  # for lack of room


def test_a_stack_of_its_own_and_the_published_figure_stand_beside_ours():
    run = make_run(JOBS)
    own = PipelineRecord("svm", "", "classical", {"optimizer": "rmsprop", "momentum": None}, "97 % (book)")
    markdown = markdown_of(Study(replace(run, record=replace(run.record, pipelines=(own, *run.record.pipelines[1:])))))
    assert "| svm * | classical |" in markdown
    assert "| cnn | neural |" in markdown
    assert "- \\* svm brings its own training stack: optimizer rmsprop\n" in markdown
    assert "Published for svm: 97 % (book); here 95.00 % on animals" in markdown


def test_columns_of_options_are_there_only_where_the_run_has_them():
    assert "corruption error" not in markdown_of(make_study(JOBS))
    measured = {"over_budget": False, "mean_corruption_error": 0.25, "fit_energy_joules": 12.34}
    jobs = [(*JOBS[0], measured), (*JOBS[2], {"over_budget": True})]
    lines = [line for line in markdown_of(make_study(jobs, time_budget=5.0)).splitlines() if line.startswith("|")]
    assert lines[0].endswith("| mean corruption error | fit J |")
    assert lines[2].endswith("| 25.00 % | 12 |")
    assert lines[3].endswith("|  |  |")
    assert "| 9.0 (over budget) |" in lines[3]


def test_what_was_seen_in_a_sweep_ends_both():
    jobs = [("animals", "mlp", "neural", wrong, 1.0, {"settings": {"C": c}}) for c, wrong in (("1", 20), ("10", 40))]
    markdown, terminal_text = faces(make_study(jobs, sweep={"C": ["1", "10"]}))
    assert "\n## What was seen\n\nBest on validation: C=1 with" in markdown
    assert "![Learning curves on animals](learning_curves_animals.png)" in markdown
    assert terminal_text.rindex("Worst: C=10") > terminal_text.index("verdict")


def test_rows_have_their_family_s_color_on_a_terminal():
    text = printed(make_study(JOBS), force_terminal=True, color_system="standard")
    assert "\x1b[1msvm" in text  # bold, for what is to be taken
    assert "\x1b[33mcnn" in text
    assert "\x1b[31mbroken: failed: ValueError: a | b [c]" in text


def test_no_name_reaches_the_terminal_with_its_control_characters(hostile_study):
    plain = printed(hostile_study)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", plain)
    assert "<script>" in plain
    assert "\ufffd[31mred\ufffd0m" in plain
    assert "\n|" not in plain  # no name begins a line of its own
    plain.encode()
    colored = printed(hostile_study, force_terminal=True, color_system="standard")
    assert "\x1b[31mred" not in colored.replace("\ufffd", "?")
    assert "\x9b" not in colored


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\r\nc\u2028d", "a b  c d"),
        ("\x07\x1b]0;title\x07", "\ufffd\ufffd]0;title\ufffd"),
        ("\u202eevil\u2066\ud800", "\ufffdevil\ufffd\ufffd"),
        ("Größe 98.75 – 99.96 % ± 日本 🐱", "Größe 98.75 – 99.96 % ± 日本 🐱"),
    ],
)
def test_harmless_keeps_what_can_be_read_in_one_line(text, shown):
    assert harmless(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hog_svm", "hog_svm"),
        ("p < 0.001", "p < 0.001"),
        ("svm * | _x_", "svm * \\| \\_x\\_"),
        ("<img src=x>", "&lt;img src=x>"),
        ("&lt;b&gt; R&D", "&amp;lt;b&amp;gt; R&D"),
        ("[x](http://y) `c` **b** ~~s~~", "\\[x\\](http://y) \\`c\\` \\*\\*b\\*\\* \\~\\~s\\~\\~"),
        ("# heading\nand more", "\\# heading and more"),
        ("a\\|b", "a\\\\\\|b"),
    ],
)
def test_markdown_shows_names_as_they_are(text, shown):
    assert escaped(text) == shown


def test_no_name_is_markup_in_markdown(hostile_study):
    files, lost = report_files(hostile_study)
    assert lost == []
    text = files["report.md"].decode()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]|<(?! )", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(hostile_study.datasets[0].configurations)
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert "a\\|b\\`c\\`" in text


def test_a_table_as_text_has_all_that_fits_and_no_empty_column():
    jobs = [(*JOBS[0], {"settings": {"C": "10"}}), *JOBS[1:]]
    text = table_text(results_table(make_study(jobs)))
    assert max(map(len, text.splitlines())) <= 160
    for said in ("data set", "svm", "classical", "C=10", "95.00 %", "1,000", "1.23"):
        assert said in text
    assert "settings" not in table_text(results_table(make_study(JOBS)))
    names = Table("", (Column("pipeline", "pipeline"), Column("x", "\x1b[1mx", minor=True)), (("[bold]a\n", 1),), ("",))
    assert table_text(names) == "pipeline\n[bold]a"


@pytest.mark.parametrize(
    ("module", "name", "told"),
    [
        (parts, "answer", "The answer could not be made: ValueError: no [luck]"),
        (parts, "remark_lines", "The remarks could not be made: ValueError: no [luck]"),
        (parts, "header_lines", "The header could not be made: ValueError: no [luck]"),
        (parts, "failure_lines", "The list of failures could not be made: ValueError: no [luck]"),
        (terminal, "figures_table", "The table could not be made: ValueError: no [luck]"),
        (markdown_module, "figures_table", "The table could not be made: ValueError: no [luck]"),
    ],
)
def test_a_part_that_fails_is_a_line_and_the_others_stand(monkeypatch, module, name, told):
    def fail(*arguments):
        raise ValueError("no [luck]")

    monkeypatch.setattr(module, name, fail)
    study = make_study(JOBS)
    markdown, terminal_text = faces(study)
    if module is not markdown_module:
        assert told in terminal_text
    if module is not terminal:
        assert told.replace("[luck]", "\\[luck\\]") in markdown
    for text in (markdown, terminal_text):
        assert sum(said in text for said in ("drawn at random", "a machine", "macro F1", "right on", "a | b")) >= 3
    assert report_files(study)[1] == []
