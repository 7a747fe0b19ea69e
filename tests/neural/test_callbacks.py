"""The stack's callbacks through real trainings, a user's own, and trainings that are killed and go on."""

import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from cvclassic.errors import CVClassicError, MissingDependencyError
from cvclassic.neural import NeuralClassifier, TrainingStack, prepare_backend


@pytest.fixture(scope="module")
def digits():
    """Some of the 8 x 8 digits: X, X_val, y, y_val; images of bytes."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    X, X_val, y, y_val = train_test_split(images, data.target, train_size=200, test_size=200, random_state=0)
    return X, X_val, y, y_val


def tiny(input_shape, n_classes, *, hidden=0):
    layers = prepare_backend().layers
    inner = [layers.Dense(hidden, activation="relu")] if hidden else []
    model = [prepare_backend().Input(input_shape), layers.Flatten(), *inner, layers.Dense(n_classes)]
    return prepare_backend().Sequential(model)


def classifier(model=tiny, *, log_dir=None, callbacks=(), **fields):
    stack = TrainingStack(**({"epochs": 3, "batch_size": 50} | fields))
    return NeuralClassifier(model, stack=stack, log_dir=log_dir, callbacks=callbacks)


def fit(digits, **parameters):
    X, X_val, y, y_val = digits
    return classifier(**parameters).fit(X, y, X_val, y_val)


def csv_rows(folder):
    with open(folder / "training.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_macro_f1_is_scikit_learns_and_chooses_the_epoch_and_stops_early(digits, tmp_path):
    X, X_val, y, y_val = digits
    wrong = X, X_val, y, (y_val + 1) % 10  # the better the network, the worse it looks
    fields = {"monitor": "val_macro_f1", "learning_rate": 0.02, "epochs": 8, "early_stopping_patience": 1}
    model = fit(wrong, log_dir=tmp_path, **fields)
    scores = model.history_["val_macro_f1"]
    assert model.best_epoch_ == np.argmax(scores)
    assert len(scores) == model.best_epoch_ + 2 < 8
    assert max(scores) == pytest.approx(f1_score(wrong[3], model.predict(X_val), average="macro"))
    assert [float(row["val_macro_f1"]) for row in csv_rows(tmp_path)] == pytest.approx(scores)


def test_macro_f1_is_there_on_request_only(digits):
    assert len(fit(digits, macro_f1=True, epochs=1).history_["val_macro_f1"]) == 1
    assert "val_macro_f1" not in fit(digits, epochs=1).history_


def slow_batches():
    """A callback that lets each batch take a tenth of a second more."""
    return prepare_backend().callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.1))


def test_a_time_budget_ends_training_with_the_best_weights(digits, capsys):
    _, X_val, _, y_val = digits
    model = fit(digits, time_budget=2.5, epochs=50, batch_size=20, callbacks=[slow_batches])  # 10 batches an epoch
    assert 1 <= len(model.history_["loss"]) < 4
    assert "time budget of 2.5 s ended in epoch" in capsys.readouterr().out
    assert model.score(X_val, y_val) == pytest.approx(model.history_["val_accuracy"][model.best_epoch_])


def test_the_time_budget_counts_from_when_the_fit_is_said_to_have_started(digits):
    X, X_val, y, y_val = digits

    def epochs(started):
        model = classifier(time_budget=500.0).fit(X, y, X_val, y_val, started=started)
        return len(model.history_["loss"])

    assert epochs(time.perf_counter() - 1000) == 1
    assert epochs(time.perf_counter()) == epochs(None) == 3


def test_overfitting_is_marked_where_the_validation_loss_turned(digits, capsys):
    X, X_val, y, y_val = digits
    few = X[:60], X_val, y[:60], y_val
    fields = {"learning_rate": 0.01, "schedule": "constant", "epochs": 25, "early_stopping_patience": 25}
    model = fit(few, model=wide, plateau_patience=50, batch_size=10, **fields)
    losses, marked = model.history_["val_loss"], model.overfit_epoch_
    assert marked == np.argmin(losses) + 1
    assert min(losses[marked:]) > losses[marked - 1]
    assert model.history_["loss"][-1] < model.history_["loss"][marked - 1]
    assert f"overfitting since epoch {marked + 1}:" in capsys.readouterr().out
    assert fit(digits, epochs=2).overfit_epoch_ is None


def wide(input_shape, n_classes):
    return tiny(input_shape, n_classes, hidden=200)


def test_overfit_watch_by_its_definition():
    from cvclassic.neural.callbacks import OverfitWatch

    def marked(losses, val_losses):
        watch = OverfitWatch()
        watch.on_train_begin()
        for epoch, (loss, val_loss) in enumerate(zip(losses, val_losses, strict=True)):
            watch.on_epoch_end(epoch, {"loss": loss, "val_loss": val_loss})
        return watch.overfit_epoch

    assert marked([5, 4, 3, 2, 1], [5, 4, 4.5, 4.6, 4.7]) == 2
    assert marked([5, 4, 3, 2, 1], [5, 4, 4.5, 4.6, 3]) is None, "a lower loss takes the mark back"
    assert marked([5, 4, 3, 2], [5, 4, 4.5, 3]) is None, "once is chance"
    assert marked([5, 4, 4.1, 4.2], [5, 4, 4.5, 4.6]) is None, "the training loss rose too"


def test_tensorboard_writes_its_log_or_says_what_to_install(digits, tmp_path):
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(MissingDependencyError, match="pip install tensorboard"):
            fit(digits, tensorboard=True, log_dir=tmp_path)
        assert not (tmp_path / "backup").exists()
    else:
        fit(digits, tensorboard=True, log_dir=tmp_path, epochs=1)
        assert list((tmp_path / "tensorboard").rglob("events.out.*"))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_of_the_layers_and_not_of_the_scores(digits, precision):
    model = fit(digits, precision=precision, epochs=4, learning_rate=0.02)
    assert model.model_.layers[-2].layers[-1].compute_dtype == precision.removeprefix("mixed_")
    assert model.decision_function(digits[1]).dtype == np.float32
    assert model.history_["loss"][-1] < model.history_["loss"][0]
    assert prepare_backend().config.dtype_policy().name == "float32"
    assert model.n_parameters_ == 650


def test_the_report_before_training(digits, capsys):
    fit(digits, epochs=1, optimizer="momentum", momentum=0.8)
    report = capsys.readouterr().out
    assert re.search(r"device .*(cpu|gpu)", report, re.IGNORECASE)
    for words in (
        "input       (200, 8, 8, 1) uint8, from 0 to 255",
        "labels      10 classes, 0 to 9; for the loss (200,) class numbers",
        f"network     tiny: 650 parameters ({650 * 4 / 2**20:.2f} MB), activations of a batch "
        f"{50 * (64 + 64 + 10) * 4 / 2**20:.2f} MB",
        "4 per epoch of 200 samples, 200 for validation",
        "optimizer momentum, momentum 0.8, schedule cosine",
        "loss sparse_categorical_crossentropy",
        "model__hidden 0",
    ):
        assert words in report


def template(tmp_path):
    """The pipeline file of docs/callbacks.md."""
    text = Path(__file__).parents[2].joinpath("docs", "callbacks.md").read_text()
    path = tmp_path / "tells.py"
    path.write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1])
    return path


def test_the_template_of_a_users_callback_works(digits, tmp_path, capsys):
    from cvclassic.experiment.pipelines import Task, load_pipeline

    X, X_val, y, y_val = digits
    file = load_pipeline(template(tmp_path))
    stack = TrainingStack(epochs=2, batch_size=50)
    folder = tmp_path / "job"
    model = file.build(Task((8, 8), 10, len(X), 0, stack, frozenset(), folder)).fit(X, y, X_val, y_val)
    assert model.history_["batches"] == [4, 8]
    assert [float(row["batches"]) for row in csv_rows(folder)] == [4, 8]
    assert "8 batches" in capsys.readouterr().out
    keras_hooks = {name for name in dir(prepare_backend().callbacks.Callback) if name.startswith("on_")}
    hook = sys.modules["cvclassic_pipeline_tells"].EveryHook
    assert keras_hooks - {"on_batch_begin", "on_batch_end"} <= vars(hook).keys()


class Killed(BaseException):
    """Ends a training as a kill does: nothing but files is left."""


class KillAt:
    """Makes a callback that ends training in the middle of an epoch."""

    def __init__(self, epoch, batch=1):
        self.epoch, self.batch = epoch, batch

    def __call__(self):
        def on_epoch_begin(epoch, logs):
            self.now = epoch

        def on_batch_end(batch, logs):
            if (self.now, batch) == (self.epoch, self.batch):
                raise Killed

        callbacks = prepare_backend().callbacks
        return callbacks.LambdaCallback(on_epoch_begin=on_epoch_begin, on_train_batch_end=on_batch_end)


def interrupted(digits, folder, kill, **fields):
    with pytest.raises(Killed):
        fit(digits, log_dir=folder, callbacks=[kill], **fields)


def resumed(digits, folder, capsys, **fields):
    capsys.readouterr()
    model = fit(digits, log_dir=folder, callbacks=[KillAt(99)], **fields)
    return model, capsys.readouterr().out


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(digits, tmp_path, optimizer, capsys):
    # One batch per epoch, so that the order of the samples changes nothing but rounding.
    fields = {"optimizer": optimizer, "epochs": 5, "batch_size": 200, "learning_rate": 0.05}
    uninterrupted = fit(digits, **fields)
    interrupted(digits, tmp_path, KillAt(3, batch=0), **fields)
    model, output = resumed(digits, tmp_path, capsys, **fields)
    assert "going on after epoch 3" in output
    assert re.findall(r"^epoch (\d)/5", output, re.MULTILINE) == ["4", "5"]
    assert model.history_.keys() == uninterrupted.history_.keys()
    for name, values in uninterrupted.history_.items():
        assert model.history_[name] == pytest.approx(values, rel=1e-3), name
    assert [int(row["epoch"]) for row in csv_rows(tmp_path)] == [0, 1, 2, 3, 4]
    assert [float(row["loss"]) for row in csv_rows(tmp_path)] == pytest.approx(model.history_["loss"])
    assert os.listdir(tmp_path) == ["training.csv"]


def test_patience_and_best_value_go_on(digits, tmp_path, capsys):
    X, X_val, y, y_val = digits
    wrong = X, X_val, y, (y_val + 1) % 10  # the better the network, the worse it looks
    fields = {"epochs": 20, "early_stopping_patience": 4, "plateau_patience": 3, "schedule": "constant"}
    fields |= {"learning_rate": 0.02}
    interrupted(wrong, tmp_path, KillAt(3), **fields)
    state = json.loads((tmp_path / "backup" / "training.json").read_text())
    waited = {name: attributes.get("wait") for name, attributes in state["callbacks"]}
    best = int(np.argmin([row["val_loss"] for row in state["history"]]))
    assert waited["EarlyStopping"] == 2 - best > 0
    model, output = resumed(wrong, tmp_path, capsys, **fields)
    assert "going on after epoch 3" in output
    assert model.best_epoch_ == best
    assert len(model.history_["loss"]) == best + 1 + 4
    rates = np.array(model.history_["learning_rate"])
    np.testing.assert_allclose(rates / rates[0], [1] * (best + 4) + [0.5], rtol=1e-5)
    assert model.score(X_val, wrong[3]) == pytest.approx(model.history_["val_accuracy"][best])


def test_a_training_killed_after_its_last_epoch_trains_no_more(digits, tmp_path, capsys):
    class KillAtTheEnd(KillAt):
        def __call__(self):
            def kill(logs):
                if self.epoch != 99:
                    raise Killed

            return prepare_backend().callbacks.LambdaCallback(on_train_end=kill)

    interrupted(digits, tmp_path, KillAtTheEnd(3))
    capsys.readouterr()
    model = fit(digits, log_dir=tmp_path, callbacks=[KillAtTheEnd(99)])
    assert "epoch 3/3" not in capsys.readouterr().out
    assert len(model.history_["loss"]) == 3
    assert model.score(digits[1], digits[3]) == pytest.approx(model.history_["val_accuracy"][model.best_epoch_])


def test_a_backup_of_other_settings_is_not_used_and_a_failed_training_leaves_none(digits, tmp_path, capsys):
    interrupted(digits, tmp_path, KillAt(2))
    (tmp_path / "backup" / "photos.txt").write_text("mine")
    assert (tmp_path / "backup" / "epoch-2.weights.h5").is_file()
    model, output = resumed(digits, tmp_path, capsys, learning_rate=0.01)
    assert "going on" not in output
    assert len(model.history_["loss"]) == 3
    with pytest.raises(CVClassicError, match="diverged"):
        fit(digits, log_dir=tmp_path, optimizer="sgd", learning_rate=1e38)
    assert sorted(os.listdir(tmp_path)) == ["backup", "training.csv"]
    assert os.listdir(tmp_path / "backup") == ["photos.txt"]


def test_spent_time_counts_on(digits, tmp_path, capsys):
    fields = {"time_budget": 100.0, "epochs": 4}
    interrupted(digits, tmp_path, KillAt(2), **fields)
    path = tmp_path / "backup" / "training.json"
    state = json.loads(path.read_text())
    [attributes] = [attributes for name, attributes in state["callbacks"] if name == "TimeBudget"]
    assert 0 < attributes["spent"] < 100
    attributes["spent"] = 99.9999
    path.write_text(json.dumps(state))
    model, _ = resumed(digits, tmp_path, capsys, **fields)
    assert len(model.history_["loss"]) == 3


def test_half_written_files_of_the_interrupted_epoch_do_no_harm(digits, tmp_path, capsys):
    interrupted(digits, tmp_path, KillAt(2), epochs=4)
    for name in ("best-3.weights.h5", "epoch-3.weights.h5", "training.json.new"):
        (tmp_path / "backup" / name).write_bytes(b"half")
    model, output = resumed(digits, tmp_path, capsys, epochs=4)
    assert "going on after epoch 2" in output
    assert len(model.history_["loss"]) == 4
    assert model.score(digits[1], digits[3]) == pytest.approx(model.history_["val_accuracy"][model.best_epoch_])


KILLED_PIPELINE = '''
"""Kills itself once, and its run with it, in epoch 7."""
import os, signal
from pathlib import Path
from cvclassic.neural import NeuralClassifier, mlp, prepare_backend
family = "neural"
class KillOnce:
    def __call__(self):
        def kill(batch, logs):
            if self.epoch == 6 and not Path(MARK).exists():
                Path(MARK).touch()
                run = int(Path(RUN_PID).read_text())
                os.kill(run, signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)
        def begin(epoch, logs):
            self.epoch = epoch
        return prepare_backend().callbacks.LambdaCallback(on_epoch_begin=begin, on_train_batch_end=kill)
def build(task):
    return NeuralClassifier(mlp, callbacks=[KillOnce()], stack=task.stack, seed=task.seed, log_dir=task.folder)
'''


def test_a_killed_run_resumes_in_its_epoch(tmp_path):
    mark, pid, run = tmp_path / "mark", tmp_path / "pid", tmp_path / "run"
    pipeline = tmp_path / "killed_once.py"
    pipeline.write_text(KILLED_PIPELINE.replace("MARK", repr(str(mark))).replace("RUN_PID", repr(str(pid))))

    def compare(*arguments):
        command = [sys.executable, "-c", "from cvclassic.cli import compare_app; compare_app()", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(command, env=environment, **pipes)
        pid.write_text(str(process.pid))
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    code, output = compare(
        *("--dataset", "digits", "--pipeline", pipeline, "--train-size", 300, "--epochs", 9, "--out", run, "--offline")
    )
    assert code == -9, output
    [state] = run.rglob("training.json")
    assert len(json.loads(state.read_text())["history"]) == 6
    code, output = compare("--resume", run)
    assert code == 0, output
    [log], [result] = run.rglob("worker.log"), run.rglob("result.json")
    assert re.findall(r"^epoch (\d)/9", log.read_text(), re.MULTILINE) == ["7", "8", "9"]
    assert len(json.loads(result.read_text())["history"]["val_loss"]) == 9
    assert [int(row["epoch"]) for row in csv_rows(result.parent)] == list(range(9))
    assert not state.parent.exists()
