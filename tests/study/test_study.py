"""The rule of selection: validation figures alone, the faster of equals, failed seeds last."""

import pytest

from cvclassic.study.statistics import wilson_interval
from tests.made_runs import make_study


def job(pipeline, family, wrong, seconds=1.0, **changes):
    return ("animals", pipeline, family, wrong, seconds, changes)


def names(configurations):
    return [each.name for each in configurations]


def test_the_winner_and_the_best_of_each_family_are_chosen_on_validation_where_the_test_images_say_otherwise():
    jobs = [
        job("svm", "classical", 100, validation_accuracy=0.80),
        job("hog", "classical", 10, validation_accuracy=0.79),
        job("cnn", "neural", 120, validation_accuracy=0.90),
        job("mlp", "neural", 5, validation_accuracy=0.70),
        job("both", "hybrid", 50, validation_accuracy=0.85),
    ]
    study = make_study(jobs)["animals"]
    assert names(study.contenders) == ["cnn", "both", "svm", "hog", "mlp"]
    assert study.winner.name == "cnn"
    assert [study.best(family).name for family in ("classical", "neural", "hybrid")] == ["svm", "cnn", "both"]
    assert study.best("baseline") is None
    assert study.best("baseline", "hybrid").name == "both"


def test_of_equals_the_faster_wins_then_the_first():
    jobs = [job("a", "classical", 10, 3.0), job("b", "classical", 10, 2.0), job("c", "classical", 10, 2.0)]
    assert names(make_study(jobs)["animals"].contenders) == ["b", "c", "a"]


def test_means_over_seeds_that_differ_by_a_rounding_are_equal():
    thirds = [0.1, 0.2, 0.3]
    jobs = [job("a", "neural", 10, 3.0, seed=k, validation_accuracy=v) for k, v in enumerate(thirds)]
    jobs += [job("b", "neural", 10, 2.0, seed=k, validation_accuracy=v) for k, v in enumerate(reversed(thirds))]
    study = make_study(jobs, repeats=3)["animals"]
    assert names(study.contenders) == ["b", "a"]


@pytest.mark.parametrize("broken", ["failed: NaN", None])
def test_one_with_failed_or_missing_seeds_is_no_contender_where_another_of_its_family_has_all(broken):
    jobs = [job("good", "neural", n, seed=k) for k, n in enumerate([50, 52])]
    jobs += [job("lucky", "neural", n, seed=k) for k, n in enumerate([1, broken])]
    study = make_study(jobs, repeats=2)["animals"]
    assert names(study.contenders) == ["good"]
    alone = make_study([*jobs[2:], job("svm", "classical", 90), job("svm", "classical", 91, seed=1)], repeats=2)
    assert names(alone["animals"].contenders) == ["svm", "lucky"]  # none of its family has all, but it can't win


def test_a_pipeline_contends_with_the_configuration_that_is_best_on_validation_and_a_single_pipeline_with_all():
    def swept(pipeline, family):
        return [
            job(pipeline, family, wrong, settings={"depth": depth}, validation_accuracy=validation)
            for depth, wrong, validation in (("1", 100, 0.9), ("2", 10, 0.8), ("4", "failed: x", 1.0))
        ]

    sweep = {"depth": ["1", "2", "4"]}
    both = make_study([*swept("mlp", "neural"), job("svm", "classical", 50, validation_accuracy=0.7)], sweep=sweep)
    assert names(both["animals"].contenders) == ["mlp depth=1", "svm"]
    assert names(make_study(swept("mlp", "neural"), sweep=sweep)["animals"].contenders) == ["depth=1", "depth=2"]


def test_what_is_compared_is_compared_at_the_largest_number_of_training_images_with_a_success():
    jobs = [job("svm", "classical", wrong, n_train=n) for n, wrong in ((100, 80), (300, 60), (1000, "failed: x"))]
    jobs += [job("cnn", "neural", wrong, n_train=n) for n, wrong in ((100, 300), (300, 70), (1000, "failed: x"))]
    study = make_study(jobs, train_sizes=(100, 300, 1000))["animals"]
    assert study.sizes == [100, 300]
    assert {each.n_train for each in study.contenders} == {300}
    assert names(study.at(100)) == ["svm", "cnn"]


def test_the_interval_over_seeds_is_wilsons_of_the_mean_not_the_mean_of_intervals():
    wrong = [0, 200, 390]
    study = make_study([job("a", "neural", n, seed=k) for k, n in enumerate(wrong)], repeats=3)["animals"]
    [each] = study.configurations
    assert each.interval == pytest.approx(wilson_interval(400 - sum(wrong) / 3, 400))
    assert each.spread("test_accuracy") > 0.4


def test_each_data_set_is_studied_for_itself_and_what_is_pending_is_counted():
    jobs = [("animals", "svm", "classical", 10), ("plants", "svm", "classical", None), ("plants", "cnn", "neural", 5)]
    study = make_study(jobs, sets=("animals", "plants"))
    assert [each.name for each in study.datasets] == ["animals", "plants"]
    assert names(study["plants"].contenders) == ["cnn"]
    assert [each.n_pending for each in study.datasets] == [0, 1]


def test_without_any_success_there_is_no_winner():
    study = make_study([job("svm", "classical", "failed: x"), job("cnn", "neural", None)])["animals"]
    assert (study.winner, study.contenders, study.contrasts, study.n_seeds) == (None, [], {}, 0)
    assert [result.pipeline for result in study.failures] == ["svm"]


def auto(jobs, **more):
    return make_study(jobs, repeats="auto", **more)


def further(study):
    return [(job.pipeline, job.seed) for job in study.further_jobs()]


def test_the_contender_of_each_family_gets_three_seeds_where_they_make_a_difference():
    first = [
        job("svm", "classical", 40),
        job("worse", "classical", 80),
        job("cnn", "neural", 30),
        job("long", "hybrid", 20, 61.0),
    ]
    assert further(auto(first)) == [("svm", 1), ("cnn", 1)]
    second = [*first, job("svm", "classical", 40, seed=1), job("cnn", "neural", 33, seed=1)]
    assert further(auto(second)) == [("cnn", 2)]
    third = [*second, job("cnn", "neural", 36, seed=2)]
    assert further(auto(third)) == []
    assert further(auto([*second, job("cnn", "neural", "failed: x", seed=2)])) == []
    assert further(make_study(second, repeats=1)) == []
    assert further(auto(first[:1])) == []  # nothing to compare it with
    assert further(auto([*first, job("mlp", "neural", None)])) == []  # not before all have run once


def test_later_seeds_change_no_choice():
    jobs = [job("a", "neural", 30), job("b", "neural", 40), job("svm", "classical", 35)]
    jobs += [job("a", "neural", 200, seed=1), job("svm", "classical", "failed: x", seed=1)]
    study = auto(jobs)["animals"]
    assert [each.name for each in study.contenders] == ["a", "svm", "b"]
    assert study.best("neural").mean("test_accuracy") == pytest.approx(1 - 115 / 400)
    assert study.best("classical").complete
