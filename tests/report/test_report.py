"""The report says what the results say."""

import csv
import io
import json
from dataclasses import asdict

import numpy as np
import pytest
from rich.console import Console

from cvclassic.experiment.result import CSV_COLUMNS, Result, Run, write_json, write_result
from cvclassic.report import print_report, write_report

ISSUE_COLUMNS = (
    "dataset, pipeline, family, status, seed, n_train, n_features, train_accuracy, test_accuracy, ci_low, ci_high, "
    "macro_f1, fit_seconds, predict_images_per_second, peak_memory_mb, model_bytes"
)


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
