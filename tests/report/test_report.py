"""The report says what the results say."""

import csv
import io
import json
import re
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cvclassic import datasets
from cvclassic.cli import app
from cvclassic.experiment.pipelines import find_pipelines
from cvclassic.experiment.result import CSV_COLUMNS, Result, Run, write_json, write_result
from cvclassic.experiment.runner import prepare_run
from cvclassic.neural import TrainingStack
from cvclassic.report import print_report, write_report

ISSUE_COLUMNS = (
    "dataset, pipeline, family, status, seed, n_train, n_features, train_accuracy, test_accuracy, ci_low, ci_high, "
    "macro_f1, fit_seconds, predict_images_per_second, peak_memory_mb, model_bytes"
)


DOCUMENT = Path(__file__).parents[2] / "docs" / "results.md"
REPORT = {"report.html", "report.md", "results.csv", "results.json"}
JOBS = [("animals", "svm", "classical", 20, 1.0), ("animals", "cnn", "neural", 60, 9.0)]


def ok_result(pipeline, accuracy):
    return Result(
        dataset="animals",
        pipeline=pipeline,
        family="classical",
        status="ok",
        seed=3,
        n_train=40_000,
        n_features=324,
        train_accuracy=0.99,
        test_accuracy=accuracy,
        ci_low=accuracy - 0.01,
        ci_high=accuracy + 0.01,
        macro_f1=0.5,
        fit_seconds=12.34,
        predict_images_per_second=4567.8,
        peak_memory_mb=321.0,
        model_bytes=1_234_567,
        n_train_scored=10_000,
        n_test=100,
        per_class=[{"class": "cat", "precision": 1.0, "recall": 0.5, "f1": 2 / 3, "n_test": 100}],
    )


@pytest.fixture
def run(tmp_path):
    config = {
        "schema_version": 3,
        "created": "2026-01-01T00:00:00+00:00",
        "options": {"preset": "standard"},
        "seed": 3,
        "threads": 2,
        "stack": {"optimizer": "adam", "epochs": 4},
        "machine": "a machine",
        "versions": {"python": "3.11"},
        "notes": ["mlp has nothing to do on animals"],
        "datasets": ["animals"],
        "pipelines": {name: {"stack": None, "published": None} for name in ("worse", "broken", "better")},
        "settings": {},
        "sweep": {},
        "repeats": 1,
        "jobs": [],
    }
    dataset = {
        "name": "animals",
        "class_names": ["cat", "dog"],
        "provenance": "photographs; not the official pixels",
        "traits": [],
        "image_shape": [32, 32, 3],
        "sizes": {"train": 40_000, "validation": 2_000, "test": 100},
        "warnings": ["2 files could not be read: a.jpg, b.jpg"],
    }
    failed = Result("animals", "broken", "neural", "failed: ValueError: a | b [c]", 3, 40_000)
    return Run(tmp_path, config, [dataset], [ok_result("worse", 0.5), failed, ok_result("better", 0.75)])


def test_csv_has_the_documented_columns_and_the_full_figures(run):
    write_report(run)
    text = (run.folder / "results.csv").read_text()
    assert text.splitlines()[0] == ISSUE_COLUMNS.replace(", ", ",")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["pipeline"] for row in rows] == ["worse", "broken", "better"]
    assert float(rows[0]["fit_seconds"]) == 12.34
    assert rows[1]["status"] == "failed: ValueError: a | b [c]"
    assert {rows[1][name] for name in CSV_COLUMNS[6:]} == {""}


def test_json_holds_everything(run):
    write_report(run)
    content = json.loads((run.folder / "results.json").read_text())
    assert content["results"] == [asdict(result) for result in run.results]
    assert content["results"][0]["per_class"][0]["recall"] == 0.5
    assert content["datasets"][0]["provenance"] == "photographs; not the official pixels"


def test_markdown_and_terminal_say_what_a_reader_must_know(run):
    write_report(run)
    output = io.StringIO()
    print_report(run, Console(file=output, width=160))
    markdown = (run.folder / "report.md").read_text()
    for text in (markdown, output.getvalue()):
        for part in (
            "seed 3",
            "preset standard",
            "2 threads",
            "optimizer adam",
            "a machine",
            "not the official pixels",
            "40,000 train, 2,000 validation, 100 test",
            "seeded sample of 10,000",
            "2 files could not be read",
            "mlp has nothing to do on animals",
            "75.00 %",
            "74.00 – 76.00",
        ):
            assert part in text
        assert text.index("better") < text.index("worse") < text.index("broken")
    assert "| better | classical | 75.00 % |" in markdown
    assert "ValueError: a \\| b [c]" in markdown
    assert "ValueError: a | b [c]" in output.getvalue()


def test_a_stack_of_its_own_and_the_published_figure_stand_beside_ours(run):
    run.config["pipelines"]["better"] = {
        "stack": {"optimizer": "rmsprop", "momentum": None},
        "published": "97 % (book)",
    }
    write_report(run)
    markdown = (run.folder / "report.md").read_text()
    assert "| better * | classical |" in markdown
    assert "| worse | classical |" in markdown
    assert "better brings its own training stack: optimizer rmsprop\n" in markdown
    assert "Published for better: 97 % (book); here 75.00 % on animals" in markdown


def test_figures_that_are_not_numbers_are_never_written(tmp_path):
    with pytest.raises(ValueError):
        write_result(tmp_path / "result.json", ok_result("x", float(np.nan)))
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "fine.json", {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["fine.json"]


def test_the_answer_and_the_standing_against_the_best_are_in_markdown_and_terminal(make_run):
    run = make_run([*JOBS, ("animals", "mlp", "neural", "failed: ValueError: [b]", None)])
    write_report(run)
    output = io.StringIO()
    print_report(run, Console(file=output, width=160))
    markdown = (run.folder / "report.md").read_text()
    for text in (markdown, output.getvalue()):
        unwrapped = " ".join(text.split())
        assert "svm, the best classical pipeline, classifies 95.00 % (95 % interval" in unwrapped
        assert "The difference of 10.00 points is significant (McNemar's exact test, p < 0.001)." in unwrapped
        assert "worse, p < 0.001" in unwrapped
        assert "mlp: failed: ValueError: [b]" in unwrapped
        assert unwrapped.index("the best classical") < unwrapped.index("drawn at random") < unwrapped.index("macro F1")
    assert re.search(r"\| svm \| classical \| 95.00 % \| [\d. –]+ \| best \| .* \| 0.9[\d]+ – 0.9\d+ \|", markdown)


def command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_report_command_makes_all_files_of_a_run_again(make_run):
    run = make_run(JOBS)
    write_report(run)
    before = {name: (run.folder / name).read_text() for name in REPORT}
    for name in REPORT:
        (run.folder / name).unlink()
    done = command("report", run.folder)
    assert done.exit_code == 0, done.output
    assert {name: (run.folder / name).read_text() for name in REPORT} == before
    assert str(run.folder) in done.stdout


def test_the_report_command_lays_runs_side_by_side_and_leaves_their_folders_alone(make_run, tmp_path):
    runs = [make_run(JOBS, name=name).folder for name in ("first", "second")]
    done = command("report", *runs, "--out", tmp_path / "both.html")
    assert done.exit_code == 0, done.output
    assert "second" in (tmp_path / "both.html").read_text()
    assert not any((folder / name).exists() for folder in runs for name in REPORT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "{run}"], "--out FILE"),
        (["{run}", "--out", "{tmp}/page.html"], "--out is for several runs"),
        (["{tmp}"], "holds no run"),
        (["{run}", "{tmp}", "--out", "{tmp}/page.html"], "holds no run"),
        (["{run}", "{run}", "--out", "{tmp}/none/page.html"], "can't be written"),
        ([], "RUN_DIR"),
    ],
)
def test_the_report_command_refuses_wrong_input_and_writes_nothing(make_run, tmp_path, arguments, message):
    run = make_run(JOBS)
    there = sorted(tmp_path.rglob("*"))
    filled = [argument.format(run=run.folder, tmp=tmp_path) for argument in arguments]
    done = command("report", *filled)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.stderr.split())
    assert sorted(tmp_path.rglob("*")) == there


def test_every_field_of_results_json_is_documented(tmp_path):
    digits = datasets.load("digits", train_size=200)
    pipelines = find_pipelines(["hog_svm"])
    prepare_run(tmp_path / "run", [digits], pipelines, stack=TrainingStack(), seed=0, threads=1, options={})
    sections = DOCUMENT.read_text().split("\n## ")
    written = {
        "A result": {field.name for field in fields(Result)},
        "A data set": json.loads((tmp_path / "run" / "digits" / "dataset.json").read_text()).keys(),
        "The run": json.loads((tmp_path / "run" / "run.json").read_text()).keys(),
    }
    for title, names in written.items():
        [section] = [text for text in sections if text.startswith(title)]
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        documented = re.findall(r"`(\w+)`", " ".join(rows))
        assert set(names) - set(documented) == set(), title
        assert len(documented) == len(set(documented)), title
