"""One job in this process: its figures are those of its predictions, and nonsense is a failed outcome with a reason."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import SVC

from cvclassic import datasets
from cvclassic.augmentation import MirrorAugmentation, innermost
from cvclassic.features import HOG
from cvclassic.neural import NeuralClassifier, TrainingStack, linear_head
from cvclassic.runs import fit
from cvclassic.runs.corruptions import CORRUPTIONS, corrupt
from cvclassic.runs.fit import run_job
from cvclassic.runs.pipelines import bring, find_pipelines
from cvclassic.runs.plan import RunData, plan
from cvclassic.runs.spec import RunSpec
from cvclassic.svm import KernelSVM, LinearSVM


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=300)


class Flat(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X.reshape(len(X), -1) / 255


class Says(ClassifierMixin, BaseEstimator):
    """A classifier whose `predict`, scores and history are what it is given."""

    def __init__(self, labels=None, scores=None, history=None):
        self.labels, self.scores, self.history = labels, scores, history

    def fit(self, X, y):
        self.history_ = self.history
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), int) if self.labels is None else self.labels(len(X))

    def decision_function(self, X):
        return np.zeros((len(X), 10)) if self.scores is None else self.scores(len(X))


def outcomes(dataset, pipelines, **fields):
    spec = RunSpec(threads=1, **fields)
    chosen = find_pipelines(map(str, pipelines)) if isinstance(pipelines, list) else bring(pipelines)
    data = RunData.of(spec, [dataset], chosen)
    jobs, _ = plan(data)
    return [run_job(job, data) for job in jobs]


def result_of(dataset, pipeline, **fields):
    [outcome] = outcomes(dataset, pipeline, **fields)
    return outcome.result


def test_figures_are_those_of_the_predictions(digits, pipeline_file):
    [outcome] = outcomes(digits, [pipeline_file("nearest_mean")])
    result, predictions = outcome.result, outcome.predictions
    assert result.status == "ok"
    oracle = NearestCentroid().fit(Flat().transform(digits.images[digits.train]), digits.labels[digits.train])
    assert np.array_equal(predictions.y_true, digits.labels[digits.test])
    assert np.array_equal(predictions.y_pred, oracle.predict(Flat().transform(digits.images[digits.test])))
    assert result.test_accuracy == accuracy_score(predictions.y_true, predictions.y_pred) > 0.7
    assert result.macro_f1 == pytest.approx(f1_score(predictions.y_true, predictions.y_pred, average="macro"))
    part = Flat().transform(digits.images[digits.validation])
    assert result.validation_accuracy == oracle.score(part, digits.labels[digits.validation])
    assert [each.n_test for each in result.per_class] == np.bincount(predictions.y_true).tolist()
    assert [each.name for each in result.per_class] == list(digits.class_names)
    assert result.n_features == 32 * 32
    assert 50 < result.peak_memory_mb < 4000
    assert result.over_budget is None  # there was no budget
    assert 32 * 32 * 10 * 4 < result.model_bytes < 1e6
    assert result.fit_seconds > 0
    assert result.predict_images_per_second > 0
    assert 0 < result.answer_seconds < 1
    assert outcome.estimator.predict(digits.images[:3]).shape == (3,)


class Grudging(Says):
    """Answers groups alone, and otherwise at each call."""

    def predict(self, X):
        if len(X) == 1:
            raise ValueError("one image is no group")
        self.calls_ = getattr(self, "calls_", 0) + 1
        return np.full(len(X), min(self.calls_, 9))


def test_figures_are_those_of_the_first_call_and_a_pipeline_may_refuse_one_image(digits):
    [outcome] = outcomes(digits, {"mine": Grudging()})
    result = outcome.result
    assert set(outcome.predictions.y_pred) == {1}
    assert result.test_accuracy == np.mean(digits.labels[digits.test] == 1)
    assert outcome.estimator.calls_ > 3
    assert (result.status, result.answer_seconds) == ("ok", None)
    assert result.warnings == ("UserWarning: it can't predict one image alone: ValueError: one image is no group",)


def test_settings_reach_the_estimator(digits, pipeline_file):
    sweep = {"shrink_threshold": [None, 0.5], "metric": ["euclidean", "manhattan"]}
    found = [each.result for each in outcomes(digits, [pipeline_file("nearest_mean")], sweep=sweep)]
    X = {name: Flat().transform(digits.images[getattr(digits, name)]) for name in ("train", "test")}
    assert len({result.test_accuracy for result in found}) > 2
    for result in found:
        settings = dict(result.settings)
        threshold = {"None": None, "0.5": 0.5}[settings["shrink_threshold"]]
        oracle = NearestCentroid(shrink_threshold=threshold, metric=settings["metric"])
        oracle.fit(X["train"], digits.labels[digits.train])
        assert result.test_accuracy == oracle.score(X["test"], digits.labels[digits.test])


def test_changed_images_and_class_weights_reach_the_classifier_inside(digits):
    rare = np.flatnonzero(digits.labels[digits.train] >= 5)[:40]
    uneven = dataclasses.replace(digits, train=np.delete(digits.train, rare))
    mine = make_pipeline(HOG(), LinearSVM())
    [outcome] = outcomes(uneven, {"mine": mine}, augment="mirror", class_weight="balanced")
    assert outcome.result.augment == "mirror"
    assert innermost(outcome.estimator).class_weight == "balanced"
    X, y = uneven.images[uneven.train], uneven.labels[uneven.train]
    oracle = make_pipeline(HOG(), LinearSVM(class_weight="balanced"))
    oracle.fit(np.concatenate([X, X[:, :, ::-1]]), np.concatenate([y, y]))
    assert np.array_equal(outcome.predictions.y_pred, oracle.predict(uneven.images[uneven.test]))
    weighted = make_pipeline(HOG(), LinearSVM(class_weight={0: 3.0}))
    [outcome] = outcomes(uneven, {"mine": weighted}, class_weight="balanced")
    assert (innermost(outcome.estimator).class_weight, outcome.result.augment) == ({0: 3.0}, "none")


def test_a_network_behind_features_is_validated_on_images_as_they_are(digits):
    network = NeuralClassifier(linear_head, stack=TrainingStack(epochs=1), class_weight="balanced", verbose=False)
    [outcome] = outcomes(digits, {"mine": make_pipeline(HOG(), network)}, augment="mirror")
    assert outcome.result.augment == "mirror"
    assert outcome.result.history["val_accuracy"] == [pytest.approx(outcome.result.validation_accuracy)]


NONSENSE = {
    "float": (Says(lambda n: np.full(n, 0.5)), "float64 .*labels are whole numbers, 0 to 9"),
    "nan": (Says(lambda n: np.full(n, np.nan)), "labels are whole numbers, 0 to 9"),
    "text": (Says(lambda n: np.full(n, "seven")), "'seven'.*labels are whole numbers, 0 to 9"),
    "negative": (Says(lambda n: np.full(n, -1)), "the label -1; labels are whole numbers, 0 to 9"),
    "beyond": (Says(lambda n: np.full(n, 99)), "the label 99; labels are whole numbers, 0 to 9"),
    "huge": (Says(lambda n: np.full(n, 1e300)), r"the label 1e\+300"),
    "too few": (Says(lambda n: np.zeros(n - 1, int)), "one label per image"),
    "none": (Says(lambda n: None), r"predict returned shape \(\)"),
    "NaN scores": (Says(scores=lambda n: np.full((n, 10), np.nan)), "scores are NaN or infinite"),
    "infinite scores": (Says(scores=lambda n: np.full((n, 10), 1e300)), "scores are NaN or infinite"),
    "scores of other classes": (Says(scores=lambda n: np.zeros((n, 3))), "scores have shape"),
    "scores of texts": (Says(scores=lambda n: np.full((n, 10), "a")), "scores have dtype"),
    "NaN history": (Says(history={"loss": [0.5, np.nan]}), "history has loss = nan in epoch 2"),
    "no history": (Says(history=[3]), "history_ is no dict"),
    "text history": (Says(history={"loss": ["low"]}), "history_ is no dict"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_a_failed_outcome_that_says_what_was_found(digits, name):
    estimator, message = NONSENSE[name]
    [outcome] = outcomes(digits, {"says": estimator})
    assert outcome.result.status.startswith("failed: ")
    assert_matches(message, outcome.result.status)
    assert outcome.predictions is None
    assert outcome.result.test_accuracy is None


def assert_matches(pattern, text):
    import re

    assert re.search(pattern, text), text


def test_whole_numbers_as_floats_are_labels_as_opencv_gives_them(digits):
    assert result_of(digits, {"says": Says(lambda n: np.full(n, 3.0, np.float32))}).ok


class Breaks(DummyClassifier):
    def fit(self, X, y):
        raise self.strategy


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("no luck\ntoday"), "failed: RuntimeError: no luck today"),
        (KeyError(), "failed: KeyError"),
        (SystemExit(3), "failed: SystemExit: 3"),
        (MemoryError("too much"), "failed: MemoryError: too much"),
    ],
)
def test_what_a_pipeline_raises_is_the_reason(digits, error, status):
    assert result_of(digits, {"breaks": Breaks(strategy=error)}).status == status


def test_an_interrupt_is_no_failure_of_the_pipeline(digits):
    with pytest.raises(KeyboardInterrupt):
        outcomes(digits, {"breaks": Breaks(strategy=KeyboardInterrupt())})


def test_a_brought_network_behind_an_extractor_gets_validation_data_and_keeps_its_history(digits):
    network = NeuralClassifier(linear_head, stack=TrainingStack(epochs=2))
    head = make_pipeline(HOG(), network).set_params(transform_input=["X_val"])
    result = result_of(digits, {"head": head})
    assert result.status == "ok"
    assert len(result.history["val_loss"]) == 2
    assert result.family == "hybrid"


TUNED = '''"""A wrapped SVM that learns nothing as it stands."""
from sklearn.pipeline import make_pipeline

from cvclassic.augmentation import MirrorAugmentation
from cvclassic.features import HOG
from cvclassic.svm import KernelSVM

family = "classical"


def build(task):
    return MirrorAugmentation(make_pipeline(HOG(), KernelSVM(C=0.0001)))


def search(task):
    return {"C": [0.0002, 10], "gamma": ["scale", 0.1]}
'''


@pytest.fixture
def tuned_file(tmp_path):
    path = tmp_path / "tuned.py"
    path.write_text(TUNED)
    return path


def test_a_pipeline_is_fitted_with_what_tuning_finds_whatever_the_test_images_are(digits, tuned_file):
    result = result_of(digits, [tuned_file], tune=60)
    assert result.status == "ok"
    assert result.n_features == 324
    assert result.tuning.chosen["C"] == 10
    assert result.test_accuracy > 0.8 > 0.3 > result_of(digits, [tuned_file]).test_accuracy
    assert result.tuning_candidates == 5
    assert result.tuning_seconds == sum(trial.seconds for trial in result.tuning.tried)
    shuffled = digits.labels.copy()
    shuffled[digits.test] = np.random.default_rng(0).permutation(shuffled[digits.test])
    other = result_of(dataclasses.replace(digits, labels=shuffled), [tuned_file], tune=60)
    assert other.test_accuracy < 0.3
    assert other.tuning.chosen == result.tuning.chosen
    assert {(str(t.parameters), t.accuracy) for t in other.tuning.tried} == {
        (str(t.parameters), t.accuracy) for t in result.tuning.tried
    }


def test_an_interrupted_job_goes_on_with_what_tuning_had_found(digits, tuned_file, tmp_path, monkeypatch):
    data = RunData.of(RunSpec(threads=1, tune=60), [digits], find_pipelines([str(tuned_file)]))
    [job], _ = plan(data)
    fit_as_ever, fits = fit.fit, []

    def dies_in_the_last_fit(estimator, X, *arguments):
        fits.append(len(X))
        if fits.count(job.n_train) == 1 and len(X) == job.n_train:
            raise KeyboardInterrupt
        return fit_as_ever(estimator, X, *arguments)

    monkeypatch.setattr(fit, "fit", dies_in_the_last_fit)
    with pytest.raises(KeyboardInterrupt):
        run_job(job, data, folder=tmp_path)
    found, n = json.loads((tmp_path / "backup" / "tuning.json").read_text()), len(fits)
    result = run_job(job, data, folder=tmp_path).result
    assert fits[n:] == [job.n_train]
    assert result.tuning.chosen == found["chosen"] != {}
    assert result.tuning_candidates == 5
    assert not (tmp_path / "backup").exists()


def test_what_is_set_is_not_searched(digits, tuned_file):
    result = result_of(digits, [tuned_file], tune=60, settings={"c": 7})
    assert {name for trial in result.tuning.tried for name in trial.parameters} == {"gamma"}
    result = result_of(digits, [tuned_file], tune=60, settings={"C": 7, "kernelsvm__gamma": 0.01})
    assert result.status == "ok"
    assert (result.tuning.reason, result.tuning.tried) == ("all that it may vary is set", ())


def test_an_estimator_of_a_call_has_no_space(digits):
    result = result_of(digits, {"svm": make_pipeline(Flat(), KernelSVM())}, tune=60)
    assert (result.tuning.reason, result.tuning_candidates) == ("no search space declared", 0)


@pytest.mark.slow
def test_a_network_that_stays_as_it_is_ends_as_without_tuning(digits):
    plain = outcomes(digits, ["hog_linear_head"], epochs=2)[0]
    tuned = outcomes(digits, ["hog_linear_head"], epochs=2, tune=0.01)[0]
    assert tuned.result.tuning.reason == "too little time to choose by"
    assert len(tuned.result.tuning.tried) == 1
    assert np.array_equal(tuned.predictions.scores, plain.predictions.scores)
    assert tuned.result.history == plain.result.history


class Slow(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        import time

        time.sleep(0.3)
        return X


class ToldWhatWasSpent(DummyClassifier):
    __metadata_request__fit = {"meter": True}

    def fit(self, X, y, meter=None):
        if meter.read()["seconds"] < 0.6:
            raise RuntimeError("the features don't count")
        meter.go_on_from({"seconds": 50.0})
        return super().fit(X, y)


@pytest.mark.parametrize(("budget", "over"), [(0.5, True), (1000.0, False)])
@pytest.mark.slow
def test_a_fit_beyond_the_time_budget_is_marked_and_features_and_earlier_tries_count(digits, budget, over):
    result = result_of(digits, {"slow": make_pipeline(Slow(), Slow(), ToldWhatWasSpent())}, time_budget=budget)
    assert result.status == "ok"
    assert result.over_budget is over
    assert 50.6 < result.fit_seconds < 80


def test_corruptions_are_predicted_apart_from_what_is_measured_the_same_for_all(digits, pipeline_file, tmp_path):
    names = [pipeline_file("nearest_mean"), tmp_path / "again.py"]
    names[1].write_text(names[0].read_text())
    first, again = (each.result for each in outcomes(digits, names, corruptions=True))
    assert list(first.corruptions) == list(CORRUPTIONS)
    assert first.corruptions == again.corruptions
    assert first.n_corrupted == len(digits.test)
    errors = [1 - accuracy for accuracies in first.corruptions.values() for accuracy in accuracies]
    assert len(errors) == 40
    assert first.mean_corruption_error == pytest.approx(np.mean(errors))
    images = {part: digits.images[getattr(digits, part)] for part in ("train", "test")}
    oracle = NearestCentroid().fit(images["train"].reshape(len(digits.train), -1) / 255, digits.labels[digits.train])
    for name, strength in (("occlusion", 5), ("Gaussian noise", 1)):
        changed = corrupt(images["test"], name, strength, seed=0).reshape(len(digits.test), -1) / 255
        assert first.corruptions[name][strength - 1] == oracle.score(changed, digits.labels[digits.test])
    plain = result_of(digits, names[:1])
    assert plain.corruptions is plain.mean_corruption_error is plain.n_corrupted is None
    assert plain.test_accuracy == first.test_accuracy


def test_of_many_test_images_a_stratified_sample_is_corrupted():
    labels = np.repeat(np.arange(10), 500)
    images = np.repeat((labels * 20).astype(np.uint8)[:, np.newaxis, np.newaxis], 64, axis=1).reshape(-1, 8, 8)
    seen = []

    class Remembers:
        def predict(self, X):
            seen.append(X)
            return np.zeros(len(X), dtype=int)

    accuracies = fit._corruptions(Remembers(), images, labels, seed=0)
    assert {len(X) for X in seen} == {2000}
    assert np.mean(list(accuracies.values())) == pytest.approx(0.1)


class Prepared(Flat):
    def prepare(self, X):
        self.shape_ = X.shape

    def transform(self, X):
        print("prepared with", self.shape_)
        return super().transform(X)


def test_parts_are_prepared_with_two_images_before_fit(digits, capsys):
    assert result_of(digits, {"a": make_pipeline(make_union(Prepared()), KernelSVM())}).ok
    assert "prepared with (2, 32, 32)" in capsys.readouterr().out


def test_warnings_that_matter_are_told_once(digits):
    class Warns(DummyClassifier):
        def predict(self, X):
            import warnings

            warnings.warn("odd images", UserWarning, stacklevel=1)
            warnings.warn("old function", DeprecationWarning, stacklevel=1)
            return super().predict(X)

    assert result_of(digits, {"warns": Warns()}).warnings == ("UserWarning: odd images",)


def test_a_job_leaves_no_global_setting_behind(digits):
    import sklearn

    before = sklearn.get_config()["enable_metadata_routing"]
    assert result_of(digits, {"dummy": DummyClassifier()}).ok
    assert sklearn.get_config()["enable_metadata_routing"] == before


def test_the_outcome_of_a_job_has_its_name_and_its_settings(digits):
    [outcome] = outcomes(digits, {"dummy": DummyClassifier()}, settings={"strategy": "prior"}, seed=5)
    assert outcome.result.job == dataclasses.replace(outcome.result.job, seed=5, settings=(("strategy", "prior"),))


class Remembers(DummyClassifier):
    """Takes validation data without asking for them by scikit-learn's metadata routing, and keeps what came."""

    seen = {}

    def fit(self, X, y, X_val=None, y_val=None):
        Remembers.seen = {"X": X, "X_val": X_val, "y_val": y_val}
        return super().fit(X, y)


@pytest.mark.parametrize("wrap", [lambda estimator: estimator, lambda estimator: MirrorAugmentation(estimator)])
def test_validation_images_become_features_on_their_way_to_a_classifier_that_takes_them(digits, wrap):
    assert result_of(digits, {"mine": wrap(make_pipeline(Flat(), Remembers()))}).status == "ok"
    validation = digits.images[digits.validation]
    assert np.array_equal(Remembers.seen["X_val"], Flat().transform(validation))
    assert np.array_equal(Remembers.seen["y_val"], digits.labels[digits.validation])
    assert Remembers.seen["X"].shape[1:] == Remembers.seen["X_val"].shape[1:]


def test_a_step_that_never_looks_fitted_is_told_how_to(digits):
    result = result_of(digits, {"mine": make_pipeline(Slow(), Remembers())})
    assert_matches("failed: .*Slow .*does not look fitted.*a name that ends in _", result.status)


class WithoutMore(ClassifierMixin, BaseEstimator):
    """A wrapper of a user's own that hands nothing on."""

    def __init__(self, estimator):
        self.estimator = estimator

    @property
    def wrapped(self):
        return self.estimator

    def fit(self, X, y):
        self.estimator.fit(X, y)
        return self

    def predict(self, X):
        return self.estimator.predict(X)


def test_what_a_wrapper_does_not_hand_on_is_not_given_to_it(digits):
    assert result_of(digits, {"mine": WithoutMore(Remembers())}).status == "ok"
    assert Remembers.seen["X_val"] is None


def test_settings_of_a_foreign_network_are_its_parameters_and_those_of_ours_its_stack(digits):
    perceptron = make_pipeline(Flat(), MLPClassifier(max_iter=2, hidden_layer_sizes=(4,)))
    own = NeuralClassifier(linear_head, stack=TrainingStack(optimizer="sgd", epochs=1))
    brought = {"sklearn": perceptron, "own": make_pipeline(Flat(), own)}
    spec = RunSpec(sweep={"batch_size": [4, 32]}, time_budget=50)
    data = RunData.of(spec, [digits], bring(brought))
    jobs, _ = plan(data)
    assert [(job.pipeline, dict(job.settings).get("batch_size")) for job in jobs] == [
        ("sklearn", "4"), ("sklearn", "32"), ("own", None)
    ]  # fmt: skip
    sizes = [run_job(job, data).estimator[-1].batch_size for job in jobs[:2]]
    assert sizes == [4, 32]
    outcome = run_job(jobs[2], data)
    assert outcome.estimator[-1].stack == TrainingStack(optimizer="sgd", epochs=1, time_budget=50)


def test_scores_for_each_pair_of_classes_are_left_out(digits):
    pairs = make_pipeline(Flat(), SVC(decision_function_shape="ovo"))
    [outcome] = outcomes(digits, {"pairs": pairs})
    assert outcome.result.status == "ok"
    assert outcome.predictions.scores is None


def test_the_global_generator_is_as_it_was(digits):
    np.random.seed(7)
    np.random.random(3)
    before = np.random.get_state()
    assert result_of(digits, {"dummy": DummyClassifier()}).ok
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert before[2:] == np.random.get_state()[2:]


def test_without_validation_images_a_network_is_trained_all_the_same(digits):
    few = digits.with_train_size(20, seed=0)
    few = dataclasses.replace(few, validation=few.validation[:0])
    result = result_of(few, {"net": NeuralClassifier(linear_head, stack=TrainingStack(epochs=2, batch_size=4))})
    assert result.status == "ok"
    assert result.validation_accuracy is None
    assert "val_loss" not in result.history


def test_a_build_that_returns_no_estimator_and_a_message_without_end_are_told_in_short(digits, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("family = 'classical'\ndef build(task):\n    return 1\n")
    assert result_of(digits, [path]).status == "failed: build(task) returned 1; it returns a scikit-learn estimator."
    status = result_of(digits, {"breaks": Breaks(strategy=RuntimeError("x" * 5000))}).status
    assert len(status) < 500
    assert status.endswith("… (worker.log has all of it)")
