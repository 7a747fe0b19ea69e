"""Accuracy over the number of training images: curves, crossings and sentences."""

import pytest

from cvclassic.study.sentences import what_was_seen
from cvclassic.study.sizes import Curve, Point, crossing_sentence, crossings, curves
from cvclassic.study.statistics import wilson_interval
from tests.made_runs import make_study

SIZES = (90, 270, 950)
WRONG = {
    "hog_svm": ("classical", (120, 80, 56)),
    "color_svm": ("classical", (100, 96, 92)),
    "cnn": ("neural", (280, 120, 36)),
    "mlp": ("neural", (200, 160, 140)),
}


def jobs_of(*pipelines, dataset="animals", shift=0, **changes):
    return [
        (dataset, pipeline, WRONG[pipeline][0], wrong + shift, 2.0, {"n_train": size} | changes)
        for pipeline in pipelines
        for size, wrong in zip(SIZES, WRONG[pipeline][1], strict=True)
    ]


def study_of(jobs, **more):
    return make_study(jobs, **({"train_sizes": (100, 300, 1000)} | more))


def seen(jobs, **more):
    return what_was_seen(study_of(jobs, **more).datasets)


def curve(name, accuracies):
    points = {size: Point(a, a - 0.01, a + 0.01) for size, a in enumerate(accuracies, 1) if a is not None}
    return Curve(name, "classical", points)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0.5, 0.6, 0.7], [0.4, 0.65, 0.8], [(1, 2, 1)]),
        ([0.4, 0.6, 0.9], [0.5, 0.7, 0.8], [(2, 3, 0)]),
        ([0.5, 0.6, 0.7], [0.4, 0.5, 0.6], []),
        ([0.5, 0.5, 0.9], [0.4, 0.6, 0.8], [(1, 2, 1), (2, 3, 0)]),
        ([0.5, 0.6, 0.7], [0.4, 0.6, 0.8], [(1, 3, 1)]),  # level between
        ([0.5, 0.6, 0.7], [0.4, 0.6 + 1e-16, 0.6], []),  # touched, not passed
        ([0.5, 0.6, 0.7], [0.5, 0.6, 0.8], []),  # level, then ahead: nothing was passed
        ([0.5, None, 0.7], [0.4, 0.9, 0.8], [(1, 3, 1)]),  # sizes that both have count
        ([], [], []),
    ],
)
def test_crossings_are_changes_of_the_lead(first, second, expected):
    assert [tuple(each) for each in crossings(curve("a", first), curve("b", second))] == expected


def test_curves_have_means_and_wilsons_interval_of_the_mean():
    jobs = [
        ("animals", "cnn", "neural", wrong, 1.0, {"n_train": size, "seed": seed})
        for size, counts in ((90, (200, 301)), (270, (60, 64)), (950, (36, "failed: x")))
        for seed, wrong in enumerate(counts)
    ]
    [found] = curves(study_of(jobs, repeats=2)["animals"])
    assert (found.name, found.family, list(found.points)) == ("cnn", "neural", list(SIZES))
    for size, mean in ((90, 250.5), (270, 62), (950, 36)):
        assert found.points[size].accuracy == pytest.approx(1 - mean / 400)
        assert found.points[size][1:] == pytest.approx(wilson_interval(400 - mean, 400))


def test_a_curve_is_that_of_the_settings_that_are_best_on_validation_with_the_most_images():
    jobs = [
        *jobs_of("hog_svm", settings={"C": "1"}, validation_accuracy=0.9),
        *jobs_of("hog_svm", settings={"C": "10"}, validation_accuracy=0.8, shift=-20),
    ]
    sweep = {"C": ["1", "10"]}
    both = study_of([*jobs, *jobs_of("mlp")], sweep=sweep)["animals"]
    assert [each.name for each in curves(both)] == ["hog_svm C=1", "mlp"]
    assert crossing_sentence(both) == (
        "hog_svm C=1 stays ahead of mlp with 90 to 950 training images (at the end 86.00 % against 65.00 %)."
    )
    alone = study_of(jobs, sweep=sweep)["animals"]
    assert [each.name for each in curves(alone)] == ["C=1", "C=10"]  # of a single pipeline all


def test_the_sentences_name_what_leads_at_each_end_and_the_crossing():
    ends, crossing = seen(jobs_of(*WRONG))
    assert ends == (
        "Best on validation: with 90 training images color_svm (75.00 % of the test images, interval overlaps hog_svm)"
        ", with 950 training images cnn (91.00 % of the test images, interval overlaps hog_svm)."
    )
    assert crossing == (
        "Over the sizes: cnn passes hog_svm between 270 and 950 training images "
        "(70.00 % against 80.00 %, then 91.00 % against 86.00 %, intervals overlap)."
    )


def test_the_pair_is_chosen_on_validation_and_so_is_what_leads():
    jobs = [*jobs_of("hog_svm", validation_accuracy=0.5), *jobs_of("color_svm", "cnn", validation_accuracy=0.6)]
    jobs += jobs_of("mlp", validation_accuracy=0.7)
    study = study_of(jobs)["animals"]
    ends, crossing = what_was_seen([study])
    assert study.winner.name == "mlp"
    assert "with 950 training images mlp (65.00 % of the test images)" in ends
    assert "color_svm stays ahead of mlp" in crossing
    assert crossing_sentence(study) in crossing


def test_overlapping_intervals_and_curves_that_never_cross_are_called_so():
    ends, crossing = seen([*jobs_of("hog_svm"), *jobs_of("cnn", shift=16)])
    assert ends.endswith("with 950 training images cnn (87.00 % of the test images, interval overlaps hog_svm).")
    assert crossing.endswith("then 87.00 % against 86.00 %, intervals overlap).")
    [_, alone] = seen(jobs_of("hog_svm"))
    assert alone == "Over the sizes: there is no second pipeline to compare with 950 training images."
    level = [
        ("animals", name, family, 80, 1.0, {"n_train": 90}) for name, family in (("a", "classical"), ("b", "neural"))
    ]
    assert "a and b are level with 90 training images" in seen(level)[1]
    at_the_end = [("animals", "b", "neural", 70, 1.0, {"n_train": 270})]
    at_the_end += [("animals", "a", "classical", 70, 1.0, {"n_train": 270})]
    lost = [(*level[0][:3], 90, *level[0][4:]), level[1], *at_the_end]
    assert "b is never behind a with 90 to 270 training images (at the end" in seen(lost)[1]


def test_several_overlapping_intervals_are_listed():
    close = [("animals", f"svm_{k}", "classical", 56 + 4 * k, 1.0, {"n_train": 950}) for k in range(4)]
    ends, _ = seen([*close, *jobs_of("mlp")[-1:]])
    assert "svm_0 (86.00 % of the test images, interval overlaps svm_1, svm_2 and svm_3)." in ends
    ends, _ = seen(close)
    assert "svm_0 (86.00 % of the test images, interval overlaps all others)." in ends


def test_failed_sizes_are_left_out():
    jobs = [
        (*job[:3], "failed: x" if (job[1], job[5]["n_train"]) in {("cnn", 950), ("mlp", 90)} else job[3], *job[4:])
        for job in jobs_of(*WRONG)
    ]
    study = study_of(jobs)["animals"]
    ends, crossing = what_was_seen([study])
    assert "with 950 training images hog_svm" in ends
    assert "hog_svm stays ahead of mlp with 270 to 950" in crossing
    assert {each.name: list(each.points) for each in curves(study)}["cnn"] == [90, 270]
    assert seen([(*job[:3], "failed: x", *job[4:]) for job in jobs])[0] == "No job succeeded."


def test_where_there_is_no_pair_or_one_size_nothing_is_said_of_crossings():
    assert crossing_sentence(study_of(jobs_of("hog_svm"))["animals"]) == ""
    assert crossing_sentence(study_of([*jobs_of("hog_svm")[-1:], *jobs_of("cnn")[-1:]])["animals"]) == ""
    assert crossing_sentence(study_of([*jobs_of("hog_svm"), *jobs_of("cnn")[-1:]])["animals"]) == ""


def test_without_a_neural_pipeline_the_best_hybrid_stands_in():
    hybrid = [("animals", "both", "hybrid", *job[3:]) for job in jobs_of("cnn")]
    assert crossing_sentence(study_of([*jobs_of("hog_svm"), *hybrid])["animals"]).startswith("both passes hog_svm")


@pytest.mark.parametrize("family", ["classical", "pretrained"])
def test_the_pair_is_the_one_that_the_answer_s_first_question_is_about(family):
    jobs = [*jobs_of("hog_svm"), *(("animals", "second", family, *job[3:]) for job in jobs_of("color_svm"))]
    study = study_of(jobs)["animals"]
    assert [each.name for each in study.questions[0].named] == ["hog_svm", "second"]
    assert crossing_sentence(study).startswith("hog_svm passes second between 90 and 270 training images")


def test_over_seeds_accuracies_are_means_and_the_sweep_is_judged_at_the_largest_size():
    jobs = [job for seed in range(3) for job in jobs_of("hog_svm", "cnn", seed=seed, shift=4 * seed)]
    found = seen(jobs, repeats=3)
    assert len(found) == 4
    assert "cnn passes hog_svm between 270 and 950 training images (69.00 % against 79.00 %, then 90.00 %" in found[1]
    assert found[2].startswith("Best on validation: cnn with 90.00 ± 1.00 % of the validation images, 90.00 ± 1.00")


def test_each_data_set_has_its_own_clause():
    jobs = [job for name in ("animals", "plants") for job in jobs_of("hog_svm", "cnn", dataset=name)]
    ends, crossing = seen(jobs, sets=("animals", "plants"))
    assert ends.startswith("Best on validation: on animals with 90 training images hog_svm")
    assert "; on plants cnn passes hog_svm between 270 and 950" in crossing
