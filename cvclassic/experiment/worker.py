"""One job in a process of its own: fit a pipeline, predict the test split once, write the result.

    python -m cvclassic.experiment.worker [--neural]        (orders come pickled on standard input)

This starts the launcher, which imports what pipelines need (with --neural also Keras), says so on standard output, and
forks a worker for each order. Only `fit` and `predict` are timed; imports and reading the images are not. Standard
input stays open as long as the run lives: when it closes, launcher and worker end, so that a killed run leaves no
process behind.
"""

import contextlib
import gc
import importlib
import inspect
import os
import pickle
import sys
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from cvclassic.errors import CVClassicError, InputError
from cvclassic.experiment.energy import energy_counters, joules_since
from cvclassic.experiment.pipelines import Task, load_pipeline
from cvclassic.experiment.result import Result, write_result, write_whole
from cvclassic.experiment.settings import apply_settings

TRAIN_SAMPLE = 10_000  # train accuracy of larger sets is taken on this many images
CORRUPTED_SAMPLE = 2_000  # test images at most that are corrupted, 40 times each
# What a fit may take beyond the time budget without being called over it: a network still validates its last epoch.
BUDGET_TOLERANCE, BUDGET_TOLERANCE_SECONDS = 0.05, 1.0
PRELOADED = (
    "sklearn.pipeline",
    "sklearn.decomposition",
    "sklearn.preprocessing",
    "sklearn.metrics",
    "cvclassic.features",
    "cvclassic.svm",
    "cvclassic.neural",
)
READY, ENDED = "ready", "ended "  # what the launcher says


@dataclass(frozen=True)
class Order:
    """What a worker is told: the job's identity (the first fields of its `Result`), its files, split and task."""

    identity: dict[str, Any]
    class_names: tuple[str, ...]
    pipeline: Path
    images: Path
    labels: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    task: Task
    settings: dict[str, str]
    threads: int
    tune: bool
    time_budget: float | None
    corruption_seed: int | None  # None: no corruptions


def main() -> int:
    """The launcher: fork a worker for each order, until the run closes standard input."""
    _preload(neural="--neural" in sys.argv)
    print(READY, flush=True)
    while True:
        try:
            order: Order = pickle.load(sys.stdin.buffer)
        except EOFError:
            return 0
        if not _can_fork():
            _work(order)
            return 0
        loaded = _resident_files()
        with warnings.catch_warnings(action="ignore"):  # of BLAS's threads, which end and begin again around a fork
            worker = os.fork()
        if worker == 0:
            _work(order, loaded)
            os._exit(0)
        _, status = os.waitpid(worker, 0)
        print(f"{ENDED}{os.waitstatus_to_exitcode(status)}", flush=True)


def _preload(neural: bool) -> None:
    """Import what most pipelines need; what can't be imported says why in the job that needs it."""
    for name in PRELOADED:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    if neural:
        from cvclassic.neural.backend import prepare_backend

        with contextlib.suppress(Exception):
            prepare_backend()
    gc.freeze()  # a collection in a worker needn't copy the pages of what is imported


def _can_fork() -> bool:
    """Whether a copy of this process can go on: not on macOS and Windows, nor with JAX's or torch's threads."""
    return sys.platform == "linux" and not {"jax", "torch"} & set(sys.modules)


def _work(order: Order, loaded_before_fork: dict[str, int] | None = None) -> None:
    """Do the job and write its result; the output goes to worker.log in the job's folder."""
    log = os.open(order.task.folder / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    _limit_threads(order.threads)
    result = dict(order.identity)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            figures = _measure(order, loaded_before_fork or {})
        messages = list(dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught if _matters(w)))
        result |= figures | {"status": "ok", "warnings": messages}
    except Exception as error:
        traceback.print_exc()
        result["status"] = f"failed: {_one_line(error)}"
    write_result(order.task.folder / "result.json", Result(**result))
    sys.stdout.flush()
    sys.stderr.flush()


def _measure(order: Order, loaded_before_fork: dict[str, int]) -> dict[str, Any]:
    import sklearn

    from cvclassic.experiment.tuning import tune

    # Validation data reaches the last step of a Pipeline by metadata routing.
    sklearn.set_config(enable_metadata_routing=True)
    np.random.seed(order.task.seed)
    images = np.load(order.images, mmap_mode="r")
    X_train, y_train = images[order.train], order.labels[order.train]
    X_test, y_test = images[order.test], order.labels[order.test]
    X_val, y_val = images[order.validation], order.labels[order.validation]
    estimator = load_pipeline(order.pipeline).build(order.task)
    apply_settings(estimator, order.settings)
    _prepare(estimator, X_train[:2])
    tuning = tune(estimator, X_train, y_train, X_val, y_val, order.task.seed) if order.tune else None

    energy, started = energy_counters(), time.perf_counter()
    estimator.fit(X_train, y_train, **_fit_arguments(estimator, X_val=X_val, y_val=y_val, started=started))
    fit_seconds, joules = time.perf_counter() - started, joules_since(energy)
    predictions, scores, predict_seconds = _predict(estimator, X_test)
    peak_memory = peak_memory_bytes() + _left_with_launcher(loaded_before_fork)

    sample = _train_sample(len(y_train), order.task.seed)
    train_predictions, _, _ = _predict(estimator, X_train[sample], with_scores=False)
    val_predictions, _, _ = _predict(estimator, X_val, with_scores=False)
    _write_predictions(order.task.folder / "predictions.npz", y_test, predictions, scores)
    return {
        "n_features": _n_features(estimator, order.task),
        "train_accuracy": float(np.mean(train_predictions == y_train[sample])),
        "validation_accuracy": float(np.mean(val_predictions == y_val)),
        "fit_seconds": fit_seconds,
        "over_budget": _is_over(fit_seconds, order.time_budget),
        "fit_energy_joules": joules,
        "predict_images_per_second": len(y_test) / predict_seconds,
        "peak_memory_mb": peak_memory / 2**20,
        "model_bytes": len(pickle.dumps(estimator, protocol=5)),
        "n_train_scored": len(sample),
        "n_test": len(y_test),
        "tuning": tuning,
        "history": getattr(_last_step(estimator), "history_", None),
        **_scores_of(y_test, predictions, order.class_names),
        **_robustness(estimator, X_test, y_test, order.corruption_seed),
    }


def _prepare(estimator, X: np.ndarray) -> None:
    """Let each part that loads or compiles something at first use (Keras, kernels) do so before the clock starts."""
    parts = getattr(estimator, "steps", None) or getattr(estimator, "transformer_list", None)
    if parts:
        for part in parts:
            _prepare(part[1], X)
    elif hasattr(estimator, "estimator"):
        _prepare(estimator.estimator, X)
    elif hasattr(estimator, "prepare"):
        estimator.prepare(X)


def _fit_arguments(estimator, **offered: Any) -> dict[str, Any]:
    """Of validation data and start time, what the `fit` of the estimator's last step takes."""
    taken = inspect.signature(_last_step(estimator).fit).parameters
    return {name: value for name, value in offered.items() if name in taken}


def _is_over(fit_seconds: float, time_budget: float | None) -> bool | None:
    if time_budget is None:
        return None
    return fit_seconds > (1 + BUDGET_TOLERANCE) * time_budget + BUDGET_TOLERANCE_SECONDS


def _predict(estimator, X: np.ndarray, with_scores: bool = True):
    """Labels, scores (or None) and the seconds that the labels took; features are computed once for both."""
    started = time.perf_counter()
    last = _last_step(estimator)
    features = estimator[:-1].transform(X) if last is not estimator and len(estimator) > 1 else X
    labels = np.asarray(last.predict(features))
    seconds = time.perf_counter() - started
    if labels.shape != (len(X),):
        raise InputError(f"predict returned shape {labels.shape} for {len(X)} images; it returns one label per image.")
    scores = None
    if with_scores:
        method = getattr(last, "decision_function", None) or getattr(last, "predict_proba", None)
        scores = None if method is None else np.asarray(method(features), dtype=np.float32)
    return labels, scores, seconds


def _last_step(estimator):
    from sklearn.pipeline import Pipeline

    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _n_features(estimator, task: Task) -> int:
    """The number of values per image that the classifier itself gets."""
    while hasattr(estimator, "estimator_"):
        estimator = estimator.estimator_
    return int(getattr(_last_step(estimator), "n_features_in_", np.prod(task.image_shape)))


def _train_sample(n: int, seed: int) -> np.ndarray:
    if n <= TRAIN_SAMPLE:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, TRAIN_SAMPLE, replace=False))


def _scores_of(y_true: np.ndarray, y_pred: np.ndarray, class_names: tuple[str, ...]) -> dict[str, Any]:
    from sklearn.metrics import precision_recall_fscore_support

    from cvclassic.experiment.statistics import wilson_interval

    correct = int(np.sum(y_true == y_pred))
    low, high = wilson_interval(correct, len(y_true))
    labels = range(len(class_names))
    figures = precision_recall_fscore_support(y_true, y_pred, labels=labels, zero_division=0.0)
    return {
        "test_accuracy": correct / len(y_true),
        "ci_low": low,
        "ci_high": high,
        "macro_f1": float(figures[2].mean()),
        "per_class": [
            {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "n_test": int(n)}
            for name, p, r, f, n in zip(class_names, *figures, strict=True)
        ],
    }


def _robustness(estimator, X: np.ndarray, y: np.ndarray, seed: int | None) -> dict[str, Any]:
    """Accuracies on corrupted copies of a stratified sample, one copy at a time in memory; nothing without a seed."""
    if seed is None:
        return {}
    from cvclassic.experiment.corruptions import CORRUPTIONS, STRENGTHS, corrupt
    from cvclassic.experiment.tuning import stratified_order

    sample = np.sort(stratified_order(y, seed)[:CORRUPTED_SAMPLE])
    X, y = X[sample], y[sample]
    accuracies = {}
    for name in CORRUPTIONS:
        copies = (corrupt(X, name, strength, seed=seed) for strength in STRENGTHS)
        accuracies[name] = [float(np.mean(_predict(estimator, copy, with_scores=False)[0] == y)) for copy in copies]
        print(f"{name}: {', '.join(f'{100 * accuracy:.1f} %' for accuracy in accuracies[name])}", flush=True)
    error = 1 - float(np.mean(list(accuracies.values())))
    return {"corruptions": accuracies, "mean_corruption_error": error, "n_corrupted": len(sample)}


def _write_predictions(path: Path, y_true: np.ndarray, y_pred: np.ndarray, scores: np.ndarray | None) -> None:
    arrays = {"y_true": y_true, "y_pred": y_pred} | ({} if scores is None else {"scores": scores})
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))


def peak_memory_bytes() -> int:
    """Peak resident memory of this process."""
    try:  # Linux: getrusage would report the parent's peak where that was higher, since exec inherits it.
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        pass
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # Windows
        return psutil.Process().memory_info().peak_wset
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _resident_files() -> dict[str, int]:
    """The bytes of each mapped file, libraries above all, that this process has in memory."""
    return {m.path: m.rss for m in psutil.Process().memory_maps() if m.path.startswith("/")}


def _left_with_launcher(loaded_before_fork: dict[str, int]) -> int:
    """Bytes of libraries that the launcher has loaded and this fork of it never touched.

    A process that does the job alone loads them itself, and that is the memory to report.
    """
    own = _resident_files() if loaded_before_fork else {}
    return sum(max(resident - own.get(path, 0), 0) for path, resident in loaded_before_fork.items())


def _limit_threads(threads: int) -> None:
    """The environment (set by the run) limits the libraries; where the system allows, also pin the cores."""
    import cv2

    cv2.setNumThreads(threads)
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        cores = process.cpu_affinity()
        if threads < len(cores):
            process.cpu_affinity(cores[:threads])


def _end_with_the_run() -> None:
    while os.read(0, 4096):  # the bare descriptor: a thread inside sys.stdin would block the interpreter's exit
        pass
    os._exit(1)


def _matters(warning: warnings.WarningMessage) -> bool:
    """Warnings that a reader of the report should see; deprecations inside libraries are none of their business."""
    return not issubclass(warning.category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning))


def _one_line(error: Exception) -> str:
    message = " ".join(str(error).split())
    if isinstance(error, CVClassicError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
