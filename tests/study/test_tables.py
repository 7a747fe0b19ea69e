"""Tables hold the figures as numbers, and name what the study says to take."""

import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest

from cvclassic.errors import MissingDependencyError
from cvclassic.runs.job import Predictions
from cvclassic.study.intervals import macro_f1_interval
from cvclassic.study.statistics import confusion_matrix, wilson_interval
from cvclassic.study.study import Study
from cvclassic.study.tables import Table, figures_table, pairs_table, results_table, sweep_table
from tests.made_runs import make_run, make_study

FIRST_COLUMNS = (
    *("dataset", "pipeline", "family", "status", "seed", "n_train", "n_features", "train_accuracy", "test_accuracy"),
    *("ci_low", "ci_high", "macro_f1", "fit_seconds", "predict_images_per_second", "peak_memory_mb", "model_bytes"),
)
LATER_COLUMNS = (
    *("settings", "validation_accuracy", "augment", "answer_seconds"),
    *("tuning_seconds", "tuning_candidates"),
    *("balanced_accuracy", "validation_balanced_accuracy", "validation_macro_f1"),
    *("negative_log_likelihood", "brier_score", "calibration_error", "machine"),
)
VALIDATION = {"1": [0.90, 0.92], "2": [0.95, 0.97], "4": [0.95, 0.96], "8": [0.60, 0.62]}
WRONG = {"1": [36, 36], "2": [24, 16], "4": [12, 4], "8": [200, 192]}


def job(pipeline, family, wrong, seconds=1.0, **changes):
    return ("animals", pipeline, family, wrong, seconds, changes)


def sweep():
    jobs = []
    for depth, seed in itertools.product(VALIDATION, range(2)):
        own = {"seed": seed, "settings": {"depth": depth, "C": "1"}, "validation_accuracy": VALIDATION[depth][seed]}
        jobs.append(job("mlp", "neural", WRONG[depth][seed], 2.0 + seed, **own))
    return make_study(jobs, sweep={"depth": list(VALIDATION)}, settings={"C": "1"}, repeats=2)


def texts(table):
    headings = [column.heading for column in table.columns]
    return [dict(zip(headings, table.texts(row), strict=True)) for row in table.rows]


def keyed(table):
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def test_the_results_have_the_columns_of_results_csv_and_raw_figures_in_the_order_of_the_run():
    jobs = [
        ("animals", "svm", "classical", 100, 2.5, {"settings": {"C": "10", "gamma": "0.1"}}),
        ("animals", "cnn", "neural", "failed: ValueError: no"),
        ("plants", "svm", "classical", 3),
    ]
    table = results_table(make_study(jobs, sets=("animals", "plants")))
    assert tuple(column.key for column in table.columns) == (*FIRST_COLUMNS, *LATER_COLUMNS)
    first, second, third = keyed(table)
    assert (first["dataset"], third["dataset"]) == ("animals", "plants")
    assert (first["test_accuracy"], first["fit_seconds"], first["model_bytes"]) == (0.75, 2.5, 1_234_567)
    assert (first["ci_low"], first["ci_high"]) == wilson_interval(300, 400)
    assert (first["settings"], third["settings"]) == ("C=10, gamma=0.1", "")
    assert second["status"] == "failed: ValueError: no"
    assert {second[key] for key in FIRST_COLUMNS[6:]} == {None}
    assert table.marks == ("classical", "failed", "classical")


def test_to_pandas_has_the_keys_as_columns_and_the_raw_values():
    table = results_table(make_study([job("svm", "classical", 100), job("cnn", "neural", "failed: x")]))
    frame = table.to_pandas()
    assert tuple(frame.columns[:16]) == FIRST_COLUMNS
    assert frame["test_accuracy"].tolist()[0] == 0.75
    assert frame["test_accuracy"].dtype == np.float64
    assert frame["test_accuracy"].isna().tolist() == [False, True]


def test_without_pandas_it_is_said_what_to_install(monkeypatch):
    table = results_table(make_study([job("svm", "classical", 100)]))
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pip install pandas"):
        table.to_pandas()


def test_figures_are_best_test_accuracy_first_and_stand_against_what_is_to_be_taken():
    jobs = [
        job("slow", "classical", 10, 9.0, validation_accuracy=0.8),
        job("fast", "classical", 10, 0.4, validation_accuracy=0.7),
        job("cnn", "neural", 30, 90.0, validation_accuracy=0.9),
        job("close", "hybrid", 32, 5.0, validation_accuracy=0.6),
        job("bad", "classical", 300, validation_accuracy=0.1),
        job("broken", "neural", "failed: x"),
    ]
    study = make_study(jobs)
    table = figures_table(study["animals"])
    rows = texts(table)
    assert [row["pipeline"] for row in rows] == ["fast", "slow", "cnn", "close", "bad", "broken"]
    assert [row["verdict"] for row in rows] == [
        *("undecided, p = 1.00", "taken", "worse by more than the margin", "worse, p < 0.001", "worse, p < 0.001", "")
    ]
    assert table.marks == ("classical", "taken", "neural", "hybrid", "classical", "failed")
    assert rows[0] | {"test accuracy": "97.50 %", "95 % interval": "95.46 – 98.64", "fit s": "0.4"} == rows[0]
    assert rows[0] | {"images/s": "4,568", "peak MB": "321", "model MB": "1.23", "features": "324"} == rows[0]
    assert rows[-1]["test accuracy"] == "failed"
    assert set(rows[-1].values()) == {"broken", "neural", "failed", ""}
    assert [column.heading for column in table.columns if column.minor] == ["F1 interval", "features"]


def test_f1_intervals_are_those_of_each_results_predictions():
    run = make_run([job("svm", "classical", 100), job("cnn", "neural", 10)])
    lost = replace(run.outcomes[0], predictions=None)
    table = figures_table(Study(replace(run, outcomes=(lost, run.outcomes[1])))["animals"])
    found = run.outcomes[1].predictions
    expected = macro_f1_interval(confusion_matrix(found.y_true, found.y_pred, 3))
    assert [row["f1_interval"] for row in keyed(table)] == [expected, None]


def test_no_time_is_nothing_where_it_is_only_short():
    short = {"fit_seconds": 0.004, "answer_seconds": 0.00003, "model_bytes": 1000, "validation_accuracy": 0.9}
    jobs = [job("svm", "classical", 10, 0.004, **short), job("mlp", "neural", 10, 0.05, over_budget=True)]
    study = make_study(jobs)
    first, second = texts(figures_table(study["animals"]))
    assert (first["fit s"], first["1 image ms"], first["model MB"]) == ("< 0.1", "< 0.1", "< 0.01")
    assert second["fit s"] == "0.1 (over budget)"
    assert texts(results_table(study))[0]["fit s"] == "< 0.1"
    swept = [job("svm", "classical", 10, 0.004, settings={"C": c}) for c in ("1", "2")]
    assert texts(figures_table(make_study(swept, sweep={"C": ["1", "2"]})["animals"]))[0]["fit s"] == "< 0.1"


def test_figures_that_only_some_runs_have_get_a_column_only_there():
    assert "fit J" not in texts(figures_table(make_study([job("svm", "classical", 10)])["animals"]))[0]
    jobs = [
        job("svm", "classical", 10, mean_corruption_error=0.25, fit_energy_joules=1234.5, over_budget=True),
        job("cnn", "neural", 20),
    ]
    first, second = texts(figures_table(make_study(jobs)["animals"]))
    assert (first["mean corruption error"], first["fit J"], first["fit s"]) == ("25.00 %", "1,234", "1.0 (over budget)")
    assert (second["mean corruption error"], second["fit J"], second["fit s"]) == ("", "", "1.0")


def test_what_tuning_took_stands_beside_the_fit_where_there_was_tuning():
    took = [{"tuning_seconds": 119.96, "tuning_candidates": 1234}, {"tuning_seconds": 0.0, "tuning_candidates": 0}]
    jobs = [job("svm", "classical", 10, 1.0, **took[0]), job("mine", "neural", 20, 2.0, **took[1])]
    jobs.append(job("broken", "neural", "failed: x"))
    for more in ({}, {"sweep": {"C": ["1"]}}):
        table = figures_table(make_study(jobs, tune=120, **more)["animals"])
        headings = [column.heading for column in table.columns]
        assert headings[headings.index("fit s") :][:3] == ["fit s", "tuning s", "tried"]
        shown = [(row["fit s"], row["tuning s"], row["tried"]) for row in texts(table)]
        assert shown == [("1.0", "120.0", "1,234"), ("2.0", "0", "no search"), ("", "", "")]
    assert "tried" not in texts(figures_table(make_study(jobs)["animals"]))[0]


def test_a_pipeline_with_a_stack_of_its_own_is_marked():
    run = make_run([job("svm", "classical", 10), job("recipe", "neural", 20)])
    own = tuple(replace(each, stack={"epochs": 5}) if each.name == "recipe" else each for each in run.record.pipelines)
    study = Study(replace(run, record=replace(run.record, pipelines=own)))
    assert [row["pipeline"] for row in texts(figures_table(study["animals"]))] == ["svm", "recipe *"]


def test_a_declared_question_stands_there_with_its_verdict():
    jobs = [job("svm", "classical", 30, 1.0), job("cnn", "neural", 27, 9.0)]
    assert texts(figures_table(make_study(jobs)["animals"]))[0]["verdict"] == "undecided"
    jobs[1] = job("cnn", "neural", 90, 9.0, converged=False)
    assert texts(figures_table(make_study(jobs)["animals"]))[1]["verdict"] == "undecided: still learning"
    jobs = [job("svm", "classical", 300, 1.0), job("cnn", "neural", 290, 9.0)]
    assert texts(figures_table(make_study(jobs, n_test=10000)["animals"]))[0]["verdict"] == "equivalent"


def test_the_column_of_the_metric_comes_first_where_it_is_not_accuracy():
    table = figures_table(make_study([job("svm", "classical", 10)], metric="balanced_accuracy")["animals"])
    headings = [column.heading for column in table.columns]
    assert headings[2] == "test balanced accuracy"
    assert headings[6:8] == ["test accuracy", "macro F1"]
    assert table.caption == "Best test balanced accuracy first"


def test_a_single_contender_stands_against_nothing():
    table = figures_table(make_study([job("svm", "classical", 10), job("cnn", "neural", "failed: x")])["animals"])
    assert [row["verdict"] for row in texts(table)] == ["", ""]
    assert table.marks == ("classical", "failed")


def test_a_sweep_has_a_row_per_configuration_with_mean_and_sample_deviation_in_the_order_of_the_run():
    study = sweep()["animals"]
    table = figures_table(study)
    rows = texts(table)
    assert [row["depth"] for row in rows] == ["1", "2", "4", "8"]
    deviation = 100 * np.std(VALIDATION["2"], ddof=1)
    assert rows[1]["validation accuracy"] == f"96.00 ± {deviation:.2f} %"
    assert rows[1]["test accuracy"] == f"95.00 ± {100 * np.std([0.94, 0.96], ddof=1):.2f} %"
    assert rows[1]["95 % interval"] == "{:.2f} – {:.2f}".format(*(100 * b for b in wilson_interval(380, 400)))
    assert (rows[1]["fit s"], rows[1]["seeds"]) == ("2.5", "2")
    # depth 4 is the best on the test images, and close on validation
    assert [row["on validation"] for row in rows] == ["", "best", "close", ""]
    assert table.marks == ("", "taken", "", "")
    assert rows[1]["verdict"] == "taken"
    assert study.winner.varied == (("depth", "2"),)
    verdicts = [row["verdict"].split(",")[0] for row in rows]
    pairs = [study.contrast(each, study.winner) for each in study.configurations]
    assert [pair.verdict if pair else "taken" for pair in pairs] == verdicts


def test_failed_seeds_are_counted_and_do_not_win():
    jobs = [job("mlp", "neural", 36, seed=seed, settings={"depth": "1"}) for seed in (0, 1)]
    jobs += [job("mlp", "neural", n, seed=k, settings={"depth": "2"}) for k, n in enumerate([4, "failed: NaN"])]
    jobs += [job("mlp", "neural", "failed: x", seed=seed, settings={"depth": "8"}) for seed in (0, 1)]
    table = figures_table(make_study(jobs, sweep={"depth": ["1", "2", "8"]}, repeats=2)["animals"])
    rows = texts(table)
    assert [row["seeds"] for row in rows] == ["2", "1 of 2", "0 of 2"]
    assert [row["on validation"] for row in rows] == ["best", "close", ""]
    assert rows[1]["test accuracy"] == "99.00 %"
    assert (rows[2]["validation accuracy"], rows[2]["test accuracy"], rows[2]["fit s"]) == ("", "failed", "")
    assert table.marks == ("", "", "failed")


def test_with_several_sizes_each_row_has_its_own_and_is_compared_with_those_of_the_same():
    jobs = [job("svm", "classical", wrong, n_train=n) for n, wrong in ((100, 80), (1000, 60))]
    jobs += [job("cnn", "neural", wrong, n_train=n) for n, wrong in ((100, 300), (1000, 20))]
    rows = texts(figures_table(make_study(jobs, train_sizes=(100, 1000))["animals"]))
    assert [(row["pipeline"], row["train images"], row["on validation"]) for row in rows] == [
        ("svm", "100", "best"),
        ("svm", "1,000", ""),
        ("cnn", "100", ""),
        ("cnn", "1,000", "best"),
    ]
    assert [row["verdict"] for row in rows] == ["", "worse by more than the margin", "", "taken"]


def test_the_sweeps_file_has_a_row_per_result_and_a_column_per_setting():
    rows = keyed(sweep_table(sweep()))
    assert list(rows[0]) == [
        *("dataset", "pipeline", "depth", "C", "seed", "n_train", "status"),
        *("validation_accuracy", "test_accuracy", "train_accuracy", "fit_seconds"),
    ]
    assert [(row["depth"], row["C"], row["seed"]) for row in rows][:3] == [("1", "1", 0), ("1", "1", 1), ("2", "1", 0)]
    assert [row["validation_accuracy"] for row in rows] == [*np.ravel(list(VALIDATION.values()))]


def test_pairs_are_all_contrasts_of_the_contenders():
    run = make_run([job("a", "classical", 10), job("b", "classical", 12), job("c", "neural", 90)])
    pairs = pairs_table(Study(run)["animals"])
    assert pairs.names == ("a", "b", "c")
    verdicts = [[cell and cell.verdict for cell in row] for row in pairs.rows]
    assert verdicts == [[None, "undecided", "better"], ["undecided", None, "better"], ["worse", "worse", None]]
    assert pairs.tests == (
        "Tango's score interval, over 400 images; exploratory, p-values corrected by Holm's method for 3 pairs"
    )
    lost = Predictions(np.zeros(400, int), np.zeros(400, int))
    run = replace(run, outcomes=(*run.outcomes[:2], replace(run.outcomes[2], predictions=lost)))
    pairs = pairs_table(Study(run)["animals"])
    assert [cell and cell.verdict for cell in pairs.rows[2]] == [None, None, None]
    assert pairs.tests == "Tango's score interval, over 400 images"
    assert pairs_table(make_study([job("a", "classical", 10)])["animals"]) is None


@pytest.mark.parametrize(("cell", "key"), [((0.5, 0.6), 0.5), (0.25, 0.25), ("failed", "failed"), (None, None)])
def test_cells_are_sorted_by_what_they_are(cell, key):
    assert Table.sort_key(cell) == key


def test_without_validation_images_nothing_is_close_to_the_best():
    jobs = [job("mlp", "neural", 10, settings={"depth": depth}, validation_accuracy=None) for depth in ("1", "2")]
    rows = texts(figures_table(make_study(jobs, sweep={"depth": ["1", "2"]})["animals"]))
    assert [(row["validation accuracy"], row["on validation"]) for row in rows] == [("", ""), ("", "")]


@pytest.mark.parametrize("seed", range(10))
def test_the_best_on_validation_with_the_most_images_wins_whatever_the_figures(seed):
    random = np.random.default_rng(seed)
    jobs = []
    for k, n_train, repeat in itertools.product(range(5), (100, 1000), range(2)):
        wrong = "failed: x" if random.random() < 0.2 else int(random.integers(0, 100))
        figures = {"n_train": n_train, "seed": repeat, "validation_accuracy": random.choice([0.8, 0.9])}
        family = ("classical", "neural", "hybrid")[k % 3]
        jobs.append(job(f"p{k}", family, wrong, float(random.integers(1, 4)), **figures))
    study = make_study(jobs, train_sizes=(100, 1000), repeats=2)["animals"]
    rows = keyed(figures_table(study))
    best = [row["pipeline"] for row in rows if row["n_train"] == study.sizes[-1] and row["on_validation"] == "best"]
    assert best == [study.winner.pipeline]
    taken = [row["pipeline"] for row in rows if row["verdict"] == "taken"]
    assert taken == [study.advice.taken.pipeline] * (len(study.contenders) > 1)
