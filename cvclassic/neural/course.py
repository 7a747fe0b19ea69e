"""`Course`: what a training stack comes to on so many samples: epochs, patience, callbacks."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cvclassic.errors import MissingDependencyError
from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.meter import Meter
from cvclassic.neural.stack import BACKUP, EPOCHS, TrainingStack

if TYPE_CHECKING:
    import keras
    import numpy as np

FEW = 100
"""With fewer validation samples than this they choose nothing: one of 20 is five points of accuracy."""

SHORT_EPOCH = 50
"""Steps from which on an epoch counts as a whole one; of shorter ones several make up one."""


@dataclass(frozen=True)
class Course:
    """The course of one training.

    Parameters
    ----------
    stack : TrainingStack
    n_samples, n_validation : int
        Samples to train on, and to validate on.
    """

    stack: TrainingStack
    n_samples: int
    n_validation: int = 0

    @property
    def epochs(self) -> int | None:
        """How many it has at most; None where the time budget alone ends it."""
        return self.stack.planned_epochs(self.n_samples)

    @property
    def chooses(self) -> bool:
        """Whether the validation samples choose the epoch whose weights are kept, and stop training early."""
        return self.n_validation >= FEW

    @property
    def short_epochs(self) -> int:
        """So many make up one of `SHORT_EPOCH` steps or more; as often there is a backup, and a printed line."""
        return math.ceil(SHORT_EPOCH / self.stack.steps_per_epoch(self.n_samples))

    def patience(self, epochs: int) -> int:
        """A patience of so many epochs of the stack in epochs of this training."""
        stretched = (self.epochs or 0) / (self.stack.epochs or EPOCHS)
        return math.ceil(epochs * max(self.short_epochs, stretched))

    def make_callbacks(
        self,
        folder: Path,
        *,
        meter: Meter,
        validation: tuple[np.ndarray, np.ndarray] | None = None,
        own: Sequence[keras.callbacks.Callback] = (),
        afterwards: int = 0,
        verbose: bool = True,
    ) -> list[keras.callbacks.Callback]:
        """The callbacks, in the order in which Keras calls them.

        Parameters
        ----------
        folder : Path
            Gets `training.csv`, a line per epoch, and with `tensorboard` the folder of that name; its folder
            `BACKUP` gets the weights of the best epoch by `monitor` (`callbacks.BestWeights`).
        meter : Meter
            Says what the training has spent of its time budget.
        validation : (X_val, y_val), optional
            Samples as the network takes them, and the numbers of their classes. Where there are none, or fewer than
            `FEW`, nothing stops early, no weights are written, and the rate falls where the training loss stands
            still.
        own : sequence of keras.callbacks.Callback
            Called before the others, so that what they add to an epoch's figures is logged.
        afterwards : int
            Samples that the network sees after the last step, validation included, for which a time budget leaves time.
        verbose : bool
            Whether the callbacks print what happens.

        Raises
        ------
        MissingDependencyError
            For `tensorboard` where it isn't installed.
        """
        from cvclassic.neural import callbacks

        stack, keras_callbacks = self.stack, prepare_backend().callbacks
        budget = None
        if stack.time_budget is not None:
            budget = callbacks.TimeBudget(stack.time_budget, meter, afterwards / stack.batch_size, verbose)
        scores = validation and (stack.macro_f1 or stack.monitor == "val_macro_f1")
        return [
            *([callbacks.MacroF1(*validation)] if scores else []),
            *own,
            callbacks.StopOnNaN(),
            callbacks.Schedule(stack.scheduled_rate, self.epochs, budget),
            *(self._watching(folder, verbose) if self.epochs else self._choosing(folder, verbose)),
            *([budget] if budget else []),
            *([_tensorboard(keras_callbacks, folder / "tensorboard")] if stack.tensorboard else []),
            keras_callbacks.CSVLogger(folder / "training.csv"),
        ]

    def _watching(self, folder: Path, verbose: bool) -> list[keras.callbacks.Callback]:
        """Those that wait for something better, with patience, and those that choose."""
        stack, keras_callbacks = self.stack, prepare_backend().callbacks
        watched, mode = (stack.monitor, stack.monitor_mode()) if self.chooses else ("loss", "min")
        plateau = {"factor": stack.plateau_factor, "patience": self.patience(stack.plateau_patience), "min_lr": 0}
        patience = self.patience(stack.early_stopping_patience)
        return [
            keras_callbacks.ReduceLROnPlateau(watched, mode=mode, **plateau),
            *([keras_callbacks.EarlyStopping(watched, mode=mode, patience=patience)] if self.chooses else []),
            *self._choosing(folder, verbose),
        ]

    def _choosing(self, folder: Path, verbose: bool) -> list[keras.callbacks.Callback]:
        from cvclassic.neural import callbacks

        if not self.chooses:
            return []
        monitor, mode = self.stack.monitor, self.stack.monitor_mode()
        return [
            callbacks.BestWeights(folder / BACKUP, monitor, mode, self.short_epochs),
            callbacks.OverfitWatch(verbose),
        ]


def _tensorboard(keras_callbacks, folder: Path) -> keras.callbacks.Callback:
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingDependencyError(
            "tensorboard=True needs TensorBoard, which isn't installed. Install it with `pip install tensorboard`."
        )
    return keras_callbacks.TensorBoard(folder)
