import csv
import functools
import pickle
import re
import tempfile

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from cvclassic.errors import CVClassicError, InputError
from cvclassic.neural import NeuralClassifier, TrainingStack, cnn, linear_head, mlp, prepare_backend

FAST = TrainingStack(epochs=4, batch_size=32)


@pytest.fixture(scope="module")
def digits():
    """Real 8 x 8 digits as bytes: train, validation and test images, then their labels."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    rest, X_test, y_rest, y_test = train_test_split(images, data.target, test_size=400, random_state=0)
    X, X_val, y, y_val = train_test_split(rest, y_rest, test_size=200, random_state=0)
    return X, X_val, X_test, y, y_val, y_test


@pytest.fixture(scope="module")
def fitted(digits):
    X, X_val, _, y, y_val, _ = digits
    return NeuralClassifier(mlp, stack=FAST).fit(X, y, X_val, y_val)


def features(images):
    return images.reshape(len(images), -1) / np.float32(255)


def tiny(input_shape, n_classes):
    keras = prepare_backend()
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(n_classes)])


def with_softmax(input_shape, n_classes):
    model = tiny(input_shape, n_classes)
    model.layers[-1].activation = prepare_backend().activations.softmax
    return model


def no_model(input_shape, n_classes):
    return None


def one_score_too_many(input_shape, n_classes):
    return tiny(input_shape, n_classes + 1)


def test_mlp_learns_digits(digits, fitted):
    _, _, X_test, _, _, y_test = digits
    assert fitted.score(X_test, y_test) > 0.93
    assert fitted.input_shape_ == (8, 8, 1)
    assert fitted.n_features_in_ == 64
    assert fitted.n_parameters_ == 64 * 512 + 2 * 512 + 512 * 256 + 2 * 256 + 256 * 10 + 10
    assert set(fitted.history_) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert all(len(values) == FAST.epochs for values in fitted.history_.values())
    assert fitted.history_["learning_rate"][0] == pytest.approx(FAST.initial_learning_rate())
    assert np.all(np.diff(fitted.history_["learning_rate"]) < 0)


def test_cnn_learns_digits(digits):
    X, X_val, X_test, y, y_val, y_test = digits
    model = NeuralClassifier(cnn, stack=FAST).fit(X, y, X_val, y_val)
    assert model.score(X_test, y_test) > 0.95


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (20, 20, 1), (8, 8, 3), (33, 47, 3)])
@pytest.mark.parametrize("mirror", [False, True])
def test_cnn_takes_images_of_any_small_shape(shape, mirror):
    model = cnn(shape, 7, mirror=mirror)
    assert model.output_shape == (None, 7)
    assert model(np.zeros((2, *shape), np.float32)).shape == (2, 7)


def test_linear_head_is_the_linear_svm_of_its_docstring(digits):
    X, X_val, X_test, y, y_val, y_test = digits
    whitening = PCA(20, whiten=True, random_state=0).fit(features(X))
    A, A_val, A_test = (whitening.transform(features(part)) for part in (X, X_val, X_test))
    model = functools.partial(linear_head, l2=1e-3)
    head = NeuralClassifier(model, stack=TrainingStack(epochs=8, batch_size=32), loss="squared_hinge")
    head.fit(A, y, A_val, y_val)
    svm = LinearSVC(C=1 / (2 * 1e-3 * len(A) * 10), intercept_scaling=100, max_iter=10_000).fit(A, y)
    assert (head.predict(A_test) == svm.predict(A_test)).mean() > 0.97
    assert head.score(A_test, y_test) > svm.score(A_test, y_test) - 0.01
    together = np.corrcoef(head.decision_function(A_test).ravel(), svm.decision_function(A_test).ravel())[0, 1]
    assert together > 0.98
    assert head.n_parameters_ == 20 * 10 + 10
    assert not hasattr(head, "predict_proba")


@pytest.mark.parametrize("loss", ["hinge", "categorical_hinge"])
def test_the_other_hinge_losses_learn(digits, loss):
    X, _, X_test, y, _, y_test = digits
    scaler = StandardScaler().fit(features(X))
    head = NeuralClassifier(linear_head, stack=FAST, loss=loss).fit(scaler.transform(features(X)), y)
    assert head.score(scaler.transform(features(X_test)), y_test) > 0.85


def test_bytes_and_floats_are_the_same_images(digits, fitted):
    X_test = digits[2]
    as_floats = fitted.decision_function(X_test / np.float32(255))
    np.testing.assert_allclose(as_floats, fitted.decision_function(X_test), rtol=1e-3, atol=1e-3)


def test_probabilities_are_the_softmax_of_the_scores(digits, fitted):
    X_test = digits[2]
    probabilities, scores = fitted.predict_proba(X_test), fitted.decision_function(X_test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    odds = np.log(probabilities[:, 1:]) - np.log(probabilities[:, :1])
    np.testing.assert_allclose(odds, scores[:, 1:] - scores[:, :1], rtol=1e-3, atol=1e-3)
    assert (fitted.predict(X_test) == probabilities.argmax(axis=1)).all()


def test_labels_of_any_type_and_two_classes(digits):
    X, X_val, _, y, y_val, _ = digits
    names = np.array(["seven", "one"])
    train, val = np.isin(y, (1, 7)), np.isin(y_val, (1, 7))
    model = NeuralClassifier(tiny, stack=TrainingStack(learning_rate=0.03, epochs=4, batch_size=32))
    model.fit(X[train], names[(y[train] == 1).astype(int)], X_val[val], names[(y_val[val] == 1).astype(int)])
    assert model.classes_.tolist() == ["one", "seven"]
    scores, predicted = model.decision_function(X_val[val]), model.predict(X_val[val])
    assert scores.shape == (val.sum(),)
    assert (predicted == model.classes_[(scores > 0).astype(int)]).all()
    assert (predicted == names[(y_val[val] == 1).astype(int)]).mean() > 0.9


def test_the_best_validation_epoch_is_kept(digits):
    X, X_val, _, y, y_val, _ = digits
    stack = TrainingStack(learning_rate=0.2, schedule="constant", epochs=8, plateau_patience=50)
    model = NeuralClassifier(tiny, stack=stack).fit(X, y, X_val, y_val)
    losses = model.history_["val_loss"]
    assert model.best_epoch_ == np.argmin(losses) < len(losses) - 1, "a case where the last epoch is the best is none"
    assert log_loss(y_val, model.predict_proba(X_val)) == pytest.approx(min(losses), rel=1e-3)


def test_accuracy_can_choose_the_epoch(digits):
    X, X_val, _, y, y_val, _ = digits
    stack = TrainingStack(learning_rate=0.2, schedule="constant", epochs=6, monitor="val_accuracy")
    model = NeuralClassifier(tiny, stack=stack).fit(X, y, X_val, y_val)
    assert model.best_epoch_ == np.argmax(model.history_["val_accuracy"])
    assert model.score(X_val, y_val) == pytest.approx(max(model.history_["val_accuracy"]))


def test_training_stops_early_where_validation_gets_worse(digits):
    X, X_val, _, y, y_val, _ = digits
    wrong = (y_val + 1) % 10  # the better the network, the worse it looks
    stack = TrainingStack(epochs=20, early_stopping_patience=2, batch_size=20)
    model = NeuralClassifier(tiny, stack=stack).fit(X, y, X_val, wrong)
    assert len(model.history_["loss"]) == model.best_epoch_ + 1 + 2 < 20


def test_a_plateau_lowers_the_rate_below_the_schedule(digits):
    X, X_val, _, y, y_val, _ = digits
    wrong = (y_val + 1) % 10
    stack = TrainingStack(epochs=6, early_stopping_patience=6, plateau_patience=1, plateau_factor=0.1, batch_size=20)
    model = NeuralClassifier(tiny, stack=stack).fit(X, y, X_val, wrong)
    scheduled = stack.initial_learning_rate() * (1 + np.cos(np.pi * np.arange(6) / 6)) / 2
    assert model.history_["learning_rate"][-1] < 0.02 * scheduled[-1]


def test_without_validation_every_epoch_is_trained(digits):
    X, _, _, y, _, _ = digits
    model = NeuralClassifier(tiny, stack=FAST).fit(X, y)
    assert set(model.history_) == {"loss", "accuracy", "learning_rate"}
    assert model.best_epoch_ == FAST.epochs - 1


@pytest.mark.parametrize(("batch_size", "told"), [(20, [1, 2, 3, 4]), (64, [3, 4])])  # epochs of 60 and of 19 steps
def test_a_line_per_epoch_or_per_fifty_steps(digits, capsys, batch_size, told):
    X, X_val, _, y, y_val, _ = digits
    NeuralClassifier(tiny, stack=TrainingStack(epochs=4, batch_size=batch_size)).fit(X, y, X_val, y_val)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    figures = r"/4  loss \d+\.\d{3}  val_accuracy [01]\.\d{3}  lr 0\.0\d+  \d+\.\d s"
    assert [int(re.fullmatch(rf"epoch (\d){figures}", line)[1]) for line in lines] == told


def test_the_log_is_kept_and_nothing_else_is(digits, tmp_path, monkeypatch):
    X, X_val, _, y, y_val, _ = digits
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    log_dir = tmp_path / "new" / "log"
    model = NeuralClassifier(tiny, stack=FAST, log_dir=log_dir).fit(X, y, X_val, y_val)
    with open(log_dir / "training.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == pytest.approx(model.history_["val_loss"])
    assert list(scratch.iterdir()) == []
    assert [path.name for path in log_dir.iterdir()] == ["training.csv"]


def test_divergence_is_an_error_that_says_what_to_do(digits):
    X, _, _, y, _, _ = digits
    stack = TrainingStack(optimizer="sgd", learning_rate=1e8)
    with pytest.raises(CVClassicError, match=r"diverged: the loss became \w+ in epoch \d+; lower --learning-rate"):
        NeuralClassifier(linear_head, stack=stack, loss="squared_hinge").fit(features(X) * 30, y)


def test_the_seed_decides(digits):
    X, _, X_test, y, _, _ = digits
    stack = TrainingStack(epochs=2)
    first, again, other = (NeuralClassifier(tiny, stack=stack, seed=seed).fit(X, y) for seed in (1, 1, 2))
    np.testing.assert_allclose(again.decision_function(X_test), first.decision_function(X_test), rtol=1e-3, atol=1e-3)
    assert not np.allclose(other.decision_function(X_test), first.decision_function(X_test), rtol=1e-3, atol=1e-3)


def test_a_pickle_predicts_the_same_without_optimizer_state(digits, fitted):
    X_test = digits[2]
    pickled = pickle.dumps(fitted)
    back = pickle.loads(pickled)
    np.testing.assert_array_equal(back.predict(X_test), fitted.predict(X_test))
    np.testing.assert_allclose(back.predict_proba(X_test), fitted.predict_proba(X_test), rtol=1e-5, atol=1e-7)
    assert back.history_ == fitted.history_
    assert back.stack == FAST
    assert len(pickled) < 4 * fitted.n_parameters_ + 100_000


def test_a_pickle_says_nothing_of_where_it_was_trained(digits, tmp_path):
    logged = NeuralClassifier(tiny, stack=FAST, log_dir=tmp_path / "some" / "folder").fit(digits[0], digits[3])
    pickled = pickle.dumps(logged)
    assert str(tmp_path).encode() not in pickled
    assert pickle.loads(pickled).log_dir is None
    assert logged.log_dir == tmp_path / "some" / "folder"


def test_an_unfitted_classifier_can_be_pickled_and_cloned():
    model = NeuralClassifier(functools.partial(cnn, mirror=True), stack=FAST, seed=3)
    assert pickle.loads(pickle.dumps(model)).seed == 3
    assert clone(model).get_params()["stack"] == FAST


def test_validation_data_passes_a_pipeline_and_is_transformed(digits):
    X, X_val, _, y, y_val, _ = digits
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), NeuralClassifier(linear_head, stack=FAST), transform_input=["X_val"])
        pipeline.fit(features(X), y, X_val=features(X_val), y_val=y_val)
    net = pipeline[-1]
    expected = log_loss(y_val, net.predict_proba(pipeline[0].transform(features(X_val))))
    penalty = sum(float(loss) for loss in net.model_.losses)
    assert min(net.history_["val_loss"]) == pytest.approx(expected + penalty, rel=1e-3)
    assert log_loss(y_val, net.predict_proba(features(X_val))) > 1.5 * expected, "untransformed data would differ"


def test_grid_search(digits):
    X, _, _, y, _, _ = digits
    stacks = [TrainingStack(learning_rate=rate, batch_size=16, epochs=3) for rate in (1e-9, 0.03)]
    search = GridSearchCV(NeuralClassifier(tiny), {"stack": stacks}, cv=2, refit=False).fit(X[:200], y[:200])
    assert search.best_params_ == {"stack": stacks[1]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((40, 8), object)}, "dtype object"),
        ({"X": np.full((40, 8), np.nan)}, "NaN"),
        ({"X": np.zeros((40, 0))}, r"\(40, 0\)"),
        ({"X": np.zeros((40, 8, 8), np.int64)}, "int64"),
        ({"X": np.full((40, 8, 8), 3.0)}, r"\[0, 1\]"),
        ({"y": np.zeros(39)}, r"one label for each of the 40"),
        ({"y": np.zeros((40, 2))}, r"\(40, 2\)"),
        ({"y": np.zeros(40)}, "one class only"),
        ({"X_val": None}, "Only one of X_val and y_val"),
        ({"X_val": np.zeros((4, 9))}, "X_val"),
        ({"y_val": np.full(4, 7)}, r"labels that y lacks: \[7\]"),
        ({"loss": "mse"}, "squared_hinge"),
        ({"stack": "adam"}, "TrainingStack"),
        ({"model": "cnn"}, r"'cnn', a text; import the function: from .* import cnn, and give NeuralClassifier\(cnn\)"),
        ({"model": "ResNet-small"}, r"import resnet_small, and give NeuralClassifier\(resnet_small\)"),
        ({"model": "linear"}, r"functions \(mlp, .*\), to import: from cvclassic.neural import linear_head"),
        ({"model": 3}, r"model is 3; it must be a function"),
        ({"model": no_model}, "NoneType"),
        ({"model": with_softmax}, "softmax"),
        ({"model": one_score_too_many}, "3.*2 classes"),
    ],
)
def test_wrong_input_is_named(change, message):
    arrays = {"X": np.eye(40, 8), "y": np.arange(40) % 2, "X_val": np.eye(4, 8), "y_val": np.arange(4) % 2}
    parameters = {"model": tiny, "stack": FAST}
    arrays |= {name: value for name, value in change.items() if name in arrays}
    parameters |= {name: value for name, value in change.items() if name not in arrays}
    with pytest.raises(InputError, match=message):
        NeuralClassifier(**parameters).fit(**arrays)


def test_prediction_on_another_shape_is_an_error(fitted):
    with pytest.raises(InputError, match=r"\(9, 8, 1\).*\(8, 8, 1\)"):
        fitted.predict(np.zeros((2, 9, 8), np.uint8))


def test_prediction_before_fit_is_an_error():
    with pytest.raises(sklearn.exceptions.NotFittedError):
        NeuralClassifier(mlp).predict(np.zeros((2, 8, 8), np.uint8))
