"""`NeuralClassifier`: a Keras network as a scikit-learn classifier."""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from cvclassic.errors import InputError
from cvclassic.neural import losses, preflight
from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.building import build, keywords_of, name_of, no_model
from cvclassic.neural.meter import Meter, Stopwatch
from cvclassic.neural.precision import precision
from cvclassic.neural.stack import TrainingStack
from cvclassic.neural.training import Samples, train

if TYPE_CHECKING:
    import keras

# Prediction keeps no activations, so its batches can be larger than those of training.
PREDICTION_BATCH_SIZE = 512


class NeuralClassifier(ClassifierMixin, BaseEstimator):
    """A Keras network as a scikit-learn classifier of images or of feature vectors.

    The keyword-only parameters of the model function are parameters of the classifier, `model__<name>`, for
    `get_params`, `set_params` and searches over them.

    Parameters
    ----------
    model : function (input_shape, n_classes) -> keras.Model
        Makes the network, uncompiled, with one score (logit) per class and no softmax at its end: `mlp`, `cnn`,
        `cnn_fast`, `linear_head`, `resnet_small`, `hybrid`, or one of your own. It stands at the top of a module, so
        that the classifier can be pickled. Of several outputs of this shape the first one predicts, and the others are
        auxiliary ones: they learn the same labels, with the weight `auxiliary_weight` of the model (0.3 where it has no
        such attribute).
    stack : TrainingStack, optional
        None is `TrainingStack()`.
    loss : str or function
        With the softmax of the scores as probabilities: `"sparse_categorical_crossentropy"` and
        `"categorical_crossentropy"` (the same loss, from class numbers and from one-hot targets), `"focal"` (Lin et
        al., 2017, gamma 2: what is easy weighs less; its probabilities are too near the middle) and
        `"mean_squared_error"` (of the probabilities: Brier's score). Of the scores themselves: `"squared_hinge"` and
        `"hinge"`, one class against the rest, as `sklearn.svm.LinearSVC` does, and `"categorical_hinge"`. Or a
        function `(y_true, y_pred)` of one-hot targets and scores, both float (n, n_classes), to losses (n,).
    label_smoothing : float
        Of `"categorical_crossentropy"`: each target has this share of its 1 spread evenly over all classes (Szegedy et
        al., 2016), in training and in `val_loss`. It keeps probabilities away from 0 and 1.
    class_weight : dict of label to weight, or "balanced", optional
        How much the loss of each true class weighs, in training and in `val_loss`. Labels that the dict lacks weigh 1;
        `"balanced"` is n / (n_classes * n of the class).
    cost_matrix : array-like of shape (n_classes, n_classes), optional
        What it costs to predict the column's class where the row's is true, classes in the order of `classes_`.
        Training stays as it is, and the class of least expected cost is predicted (Elkan, The foundations of
        cost-sensitive learning, 2001). It needs a loss with probabilities. The history's accuracies are those of the
        likeliest class.
    callbacks : sequence of functions () -> keras.callbacks.Callback
        Your own callbacks, made anew for each training; a callback's class is such a function. See docs/callbacks.md.
    seed : int
        Of the initial weights, the order of the batches and dropout, 0 or more. It is set for the whole process
        (`keras.utils.set_random_seed`).
    log_dir : path, optional
        Folder that keeps `training.csv`, a line per epoch, and while training lasts a backup: where the process was
        killed, the same `fit` with the same folder goes on after an epoch before, and ends with the network of an
        undisturbed training (see `backup.BackupAndRestore`). None keeps no file.
    verbose : bool
        Print what is trained and how, a line per epoch (of short ones, per 50 steps), and what happens on the way.

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
    costs_ : ndarray of shape (n_classes, n_classes), or None
        The cost matrix.
    history_ : dict of str to list of float
        A value per epoch of `loss`, `accuracy`, `learning_rate` (that of its last step) and, with validation data,
        `val_loss`, `val_accuracy` and, where the stack asks for it, `val_macro_f1`.
    planned_epochs_ : int or None
        The epochs that training had at most; None where a time budget alone ended it.
    best_epoch_ : int
        The epoch, counted from 0, whose weights are kept; the last one where there are fewer than 100 validation
        samples.
    overfit_epoch_ : int or None
        The epoch, counted from 0, from which on the validation loss rose while the training loss fell.
    converged_ : bool
        False where the network was still learning when training ended: more steps promise more accuracy, by a rule
        that stands in `convergence.worthwhile`.
    """

    # Inside a Pipeline(transform_input=["X_val"]) with metadata routing on, fit gets these without set_fit_request.
    __metadata_request__fit = {"X_val": True, "y_val": True, "meter": True}

    def __init__(
        self,
        model: Callable,
        *,
        stack: TrainingStack | None = None,
        loss: losses.Loss = losses.CROSS_ENTROPY,
        label_smoothing: float = 0.0,
        class_weight: Mapping | str | None = None,
        cost_matrix=None,
        callbacks: Sequence[Callable] = (),
        seed: int = 0,
        log_dir: str | Path | None = None,
        verbose: bool = True,
    ):
        self.model = model
        self.stack = stack
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.cost_matrix = cost_matrix
        self.callbacks = callbacks
        self.seed = seed
        self.log_dir = log_dir
        self.verbose = verbose

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; with `deep` also the model function's keyword-only ones, as `model__<name>`."""
        own = super().get_params(deep)
        return own | {f"model__{name}": value for name, value in keywords_of(self.model).items()} if deep else own

    def set_params(self, **params) -> NeuralClassifier:
        """Set parameters by name; `model__<name>` binds the model function's (`functools.partial`).

        Raises
        ------
        InputError
            For a name that the model function doesn't have.
        """
        of_model = {name: value for name, value in params.items() if name.startswith("model__")}
        super().set_params(**{name: value for name, value in params.items() if name not in of_model})
        known = keywords_of(self.model)
        for name in of_model:
            if name.removeprefix("model__") not in known:
                has = ", ".join(f"model__{keyword}" for keyword in known) or "none"
                raise InputError(f"{name_of(self.model)} has no parameter for {name}; its parameters are: {has}.")
        if of_model:
            bound = {name.removeprefix("model__"): value for name, value in of_model.items()}
            self.model = functools.partial(self.model, **bound)
        return self

    def prepare(self, X=None) -> None:
        """Import Keras now, so that `fit` need not; a run does so before its clock starts."""
        prepare_backend()

    def fit(self, X, y, X_val=None, y_val=None, meter: Meter | None = None) -> NeuralClassifier:
        """Train the network.

        With `X_val` and `y_val`, of 100 samples or more, the weights of the best validation epoch are kept, and
        training stops early where it no longer gets better. Without them all epochs are trained and the last weights
        are kept. In the end the statistics of batch normalization are computed anew from the training samples (see
        `normalization.recalibrate`).

        Parameters
        ----------
        X, X_val : array-like of shape (n, height, width) or (n, height, width, 3), or (n, n_features)
            Images as `cvclassic.images.check_images` describes them, or features of about the size of 1.
        y, y_val : array-like of shape (n,)
            Labels of any sortable type.
        meter : Meter, optional
            Reads what the stack's time budget is compared with, which may have begun before this fit, with the
            extraction of its features for instance; where an interrupted training goes on, it is told what the earlier
            tries had spent. None counts the seconds from now.

        Raises
        ------
        InputError
            For arrays or parameters that can't be used, or don't fit together.
        MissingDependencyError
            Without Keras and a backend.
        CVClassicError
            Where the loss becomes NaN or infinite.
        """
        meter = meter or Stopwatch()
        stack = self._check_parameters(X_val, y_val)
        X = preflight.check_samples(X, "X")
        self.classes_, codes = np.unique(preflight.check_labels(y, len(X), "y"), return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y holds one class only, {self.classes_[0]!r}; a classifier needs two or more.")
        preflight.check_fit(X, stack.batch_size)
        self.costs_ = losses.check_cost_matrix(self.cost_matrix, self.loss, len(self.classes_))
        self.input_shape_ = X.shape[1:]
        self.n_features_in_ = math.prod(self.input_shape_)
        weights = losses.class_weights(self.class_weight, self.classes_, codes)
        samples = self._samples(X, codes, weights)
        validation = None if X_val is None else self._samples(*self._check_validation(X_val, y_val), weights)

        network = self._compiled(stack)
        from cvclassic.neural.whitening import adapt  # it imports Keras

        adapt(network, X, self.seed)
        settings = self._settings(stack)
        if self.verbose:
            print(preflight.report(network, samples, validation, self.classes_, settings), flush=True)
        training = train(
            network,
            samples,
            validation,
            stack,
            seed=self.seed,
            log_dir=None if self.log_dir is None else Path(self.log_dir),
            own=[make() for make in self.callbacks],
            settings=settings,
            meter=meter,
            verbose=self.verbose,
        )
        self.history_, self.planned_epochs_ = training.history, training.planned_epochs
        self.best_epoch_, self.overfit_epoch_ = training.best_epoch, training.overfit_epoch
        self.converged_ = training.converged
        # The same layers without optimizer state, which would triple what is kept and pickled.
        self.model_ = prepare_backend().Model(network.inputs, network.outputs[0])
        return self

    def take_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Build the network anew, for `classes_` and `input_shape_`, with the weights that its `get_weights` gave.

        Raises
        ------
        InputError
            Where they are not those of such a network.
        """
        keras = prepare_backend()
        with precision((self.stack or TrainingStack()).precision):
            network = self._build()
        network = keras.Model(network.inputs, network.outputs[0])
        shapes, wanted = [array.shape for array in weights], [tuple(weight.shape) for weight in network.weights]
        if shapes != wanted:
            places = zip_longest(wanted, shapes)
            place, (ours, theirs) = next((k, pair) for k, pair in enumerate(places) if pair[0] != pair[1])
            raise InputError(
                f"The network {name_of(self.model)} has {len(wanted)} arrays of weights; it was given {len(shapes)}, "
                f"and array {place} has the shape {theirs} in place of {ours}."
            )
        network.set_weights(weights)
        self.model_ = network

    def predict(self, X) -> np.ndarray:
        """Label of each sample, shape (n,)."""
        scores = self._class_scores(X)
        return self.classes_[scores.argmax(axis=1)]

    def decision_function(self, X) -> np.ndarray:
        """Score of each class, shape (n, n_classes); of two classes the second's lead over the first, shape (n,).

        It is the network's score, or with a cost matrix what predicting the class is expected to cost, negated.
        """
        scores = self._class_scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    @available_if(lambda self: self.loss in losses.PROBABILISTIC)
    def predict_proba(self, X) -> np.ndarray:
        """Probability of each class, shape (n, n_classes); only with the losses that make them."""
        return _softmax(self._scores(X))

    def _check_parameters(self, X_val, y_val) -> TrainingStack:
        stack = TrainingStack() if self.stack is None else self.stack
        if not isinstance(stack, TrainingStack):
            raise InputError(f"stack is {type(stack).__name__}; it must be a TrainingStack, or None.")
        if not callable(self.model):
            raise InputError(no_model(self.model))
        losses.check_loss(self.loss)
        losses.check_label_smoothing(self.label_smoothing, self.loss)
        if (X_val is None) != (y_val is None):
            raise InputError("Only one of X_val and y_val is given; give both, or neither.")
        if stack.tensorboard and self.log_dir is None:
            raise InputError("tensorboard=True needs a folder for its log; give log_dir.")
        return stack

    def _check_validation(self, X_val, y_val) -> tuple[np.ndarray, np.ndarray]:
        X_val = preflight.check_samples(X_val, "X_val")
        if X_val.shape[1:] != self.input_shape_:
            raise InputError(f"Samples of X_val have shape {X_val.shape[1:]}, those of X {self.input_shape_}.")
        y_val = preflight.check_labels(y_val, len(X_val), "y_val")
        unknown = np.setdiff1d(y_val, self.classes_)
        if len(unknown):
            raise InputError(f"y_val holds labels that y lacks: {unknown[:5].tolist()}.")
        return X_val, np.searchsorted(self.classes_, y_val)

    def _compiled(self, stack: TrainingStack) -> keras.Model:
        keras = prepare_backend()
        keras.utils.set_random_seed(self.seed)
        with precision(stack.precision):
            network = self._build()
            loss = losses.make_loss(self.loss, self.label_smoothing)
            optimizer = stack.make_optimizer()
            optimizer.build(network.trainable_variables)  # float16's wrapper would do so, and lose a number of Nadam's
            network.compile(optimizer, loss, metrics=[losses.make_accuracy(self.loss)], jit_compile=False)
        return network

    def _build(self) -> keras.Model:
        network, self.n_parameters_ = build(self.model, self.input_shape_, len(self.classes_))
        return network

    def _samples(self, X, codes: np.ndarray, weights: np.ndarray | None) -> Samples:
        targets = losses.make_targets(self.loss, codes, len(self.classes_))
        return Samples(X, codes, targets, None if weights is None else weights[codes])

    def _settings(self, stack: TrainingStack) -> dict[str, Any]:
        """Every hyperparameter, JSON-able."""
        own = {name: value for name, value in self.get_params().items() if name not in ("stack", "log_dir", "verbose")}
        own |= {"model": name_of(self.model), "callbacks": [name_of(make) for make in self.callbacks] or None}
        own["loss"] = name_of(self.loss) if callable(self.loss) else self.loss
        return {name: None if value is None else str(value) for name, value in own.items()} | {"stack": asdict(stack)}

    def _scores(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = preflight.check_samples(X, "X")
        if X.shape[1:] != self.input_shape_:
            raise InputError(
                f"Samples of X have shape {X.shape[1:]}; the classifier was fitted on {self.input_shape_}."
            )
        if len(X) <= PREDICTION_BATCH_SIZE:  # `predict` lays a pipeline of data first, which takes 80 ms for one image
            return np.asarray(self.model_.predict_on_batch(X))
        return self.model_.predict(X, batch_size=PREDICTION_BATCH_SIZE, verbose=0)

    def _class_scores(self, X) -> np.ndarray:
        scores = self._scores(X)
        return scores if self.costs_ is None else -_softmax(scores) @ self.costs_

    def __getstate__(self):
        state = super().__getstate__()
        if "model_" not in state:
            return state
        with tempfile.TemporaryDirectory(prefix="cvclassic-") as scratch:
            path = Path(scratch, "model.keras")
            self.model_.save(path)
            # Where a training was logged is no part of what it learned, and a folder of this machine.
            return {**state, "model_": path.read_bytes(), "log_dir": None}

    def __setstate__(self, state):
        super().__setstate__(state)
        if "model_" not in state:
            return
        keras = prepare_backend()
        # Keras finds the layers that the model may hold.
        import cvclassic.neural.layers
        import cvclassic.neural.normalization
        import cvclassic.neural.whitening  # noqa: F401

        with tempfile.TemporaryDirectory(prefix="cvclassic-") as scratch:
            path = Path(scratch, "model.keras")
            path.write_bytes(state["model_"])
            self.model_ = keras.saving.load_model(path, compile=False)


def _softmax(scores: np.ndarray) -> np.ndarray:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
