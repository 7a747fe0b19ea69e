"""`TrainingStack`: optimizer, schedule, batch size, epochs and callbacks, the same for all networks of a run."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cvclassic.errors import InputError
from cvclassic.neural.backend import prepare_backend

if TYPE_CHECKING:
    import keras

LEARNING_RATES = {
    "sgd": 0.1,
    "momentum": 0.02,
    "nesterov": 0.02,
    "adagrad": 0.02,
    "rmsprop": 1e-3,
    "adam": 3e-3,
}
"""The optimizers, and the learning rate of each where none is given."""

SCHEDULES = ("cosine", "constant")
MONITORS = ("val_loss", "val_accuracy")


@dataclass(frozen=True)
class TrainingStack:
    """How a network is trained; one object for all networks of a run. Importing and making it needs no Keras.

    Parameters
    ----------
    optimizer : {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"}
        `"momentum"` and `"nesterov"` are SGD with momentum 0.9.
    learning_rate : float, optional
        That of the first epoch. None takes the optimizer's own from `LEARNING_RATES`.
    schedule : {"cosine", "constant"}
        `"cosine"` lets the rate fall along half a cosine, from epoch to epoch, to nearly 0 in the last
        (Loshchilov and Hutter, SGDR, 2017, without restarts).
    batch_size, epochs : int
    monitor : {"val_loss", "val_accuracy"}
        The validation figure that chooses the best epoch and drives the callbacks.
    early_stopping_patience : int
        Epochs without a better `monitor` after which training stops (`EarlyStopping`).
    plateau_factor, plateau_patience : float, int
        After so many epochs without a better `monitor` the rate is multiplied by the factor, on top of the schedule
        (`ReduceLROnPlateau`).

    Raises
    ------
    InputError
        For a value outside of these.
    """

    optimizer: str = "adam"
    learning_rate: float | None = None
    schedule: str = "cosine"
    batch_size: int = 64
    epochs: int = 10
    monitor: str = "val_loss"
    early_stopping_patience: int = 5
    plateau_factor: float = 0.5
    plateau_patience: int = 3

    def __post_init__(self):
        for name, known in (("optimizer", LEARNING_RATES), ("schedule", SCHEDULES), ("monitor", MONITORS)):
            if getattr(self, name) not in tuple(known):
                raise InputError(f"{name}={getattr(self, name)!r} is unknown; use one of {', '.join(known)}.")
        if self.learning_rate is not None and not _is_number(self.learning_rate, above=0):
            raise InputError(f"learning_rate={self.learning_rate!r}; it must be a number above 0, such as 0.001.")
        for name in ("batch_size", "epochs", "early_stopping_patience", "plateau_patience"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name}={value!r}; it must be a whole number of at least 1.")
        if not _is_number(self.plateau_factor, above=0) or self.plateau_factor >= 1:
            raise InputError(f"plateau_factor={self.plateau_factor!r}; it must lie between 0 and 1, such as 0.5.")

    def initial_learning_rate(self) -> float:
        """The learning rate of the first epoch."""
        return LEARNING_RATES[self.optimizer] if self.learning_rate is None else float(self.learning_rate)

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """A fresh Keras optimizer."""
        optimizers = prepare_backend().optimizers
        rate = self.initial_learning_rate()
        if self.optimizer in ("sgd", "momentum", "nesterov"):
            momentum = 0.0 if self.optimizer == "sgd" else 0.9
            return optimizers.SGD(rate, momentum=momentum, nesterov=self.optimizer == "nesterov")
        return {"adagrad": optimizers.Adagrad, "rmsprop": optimizers.RMSprop, "adam": optimizers.Adam}[self.optimizer](
            rate
        )

    def make_callbacks(self, log: Path, best_weights: Path | None) -> list[keras.callbacks.Callback]:
        """The callbacks of one training.

        Parameters
        ----------
        log : Path
            The CSV file that gets a line per epoch.
        best_weights : Path, optional
            Where the weights of the best epoch by `monitor` are written (`*.weights.h5`). None where there is no
            validation data: then nothing stops early, and the rate falls where the training loss stands still.
        """
        callbacks = prepare_backend().callbacks
        watched = self.monitor if best_weights else "loss"
        chosen = [callbacks.TerminateOnNaN()]
        if self.schedule == "cosine":
            chosen.append(callbacks.LearningRateScheduler(self._next_rate))
        chosen.append(
            callbacks.ReduceLROnPlateau(watched, factor=self.plateau_factor, patience=self.plateau_patience, min_lr=0)
        )
        if best_weights:
            chosen.append(callbacks.EarlyStopping(watched, patience=self.early_stopping_patience))
            chosen.append(callbacks.ModelCheckpoint(best_weights, watched, save_best_only=True, save_weights_only=True))
        return [*chosen, callbacks.CSVLogger(log), self._progress_line(callbacks)]

    def _next_rate(self, epoch: int, rate: float) -> float:
        # A ratio of two points of the curve and not the point itself, so that what ReduceLROnPlateau cut stays cut.
        return rate * self._cosine(epoch) / self._cosine(epoch - 1) if epoch else rate

    def _cosine(self, epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / self.epochs)) / 2

    def _progress_line(self, callbacks) -> keras.callbacks.Callback:
        clock = {}

        def start(epoch, logs):
            clock["start"] = time.perf_counter()

        def report(epoch, logs):
            accuracy = "val_accuracy" if "val_accuracy" in logs else "accuracy"
            seconds = time.perf_counter() - clock["start"]
            print(
                f"epoch {epoch + 1}/{self.epochs}  loss {logs['loss']:.3f}  {accuracy} {logs[accuracy]:.3f}  "
                f"lr {logs['learning_rate']:.2g}  {seconds:.1f} s",
                flush=True,
            )

        return callbacks.LambdaCallback(on_epoch_begin=start, on_epoch_end=report)


def _is_number(value, *, above: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and above < value < math.inf
