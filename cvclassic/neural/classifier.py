"""`NeuralClassifier`: a Keras network as a scikit-learn classifier."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import CVClassicError, InputError
from cvclassic.images import check_images
from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.stack import TrainingStack

CROSS_ENTROPY = "sparse_categorical_crossentropy"
LOSSES = (CROSS_ENTROPY, "squared_hinge", "hinge", "categorical_hinge")

# Prediction keeps no activations, so its batches can be larger than those of training.
PREDICTION_BATCH_SIZE = 512


class NeuralClassifier(ClassifierMixin, BaseEstimator):
    """A Keras network as a scikit-learn classifier of images or of feature vectors.

    Parameters
    ----------
    model : function (input_shape, n_classes) -> keras.Model
        Makes the network, uncompiled, with one score (logit) per class and no softmax at its end: `mlp`, `cnn`,
        `linear_head`, or one of your own. It stands at the top of a module, so that the classifier can be pickled.
    stack : TrainingStack, optional
        None is `TrainingStack()`.
    loss : {"sparse_categorical_crossentropy", "squared_hinge", "hinge", "categorical_hinge"}
        `"squared_hinge"` and `"hinge"` train one class against the rest, as `sklearn.svm.LinearSVC` does.
    seed : int
        Of the initial weights, the order of the batches and dropout. It is set for the whole process
        (`keras.utils.set_random_seed`).
    log_dir : path, optional
        Folder that keeps `training.csv`, a line per epoch. None keeps no file.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Values per sample: the product of `input_shape_`.
    input_shape_ : tuple of int
        Shape of one sample as the network sees it: (height, width, channels), or (n_features,).
    model_ : keras.Model
        The trained network behind the scaling of its input.
    n_parameters_ : int
        Trained parameters, those of `model` alone.
    history_ : dict of str to list of float
        A value per epoch of `loss`, `accuracy`, `learning_rate` and, with validation data, `val_loss` and
        `val_accuracy`.
    best_epoch_ : int
        The epoch, counted from 0, whose weights are kept.
    """

    # Inside a Pipeline(transform_input=["X_val"]) with metadata routing on, fit gets these without set_fit_request.
    __metadata_request__fit = {"X_val": True, "y_val": True}

    def __init__(
        self,
        model: Callable,
        *,
        stack: TrainingStack | None = None,
        loss: str = CROSS_ENTROPY,
        seed: int = 0,
        log_dir: str | Path | None = None,
    ):
        self.model = model
        self.stack = stack
        self.loss = loss
        self.seed = seed
        self.log_dir = log_dir

    def prepare(self) -> None:
        """Import Keras now, so that `fit` need not; a run calls this before its clock starts."""
        prepare_backend()

    def fit(self, X, y, X_val=None, y_val=None) -> NeuralClassifier:
        """Train the network; print a line per epoch.

        With `X_val` and `y_val` the weights of the best validation epoch are kept, and training stops early where it
        no longer gets better. Without them all epochs are trained and the last weights are kept.

        Parameters
        ----------
        X, X_val : array-like of shape (n, height, width) or (n, height, width, 3), or (n, n_features)
            Images as `cvclassic.images.check_images` describes them, or features.
        y, y_val : array-like of shape (n,)
            Labels of any sortable type.

        Raises
        ------
        InputError
            For arrays or parameters that can't be used.
        MissingDependencyError
            Without Keras and a backend.
        CVClassicError
            Where the loss becomes NaN or infinite.
        """
        stack = self._check_parameters(X_val, y_val)
        X = _check_samples(X, "X")
        self.classes_, codes = np.unique(_check_labels(y, len(X), "y"), return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y holds one class only, {self.classes_[0]!r}; a classifier needs two or more.")
        self.input_shape_ = X.shape[1:]
        self.n_features_in_ = math.prod(self.input_shape_)
        validation = None if X_val is None else self._check_validation(X_val, y_val)

        keras = prepare_backend()
        keras.utils.set_random_seed(self.seed)
        network = self._build(keras)
        network.compile(stack.make_optimizer(), *self._loss_and_metrics(keras), jit_compile=False)
        self.history_ = self._train(network, stack, X, self._targets(codes), validation)
        # The same layers without optimizer state, which would triple what is kept and pickled.
        self.model_ = keras.Model(network.inputs, network.outputs)
        return self

    def predict(self, X) -> np.ndarray:
        """Label of each sample, shape (n,)."""
        scores = self._scores(X)
        return self.classes_[scores.argmax(axis=1)]

    def decision_function(self, X) -> np.ndarray:
        """Score of each class, shape (n, n_classes); of two classes the second's lead over the first, shape (n,)."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    @available_if(lambda self: self.loss == CROSS_ENTROPY)
    def predict_proba(self, X) -> np.ndarray:
        """Probability of each class, shape (n, n_classes); only with the cross-entropy loss."""
        scores = self._scores(X)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def _check_parameters(self, X_val, y_val) -> TrainingStack:
        stack = TrainingStack() if self.stack is None else self.stack
        if not isinstance(stack, TrainingStack):
            raise InputError(f"stack is {type(stack).__name__}; it must be a TrainingStack, or None.")
        if not callable(self.model):
            raise InputError(f"model is {self.model!r}; it must be a function (input_shape, n_classes) -> keras.Model.")
        if self.loss not in LOSSES:
            raise InputError(f"loss={self.loss!r} is unknown; use one of {', '.join(LOSSES)}.")
        if (X_val is None) != (y_val is None):
            raise InputError("Only one of X_val and y_val is given; give both, or neither.")
        return stack

    def _check_validation(self, X_val, y_val) -> tuple[np.ndarray, np.ndarray]:
        X_val = _check_samples(X_val, "X_val")
        if X_val.shape[1:] != self.input_shape_:
            raise InputError(f"Samples of X_val have shape {X_val.shape[1:]}, those of X {self.input_shape_}.")
        y_val = _check_labels(y_val, len(X_val), "y_val")
        unknown = np.setdiff1d(y_val, self.classes_)
        if len(unknown):
            raise InputError(f"y_val holds labels that y lacks: {unknown[:5].tolist()}.")
        return X_val, self._targets(np.searchsorted(self.classes_, y_val))

    def _targets(self, codes: np.ndarray) -> np.ndarray:
        if self.loss == CROSS_ENTROPY:
            return codes.astype(np.int32)
        return np.eye(len(self.classes_), dtype=np.float32)[codes]  # Keras's hinge losses read 0 as -1

    def _loss_and_metrics(self, keras):
        if self.loss == CROSS_ENTROPY:
            accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True), None, None, [accuracy]
        return self.loss, None, None, [keras.metrics.CategoricalAccuracy("accuracy")]

    def _build(self, keras):
        n_classes = len(self.classes_)
        model = self.model(self.input_shape_, n_classes)
        if not isinstance(model, keras.Model):
            raise InputError(f"The model function returned {type(model).__name__}; it must return a keras.Model.")
        inputs = keras.Input(self.input_shape_)
        # Bytes go to the network as they are, a quarter of the memory of floats, and are scaled there.
        is_image = len(self.input_shape_) == 3
        outputs = model(keras.layers.Rescaling(1 / 255)(inputs) if is_image else inputs)
        if outputs.shape != (None, n_classes):
            raise InputError(f"The model's output has shape {outputs.shape}; y has {n_classes} classes.")
        if getattr(model.layers[-1], "activation", None) is keras.activations.softmax:
            raise InputError("The model ends in a softmax, which the loss adds itself; end it in Dense(n_classes).")
        self.n_parameters_ = sum(math.prod(weight.shape) for weight in model.trainable_weights)
        return keras.Model(inputs, outputs)

    def _train(self, network, stack: TrainingStack, X, targets, validation) -> dict[str, list[float]]:
        with tempfile.TemporaryDirectory(prefix="cvclassic-") as scratch:
            log_dir = Path(scratch if self.log_dir is None else self.log_dir)
            log_dir.mkdir(parents=True, exist_ok=True)
            best_weights = Path(scratch, "best.weights.h5") if validation else None
            history = network.fit(
                X,
                targets,
                batch_size=stack.batch_size,
                epochs=stack.epochs,
                validation_data=validation,
                callbacks=stack.make_callbacks(log_dir / "training.csv", best_weights),
                verbose=0,
            ).history
            history = {name: [float(value) for value in values] for name, values in history.items()}
            self._check_convergence(history)
            self.best_epoch_ = len(history["loss"]) - 1
            if validation:
                choose = np.argmin if stack.monitor == "val_loss" else np.argmax
                self.best_epoch_ = int(choose(history[stack.monitor]))
                network.load_weights(best_weights)
        return history

    def _check_convergence(self, history) -> None:
        broken = np.flatnonzero(~np.isfinite(history["loss"]))
        if len(broken):
            value = "NaN" if np.isnan(history["loss"][broken[0]]) else "infinite"
            raise CVClassicError(
                f"Training diverged: the loss became {value} in epoch {broken[0] + 1}; lower --learning-rate "
                "(TrainingStack.learning_rate)."
            )

    def _scores(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = _check_samples(X, "X")
        if X.shape[1:] != self.input_shape_:
            raise InputError(
                f"Samples of X have shape {X.shape[1:]}; the classifier was fitted on {self.input_shape_}."
            )
        return self.model_.predict(X, batch_size=PREDICTION_BATCH_SIZE, verbose=0)

    def __getstate__(self):
        state = super().__getstate__()
        if "model_" not in state:
            return state
        with tempfile.TemporaryDirectory(prefix="cvclassic-") as scratch:
            path = Path(scratch, "model.keras")
            self.model_.save(path)
            return {**state, "model_": path.read_bytes()}

    def __setstate__(self, state):
        super().__setstate__(state)
        if "model_" not in state:
            return
        keras = prepare_backend()
        with tempfile.TemporaryDirectory(prefix="cvclassic-") as scratch:
            path = Path(scratch, "model.keras")
            path.write_bytes(state["model_"])
            self.model_ = keras.saving.load_model(path, compile=False)


def _check_samples(X, name: str) -> np.ndarray:
    """Features as float32 (n, d), or images as (n, height, width, channels) with values from 0 to 255."""
    X = np.asarray(X)
    if X.ndim != 2:
        X = check_images(X, name=name)
        X = X if X.dtype == np.uint8 else X * np.float32(255)
        return X if X.ndim == 4 else X[..., np.newaxis]
    if 0 in X.shape or X.dtype.kind not in "fiub":
        raise InputError(f"{name} has shape {X.shape} and dtype {X.dtype}; features are numbers, (n, n_features).")
    X = X.astype(np.float32, copy=False)
    if not np.isfinite(X).all():
        raise InputError(f"{name} holds NaN or infinite values; remove or replace them.")
    return X


def _check_labels(y, n: int, name: str) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim != 1 or len(y) != n:
        raise InputError(
            f"{name} has shape {y.shape}; it must hold one label for each of the {n} samples, shape ({n},)."
        )
    return y
