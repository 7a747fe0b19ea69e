"""Cases in which a report said something false once, or might: what is said of each now."""

from dataclasses import replace

import numpy as np
import pytest

from cvclassic.runs.job import Predictions, SetImages
from cvclassic.study.folds import figures_of
from cvclassic.study.sentences import answer
from cvclassic.study.study import Study
from cvclassic.study.tables import figures_table
from cvclassic.study.verdicts import Kind
from tests.made_runs import job, make_run

CAN_NOT_TELL = "On animals it can't be told yet whether cnn is better than svm."


def study_of(y_true, said, *, groups=None, leaked=None, seconds=None, **more):
    """The study of runs that said so: pipeline and family to predictions, several for several seeds."""
    y_true, jobs, outcomes = np.asarray(y_true), [], []
    for (name, family), predicted in said.items():
        for seed, _ in enumerate(np.atleast_2d(predicted)):
            jobs.append(job(name, family, 0, (seconds or {}).get(name, 1.0), seed=seed))
    repeats = max(len(np.atleast_2d(predicted)) for predicted in said.values())
    run = make_run(jobs, n_test=len(y_true), repeats=repeats, **more)
    flat = [row for predicted in said.values() for row in np.atleast_2d(predicted)]
    for outcome, y_pred in zip(run.outcomes, flat, strict=True):
        predictions = Predictions(y_true.astype(np.int64), y_pred.astype(np.int64))
        figures = figures_of(predictions, run.datasets[0].class_names)
        figures |= {"test_accuracy": float(np.mean(y_true == y_pred)), "n_test": len(y_true)}
        figures |= {f"validation_{name}": figures[name] for name in ("balanced_accuracy", "macro_f1")}
        figures["validation_accuracy"] = figures["test_accuracy"]
        outcomes.append(replace(outcome, result=replace(outcome.result, **figures), predictions=predictions))
    counts = np.bincount(y_true)
    metric = "balanced_accuracy" if counts.max() > 2 * counts.min() else "accuracy"
    record = replace(run.datasets[0], metric=metric, grouped=groups is not None)
    images = {"animals": SetImages(groups=groups, leaked=leaked)}
    return Study(replace(run, datasets=(record,), outcomes=tuple(outcomes), images=images))["animals"]


def wrong_on(y_true, places, n_classes=3):
    y_pred = np.array(y_true)
    y_pred[places] = (y_pred[places] + 1) % n_classes
    return y_pred


EVEN = np.arange(400) % 3


def test_ten_and_twelve_errors_against_eleven_and_thirteen_are_no_difference():
    first = np.stack([wrong_on(EVEN, np.arange(n)) for n in (10, 12)])
    second = np.stack([wrong_on(EVEN, np.arange(n)) for n in (11, 13)])
    study = study_of(EVEN, {("svm", "classical"): first, ("cnn", "neural"): second})
    assert study.questions[0].kind is Kind.UNDECIDED
    assert answer(study)[0] == CAN_NOT_TELL


def test_what_misses_half_of_the_rare_classes_is_not_to_be_taken_because_a_test_set_is_small():
    y_true = np.repeat([0, 1, 2], [300, 30, 30])
    blind = wrong_on(y_true, [*range(300, 317), *range(330, 347)])  # 43 % of both rare classes
    seeing = wrong_on(y_true, [*range(34), 300, 330])  # as many right in all
    study = study_of(y_true, {("svm", "classical"): blind, ("cnn", "neural"): seeing}, seconds={"cnn": 99.0})
    assert study.metric == "balanced_accuracy"
    assert study.advice.taken.name == "cnn"
    assert "cnn is better than svm by" in " ".join(answer(study))


@pytest.mark.parametrize("n_bystanders", [0, 6])
def test_bystanders_change_no_verdict(n_bystanders):
    said = {("svm", "classical"): wrong_on(EVEN, np.arange(21)), ("cnn", "neural"): wrong_on(EVEN, np.arange(10))}
    said |= {(f"p{k}", "classical"): wrong_on(EVEN, np.arange(40 + k)) for k in range(n_bystanders)}
    study = study_of(EVEN, said)
    verdict = study.questions[0].verdict
    assert verdict.difference.p_value < 0.004
    assert (verdict.kind, verdict.confidence) == (Kind.BETTER_BY_MARGIN, 0.95)


def test_where_most_answer_the_frequent_class_the_one_that_finds_a_scratch_is_taken():
    y_true = np.repeat([0, 1, 2], [500, 20, 8])
    always = np.zeros(528, int)
    finds = always.copy()
    finds[500:516], finds[:14] = 1, 1  # most scratches, and 14 false alarms: less accuracy than always "ok"
    said = {(f"p{k}", "classical"): always for k in range(6)}
    study = study_of(y_true, {**said, ("cnn", "neural"): finds, ("most_frequent", "baseline"): always})
    assert np.mean(finds == y_true) < np.mean(always == y_true) + 0.01
    assert study.advice.taken.name == "cnn"
    assert study.advice.beats_baseline
    blind = study_of(y_true, {**said, ("most_frequent", "baseline"): always})
    assert answer(blind)[0].startswith("On animals nothing is shown to beat always answering 'cat'")


def test_copies_of_training_images_do_not_raise_what_is_reported():
    y_true = np.arange(195) % 3
    learned = np.arange(105)
    knows = wrong_on(y_true, np.arange(105, 140))  # all copies, and 61 % of what is new
    study = study_of(y_true, {("svm", "classical"): knows}, leaked=learned)
    assert np.mean(knows == y_true) > 0.82
    assert study.configurations[0].mean("test_accuracy") == pytest.approx(55 / 90)
    assert "right on 61 of 100 test images" in answer(study)[0]


def test_an_interval_of_macro_f1_contains_it():
    for n_right in (400, 399, 380):
        study = study_of(EVEN, {("svm", "classical"): wrong_on(EVEN, np.arange(400 - n_right))}, metric="macro_f1")
        low, high = study.configurations[0].interval
        assert low <= study.configurations[0].mean("macro_f1") <= high
    assert high - low < 0.08


def test_a_network_that_was_still_learning_is_not_equivalent_either():
    y_true = np.arange(10_000) % 3
    said = {("svm", "classical"): wrong_on(y_true, np.arange(300)), ("cnn", "neural"): wrong_on(y_true, np.arange(310))}
    assert study_of(y_true, said).questions[0].kind is Kind.EQUIVALENT
    study = study_of(y_true, said)
    run = study.study.run
    learning = [replace(o, result=replace(o.result, converged=o.result.family != "neural")) for o in run.outcomes]
    again = Study(replace(run, outcomes=tuple(learning)))["animals"]
    assert again.questions[0].kind is Kind.UNDECIDED
    assert answer(again)[0] == CAN_NOT_TELL


@pytest.mark.parametrize("n_test", [2, 4, 30])
def test_without_an_error_on_a_handful_of_images_nothing_is_claimed(n_test):
    y_true = np.arange(n_test) % 2
    study = study_of(y_true, {("svm", "classical"): y_true, ("cnn", "neural"): y_true}, classes=("cat", "dog"))
    assert study.questions[0].kind is Kind.UNDECIDED
    low, high = study.questions[0].verdict.interval
    assert low < -0.01 < 0.01 < high


def test_a_difference_that_is_significant_and_does_not_matter_is_no_reason_to_take_the_slower():
    y_true = np.arange(10_000) % 3
    said = {("svm", "classical"): wrong_on(y_true, np.arange(330)), ("cnn", "neural"): wrong_on(y_true, np.arange(300))}
    study = study_of(y_true, said, seconds={"svm": 1.0, "cnn": 90.0})
    verdict = study.questions[0].verdict
    assert (verdict.kind, verdict.ahead) == (Kind.EQUIVALENT, "second")
    assert study.advice.taken.name == "svm"


def test_two_seeds_of_large_spread_claim_nothing():
    first = np.stack([wrong_on(EVEN, np.arange(n)) for n in (20, 60)])
    second = np.stack([wrong_on(EVEN, np.arange(n)) for n in (60, 80)])
    assert study_of(EVEN, {("svm", "classical"): first, ("cnn", "neural"): second}).questions[0].kind is Kind.UNDECIDED


def test_a_difference_in_one_patient_alone_is_none_between_methods():
    said = {("svm", "classical"): EVEN, ("cnn", "neural"): wrong_on(EVEN, np.arange(40))}
    assert study_of(EVEN, said).questions[0].verdict.ahead == "first"
    patients = np.arange(400) // 40
    assert study_of(EVEN, said, groups=patients).questions[0].kind is Kind.UNDECIDED


def test_all_images_of_one_group_tell_nothing_and_break_nothing():
    said = {("svm", "classical"): EVEN, ("cnn", "neural"): wrong_on(EVEN, np.arange(40))}
    study = study_of(EVEN, said, groups=np.zeros(400, np.int64))
    assert study.questions[0].verdict is None
    assert answer(study)[0] == CAN_NOT_TELL


def test_the_lucky_one_on_the_test_images_is_not_taken_and_the_gap_is_told():
    said = {
        ("svm", "classical"): wrong_on(EVEN, np.arange(30)),
        ("lucky", "classical"): wrong_on(EVEN, np.arange(5)),
        ("cnn", "neural"): wrong_on(EVEN, np.arange(90)),
    }
    run = study_of(EVEN, said).study.run
    chosen = {"svm": 0.95, "lucky": 0.8, "cnn": 0.7}
    outcomes = [
        replace(o, result=replace(o.result, validation_accuracy=chosen[o.result.pipeline])) for o in run.outcomes
    ]
    study = Study(replace(run, outcomes=tuple(outcomes)))["animals"]
    assert study.advice.taken.name == "svm"
    assert "lucky does better than svm on the test images, and not on the validation images" in answer(study)[-1]


def test_what_is_worse_than_the_baseline_is_never_recommended():
    y_true = np.repeat([0, 1, 2], [200, 120, 110])
    said = {("svm", "classical"): wrong_on(y_true, np.arange(330)), ("most_frequent", "baseline"): np.zeros(430, int)}
    assert answer(study_of(y_true, said))[0].startswith("On animals nothing is shown to beat")


def test_a_class_without_test_images_counts_for_nothing():
    y_true = np.arange(300) % 2
    said = {("svm", "classical"): wrong_on(y_true, np.arange(30)), ("cnn", "neural"): wrong_on(y_true, np.arange(90))}
    study = study_of(y_true, said, metric="balanced_accuracy")
    svm = next(each for each in study.configurations if each.name == "svm")
    assert svm.mean("balanced_accuracy") == pytest.approx(0.9)
    assert svm.interval[0] < 0.9 < svm.interval[1]
    assert study.questions[0].verdict.difference.estimate == pytest.approx(0.2)


def test_a_margin_of_the_user_decides_what_matters():
    y_true = np.arange(4000) % 3
    said = {("svm", "classical"): wrong_on(y_true, np.arange(300)), ("cnn", "neural"): wrong_on(y_true, np.arange(180))}
    kinds = [study_of(y_true, said, margin=margin).questions[0].kind for margin in (1, 3, 10)]
    assert kinds == [Kind.BETTER_BY_MARGIN, Kind.BETTER, Kind.EQUIVALENT]


def test_a_hostile_class_name_comes_out_as_it_is_in_words_and_harmless_on_faces():
    from cvclassic.report.markdown import escaped

    y_true = np.arange(90) % 3
    names = ("<b>\x1b[31m", "dog", "owl")
    said = {("svm", "classical"): wrong_on(y_true, np.arange(70)), ("most_frequent", "baseline"): np.zeros(90, int)}
    study = study_of(y_true, said, classes=names)
    text = " ".join(answer(study))
    assert "\x1b" not in escaped(text)
    assert figures_table(study).rows
