"""Test images that are copies of training images are left out of every figure, and that is told."""

from dataclasses import replace

import numpy as np
import pytest

from cvclassic.runs.job import SetImages
from cvclassic.study.lines import remark_lines
from cvclassic.study.sentences import answer
from cvclassic.study.study import Study
from cvclassic.study.tables import results_table
from tests.made_runs import job, make_run

JOBS = [job("svm", "classical", 90), job("cnn", "neural", 60, 9.0)]


def leaky(leaked, jobs=JOBS):
    run = make_run(jobs)
    shown = replace(run.images["animals"], leaked=np.asarray(leaked, np.int64), groups=np.arange(400) // 2)
    return Study(replace(run, images={"animals": shown})), run


def test_figures_are_those_of_the_other_images_as_if_the_copies_had_not_been_there():
    whole = make_run(JOBS).outcomes[0].predictions
    right = np.flatnonzero(whole.y_true == whole.y_pred)[:200]  # what a memory of training images knows
    study, run = leaky(right)
    dataset = study["animals"]
    kept = np.setdiff1d(np.arange(400), right)
    for configuration, before in zip(dataset.configurations, run.outcomes, strict=True):
        said = before.predictions
        expected = np.mean(said.y_true[kept] == said.y_pred[kept])
        assert configuration.mean("test_accuracy") == pytest.approx(expected)
        assert configuration.results[0].n_test == 200
        recalls = [np.mean(said.y_pred[kept][said.y_true[kept] == k] == k) for k in range(3)]
        assert configuration.mean("balanced_accuracy") == pytest.approx(np.mean(recalls))
    assert dataset.questions[0].verdict.difference.n == 200
    assert dataset.record.sizes.test == len(dataset.groups) == len(study.run.images["animals"].test) == 200
    assert "right on 70 of 100 test images" in answer(dataset)[0]
    assert results_table(study).rows[0][8] == pytest.approx(0.55)
    assert (
        "Warning: 200 of 400 test images are copies of training images, and left out of all figures; with them the "
        "accuracies would be cnn 85.00 %, svm 77.50 %"
    ) in remark_lines(dataset)


def test_a_published_set_keeps_them_and_tells_the_accuracies_without():
    whole = make_run(JOBS).outcomes[0].predictions
    right = np.flatnonzero(whole.y_true == whole.y_pred)[:200]
    run = make_run(JOBS)
    published = replace(run.datasets[0], published=True)
    run = replace(run, datasets=(published,), images={"animals": replace(run.images["animals"], leaked=right)})
    dataset = Study(run)["animals"]
    assert [each.results[0].n_test for each in dataset.configurations] == [400, 400]
    assert {each.name: each.mean("test_accuracy") for each in dataset.configurations} == {"svm": 0.775, "cnn": 0.85}
    told = next(line for line in remark_lines(dataset) if "copies of training images" in line)
    kept = np.setdiff1d(np.arange(400), right)
    without = [np.mean(o.predictions.y_true[kept] == o.predictions.y_pred[kept]) for o in run.outcomes]
    assert f"svm {100 * without[0]:.2f} %" in told
    assert f"cnn {100 * without[1]:.2f} %" in told
    assert told.startswith("200 of 400 test images are copies of training images, and counted")


def test_of_a_run_with_nothing_but_a_baseline_no_accuracies_are_announced():
    run = make_run([job("most_frequent", "baseline", 40)])
    published = replace(run.datasets[0], published=True)
    images = {"animals": replace(run.images["animals"], leaked=np.arange(5))}
    dataset = Study(replace(run, datasets=(published,), images=images))["animals"]
    told = next(line for line in remark_lines(dataset) if "copies of training images" in line)
    assert told == "5 of 400 test images are copies of training images, and counted, as in what others publish"


def test_where_figures_could_not_be_compared_all_images_stay():
    of_one_class = np.arange(0, 400, 3)
    study, _ = leaky(of_one_class)
    assert study["animals"].record.sizes.test == 400
    assert study.leaks == {}
    run = make_run(JOBS)
    lost = (replace(run.outcomes[0], predictions=None), run.outcomes[1])
    study = Study(replace(run, outcomes=lost, images={"animals": SetImages(leaked=np.arange(5))}))
    assert study["animals"].configurations[0].results[0].n_test == 400
