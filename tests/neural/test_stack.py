import dataclasses
import json

import pytest

from cvclassic.errors import InputError
from cvclassic.neural import TrainingStack, prepare_backend
from cvclassic.neural.stack import LEARNING_RATES


def test_the_stack_survives_json():
    stack = TrainingStack(optimizer="nesterov", learning_rate=0.05, epochs=3)
    assert TrainingStack(**json.loads(json.dumps(dataclasses.asdict(stack)))) == stack


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("optimizer", "adamw2"),
        ("optimizer", ["adam"]),
        ("learning_rate", 0),
        ("learning_rate", -1e-3),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", "fast"),
        ("schedule", "linear"),
        ("monitor", "test_accuracy"),
        ("batch_size", 0),
        ("epochs", 0),
        ("epochs", 2.5),
        ("epochs", True),
        ("early_stopping_patience", 0),
        ("plateau_patience", -1),
        ("plateau_factor", 1.0),
        ("plateau_factor", 0),
    ],
)
def test_a_wrong_value_is_named(field, value):
    with pytest.raises(InputError, match=f"^{field}="):
        TrainingStack(**{field: value})


def test_an_unknown_optimizer_lists_the_known_ones():
    with pytest.raises(InputError, match="sgd, momentum, nesterov, adagrad, rmsprop, adam"):
        TrainingStack(optimizer="lion")


@pytest.mark.parametrize(
    ("name", "keras_class", "momentum", "nesterov"),
    [
        ("sgd", "SGD", 0.0, False),
        ("momentum", "SGD", 0.9, False),
        ("nesterov", "SGD", 0.9, True),
        ("adagrad", "Adagrad", None, None),
        ("rmsprop", "RMSprop", 0.0, None),
        ("adam", "Adam", None, None),
    ],
)
@pytest.mark.parametrize("learning_rate", [None, 0.0123])
def test_each_optimizer_becomes_keras_own(name, keras_class, momentum, nesterov, learning_rate):
    optimizer = TrainingStack(optimizer=name, learning_rate=learning_rate).make_optimizer()
    config = optimizer.get_config()
    assert type(optimizer) is getattr(prepare_backend().optimizers, keras_class)
    assert config["learning_rate"] == pytest.approx(learning_rate or LEARNING_RATES[name])
    assert config.get("momentum") == momentum
    assert config.get("nesterov") == nesterov


def test_the_callbacks_are_keras_own(tmp_path):
    callbacks = TrainingStack(monitor="val_accuracy").make_callbacks(tmp_path / "log.csv", tmp_path / "w.weights.h5")
    by_name = {type(callback).__name__: callback for callback in callbacks}
    for name in ("EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau"):
        assert by_name[name].monitor == "val_accuracy"
    assert {"TerminateOnNaN", "CSVLogger", "LearningRateScheduler"} <= by_name.keys()


def test_without_validation_nothing_stops_early(tmp_path):
    callbacks = TrainingStack().make_callbacks(tmp_path / "log.csv", None)
    names = {type(callback).__name__ for callback in callbacks}
    assert not names & {"EarlyStopping", "ModelCheckpoint"}
    assert "ReduceLROnPlateau" in names
