"""Callbacks of the training stack that Keras lacks. Importing this module imports Keras."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from cvclassic.neural.backend import prepare_backend

keras = prepare_backend()


class MacroF1(keras.callbacks.Callback):
    """Adds `val_macro_f1` to each epoch's figures: the F1 score of each class, averaged over all classes.

    It equals `sklearn.metrics.f1_score(average="macro")` over all classes that the network knows, and costs a pass over
    the validation data of its own. A callback that comes after it can monitor it.

    Parameters
    ----------
    X_val : ndarray
        Samples as the network takes them.
    y_val : ndarray of int, shape (n,)
        The number of each sample's class.
    """

    def __init__(self, X_val: np.ndarray, y_val: np.ndarray):
        super().__init__()
        self.X_val, self.y_val = X_val, y_val

    def on_epoch_end(self, epoch, logs=None):
        scores = keras.tree.flatten(self.model.predict(self.X_val, batch_size=512, verbose=0))[0]
        labels = np.arange(scores.shape[1])
        logs["val_macro_f1"] = float(
            f1_score(self.y_val, scores.argmax(axis=1), labels=labels, average="macro", zero_division=0.0)
        )


class TimeBudget(keras.callbacks.Callback):
    """Ends training after the batch in which its seconds ran out; that epoch is validated and counts as one.

    Time before an interruption counts too; time between does not.

    Parameters
    ----------
    seconds : float
    started : float, optional
        The reading of `time.perf_counter()` from which on time counts; None is the beginning of training.
    """

    def __init__(self, seconds: float, started: float | None = None):
        super().__init__()
        self.seconds = seconds
        self.started = started
        self.spent = 0.0

    def on_train_begin(self, logs=None):
        self._last = time.perf_counter() if self.started is None else self.started

    def on_train_batch_end(self, batch, logs=None):
        self._count()

    def on_epoch_end(self, epoch, logs=None):
        self._count()  # validation takes time as well
        if self.spent >= self.seconds:
            print(f"the time budget of {self.seconds:g} s ended in epoch {epoch + 1}", flush=True)

    def _count(self) -> None:
        now = time.perf_counter()
        self.spent += now - self._last
        self._last = now
        if self.spent >= self.seconds:
            self.model.stop_training = True


class OverfitWatch(keras.callbacks.Callback):
    """Marks the epoch where the validation loss turned while the training loss fell on.

    Two epochs in a row without a lower validation loss, at a training loss below that of the best epoch, are a turn;
    one alone is often chance. A later, lower validation loss takes the mark back.

    Attributes
    ----------
    overfit_epoch : int or None
        The first epoch after the lowest validation loss, counted from 0.
    """

    PATIENCE = 2

    def on_train_begin(self, logs=None):
        self.best = self.best_epoch = self.training_loss = self.overfit_epoch = None
        self.turned = 0

    def on_epoch_end(self, epoch, logs=None):
        if self.best is None or logs["val_loss"] < self.best:
            self.best, self.best_epoch, self.training_loss = logs["val_loss"], epoch, logs["loss"]
            self.overfit_epoch, self.turned = None, 0
            return
        self.turned = self.turned + 1 if logs["loss"] < self.training_loss else 0
        if self.turned >= self.PATIENCE and self.overfit_epoch is None:
            self.overfit_epoch = self.best_epoch + 1
            print(
                f"overfitting since epoch {self.overfit_epoch + 1}: the validation loss rose from {self.best:.3f} to "
                f"{logs['val_loss']:.3f} while the training loss fell from {self.training_loss:.3f} to "
                f"{logs['loss']:.3f}",
                flush=True,
            )


class EpochLine(keras.callbacks.Callback):
    """Prints a line per epoch: loss, accuracy, learning rate, seconds."""

    def __init__(self, epochs: int):
        super().__init__()
        self._epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        names = [name for name in ("val_accuracy", "val_macro_f1") if name in logs] or ["accuracy"]
        figures = "  ".join(f"{name} {logs[name]:.3f}" for name in names)
        seconds = time.perf_counter() - self._started
        print(
            f"epoch {epoch + 1}/{self._epochs}  loss {logs['loss']:.3f}  {figures}  lr {logs['learning_rate']:.2g}  "
            f"{seconds:.1f} s",
            flush=True,
        )


class BestWeights(keras.callbacks.ModelCheckpoint):
    """Keras's `ModelCheckpoint` of the best weights, `best-<epoch>.weights.h5`, epochs counted from 1.

    The best before the newest stays too: the newest may be half a file when the process is killed.

    Parameters
    ----------
    folder : Path
    monitor, mode : str
        As of `ModelCheckpoint`.
    """

    def __init__(self, folder: Path, monitor: str, mode: str):
        pattern = str(folder / "best").replace("{", "{{").replace("}", "}}") + "-{epoch}.weights.h5"
        super().__init__(pattern, monitor, mode=mode, save_best_only=True, save_weights_only=True)
        self._folder = folder

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        for old in sorted(self._folder.glob("best-*.weights.h5"), key=_epoch_of)[:-2]:
            old.unlink()


class BackupAndRestore(keras.callbacks.Callback):
    """Keeps all that an interrupted training needs to go on from its last whole epoch; make it the last callback.

    Keras's callback of the same name keeps weights, optimizer and epoch, each file by itself. This one also keeps the
    other callbacks' state (patience so far, best value, seconds spent) and the figures of each epoch, and a kill at
    any moment leaves one whole epoch's state: the weights get a file of their own per epoch, and `training.json`, which
    is replaced at once, says which counts.

    Of each other callback, a user's own included, it keeps the public attributes that are numbers, flags or None and
    no arguments of the constructor.

    Parameters
    ----------
    folder : Path
        Of these files and those of `BestWeights`. `remove` removes them.
    callbacks : sequence of keras.callbacks.Callback
        The others. `CSVLogger` gets the epochs before the interruption again.
    settings : dict
        JSON-able; a backup that was written with other settings is not used.

    Attributes
    ----------
    epochs_done : int
        Whole epochs in the backup that was found; 0 without one. Pass it to `keras.Model.fit` as `initial_epoch`.
    stopped : bool
        Whether training had already come to its end there, by early stopping for instance.
    """

    def __init__(self, folder: Path, callbacks: Sequence[keras.callbacks.Callback], settings: dict[str, Any]):
        super().__init__()
        self.folder = folder
        self.callbacks = list(callbacks)
        self.settings = json.loads(json.dumps(settings))
        self._state = self._read()
        self._history: list[dict[str, float]] = self._state["history"] if self._state else []
        self.epochs_done = len(self._history)
        self.stopped = bool(self._state and self._state["stopped"])
        if not self._state:
            self.remove()

    def on_train_begin(self, logs=None):
        if not self._state:
            return
        for path in self.folder.glob("*-*.weights.h5"):
            if _epoch_of(path) > self.epochs_done:  # of the epoch that was interrupted
                path.unlink()
        optimizer = self.model.optimizer
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self.model.load_weights(self._weights(self.epochs_done))
        for epoch, figures in enumerate(self._history):
            for name, value in figures.items():
                self.model.history.history.setdefault(name, []).append(value)
            for callback in self.callbacks:
                if isinstance(callback, keras.callbacks.CSVLogger):
                    callback.on_epoch_end(epoch, dict(figures))
        for callback, (_, attributes) in zip(self.callbacks, self._state["callbacks"], strict=True):
            vars(callback).update(attributes)
        print(f"going on after epoch {self.epochs_done}, from {self.folder}", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        self._history.append({name: float(value) for name, value in logs.items()})
        self.folder.mkdir(parents=True, exist_ok=True)
        weights = self._weights(len(self._history))
        self.model.save_weights(weights)
        self._write()
        for old in self.folder.glob("epoch-*.weights.h5"):
            if old != weights:
                old.unlink()

    def remove(self) -> None:
        """Remove the backup, once training has ended; what else lies in the folder stays."""
        for pattern in ("epoch-*.weights.h5", "best-*.weights.h5", "training.json*"):
            for path in self.folder.glob(pattern):
                path.unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _weights(self, epochs: int) -> Path:
        return self.folder / f"epoch-{epochs}.weights.h5"

    def _read(self) -> dict[str, Any] | None:
        try:
            state = json.loads((self.folder / "training.json").read_text())
        except (OSError, ValueError):
            return None
        names = [type(callback).__name__ for callback in self.callbacks]
        same = state["settings"] == self.settings and [name for name, _ in state["callbacks"]] == names
        return state if same else None

    def _write(self) -> None:
        state = {
            "settings": self.settings,
            "history": self._history,
            "stopped": bool(self.model.stop_training),
            "callbacks": [(type(callback).__name__, _plain_attributes(callback)) for callback in self.callbacks],
        }
        temporary = self.folder / "training.json.new"
        temporary.write_text(json.dumps(state))
        os.replace(temporary, self.folder / "training.json")


def _epoch_of(weights: Path) -> int:
    return int(weights.name.split("-")[1].split(".")[0])


def _plain_attributes(callback: keras.callbacks.Callback) -> dict[str, Any]:
    arguments = inspect.signature(type(callback)).parameters
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in vars(callback).items()
        if not (name.startswith("_") or name in arguments)
        and (value is None or isinstance(value, (bool, int, float, np.number, np.bool_)))
    }
