"""The choice of an SVM's parameters on the validation split, by successive halving."""

import time
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

KEPT = 3  # of so many candidates one goes on, to so many times the training images
FEWEST = 1000  # training images of the first round


def tune(estimator, X_train, y_train, X_val, y_val, seed: int) -> dict[str, Any] | None:
    """Set the parameters of the last step of `estimator` to the best of its `tuning_grid(features)`; None without one.

    Successive halving (Jamieson and Talwalkar, AISTATS 2016): all candidates are fitted on few training images, the
    best third of them on three times as many, and so on up to all; each is scored on the whole validation split. The
    steps before are fitted once, on all training images. Of equally good candidates the first one counts.

    Returns
    -------
    dict with "seconds", "chosen" (parameters), "validation_accuracy" and "tried" (n_train, accuracy and parameters)
    """
    while hasattr(estimator, "estimator"):  # the classifier that is wrapped, such as by MirrorAugmentation
        estimator = estimator.estimator
    steps, classifier = (estimator[:-1], estimator[-1]) if isinstance(estimator, Pipeline) else (None, estimator)
    if not hasattr(classifier, "tuning_grid"):
        return None
    started = time.perf_counter()
    if steps:
        steps = clone(steps)
        X_train, X_val = steps.fit_transform(X_train, y_train), steps.transform(X_val)
    order = stratified_order(y_train, seed)
    grid = classifier.tuning_grid(X_train)
    candidates, tried = list(ParameterGrid(grid)), []
    for n in _rounds(len(candidates), len(order)):
        rows = np.sort(order[:n])
        X, y = X_train[rows], y_train[rows]
        scored = []
        for candidate in candidates:
            fitted = clone(classifier).set_params(**candidate).fit(X, y)
            scored.append({"n_train": n, "accuracy": float(np.mean(fitted.predict(X_val) == y_val)), **candidate})
            print(f"tuning: {_described(scored[-1])}", flush=True)
        tried += scored
        best = sorted(range(len(scored)), key=lambda k: -scored[k]["accuracy"])  # stable: the first of equals
        candidates = [candidates[k] for k in sorted(best[: max(1, len(best) // KEPT)])]
    winner = scored[best[0]]
    chosen = {name: winner[name] for name in grid}
    classifier.set_params(**chosen)
    return {
        "seconds": time.perf_counter() - started,
        "chosen": chosen,
        "validation_accuracy": winner["accuracy"],
        "tried": tried,
    }


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """All rows in such an order that every beginning holds each class in about its share."""
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + random.random()) / len(members)
    return np.argsort(place, kind="stable")


def _rounds(n_candidates: int, n_train: int) -> list[int]:
    """Training images of each round, up to all; as many rounds as candidates and images allow."""
    rounds = [n_train]
    while n_candidates >= KEPT ** len(rounds) and rounds[0] // KEPT >= FEWEST:
        rounds.insert(0, rounds[0] // KEPT)
    return rounds


def _described(row: dict[str, Any]) -> str:
    parameters = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("n_train", "accuracy"))
    return (
        f"{parameters}: {100 * row['accuracy']:.2f} % of the validation images, from {row['n_train']:,} training images"
    )
