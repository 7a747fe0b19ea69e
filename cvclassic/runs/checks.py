"""What is read back from a run's files has to make sense: DataError says what does not."""

import numpy as np

from cvclassic.errors import DataError
from cvclassic.runs.encoding import Expected
from cvclassic.runs.job import DatasetRecord, Job, Predictions, Result, RunRecord
from cvclassic.runs.spec import METRICS

MOST_JOBS = 100_000
FRACTIONS = (
    *("train_accuracy", "test_accuracy", "balanced_accuracy", "macro_f1", "mean_corruption_error"),
    *("validation_accuracy", "validation_balanced_accuracy", "validation_macro_f1", "calibration_error"),
)
AMOUNTS = (
    *("n_features", "n_train_scored", "n_corrupted", "model_bytes", "peak_memory_mb"),
    *("fit_seconds", "fit_energy_joules", "predict_images_per_second", "answer_seconds"),
    *("tuning_seconds", "tuning_candidates", "negative_log_likelihood", "brier_score"),
)


def check_record(record: RunRecord) -> None:
    """Jobs are of data sets and pipelines of the run, and no more than a run can have."""
    if len(record.jobs) > MOST_JOBS:
        raise DataError(f"has {len(record.jobs):,} jobs; at most {MOST_JOBS:,} are read")
    datasets, pipelines = dict(record.fingerprints), {pipeline.name for pipeline in record.pipelines}
    if any(job.dataset not in datasets or job.pipeline not in pipelines for job in record.jobs):
        raise DataError("is damaged (jobs of data sets or pipelines that it lacks)")


def check_dataset(record: DatasetRecord, name: str) -> None:
    """It is the record of the data set `name`, with images, classes and sizes that can be."""
    shape, sizes = record.image_shape, record.sizes
    if record.name != name:
        raise DataError("is of another data set")
    if len(record.test_names) not in (0, sizes.test) or record.leaked < 0:
        raise DataError("is damaged (names or copies of other test images)")
    if record.metric not in METRICS:
        raise DataError("is damaged (an unknown metric)")
    if not record.class_names or len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or min(shape) < 1:
        raise DataError("is damaged (no such images, or no classes)")
    if any(each.test is None or min(each.test, each.train, each.validation) < 0 for each in (sizes, *record.folds)):
        raise DataError("is damaged (sizes of splits that can't be)")
    if not sizes.test or (record.folds and sum(fold.test for fold in record.folds) != sizes.test):
        raise DataError("is damaged (sizes of splits that can't be)")


def check_result(result: Result, job: Job, family: str, dataset: DatasetRecord) -> None:
    """It is the result of `job`, by a pipeline of this family, with figures that can be."""
    if result.job != job or result.family != family:
        raise DataError("is of another job")
    if result.ok and any(getattr(result, name) is None for name in MEASURED):
        raise DataError("is damaged (figures are missing)")
    if result.n_test not in (None, n_tested(dataset, job)):
        raise DataError("is damaged (another number of test images)")
    if result.per_class and tuple(each.name for each in result.per_class) != dataset.class_names:
        raise DataError("is damaged (figures of other classes)")
    of_classes = [figure for each in result.per_class for figure in (each.precision, each.recall, each.f1)]
    if any(len(accuracies) != 5 for accuracies in (result.corruptions or {}).values()):
        raise DataError("is damaged (corruptions that have not five strengths)")
    corrupted = [accuracy for accuracies in (result.corruptions or {}).values() for accuracy in accuracies]
    fractions = [*(getattr(result, name) for name in FRACTIONS), *of_classes, *corrupted, *_of_tuning(result)]
    amounts = [*(getattr(result, name) for name in AMOUNTS), *(each.n_test for each in result.per_class)]
    if any(not 0 <= value <= 1 for value in fractions if value is not None):
        raise DataError("is damaged (an accuracy that is no fraction)")
    if any(value < 0 for value in amounts if value is not None):
        raise DataError("is damaged (a negative amount)")


def _of_tuning(result: Result) -> list[float | None]:
    """The accuracies of --tune."""
    found = result.tuning
    if {found is None} != {result.tuning_seconds is None, result.tuning_candidates is None}:
        raise DataError("is damaged (figures of tuning are missing)")
    if not found:
        return []
    if found.chosen and found.accuracy is None:
        raise DataError("is damaged (something was chosen by nothing)")
    return [found.accuracy, found.default_accuracy, *(trial.accuracy for trial in found.tried)]


def n_tested(dataset: DatasetRecord, job: Job) -> int:
    """The test images of a job; DataError for one of a fold that the data set has not."""
    if job.fold is None:
        return dataset.sizes.test
    if not 1 <= job.fold <= len(dataset.folds):
        raise DataError("is of a fold that is not there")
    return dataset.folds[job.fold - 1].test


def expected_arrays(dataset: DatasetRecord, job: Job) -> dict[str, Expected]:
    """The arrays of a job's predictions."""
    n_test, n_classes = n_tested(dataset, job), len(dataset.class_names)
    labels = Expected(("int64",), ((n_test,),))
    scores = Expected(("float32",), ((n_test, n_classes), *[(n_test,)] * (n_classes == 2)))
    places = {} if job.fold is None else {"places": labels}
    return {"y_true": labels, "y_pred": labels, "scores": scores} | places


def checked_predictions(arrays: dict[str, np.ndarray], dataset: DatasetRecord, job: Job) -> Predictions:
    """Predictions of `expected_arrays`: labels are classes, scores finite, places ascending test images."""
    scores, places, n_classes = arrays.get("scores"), arrays.get("places"), len(dataset.class_names)
    if not {"y_true", "y_pred"} <= set(arrays) or (places is None) != (job.fold is None):
        raise DataError("is damaged (arrays are missing)")
    if places is not None and (np.any(np.diff(places) < 1) or places[0] < 0 or places[-1] >= dataset.sizes.test):
        raise DataError("is damaged (places of test images that can't be)")
    if any(np.any((arrays[name] < 0) | (arrays[name] >= n_classes)) for name in ("y_true", "y_pred")):
        raise DataError("is damaged (labels that are no classes)")
    if scores is not None and not np.isfinite(scores).all():
        raise DataError("is damaged (scores that are no finite numbers)")
    return Predictions(arrays["y_true"], arrays["y_pred"], scores, places)


# What every job that succeeded has.
MEASURED = (
    *("n_features", "train_accuracy", "test_accuracy", "balanced_accuracy", "macro_f1"),
    *("fit_seconds", "predict_images_per_second"),
    *("peak_memory_mb", "model_bytes", "n_train_scored", "n_test"),
)
