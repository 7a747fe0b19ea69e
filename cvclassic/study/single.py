"""The interval of a figure on the test images, from what came of a job or of a configuration's seeds or folds."""

from collections.abc import Sequence

import numpy as np

from cvclassic.runs.job import Outcome
from cvclassic.study.figures import figure_interval
from cvclassic.study.intervals import balanced_accuracy_interval
from cvclassic.study.statistics import wilson_interval


def interval_of(
    outcomes: Sequence[Outcome], metric: str, groups: np.ndarray | None, folds: np.ndarray | None
) -> tuple[float, float]:
    """The 95 % interval of a metric, over several trainings of their mean, as fractions; see `figure_interval`.

    Where predictions are missing it is that of images that stand for themselves; of macro F1 nothing is known then.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One or more that succeeded, on the same test images.
    metric : str
    groups, folds : ndarray of shape (n_test,), int64; or None
    """
    said = [outcome.predictions for outcome in outcomes if outcome.predictions is not None]
    results = [outcome.result for outcome in outcomes]
    if len(said) == len(outcomes) and len(said[0].y_true) > 1:
        return figure_interval(
            np.stack([each.y_pred for each in said]),
            said[0].y_true,
            metric,
            groups=None if groups is None or len(np.unique(groups)) < 2 else groups,
            folds=folds,
            n_classes=len(results[0].per_class) or None,
        )
    if metric == "accuracy":
        n_test = results[0].n_test
        return wilson_interval(float(np.mean([result.test_accuracy for result in results])) * n_test, n_test)
    if metric == "balanced_accuracy":
        sizes = [each.n_test for each in results[0].per_class if each.n_test]
        recalls = np.mean([[each.recall for each in result.per_class if each.n_test] for result in results], axis=0)
        return balanced_accuracy_interval(recalls * sizes, sizes)
    return 0.0, 1.0
