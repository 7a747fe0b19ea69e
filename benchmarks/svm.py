"""Time the SVMs against their peers on the same features, in one run: python benchmarks/svm.py [--data FOLDER].

Features are HOG vectors (324 numbers) of CIFAR-10 where `cifar-10-batches-py/` lies in the folder, and otherwise
random vectors of that shape, said in the first line. Each contender is fitted in a process of its own, so that its
peak memory is its own. Lines: rows, contender, seconds to fit, seconds to predict the test rows, objective (of the
squared-hinge primal, linear ones only), test accuracy, peak memory.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from cvclassic.runs.measure import peak_memory_bytes

LINEAR = ["LinearSVM", "LinearSVM.fit_stream", "LinearSVC", "SGDClassifier"]
KERNEL = ["KernelSVM", "KernelSVM nystroem", "KernelRidge", "SVC", "OpenCVSVM", "cv2.ml.SVM"]
C_LINEAR, C_KERNEL, GAMMA = 1.0, 3.0, 1.5
BATCH = 20_000  # rows


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--data", type=Path, default=Path("data"))
    options.add_argument("--rows", type=int, nargs="+", default=[5_000, 10_000, 50_000])
    options.add_argument(
        "--kernel-rows", type=int, nargs="+", default=[5_000, 10_000], help="slow ones: 50000 takes an hour"
    )
    options.add_argument("--only", nargs="+", choices=LINEAR + KERNEL, default=LINEAR + KERNEL, metavar="CONTENDER")
    options.add_argument("--million", action="store_true", help="LinearSVM on 1,000,000 synthetic rows, too")
    options.add_argument("--contender", help=argparse.SUPPRESS)
    options.add_argument("--file", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.contender:
        measure(chosen.contender, chosen.file, chosen.rows[0])
        return
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "features.npz")
        print(save_features(chosen.data, file))
        print(f"{'rows':>9} {'contender':22} {'fit s':>8} {'predict s':>9} {'objective':>12} {'accuracy':>8} {'MB':>7}")
        for contenders, sizes in ((LINEAR, chosen.rows), (KERNEL, chosen.kernel_rows)):
            for rows in sizes:
                for contender in contenders:
                    if contender in chosen.only:
                        report(contender, file, rows)
        if chosen.million:
            for contender in LINEAR[:2]:
                if contender in chosen.only:
                    report(contender, "synthetic", 1_000_000)


def report(contender, file, rows):
    command = [sys.executable, __file__, "--contender", contender, "--file", file, "--rows", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{rows:9} {contender:22} failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return
    r = json.loads(done.stdout)
    objective = f"{r['objective']:12.1f}" if r["objective"] is not None else " " * 12
    print(
        f"{rows:9} {contender:22} {r['fit']:8.2f} {r['predict']:9.2f} {objective} {r['accuracy']:8.4f} {r['mb']:7.0f}",
        flush=True,
    )


def measure(contender, file, rows):
    if file == "synthetic":
        batches = partial(synthetic_batches, rows)
        X_test, y_test = next(synthetic_batches(BATCH, seed=1))
    else:
        X, y, X_test, y_test = features(file, rows)
        batches = partial(in_batches, X, y)
    model = CONTENDERS[contender]()
    if contender.endswith("fit_stream"):  # synthetic rows are made anew in each pass, and never all in memory
        fit, arguments = model.fit_stream, (batches,)
    else:
        fit, arguments = model.fit, gathered(batches(), rows)
    start = time.perf_counter()
    fit(*arguments)
    fitted = time.perf_counter()
    accuracy = float(np.mean(model.predict(X_test) == y_test))
    predicted = time.perf_counter()
    result = {
        "fit": fitted - start,
        "predict": predicted - fitted,
        "accuracy": accuracy,
        "mb": peak_memory_bytes() / 1e6,
        "objective": objective(model, batches()) if contender in LINEAR[:3] else None,
    }
    print(json.dumps(result))


def in_batches(X, y):
    for start in range(0, len(X), BATCH):
        yield X[start : start + BATCH], y[start : start + BATCH]


def gathered(batches, rows):
    """All rows in two arrays, without a second copy of them on the way."""
    X, y = np.empty((rows, 324), np.float32), np.empty(rows, np.int64)
    done = 0
    for X_batch, y_batch in batches:
        X[done : done + len(y_batch)], y[done : done + len(y_batch)] = X_batch, y_batch
        done += len(y_batch)
    return X, y


def objective(model, batches):
    """The primal that LinearSVM and LinearSVC share, summed over the classes, in float64."""
    loss = 0.0
    for X, y in batches:
        sign = np.where(y[:, None] == model.classes_, 1, -1)
        margin = sign * (X.astype(np.float64) @ model.coef_.T + model.intercept_)
        loss += np.square(np.maximum(1 - margin, 0)).sum()
    return 0.5 * (np.square(model.coef_).sum() + np.square(model.intercept_).sum()) + C_LINEAR * loss


class Cv2SVM:
    """cv2.ml.SVM as it comes, with a cap that doesn't stop it early."""

    def fit(self, X, y):
        self.model = cv2.ml.SVM_create()
        self.model.setKernel(cv2.ml.SVM_RBF)
        self.model.setC(C_KERNEL)
        self.model.setGamma(GAMMA)
        self.model.setTermCriteria((cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 10_000_000, 1e-3))
        self.model.train(X, cv2.ml.ROW_SAMPLE, y.astype(np.int32))

    def predict(self, X):
        return self.model.predict(X)[1].ravel()


def _ours(name, **options):
    def make():
        import cvclassic.svm

        return getattr(cvclassic.svm, name)(**options)

    return make


def _theirs(module, name, **options):
    def make():
        return getattr(__import__(module, fromlist=[name]), name)(**options)

    return make


CONTENDERS = {
    "LinearSVM": _ours("LinearSVM", C=C_LINEAR),
    "LinearSVM.fit_stream": _ours("LinearSVM", C=C_LINEAR),
    "LinearSVC": _theirs("sklearn.svm", "LinearSVC", C=C_LINEAR, dual=False, tol=1e-4),
    "SGDClassifier": _theirs("sklearn.linear_model", "SGDClassifier", loss="hinge", alpha=1e-4, random_state=0),
    "KernelSVM": _ours("KernelSVM", C=C_KERNEL, gamma=GAMMA),
    "KernelSVM nystroem": _ours("KernelSVM", C=C_KERNEL, gamma=GAMMA, backend="nystroem", random_state=0),
    "KernelRidge": _ours("KernelRidge", gamma=GAMMA),
    "SVC": _theirs("sklearn.svm", "SVC", C=C_KERNEL, gamma=GAMMA, cache_size=1000),
    "OpenCVSVM": _ours("OpenCVSVM", C=C_KERNEL, gamma=GAMMA),
    "cv2.ml.SVM": Cv2SVM,
}


def save_features(folder, file):
    batches = folder / "cifar-10-batches-py"
    if not batches.is_dir():
        X, y = gathered(synthetic_batches(50_000), 50_000)
        X_test, y_test = next(synthetic_batches(BATCH, seed=1))
        np.savez(file, X=X, y=y, X_test=X_test, y_test=y_test)
        return f"Features: random, (50000, 324); no CIFAR-10 in {folder}."
    parts = [_hog_of(*part) for part in cifar_parts(folder)]
    X_test, y_test = _hog_of(*_gray_of(batches / "test_batch"))
    X, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.random.default_rng(0).permutation(len(X))
    np.savez(file, X=X[order], y=y[order], X_test=X_test, y_test=y_test)
    return f"Features: HOG of CIFAR-10 in gray, {X.shape}; {os.cpu_count()} cores."


def cifar_parts(folder):
    """CIFAR-10's training pictures in gray, and their labels, file by file."""
    for i in range(1, 6):
        yield _gray_of(folder / "cifar-10-batches-py" / f"data_batch_{i}")


def _gray_of(path):
    with open(path, "rb") as stream:
        batch = pickle.load(stream, encoding="bytes")  # a benchmark for one's own files: no place for unknown pickles
    images = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return [cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY) for image in images], np.array(
        batch[b"labels"]
    )


def _hog_of(gray, labels):
    hog = cv2.HOGDescriptor((32, 32), (16, 16), (8, 8), (8, 8), 9, 1, -1.0, 0, 0.2, False, 64, False)
    return np.stack([hog.compute(image).ravel() for image in gray]), labels


def features(file, rows):
    with np.load(file) as data:
        return data["X"][:rows], data["y"][:rows], data["X_test"], data["y_test"]


def synthetic_batches(rows, seed=0):
    """Ten classes whose means differ a little in each of 324 uniform features, `BATCH` rows at a time."""
    centers = 0.12 * np.random.default_rng(0).standard_normal((10, 324), dtype=np.float32)
    rng = np.random.default_rng(seed + 1)
    for start in range(0, rows, BATCH):
        y = rng.integers(0, 10, min(BATCH, rows - start))
        yield rng.random((len(y), 324), dtype=np.float32) + centers[y], y


if __name__ == "__main__":
    main()
