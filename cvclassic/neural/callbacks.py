"""Callbacks of the training stack that Keras lacks. Importing this module imports Keras."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.meter import Meter

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


class StopOnNaN(keras.callbacks.Callback):
    """Ends training after the batch in which the loss became NaN or infinite, as Keras's `TerminateOnNaN` does.

    It prints nothing: whoever trains says what happened.
    """

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            self.model.stop_training = True


class TimeBudget(keras.callbacks.Callback):
    """Ends training after the batch in which its seconds ran out; that epoch is validated and counts as one.

    Parameters
    ----------
    seconds : float
    meter : Meter
        Says what was spent, tries before an interruption included.
    verbose : bool
        Whether to print it when the time is over.
    """

    def __init__(self, seconds: float, meter: Meter, verbose: bool = True):
        super().__init__()
        self.seconds, self.meter, self.verbose = seconds, meter, verbose

    def on_epoch_begin(self, epoch, logs=None):
        # The meter may have counters of the system to read, which takes longer than a look at the clock.
        self._end = time.perf_counter() + self.seconds - self.meter.read()["seconds"]

    def on_train_batch_end(self, batch, logs=None):
        self._stop_at_the_end()

    def on_epoch_end(self, epoch, logs=None):
        if self._stop_at_the_end() and self.verbose:  # validation takes time as well
            print(f"the time budget of {self.seconds:g} s ended in epoch {epoch + 1}", flush=True)

    def _stop_at_the_end(self) -> bool:
        over = time.perf_counter() >= self._end
        self.model.stop_training = self.model.stop_training or over
        return over


class OverfitWatch(keras.callbacks.Callback):
    """Marks the epoch where the validation loss turned while the training loss fell on.

    Two epochs in a row without a lower validation loss, at a training loss below that of the best epoch, are a turn;
    one alone is often chance. A later, lower validation loss takes the mark back.

    Parameters
    ----------
    verbose : bool
        Whether to print a turn.

    Attributes
    ----------
    overfit_epoch : int or None
        The first epoch after the lowest validation loss, counted from 0.
    """

    PATIENCE = 2

    def __init__(self, verbose: bool = True):
        super().__init__()
        self.verbose = verbose

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
            if self.verbose:
                self._print_turn(logs)

    def _print_turn(self, logs) -> None:
        print(
            f"overfitting since epoch {self.overfit_epoch + 1}: the validation loss rose from {self.best:.3f} to "
            f"{logs['val_loss']:.3f} while the training loss fell from {self.training_loss:.3f} to {logs['loss']:.3f}",
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
        for old in self.saved(self._folder)[:-2]:
            old.unlink()

    @staticmethod
    def saved(folder: Path) -> list[Path]:
        """The files in the folder, oldest epoch first."""
        return sorted(folder.glob("best-*.weights.h5"), key=epoch_of)


def epoch_of(weights: Path) -> int:
    """The epoch in the name of a file of weights, counted from 1."""
    return int(weights.name.split("-")[1].split(".")[0])
