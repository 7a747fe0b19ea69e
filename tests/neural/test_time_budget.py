"""Trainings under a time budget, by a clock that each batch moves on by a tenth of a second."""

import itertools

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cvclassic.neural import NeuralClassifier, TrainingStack, course, prepare_backend
from cvclassic.neural.stack import LEARNING_RATES

RATE = LEARNING_RATES["adam"]
BATCH = 0.1


@pytest.fixture(scope="module")
def digits():
    """X, y, X_val, y_val: 200 and 120 of the 8 x 8 digits, images of bytes."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return images[:200], data.target[:200], images[200:320], data.target[200:320]


class Clock:
    """Stands in for the module `time`, and is a meter."""

    def __init__(self):
        self.now, self.earlier = 1000.0, -1000.0

    def perf_counter(self):
        return self.now

    def read(self):
        return {"seconds": self.now + self.earlier}

    def go_on_from(self, spent):
        self.earlier += spent["seconds"]


@pytest.fixture
def clock(monkeypatch):
    from cvclassic.neural import callbacks

    clock = Clock()
    monkeypatch.setattr(callbacks, "time", clock)
    monkeypatch.setattr(course, "SHORT_EPOCH", 1)
    return clock


def linear(input_shape, n_classes):
    keras = prepare_backend()
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(n_classes)])


class Killed(BaseException):
    pass


def fit(digits, clock, *, kill_after=None, log_dir=None, verbose=False, **fields):
    """The classifier, and for each batch the time in which it ended and its rate."""
    seen = []

    def ended(batch, logs):
        clock.now += BATCH
        seen.append((clock.read()["seconds"], float(callback.model.optimizer.learning_rate)))
        if len(seen) == kill_after:
            raise Killed

    def passing():
        nonlocal callback
        callback = prepare_backend().callbacks.LambdaCallback(on_train_batch_end=ended)
        return callback

    callback = None
    stack = TrainingStack(**({"batch_size": 50} | fields))
    model = NeuralClassifier(linear, stack=stack, callbacks=[passing], log_dir=log_dir, verbose=verbose)
    try:
        model.fit(*digits, meter=clock)
    except Killed:
        assert kill_after
    return model, np.array(seen).T


def cosine(share):
    return RATE * (1 + np.cos(np.pi * share)) / 2


def test_the_schedule_runs_over_the_time_and_leaves_some_for_validation(digits, clock, capsys):
    model, (ends, rates) = fit(digits, clock, time_budget=8.0, verbose=True)
    to_come = (120 + 2 * 200) / 50 * BATCH / 2
    assert ends[-1] == pytest.approx(8 - to_come, abs=BATCH)
    assert 8 - BATCH < ends[-1] + to_come < 8 + BATCH
    np.testing.assert_allclose(rates[2:], cosine((ends[2:] - BATCH) / (8 - to_come)), atol=RATE / 1000)
    assert len(model.history_["loss"]) == np.ceil(len(ends) / 4) > 10
    assert model.history_["learning_rate"] == pytest.approx([*rates[3::4], *rates[-1:]][: len(model.history_["loss"])])
    assert model.planned_epochs_ is None
    output = capsys.readouterr().out
    assert "epoch 3  loss" in output
    assert f"ended in epoch {len(model.history_['loss'])}\n" in output


def test_what_was_spent_before_is_no_part_of_the_schedule(digits, clock):
    clock.now += 6.0
    _, (ends, rates) = fit(digits, clock, time_budget=8.0)
    assert rates[0] == pytest.approx(RATE)
    assert rates[-1] < RATE / 10
    assert ends[-1] < 8
    clock.now += 10.0  # nothing is left: one batch, and not at rate 0
    assert fit(digits, clock, time_budget=8.0)[1][1] == pytest.approx([RATE])


def test_epochs_bound_a_training_that_the_time_would_let_go_on(digits, clock):
    model, (_, rates) = fit(digits, clock, time_budget=500.0, epochs=5)
    assert rates == pytest.approx(np.repeat(cosine(np.arange(5) / 5), 4), rel=1e-5)
    assert model.history_["loss"] == pytest.approx(fit(digits, clock, epochs=5)[0].history_["loss"], rel=1e-4)
    assert model.planned_epochs_ == 5


def test_whichever_is_nearer_to_its_end_sets_the_rate(digits, clock):
    _, (ends, rates) = fit(digits, clock, time_budget=6.0, epochs=40)
    assert 4 < ends[-1] < 6
    assert rates[-1] < RATE / 10
    assert all(a >= b for a, b in itertools.pairwise(rates))


def test_warmup_is_a_share_of_the_time(digits, clock):
    fields = {"schedule": "constant", "warmup_epochs": 5}  # of the ten that a budget counts as
    _, (ends, rates) = fit(digits, clock, time_budget=8.0, **fields)
    assert rates[0] == pytest.approx(RATE / 6)
    assert rates[ends > 4.2] == pytest.approx(RATE)
    assert np.all(np.diff(rates[ends < 3]) > 0)


@pytest.mark.slow
def test_a_resumed_training_goes_on_at_its_rate(digits, clock, tmp_path):
    clock.now += 1.0
    _, (_, undisturbed) = fit(digits, clock, time_budget=8.0)
    clock.now, clock.earlier = 1001.0, -1000.0
    fit(digits, clock, time_budget=8.0, log_dir=tmp_path, kill_after=14)  # in epoch 4
    clock.now, clock.earlier = 5000.5, -5000.0  # half a second of preparation, another time
    _, (_, rates) = fit(digits, clock, time_budget=8.0, log_dir=tmp_path)
    np.testing.assert_allclose(rates[2:], undisturbed[12 + 5 + 2 :], atol=RATE / 100)
    assert rates[-1] < RATE / 10
