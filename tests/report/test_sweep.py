"""A sweep's table, file, curves and sentences, from results whose figures are known."""

import csv
import io

import numpy as np
import pytest
from rich.console import Console

from cvclassic.experiment.result import Result, Run
from cvclassic.report import print_report, what_was_seen, write_report

VALIDATION = {"1": [0.90, 0.92], "2": [0.95, 0.97], "4": [0.95, 0.96], "8": [0.60, 0.62]}
TEST = {"1": [0.91, 0.91], "2": [0.94, 0.96], "4": [0.97, 0.99], "8": [0.50, 0.52]}


def result(depth, k, *, status="ok", dataset="animals", pipeline="mlp", history=True):
    ok = status == "ok"
    return Result(
        dataset=dataset,
        pipeline=pipeline,
        family="neural",
        status=status,
        seed=3 + k,
        n_train=400,
        settings={"dropout": "0", "depth": depth},
        validation_accuracy=VALIDATION[depth][k] if ok else None,
        test_accuracy=TEST[depth][k] if ok else None,
        train_accuracy=1.0 if ok else None,
        fit_seconds=2.0 + k if ok else None,
        history={"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "val_accuracy": [0.4, 0.8]} if history and ok else None,
    )


def make_run(folder, results, *, n_validation=1000, sets=("animals",)):
    config = {
        "schema_version": 3,
        "created": "2026-01-01T00:00:00+00:00",
        "options": {"preset": "standard"},
        "seed": 3,
        "threads": 2,
        "stack": {"optimizer": "adam", "epochs": 4},
        "settings": {"dropout": "0"},
        "sweep": {"depth": list(VALIDATION)},
        "repeats": 2,
        "machine": "a machine",
        "versions": {"python": "3.11"},
        "notes": [],
        "datasets": list(sets),
        "pipelines": {r.pipeline: {"stack": None, "published": None} for r in results},
        "jobs": [{"settings": r.settings} for r in results],
    }
    datasets = [
        {
            "name": name,
            "class_names": ["cat", "dog"],
            "provenance": "photographs",
            "image_shape": [32, 32, 3],
            "sizes": {"train": 400, "validation": n_validation, "test": 100},
            "warnings": [],
        }
        for name in sets
    ]
    return Run(folder, config, datasets, results)


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, [result(depth, k) for depth in VALIDATION for k in range(2)])


def test_the_csv_has_a_row_per_setting_and_seed_with_the_settings_as_columns(run):
    assert "sweep.csv" in write_report(run)
    rows = list(csv.DictReader(io.StringIO((run.folder / "sweep.csv").read_text())))
    assert [(row["depth"], row["dropout"], row["seed"]) for row in rows][:3] == [
        ("1", "0", "3"),
        ("1", "0", "4"),
        ("2", "0", "3"),
    ]
    assert [float(row["validation_accuracy"]) for row in rows] == [*np.ravel(list(VALIDATION.values()))]
    assert {row["status"] for row in rows} == {"ok"}


def test_the_table_has_mean_and_sample_deviation_and_the_best_is_that_on_validation_not_on_test(run):
    write_report(run)
    output = io.StringIO()
    print_report(run, Console(file=output, width=160))
    markdown = (run.folder / "report.md").read_text()
    deviation = 100 * np.std(VALIDATION["2"], ddof=1)
    assert f"| mlp | 2 | 96.00 ± {deviation:.2f} % | 95.00 ± 1.41 % | 2.5 | 2 | best |" in markdown
    assert "| mlp | 4 | 95.50 ± 0.71 % | 98.00 ± 1.41 % | 2.5 | 2 | tie |" in markdown
    assert "| mlp | 8 | 61.00 ± 1.41 % | 51.00 ± 1.41 % | 2.5 | 2 |  |" in markdown
    for text in (markdown, output.getvalue()):
        assert "Swept: depth = 1, 2, 4, 8" in text
        assert "seeds 3 to 4, on the splits of seed 3" in text
        for sentence in what_was_seen(run):
            assert sentence in text
    assert markdown.index("mlp | 1 |") < markdown.index("mlp | 2 |") < markdown.index("mlp | 8 |")


def test_the_two_sentences_name_best_and_worst_and_call_a_difference_within_twice_the_spread_a_tie(run):
    best, worst = what_was_seen(run)
    spread = np.sqrt((np.var(VALIDATION["2"], ddof=1) + np.var(VALIDATION["8"], ddof=1)) / 2)
    assert best == (
        "Best on validation: depth=2 with 96.00 ± 1.41 % of the validation images, 95.00 ± 1.41 % of the test images, "
        "2.5 s a fit, a tie with depth=4."
    )
    assert worst.startswith("Worst: depth=8 with 61.00 ± 1.41 % of the validation images, 51.00 ± 1.41 % of the test")
    assert f"35.00 points behind, more than twice the spread over seeds ({200 * spread:.2f} points)" in worst


def test_without_repeats_only_a_difference_of_one_validation_image_is_a_tie(tmp_path):
    run = make_run(tmp_path, [result(depth, 0) for depth in ("1", "2", "4")], n_validation=30)
    best, worst = what_was_seen(run)
    assert "depth=2 with 95.00 % of the validation images" in best
    assert "a tie with depth=4." in best
    assert "depth=1 with 90.00 %" in worst
    assert "5.00 points behind, more than one validation image (3.33 points)" in worst


def test_where_all_tie_it_is_said(tmp_path):
    run = make_run(tmp_path, [result(depth, k) for depth in ("1", "2", "4") for k in range(2)], n_validation=10)
    best, worst = what_was_seen(run)
    assert "a tie with all others." in best
    assert "5.00 points behind, a tie within one validation image (10.00 points)." in worst


def test_a_single_setting_has_nothing_to_compare_it_with(tmp_path):
    _, worst = what_was_seen(make_run(tmp_path, [result("1", k) for k in range(2)]))
    assert "nothing to compare it with" in worst


def test_failed_seeds_are_counted_and_do_not_win(tmp_path):
    results = [result("1", 0), result("1", 1), result("2", 0), result("2", 1, status="failed: NaN")]
    run = make_run(tmp_path, [*results, result("8", 0, status="failed: x"), result("8", 1, status="failed: x")])
    write_report(run)
    markdown = (run.folder / "report.md").read_text()
    assert "| mlp | 1 | 91.00 ± 1.41 % | 91.00 ± 0.00 % | 2.5 | 2 | best |" in markdown
    assert "| mlp | 2 | 95.00 % | 94.00 % | 2.0 | 1 of 2 |" in markdown
    assert "| mlp | 8 | failed |  |  | 0 of 2 |  |" in markdown
    assert what_was_seen(make_run(tmp_path, results[3:]))[0] == "No job succeeded."


def test_several_data_sets_have_their_own_best_in_the_same_two_sentences(tmp_path):
    results = [result(depth, 0, dataset=name) for name in ("animals", "plants") for depth in ("1", "2")]
    best, _ = what_was_seen(make_run(tmp_path, results, sets=("animals", "plants")))
    assert best.startswith("Best on validation: on animals depth=2 with")
    assert "; on plants depth=2 with" in best


def test_learning_curves_are_drawn_where_there_are_histories(run, tmp_path):
    name = "learning_curves_animals.png"
    assert name in write_report(run)
    assert (run.folder / name).read_bytes().startswith(b"\x89PNG")
    assert f"]({name})" in (run.folder / "report.md").read_text()
    other = tmp_path / "other"
    other.mkdir()
    assert write_report(make_run(other, [result("1", 0, history=False)])) == [
        "report.html",
        "report.md",
        "results.csv",
        "results.json",
        "sweep.csv",
    ]
