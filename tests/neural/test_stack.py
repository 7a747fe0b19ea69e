import dataclasses
import json

import numpy as np
import pytest

from cvclassic.errors import InputError
from cvclassic.neural import TrainingStack, prepare_backend
from cvclassic.neural.course import Course
from cvclassic.neural.meter import Stopwatch
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
        ("min_steps", -1),
        ("min_steps", 0.5),
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


@pytest.mark.parametrize(
    ("fields", "n_samples", "epochs"),
    [
        ({}, 1000, 10),
        ({"epochs": 4, "min_steps": 500}, 227, 125),  # of 4 steps
        ({"epochs": 4, "min_steps": 500}, 64 * 124 + 1, 4),
        ({"epochs": 200, "min_steps": 500}, 227, 200),
        ({"min_steps": 500, "time_budget": 5.0}, 227, None),
        ({"epochs": 3, "min_steps": 500, "time_budget": 5.0}, 227, 3),
    ],
)
def test_a_training_has_its_epochs_and_its_steps(fields, n_samples, epochs):
    assert TrainingStack(**fields).planned_epochs(n_samples) == epochs


def callbacks_of(folder, *, n_samples=10_000, n_validation=0, **fields):
    validation = (np.zeros((n_validation, 3), np.float32), np.arange(n_validation) % 2) if n_validation else None
    course = Course(TrainingStack(**fields), n_samples, n_validation)
    made = course.make_callbacks(folder, meter=Stopwatch(), validation=validation)
    return {type(callback).__name__: callback for callback in made}


def test_the_callbacks_and_what_they_watch(tmp_path):
    callbacks = callbacks_of(tmp_path, n_validation=100, monitor="val_accuracy")
    for name in ("EarlyStopping", "BestWeights", "ReduceLROnPlateau"):
        assert (callbacks[name].monitor, callbacks[name].mode) == ("val_accuracy", "max")
    assert isinstance(callbacks["BestWeights"], prepare_backend().callbacks.ModelCheckpoint)
    assert {"StopOnNaN", "CSVLogger", "Schedule"} <= callbacks.keys()


@pytest.mark.parametrize("n_validation", [0, 99])
def test_few_validation_samples_stop_and_choose_nothing(tmp_path, n_validation):
    callbacks = callbacks_of(tmp_path, n_validation=n_validation)
    assert not callbacks.keys() & {"EarlyStopping", "BestWeights", "OverfitWatch"}
    assert callbacks["ReduceLROnPlateau"].monitor == "loss"


@pytest.mark.parametrize(
    ("fields", "n_samples", "patience"),
    [
        ({}, 10_000, 5),
        ({"epochs": 300}, 900, 5 * 4),  # an epoch has 15 steps: four make up 50
        ({"epochs": 4, "min_steps": 600}, 900, 5 * 10),  # 40 epochs, ten for each of the four
        ({"epochs": 4, "min_steps": 1000}, 10_000, 5 * 7 / 4),  # 7 epochs of 157 steps
    ],
)
def test_patience_counts_whole_epochs_or_shares_of_a_training(tmp_path, fields, n_samples, patience):
    callbacks = callbacks_of(tmp_path, n_samples=n_samples, n_validation=100, **fields)
    assert callbacks["EarlyStopping"].patience == np.ceil(patience)
    assert callbacks["ReduceLROnPlateau"].patience == np.ceil(patience * 3 / 5)


def test_a_time_budget_alone_waits_for_nothing(tmp_path):
    callbacks = callbacks_of(tmp_path, n_validation=100, time_budget=9.0)
    assert not callbacks.keys() & {"EarlyStopping", "ReduceLROnPlateau"}
    assert {"BestWeights", "TimeBudget"} <= callbacks.keys()
    assert "EarlyStopping" in callbacks_of(tmp_path, n_validation=100, time_budget=9.0, epochs=20)
