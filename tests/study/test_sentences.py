"""The sentences claim what the figures carry, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from cvclassic.runs.job import ClassFigures
from cvclassic.study.intervals import tango_interval
from cvclassic.study.lines import remark_lines
from cvclassic.study.sentences import answer, what_to_do, what_was_seen
from cvclassic.study.study import Study
from tests.made_runs import job, make_run, make_study


def sentences(jobs, **more):
    return answer(make_study(jobs, **more)["animals"])


BASELINE = job("most_frequent", "baseline", 266, 0.01)  # 133 of 400 are of the first class


def test_what_is_shown_to_be_better_is_to_be_taken_and_why_is_said():
    jobs = [job("svm", "classical", 100, 45.2), job("hist", "classical", 200), job("cnn", "neural", 60, 240.0)]
    assert sentences([*jobs, BASELINE]) == [
        "On animals use cnn: right on 85 of 100 test images (81 – 88); it learned in 240 s.",
        "svm, the best classical pipeline on the validation images, reaches 75.00 % (70.53 – 78.99); cnn, the only "
        "neural pipeline, reaches 85.00 % (81.17 – 88.17).",
        "cnn is better than svm by 10 points (7.4 to 13.3), more than the margin of 1 point.",
        "This is about these trained models: other trainings may do otherwise.",
        "Of the others, which no question was about, hist is worse.",
    ]


def test_bystanders_change_nothing_in_what_is_claimed():
    jobs = [job("svm", "classical", 14, 2.0), job("cnn", "neural", 2, 9.0), BASELINE]
    alone = sentences(jobs)
    beside = [job(f"p{k}", "classical", 100 + k) for k in range(6)]
    assert "cnn is better than svm by 3 points (1.7 to 5.2), more than the margin of 1 point." in alone
    assert sentences([*jobs, *beside])[2:4] == alone[2:4]
    assert sentences([*jobs, *beside])[0] == alone[0]


def test_a_small_test_set_is_no_tie_and_what_may_be_lost_is_told():
    jobs = [job("svm", "classical", 30, 1.2), job("cnn", "neural", 27, 24.0), BASELINE]
    text = sentences(jobs)
    assert text[:3] == [
        "On animals it can't be told yet whether cnn is better than svm.",
        "Take svm meanwhile, which is the fastest to fit of them: right on 92 of 100 test images (89 – 95); it learned "
        "in 1.2 s.",
        "It may lose up to 2.2 points against cnn.",
    ]
    assert "svm and cnn are not told apart: svm less cnn is −0.75 points, and may be anything from −2.2 to 0.2." in text
    assert "About 2,100 test images in all would tell svm and cnn apart, if the difference is what it seems." in text
    assert " tie" not in " ".join(text)


def test_of_equivalents_the_faster_is_to_be_taken():
    jobs = [job("svm", "classical", 300, 9.0), job("cnn", "neural", 290, 4.0)]
    text = sentences([*jobs, job("most_frequent", "baseline", 6666)], n_test=10000)
    assert text[0].startswith("On animals use cnn, the fastest to fit of equivalents: right on 97.1 of 100 test images")
    assert text[2] == (
        "svm and cnn are equivalent: the difference lies within the margin of 1 point (−0.17 to −0.06 points), and cnn "
        "is ahead by less than that."
    )


def test_what_is_better_by_less_than_the_margin_or_may_be_is_said():
    jobs = [job("svm", "classical", 40, 9.0), job("cnn", "neural", 30, 4.0), BASELINE]
    better = "cnn is better than svm by 2.5 points (1.4 to 4.5)"
    assert f"{better}, more than the margin of 1 point." in sentences(jobs)
    text = sentences(jobs, margin=2)
    assert f"{better}; whether by more than the margin of 2 points is open." in text
    assert text[0].startswith("On animals use cnn")


def test_nothing_is_said_against_a_network_that_was_still_learning():
    jobs = [job("svm", "classical", 30, 9.2), job("cnn", "neural", 90, 24.0, converged=False), BASELINE]
    text = sentences(jobs)
    assert text[0] == "On animals it can't be told yet whether cnn is better than svm."
    assert "cnn was still learning when training ended, so that nothing is said against it" in " ".join(text)
    assert "may lose" not in " ".join(text)
    assert "Train cnn longer: --preset full, or --set min_steps=N." in text
    ahead = sentences([job("svm", "classical", 90), job("cnn", "neural", 30, 24.0, converged=False), BASELINE])
    assert ahead[0].startswith("On animals use cnn:")
    for within in ({"time_budget": 30}, {"epochs": 2}):
        text = " ".join(sentences(jobs, **within))
        assert text.startswith("On animals use svm:")
        assert "svm is better than cnn by 15 points" in text
        told = "trained within 30 s" if "time_budget" in within else "trained for 2 epochs"
        assert f"This is about these trained models, {told}: other trainings may do otherwise." in text


def test_what_is_not_shown_to_beat_the_most_frequent_class_is_not_recommended():
    text = sentences([job("svm", "classical", 264, 1.0), job("cnn", "neural", 265, 2.0), BASELINE])
    assert text[0].startswith("On animals nothing is shown to beat always answering '")
    assert text[0].endswith("', which is right on 34 of 100 test images (29 – 38).")
    assert text[1] == "The best here is svm: right on 34 of 100 test images (30 – 39); it learned in 1.0 s."
    assert "use svm" not in " ".join(text)


def test_of_those_not_told_apart_one_that_beats_the_most_frequent_class_is_to_be_taken():
    rng = np.random.default_rng(0)
    run = make_run([job("svm", "classical", 250, 1.0), job("cnn", "neural", 250, 9.0, converged=False), BASELINE])
    y_true = run.outcomes[0].predictions.y_true
    frequent = np.zeros(400, np.int64)
    better = np.where(rng.random(400) < 0.8, y_true, frequent)
    said = [replace(run.outcomes[0].predictions, y_pred=y_pred) for y_pred in (frequent, better, frequent)]
    outcomes = tuple(replace(o, predictions=each) for o, each in zip(run.outcomes, said, strict=True))
    study = Study(replace(run, outcomes=outcomes))["animals"]
    assert study.advice.taken.name == "cnn"
    assert study.advice.beats_baseline


def test_on_unequal_classes_balanced_accuracy_decides():
    jobs = [
        job("svm", "classical", 40, balanced_accuracy=0.5, validation_balanced_accuracy=0.5),
        job("hog", "classical", 60, balanced_accuracy=0.8, validation_balanced_accuracy=0.8),
    ]
    text = " ".join(sentences(jobs, metric="balanced_accuracy"))
    assert "hog, the best pipeline on the validation images, reaches 80.00 % balanced accuracy" in text
    study = make_study(jobs, metric="balanced_accuracy")["animals"]
    assert [each.name for each in study.contenders] == ["hog", "svm"]
    assert "in the mean over the classes" in text
    text = " ".join(sentences([job("svm", "classical", 40), BASELINE], metric="macro_f1"))
    assert "at a macro F1 of 0.90 (0.87 – 0.93)" in text


def test_the_best_of_each_family_is_that_on_validation_and_what_is_better_on_the_test_images_is_told():
    jobs = [
        job("svm", "classical", 100, 5.0, validation_accuracy=0.8),
        job("lucky", "classical", 20, 0.4, validation_accuracy=0.7),
        job("cnn", "neural", 60, 90.0, validation_accuracy=0.9),
        job("mlp", "neural", 61, 70.0, validation_accuracy=0.6),
        BASELINE,
    ]
    text = sentences(jobs)
    assert text[0].startswith("On animals use cnn: right on 85 of 100")
    assert "svm, the best classical pipeline on the validation images, reaches 75.00 %" in text[1]
    assert text[-1] == (
        "Of the others, which no question was about, lucky does better than cnn on the test images, and not on the "
        "validation images; mlp is not told apart from cnn."
    )


def test_a_pretrained_one_has_a_question_of_its_own():
    jobs = [job("svm", "classical", 60, 1.2), job("cnn", "neural", 80, 24.0), job("pre", "pretrained", 20, 3.0)]
    text = sentences([*jobs, BASELINE])
    assert text[0] == "On animals use pre: right on 95 of 100 test images (92 – 97); it learned in 3.0 s."
    assert "svm is better than cnn by 5 points" in text[2]
    assert text[3] == "pre, the only pretrained pipeline, reaches 95.00 % (92.40 – 96.74)."
    assert "pre is better than svm by 10 points (7.1 to 13.9), more than the margin of 1 point." in text[4]
    questions = make_study(jobs)["animals"].questions
    assert [each.verdict.confidence for each in questions] == [0.95, 0.975]


def test_of_equals_on_validation_the_faster_is_chosen_and_that_is_said():
    jobs = [job("svm", "classical", 10, 3.0), job("hog", "classical", 10, 2.0), job("cnn", "neural", 90), BASELINE]
    text = sentences(jobs)
    assert text[0].startswith("On animals use hog")
    assert "hog, the best classical pipeline on the validation images, the fastest of equals, reaches" in text[1]


def test_a_hybrid_stands_for_the_networks_only_where_there_are_none():
    jobs = [job("svm", "classical", 60), job("cnn", "neural", 50), job("both", "hybrid", 10, 12.3)]
    told = "Of the others, which no question was about, both does better than cnn on the test images."
    assert sentences(jobs)[-1] == told
    without = sentences([jobs[0], jobs[2]])
    assert without[0].startswith("On animals use both:")
    assert "both, the only hybrid pipeline, reaches 97.50 %" in without[1]


def test_of_one_family_the_best_stands_against_the_next_and_no_other_family_is_spoken_of():
    text = " ".join(sentences([job("svm", "classical", 60), job("hog", "classical", 10, 2.0)]))
    assert text.startswith("On animals use hog: right on 98 of 100 test images")
    assert "svm, the next pipeline on the validation images, reaches 85.00 %" in text
    assert "All that ran here are classical." in text
    assert "neural" not in text


def test_where_the_networks_failed_all_that_succeeded_are_classical():
    jobs = [job("svm", "classical", 60), job("hog", "classical", 10), job("cnn", "neural", "failed: x")]
    text = " ".join(sentences(jobs))
    assert "All that succeeded here are classical." in text
    assert "All that ran" not in text
    assert text.endswith("Failed: cnn (neural).")


def test_one_pipeline_alone_is_compared_with_nothing():
    assert sentences([job("svm", "classical", 100, 0.01, answer_seconds=0.0008)]) == [
        "On animals use svm: right on 75 of 100 test images (71 – 79); it answers in 0.8 ms and learned in less than "
        "0.1 s.",
        "There is nothing to compare it with.",
    ]


def test_failed_jobs_and_those_without_a_result_are_told():
    jobs = [job("svm", "classical", 100), job("cnn", "neural", "failed: ValueError: no"), job("mlp", "neural", None)]
    text = " ".join(sentences(jobs))
    assert "use svm: right on 75 of 100" in text
    assert text.endswith("Failed: cnn (neural). 1 of 3 jobs has no result yet.")
    seeds = [job("cnn", "neural", n, seed=k) for k, n in enumerate([10, "failed: x", 20])]
    assert sentences(seeds, repeats=3)[-1] == "Failed: cnn (neural, 1 of 3 jobs)."


def test_without_any_result_nothing_is_claimed():
    assert sentences([job("svm", "classical", None), job("cnn", "neural", None)]) == [
        "On animals there is no result to compare yet.",
        "2 of 2 jobs have no result yet.",
    ]


def test_without_predictions_nothing_is_said_to_be_better():
    run = make_run([job("svm", "classical", 100), job("cnn", "neural", 10), job("mlp", "neural", 90)])
    lost = Study(replace(run, outcomes=(replace(run.outcomes[0], predictions=None), *run.outcomes[1:])))
    text = answer(lost["animals"])
    assert text[0] == "On animals it can't be told yet whether cnn is better than svm."
    assert "svm and cnn were not compared, for predictions of the same images are missing." in text


def test_without_validation_images_nothing_is_said_to_be_chosen_on_them():
    jobs = [job("svm", "classical", 10, 2.0), job("cnn", "neural", 90, 9.0), job("mlp", "neural", 10, 5.0)]
    for each in jobs:
        each[-1]["validation_accuracy"] = None
    text = " ".join(sentences(jobs))
    assert "mlp, the best neural pipeline by fit time, for there are no validation images, reaches" in text
    assert "on the validation images" not in text
    swept = [job("mlp", "neural", 10, settings={"depth": d}, validation_accuracy=None) for d in ("1", "2")]
    best, worst = sentences(swept, sweep={"depth": ["1", "2"]})
    assert (best, worst) == (
        *("Best on validation: there are no validation images.", "Worst: there are no validation images."),
    )


def test_with_repeats_the_claim_is_about_such_trainings():
    wrong = {"svm": [40, 44, 42, 46], "cnn": [20, 22, 18, 30]}
    families = {"svm": "classical", "cnn": "neural"}
    jobs = [job(name, families[name], n, seed=seed) for name in wrong for seed, n in enumerate(wrong[name])]
    text = sentences(jobs, repeats=4)
    accuracies = {name: 1 - np.array(counts) / 400 for name, counts in wrong.items()}
    for name in wrong:
        assert f"{100 * accuracies[name].mean():.2f} ± {100 * accuracies[name].std(ddof=1):.2f} %" in text[1]
    assert text[3] == (
        "This is about what such trainings reach, as far as 4 trainings of svm and 4 trainings of cnn tell."
    )


def test_ten_errors_against_eleven_in_two_seeds_each_tell_nothing():
    jobs = [job("svm", "classical", n, seed=seed) for seed, n in enumerate([10, 12])]
    jobs += [job("cnn", "neural", n, 9.0, seed=seed) for seed, n in enumerate([11, 13])]
    text = sentences(jobs, repeats=2)
    assert text[0] == "On animals it can't be told yet whether cnn is better than svm."


def test_the_hardest_class_is_named_where_it_is_clearly_worse():
    classes = [ClassFigures(name, 0.9, recall, 0.9, n) for name, recall, n in (("cat", 0.95, 190), ("dog", 0.9, 190))]
    weak = [*classes, ClassFigures("owl", 0.9, 0.3, 0.4, 20)]
    assert "Hardest is owl: 6 of 20 are told; more pictures of it may help most." in sentences(
        [job("svm", "classical", 40, per_class=tuple(weak))]
    )
    level = [*classes, ClassFigures("owl", 0.9, 0.8, 0.8, 20)]
    assert "Hardest" not in " ".join(sentences([job("svm", "classical", 40, per_class=tuple(level))]))


def test_of_a_swept_pipeline_the_setting_that_validation_chose_stands_for_it():
    jobs = [
        job("mlp", "neural", 100, settings={"depth": "1"}, validation_accuracy=0.9),
        job("mlp", "neural", 10, settings={"depth": "2"}, validation_accuracy=0.8),
        job("svm", "classical", 120, validation_accuracy=0.7),
    ]
    text = " ".join(sentences(jobs, sweep={"depth": ["1", "2"]}))
    assert "mlp depth=1, the only neural pipeline, reaches 75.00 %" in text
    assert "97.50" not in text
    assert text.endswith("Each stands here with the settings that were best on the validation images.")


def test_of_several_training_sizes_the_largest_is_compared():
    jobs = [job("svm", "classical", wrong, n_train=n) for n, wrong in ((100, 300), (1000, 20))]
    jobs += [job("cnn", "neural", wrong, n_train=n) for n, wrong in ((100, 200), (1000, 21))]
    text = " ".join(sentences(jobs, train_sizes=[100, 1000]))
    assert "95.00 %" in text
    assert "94.75 %" in text
    assert "25.00 %" not in text
    assert text.endswith("Compared are those with 1,000 training images.")


@pytest.mark.parametrize("seed", range(8))
def test_what_is_claimed_is_what_the_interval_of_the_declared_pair_says(seed):
    random = np.random.default_rng(seed)
    wrong = [int(n) for n in random.choice(np.arange(5, 30), 4, replace=False)]
    validation = random.permutation([0.9, 0.8, 0.7, 0.6])
    families = ["classical", "classical", "neural", "hybrid"]
    jobs = [job(f"p{k}", families[k], wrong[k], validation_accuracy=float(validation[k])) for k in range(4)]
    study = make_study(jobs)["animals"]
    classical = max((0, 1), key=lambda k: validation[k])
    apart = wrong[2] - wrong[classical]  # images that the classical one alone gets right, or fewer than none
    low, high = tango_interval(max(apart, 0), max(-apart, 0), 400)
    text = " ".join(answer(study))
    if low > 0.01 or high < -0.01:
        better, worse = (classical, 2) if low > 0 else (2, classical)
        assert f"p{better} is better than p{worse} by {abs(apart) / 4:.1f}".removesuffix(".0") in text
        assert study.advice.taken.name == f"p{better}"
    elif low > 0 or high < 0:
        assert "is better than" in text or "are equivalent" in text
    else:
        assert f"p{classical} and p2 are not told apart" in text
    assert study.advice.taken.name in (f"p{classical}", "p2")


VALIDATION = {"1": [0.90, 0.92], "2": [0.95, 0.97], "4": [0.95, 0.96], "8": [0.60, 0.62]}
WRONG = {"1": [36, 36], "2": [24, 16], "4": [12, 4], "8": [200, 192]}


def swept(depths="1248", seeds=(0, 1), dataset="animals"):
    return [
        (
            *(dataset, "mlp", "neural", WRONG[depth][k], 2.0 + k),
            {"seed": k, "settings": {"depth": depth}, "validation_accuracy": VALIDATION[depth][k]},
        )
        for depth in depths
        for k in seeds
    ]


def seen(jobs, *, n_validation=1000, repeats=2, **more):
    run = make_run(jobs, sweep={"depth": list(VALIDATION)}, repeats=repeats, **more)
    sets = tuple(replace(each, sizes=replace(each.sizes, validation=n_validation)) for each in run.datasets)
    return what_was_seen(Study(replace(run, datasets=sets)))


def test_of_a_sweep_best_and_worst_on_validation_are_told_and_what_is_within_twice_the_spread():
    best, worst = seen(swept())
    spread = np.sqrt((np.var(VALIDATION["2"], ddof=1) + np.var(VALIDATION["8"], ddof=1)) / 2)
    assert best == (
        "Best on validation: depth=2 with 96.00 ± 1.41 % of the validation images, 95.00 ± 1.41 % of the test images, "
        "2.5 s a fit, with depth=4 close to it."
    )
    assert worst.startswith("Worst: depth=8 with 61.00 ± 1.41 % of the validation images, 51.00 ± 1.41 % of the test")
    assert f"35.00 points behind, more than twice the spread over seeds ({200 * spread:.2f} points)" in worst
    assert answer(make_study(swept(), sweep={"depth": list(VALIDATION)}, repeats=2)["animals"]) == [best, worst]


def test_without_repeats_only_a_difference_of_one_validation_image_is_close():
    best, worst = seen(swept("124", seeds=[0]), n_validation=30, repeats=1)
    assert "depth=2 with 95.00 % of the validation images" in best
    assert "with depth=4 close to it." in best
    assert "depth=1 with 90.00 %" in worst
    assert "5.00 points behind, more than one validation image (3.33 points)" in worst


def test_where_all_are_close_it_is_said():
    best, worst = seen(swept("124"), n_validation=10)
    assert "with all others close to it." in best
    assert "5.00 points behind, close, within one validation image (10.00 points)." in worst


def test_a_single_configuration_has_nothing_to_compare_it_with():
    assert "nothing to compare it with" in seen(swept("1"))[1]


def test_what_to_do_begins_the_answer_and_is_not_all_of_it():
    decided = make_study([job("svm", "classical", 20), job("cnn", "neural", 90)])["animals"]
    undecided = make_study([job("svm", "classical", 20), job("cnn", "neural", 21)])["animals"]
    sweep = make_study(swept(), sweep={"depth": list(VALIDATION)}, repeats=2)["animals"]
    for study, n in ((decided, 1), (undecided, 3), (sweep, 1)):
        assert what_to_do(study) == answer(study)[:n] != answer(study)
    assert what_to_do(undecided)[1].startswith("Take svm meanwhile")


def test_times_that_are_too_short_to_tell_are_less_than_something():
    short = {"answer_seconds": 0.00004}
    [said, *_] = answer(make_study([job("svm", "classical", 20, 0.04, **short), job("cnn", "neural", 90)])["animals"])
    assert said.endswith("it answers in less than 0.1 ms and learned in less than 0.1 s.")
    jobs = [job("svm", "classical", 20, 0.04, settings={"C": c}) for c in ("1", "2")]
    assert "less than 0.1 s a fit" in answer(make_study(jobs, sweep={"C": ["1", "2"]})["animals"])[0]


def test_several_data_sets_have_their_own_best_in_the_same_two_sentences():
    jobs = swept("12", seeds=[0]) + swept("12", seeds=[0], dataset="plants")
    best, _ = seen(jobs, repeats=1, sets=("animals", "plants"))
    assert best.startswith("Best on validation: on animals depth=2 with")
    assert "; on plants depth=2 with" in best


def test_a_pretrained_winner_is_told_beside_the_question_with_its_backbone():
    jobs = [
        job("svm", "classical", 60),
        job("cnn", "neural", 50),
        job("frozen", "pretrained", 10, 12.3, backbone="lite.onnx (0123)"),
    ]
    dataset = make_study(jobs)["animals"]
    assert answer(dataset)[0].startswith("On animals use frozen: right on 98 of 100 test images")
    assert remark_lines(dataset) == [
        "frozen learns from what a frozen backbone makes of the same 32 x 32 pixels: lite.onnx (0123). It has seen "
        "other pictures before; and frozen, it is what fine-tuning starts from, not the best that it can do"
    ]
