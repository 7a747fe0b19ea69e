"""`BackupAndRestore`: a training that was killed goes on from its last backup. Importing it imports Keras."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.callbacks import BestWeights, epoch_of
from cvclassic.neural.meter import Meter

keras = prepare_backend()


class BackupAndRestore(keras.callbacks.Callback):
    """Keeps all that an interrupted training needs to go on after one of its epochs; make it the last callback.

    Keras's callback of the same name keeps weights, optimizer and epoch, each file by itself. This one also keeps the
    other callbacks' state (patience so far, best value), the figures of each epoch and what the meter read, and a kill
    at any moment leaves one whole epoch's state: the weights get a file of their own per epoch, and `training.json`,
    which is replaced at once, says which counts. A damaged backup is not used.

    With `epochs.EpochDraws` the training then ends with the figures that it would have had uninterrupted: bit for bit
    where the backend rounds the same way in each run, as TensorFlow does on one thread.

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
    meter : Meter
        Goes on from what it read when the backup was written.
    every : int
        The epochs from one backup to the next; the last one is backed up too.
    epochs : int, optional
        Of the whole training; None where its end isn't known.
    verbose : bool
        Whether to print where training goes on.

    Attributes
    ----------
    epochs_done : int
        Whole epochs in the backup that was found; 0 without one. Pass it to `keras.Model.fit` as `initial_epoch`.
    stopped : bool
        Whether training had already come to its end there, by early stopping for instance.
    """

    def __init__(
        self,
        folder: Path,
        callbacks: Sequence[keras.callbacks.Callback],
        settings: dict[str, Any],
        meter: Meter,
        every: int = 1,
        epochs: int | None = None,
        verbose: bool = True,
    ):
        super().__init__()
        self.every, self.epochs = every, epochs
        self.folder = folder
        self.callbacks = list(callbacks)
        self.settings = json.loads(json.dumps(settings))
        self.meter = meter
        self.verbose = verbose
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
            if epoch_of(path) > self.epochs_done:  # of the epoch that was interrupted
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
            vars(callback).update(_plain(callback, attributes))
        self.meter.go_on_from(self._state["spent"])
        if self.verbose:
            print(f"going on after epoch {self.epochs_done}, from {self.folder}", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        self._history.append({name: float(value) for name, value in logs.items()})
        if (epoch + 1) % self.every and epoch + 1 != self.epochs and not self.model.stop_training:
            return
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

    def _checksum(self, epochs: int) -> int:
        """Of the files that count after so many epochs: their weights, and the best ones so far."""
        best = [path for path in BestWeights.saved(self.folder) if epoch_of(path) <= epochs]
        checksum = 0
        for path in (self._weights(epochs), *best[-1:]):
            checksum = zlib.crc32(path.read_bytes(), checksum)
        return checksum

    def _read(self) -> dict[str, Any] | None:
        """The state of a whole backup of this training, or None."""
        names = [type(callback).__name__ for callback in self.callbacks]
        try:
            state = json.loads((self.folder / "training.json").read_text())
            state["history"] = [{name: float(value) for name, value in row.items()} for row in state["history"]]
            state["spent"] = {name: float(value) for name, value in state["spent"].items()}
            same = state["settings"] == self.settings and [name for name, _ in state["callbacks"]] == names
            whole = state["checksum"] == self._checksum(len(state["history"]))
            return state if same and whole and "stopped" in state and "seconds" in state["spent"] else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def _write(self) -> None:
        state = {
            "settings": self.settings,
            "history": self._history,
            "checksum": self._checksum(len(self._history)),
            "stopped": bool(self.model.stop_training),
            "spent": self.meter.read(),
            "callbacks": [(type(callback).__name__, _plain(callback, vars(callback))) for callback in self.callbacks],
        }
        temporary = self.folder / "training.json.new"
        temporary.write_text(json.dumps(state))
        os.replace(temporary, self.folder / "training.json")


def _plain(callback: keras.callbacks.Callback, attributes: dict[str, Any]) -> dict[str, Any]:
    """Those that the callback's state is made of, as JSON knows them."""
    arguments = inspect.signature(type(callback)).parameters
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in attributes.items()
        if not (name.startswith("_") or name in arguments)
        and (value is None or isinstance(value, (bool, int, float, np.number, np.bool_)))
    }
