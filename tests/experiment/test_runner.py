"""Runs on real digits, with pipelines that work, raise and are killed; every job is a real process."""

import json
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import NearestCentroid

from cvclassic import datasets
from cvclassic.errors import InputError
from cvclassic.experiment import worker
from cvclassic.experiment.corruptions import CORRUPTIONS, corrupt
from cvclassic.experiment.pipelines import find_pipelines
from cvclassic.experiment.result import job_folder, read_run
from cvclassic.experiment.runner import pending_jobs, prepare_run, run_jobs
from cvclassic.neural import TrainingStack

STACK = TrainingStack(epochs=1)


@pytest.fixture
def digits():
    return datasets.load("digits", train_size=300)


def silent(job, seconds, last_line, result):
    pass


def run(folder, dataset, names, progress=silent, stack=STACK, options=None, **plan):
    pipelines = find_pipelines([str(name) for name in names])
    if not (folder / "run.json").exists():
        options = options or {"preset": "quick"}
        prepare_run(folder, [dataset], pipelines, stack=stack, seed=0, threads=1, options=options, **plan)
    run_jobs(folder, [dataset], pipelines, stack=stack, progress=progress)
    return read_run(folder)


def test_figures_are_those_of_the_predictions(tmp_path, digits, pipeline_file):
    folder = tmp_path / "run"
    result = run(folder, digits, [pipeline_file("nearest_mean")]).results[0]
    assert result.status == "ok"
    saved = np.load(folder / "digits" / f"nearest_mean-seed0-n{len(digits.train)}" / "predictions.npz")
    assert np.array_equal(saved["y_true"], digits.labels[digits.test])
    assert result.test_accuracy == accuracy_score(saved["y_true"], saved["y_pred"])
    assert result.test_accuracy > 0.7
    assert result.macro_f1 == pytest.approx(f1_score(saved["y_true"], saved["y_pred"], average="macro"))
    assert result.ci_low < result.test_accuracy < result.ci_high
    assert [row["n_test"] for row in result.per_class] == np.bincount(saved["y_true"]).tolist()
    assert result.n_features == 32 * 32
    assert 50 < result.peak_memory_mb < 2000
    assert result.over_budget is None  # there was no budget
    assert 32 * 32 * 10 * 4 < result.model_bytes < 1e6
    assert result.fit_seconds > 0
    assert result.predict_images_per_second > 0


def test_settings_reach_the_estimator_and_validation_is_predicted(tmp_path, digits, pipeline_file):
    sweep = {"shrink_threshold": ["None", "0.5"], "metric": ["euclidean", "manhattan"]}
    results = run(tmp_path / "run", digits, [pipeline_file("nearest_mean")], sweep=sweep).results
    part = {name: getattr(digits, name) for name in ("train", "validation", "test")}
    X = {name: digits.images[rows].reshape(len(rows), -1) / 255 for name, rows in part.items()}
    y = {name: digits.labels[rows] for name, rows in part.items()}
    assert len({result.test_accuracy for result in results}) > 2
    for result in results:
        threshold = {"None": None, "0.5": 0.5}[result.settings["shrink_threshold"]]
        oracle = NearestCentroid(shrink_threshold=threshold, metric=result.settings["metric"])
        oracle.fit(X["train"], y["train"])
        assert result.test_accuracy == oracle.score(X["test"], y["test"])
        assert result.validation_accuracy == oracle.score(X["validation"], y["validation"])


def test_settings_and_seeds_reach_the_training_stack_and_the_network(tmp_path, digits):
    settings = {"learning_rate": "0.001"}
    results = run(tmp_path / "run", digits, ["hog_linear_head"], settings=settings, repeats=2).results
    assert STACK.initial_learning_rate() != 0.001
    assert [result.history["learning_rate"][0] for result in results] == pytest.approx([0.001, 0.001])
    assert [result.seed for result in results] == [0, 1]
    assert results[0].history["loss"] != results[1].history["loss"]
    for result in results:
        assert result.validation_accuracy == pytest.approx(result.history["val_accuracy"][0])


SLOW_PIPELINE = """import time
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
family = "classical"
def slow(X):
    time.sleep(1)
    return X
class ToldWhenItBegan(DummyClassifier):
    __metadata_request__fit = {"started": True}
    def fit(self, X, y, started=None):
        if time.perf_counter() - started < 1:
            raise RuntimeError("the features don't count")
        return super().fit(X, y)
def build(task):
    return make_pipeline(FunctionTransformer(slow), FunctionTransformer(slow), ToldWhenItBegan())
"""
RECIPE = """from cvclassic.neural import NeuralClassifier, TrainingStack, linear_head
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
family = "neural"
stack = TrainingStack(epochs=3, batch_size=20)
def flat(X):
    return X.reshape(len(X), -1) / 255
def build(task):
    network = NeuralClassifier(linear_head, stack=task.stack, log_dir=task.folder)
    return make_pipeline(FunctionTransformer(flat), network).set_params(transform_input=["X_val"])
"""


@pytest.mark.parametrize(("budget", "over"), [(0.5, True), (1000.0, False)])
def test_a_fit_beyond_the_time_budget_is_marked_and_the_features_count(tmp_path, digits, budget, over):
    path = tmp_path / "slow.py"
    path.write_text(SLOW_PIPELINE)
    finished = run(tmp_path / "run", digits, [path], stack=replace(STACK, time_budget=budget))
    assert finished.results[0].status == "ok"
    assert finished.results[0].over_budget is over
    assert finished.config["time_budget"] == budget


def test_a_network_stops_at_the_time_budget_also_with_a_stack_of_its_own(tmp_path, digits):
    path = tmp_path / "recipe.py"
    path.write_text(RECIPE)
    hurried = run(tmp_path / "hurried", digits, [path], stack=replace(STACK, time_budget=1e-3))
    assert len(hurried.results[0].history["loss"]) == 1
    assert hurried.config["pipelines"]["recipe"]["stack"]["time_budget"] == 1e-3
    assert len(run(tmp_path / "free", digits, [path]).results[0].history["loss"]) == 3


def test_corruptions_are_predicted_apart_from_what_is_measured_the_same_for_all(tmp_path, digits, pipeline_file):
    options = {"preset": "quick", "corruptions": True}
    names = [pipeline_file("nearest_mean"), tmp_path / "again.py"]
    names[1].write_text(names[0].read_text())
    first, again = run(tmp_path / "run", digits, names, options=options).results
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
    plain = run(tmp_path / "plain", digits, names[:1]).results[0]
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

    figures = worker._robustness(Remembers(), images, labels, seed=0)
    assert figures["n_corrupted"] == worker.CORRUPTED_SAMPLE == 2000
    assert {len(X) for X in seen} == {2000}
    assert figures["mean_corruption_error"] == pytest.approx(0.9)


def test_the_folder_holds_the_splits_and_pictures_for_the_report(tmp_path, digits, pipeline_file):
    folder = tmp_path / "run"
    run(folder, digits, [pipeline_file("nearest_mean")])
    splits = np.load(folder / "digits" / "splits.npz")
    for name in ("train", "validation", "test"):
        assert np.array_equal(splits[name], getattr(digits, name))
    assert np.array_equal(np.load(folder / "digits" / "test_images.npy"), digits.images[digits.test])
    assert np.load(folder / "digits" / "class_examples.npy").shape == (10, 32, 32)
    left = [path.name for path in (folder / "digits").iterdir() if path.name.startswith(".")]
    assert left == []


def test_a_pipeline_that_raises_or_is_killed_is_a_failed_row_and_the_others_go_on(tmp_path, digits, pipeline_file):
    names = [pipeline_file(name) for name in ("raises", "killed", "nearest_mean")]
    results = run(tmp_path / "run", digits, names).results
    assert results[0].status == "failed: RuntimeError: no luck today"
    assert results[1].status == "failed: killed by SIGKILL (out of memory?)"
    assert results[0].test_accuracy is None
    assert results[2].ok


def test_a_worker_killed_from_outside_is_a_failed_row(tmp_path, digits, pipeline_file):
    names = [pipeline_file("sleeps"), pipeline_file("nearest_mean")]

    def kill_the_sleeper(job, seconds, last_line, result):
        if job["pipeline"] == "sleeps" and seconds > 1.5 and result is None:
            [launcher] = psutil.Process().children()
            [worker] = launcher.children() or [launcher]
            worker.kill()

    results = run(tmp_path / "run", digits, names, progress=kill_the_sleeper).results
    assert results[0].status.startswith("failed: killed by SIGKILL")
    assert results[1].ok


def test_a_launcher_killed_from_outside_is_a_failed_row_and_another_takes_its_place(tmp_path, digits, pipeline_file):
    names = [pipeline_file("sleeps"), pipeline_file("nearest_mean")]
    processes = []

    def kill_the_launcher(job, seconds, last_line, result):
        if job["pipeline"] == "sleeps" and seconds > 1.5 and result is None:
            processes.extend(psutil.Process().children(recursive=True))
            processes[0].kill()

    results = run(tmp_path / "run", digits, names, progress=kill_the_launcher).results
    assert results[0].status.startswith("failed: killed by SIGKILL")
    assert results[1].ok
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def test_failed_rows_run_again_and_finished_ones_do_not(tmp_path, digits, pipeline_file):
    folder, names = tmp_path / "run", [pipeline_file("raises"), pipeline_file("nearest_mean")]
    run(folder, digits, names)
    done = {job["pipeline"]: job_folder(folder, job) / "result.json" for job in json_jobs(folder)}
    before = {name: path.stat().st_mtime_ns for name, path in done.items()}
    assert [job["pipeline"] for job in pending_jobs(folder)] == ["raises"]
    run(folder, digits, names)
    assert done["nearest_mean"].stat().st_mtime_ns == before["nearest_mean"]
    assert done["raises"].stat().st_mtime_ns > before["raises"]


def json_jobs(folder):
    return json.loads((folder / "run.json").read_text())["jobs"]


def test_a_worker_does_not_outlive_its_run(tmp_path, digits, pipeline_file):
    # The run is a process of its own here, so that it can be killed.
    folder, sleeper = tmp_path / "run", pipeline_file("sleeps")
    pid = os.fork() if hasattr(os, "fork") else pytest.skip("needs fork")
    if pid == 0:
        try:
            run(folder, digits, [sleeper])
        finally:
            os._exit(0)
    wait_for(lambda: list(folder.rglob("worker.log")))
    time.sleep(1)
    processes = psutil.Process(pid).children(recursive=True)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert processes
    assert wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes))


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"nothing came within {seconds} s")


def test_a_changed_data_set_is_not_mixed_into_a_run(tmp_path, digits, pipeline_file):
    folder, names = tmp_path / "run", [pipeline_file("raises")]
    run(folder, digits, names)
    with pytest.raises(InputError, match="no longer the one"):
        run(folder, datasets.load("digits", train_size=299), names)


def test_threads_are_limited_in_the_worker(tmp_path, digits):
    path = tmp_path / "counts.py"
    path.write_text(
        "import os\nfrom threadpoolctl import threadpool_info\nfrom sklearn.dummy import DummyClassifier\n"
        "family = 'classical'\n"
        "class Counts(DummyClassifier):\n"
        "    def fit(self, X, y):\n"
        "        raise RuntimeError(str(max(pool['num_threads'] for pool in threadpool_info())))\n"
        "def build(task):\n    return Counts()\n"
    )
    assert run(tmp_path / "run", digits, [path]).results[0].status == "failed: RuntimeError: 1"


def test_parts_are_prepared_with_two_images_before_fit(tmp_path, digits):
    path = tmp_path / "slow_start.py"
    path.write_text(
        "from sklearn.base import BaseEstimator, TransformerMixin\n"
        "from sklearn.dummy import DummyClassifier\n"
        "from sklearn.pipeline import make_pipeline, make_union\n"
        "family = 'classical'\n"
        "class Flat(TransformerMixin, BaseEstimator):\n"
        "    def prepare(self, X):\n"
        "        self.shape_ = X.shape\n"
        "    def fit(self, X, y=None):\n"
        "        return self\n"
        "    def transform(self, X):\n"
        "        print('prepared with', self.shape_)\n"
        "        return X.reshape(len(X), -1)\n"
        "def build(task):\n    return make_pipeline(make_union(Flat()), DummyClassifier())\n"
    )
    result = run(tmp_path / "run", digits, [path]).results[0]
    assert result.status == "ok"
    [log] = (tmp_path / "run").rglob("worker.log")
    assert "prepared with (2, 32, 32)" in log.read_text()


def test_an_occupied_or_unwritable_folder_is_refused_and_left_as_it_was(tmp_path, digits, pipeline_file):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    for folder, message in (("file/run", "can't be written"), ("full", "is not empty")):
        with pytest.raises(InputError, match=message):
            run(tmp_path / folder, digits, [pipeline_file("nearest_mean")])
    assert (tmp_path / "file").read_text() == "mine"
    assert os.listdir(tmp_path / "full") == ["notes.txt"]


def test_training_history_is_kept_and_validation_data_reach_a_network_behind_an_extractor(tmp_path, digits):
    result = run(tmp_path / "run", digits, ["hog_linear_head"]).results[0]
    assert result.status == "ok"
    assert len(result.history["val_loss"]) == 1
    assert threading.active_count() < 10
