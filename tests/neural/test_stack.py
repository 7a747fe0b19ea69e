import dataclasses
import json

import numpy as np
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
        ("momentum", 0.9),
        ("beta_1", 1.0),
        ("beta_2", -0.1),
        ("epsilon", -1e-7),
        ("weight_decay", "little"),
        ("rho", 0.9),
        ("decay", 0.5),
        ("decay_epochs", 2),
        ("warmup_epochs", 10),
        ("warmup_epochs", -1),
        ("time_budget", 0),
        ("precision", "float16"),
        ("tensorboard", "yes"),
        ("macro_f1", "yes"),
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


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "sgd", "momentum": 0.9}, "sgd has no such parameter; it has weight_decay"),
        ({"optimizer": "rmsprop", "beta_1": 0.9}, "rho, momentum, epsilon"),
        ({"schedule": "constant", "decay": 0.5}, "constant has no such parameter"),
        ({"schedule": "exponential", "decay_epochs": 2}, "only the schedule step"),
        ({"schedule": "step", "decay": 1.5}, "at most 1"),
    ],
)
def test_a_parameter_of_another_optimizer_or_schedule_is_named(fields, message):
    with pytest.raises(InputError, match=message):
        TrainingStack(**fields)


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
        ("adamw", "AdamW", None, None),
        ("nadam", "Nadam", None, None),
    ],
)
@pytest.mark.parametrize("learning_rate", [None, 0.0123])
def test_each_optimizer_becomes_keras_own(name, keras_class, momentum, nesterov, learning_rate):
    optimizer = TrainingStack(optimizer=name, learning_rate=learning_rate).make_optimizer()
    config = optimizer.get_config()
    assert type(optimizer).__name__ == keras_class  # on torch, a subclass of the same name
    assert config["learning_rate"] == pytest.approx(learning_rate or LEARNING_RATES[name])
    assert config.get("momentum") == momentum
    assert config.get("nesterov") == nesterov


def test_the_callbacks_and_what_they_watch(tmp_path):
    validation = np.zeros((4, 3), np.float32), np.arange(4) % 2
    callbacks = TrainingStack(monitor="val_accuracy").make_callbacks(tmp_path, validation=validation)
    by_name = {type(callback).__name__: callback for callback in callbacks}
    for name in ("EarlyStopping", "BestWeights", "ReduceLROnPlateau"):
        assert (by_name[name].monitor, by_name[name].mode) == ("val_accuracy", "max")
    assert isinstance(by_name["BestWeights"], prepare_backend().callbacks.ModelCheckpoint)
    assert {"StopOnNaN", "CSVLogger", "LearningRateScheduler"} <= by_name.keys()


def test_without_validation_nothing_stops_early(tmp_path):
    callbacks = TrainingStack().make_callbacks(tmp_path)
    names = {type(callback).__name__ for callback in callbacks}
    assert not names & {"EarlyStopping", "BestWeights", "OverfitWatch"}
    assert "ReduceLROnPlateau" in names
