"""The files of a report: what stands in results.csv, sweep.csv and results.json, and what one that fails costs."""

import csv
import io
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from statsmodels.stats.proportion import proportion_confint

from cvclassic.report import files as files_module
from cvclassic.report import report_files
from cvclassic.report.tables_csv import csv_text
from cvclassic.runs.job import SCHEMA_VERSION, DatasetRecord, Result, RunRecord, Trial, Tuning
from cvclassic.runs.spec import RunSpec
from cvclassic.study.study import Study
from cvclassic.study.tables import Column, Table
from tests.made_runs import make_run, make_study

COLUMNS = [
    *("dataset", "pipeline", "family", "status", "seed", "n_train", "n_features", "train_accuracy", "test_accuracy"),
    *("ci_low", "ci_high", "macro_f1", "fit_seconds", "predict_images_per_second", "peak_memory_mb", "model_bytes"),
]
DOCUMENT = Path(__file__).parents[2] / "docs" / "results.md"
JOBS = [
    ("animals", "svm", "classical", 20, 12.345678901234567, {"settings": {"C": "10", "gamma": "-0.5"}}),
    ("animals", "broken", "neural", "failed: ValueError: a, b"),
    ("animals", "cnn", "neural", 60, 9.0),
]
SEEDS = [
    ("animals", "mlp", "neural", 20 + 5 * seed, 1.0, {"seed": seed, "settings": {"rate": rate}})
    for rate in ("-1", "1e-3")
    for seed in (0, 1)
]


def rows_of(content):
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_the_files_of_a_run_and_of_a_sweep_in_their_order():
    files, lost = report_files(make_study(JOBS))
    assert list(files) == ["results.csv", "results.json", "report.html", "report.md"]
    jobs = [(name, *job[1:]) for job in SEEDS for name in ("animals", "results.csv/..")]
    swept, lost_too = report_files(
        make_study(jobs, sets=("animals", "results.csv/.."), sweep={"rate": ["-1", "1e-3"]}, repeats=2)
    )
    assert lost == lost_too == []
    first, second = (name for name in swept if name.startswith("learning_curves_"))
    assert list(swept) == [
        *("results.csv", "results.json", "sweep.csv", first, second, "report.html", "report.md"),
    ]
    assert first == "learning_curves_animals.png"
    assert re.fullmatch(r"learning_curves_[\w,+=-]+\.png", second)
    pixels = np.asarray(Image.open(io.BytesIO(swept[first])).convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
    classical = [(*job[:2], "classical", *job[3:]) for job in SEEDS]
    assert len(report_files(make_study(classical, repeats=2))[0]) == 5  # nothing has a history


def test_results_csv_has_its_columns_and_the_full_figures():
    content = report_files(make_study(JOBS))[0]["results.csv"]
    rows = rows_of(content)
    assert list(rows[0])[:16] == COLUMNS
    assert [row["pipeline"] for row in rows] == ["svm", "broken", "cnn"]
    assert float(rows[0]["fit_seconds"]) == 12.345678901234567
    assert rows[0]["settings"] == "C=10, gamma=-0.5"
    low, high = proportion_confint(380, 400, method="wilson")
    assert [float(rows[0][name]) for name in ("ci_low", "ci_high")] == pytest.approx([low, high], abs=1e-12)
    assert rows[1]["status"] == "failed: ValueError: a, b"
    assert {rows[1][name] for name in COLUMNS[6:]} == {""}


def test_sweep_csv_has_a_column_for_each_setting():
    study = make_study(SEEDS, sweep={"rate": ["-1", "1e-3"]}, repeats=2)
    rows = rows_of(report_files(study)[0]["sweep.csv"])
    assert list(rows[0])[:5] == ["dataset", "pipeline", "rate", "seed", "n_train"]
    assert [(row["rate"], row["seed"]) for row in rows] == [("-1", "0"), ("-1", "1"), ("1e-3", "0"), ("1e-3", "1")]
    assert [float(row["test_accuracy"]) for row in rows] == [0.95, 0.9375] * 2


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "' =1"),
        ("\r\n x", "'   x"),
        (" =1", "' =1"),
        ("-0.5", "-0.5"),
        ("C=10", "C=10"),
        ("two\nlines\x1b", "two lines\ufffd"),
        (-0.1, "-0.1"),
        (1e-17, "1e-17"),
        (None, ""),
    ],
)
def test_no_text_is_a_formula_and_numbers_are_whole(cell, written):
    table = Table("", (Column("=x", "x"), Column("y", "y")), ((cell, 1),), ("",))
    assert list(csv.reader(io.StringIO(csv_text(table)))) == [["'=x", "y"], [written, "1"]]


def test_results_json_holds_everything():
    tuning = Tuning({"C": 10.0}, 0.9, 0.8, (Trial({"C": 10.0, "signed": True}, 100, 1.0, 50, 0.9, 0.25),))
    changes = {"tuning": tuning, "tuning_seconds": 1.5, "tuning_candidates": 1, "settings": {"C": "10"}}
    jobs = [(*JOBS[0][:5], changes), *JOBS[1:]]
    study = make_study(jobs, sweep={"C": ["1", "10"]})
    content = json.loads(report_files(study)[0]["results.json"])
    assert list(content) == ["schema_version", "run", "datasets", "answers", "results", "folds"]
    assert content["schema_version"] == SCHEMA_VERSION
    assert RunSpec.from_json(content["run"]["spec"]) == study.run.spec
    assert content["datasets"][0]["provenance"] == "drawn at random"
    first, failed, last = content["results"]
    assert first["settings"] == {"C": "10"}
    trial = {"parameters": {"C": 10.0, "signed": True}, "n_train": 100, "steps": 1.0, "n_held_out": 50}
    assert first["tuning"]["tried"] == [trial | {"accuracy": 0.9, "seconds": 0.25}]
    assert first["tuning_seconds"] == 1.5
    assert first["per_class"][0] == {"name": "cat", "precision": 0.9, "recall": 0.8, "f1": 0.85, "n_test": 10}
    assert [first["ci_low"], first["ci_high"]] == pytest.approx(
        proportion_confint(380, 400, method="wilson"), abs=1e-12
    )
    assert failed["test_accuracy"] is failed["ci_low"] is failed["history"] is None
    assert last["history"] == study.run.outcomes[2].result.history


def test_results_json_holds_the_answers_and_what_is_behind_them():
    study = make_study([("animals", "svm", "classical", 20, 1.0), ("animals", "cnn", "neural", 200, 9.0)])
    [said] = json.loads(report_files(study)[0]["results.json"])["answers"]
    [question] = said["questions"]
    assert (said["dataset"], said["metric"], said["taken"]) == ("animals", "accuracy", "svm")
    assert said["text"].startswith("On animals use svm")
    assert (question["first"], question["second"], question["verdict"]) == ("svm", "cnn", "better_by_margin")
    assert question["ahead"] == "svm"
    assert question["difference"] == pytest.approx(0.45)
    low, high = question["interval"]
    assert 0.01 < low < 0.45 < high
    failed = make_study([("animals", "svm", "classical", "failed: x")])
    [said] = json.loads(report_files(failed)[0]["results.json"])["answers"]
    assert said["taken"] is said["beats_baseline"] is None
    assert said["questions"] == []


def test_every_field_of_results_json_is_documented():
    sections = DOCUMENT.read_text(encoding="utf-8").split("\n## ")
    study = make_study([("animals", "svm", "classical", 20, 1.0), ("animals", "cnn", "neural", 200, 9.0)])
    [said] = json.loads(report_files(study)[0]["results.json"])["answers"]
    written = {
        "An answer": {*said, *said["questions"][0]},
        "A result": {*(field.name for field in fields(Result)), "ci_low", "ci_high"},
        "A data set": {field.name for field in fields(DatasetRecord)},
        "The run": {field.name for field in fields(RunRecord)},
        "The spec": {field.name for field in fields(RunSpec)},
    }
    for title, names in written.items():
        [section] = [text for text in sections if text.startswith(title)]
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        documented = re.findall(r"`(\w+)`", " ".join(rows))
        assert sorted(documented) == sorted(names), title


def test_names_can_break_no_file_and_write_none_elsewhere(hostile_study):
    files, lost = report_files(hostile_study)
    assert lost == []
    for name, content in files.items():
        assert re.fullmatch(r"[\w.,+=-]+", name)
        if not name.endswith(".png"):
            assert not re.search("[\x00-\x09\x0b-\x1f]", content.decode())
    rows = rows_of(files["results.csv"])
    assert len(rows) == len(hostile_study.run.outcomes)
    assert {row["dataset"] for row in rows} == {"<script>document.title='mine'</script>"}
    assert '\'=HYPERLINK("http://x")' in {row["pipeline"] for row in rows}
    assert len(rows_of(files["sweep.csv"])) == len(rows)
    names = [result["pipeline"] for result in json.loads(files["results.json"])["results"]]
    assert "two\nlines\r|" in names  # JSON has its own escapes
    assert "?\u202eevil" in names  # and other readers than Python's know no half of a surrogate pair


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("results_table", "results.csv"),
        ("json_text", "results.json"),
        ("sweep_table", "sweep.csv"),
        ("learning_curves", "learning_curves_animals.png"),
        ("markdown", "report.md"),
        ("page_of_run", "report.html"),
    ],
)
def test_a_file_that_fails_costs_that_file_alone(monkeypatch, function, name):
    study = make_study(SEEDS, sweep={"rate": ["-1", "1e-3"]}, repeats=2)
    whole, _ = report_files(study)

    def fail(*arguments):
        raise MemoryError("too large")

    monkeypatch.setattr(files_module, function, fail)
    files, lost = report_files(study)
    assert whole.keys() - files.keys() == {name}
    assert lost == [f"{name} could not be made: MemoryError: too large"]
    if name != "report.md":
        assert f"- {lost[0]}\n" in files["report.md"].decode()


def test_a_figure_that_is_no_number_costs_results_json_and_nothing_else():
    run = make_run(JOBS)
    wrong = replace(run.outcomes[0], result=replace(run.outcomes[0].result, macro_f1=float("nan")))
    files, lost = report_files(Study(replace(run, outcomes=(wrong, *run.outcomes[1:]))))
    assert list(files) == ["results.csv", "report.html", "report.md"]
    assert [line.split(":")[0] for line in lost] == ["results.json could not be made"]
