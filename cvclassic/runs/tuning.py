"""The choice of a pipeline's parameters within a given time, on images that are neither fitted on nor tested."""

import pickle
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from cvclassic.augmentation import innermost, layers
from cvclassic.datasets.splits import deal
from cvclassic.neural import NeuralClassifier, TrainingStack
from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.meter import Stopwatch
from cvclassic.neural.stack import EPOCHS
from cvclassic.runs.halving import Candidate, Halving, Level, Scored
from cvclassic.runs.job import Trial, Tuning
from cvclassic.runs.search import Space, points

SHARES = (1 / 9, 1 / 3)  # of the training images, or of a network's steps, at the levels before the last
FEWEST = 1000  # training images of a level
FEW = 200  # validation images; with fewer, candidates are judged by cross-validation
PARTS = 5  # of that
DECIDING, DECIDING_IMAGES = 1 / 3, 100  # share of training images or steps, and held-out images, to choose by
REMEMBERED = 2**30  # bytes of features at most that are kept from trial to trial

Samples = tuple[np.ndarray, np.ndarray]
Build = Callable[[Candidate, int, float], BaseEstimator]
Fit = Callable[[BaseEstimator, Samples, Samples], object]


def tune(
    build: Build,
    fit: Fit,
    space: Space | None,
    training: Samples,
    validation: Samples,
    groups: np.ndarray | None = None,
    *,
    seed: int,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Tuning:
    """Search `space` for `seconds`, by successive halving of random candidates (see `runs.halving`).

    Candidates are judged on the validation images or, where there are fewer than 200, by cross-validation in five parts
    of training and validation images together: on 20 images the best of many candidates is the luckiest. The levels of
    the search are a ninth, a third and all of the training images, of which none has fewer than 1,000, or for a network
    of its steps; and with cross-validation first one part, then two, then all five. Features are computed once for all
    trials that share them, up to 1 GiB.

    Parameters
    ----------
    build : callable
        Of a candidate, the number of images that it will be fitted on, and the share of a network's steps, to an
        estimator that is not fitted.
    fit : callable
        Fits an estimator to training samples, with validation samples, of which there may be none.
    space : Space, optional
        None where the pipeline declares none.
    training, validation : images and labels, (n,)
    groups : ndarray of int, (n,), optional
        Of the training and then the validation images: those with the same number are never in two parts.
    seed : int
        Of the candidates, and of the choice of images for the lower levels.
    seconds : float
        For all of it. Only a fit that can't be interrupted goes on for longer.
    clock : callable
        Gives the seconds since some moment.
    """
    parts = _parts(training, validation, groups, seed)
    reason = None if parts else "too few images to hold some out"
    if not space:
        reason = "no search space declared" if space is None else "all that it may vary is set"
    if reason:
        return Tuning({}, None, None, (), reason)
    trials = _Trials(build, fit, parts, seed, clock)
    search = Halving(trials.attempt, trials.levels(), seconds, clock)
    search.run(points(space, np.random.default_rng(seed)))
    chosen, defaults = (trials.record(scored) for scored in search.chosen())
    tried = tuple(trials.record(scored) for each in search.rounds for scored in each)
    reason = None if search.decided else "too little time to choose by"
    return Tuning(chosen.parameters, chosen.accuracy, defaults.accuracy, tried, reason)


def shortened(stack: TrainingStack, share: float) -> TrainingStack:
    """The stack for a training of `share` of the steps, over which the learning rate takes the same course."""
    if share == 1:
        return stack
    changes: dict[str, int | float] = {"min_steps": round(stack.min_steps * share)}
    if stack.epochs is not None or stack.time_budget is None:
        epochs = max(1, round((stack.epochs or EPOCHS) * share))
        changes |= {"epochs": epochs, "warmup_epochs": min(round(stack.warmup_epochs * share), epochs - 1)}
    if stack.decay_epochs is not None:
        changes["decay_epochs"] = max(1, round(stack.decay_epochs * share))
    if stack.time_budget is not None:
        changes["time_budget"] = stack.time_budget * share
    return replace(stack, **changes)


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """All rows in such an order that every beginning holds each class in about its share."""
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + random.random()) / len(members)
    return np.argsort(place, kind="stable")


class _Part(NamedTuple):
    """Images to fit on, images to be right on, and those that may end a network's training: the latter, or none."""

    training: Samples
    held_out: Samples
    validation: Samples


def _parts(training: Samples, validation: Samples, groups: np.ndarray | None, seed: int) -> list[_Part]:
    if len(validation[1]) >= FEW:
        return [_Part(training, validation, validation)]
    X, y = (np.concatenate(both) for both in zip(training, validation, strict=True))
    part_of, parts = _part_of(y, groups, seed), []
    for k in range(PARTS):
        kept, out = part_of != k, part_of == k
        if out.any() and len(np.unique(y[kept])) > 1:
            parts.append(_Part((X[kept], y[kept]), (X[out], y[out]), (X[:0], y[:0])))
    return parts


def _part_of(labels: np.ndarray, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """The number of each image's part, over which each class is spread; -1 for the only image of a class."""
    part_of = deal(labels, groups, (1 / PARTS,) * PARTS, np.random.default_rng(seed))
    classes, counts = np.unique(labels, return_counts=True)
    return np.where(np.isin(labels, classes[counts == 1]), -1, part_of)


class _Trials:
    """What tries candidates: each part of each level once."""

    def __init__(self, build: Build, fit: Fit, parts: list[_Part], seed: int, clock: Callable[[], float]):
        self._build, self._fit, self._parts, self._seed, self._clock = build, fit, parts, seed, clock
        self._n_train = len(parts[0].training[1])
        self._is_network = isinstance(innermost(build({}, self._n_train, 1.0)), NeuralClassifier)
        self._features = _Features()
        self._known: dict[tuple, np.ndarray | None] = {}

    def levels(self) -> list[Level]:
        """The levels of the search, the cheapest first."""
        shares = [share for share in SHARES if self._is_network or share * self._n_train >= FEWEST]
        shares = [(1.0, share) if self._is_network else (share, 1.0) for share in shares]
        made = [(*each, 1) for each in shares]
        made += [(1.0, 1.0, k) for k in sorted({1, min(2, len(self._parts)), len(self._parts)})]
        return [Level(*each, decides=self._decides(*each)) for each in made]

    def _decides(self, images: float, steps: float, n_parts: int) -> bool:
        enough = n_parts == len(self._parts) or self._n_held_out(n_parts) >= DECIDING_IMAGES
        return enough and min(images, steps) >= DECIDING

    def attempt(self, candidate: Candidate, level: Level, left: float) -> np.ndarray | None:
        """Whether the candidate, fitted at this level, is right on each held-out image; None where it fails."""
        began, found = self._clock(), []
        for k, part in enumerate(self._parts[: level.parts]):
            key = (k, level.images, level.steps, *candidate.items())
            if key not in self._known:
                self._known[key] = self._right(candidate, level, part, began + left)
            found.append(self._known[key])
            if found[-1] is None:
                break
        right = None if found[-1] is None else np.concatenate(found)
        print(_described(self.record(Scored(candidate, level, right, self._clock() - began))), flush=True)
        return right

    def record(self, scored: Scored) -> Trial:
        """What is kept of a trial."""
        candidate, level, right, seconds = scored.candidate, scored.level, scored.right, scored.seconds
        n_train, n_held_out = round(level.images * self._n_train), self._n_held_out(level.parts)
        accuracy = None if right is None else scored.accuracy
        return Trial(dict(candidate), n_train, level.steps, n_held_out, accuracy, seconds)

    def _n_held_out(self, n_parts: int) -> int:
        return sum(len(part.held_out[1]) for part in self._parts[:n_parts])

    def _right(self, candidate: Candidate, level: Level, part: _Part, ends: float) -> np.ndarray | None:
        X, y = part.training
        if level.images < 1:
            rows = np.sort(stratified_order(y, self._seed)[: round(level.images * len(y))])
            X, y = X[rows], y[rows]
        images, labels = part.held_out
        try:
            with warnings.catch_warnings(action="ignore"):  # what the chosen one has to say, its final fit says
                estimator = self._build(candidate, len(y), level.steps)
                self._features.use_in(estimator)
                if self._is_network:
                    _end_training_after(max(ends - self._clock(), 0.0), innermost(estimator))
                self._fit(estimator, (X, y), part.validation)
                right = np.asarray(estimator.predict(images)) == labels
        except Exception as error:
            print(f"tuning: {type(error).__name__}: {' '.join(str(error).split())}", flush=True)
            return None
        finally:
            if self._is_network:
                prepare_backend().utils.clear_session()  # which frees its memory, and counts layers from 1 again
        cut_off = self._is_network and self._clock() >= ends
        return right if np.shape(right) == labels.shape and not cut_off else None


class _Features:
    """A memory of fitted steps and what they made of the training images, as scikit-learn's Pipeline takes one.

    The oldest go where there are more than `REMEMBERED` bytes.
    """

    def __init__(self):
        self._made: dict[str, tuple] = {}

    def __deepcopy__(self, memo):
        return self  # a clone of an estimator shares it

    def use_in(self, estimator: BaseEstimator) -> None:
        """Let the Pipelines around the innermost classifier take the steps before it from here."""
        for layer in layers(estimator):
            if isinstance(layer, Pipeline) and layer.memory is None:
                layer.set_params(memory=self)

    def cache(self, function: Callable, **options: object) -> Callable:
        """`function`, which fits a step and transforms the images with it, only where that was not done before."""

        def made(step, X, y, *arguments, **more):
            try:
                key = joblib.hash((step, X, y))
            except (pickle.PicklingError, AttributeError, TypeError):  # a step of functions without a name
                return function(step, X, y, *arguments, **more)
            if key not in self._made:
                self._made[key] = function(step, X, y, *arguments, **more)
                while len(self._made) > 1 and sum(_n_bytes(X) for X, _ in self._made.values()) > REMEMBERED:
                    del self._made[next(iter(self._made))]
            return self._made[key]

        return made


def _n_bytes(features: object) -> int:
    return getattr(features, "nbytes", 0)


def _end_training_after(seconds: float, network: NeuralClassifier) -> None:
    """Train in silence, and no longer than for `seconds`."""

    def deadline():
        from cvclassic.neural.callbacks import TimeBudget  # which imports Keras

        return TimeBudget(seconds, Stopwatch(), verbose=False)

    network.set_params(callbacks=[*network.callbacks, deadline], verbose=False)


def _described(trial: Trial) -> str:
    parameters = ", ".join(f"{name}={value}" for name, value in trial.parameters.items()) or "as it stands"
    accuracy = "no result" if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %"
    steps = f", {trial.steps:.2g} of the steps" * (trial.steps < 1)
    return (
        f"tuning: {parameters}: {accuracy} of {trial.n_held_out:,} images, from {trial.n_train:,}{steps}, in "
        f"{trial.seconds:.2f} s"
    )
