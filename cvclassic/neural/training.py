"""One training: a compiled network, its samples and a stack in; its history and its best weights out."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cvclassic.errors import CVClassicError
from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.convergence import worthwhile
from cvclassic.neural.course import Course
from cvclassic.neural.meter import Meter
from cvclassic.neural.stack import BACKUP, TrainingStack

if TYPE_CHECKING:
    import keras

    from cvclassic.neural.backup import BackupAndRestore
    from cvclassic.neural.epochs import Batches

ENDLESS = 2**31 - 1  # epochs, where only a time budget ends a training
JUDGED = 1000  # training samples at most on which a network is judged that has few others


@dataclass(frozen=True)
class Training:
    """What a training was like; the attributes of the same names in `NeuralClassifier` say more."""

    history: dict[str, list[float]]
    planned_epochs: int | None
    best_epoch: int
    overfit_epoch: int | None
    converged: bool | None


@dataclass(frozen=True)
class Samples:
    """What a network learns from, or is validated on.

    `X` is as the network takes it, `codes` (n,) the numbers of the classes, `targets` what the loss takes, and
    `weights` (n,) float32 or None.
    """

    X: np.ndarray
    codes: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Those that Keras takes."""
        return (self.X, self.targets) if self.weights is None else (self.X, self.targets, self.weights)


def train(
    network: keras.Model,
    samples: Samples,
    validation: Samples | None,
    stack: TrainingStack,
    *,
    seed: int,
    log_dir: Path | None,
    own: Sequence[keras.callbacks.Callback],
    settings: dict[str, Any],
    meter: Meter,
    verbose: bool,
) -> Training:
    """Train `network` and leave it with the weights of its best epoch, or where none is chosen with the last ones.

    In both cases the statistics of batch normalization are those of the training samples with these weights.

    Parameters
    ----------
    network : keras.Model
        Compiled.
    samples, validation : Samples
    stack : TrainingStack
    seed, log_dir, own, verbose
        As `seed`, `log_dir`, `callbacks` (made) and `verbose` of `NeuralClassifier`.
    settings : dict
        Every hyperparameter, JSON-able: a backup is gone on from where all of them are the same.
    meter : Meter

    Raises
    ------
    CVClassicError
        Where the loss becomes NaN or infinite.
    """
    from cvclassic.neural.backup import BackupAndRestore
    from cvclassic.neural.callbacks import EpochLine
    from cvclassic.neural.epochs import Batches, EpochDraws
    from cvclassic.neural.normalization import SAMPLES, FreshStatistics

    course = Course(stack, len(samples.X), len(validation.X) if validation else 0)
    with tempfile.TemporaryDirectory(prefix="cvclassic-") as scratch:
        folder = Path(scratch) if log_dir is None else log_dir
        folder.mkdir(parents=True, exist_ok=True)
        told = {"meter": meter, "verbose": verbose}
        known = (validation.X, validation.codes) if validation else None
        afterwards = course.n_validation + 2 * min(course.n_samples, SAMPLES)
        callbacks = course.make_callbacks(folder, validation=known, own=own, afterwards=afterwards, **told)
        length = {"every": course.short_epochs, "epochs": course.epochs}
        backup = BackupAndRestore(folder / BACKUP, callbacks, settings | _identity(network, samples), **length, **told)
        batches = Batches(samples.arrays, stack.batch_size)
        first = [EpochDraws(seed, batches), *([FreshStatistics(samples.X, seed)] if course.chooses else [])]
        last = [*([EpochLine(**length)] if verbose else []), *([] if log_dir is None else [backup])]
        try:
            history = _fit(network, batches, validation, course, backup, [*first, *callbacks, *last])
            training = _finish(network, samples, course, callbacks, history, folder / BACKUP, seed)
        except Exception:  # and not KeyboardInterrupt: that training can go on
            backup.remove()
            raise
        backup.remove()
    return training


def _fit(
    network: keras.Model,
    batches: Batches,
    validation: Samples | None,
    course: Course,
    backup: BackupAndRestore,
    callbacks: list[keras.callbacks.Callback],
) -> dict[str, list[float]]:
    """The figures of each epoch, those before an interruption included."""
    end = course.epochs or ENDLESS
    history = network.fit(
        batches,
        shuffle=False,  # each epoch has its order already
        initial_epoch=backup.epochs_done,
        epochs=backup.epochs_done if backup.stopped else end,
        validation_data=validation.arrays if validation else None,
        validation_batch_size=course.stack.batch_size,
        callbacks=callbacks,
        verbose=0,
    ).history
    # Names that are one object with those in the code: a pickle, whose length is a figure, writes each once.
    history = {sys.intern(name): [float(value) for value in values] for name, values in history.items()}
    _check_divergence(history)
    return history


def _finish(
    network: keras.Model,
    samples: Samples,
    course: Course,
    callbacks: Sequence[keras.callbacks.Callback],
    history: dict[str, list[float]],
    weights: Path,
    seed: int,
) -> Training:
    """Settle the network's weights and statistics, and say what the training was like."""
    from cvclassic.neural.callbacks import OverfitWatch
    from cvclassic.neural.normalization import recalibrate

    last_epoch = len(history["loss"]) - 1
    best_epoch = _keep_best(network, course.stack, history, weights) if course.chooses else last_epoch
    recalibrate(network, samples.X, seed)
    overfit = [callback.overfit_epoch for callback in callbacks if isinstance(callback, OverfitWatch)]
    converged = _has_converged(network, samples, course, callbacks, history, best_epoch, seed)
    return Training(history, course.epochs, best_epoch, overfit[0] if overfit else None, converged)


def _has_converged(
    network: keras.Model,
    samples: Samples,
    course: Course,
    callbacks: Sequence[keras.callbacks.Callback],
    history: dict[str, list[float]],
    best_epoch: int,
    seed: int,
) -> bool:
    """Whether more steps would hardly help: training stopped by its own patience, or no gain is to be expected."""
    keras = prepare_backend()
    if any(isinstance(each, keras.callbacks.EarlyStopping) and each.stopped_epoch for each in callbacks):
        return True
    if course.chooses:
        return not worthwhile(history["val_loss"], 1 - history["val_accuracy"][best_epoch])
    rows = np.random.default_rng(seed).permutation(course.n_samples)[:JUDGED]
    scores = keras.tree.flatten(network.predict(samples.X[rows], course.stack.batch_size, verbose=0))[0]
    return not worthwhile(history["loss"], np.mean(scores.argmax(axis=1) != samples.codes[rows]))


def _identity(network: keras.Model, samples: Samples) -> dict[str, Any]:
    """What makes another training the same one, besides its settings."""
    keras = prepare_backend()
    return {
        "keras": f"{keras.__version__} on {keras.backend.backend()}",
        "samples": samples.X.shape,
        "weights": [list(weight.shape) for weight in network.weights],
    }


def _check_divergence(history: dict[str, list[float]]) -> None:
    broken = np.flatnonzero(~np.isfinite(history["loss"]))
    if len(broken):
        value = "NaN" if np.isnan(history["loss"][broken[0]]) else "infinite"
        raise CVClassicError(
            f"Training diverged: the loss became {value} in epoch {broken[0] + 1}; lower --learning-rate "
            "(TrainingStack.learning_rate)."
        )


def _keep_best(network: keras.Model, stack: TrainingStack, history: dict[str, list[float]], weights: Path) -> int:
    """Load the weights of the best epoch from this folder, and tell which it is."""
    choose = np.nanargmin if stack.monitor_mode() == "min" else np.nanargmax
    best_epoch = int(choose(history[stack.monitor]))
    network.load_weights(weights / f"best-{best_epoch + 1}.weights.h5")
    return best_epoch
