"""Callbacks of the training stack that Keras lacks. Importing this module imports Keras."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
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


class Schedule(keras.callbacks.Callback):
    """Sets the learning rate of each epoch, and under a time budget of each batch, by the share that is over.

    What others cut from the rate meanwhile, such as `ReduceLROnPlateau`, stays cut.

    Parameters
    ----------
    rate : function of a share from 0 to 1 to a learning rate
    epochs : int, optional
        Of the whole training; None where only the budget ends it.
    budget : TimeBudget, optional
        With both, that counts of which more is over.

    Attributes
    ----------
    cut : float
        What the others have left of the rate.
    rate_set : float or None
        The rate that was set last.
    """

    def __init__(self, rate: Callable[[float], float], epochs: int | None, budget: TimeBudget | None = None):
        super().__init__()
        self.rate, self.epochs, self.budget = rate, epochs, budget

    def on_train_begin(self, logs=None):
        self.cut, self.rate_set = 1.0, None

    def on_epoch_begin(self, epoch, logs=None):
        self._share = epoch / self.epochs if self.epochs else 0.0
        if not self.budget:
            self._set(self._share)

    def on_train_batch_begin(self, batch, logs=None):
        if self.budget:
            self._set(max(self._share, self.budget.share()))

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = self._rate()

    def _set(self, share: float) -> None:
        if self.rate_set:  # not 0, of which nothing can be cut
            self.cut *= self._rate() / self.rate_set
        self.model.optimizer.learning_rate = self.rate(share) * self.cut
        self.rate_set = self._rate()

    def _rate(self) -> float:
        if hasattr(self.model, "jax_state_sync"):  # on JAX the variables are empty between batches
            self.model.jax_state_sync()
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


class TimeBudget(keras.callbacks.Callback):
    """Ends training after the batch in which its seconds ran out; that epoch is validated and counts as one.

    It leaves time for what comes after the last batch: the network's passes over samples without gradients, taken to
    last half as long as those of training.

    Parameters
    ----------
    seconds : float
    meter : Meter
        Says what was spent, tries before an interruption included.
    batches_afterwards : float
        What comes after the last batch of training, in batches.
    verbose : bool
        Whether to print it when the time is over.

    Attributes
    ----------
    began : float
        What was spent when training began, in its first try.
    """

    def __init__(self, seconds: float, meter: Meter, batches_afterwards: float = 0.0, verbose: bool = True):
        super().__init__()
        self.seconds, self.meter, self.batches_afterwards, self.verbose = seconds, meter, batches_afterwards, verbose

    def on_train_begin(self, logs=None):
        self.began = self.meter.read()["seconds"]
        self._timed, self._batches = 0.0, 0

    def on_epoch_begin(self, epoch, logs=None):
        # The meter may have counters of the system to read, which takes longer than a look at the clock.
        self._end = time.perf_counter() + self.seconds - self.meter.read()["seconds"]
        self._compiles = self._batches == 0

    def on_train_batch_begin(self, batch, logs=None):
        self._batch_began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if not self._compiles:
            self._timed += time.perf_counter() - self._batch_began
            self._batches += 1
        self._compiles = False
        self._stop_at_the_end()

    def on_epoch_end(self, epoch, logs=None):
        if self._stop_at_the_end() and self.verbose:  # validation takes time as well
            print(f"the time budget of {self.seconds:g} s ended in epoch {epoch + 1}", flush=True)

    def share(self) -> float:
        """The share of the time between the beginning of training and its last batch that is over, from 0 to 1."""
        left = self._end - self._reserve() - time.perf_counter()
        in_all = self.seconds - self._reserve() - self.began
        return min(max(1 - left / in_all, 0.0), 1.0) if in_all > 0 else 0.0

    def _reserve(self) -> float:
        return self.batches_afterwards * self._timed / self._batches / 2 if self._batches else 0.0

    def _stop_at_the_end(self) -> bool:
        over = time.perf_counter() >= self._end - self._reserve()
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
    """Prints a line for an epoch: loss, accuracy, learning rate, seconds.

    Parameters
    ----------
    epochs : int, optional
        Of the whole training; None where its end isn't known.
    every : int
        A line for each epoch whose number this divides, and for the last one.
    """

    def __init__(self, epochs: int | None, every: int = 1):
        super().__init__()
        self._epochs, self._every = epochs, every
        self._started = None

    def on_epoch_begin(self, epoch, logs=None):
        self._started = self._started or time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self._every and epoch + 1 != self._epochs and not self.model.stop_training:
            return
        names = [name for name in ("val_accuracy", "val_macro_f1") if name in logs] or ["accuracy"]
        figures = "  ".join(f"{name} {logs[name]:.3f}" for name in names)
        seconds, self._started = time.perf_counter() - self._started, None
        of_all = f"/{self._epochs}" if self._epochs else ""
        print(
            f"epoch {epoch + 1}{of_all}  loss {logs['loss']:.3f}  {figures}  lr {logs['learning_rate']:.2g}  "
            f"{seconds:.1f} s",
            flush=True,
        )


class BestWeights(keras.callbacks.ModelCheckpoint):
    """Keras's `ModelCheckpoint` of the best weights, `best-<epoch>.weights.h5`, epochs counted from 1.

    The best one as of the last backup before this epoch stays too: the newest may be half a file when the process is
    killed.

    Parameters
    ----------
    folder : Path
    monitor, mode : str
        As of `ModelCheckpoint`.
    every : int
        Epochs from one backup to the next.
    """

    def __init__(self, folder: Path, monitor: str, mode: str, every: int = 1):
        pattern = str(folder / "best").replace("{", "{{").replace("}", "}}") + "-{epoch}.weights.h5"
        super().__init__(pattern, monitor, mode=mode, save_best_only=True, save_weights_only=True)
        self._folder, self._every = folder, every

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        *older, _ = self.saved(self._folder) or [None]
        backed_up = [path for path in older if epoch_of(path) <= epoch // self._every * self._every]
        for old in older:
            if old not in backed_up[-1:]:
                old.unlink()

    @staticmethod
    def saved(folder: Path) -> list[Path]:
        """The files in the folder, oldest epoch first."""
        return sorted(folder.glob("best-*.weights.h5"), key=epoch_of)


def epoch_of(weights: Path) -> int:
    """The epoch in the name of a file of weights, counted from 1."""
    return int(weights.name.split("-")[1].split(".")[0])
