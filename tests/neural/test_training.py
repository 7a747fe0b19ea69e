"""Schedules, losses, activations, regularization and callbacks, each through a real training on real digits."""

import functools
import pickle

import numpy as np
import pytest
from scipy.special import erf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.estimator_checks import check_get_params_invariance, check_set_params

from cvclassic.errors import InputError
from cvclassic.neural import NeuralClassifier, TrainingStack, cnn, mlp, prepare_backend, resnet_small
from cvclassic.neural.losses import LOSSES


@pytest.fixture(scope="module")
def digits():
    """Some of the 8 x 8 digits: X, X_val, y, y_val; images of bytes."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    X, X_val, y, y_val = train_test_split(images, data.target, train_size=400, test_size=200, random_state=0)
    return X, X_val, y, y_val


def tiny(input_shape, n_classes, *, seed=0):
    keras = prepare_backend()
    start = keras.initializers.GlorotUniform(seed)
    dense = keras.layers.Dense(n_classes, kernel_initializer=start)
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), dense])


def to_numpy(tensor):
    return np.array(prepare_backend().ops.convert_to_numpy(tensor))


def softmax(scores):
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def train(digits, model=tiny, *, validation=True, **parameters):
    X, X_val, y, y_val = digits
    fields = {name: parameters.pop(name) for name in list(parameters) if name in TrainingStack.__dataclass_fields__}
    stack = TrainingStack(**({"epochs": 2, "batch_size": 50} | fields))
    return NeuralClassifier(model, stack=stack, **parameters).fit(X, y, *((X_val, y_val) if validation else ()))


E = np.arange(6)


@pytest.mark.parametrize(
    ("fields", "factors"),
    [
        ({"schedule": "constant"}, np.ones(6)),
        ({"schedule": "inverse_time"}, 1 / (1 + E)),
        ({"schedule": "inverse_time", "decay": 0.3}, 1 / (1 + 0.3 * E)),
        ({"schedule": "exponential"}, 0.9**E),
        ({"schedule": "exponential", "decay": 0.6}, 0.6**E),
        ({"schedule": "step"}, [1, 1, 0.5, 0.5, 0.25, 0.25]),
        ({"schedule": "step", "decay": 0.1, "decay_epochs": 3}, [1, 1, 1, 0.1, 0.1, 0.1]),
        ({"schedule": "cosine"}, (1 + np.cos(np.pi * E / 6)) / 2),
        ({"schedule": "cosine", "warmup_epochs": 2}, [1 / 3, 2 / 3, *(1 + np.cos(np.pi * E[:4] / 4)) / 2]),
        ({"schedule": "constant", "warmup_epochs": 3}, [1 / 4, 1 / 2, 3 / 4, 1, 1, 1]),
    ],
    ids=str,
)
def test_the_history_shows_the_schedules_rates(digits, fields, factors):
    model = train([part[:50] for part in digits], learning_rate=0.004, epochs=6, plateau_patience=50, **fields)
    np.testing.assert_allclose(model.history_["learning_rate"], 0.004 * np.asarray(factors), rtol=1e-5)
    scheduled = [model.stack.scheduled_rate(e / 6) for e in E]
    np.testing.assert_allclose(scheduled, model.history_["learning_rate"], rtol=1e-5)


def weighted_focal(y_true, y_pred):
    """A user's own loss."""
    ops = prepare_backend().ops
    return ops.sum(-y_true * ops.log_softmax(y_pred), axis=-1) * 3


def numpy_loss(name, one_hot, scores):
    """Each sample's loss, from its formula."""
    p, signs, own = softmax(scores), 2 * one_hot - 1, (one_hot * scores).sum(axis=1)
    p_own = (one_hot * p).sum(axis=1)
    return {
        "sparse_categorical_crossentropy": -np.log(p_own),
        "categorical_crossentropy": -np.log(p_own),
        "focal": -((1 - p_own) ** 2) * np.log(p_own),
        "mean_squared_error": ((one_hot - p) ** 2).mean(axis=1),
        "hinge": np.maximum(1 - signs * scores, 0).mean(axis=1),
        "squared_hinge": (np.maximum(1 - signs * scores, 0) ** 2).mean(axis=1),
        "categorical_hinge": np.maximum(1 + (scores - 1e9 * one_hot).max(axis=1) - own, 0),
        weighted_focal: -3 * np.log(p_own),
    }[name]


@pytest.mark.parametrize("loss", [*LOSSES, weighted_focal])
def test_the_validation_loss_is_the_formulas(digits, loss):
    _, X_val, _, y_val = digits
    model = train(digits, loss=loss, epochs=6, learning_rate=0.03)
    scores = model.decision_function(X_val)
    assert model.history_["val_loss"][model.best_epoch_] == pytest.approx(
        numpy_loss(loss, np.eye(10)[y_val], scores.astype(np.float64)).mean(), rel=2e-3
    )
    assert model.history_["loss"][-1] < 0.8 * model.history_["loss"][0]
    assert model.score(X_val, y_val) > 0.6
    assert hasattr(model, "predict_proba") == (loss in LOSSES[:4])


def test_one_hot_and_sparse_cross_entropy_train_the_same_network(digits):
    sparse, one_hot = (train(digits, loss=loss) for loss in ("sparse_categorical_crossentropy", LOSSES[1]))
    assert one_hot.history_["loss"] == pytest.approx(sparse.history_["loss"], rel=1e-3)


def test_probabilities_of_each_such_loss_are_the_softmax(digits):
    model = train(digits, loss="focal")
    expected = softmax(model.decision_function(digits[1]))
    np.testing.assert_allclose(model.predict_proba(digits[1]), expected, rtol=1e-3, atol=1e-6)


def test_class_weights_weigh_the_loss_and_its_validation(digits):
    _, X_val, y, y_val = digits
    weights = {3: 10.0, 8: 0.0}
    model = train(digits, class_weight=weights, epochs=4, learning_rate=0.03)
    losses = numpy_loss(LOSSES[0], np.eye(10)[y_val], model.decision_function(X_val).astype(np.float64))
    expected = (losses * np.array([weights.get(label, 1) for label in y_val])).mean()
    assert model.history_["val_loss"][model.best_epoch_] == pytest.approx(expected, rel=2e-3)
    assert (model.predict(X_val) == 8).sum() < 0.2 * (y_val == 8).sum()
    few = np.concatenate([np.flatnonzero(y != 1), np.flatnonzero(y == 1)[:3]])
    rare = digits[0][few], X_val, y[few], y_val
    balanced = train(rare, class_weight="balanced", epochs=1)
    explicit = dict(enumerate(compute_class_weight("balanced", classes=np.arange(10), y=y[few])))
    assert balanced.history_["loss"] == pytest.approx(train(rare, class_weight=explicit, epochs=1).history_["loss"])
    assert abs(balanced.history_["loss"][0] / train(rare, epochs=1).history_["loss"][0] - 1) > 0.01


def test_the_class_of_least_expected_cost_is_predicted(digits):
    _, X_val, _, y_val = digits
    costs = 1 - np.eye(10)
    costs[3, :] = 20
    costs[3, 3] = 0  # a missed 3 is dear
    plain, careful = train(digits), train(digits, cost_matrix=costs.tolist())
    probabilities = careful.predict_proba(X_val)
    np.testing.assert_allclose(probabilities, plain.predict_proba(X_val), rtol=1e-2, atol=1e-4)
    expected = [min(range(10), key=lambda j: sum(row[i] * costs[i, j] for i in range(10))) for row in probabilities]
    assert careful.predict(X_val).tolist() == expected
    assert careful.decision_function(X_val).argmax(axis=1).tolist() == expected
    assert (careful.predict(X_val) == 3).sum() > (plain.predict(X_val) == 3).sum()
    assert costs[y_val, careful.predict(X_val)].sum() < costs[y_val, plain.predict(X_val)].sum()


ACTIVATION_FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "prelu": lambda x: np.where(x > 0, x, 0 * x),  # before training
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x / 2 * (1 + erf(x / np.sqrt(2))),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "maxout": lambda x: x.reshape(len(x), -1, 2).max(axis=2),
}


@pytest.mark.parametrize("name", ACTIVATION_FORMULAS)
def test_activations_are_the_formulas(name):
    model = mlp((5,), 3, depth=1, width=20, activation=name, batch_normalization=False)
    x = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    (W, b), (V, c) = (layer.get_weights() for layer in model.layers if "dense" in layer.name)
    expected = ACTIVATION_FORMULAS[name](x @ W + b) @ V + c
    np.testing.assert_allclose(to_numpy(model(x)), expected, rtol=1e-3, atol=1e-4)


def test_the_cnn_has_each_activation():
    keras, x, outputs = prepare_backend(), np.random.default_rng(0).random((2, 8, 8, 1), np.float32), []
    for name in ACTIVATION_FORMULAS:
        keras.utils.set_random_seed(0)
        outputs.append(to_numpy(cnn((8, 8, 1), 3, activation=name)(x)).ravel())
    outputs[2] = outputs[2] + 1  # prelu is relu before training
    assert np.linalg.norm(np.array(outputs)[:, None] - outputs, axis=2)[~np.eye(8, dtype=bool)].min() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prelu", "maxout"])
def test_activations_with_weights_of_their_own_learn_and_are_pickled(digits, name):
    model = train(digits, functools.partial(cnn, activation=name), epochs=1, batch_size=20)
    assert model.history_["loss"][0] < 2.3
    slopes = [layer.get_weights()[0] for layer in model.model_.layers[-1].layers if "p_re_lu" in layer.name]
    assert [slope.size for slope in slopes] == ([32, 64, 128, 128] if name == "prelu" else [])
    assert all(slope.any() for slope in slopes), "slopes are learned"
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(back.decision_function(digits[1]), model.decision_function(digits[1]), rtol=1e-3)


@pytest.mark.parametrize("model", [mlp, cnn])
def test_penalties_are_the_sums_of_the_weights(model):
    network = model((8, 8, 1), 10, l1=0.01, l2=0.1)
    kernels = [layer.get_weights()[0] for layer in network.layers if hasattr(layer, "kernel")]
    expected = sum(0.01 * np.abs(k).sum() + 0.1 * np.square(k).sum() for k in kernels)
    assert sum(map(float, network.losses)) == pytest.approx(expected, rel=1e-4)
    assert len(kernels) == len(network.losses)
    assert model((8, 8, 1), 10).losses == []


@pytest.mark.parametrize("model", [mlp, cnn])
def test_normalization_and_dropout_can_be_chosen(model):
    def layers(**options):
        return [type(layer).__name__ for layer in model((8, 8, 1), 10, **options).layers]

    assert "FusedBatchNormalization" in layers()
    assert "FusedBatchNormalization" not in layers(batch_normalization=False)
    network = model((8, 8, 1), 10, dropout=0.6)
    assert {layer.rate for layer in network.layers if "dropout" in layer.name} == {0.6}


@pytest.mark.parametrize(
    ("options", "widths"),
    [
        ({}, [512, 256]),
        ({"depth": 0}, []),
        ({"depth": 4, "width": 64}, [64, 32, 16, 16]),
        ({"depth": 3, "width": 8}, [8, 8, 8]),
    ],
)
def test_depth_and_width_of_the_mlp(options, widths):
    network = mlp((8, 8, 1), 10, **options)
    assert [layer.units for layer in network.layers if hasattr(layer, "units")] == [*widths, 10]


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (33, 47, 3)])
def test_resnet_small_takes_images_of_any_small_shape(shape):
    network = resnet_small(shape, 7, width=4)
    assert network(np.zeros((2, *shape), np.float32)).shape == (2, 7)
    assert [layer.filters for layer in network.layers if hasattr(layer, "filters")] == [4, 8, 8, 8, 16, 16, 16]


@pytest.mark.slow
def test_resnet_small_adds_what_its_blocks_find(digits):
    network = resnet_small((16, 16, 1), 3, width=4)
    add = next(layer for layer in network.layers if type(layer).__name__ == "Add")
    shortcut, found = add.input
    keras = prepare_backend()
    branch = keras.Model(network.inputs, [shortcut, found, add.output])
    image = np.random.default_rng(0).random((1, 16, 16, 1), np.float32)
    shortcut, found, total = (to_numpy(output) for output in branch(image))
    np.testing.assert_allclose(total, shortcut + found, rtol=1e-5)
    assert found.any()
    model = train(digits, functools.partial(resnet_small, width=8), epochs=3, batch_size=20, learning_rate=0.01)
    assert model.score(digits[1], digits[3]) > 0.7


@pytest.mark.parametrize("model", [mlp, cnn, resnet_small])
def test_training_images_are_shifted_and_mirrored(model):
    image = np.zeros((1, 16, 16, 1), np.float32)
    image[0, 8, 5] = 1

    def places(**options):
        network = model((16, 16, 1), 3, **options)
        augment = [layer for layer in network.layers if "random" in layer.name]
        found = set()
        for _ in range(60):
            x = image
            for layer in augment:
                x = layer(x, training=True)
            found |= {tuple(place) for place in np.argwhere(to_numpy(x)[0, :, :, 0] > 0.5).tolist()}
        return found

    assert places() == {(8, 5)}
    assert places(mirror=True) == {(8, 5), (8, 10)}
    shifted = places(shift=2)
    assert len(shifted) > 8
    assert all(abs(row - 8) <= 2 and abs(column - 5) <= 2 for row, column in shifted)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (functools.partial(mlp, activation="softplus"), "activation='softplus'.*maxout"),
        (functools.partial(mlp, depth=-1), "depth=-1"),
        (functools.partial(mlp, width=0), "width=0"),
        (functools.partial(cnn, shift=1.5), "shift=1.5"),
    ],
)
def test_a_wrong_model_parameter_is_named(model, message):
    with pytest.raises(InputError, match=message):
        model((8, 8, 1), 10)


def test_mirror_is_for_images():
    with pytest.raises(InputError, match="for images"):
        mlp((20,), 3, mirror=True)


def test_get_params_and_set_params_reach_the_model():
    model = NeuralClassifier(functools.partial(mlp, depth=1))
    assert model.get_params()["model__depth"] == 1
    assert model.get_params()["model__activation"] == "relu"
    assert "model__depth" not in model.get_params(deep=False)
    model.set_params(model__activation="elu", seed=5)
    assert (model.get_params()["model__activation"], model.get_params()["model__depth"], model.seed) == ("elu", 1, 5)
    assert model.set_params(model=tiny, model__seed=3).get_params()["model__seed"] == 3
    with pytest.raises(InputError, match=r"tiny has no parameter for model__depth.*model__seed"):
        model.set_params(model__depth=2)
    with pytest.raises(ValueError, match="wrong"):
        model.set_params(wrong=1)


def test_scikit_learns_checks_of_parameters():
    check_get_params_invariance("NeuralClassifier", NeuralClassifier(mlp))
    check_set_params("NeuralClassifier", NeuralClassifier(mlp))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"class_weight": "even"}, "balanced"),
        ({"class_weight": {10: 2.0}}, "names 10"),
        ({"class_weight": {1: -2.0}}, "at least 0"),
        ({"cost_matrix": np.ones((3, 3))}, r"\(3, 3\).*10 classes"),
        ({"cost_matrix": np.eye(10)}, "row 0"),
        ({"cost_matrix": 1 - np.eye(10), "loss": "hinge"}, "needs probabilities"),
        ({"batch_size": 401}, "batch_size=401 is larger than the training set of 400"),
        ({"tensorboard": True}, "log_dir"),
    ],
)
def test_what_does_not_fit_together_is_named(digits, parameters, message):
    with pytest.raises(InputError, match=message):
        train(digits, **parameters)


def test_one_hot_labels_and_unscaled_features_are_named(digits):
    X, _, y, _ = digits
    with pytest.raises(InputError, match=r"one-hot rows; give the labels themselves, y.argmax"):
        NeuralClassifier(tiny).fit(X, np.eye(10)[y])
    with pytest.raises(InputError, match=r"unscaled: their root mean square.*StandardScaler"):
        NeuralClassifier(tiny).fit(X.reshape(len(X), -1), y)
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        NeuralClassifier(tiny).fit(X.astype(np.float32), y)
