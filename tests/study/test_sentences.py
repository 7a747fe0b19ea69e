"""The sentences claim what the figures carry, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from cvclassic.study.lines import remark_lines
from cvclassic.study.sentences import answer, what_was_seen
from cvclassic.study.study import Study
from cvclassic.study.tables import figures_table
from tests.made_runs import job, make_run, make_study


def sentences(jobs, **more):
    return answer(make_study(jobs, **more)["animals"])


def test_best_classical_against_best_neural_with_intervals_seconds_and_test():
    jobs = [job("svm", "classical", 100, 45.2), job("hist", "classical", 200), job("cnn", "neural", 60, 240.0)]
    assert sentences(jobs) == [
        "On animals, svm, the best classical pipeline on the 50 validation images, classifies 75.00 % (95 % interval "
        "70.53 – 78.99) of the 400 test images rightly, after a fit of 45 s; cnn, the only neural one, needs 240 s and "
        "reaches 85.00 % (81.17 – 88.17).",
        "cnn is better by 10.00 points, which is significant "
        "(McNemar's exact test, Holm-corrected for 3 pairs, p < 0.001).",
        "The winner, best of all on the validation images, is cnn.",
        "On the test images cnn is significantly better than each of the other 2.",
    ]


def test_the_best_of_each_family_is_that_on_validation_and_what_is_better_on_the_test_images_is_told():
    jobs = [
        job("svm", "classical", 100, 5.0, validation_accuracy=0.8),
        job("lucky", "classical", 20, 0.4, validation_accuracy=0.7),
        job("cnn", "neural", 60, 90.0, validation_accuracy=0.9),
        job("mlp", "neural", 61, 70.0, validation_accuracy=0.6),
    ]
    first, second, winner, standing, fastest = sentences(jobs)
    assert "svm, the best classical pipeline on the 50 validation images, classifies 75.00 %" in first
    assert "cnn, the best neural one there, needs 90 s and reaches 85.00 %" in first
    assert second.startswith("cnn is better by 10.00 points")
    assert winner == "The winner, best of all on the validation images, is cnn."
    assert standing == (
        "Yet on the test images lucky is significantly better than cnn; mlp is not told apart from cnn; one other is "
        "significantly worse."
    )
    assert fastest == (
        "Of those that are not shown to be worse than cnn, the fastest to fit is lucky: 95.00 % "
        "(92.40 – 96.74) after 0.4 s."
    )


def test_a_difference_that_is_not_significant_is_no_tie():
    # one alone is right on 3 images, the other on none: p = 2 / 2^3 = 0.25
    jobs = [job("svm", "classical", 12, 5.0), job("cnn", "neural", 9, 90.0)]
    first, second, winner = sentences(jobs)
    assert "97.00 % (95 % interval 94.83 – 98.28)" in first
    assert second == (
        "This does not tell which is better: the difference of 0.75 points is not significant "
        "(McNemar's exact test, p = 0.25)."
    )
    assert winner.endswith("is cnn.")
    assert " tie" not in " ".join(sentences(jobs))


def test_those_that_the_test_images_do_not_tell_apart_are_listed_or_counted_with_the_fastest():
    jobs = [job("svm", "classical", 10, 5.0), job("fast", "classical", 12, 0.4), job("cnn", "neural", 9, 90.0)]
    *_, standing, fastest = sentences([*jobs, job("bad", "classical", 300, 0.1)])
    assert standing == "On the test images svm and fast are not told apart from cnn; one other is significantly worse."
    assert "the fastest to fit is fast: 97.00 % (94.83 – 98.28) after 0.4 s" in fastest
    many = [job(f"p{k}", "classical", 10, 1.0 + k) for k in range(6)]
    *_, standing, fastest = sentences(many)
    assert standing == "On the test images the 5 others are not told apart from p0."
    assert fastest == "Of those that are not shown to be worse than p0, none is faster to fit."
    assert "5 others are not told apart from p0; one other is" in " ".join(sentences([*many, job("x", "neural", 300)]))


def test_equal_accuracies_have_no_difference():
    _, second, _ = sentences([job("svm", "classical", 10), job("cnn", "neural", 10, 9.0)])
    assert second == (
        "This does not tell which is better: both are right equally often (McNemar's exact test, p = 1.00)."
    )


def test_of_equals_on_validation_the_faster_is_chosen_and_that_is_said():
    jobs = [job("svm", "classical", 10, 3.0), job("hog", "classical", 10, 2.0), job("cnn", "neural", 90)]
    first, _, winner, *_ = sentences(jobs)
    assert "hog, the best classical pipeline on the 50 validation images, the fastest of equals, classifies" in first
    assert winner == "The winner, best of all on the validation images, the fastest of equals, is hog."


def test_the_winner_is_named_with_its_figures_where_it_is_neither_classical_nor_neural():
    jobs = [job("svm", "classical", 60), job("cnn", "neural", 50), job("both", "hybrid", 10, 12.3)]
    assert (
        "The winner, best of all on the validation images, is both (hybrid), with 97.50 % (95.46 – 98.64) of the test "
        "images after a fit of 12 s."
    ) in sentences(jobs)


def test_of_one_family_the_winner_stands_against_the_next_and_no_other_family_is_spoken_of():
    text = " ".join(sentences([job("svm", "classical", 60), job("hog", "classical", 10, 2.0)]))
    assert text.startswith("On animals, hog, the best pipeline on the 50 validation images, classifies 97.50 %")
    assert "svm, the next, needs 1.0 s and reaches 85.00 %" in text
    assert "All that ran here are classical." in text
    assert "neural" not in text


def test_where_the_networks_failed_all_that_succeeded_are_classical():
    jobs = [job("svm", "classical", 60), job("hog", "classical", 10), job("cnn", "neural", "failed: x")]
    text = " ".join(sentences(jobs))
    assert "All that succeeded here are classical." in text
    assert "All that ran" not in text
    assert text.endswith("Failed: cnn (neural).")


def test_one_pipeline_alone_is_compared_with_nothing():
    assert sentences([job("svm", "classical", 100, 0.01)]) == [
        "On animals, svm classifies 75.00 % (95 % interval 70.53 – 78.99) of the 400 test images rightly, after a fit "
        "of less than 0.1 s. There is nothing to compare it with."
    ]


def test_failed_jobs_and_those_without_a_result_are_told():
    jobs = [job("svm", "classical", 100), job("cnn", "neural", "failed: ValueError: no"), job("mlp", "neural", None)]
    text = " ".join(sentences(jobs))
    assert "svm classifies 75.00 %" in text
    assert text.endswith("Failed: cnn (neural). 1 of 3 jobs has no result yet.")
    seeds = [job("cnn", "neural", n, seed=k) for k, n in enumerate([10, "failed: x", 20])]
    assert sentences(seeds, repeats=3)[-1] == "Failed: cnn (neural, 1 of 3 jobs)."


def test_without_any_result_nothing_is_claimed():
    assert sentences([job("svm", "classical", None), job("cnn", "neural", None)]) == [
        "On animals there is no result to compare yet.",
        "2 of 2 jobs have no result yet.",
    ]


def test_without_predictions_significance_is_not_claimed():
    run = make_run([job("svm", "classical", 100), job("cnn", "neural", 10)])
    lost = Study(replace(run, outcomes=(replace(run.outcomes[0], predictions=None), run.outcomes[1])))
    text = " ".join(answer(lost["animals"]))
    assert "Their difference of 22.50 points was not tested, for predictions or seeds to compare are missing." in text
    assert "significant" not in text
    run = make_run([job("svm", "classical", 100), job("cnn", "neural", 10), job("mlp", "neural", 90)])
    lost = Study(replace(run, outcomes=(replace(run.outcomes[0], predictions=None), *run.outcomes[1:])))
    assert (
        "On the test images one other is significantly worse; svm could not be tested, for predictions or seeds are "
        "missing."
    ) in answer(lost["animals"])


def test_without_validation_images_nothing_is_said_to_be_chosen_on_them():
    jobs = [job("svm", "classical", 10, 2.0), job("cnn", "neural", 90, 9.0), job("mlp", "neural", 10, 5.0)]
    for each in jobs:
        each[-1]["validation_accuracy"] = None
    text = " ".join(sentences(jobs))
    assert "mlp, the best neural one by fit time, for there are no validation images, needs" in text
    assert "on the validation images" not in text
    swept = [job("mlp", "neural", 10, settings={"depth": d}, validation_accuracy=None) for d in ("1", "2")]
    best, worst = sentences(swept, sweep={"depth": ["1", "2"]})
    assert (best, worst) == (
        *("Best on validation: there are no validation images.", "Worst: there are no validation images."),
    )


def test_with_repeats_mean_deviation_interval_and_a_test_over_images_and_trainings():
    wrong = {"svm": [40, 44, 42, 46], "cnn": [20, 22, 18, 30]}
    families = {"svm": "classical", "cnn": "neural"}
    jobs = [job(name, families[name], n, seed=seed) for name in wrong for seed, n in enumerate(wrong[name])]
    first, second, _ = sentences(jobs, repeats=4)
    accuracies = {name: 1 - np.array(counts) / 400 for name, counts in wrong.items()}
    for name in wrong:
        assert f"{100 * accuracies[name].mean():.2f} ± {100 * accuracies[name].std(ddof=1):.2f} %" in first
    assert "(mean over 4 seeds, 95 % interval 85.83 – 91.92)" in first
    assert second == (
        "cnn is better by 5.12 points, which is significant (t-test over images and trainings, p < 0.001)."
    )


def test_the_difference_is_that_of_the_means_that_are_told_where_a_seed_failed():
    jobs = [job("svm", "classical", n, seed=seed) for seed, n in enumerate([0, 60, 64, 61])]
    jobs += [job("cnn", "neural", n, seed=seed) for seed, n in enumerate(["failed: x", 50, 55, 51])]
    first, second, *_ = sentences(jobs, repeats=4)
    assert "classifies 88.44 ±" in first
    assert "reaches 87.00 ±" in first
    assert second.startswith("This does not tell which is better: the difference of 1.44 points is not significant (t-")


def test_of_a_swept_pipeline_the_setting_that_validation_chose_stands_for_it():
    jobs = [
        job("mlp", "neural", 100, settings={"depth": "1"}, validation_accuracy=0.9),
        job("mlp", "neural", 10, settings={"depth": "2"}, validation_accuracy=0.8),
        job("svm", "classical", 120, validation_accuracy=0.7),
    ]
    text = " ".join(sentences(jobs, sweep={"depth": ["1", "2"]}))
    assert "mlp depth=1, the only neural one, needs 1.0 s and reaches 75.00 %" in text
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
def test_significance_is_claimed_exactly_where_the_corrected_p_value_is_below_5_percent(seed):
    random = np.random.default_rng(seed)
    wrong = [int(n) for n in random.choice(np.arange(5, 30), 4, replace=False)]
    validation = random.permutation([0.9, 0.8, 0.7, 0.6])
    families = ["classical", "classical", "neural", "hybrid"]
    jobs = [job(f"p{k}", families[k], wrong[k], validation_accuracy=float(validation[k])) for k in range(4)]
    study = make_study(jobs)["animals"]
    raw = {(a, b): min(1.0, 2 / 2.0 ** abs(wrong[a] - wrong[b])) for a in range(4) for b in range(a + 1, 4)}
    adjusted = dict(zip(raw, multipletests(list(raw.values()), method="holm")[1], strict=True))
    classical = max((0, 1), key=lambda k: validation[k])
    significant = adjusted[classical, 2] < 0.05
    text = answer(study)
    assert ("which is significant" in text[1]) == significant
    assert ("This does not tell which is better" in text[1]) == (not significant)
    if significant:
        better = min((classical, 2), key=lambda k: wrong[k])
        assert text[1].startswith(f"p{better} is better by {abs(wrong[classical] - wrong[2]) / 4:.2f} points")
    best = int(np.argmax(validation))
    assert f"is p{best}" in text[2]
    table = figures_table(study)
    standing = {row[0]: table.texts(row)[4].split(",")[0] for row in table.rows}
    for k in range(4):
        undecided = k != best and adjusted[min(k, best), max(k, best)] >= 0.05
        verdict = "undecided" if undecided else "better" if wrong[k] < wrong[best] else "worse"
        assert standing[f"p{k}"] == ("winner" if k == best else verdict)


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
    question, _, winner, standing = answer(dataset)
    assert question.startswith("On animals, svm, the only classical pipeline, ")
    assert "; cnn, the only neural one, needs" in question
    assert winner == (
        "The winner, best of all on the validation images, is frozen (pretrained), with 97.50 % (95.46 – 98.64) of the "
        "test images after a fit of 12 s."
    )
    assert standing == "On the test images frozen is significantly better than each of the other 2."
    assert remark_lines(dataset) == [
        "frozen learns from what a frozen backbone makes of the same 32 x 32 pixels: lite.onnx (0123). It has seen "
        "other pictures before; and frozen, it is what fine-tuning starts from, not the best that it can do"
    ]
