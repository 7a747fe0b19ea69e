"""What `converged_` says of trainings that ended too soon, in time, or by their own patience."""

import functools

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cvclassic.neural import NeuralClassifier, TrainingStack, mlp
from cvclassic.neural.convergence import worthwhile


@pytest.fixture(scope="module")
def digits():
    """X, y, X_val, y_val: 400 and 200 of the 8 x 8 digits, images of bytes."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return images[:400], data.target[:400], images[400:600], data.target[400:600]


@pytest.mark.parametrize(
    ("losses", "error", "more"),
    [
        ([2.0, 1.0, 0.9, 0.8], 0.3, True),  # a fall of 20 % of an error of 30 %
        ([2.0, 1.0, 0.9, 0.98], 0.3, True),
        ([2.0, 1.0, 0.97, 0.98], 0.3, False),
        ([2.0, 1.0, 1.1, 1.2], 0.3, False),
        ([2.0, 1.0, 0.2, 0.1], 0.02, False),
        ([2.0, 0.0, 0.0, 0.0], 0.3, False),
        ([2.0], 0.3, True),
        ([2.0], 0.01, False),
    ],
)
def test_more_steps_are_worth_their_while_where_a_falling_loss_meets_an_error(losses, error, more):
    assert worthwhile(losses, error) is more


@pytest.mark.slow
@pytest.mark.parametrize("n_validation", [0, 30, 200])
def test_a_network_that_had_no_time_was_still_learning(digits, n_validation):
    X, y, X_val, y_val = digits
    validation = (X_val[:n_validation], y_val[:n_validation]) if n_validation else ()

    def converged(**fields):
        stack = TrainingStack(batch_size=50, **fields)
        return (
            NeuralClassifier(functools.partial(mlp, width=64), stack=stack, verbose=False)
            .fit(X, y, *validation)
            .converged_
        )

    assert converged(epochs=2) is False
    assert converged(epochs=2, min_steps=320) is True


def test_one_that_waited_in_vain_has_converged(digits):
    X, y, X_val, y_val = digits
    stack = TrainingStack(epochs=40, early_stopping_patience=1, batch_size=8)
    wrong = (y_val + 1) % 10  # the better the network, the worse it looks
    model = NeuralClassifier(functools.partial(mlp, width=16), stack=stack, verbose=False).fit(X, y, X_val, wrong)
    assert len(model.history_["loss"]) < model.planned_epochs_ == 40
    assert model.converged_ is True


def test_few_validation_samples_choose_nothing(digits):
    X, y, X_val, y_val = digits
    stack = TrainingStack(epochs=12, early_stopping_patience=1, batch_size=8)
    wrong = (y_val[:99] + 1) % 10
    model = NeuralClassifier(functools.partial(mlp, width=16), stack=stack, verbose=False).fit(X, y, X_val[:99], wrong)
    assert len(model.history_["val_loss"]) == 12
    assert model.best_epoch_ == 11
    assert model.overfit_epoch_ is None
    assert model.history_["learning_rate"] == pytest.approx([stack.scheduled_rate(e / 12) for e in range(12)], rel=1e-4)
