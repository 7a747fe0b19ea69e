"""Folds pooled: figures of all images, choices inside each fold, and what a broken or missing fold costs."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from cvclassic.runs.job import Job, Outcome, Predictions, Result, Sizes
from cvclassic.study.lines import description_lines, remark_lines
from cvclassic.study.sentences import answer
from cvclassic.study.study import Study
from cvclassic.study.tables import figures_table, folds_table, results_table
from tests.made_runs import make_run

N, FOLDS = 90, 3
Y_TRUE = np.arange(N) % 3


def fold_outcome(pipeline, family, fold, wrong, validation, seconds=1.0):
    """Of images 30 (fold - 1) and so on, the first `wrong` are taken for the next class."""
    places = np.arange(30 * (fold - 1), 30 * fold)
    y_true = Y_TRUE[places]
    y_pred = np.where(np.arange(30) < wrong, (y_true + 1) % 3, y_true)
    result = Result(
        "animals", pipeline, family, "ok", fold - 1, 50, 324, 0.9, 1 - wrong / 30, 0.5, seconds, 100.0, 300.0 + fold,
        1000, validation_accuracy=validation, n_test=30, n_train_scored=50, fold=fold, history={"loss": [1.0]},
    )  # fmt: skip
    return Outcome(result, Predictions(y_true, y_pred, None, places))


def folded_study(*outcomes, pending=()):
    jobs = [*(outcome.result.job for outcome in outcomes), *pending]
    families = {outcome.result.pipeline: outcome.result.family for outcome in outcomes}
    run = make_run([("animals", name, family, None) for name, family in families.items()], n_test=N, repeats=None)
    record = replace(run.datasets[0], sizes=Sizes(50, 10, N), folds=(Sizes(50, 10, 30),) * FOLDS)
    run = replace(run, record=replace(run.record, jobs=tuple(jobs)), datasets=(record,), outcomes=tuple(outcomes))
    return Study(run)["animals"]


def folds_of(pipeline, family, wrong, validation, seconds=1.0):
    return [fold_outcome(pipeline, family, k + 1, wrong[k], validation[k], seconds) for k in range(FOLDS)]


def test_a_pipelines_folds_are_one_row_with_the_figures_of_all_images():
    study = folded_study(*folds_of("svm", "classical", [3, 6, 0], [0.9, 0.8, 1.0]))
    [outcome] = study.outcomes
    result, said = outcome.result, outcome.predictions
    assert result.job == Job("animals", "svm", 0, 50)
    assert np.array_equal(said.y_true, Y_TRUE)
    assert result.test_accuracy == pytest.approx(np.mean(said.y_pred == Y_TRUE)) == pytest.approx(81 / 90)
    assert result.macro_f1 == pytest.approx(f1_score(Y_TRUE, said.y_pred, average="macro"))
    f1 = f1_score(Y_TRUE, said.y_pred, average=None)
    assert [each.f1 for each in result.per_class] == pytest.approx(f1)
    assert [each.n_test for each in result.per_class] == [30, 30, 30]
    assert (result.validation_accuracy, result.n_test, result.peak_memory_mb) == (pytest.approx(0.9), 90, 303.0)
    assert (result.fit_seconds, result.predict_images_per_second) == (pytest.approx(1.0), pytest.approx(100.0))
    assert len(results_table(study.study).rows) == len(figures_table(study).rows) == 1
    folds = folds_table(study.study)
    assert len(folds.rows) == 3
    assert [column.key for column in folds.columns][-2:] == ["fold", "n_test"]
    assert [len(each.trainings) for each in study.configurations] == [3]
    assert description_lines(study)[1] == (
        "3 folds: each of the 90 images is tested once, by models fitted on 50 images, with 10 to validate on"
    )


@pytest.mark.parametrize("counts", [(0, 0, 0), (20, 25, 30)])
def test_what_tuning_took_is_the_mean_of_a_fold(counts):
    folds = folds_of("svm", "classical", [3, 6, 0], [0.9, 0.8, 1.0])
    tuned = [
        replace(each, result=replace(each.result, tuning_seconds=float(n), tuning_candidates=n))
        for each, n in zip(folds, counts, strict=True)
    ]
    result = folded_study(*tuned).outcomes[0].result
    assert (result.tuning_seconds, result.tuning_candidates) == (sum(counts) / 3, sum(counts) // 3)
    assert isinstance(result.tuning_candidates, int)
    assert folded_study(*folds).outcomes[0].result.tuning_candidates is None


def test_the_choice_of_a_family_is_made_inside_each_fold():
    a = folds_of("a", "classical", [3, 9, 3], [0.9, 0.7, 0.95])
    b = folds_of("b", "classical", [6, 3, 6], [0.8, 0.9, 0.8])
    net = folds_of("net", "neural", [15, 15, 15], [0.5, 0.5, 0.5])
    study = folded_study(*a, *b, *net)
    assert study.best("classical").name == "a"  # 0.85 on the mean, against 0.83
    choice = study.choice("classical")
    assert [each.result.pipeline for each in choice.folds] == ["a", "b", "a"]
    assert choice.mean("test_accuracy") == pytest.approx(81 / 90)
    assert study.best("classical").mean("test_accuracy") == pytest.approx(75 / 90)
    assert study.choice("neural") is study.best("neural")
    first, second, third, *_ = answer(study)
    assert first.startswith(
        "On animals use a: the best classical pipeline, chosen anew in each fold, is right on 90 of 100 pictures"
    )
    assert second.startswith(
        "The best classical pipeline, chosen in each fold on its validation images, reaches 90.00 % ("
    )
    assert "; by the mean over the folds it is a (83.33 % (" in second
    assert "; net, the only neural pipeline, reaches 50.00 % (" in second
    assert third.startswith("The best classical pipeline is better than net by 40 points")
    assert "This is about models that learn from about 50 of these images." in answer(study)
    assert study.questions[0].verdict.difference.folds == 3


def test_equals_inside_a_fold_go_to_the_faster():
    slow = folds_of("slow", "classical", [0, 0, 0], [0.9, 0.9, 0.9], seconds=5.0)
    fast = folds_of("fast", "classical", [3, 3, 3], [0.9, 0.9, 0.9], seconds=1.0)
    choice = folded_study(*slow, *fast).choice("classical")
    assert {each.result.pipeline for each in choice.folds} == {"fast"}


def test_a_failed_fold_fails_the_pipeline_and_a_missing_one_leaves_it_pending():
    good, bad = folds_of("svm", "classical", [3, 3, 3], [0.9] * 3), folds_of("net", "neural", [3, 3, 3], [0.9] * 3)
    bad[1] = Outcome(replace(bad[1].result, status="failed: no luck"))
    study = folded_study(*good, *bad)
    assert [result.status for result in study.failures] == ["failed: fold 2 of 3: no luck"]
    assert [each.name for each in study.contenders] == ["svm"]
    assert "Failed: net (neural)." in answer(study)
    pending = folded_study(*good, *bad[::2], pending=[bad[1].result.job])
    assert (pending.n_pending, len(pending.failures)) == (1, 0)
    assert answer(pending)[-1] == "1 of 2 jobs has no result yet."
    assert len(figures_table(pending).rows) == 1


def test_predictions_that_are_missing_or_overlap_are_not_pooled():
    outcomes = folds_of("svm", "classical", [3, 6, 0], [0.9] * 3)
    lost = replace(outcomes[1], predictions=None)
    twice = replace(outcomes[1], predictions=replace(outcomes[1].predictions, places=outcomes[0].predictions.places))
    for broken in (lost, twice):
        [outcome] = folded_study(outcomes[0], broken, outcomes[2]).outcomes
        assert outcome.predictions is None
        assert outcome.result.test_accuracy == pytest.approx(81 / 90)


def test_networks_that_were_still_learning_are_told_with_what_to_do():
    nets = folds_of("net", "neural", [3, 3, 3], [0.9] * 3)
    nets = [Outcome(replace(each.result, converged=k != 1), each.predictions) for k, each in enumerate(nets)]
    study = folded_study(*nets)
    assert study.configurations[0].converged is study.outcomes[0].result.converged is False
    assert remark_lines(study)[0] == (
        "Still learning when training ended: net (1 of 3 trainings). More steps promise more accuracy: --preset full, "
        "--epochs or --set min_steps=N"
    )
    settled = [Outcome(replace(each.result, converged=True), each.predictions) for each in nets]
    assert folded_study(*settled).configurations[0].converged is True
    assert folded_study(*folds_of("svm", "classical", [3] * 3, [0.9] * 3)).configurations[0].converged is None


def test_of_one_family_the_best_stands_against_the_next():
    a = folds_of("a", "classical", [3, 9, 3], [0.9, 0.7, 0.95])
    b = folds_of("b", "classical", [6, 3, 6], [0.8, 0.9, 0.8])
    text = " ".join(answer(folded_study(*a, *b)))
    assert "a, the best pipeline on the validation images of all folds, reaches 83.33 % (" in text
    assert "b, the next pipeline on the validation images of all folds, reaches 83.33 % (" in text
