"""Test images that are copies of training images: what a pipeline remembers, it need not know.

In a set of one's own they are left out of everything. The figures of a published set are compared with those of others,
so that there they stay in, and the accuracies without them are told beside.
"""

from dataclasses import dataclass, replace

import numpy as np

from cvclassic.runs.job import DatasetRecord, Job, Outcome, Run, SetImages
from cvclassic.study.folds import figures_of


@dataclass(frozen=True)
class Leak:
    """What leaked into the test images of a data set.

    Attributes
    ----------
    n : int
        Test images that are copies of training images.
    n_test : int
        All test images.
    left_out : bool
        Whether figures are without them.
    otherwise : dict of Job to float
        The accuracy of each job with them where they are left out, else without them.
    """

    n: int
    n_test: int
    left_out: bool
    otherwise: dict[Job, float]


def without_leaked(run: Run) -> tuple[Run, dict[str, Leak]]:
    """The run as if these images had not been there, but for published sets; and what leaked, by name of the data set.

    Where all test images of a class are copies, or a job's predictions are missing, nothing of that is left out: there
    would be figures that can't be compared.
    """
    leaks = {}
    for record in run.datasets:
        leaked = (images := run.images.get(record.name)) and images.leaked
        ours = [each for each in run.outcomes if each.result.dataset == record.name and each.result.ok]
        if leaked is None or not ours or any(each.predictions is None for each in ours):
            continue
        kept = np.setdiff1d(np.arange(record.sizes.test), leaked)
        if len(np.unique(ours[0].predictions.y_true[kept])) < len(record.class_names):
            continue
        if record.published:
            accuracies = {each.result.job: _kept(each, record, kept).result.test_accuracy for each in ours}
        else:
            accuracies = {each.result.job: each.result.test_accuracy for each in ours}
        leaks[record.name] = Leak(len(leaked), record.sizes.test, not record.published, accuracies)
        if record.published:
            continue
        outcomes = [_kept(each, record, kept) if each in ours else each for each in run.outcomes]
        names = tuple(record.test_names[k] for k in kept) if record.test_names else ()
        changed = replace(record, sizes=replace(record.sizes, test=len(kept)), test_names=names)
        records = [changed if each is record else each for each in run.datasets]
        shown = {**run.images, record.name: _shown(images, kept)}
        run = replace(run, datasets=tuple(records), outcomes=tuple(outcomes), images=shown)
    return run, leaks


def _kept(outcome: Outcome, record: DatasetRecord, kept: np.ndarray) -> Outcome:
    said = outcome.predictions
    scores = None if said.scores is None else said.scores[kept]
    said = replace(said, y_true=said.y_true[kept], y_pred=said.y_pred[kept], scores=scores)
    accuracy = float(np.mean(said.y_true == said.y_pred))
    figures = figures_of(said, record.class_names) | {"test_accuracy": accuracy, "n_test": len(kept)}
    # What was taken from scores of all images is not known of these.
    lost = dict.fromkeys(("negative_log_likelihood", "brier_score", "calibration_error"))
    return replace(outcome, result=replace(outcome.result, **figures, **lost), predictions=said)


def _shown(images: SetImages, kept: np.ndarray) -> SetImages:
    test = None if images.test is None else images.test[kept]
    groups = None if images.groups is None else images.groups[kept]
    return replace(images, test=test, groups=groups, leaked=None)
