"""Compare intervals of a difference that folds tell: python benchmarks/folds.py [--studies 1000].

Two linear discriminants that are equal in truth are fitted in the folds of new data sets (see `Folds` in claims.py). It
prints a Markdown table: how often each interval covers the difference of the expected accuracies and, after a dot, that
of the very models that were fitted; and its width in points.
"""

import argparse
from math import sqrt

import numpy as np
from claims import Folds
from scipy.stats import t as student_t

from cvclassic.study.differences import FOLDS_EFFECT
from cvclassic.study.intervals import tango_interval

DATA = [
    (60, 5, 1.0, 5),
    (60, 40, 1.3, 5),
    (200, 40, 1.3, 5),
    (200, 130, 2.0, 5),
    (1_000, 40, 1.3, 5),
    (60, 40, 1.3, 10),
]
NAMES = ("independent images", f"{FOLDS_EFFECT} times", "t-test of the folds", "corrected t-test")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--studies", type=int, default=1_000, help="data sets a row")
    n_studies, random = options.parse_args().studies, np.random.default_rng(0)
    print(f"| data | {' | '.join(NAMES)} |\n|{' --- |' * (len(NAMES) + 1)}")
    for n, dimensions, apart, folds in DATA:
        studies, found = Folds(n, dimensions, apart, (0.1, 0.1), folds=folds), []
        for _ in range(n_studies):
            y_true, predicted, fold_of, accuracies = studies.study(random)
            right = (predicted[:, 0] == y_true).astype(float)
            models = accuracies[0] - accuracies[1]
            intervals = _intervals(right[0] - right[1], fold_of)
            found.append([(low <= 0 <= high, low <= models <= high, high - low) for low, high in intervals])
        cells = [f"{e:.1f} · {m:.1f} %, {w:.1f}" for e, m, w in 100 * np.mean(found, axis=0)]
        print(f"| {n:,} images, {dimensions} dimensions, {folds} folds | {' | '.join(cells)} |", flush=True)


def _intervals(differences: np.ndarray, fold_of: np.ndarray) -> list[tuple[float, float]]:
    """In the order of `NAMES`; the last is that of Nadeau and Bengio (Machine Learning 52, 2003)."""
    counts = np.array([np.sum(differences > 0), np.sum(differences < 0), len(differences)])
    of_folds = np.array([differences[fold_of == fold].mean() for fold in np.unique(fold_of)])
    k = len(of_folds)
    spread = float(student_t.ppf(0.975, k - 1) * of_folds.std(ddof=1))
    halves = [spread * sqrt(1 / k), spread * sqrt(1 / k + 1 / (k - 1))]
    center = float(differences.mean())
    return [
        tango_interval(*counts),
        tango_interval(*(counts / FOLDS_EFFECT)),
        *((center - half, center + half) for half in halves),
    ]


if __name__ == "__main__":
    main()
