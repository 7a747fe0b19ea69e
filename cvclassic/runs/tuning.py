"""The choice of an SVM's parameters on the validation split, by successive halving."""

import time
from collections.abc import Collection, Mapping

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from cvclassic.augmentation import innermost, layers
from cvclassic.runs.job import Trial, Tuning

KEPT = 3  # of so many candidates one goes on, to so many times the training images
FEWEST = 1000  # training images of the first round


def tune(
    estimator: BaseEstimator,
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    seed: int,
    fixed: Collection[str] = (),
) -> Tuning | None:
    """Set the parameters of the classifier inside `estimator` to the best of its `tuning_grid(features)`.

    Successive halving (Jamieson and Talwalkar, AISTATS 2016): all candidates are fitted on few training images, the
    best third of them on three times as many, and so on up to all; each is scored on the whole validation split. The
    steps before are fitted once, on all training images as they are, without what a wrapper would add. Of equally good
    candidates the first one counts.

    Parameters
    ----------
    estimator : classifier, Pipeline, or what wraps one (see `cvclassic.augmentation`)
        Not fitted; changed in place.
    X_train, X_val : ndarray of images
    y_train, y_val : ndarray of shape (n,)
    seed : int
        Of the choice of the images for the early rounds.
    fixed : collection of str
        Names of parameters, in lower case, that stay as they are.

    Returns
    -------
    Tuning; None, and nothing is changed, where the classifier has no `tuning_grid`, all of it is fixed, or there is
    nothing to validate on
    """
    classifier = innermost(estimator)
    if not hasattr(classifier, "tuning_grid") or not len(y_val):
        return None
    started = time.perf_counter()
    X_train, X_val = _features(estimator, X_train, y_train, X_val)
    grid = {name: values for name, values in classifier.tuning_grid(X_train).items() if name.lower() not in fixed}
    if not grid:
        return None
    candidates, tried = list(ParameterGrid(grid)), []
    order = stratified_order(y_train, seed)
    for n in _rounds(len(candidates), len(order)):
        rows = np.sort(order[:n])
        X, y = X_train[rows], y_train[rows]
        accuracies = []
        for candidate in candidates:
            fitted = clone(classifier).set_params(**candidate).fit(X, y)
            accuracies.append(float(np.mean(fitted.predict(X_val) == y_val)))
            tried.append(Trial(_as_floats(candidate), n, accuracies[-1]))
            print(f"tuning: {_described(tried[-1])}", flush=True)
        best = np.argsort(np.negative(accuracies), kind="stable")  # the first of equals first
        chosen, accuracy = candidates[best[0]], accuracies[best[0]]
        candidates = [candidates[k] for k in sorted(best[: max(1, len(best) // KEPT)])]
    classifier.set_params(**chosen)
    return Tuning(time.perf_counter() - started, _as_floats(chosen), accuracy, tuple(tried))


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """All rows in such an order that every beginning holds each class in about its share."""
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + random.random()) / len(members)
    return np.argsort(place, kind="stable")


def _features(estimator, X_train, y_train, X_val):
    """What the innermost classifier of `estimator` gets: both batches after the steps of each Pipeline around it."""
    for layer in layers(estimator):
        if isinstance(layer, Pipeline) and len(layer) > 1:
            for _, step in clone(layer).steps[:-1]:
                if step not in (None, "passthrough"):
                    X_train = step.fit_transform(X_train, y_train)
                    X_val = step.transform(X_val)
    return X_train, X_val


def _rounds(n_candidates: int, n_train: int) -> list[int]:
    """Training images of each round, up to all; as many rounds as candidates and images allow."""
    rounds = [n_train]
    while n_candidates >= KEPT ** len(rounds) and rounds[0] // KEPT >= FEWEST:
        rounds.insert(0, rounds[0] // KEPT)
    return rounds


def _as_floats(parameters: Mapping[str, float]) -> dict[str, float]:
    """As files hold them: NumPy's numbers and whole ones too."""
    return {name: float(value) for name, value in parameters.items()}


def _described(trial: Trial) -> str:
    parameters = ", ".join(f"{name} {value:.4g}" for name, value in trial.parameters.items())
    return (
        f"{parameters}: {100 * trial.accuracy:.2f} % of the validation images, from {trial.n_train:,} training images"
    )
