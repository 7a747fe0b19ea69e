"""Keras's optimizers, as the stack makes them, against the textbook's formulas in NumPy."""

import numpy as np
import pytest

from cvclassic.neural import TrainingStack, prepare_backend

STEPS = 6
START = np.array([1.5, -2.0, 0.3])
CURVATURE = np.array([3.0, 0.5, 1.0])


def told(value):
    """The test's name says the fields; the formulas, functions with an address, would name it anew in each process."""
    return str(value) if isinstance(value, dict) else None


def gradient(x):
    """Of a quadratic with a different curvature along each axis."""
    return CURVATURE * (x - np.array([0.2, 0.1, -0.4]))


def by_keras(**fields):
    """The positions after each step of the stack's optimizer."""
    keras = prepare_backend()
    variable = keras.Variable(START.astype(np.float32))
    optimizer = TrainingStack(**fields).make_optimizer()
    positions = [START.astype(np.float32)]
    for _ in range(STEPS):
        optimizer.apply([keras.ops.convert_to_tensor(gradient(positions[-1]).astype(np.float32))], [variable])
        positions.append(np.array(keras.ops.convert_to_numpy(variable)))
    return np.array(positions[1:])


def by_formula(step, weight_decay=0.0, rate=None):
    """The positions after each step of `step(x, g, state, i)`, which returns the new x; i counts from 1."""
    x, state, positions = START.copy(), {}, []
    for i in range(1, STEPS + 1):
        g = gradient(x)
        x = step(x * (1 - weight_decay * (rate or 0)), g, state, i)
        positions.append(x)
    return np.array(positions)


def sgd(a):
    return lambda x, g, state, i: x - a * g


def momentum(a, b):
    def step(x, g, state, i):
        state["v"] = b * state.get("v", 0) - a * g
        return x + state["v"]

    return step


def adagrad(a, epsilon, start):
    def step(x, g, state, i):
        state["sum"] = state.get("sum", start) + g**2
        return x - a * g / np.sqrt(state["sum"] + epsilon)

    return step


def rmsprop(a, rho, epsilon, b=0.0):
    def step(x, g, state, i):
        state["mean"] = rho * state.get("mean", 0) + (1 - rho) * g**2
        state["v"] = b * state.get("v", 0) + a * g / np.sqrt(state["mean"] + epsilon)
        return x - state["v"]

    return step


def adam(a, b1, b2, epsilon, corrected=True):
    def step(x, g, state, i):
        state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
        state["v"] = b2 * state.get("v", 0) + (1 - b2) * g**2
        m, v = state["m"], state["v"]
        if corrected:
            m, v = m / (1 - b1**i), v / (1 - b2**i)
        return x - a * m / (np.sqrt(v) + epsilon)

    return step


def nadam(a, b1, b2, epsilon):
    """Dozat's schedule of the momentum, 0.96 being its constant."""

    def mu(i):
        return b1 * (1 - 0.5 * 0.96**i)

    def step(x, g, state, i):
        state["product"] = state.get("product", 1) * mu(i)
        state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
        state["v"] = b2 * state.get("v", 0) + (1 - b2) * g**2
        m = mu(i + 1) * state["m"] / (1 - state["product"] * mu(i + 1)) + (1 - mu(i)) * g / (1 - state["product"])
        return x - a * m / (np.sqrt(state["v"] / (1 - b2**i)) + epsilon)

    return step


def close(actual, expected):
    # In single precision 1 - 0.999, of Adam's correction, is off by 2e-5 already.
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "step"),
    [
        ({"optimizer": "sgd", "learning_rate": 0.1}, sgd(0.1)),
        ({"optimizer": "momentum", "learning_rate": 0.1}, momentum(0.1, 0.9)),
        ({"optimizer": "momentum", "learning_rate": 0.1, "momentum": 0.5}, momentum(0.1, 0.5)),
        # Keras starts the sum at 0.1 and adds epsilon under the root; Duchi et al. start at 0 and add it outside.
        ({"optimizer": "adagrad", "learning_rate": 0.1}, adagrad(0.1, 1e-7, 0.1)),
        ({"optimizer": "adagrad", "learning_rate": 0.1, "epsilon": 0.2}, adagrad(0.1, 0.2, 0.1)),
        # Epsilon under the root; Hinton's lecture has none.
        ({"optimizer": "rmsprop", "learning_rate": 0.1}, rmsprop(0.1, 0.9, 1e-7)),
        ({"optimizer": "rmsprop", "learning_rate": 0.1, "rho": 0.5, "epsilon": 0.1}, rmsprop(0.1, 0.5, 0.1)),
        ({"optimizer": "rmsprop", "learning_rate": 0.1, "momentum": 0.7}, rmsprop(0.1, 0.9, 1e-7, 0.7)),
        ({"optimizer": "adam", "learning_rate": 0.1}, adam(0.1, 0.9, 0.999, 1e-7)),
        ({"optimizer": "adam", "learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9}, adam(0.1, 0.5, 0.9, 1e-7)),
        ({"optimizer": "nadam", "learning_rate": 0.1}, nadam(0.1, 0.9, 0.999, 1e-7)),
        ({"optimizer": "nadam", "learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9}, nadam(0.1, 0.5, 0.9, 1e-7)),
    ],
    ids=told,
)
def test_updates_are_the_textbooks(fields, step):
    close(by_keras(**fields), by_formula(step))


def test_nesterov_takes_the_gradient_ahead():
    """Keras moves the point ahead, y = x + b v, by b v' - a g(y); the textbook's x is y - b v."""
    a, b = 0.1, 0.9
    x, v, ahead = START.copy(), np.zeros(3), []
    for _ in range(STEPS):
        v = b * v - a * gradient(x + b * v)
        x = x + v
        ahead.append(x + b * v)
    close(by_keras(optimizer="nesterov", learning_rate=a), np.array(ahead))
    assert np.abs(by_keras(optimizer="momentum", learning_rate=a) - ahead).max() > 0.1


def test_without_bias_correction_adam_starts_with_another_step():
    corrected = by_keras(optimizer="adam", learning_rate=0.1)
    uncorrected = by_formula(adam(0.1, 0.9, 0.999, 1e-7, corrected=False))
    np.testing.assert_allclose(np.abs(corrected[0] - START), 0.1, rtol=1e-4)
    np.testing.assert_allclose(np.abs(uncorrected[0] - START), 0.1 * 0.1 / np.sqrt(0.001), rtol=1e-4)


def test_adams_epsilon_is_outside_of_the_root_and_before_the_correction():
    """Keras divides by sqrt(v) + epsilon, v uncorrected: the paper's formula with epsilon / sqrt(1 - beta_2 ** i)."""
    a, b1, b2, epsilon = 0.1, 0.9, 0.999, 0.05

    def step(x, g, state, i):
        return adam(a, b1, b2, epsilon / np.sqrt(1 - b2**i))(x, g, state, i)

    close(by_keras(optimizer="adam", learning_rate=a, epsilon=epsilon), by_formula(step))


@pytest.mark.parametrize(
    ("fields", "step", "decay"),
    [
        ({"optimizer": "adamw"}, adam(0.1, 0.9, 0.999, 1e-7), 0.004),
        ({"optimizer": "adamw", "weight_decay": 0.3}, adam(0.1, 0.9, 0.999, 1e-7), 0.3),
        ({"optimizer": "sgd", "weight_decay": 0.3}, sgd(0.1), 0.3),
    ],
    ids=told,
)
def test_weight_decay_is_apart_from_the_gradient(fields, step, decay):
    close(by_keras(learning_rate=0.1, **fields), by_formula(step, decay, 0.1))
