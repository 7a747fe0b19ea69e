"""`run_job`: one job from its data to its outcome, in this process."""

import math
import traceback
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.metrics import f1_score, precision_recall_fscore_support, recall_score

from cvclassic.augmentation import Prediction, augmentation_of, innermost, predict_with_scores
from cvclassic.errors import CVClassicError, InputError
from cvclassic.features.known import Known
from cvclassic.neural import NeuralClassifier
from cvclassic.runs.calibration import calibrated, calibration
from cvclassic.runs.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from cvclassic.runs.embedded import peak_with
from cvclassic.runs.estimator import ready
from cvclassic.runs.fitting import fit, forget_tuning, tuned
from cvclassic.runs.job import ClassFigures, Job, Outcome, Predictions, Result, Training
from cvclassic.runs.measure import answer_seconds, images_per_second, model_bytes
from cvclassic.runs.plan import RunData
from cvclassic.runs.tuning import stratified_order

TRAIN_SAMPLE = 10_000  # train accuracy of larger sets is taken on this many images
CORRUPTED_SAMPLE = 2_000  # test images at most that are corrupted, 40 times each
LEAST_CALIBRATION = 20  # validation images that one factor is fitted on
LONGEST_REASON = 400  # characters
# What a fit may take beyond the time budget without being called over it: a network still validates its last epoch.
BUDGET_TOLERANCE, BUDGET_TOLERANCE_SECONDS = 0.05, 1.0


def run_job(job: Job, data: RunData, *, folder: Path | None = None) -> Outcome:
    """Fit a job's pipeline, predict the test split in one call, and check what comes of it.

    Only `fit` and `predict` are timed, the latter by calls of its own. Warnings are recorded; progress goes to
    standard output.

    Parameters
    ----------
    job : Job
    data : RunData
        With the job's data set and pipeline in it.
    folder : Path, optional
        Where the pipeline may leave files of its own, and find the backup of an interrupted training.

    Returns
    -------
    Outcome
        Failed, with the reason as its result's status, where the pipeline raises or gives nonsense: labels that are no
        classes, scores that are not finite or of a wrong shape, a history that is no list of finite numbers.
    """
    drawn = np.random.get_state()
    try:
        with warnings.catch_warnings(record=True) as caught, sklearn.config_context(enable_metadata_routing=True):
            warnings.simplefilter("default")
            outcome = _measured(job, data, folder)
        messages = dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught if _matters(w))
        return replace(outcome, result=replace(outcome.result, warnings=tuple(messages)))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return failed(job, data.pipelines[job.pipeline].family, one_line(error))
    finally:
        np.random.set_state(drawn)


def failed(job: Job, family: str, reason: str) -> Outcome:
    """The outcome of a job that came to nothing."""
    return Outcome(_result(job, family, f"failed: {reason}"))


def _measured(job: Job, data: RunData, folder: Path | None) -> Outcome:
    np.random.seed(job.seed)
    part, pipeline, spec = data.part(job), data.pipelines[job.pipeline], data.spec
    splits = {name: getattr(part, name) for name in ("train", "validation", "test")}
    X_train, X_val, X_test = (part.images[rows] for rows in splits.values())
    y_train, y_val, y_test = (part.labels[rows] for rows in splits.values())
    stack, known = data.stack(job), Known()
    estimator = ready(job, data, folder, known)
    tuning = tuned(job, data, (X_train, y_train), (X_val, y_val), known, folder) if spec.tune else None
    if tuning and tuning.chosen:
        estimator = ready(job, data, folder, known, tuning.chosen)

    spent = fit(estimator, X_train, y_train, X_val, y_val, known)
    forget_tuning(folder)
    looked_up = known.spent["seconds"]
    predicted = predict_with_scores(estimator, X_test)
    predict_seconds = predicted.seconds + known.spent["seconds"] - looked_up
    predictions = _checked(predicted, y_test, part.n_classes)
    if job.fold is not None:
        predictions = replace(predictions, places=part.test)
    peak_memory = peak_with(known)
    validated = _checked(predict_with_scores(estimator, X_val), y_val, part.n_classes) if len(y_val) else None

    sample = _train_sample(len(y_train), job.seed)
    corruptions = _corruptions(estimator, X_test, y_test, spec.seed) if spec.corruptions else None
    scores = precision_recall_fscore_support(
        y_test, predictions.y_pred, labels=range(part.n_classes), zero_division=0.0
    )
    result = replace(
        _result(job, pipeline.family, "ok"),
        n_features=_n_features(estimator, part.image_shape),
        train_accuracy=_accuracy(estimator, X_train[sample], y_train[sample]),
        test_accuracy=float(np.mean(predictions.y_pred == y_test)),
        balanced_accuracy=_balanced_accuracy(predictions),
        macro_f1=float(scores[2].mean()),
        **_validated(validated, part.n_classes),
        **_calibration(validated, predictions),
        fit_seconds=spent["seconds"],
        over_budget=_is_over(spent["seconds"], stack.time_budget),
        fit_energy_joules=spent.get("joules"),
        predict_images_per_second=images_per_second(estimator.predict, X_test, predict_seconds, known.clock),
        peak_memory_mb=peak_memory / 2**20,
        model_bytes=model_bytes(estimator),
        n_train_scored=len(sample),
        n_test=len(y_test),
        per_class=tuple(
            ClassFigures(name, float(p), float(r), float(f), int(n))
            for name, p, r, f, n in zip(part.class_names, *scores, strict=True)
        ),
        tuning=tuning,
        history=_history(innermost(estimator)),
        corruptions=corruptions,
        mean_corruption_error=corruptions and 1 - float(np.mean(list(corruptions.values()))),
        n_corrupted=corruptions and min(len(y_test), CORRUPTED_SAMPLE),
        backbone=", ".join(known.backbones) or None,
        augment=augmentation_of(estimator),
        answer_seconds=_answer_seconds(estimator, X_test, known),
        **_training(innermost(estimator)),
        tuning_seconds=tuning and float(sum(trial.seconds for trial in tuning.tried)),
        tuning_candidates=tuning and len({tuple(trial.parameters.items()) for trial in tuning.tried}),
    )
    held_out = None if validated is None else calibrated(validated.scores, validated.y_true)
    return Outcome(result, predictions, estimator, held_out)


def _result(job: Job, family: str, status: str) -> Result:
    names = {"settings": job.settings, "fold": job.fold}
    return Result(job.dataset, job.pipeline, family, status, job.seed, job.n_train, **names)


def _checked(predicted: Prediction, y_true: np.ndarray, n_classes: int) -> Predictions:
    """The predictions of the test images; InputError for what can't be one."""
    y_pred = _checked_labels(predicted.labels, len(y_true), n_classes)
    return Predictions(y_true.astype(np.int64), y_pred, _checked_scores(predicted.scores, len(y_true), n_classes))


def _checked_labels(labels: object, n: int, n_classes: int) -> np.ndarray:
    """What `predict` gave for `n` images, as class numbers (n,) int64; InputError where it is nonsense."""
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise InputError(f"predict returned shape {labels.shape} for {n} images; it returns one label per image.")
    if labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)):
        labels = labels.astype(np.float64)  # whole numbers, as OpenCV's models give them
    elif labels.dtype.kind not in "iu":
        some = ", ".join(map(repr, np.unique(labels.astype(str))[:3].tolist()))
        raise InputError(f"predict returned {labels.dtype} ({some}); labels are whole numbers, 0 to {n_classes - 1}.")
    wrong = labels[(labels < 0) | (labels >= n_classes)]
    if len(wrong):
        raise InputError(f"predict returned the label {wrong[0]:g}; labels are whole numbers, 0 to {n_classes - 1}.")
    return labels.astype(np.int64)


def _checked_scores(scores: object, n: int, n_classes: int) -> np.ndarray | None:
    """Scores of `n` images as float32 (n, n_classes), or (n,) for two classes; InputError where they are nonsense."""
    if scores is None:
        return None
    scores = np.asarray(scores)
    if n_classes > 3 and scores.shape == (n, n_classes * (n_classes - 1) // 2):
        return None  # one for each pair of classes, as scikit-learn's SVC may give them
    if scores.dtype.kind not in "fiub":
        raise InputError(f"The scores have dtype {scores.dtype}; they are numbers.")
    if scores.shape != (n, n_classes) and not (n_classes == 2 and scores.shape == (n,)):
        raise InputError(f"The scores have shape {scores.shape} for {n} images of {n_classes} classes.")
    with np.errstate(over="ignore"):
        scores = scores.astype(np.float32)
    bad = np.count_nonzero(~np.isfinite(scores))
    if bad:
        raise InputError(f"{bad:,} of {scores.size:,} scores are NaN or infinite.")
    return scores


def _balanced_accuracy(predictions: Predictions) -> float:
    """The mean recall over the classes that are there."""
    there = np.unique(predictions.y_true)
    return float(recall_score(predictions.y_true, predictions.y_pred, labels=there, average="macro", zero_division=0.0))


def _validated(validated: Predictions | None, n_classes: int) -> dict[str, float]:
    """The figures of the validation images; none without such images."""
    if validated is None:
        return {}
    y_true, y_pred = validated.y_true, validated.y_pred
    f1 = f1_score(y_true, y_pred, labels=range(n_classes), average="macro", zero_division=0.0)
    return {
        "validation_accuracy": float(np.mean(y_pred == y_true)),
        "validation_balanced_accuracy": _balanced_accuracy(validated),
        "validation_macro_f1": float(f1),
    }


def _calibration(validated: Predictions | None, predictions: Predictions) -> dict[str, float]:
    """Figures of the scores as probabilities; none without scores, or with too few validation images to fit them on."""
    if validated is None or validated.scores is None or len(validated.y_true) < LEAST_CALIBRATION:
        return {}
    return calibration(validated.scores, validated.y_true, predictions.scores, predictions.y_true)._asdict()


def _history(classifier: BaseEstimator) -> dict[str, list[float]] | None:
    """The training history of a network: a finite number per epoch and figure; InputError for anything else."""
    history = getattr(classifier, "history_", None)
    if history is None:
        return None
    try:
        found = {str(name): [float(value) for value in values] for name, values in history.items()}
    except (AttributeError, TypeError, ValueError):
        raise InputError("history_ is no dict of name to a number per epoch.") from None
    for name, values in found.items():
        for epoch, value in enumerate(values, 1):
            if not math.isfinite(value):
                raise InputError(f"The training history has {name} = {value} in epoch {epoch}.")
    return found


def _training(classifier: BaseEstimator) -> dict[str, Training | bool | None]:
    """A network's fields of a result; none for other classifiers."""
    if not isinstance(classifier, NeuralClassifier):
        return {}
    course = Training(classifier.planned_epochs_, classifier.best_epoch_, classifier.overfit_epoch_)
    return {"training": course, "converged": classifier.converged_}


def _accuracy(estimator: BaseEstimator, X: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(np.asarray(estimator.predict(X)) == y))


def _answer_seconds(estimator: BaseEstimator, X: np.ndarray, known: Known) -> float | None:
    """The time of one image alone, embedded anew where there is a backbone; None where it can't be predicted alone."""
    embedded, known.embedded = known.embedded, {}
    try:
        return answer_seconds(estimator.predict, X)
    except Exception as error:
        warnings.warn(f"it can't predict one image alone: {one_line(error)}", stacklevel=2)
        return None
    finally:
        known.embedded = embedded


def _is_over(fit_seconds: float, time_budget: float | None) -> bool | None:
    if time_budget is None:
        return None
    return fit_seconds > (1 + BUDGET_TOLERANCE) * time_budget + BUDGET_TOLERANCE_SECONDS


def _n_features(estimator: BaseEstimator, image_shape: tuple[int, ...]) -> int:
    """The number of values per image that the classifier itself gets."""
    return int(getattr(innermost(estimator), "n_features_in_", math.prod(image_shape)))


def _train_sample(n: int, seed: int) -> np.ndarray:
    if n <= TRAIN_SAMPLE:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, TRAIN_SAMPLE, replace=False))


def _corruptions(estimator: BaseEstimator, X: np.ndarray, y: np.ndarray, seed: int) -> dict[str, list[float]]:
    """Accuracies on corrupted copies of a stratified sample, one copy at a time in memory."""
    sample = np.sort(stratified_order(y, seed)[:CORRUPTED_SAMPLE])
    X, y = X[sample], y[sample]
    accuracies = {}
    for name in CORRUPTIONS:
        copies = (corrupt(X, name, strength, seed=seed) for strength in STRENGTHS)
        accuracies[name] = [_accuracy(estimator, copy, y) for copy in copies]
        print(f"{name}: {', '.join(f'{100 * accuracy:.1f} %' for accuracy in accuracies[name])}", flush=True)
    return accuracies


def _matters(warning: warnings.WarningMessage) -> bool:
    """Warnings that a reader of the report should see; deprecations inside libraries are none of their business."""
    return not issubclass(warning.category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning))


def _shortened(text: str) -> str:
    """In one line, of a length that a table of reasons bears."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]} … (worker.log has all of it)"


def one_line(error: BaseException) -> str:
    """What went wrong, as a reason of a failed job."""
    message = _shortened(str(error))
    if isinstance(error, CVClassicError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
