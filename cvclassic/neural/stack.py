"""`TrainingStack`: optimizer, schedule, batch size, epochs and what callbacks go by, the same for a run's networks."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
    "adamw": 3e-3,
    "nadam": 3e-3,
}
"""The optimizers, and the learning rate of each where none is given."""

OPTIMIZER_PARAMETERS = {
    "sgd": ("weight_decay",),
    "momentum": ("momentum", "weight_decay"),
    "nesterov": ("momentum", "weight_decay"),
    "adagrad": ("epsilon", "weight_decay"),
    "rmsprop": ("rho", "momentum", "epsilon", "weight_decay"),
    "adam": ("beta_1", "beta_2", "epsilon", "weight_decay"),
    "adamw": ("beta_1", "beta_2", "epsilon", "weight_decay"),
    "nadam": ("beta_1", "beta_2", "epsilon", "weight_decay"),
}
"""The parameters that each optimizer has besides the learning rate."""

DECAYS = {"constant": None, "cosine": None, "inverse_time": 1.0, "exponential": 0.9, "step": 0.5}
"""The schedules, and the `decay` of each where none is given; None where the schedule has no such parameter."""

EPOCHS = 10
"""Of a training whose stack names no number."""

BACKUP = "backup"
"""The folder, inside the training's own, of what an interrupted training goes on from; a run keeps it to be resumed."""

MONITORS = ("val_loss", "val_accuracy", "val_macro_f1")
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")

# Name and arguments of Keras's class where they are not just the optimizer's own.
_KERAS_OPTIMIZERS = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "nadam": ("Nadam", {}),
}


@dataclass(frozen=True)
class TrainingStack:
    """How a network is trained; one object for all networks of a run. Importing and making it needs no Keras.

    With g the gradient, a the learning rate and x a weight, the optimizers are: `"sgd"`, x -= a g; `"momentum"`,
    v = momentum v - a g and x += v; `"nesterov"`, the same with the gradient taken ahead, in Keras's form
    x += momentum v - a g after v's step (Sutskever et al., 2013, with x standing for the point ahead); `"adagrad"`
    (Duchi et al., 2011), `"rmsprop"` (Tieleman and Hinton, 2012), `"adam"` (Kingma and Ba, 2015), `"adamw"`
    (Loshchilov and Hutter, 2019), `"nadam"` (Dozat, 2016).

    Parameters
    ----------
    optimizer : {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam"}
    learning_rate : float, optional
        None takes the optimizer's own from `LEARNING_RATES`.
    momentum : float, optional
        Of `"momentum"` and `"nesterov"` (0.9 where None) and of `"rmsprop"` (0).
    beta_1, beta_2 : float, optional
        Of `"adam"`, `"adamw"`, `"nadam"`: what the moving averages of the gradient and of its square keep at each step
        (0.9 and 0.999).
    rho : float, optional
        Of `"rmsprop"`: what the moving average of the squared gradient keeps (0.9).
    epsilon : float, optional
        Of the adaptive optimizers, in the denominator (1e-7). Keras adds it under the root for `"adagrad"`, whose sum
        of squares it starts at 0.1, and for `"rmsprop"`; outside of the root, and without its correction of bias, for
        the Adams.
    weight_decay : float, optional
        Every weight, biases included, loses this share times the learning rate at each step, apart from the gradient.
        None is 0.004 for `"adamw"`, and none for the others.
    schedule : {"cosine", "constant", "inverse_time", "exponential", "step"}
        How the rate falls from epoch to epoch. With i the epochs since the warm-up: `"inverse_time"`,
        1 / (1 + decay i); `"exponential"`, decay ** i; `"step"`, decay ** (i // decay_epochs); `"cosine"`, half a
        cosine from 1 to nearly 0 in the last epoch (Loshchilov and Hutter, SGDR, 2017, without restarts). Where
        `min_steps` or a time budget decides how long a training is, the whole of it counts as `epochs` for the
        schedule and its warm-up, as 10 where there are none.
    decay : float, optional
        Of the schedule, as above. None is 1 for `"inverse_time"`, 0.9 for `"exponential"`, 0.5 for `"step"`.
    decay_epochs : int, optional
        Epochs of one step of `"step"`. None is a third of all epochs, rounded up.
    warmup_epochs : int
        The first so many epochs climb to `learning_rate` in equal steps (Goyal et al., 2017); the schedule begins
        after them.
    batch_size : int
    epochs : int, optional
        Passes over the training samples. None is 10, or with a time budget as many as it has room for.
    min_steps : int
        Steps of the optimizer that a training has at least: where `epochs` are fewer, it has as many epochs as
        make up so many. A time budget goes before it.
    monitor : {"val_loss", "val_accuracy", "val_macro_f1"}
        The validation figure that chooses the best epoch and drives the callbacks. With fewer than 100 validation
        samples (`course.FEW`) it does neither: a training has all of its epochs and keeps its last weights.
    macro_f1 : bool
        Compute `val_macro_f1` at the end of each epoch even where `monitor` doesn't ask for it.
    early_stopping_patience : int
        Epochs without a better `monitor` after which training stops (`EarlyStopping`).
    plateau_factor, plateau_patience : float, int
        After so many epochs without a better `monitor` the rate is multiplied by the factor, on top of the schedule
        (`ReduceLROnPlateau`). Both patiences count epochs of 50 steps at least (`course.SHORT_EPOCH`), or so many that
        make up 50; and of a training that `min_steps` makes longer they are the same share as of `epochs`. Where a
        time budget alone ends a training, its schedule is over the whole of it, and neither counts.
    time_budget : float, optional
        Seconds after which training ends, within an epoch if need be, with the best weights so far: those of the
        classifier's `fit`, or those that its argument `meter` reads. The schedule runs over the time that is left
        when training begins, batch by batch (Li, Yumer and Ramanan, Budgeted Training, ICLR 2020, who count
        iterations), or over `epochs`, whichever ends first.
    tensorboard : bool
        Write a log for TensorBoard into the folder `tensorboard` of the training's log folder.
    precision : {"float32", "mixed_float16", "mixed_bfloat16"}
        What the layers compute in; the weights are float32 always. The mixed ones are for GPUs.

    Raises
    ------
    InputError
        For a value outside of these, or a parameter that the chosen optimizer or schedule doesn't have.
    """

    optimizer: str = "adam"
    learning_rate: float | None = None
    momentum: float | None = None
    beta_1: float | None = None
    beta_2: float | None = None
    rho: float | None = None
    epsilon: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    decay: float | None = None
    decay_epochs: int | None = None
    warmup_epochs: int = 0
    batch_size: int = 64
    epochs: int | None = None
    monitor: str = "val_loss"
    macro_f1: bool = False
    early_stopping_patience: int = 5
    plateau_factor: float = 0.5
    plateau_patience: int = 3
    time_budget: float | None = None
    tensorboard: bool = False
    precision: str = "float32"
    min_steps: int = 0

    def __post_init__(self):
        self._check_choices()
        self._check_optimizer()
        self._check_counts()
        self._check_schedule()
        if not _is_number(self.plateau_factor, above=0) or self.plateau_factor >= 1:
            raise InputError(f"plateau_factor={self.plateau_factor!r}; it must lie between 0 and 1, such as 0.5.")
        if self.time_budget is not None and not _is_number(self.time_budget, above=0):
            raise InputError(f"time_budget={self.time_budget!r}; it must be a number of seconds above 0, such as 60.")

    def initial_learning_rate(self) -> float:
        """The learning rate before the schedule's factor."""
        return LEARNING_RATES[self.optimizer] if self.learning_rate is None else float(self.learning_rate)

    def scheduled_rate(self, progress: float) -> float:
        """The schedule's learning rate where this share of a training is over, from 0 to 1; a plateau may lower it."""
        return self.initial_learning_rate() * self._schedule_factor(progress)

    def planned_epochs(self, n_samples: int) -> int | None:
        """The epochs of a training on so many samples; None where the time budget alone ends it."""
        if self.time_budget is not None:
            return self.epochs
        return max(self.epochs or EPOCHS, math.ceil(self.min_steps / self.steps_per_epoch(n_samples)))

    def steps_per_epoch(self, n_samples: int) -> int:
        """Batches of an epoch; the last one has what is left."""
        return math.ceil(n_samples / self.batch_size)

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """A fresh Keras optimizer."""
        name, arguments = _KERAS_OPTIMIZERS[self.optimizer]
        given = {p: float(v) for p in OPTIMIZER_PARAMETERS[self.optimizer] if (v := getattr(self, p)) is not None}
        return getattr(prepare_backend().optimizers, name)(self.initial_learning_rate(), **(arguments | given))

    def monitor_mode(self) -> str:
        """`"min"` where a lower `monitor` is better, else `"max"`."""
        return "min" if self.monitor == "val_loss" else "max"

    def _schedule_factor(self, progress: float) -> float:
        epochs = self.epochs or EPOCHS
        epoch = progress * epochs + 1e-9  # rounding must not put the beginning of an epoch into the one before
        if epoch < self.warmup_epochs:
            return (epoch + 1) / (self.warmup_epochs + 1)
        i = epoch - self.warmup_epochs
        decay = DECAYS[self.schedule] if self.decay is None else self.decay
        if self.schedule == "cosine":
            return (1 + math.cos(math.pi * min(i / (epochs - self.warmup_epochs), 1))) / 2
        if self.schedule == "inverse_time":
            return 1 / (1 + decay * i)
        if self.schedule == "exponential":
            return decay**i
        if self.schedule == "step":
            return decay ** (i // (self.decay_epochs or math.ceil(epochs / 3)))
        return 1.0

    def _check_choices(self) -> None:
        choices = {
            "optimizer": LEARNING_RATES,
            "schedule": DECAYS,
            "monitor": MONITORS,
            "precision": PRECISIONS,
            "macro_f1": (False, True),
            "tensorboard": (False, True),
        }
        for name, known in choices.items():
            if getattr(self, name) not in tuple(known):
                known = ", ".join(map(str, known))
                raise InputError(f"{name}={getattr(self, name)!r} is unknown; use one of {known}.")

    def _check_optimizer(self) -> None:
        if self.learning_rate is not None and not _is_number(self.learning_rate, above=0):
            raise InputError(f"learning_rate={self.learning_rate!r}; it must be a number above 0, such as 0.001.")
        own = OPTIMIZER_PARAMETERS[self.optimizer]
        for name in ("momentum", "beta_1", "beta_2", "rho", "epsilon", "weight_decay"):
            value = getattr(self, name)
            if value is None:
                continue
            if name not in own:
                has = ", ".join(own)
                raise InputError(
                    f"{name}={value!r} is given, and {self.optimizer} has no such parameter; it has {has}."
                )
            is_share = name not in ("epsilon", "weight_decay")
            if not (value == 0 or _is_number(value, above=0)) or (is_share and value >= 1):
                limits = "from 0 to below 1" if is_share else "of at least 0"
                raise InputError(f"{name}={value!r}; it must be a number {limits}.")

    def _check_counts(self) -> None:
        for name in ("batch_size", "epochs", "early_stopping_patience", "plateau_patience", "decay_epochs"):
            value = getattr(self, name)
            if (value is None and name in ("epochs", "decay_epochs")) or _is_count(value, least=1):
                continue
            raise InputError(f"{name}={value!r}; it must be a whole number of at least 1.")
        if not _is_count(self.min_steps, least=0):
            raise InputError(f"min_steps={self.min_steps!r}; it must be a whole number of at least 0.")
        epochs = self.epochs or EPOCHS
        if not _is_count(self.warmup_epochs, least=0) or self.warmup_epochs >= epochs:
            raise InputError(
                f"warmup_epochs={self.warmup_epochs!r}; it must be a whole number from 0 to below the {epochs} epochs."
            )

    def _check_schedule(self) -> None:
        if self.decay_epochs is not None and self.schedule != "step":
            raise InputError(f"decay_epochs={self.decay_epochs} is given, and only the schedule step has it.")
        if self.decay is None:
            return
        if DECAYS[self.schedule] is None:
            raise InputError(f"decay={self.decay!r} is given, and the schedule {self.schedule} has no such parameter.")
        if not _is_number(self.decay, above=0) or (self.schedule != "inverse_time" and self.decay > 1):
            limits = "above 0" if self.schedule == "inverse_time" else "above 0 and at most 1"
            raise InputError(f"decay={self.decay!r}; for the schedule {self.schedule} it must be a number {limits}.")


def _is_number(value, *, above: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and above < value < math.inf


def _is_count(value, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
