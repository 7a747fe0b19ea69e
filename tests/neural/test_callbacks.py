"""The stack's callbacks through real trainings, a user's own, and trainings that are killed and go on."""

import csv
import functools
import importlib.util
import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from cvclassic.errors import CVClassicError, MissingDependencyError
from cvclassic.neural import NeuralClassifier, TrainingStack, course, mlp, prepare_backend
from cvclassic.neural.meter import Stopwatch


@pytest.fixture(scope="module")
def digits():
    """Some of the 8 x 8 digits: X, X_val, y, y_val; images of bytes."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    X, X_val, y, y_val = train_test_split(images, data.target, train_size=200, test_size=200, random_state=0)
    return X, X_val, y, y_val


@pytest.fixture(autouse=True)
def every_epoch_counts(monkeypatch):
    """Also those of few steps, which all have here."""
    monkeypatch.setattr(course, "SHORT_EPOCH", 1)


def tiny(input_shape, n_classes, *, hidden=0):
    layers = prepare_backend().layers
    inner = [layers.Dense(hidden, activation="relu")] if hidden else []
    model = [prepare_backend().Input(input_shape), layers.Flatten(), *inner, layers.Dense(n_classes)]
    return prepare_backend().Sequential(model)


def classifier(model=tiny, *, log_dir=None, callbacks=(), verbose=True, **fields):
    stack = TrainingStack(**({"epochs": 3, "batch_size": 50} | fields))
    return NeuralClassifier(model, stack=stack, log_dir=log_dir, callbacks=callbacks, verbose=verbose)


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


def test_the_time_budget_is_compared_with_what_the_meter_reads(digits):
    X, X_val, y, y_val = digits

    def epochs(seconds):
        meter = Stopwatch()
        meter.go_on_from({"seconds": seconds})
        return len(classifier(time_budget=500.0).fit(X, y, X_val, y_val, meter=meter).history_["loss"])

    assert epochs(1000) == 1
    assert epochs(0) == 3
    assert len(fit(digits, time_budget=500.0).history_["loss"]) == 3


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
    from cvclassic.runs.pipelines import Task, load_pipeline

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
    # tests/neural/test_resumed.py has the same on one thread, bit for bit.
    fields = {"optimizer": optimizer, "epochs": 5, "learning_rate": 0.05}
    uninterrupted = fit(digits, **fields)
    interrupted(digits, tmp_path, KillAt(3), **fields)
    model, output = resumed(digits, tmp_path, capsys, **fields)
    assert "going on after epoch 3" in output
    assert re.findall(r"^epoch (\d)/5", output, re.MULTILINE) == ["4", "5"]
    assert model.history_.keys() == uninterrupted.history_.keys()
    for name, values in uninterrupted.history_.items():
        assert model.history_[name] == pytest.approx(values, rel=1e-3), name
    assert [int(row["epoch"]) for row in csv_rows(tmp_path)] == [0, 1, 2, 3, 4]
    assert [float(row["loss"]) for row in csv_rows(tmp_path)] == pytest.approx(model.history_["loss"])
    assert os.listdir(tmp_path) == ["training.csv"]


@pytest.mark.slow
def test_of_short_epochs_several_make_up_a_backup(digits, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(course, "SHORT_EPOCH", 9)  # three epochs of four steps
    fields = {"model": functools.partial(mlp, width=16), "epochs": 11, "learning_rate": 0.01}
    uninterrupted = fit(digits, **fields)
    interrupted(digits, tmp_path, KillAt(8), **fields)
    kept = sorted(path.name for path in (tmp_path / "backup").iterdir())
    assert kept == ["best-6.weights.h5", "best-8.weights.h5", "epoch-6.weights.h5", "training.json"]
    model, output = resumed(digits, tmp_path, capsys, **fields)
    assert "going on after epoch 6" in output
    assert re.findall(r"^epoch (\d+)/11", output, re.MULTILINE) == ["9", "11"]
    assert model.history_["val_loss"] == pytest.approx(uninterrupted.history_["val_loss"], rel=1e-3)
    assert model.best_epoch_ == uninterrupted.best_epoch_
    assert (model.converged_, len(csv_rows(tmp_path))) == (uninterrupted.converged_, 11)


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


@pytest.mark.slow
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


class Counting:
    """A meter that has spent one joule more, and a second, each time that it is read."""

    def __init__(self):
        self.reads, self.earlier = 0, {}

    def read(self):
        self.reads += 1
        return {name: self.reads + self.earlier.get(name, 0.0) for name in ("seconds", "joules")}

    def go_on_from(self, spent):
        self.earlier = spent


def test_what_all_tries_spent_adds_up(digits, tmp_path, capsys):
    X, X_val, y, y_val = digits
    first, second = Counting(), Counting()
    with pytest.raises(Killed):
        classifier(log_dir=tmp_path, callbacks=[KillAt(2)]).fit(X, y, X_val, y_val, meter=first)
    classifier(log_dir=tmp_path, callbacks=[KillAt(99)]).fit(X, y, X_val, y_val, meter=second)
    assert "going on" in capsys.readouterr().out
    assert second.earlier == {"seconds": first.reads, "joules": first.reads}
    assert first.reads == 2, "once an epoch"


def test_a_time_budget_ends_with_the_tries_before_in_it(digits, tmp_path, capsys):
    fields = {"time_budget": 100.0, "epochs": 4}
    interrupted(digits, tmp_path, KillAt(2), **fields)
    path = tmp_path / "backup" / "training.json"
    state = json.loads(path.read_text())
    assert 0 < state["spent"]["seconds"] < 100
    state["spent"]["seconds"] = 99.9999
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


DAMAGES = {
    "no JSON": ("training.json", lambda text: b"{"),
    "zeros": ("training.json", lambda text: bytes(len(text))),
    "a list": ("training.json", lambda text: b"[1, 2]"),
    "an empty object": ("training.json", lambda text: b"{}"),
    "a history of nothing": ("training.json", lambda text: re.sub(rb'"history": \[', b'"history": [null, ', text)),
    "a text as figure": ("training.json", lambda text: re.sub(rb'"loss": [\d.]+', b'"loss": "low"', text)),
    "no time": ("training.json", lambda text: text.replace(b'"seconds"', b'"hours"')),
    "other callbacks": ("training.json", lambda text: text.replace(b'["CSVLogger", {', b'["Logger", {')),
    "truncated weights": ("epoch-2.weights.h5", lambda weights: weights[: len(weights) // 2]),
    "zeroed weights": ("epoch-2.weights.h5", lambda weights: bytes(len(weights))),
    "best weights of zeros": ("best-2.weights.h5", lambda weights: bytes(len(weights))),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_not_used(digits, tmp_path, damage, capsys):
    interrupted(digits, tmp_path, KillAt(2))
    name, change = DAMAGES[damage]
    path = tmp_path / "backup" / name
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    model, output = resumed(digits, tmp_path, capsys)
    assert "going on" not in output
    assert len(model.history_["loss"]) == 3
    assert os.listdir(tmp_path) == ["training.csv"]


def test_a_backup_sets_nothing_but_the_state_of_callbacks(digits, tmp_path, capsys):
    interrupted(digits, tmp_path, KillAt(2))
    path = tmp_path / "backup" / "training.json"
    state = json.loads(path.read_text())
    for _, attributes in state["callbacks"]:
        attributes |= {"filename": str(tmp_path / "elsewhere"), "_model": None, "patience": 0, "on_epoch_end": "text"}
    path.write_text(json.dumps(state))
    model, output = resumed(digits, tmp_path, capsys)
    assert "going on after epoch 2" in output
    assert len(model.history_["loss"]) == 3
    assert os.listdir(tmp_path) == ["training.csv"]


@pytest.mark.slow
def test_a_silent_training_prints_nothing_and_is_the_same(digits, tmp_path, capfd):
    few = digits[0][:60], digits[1], digits[2][:60], digits[3]
    fields = {"learning_rate": 0.01, "schedule": "constant", "epochs": 25, "batch_size": 10, "time_budget": 500.0}
    fields |= {"plateau_patience": 2, "early_stopping_patience": 25, "macro_f1": True, "model": wide}
    interrupted(few, tmp_path, KillAt(4), **fields)
    assert "epoch 4/25" in capfd.readouterr().out
    model = fit(few, log_dir=tmp_path, callbacks=[KillAt(99)], verbose=False, **fields)
    assert capfd.readouterr() == ("", "")
    assert [float(row["loss"]) for row in csv_rows(tmp_path)] == pytest.approx(model.history_["loss"])
    assert model.overfit_epoch_ is not None
    assert model.history_["loss"] == pytest.approx(fit(few, **fields).history_["loss"], rel=1e-2)
    capfd.readouterr()
    with pytest.raises(CVClassicError, match="diverged"):
        fit(digits, optimizer="sgd", learning_rate=1e38, verbose=False)
    assert len(fit(digits, time_budget=1e-3, verbose=False).history_["loss"]) == 1
    assert capfd.readouterr() == ("", "")


def test_each_epoch_has_an_order_of_its_own_with_every_sample_in_it():
    from cvclassic.neural.epochs import Batches, EpochDraws

    def orders(seed):
        batches = Batches((np.arange(53), -np.arange(53)), batch_size=10)
        draws = EpochDraws(seed, batches)
        draws.set_model(prepare_backend().Sequential([prepare_backend().layers.Dropout(0.5)]))
        for epoch in (0, 1, 2):
            draws.on_epoch_begin(epoch)
            assert [len(rows) for rows, _ in (batches[i] for i in range(len(batches)))] == [10] * 5 + [3]
            assert all((rows == -others).all() for rows, others in (batches[i] for i in range(len(batches))))
            yield tuple(np.concatenate([batches[i][0] for i in range(len(batches))]).tolist())

    first, again, other = (list(orders(seed)) for seed in (0, 0, 1))
    assert first == again
    assert all(sorted(order) == list(range(53)) for order in first)
    assert len({*first, *other}) == 6


class Seen:
    """Makes a callback that notes, after each epoch, the states of the generators in layers."""

    def __init__(self):
        self.states = []

    def __call__(self):
        def note(epoch, logs):
            variables = callback.model.variables
            states = [np.array(v).tolist() for v in variables if v.name == "seed_generator_state"]
            self.states.append(sorted(states))

        callback = prepare_backend().callbacks.LambdaCallback(on_epoch_end=note)
        return callback


@pytest.mark.slow
def test_generators_in_layers_keep_their_seeds_and_begin_each_epoch_elsewhere(digits):
    seen = Seen()
    fit(digits, model=functools.partial(mlp, width=16, mirror=True), callbacks=[seen], epochs=2, batch_size=50)
    first, second = (np.array(states) for states in seen.states)
    assert len(first) == 3, "of RandomFlip and of two layers of dropout"
    np.testing.assert_array_equal(first[:, 0], second[:, 0])
    assert len(set(first[:, 0])) == 3
    np.testing.assert_array_equal(second[:, 1] - first[:, 1], 2**20)
    assert first[:, 1].min() >= 4, "a draw for each batch"
