"""Accuracy over the number of training images: crossings, sentences and the table."""

import csv
import io
from dataclasses import replace

import pytest
from rich.console import Console

from cvclassic.experiment.result import Result, Run
from cvclassic.report import print_report, what_was_seen, write_report
from cvclassic.report.sizes import crossings

SIZES = (90, 270, 950)
ACCURACIES = {
    "hog_svm": ("classical", (0.70, 0.80, 0.86)),
    "color_svm": ("classical", (0.75, 0.76, 0.77)),
    "cnn": ("neural", (0.30, 0.70, 0.91)),
    "mlp": ("neural", (0.50, 0.60, 0.65)),
}


@pytest.mark.parametrize(
    ("classical", "neural", "expected"),
    [
        ([0.5, 0.6, 0.7], [0.4, 0.65, 0.8], [(1, 2, "neural")]),
        ([0.4, 0.6, 0.9], [0.5, 0.7, 0.8], [(2, 3, "classical")]),
        ([0.5, 0.6, 0.7], [0.4, 0.5, 0.6], []),
        ([0.5, 0.5, 0.9], [0.4, 0.6, 0.8], [(1, 2, "neural"), (2, 3, "classical")]),
        ([0.5, 0.6, 0.7], [0.4, 0.6, 0.8], [(1, 3, "neural")]),  # level between
        ([0.5, 0.6, 0.7], [0.4, 0.6, 0.6], []),  # touched, not passed
        ([0.5, 0.6, 0.7], [0.5, 0.6, 0.8], []),  # level, then ahead: nothing was passed
        ([], [], []),
    ],
)
def test_crossings_are_changes_of_the_lead(classical, neural, expected):
    found = crossings(range(1, len(classical) + 1), classical, neural)
    assert [tuple(crossing) for crossing in found] == expected


def result(pipeline, size, *, seed=0, dataset="animals", shift=0.0):
    family, accuracies = ACCURACIES[pipeline]
    accuracy = accuracies[SIZES.index(size)] + shift
    return Result(
        dataset=dataset,
        pipeline=pipeline,
        family=family,
        status="ok",
        seed=seed,
        n_train=size,
        test_accuracy=accuracy,
        ci_low=accuracy - 0.02,
        ci_high=accuracy + 0.02,
        validation_accuracy=round(accuracy, 1),
        train_accuracy=1.0,
        fit_seconds=2.0,
    )


def make_run(folder, results, **config):
    config = {
        "schema_version": 3,
        "created": "2026-01-01T00:00:00+00:00",
        "options": {"preset": "standard"},
        "seed": 0,
        "threads": 2,
        "stack": {"optimizer": "adam"},
        "settings": {},
        "sweep": {},
        "repeats": 1,
        "train_sizes": [100, 300, 1000],
        "time_budget": None,
        "machine": "a machine",
        "versions": {"python": "3.11"},
        "notes": [],
        "datasets": list(dict.fromkeys(r.dataset for r in results)),
        "pipelines": {r.pipeline: {"stack": None, "published": None} for r in results},
        "jobs": [{"settings": r.settings} for r in results],
    } | config
    datasets = [
        {
            "name": name,
            "class_names": ["cat", "dog"],
            "provenance": "photographs",
            "image_shape": [32, 32, 3],
            "sizes": {"train": 950, "validation": 50, "test": 400},
            "smaller_sizes": [{"train": 90, "validation": 10}, {"train": 270, "validation": 30}],
            "warnings": [],
        }
        for name in config["datasets"]
    ]
    return Run(folder, config, datasets, results)


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, [result(pipeline, size) for pipeline in ACCURACIES for size in SIZES])


def test_the_sentences_name_what_leads_at_each_end_and_the_crossing(run):
    assert what_was_seen(run) == [
        "Most accurate: with 90 training images color_svm (75.00 %), with 950 training images cnn (91.00 %).",
        "Classical against neural: cnn passes hog_svm between 270 and 950 training images "
        "(70.00 % against 80.00 %, then 91.00 % against 86.00 %).",
    ]


def test_overlapping_intervals_and_curves_that_never_cross_are_called_so(tmp_path):
    chosen = [result("hog_svm", size) for size in SIZES] + [result("cnn", size, shift=-0.04) for size in SIZES]
    ends, crossing = what_was_seen(make_run(tmp_path, chosen))
    assert ends.endswith("with 950 training images cnn (87.00 %, interval overlaps hog_svm).")
    assert crossing.endswith("then 87.00 % against 86.00 %, intervals overlap).")
    chosen = [result("hog_svm", size) for size in SIZES] + [result("mlp", size) for size in SIZES]
    assert what_was_seen(make_run(tmp_path, chosen))[1] == (
        "Classical against neural: hog_svm stays ahead of mlp with 90 to 950 training images "
        "(at the end 86.00 % against 65.00 %)."
    )
    [_, alone] = what_was_seen(make_run(tmp_path, chosen[:3]))
    assert alone == "Classical against neural: there is no result of a neural pipeline to compare."
    level = [result("hog_svm", 90), replace(result("hog_svm", 90), pipeline="cnn", family="neural")]
    assert "hog_svm and cnn are level with 90 training images" in what_was_seen(make_run(tmp_path, level))[1]


def test_several_overlapping_intervals_are_listed(tmp_path):
    close = [replace(result("hog_svm", 950, shift=-k / 100), pipeline=f"svm_{k}") for k in range(4)]
    ends, _ = what_was_seen(make_run(tmp_path, [*close, result("mlp", 950)]))
    assert ends == (
        "Most accurate: with 950 training images svm_0 (86.00 %, interval overlaps svm_1, svm_2 and svm_3)."
    )


def test_failed_sizes_are_left_out(tmp_path, run):
    broken = {("cnn", 950), ("mlp", 90)}
    results = [replace(r, status="failed: x") if (r.pipeline, r.n_train) in broken else r for r in run.results]
    ends, crossing = what_was_seen(make_run(tmp_path, results))
    assert "with 950 training images hog_svm" in ends
    assert "hog_svm stays ahead of mlp with 270 to 950" in crossing
    failed = [replace(r, status="failed: x") for r in run.results]
    assert what_was_seen(make_run(tmp_path, failed))[0] == "No job succeeded."


def test_the_table_has_a_row_for_each_size_and_compares_only_those_of_the_same_size(run):
    write_report(run)
    output = io.StringIO()
    print_report(run, Console(file=output, width=200))
    markdown = (run.folder / "report.md").read_text()
    assert "| pipeline | train images | validation accuracy |" in markdown
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines() if line.startswith("| ")]
    column = next(row for row in rows if row[0] == "pipeline").index("on validation")
    marks = {(row[0], row[1]): row[column] for row in rows if len(row) > column}
    # Validation accuracies are rounded to tenths, and a tenth is one image of 10 but three of 30 and five of 50.
    assert [marks["color_svm", n] for n in ("90", "270", "950")] == ["best", "tie", ""]
    assert [marks["hog_svm", n] for n in ("90", "270", "950")] == ["tie", "best", "best"]
    assert [marks["cnn", n] for n in ("90", "270", "950")] == ["", "", "tie"]
    for text in (markdown, output.getvalue()):
        assert "Training sizes: 100, 300, 1,000 images, validation included" in text
        for sentence in what_was_seen(run):
            assert sentence in text
    with open(run.folder / "sweep.csv") as file:
        table = list(csv.DictReader(file))
    assert [int(row["n_train"]) for row in table] == [90, 270, 950] * 4


def test_over_seeds_accuracies_are_means_and_the_sweep_is_judged_at_the_largest_size(tmp_path):
    results = [
        result(pipeline, size, seed=seed, shift=0.01 * seed)
        for pipeline in ("hog_svm", "cnn")
        for size in SIZES
        for seed in range(3)
    ]
    seen = what_was_seen(make_run(tmp_path, results, repeats=3))
    assert len(seen) == 4
    assert "cnn passes hog_svm between 270 and 950 training images (71.00 % against 81.00 %, then 92.00 %" in seen[1]
    assert seen[2].startswith("Best on validation: hog_svm with 90.00 ± 0.00 % of the validation images, 87.00 ± 1.00")


def test_of_a_pipelines_settings_that_which_is_best_on_validation_with_the_most_images_is_compared(tmp_path):
    def swept(C, validation, shift):
        return [
            replace(result("hog_svm", size, shift=shift), settings={"C": C}, validation_accuracy=validation)
            for size in SIZES
        ]

    neural = [result("mlp", size) for size in SIZES]
    run = make_run(tmp_path, [*swept("1", 0.9, 0.0), *swept("10", 0.8, 0.05), *neural], sweep={"C": ["1", "10"]})
    assert "hog_svm C=1 stays ahead of mlp" in what_was_seen(run)[1]
    assert "86.00 % against 65.00 %" in what_was_seen(run)[1]


def test_each_data_set_has_its_own_clause(tmp_path):
    results = [
        result(pipeline, size, dataset=name)
        for name in ("animals", "plants")
        for pipeline in ("hog_svm", "cnn")
        for size in SIZES
    ]
    ends, crossing = what_was_seen(make_run(tmp_path, results))
    assert ends.startswith("Most accurate: on animals with 90 training images hog_svm")
    assert "; on plants cnn passes hog_svm between 270 and 950" in crossing
