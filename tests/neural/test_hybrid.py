"""The hybrid network, and auxiliary outputs of any network."""

import os
import pickle
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from cvclassic.errors import InputError
from cvclassic.neural import NeuralClassifier, TrainingStack, hybrid, prepare_backend

keras = prepare_backend()


@pytest.fixture(scope="module")
def digits():
    """Real digits as bytes, 8 x 8: training and validation images, then their labels."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return train_test_split(images, data.target, test_size=400, random_state=0)


@pytest.fixture(scope="module")
def fitted(digits):
    X, X_val, y, y_val = digits
    return NeuralClassifier(hybrid, stack=TrainingStack(epochs=4, batch_size=32)).fit(X, y, X_val, y_val)


def test_hybrid_learns_digits_and_keeps_the_figures_of_its_first_output(digits, fitted):
    _, X_val, _, y_val = digits
    assert fitted.score(X_val, y_val) > 0.95
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"} == set(fitted.history_)
    best = fitted.best_epoch_
    assert fitted.history_["val_accuracy"][best] == pytest.approx(fitted.score(X_val, y_val))
    # The history's with batch normalization's moving averages, the classifier's with statistics computed anew.
    assert fitted.history_["val_loss"][best] == pytest.approx(log_loss(y_val, fitted.predict_proba(X_val)), rel=0.15)


@pytest.mark.slow
def test_hybrid_in_another_process(digits, fitted, tmp_path):
    X_val = digits[1][:50]
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(fitted))
    np.save(tmp_path / "images.npy", X_val)
    code = """
import pickle, sys
import numpy as np
with open(sys.argv[1] + "/model.pickle", "rb") as file:
    model = pickle.load(file)
np.save(sys.argv[1] + "/scores.npy", model.decision_function(np.load(sys.argv[1] + "/images.npy")))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    scores = np.load(tmp_path / "scores.npy")
    np.testing.assert_allclose(scores, fitted.decision_function(X_val), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (8, 9, 1), (33, 47, 3)])
def test_hybrid_takes_images_of_any_small_shape(shape):
    model = hybrid(shape, 7, mirror=True)
    assert [output.shape for output in model.outputs] == [(None, 7), (None, 7)]
    assert len(model(np.zeros((2, *shape), np.float32))) == 2


@pytest.mark.parametrize("kept", ["convolutions", "hog"])
def test_both_the_convolutions_and_the_hog_decide(digits, kept):
    images = digits[0][:20, ..., np.newaxis] / np.float32(255)
    model = hybrid(images.shape[1:], 10)
    [last] = [layer for layer in model.layers if layer.output is model.outputs[0]]
    kernel, bias = last.get_weights()
    of_convolutions = np.arange(len(kernel)) < model.get_layer("cnn").outputs[0].shape[1]
    kept_rows = of_convolutions if kept == "convolutions" else ~of_convolutions
    last.set_weights([kernel * kept_rows[:, np.newaxis], bias])
    scores = keras.ops.convert_to_numpy(model(images)[0])
    assert scores.std(axis=0).min() > 1e-3, "the images have the same scores"


def two_heads(input_shape, n_classes, *, weight=None, l2=0.0):
    """One linear layer that predicts, and another of its own as the auxiliary output; both begin at 0."""
    inputs = keras.Input(input_shape)
    flat = keras.layers.Flatten()(inputs)
    heads = [
        keras.layers.Dense(
            n_classes, kernel_initializer=start, kernel_regularizer=keras.regularizers.L2(l2) if l2 else None
        )
        for start in ("zeros", keras.initializers.Constant(0.1))
    ]
    model = keras.Model(inputs, [head(flat) for head in heads])
    if weight is not None:
        model.auxiliary_weight = weight
    return model


def first_loss(model, X, y, **parameters):
    """The training loss before anything is learned: one batch, rate next to 0."""
    stack = TrainingStack(optimizer="sgd", learning_rate=1e-12, epochs=1, batch_size=len(X))
    classifier = NeuralClassifier(model, stack=stack, **parameters).fit(X, y, X, y)
    return classifier.history_["loss"][0], classifier.history_["val_loss"][0]


@pytest.mark.parametrize("weight", [0.0, 0.5, None])
def test_the_auxiliary_output_adds_its_share_to_the_training_loss_alone(digits, weight):
    X, y = digits[0][:200], digits[2][:200]
    loss, validation = first_loss(partial(two_heads, weight=weight), X, y)
    # Both outputs give all classes the same score, and so the loss of a guess.
    assert loss == pytest.approx(np.log(10) * (1 + (0.3 if weight is None else weight)), rel=1e-4)
    assert validation == pytest.approx(np.log(10), rel=1e-4)


def test_penalties_of_weights_count_once(digits):
    X, y = digits[0][:200], digits[2][:200]
    loss, validation = first_loss(partial(two_heads, weight=0.5, l2=0.1), X, y)
    penalty = 0.1 * 640 * 0.1**2
    assert loss == pytest.approx(1.5 * np.log(10) + penalty, rel=1e-4)
    assert validation == pytest.approx(np.log(10) + penalty, rel=1e-4)


def test_the_auxiliary_output_learns_and_its_weight_matters(digits):
    X, _, y, _ = digits
    stack = TrainingStack(epochs=1, batch_size=32)
    layers = []

    def watched(input_shape, n_classes, *, weight):
        model = two_heads(input_shape, n_classes, weight=weight)
        layers.append(model.layers[-1])
        return model

    for weight in (0.0, 1.0):
        NeuralClassifier(partial(watched, weight=weight), stack=stack).fit(X, y)
    np.testing.assert_array_equal(layers[0].get_weights()[0], np.float32(0.1))
    assert layers[1].get_weights()[0].std() > 0.01


def test_an_auxiliary_output_of_another_shape_is_an_error(digits):
    def wrong(input_shape, n_classes):
        model = two_heads(input_shape, n_classes)
        return keras.Model(model.inputs, [model.outputs[0], keras.layers.Dense(3)(model.outputs[1])])

    with pytest.raises(InputError, match=r"\(None, 3\).*10 classes"):
        NeuralClassifier(wrong).fit(digits[0], digits[2])
