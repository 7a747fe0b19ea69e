"""The sentences claim what the figures carry, and nothing else."""

import numpy as np
import pytest
from scipy.stats import ttest_rel
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from cvclassic.experiment.result import job_folder
from cvclassic.report.answer import answer
from cvclassic.report.comparison import compare


def sentences(run, dataset=0):
    comparison = compare(run, run.datasets[dataset])
    return answer(run, run.datasets[dataset], comparison)


def job(pipeline, family, wrong, seconds=1.0, **changes):
    return ("animals", pipeline, family, wrong, seconds, changes)


def test_best_classical_against_best_neural_with_intervals_seconds_and_test(make_run):
    run = make_run([job("svm", "classical", 100, 45.2), job("hist", "classical", 200), job("cnn", "neural", 60, 240.0)])
    first, second, third = sentences(run)
    assert first == (
        "On animals, svm, the best classical pipeline, classifies 75.00 % (95 % interval 70.53 – 78.99) of the 400 "
        "test images rightly, after a fit of 45 s; cnn, the best neural one, needs 240 s and reaches 85.00 % "
        "(81.17 – 88.17)."
    )
    assert second == (
        "The difference of 10.00 points is significant (McNemar's exact test, Holm-corrected for 3 pairs, p < 0.001)."
    )
    assert third == "cnn is significantly better than each of the other 2."


def test_a_difference_that_is_not_significant_is_called_a_tie_and_the_fastest_of_the_tie_is_named(make_run):
    # one alone is right on 3 images, the other on none: p = 2 / 2^3 = 0.25
    jobs = [job("svm", "classical", 10, 5.0), job("fast", "classical", 12, 0.4), job("cnn", "neural", 9, 90.0)]
    _, second, third = sentences(make_run([*jobs, job("bad", "classical", 300, 0.1)]))
    assert second.startswith("The difference of 0.25 points is not significant, a tie (McNemar")
    assert third == (
        "svm and fast tie with cnn; the other one is significantly worse. Of those that tie, the fastest to fit is "
        "fast: 97.00 % (94.83 – 98.28) after 0.4 s."
    )


def test_equal_accuracies_are_a_tie_without_a_difference(make_run):
    _, second = sentences(make_run([job("svm", "classical", 10), job("cnn", "neural", 10, 9.0)]))
    assert second == "Both are right equally often, a tie (McNemar's exact test, p = 1.00)."


def test_the_best_of_all_is_named_where_it_is_neither_classical_nor_neural(make_run):
    run = make_run([job("svm", "classical", 60), job("cnn", "neural", 50), job("both", "hybrid", 10, 12.3)])
    assert "The highest accuracy on this test split is that of both (hybrid): 97.50 %" in " ".join(sentences(run))


def test_of_one_family_the_best_stands_against_the_next_and_no_other_family_is_spoken_of(make_run):
    text = " ".join(sentences(make_run([job("svm", "classical", 60), job("hog", "classical", 10, 2.0)])))
    assert text.startswith("On animals, hog, the best pipeline, classifies 97.50 %")
    assert "svm, the next, needs 1.0 s and reaches 85.00 %" in text
    assert "All that ran here are classical." in text
    assert "neural" not in text


def test_one_pipeline_alone_is_compared_with_nothing(make_run):
    [only] = sentences(make_run([job("svm", "classical", 100, 0.01)]))
    assert only == (
        "On animals, svm classifies 75.00 % (95 % interval 70.53 – 78.99) of the 400 test images rightly, after a fit "
        "of less than 0.1 s. There is nothing to compare it with."
    )


def test_failed_jobs_and_those_without_a_result_are_told(make_run):
    jobs = [job("svm", "classical", 100), job("cnn", "neural", "failed: ValueError: no"), job("mlp", "neural", None)]
    text = " ".join(sentences(make_run(jobs)))
    assert "svm classifies 75.00 %" in text
    assert text.endswith("Failed: cnn; the reasons stand below. 1 of 3 jobs have no result yet.")


def test_without_any_result_nothing_is_claimed(make_run):
    assert sentences(make_run([job("svm", "classical", None), job("cnn", "neural", None)])) == [
        "On animals there is no result to compare yet.",
        "2 of 2 jobs have no result yet.",
    ]


@pytest.mark.parametrize("damage", ["missing", "cut short", "of other images", "of another length"])
def test_without_predictions_significance_is_not_claimed(make_run, damage):
    run = make_run([job("svm", "classical", 100), job("cnn", "neural", 10)])
    path = job_folder(run.folder, vars(run.results[0])) / "predictions.npz"
    if damage == "missing":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:50])
    elif damage == "of other images":
        np.savez(path, y_true=np.ones(400, int), y_pred=np.ones(400, int))
    else:
        np.savez(path, y_true=np.ones(400, int), y_pred=np.ones(300, int))
    comparison = compare(run, run.datasets[0])
    assert bool(comparison.unreadable) == (damage in ("cut short", "of another length"))
    _, second = sentences(run)
    assert second.startswith("The difference of 22.50 points was not tested")
    assert "significant" not in " ".join(sentences(run))


def test_p_values_are_those_of_statsmodels_and_both_ways_round(make_run, rng):
    run = make_run([job(name, "classical", 50) for name in "abcd"])
    y_true = np.arange(400) % 3
    predictions = {name: np.where(rng.random(400) < 0.8, y_true, (y_true + 1) % 3) for name in "abcd"}
    predictions["a"] = np.where(rng.random(400) < 0.95, y_true, (y_true + 1) % 3)
    for result in run.results:
        path = job_folder(run.folder, vars(result)) / "predictions.npz"
        np.savez(path, y_true=y_true, y_pred=predictions[result.pipeline])
    found = compare(run, run.datasets[0]).p_values
    pairs = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    raw = []
    for first, second in pairs:
        right, also = predictions[first] == y_true, predictions[second] == y_true
        table = [[np.sum(right & also), np.sum(right & ~also)], [np.sum(~right & also), np.sum(~right & ~also)]]
        raw.append(mcnemar(table, exact=True).pvalue)
    expected = multipletests(raw, method="holm")[1]
    assert [found[pair] for pair in pairs] == pytest.approx(expected)
    assert [found[second, first] for first, second in pairs] == pytest.approx(expected)
    assert min(expected) < 0.05 < max(expected)


def test_with_repeats_mean_and_deviation_and_a_paired_test_over_the_seeds(make_run):
    wrong = {"svm": [40, 44, 42, 46], "cnn": [20, 22, 18, 30]}
    families = {"svm": "classical", "cnn": "neural"}
    jobs = [job(name, families[name], n, seed=seed) for name in wrong for seed, n in enumerate(wrong[name])]
    first, second = sentences(make_run(jobs, repeats=4))
    accuracies = {name: 1 - np.array(counts) / 400 for name, counts in wrong.items()}
    for name in wrong:
        text = f"{100 * accuracies[name].mean():.2f} ± {100 * accuracies[name].std(ddof=1):.2f} %"
        assert text in first
    p_value = ttest_rel(accuracies["svm"], accuracies["cnn"]).pvalue
    assert f"is significant (paired t-test over 4 seeds, p = {p_value:.3f})" in second


def test_pipelines_that_no_seed_changes_are_not_significant_for_having_no_spread(make_run):
    """One image apart on every seed: the t-test would see no chance at all."""
    jobs = [job(name, "classical", n, seed=k) for name, n in (("a", 10), ("b", 11)) for k in range(3)]
    _, second = sentences(make_run(jobs, repeats=3))
    assert "is not significant, a tie (McNemar's exact test, p = 1.00)" in second


def test_of_a_swept_pipeline_the_setting_that_validation_chose_stands_for_it(make_run):
    jobs = [
        job("mlp", "neural", 100, settings={"depth": "1"}, validation_accuracy=0.9),
        job("mlp", "neural", 10, settings={"depth": "2"}, validation_accuracy=0.8),
        job("svm", "classical", 120, validation_accuracy=0.7),
    ]
    run = make_run(jobs, sweep={"depth": ["1", "2"]})
    text = " ".join(sentences(run))
    assert "mlp depth=1, the best neural one, needs 1.0 s and reaches 75.00 %" in text
    assert "97.50" not in text
    assert text.endswith("Each stands here with the settings that were best on the validation split.")


def test_a_sweep_over_one_pipeline_is_judged_by_validation(make_run):
    jobs = [
        job("mlp", "neural", 100, settings={"depth": "1"}, validation_accuracy=0.9),
        job("mlp", "neural", 10, settings={"depth": "2"}, validation_accuracy=0.5),
    ]
    best, worst = sentences(make_run(jobs, sweep={"depth": ["1", "2"]}))
    assert best.startswith("Best on validation: depth=1 with 90.00 % of the validation images")
    assert worst.startswith("Worst: depth=2")


def test_of_several_training_sizes_the_largest_is_compared(make_run):
    jobs = [
        job("svm", "classical", 300, n_train=100),
        job("svm", "classical", 20),
        job("cnn", "neural", 200, n_train=100),
        job("cnn", "neural", 21),
    ]
    text = " ".join(sentences(make_run(jobs, train_sizes=[100, 1000])))
    assert "95.00 %" in text
    assert "94.75 %" in text
    assert "25.00 %" not in text
    assert text.endswith("Compared are those with 1,000 training images.")


@pytest.mark.parametrize("seed", range(8))
def test_significance_is_claimed_exactly_where_the_corrected_p_value_is_below_5_percent(make_run, seed):
    random = np.random.default_rng(seed)
    wrong = [int(n) for n in random.integers(5, 30, 4)]
    families = ["classical", "classical", "neural", "hybrid"]
    run = make_run([job(f"p{k}", families[k], wrong[k]) for k in range(4)])
    raw = {(a, b): min(1.0, 2 / 2.0 ** abs(wrong[a] - wrong[b])) for a in range(4) for b in range(a + 1, 4)}
    adjusted = dict(zip(raw, multipletests(list(raw.values()), method="holm")[1], strict=True))
    classical = min((0, 1), key=lambda k: wrong[k])
    significant = adjusted[classical, 2] < 0.05
    second = sentences(run)[1]
    assert ("is significant" in second) == significant
    assert ("a tie" in second) == (not significant)
    comparison = compare(run, run.datasets[0])
    best = int(np.argmin(wrong))
    for k in range(4):
        expected = "tie" if k != best and adjusted[min(k, best), max(k, best)] >= 0.05 else "worse"
        if wrong[k] != wrong[best]:
            assert comparison.standing([run.results[k]]).split(",")[0] == expected
