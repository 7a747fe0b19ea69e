"""Batch normalization's statistics after a training: those of its samples, whatever the moving averages were."""

import functools

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cvclassic.neural import NeuralClassifier, TrainingStack, cnn, prepare_backend
from cvclassic.neural.normalization import normalizing, recalibrate, settling_steps

keras = prepare_backend()
layers = keras.layers


@pytest.fixture(scope="module")
def digits():
    """X, X_val, y, y_val: 150 and 120 of the 8 x 8 digits, images of bytes."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return images[:150], images[150:270], data.target[:150], data.target[150:270]


@keras.saving.register_keras_serializable(package="tests")
class Normalized(layers.Layer):
    """A user's layer that holds others."""

    def __init__(self, momentum, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.BatchNormalization(momentum=momentum)

    def call(self, inputs, training=None):
        return self.inner(inputs, training=training)


def nested(input_shape, n_classes, *, momentum):
    """Normalization in the model, in a model inside of it and in a layer inside of that, between dropout."""
    block = [keras.Input((32,)), layers.Dense(24, "relu"), Normalized(momentum), layers.Dropout(0.5)]
    network = [keras.Input(input_shape), layers.RandomFlip("horizontal"), layers.Flatten(), layers.Dropout(0.3)]
    network += [layers.Dense(32, "relu"), layers.BatchNormalization(momentum=momentum), keras.Sequential(block)]
    return keras.Sequential([*network, layers.Dense(n_classes)])


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.slow
def test_predictions_do_not_depend_on_the_steps_of_the_moving_averages(digits, validated):
    X, X_val, y, y_val = digits

    def fitted(momentum):
        stack = TrainingStack(epochs=4, batch_size=50, learning_rate=0.01)  # 12 steps
        model = NeuralClassifier(functools.partial(nested, momentum=momentum), stack=stack, verbose=False)
        return model.fit(X, y, *((X_val, y_val) if validated else ()))

    fast, slow = fitted(0.9), fitted(0.9999)
    np.testing.assert_allclose(fast.decision_function(X_val), slow.decision_function(X_val), rtol=1e-3, atol=1e-4)
    assert fast.best_epoch_ == slow.best_epoch_
    if validated:  # each epoch's figures too, by which the best one is chosen
        np.testing.assert_allclose(fast.history_["val_loss"], slow.history_["val_loss"], rtol=1e-3)
        assert slow.score(X_val, y_val) == pytest.approx(slow.history_["val_accuracy"][slow.best_epoch_])


@pytest.mark.parametrize("n", [200, 1101])  # one batch, and five of two sizes
def test_the_statistics_are_those_of_all_samples(n):
    X = (
        np.random.default_rng(0).gamma(2.0, size=(n, 5, 3)).astype(np.float32) * [1, 10, 100]
        + np.arange(n)[:, None, None]
    )
    network = keras.Sequential([keras.Input((5, 3)), layers.Dropout(0.5), layers.BatchNormalization()])
    recalibrate(network, X, seed=0)
    _, _, mean, variance = (np.array(weight) for weight in network.get_weights())
    np.testing.assert_allclose(mean, X.mean(axis=(0, 1)), rtol=1e-4)
    np.testing.assert_allclose(variance, X.var(axis=(0, 1)), rtol=1e-4)


def test_later_layers_get_what_earlier_ones_give_them():
    network = cnn((8, 8, 1), 10)
    X = np.random.default_rng(0).random((250, 8, 8, 1), np.float32) * 5 + 3
    recalibrate(network, X, seed=0)
    outputs = [layer.output for layer in normalizing(network)]
    for values in keras.Model(network.inputs, outputs).predict(X, verbose=0):
        np.testing.assert_allclose(values.mean(axis=(0, 1, 2)), 0, atol=1e-3)
        np.testing.assert_allclose(values.var(axis=(0, 1, 2)), 1, rtol=2e-2)  # keras adds 0.001 to the variance


def test_what_is_frozen_or_not_there_is_left_alone():
    X = np.random.default_rng(0).random((64, 6), np.float32) + 7
    frozen, free = layers.BatchNormalization(axis=1), layers.BatchNormalization(name="free")
    frozen.trainable = False
    plain = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dropout(0.5)])
    for network, changed in ((plain, False), (keras.Sequential([keras.Input((6,)), frozen, plain, free]), True)):
        before = network.get_weights()
        calls = [layer.call for layer in network._flatten_layers()]
        recalibrate(network, X, seed=0)
        assert [layer.call for layer in network._flatten_layers()] == calls
        same = [np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True)]
        assert same[:6] == [True] * len(same[:6])
        assert all(same) is not changed


@pytest.mark.parametrize(("momentum", "steps"), [(0.9, 44), (0.99, 459)])
def test_moving_averages_settle_when_their_beginning_is_forgotten(momentum, steps):
    network = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(momentum=momentum), layers.Dense(2)])
    assert settling_steps(network) == steps
    assert momentum**steps <= 0.01
    assert settling_steps(keras.Sequential([keras.Input((4,)), layers.Dense(2)])) == 0
