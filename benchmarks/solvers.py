"""Time the SVMs' solvers against the strongest peers, in one process: python benchmarks/solvers.py [--data FOLDER].

Features are HOG vectors of CIFAR-10's pictures in gray, enlarged to the side that gives so many numbers; random vectors
of that shape where `cifar-10-batches-py/` does not lie in the folder. All contenders of a case fit the same rows in
turns, for some rounds; the table has medians: seconds that passed, seconds of all cores together, and how far above the
best one the primal (linear) or the dual objective (RBF) ends. snapml and liblinear-multicore take part where they are
installed: pip install cvclassic[bench].
"""

import argparse
import contextlib
import importlib.util
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC, LinearSVC
from svm import cifar_parts
from threadpoolctl import threadpool_limits

from cvclassic.svm import KernelRidge, KernelSVM, LinearSVM
from cvclassic.svm.linear_rows import BLOCK_ROWS

PACKAGES = {"snapml": "snapml", "liblinear-multicore": "liblinear", "intelex": "sklearnex"}


class Case(NamedTuple):
    rows: int
    side: int  # of the pictures, in pixels
    classes: int
    kind: str = "linear"


CASES = {
    "wide": [Case(1_200, 64, 2), Case(1_200, 64, 10)],
    "tall": [Case(50_000, 32, 10)],
    "large": [Case(50_000, 96, 10), Case(20_000, 144, 10)],
    "stream": [Case(50_000, 32, 10, "stream")],
    "rbf": [Case(5_000, 32, 10, "rbf"), Case(10_000, 32, 10, "rbf")],
}


class Fitted(NamedTuple):
    coef: np.ndarray  # (k, d)
    intercept: np.ndarray  # (k,)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--data", type=Path, default=Path("data"))
    options.add_argument("--only", nargs="+", choices=CASES, default=["wide", "tall", "stream", "rbf"], metavar="CASE")
    options.add_argument("--rows", type=int, help="instead of each case's own number")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    chosen = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # the last column tells who did not arrive
    for name, module in PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            print(f"Not installed, and so left out: {name}")
    print("\n| case | contender | threads | s | core s | above the best objective |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    cases = [case._replace(rows=chosen.rows or case.rows) for name in chosen.only for case in CASES[name]]
    for case in dict.fromkeys(cases):
        X, y = picture_features(chosen.data, case)
        for threads in chosen.threads:
            for line in timed(case, X, y, threads, chosen.rounds):
                print(line, flush=True)


def timed(case, X, y, threads, rounds):
    """Lines of the table."""
    times, values = {}, {}
    with contextlib.ExitStack() as stack:
        contenders = contenders_of(case, X, y, threads, stack)
        stack.enter_context(threadpool_limits(threads))
        for _ in range(rounds):
            for name, fit in contenders.items():
                start, cores = time.perf_counter(), time.process_time()
                model = fit()
                taken = time.perf_counter() - start, time.process_time() - cores
                times.setdefault(name, []).append(taken)
                values[name] = objective(case.kind, model, X, y)
    best = min((value for value in values.values() if value is not None), default=None)
    what = f"{len(X):,} x {X.shape[1]:,}, {len(np.unique(y))} classes, {case.kind}"
    for name, taken in times.items():
        passed, cores = (statistics.median(column) for column in zip(*taken, strict=True))
        above = "" if values[name] is None else f"{(values[name] - best) / abs(best):.1e}"
        yield f"| {what} | {name} | {threads} | {passed:.3f} | {cores:.3f} | {above} |"


def contenders_of(case, X, y, threads, stack):
    """Functions without arguments that fit, by name."""
    if case.kind == "rbf":
        return kernel_contenders(X, y)
    if case.kind == "stream":
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        np.save(Path(folder) / "X.npy", X)
        mapped = np.load(Path(folder) / "X.npy", mmap_mode="r")
        return {
            "LinearSVM.fit": lambda: LinearSVM().fit(mapped, y),
            "LinearSVM.fit_stream": lambda: LinearSVM().fit_stream(
                lambda: ((mapped[s : s + 20_000], y[s : s + 20_000]) for s in range(0, len(y), 20_000))
            ),
        }
    few = len(X) < X.shape[1]
    tol = 1e-2 if few else 1e-3  # of liblinear's dual and primal solver: about 1e-4 above the best objective
    found = {
        "LinearSVM": lambda: LinearSVM().fit(X, y),
        "LinearSVC": lambda: LinearSVC(tol=tol, dual=few, max_iter=10_000).fit(X, y),
        "LinearSVC, its defaults": lambda: LinearSVC().fit(X, y),
    }
    if importlib.util.find_spec("snapml"):
        found["snapml"] = lambda: snapml_fitted(X, y, threads)
    if importlib.util.find_spec("liblinear"):
        found["liblinear-multicore"] = lambda: liblinear_fitted(X, y, 1 if few else 2, tol, threads)
    return found


def kernel_contenders(X, y):
    found = {
        "KernelSVM": lambda: KernelSVM(C=3.0, gamma=1.5).fit(X, y),
        "SVC of scikit-learn": lambda: SVC(C=3.0, gamma=1.5, cache_size=1000).fit(X, y),
        "KernelRidge": lambda: KernelRidge(gamma=1.5).fit(X, y),
        "the kernel matrix alone": lambda: kernel_matrix(X),
    }
    if importlib.util.find_spec("sklearnex"):
        from sklearnex.svm import SVC as IntelSVC

        found["SVC of intelex"] = lambda: IntelSVC(C=3.0, gamma=1.5, cache_size=1000).fit(X, y)
    return found


def snapml_fitted(X, y, threads):
    """snapml knows two classes, and so each stands against the rest; its C is LinearSVM's."""
    import snapml

    coef, intercept = [], []
    for label in positives(y):
        model = snapml.SupportVectorMachine(
            loss="squared_hinge", max_iter=5_000, n_jobs=threads, tol=1e-4, fit_intercept=True
        )
        model.fit(X, np.where(y == label, 1.0, -1.0))
        coef.append(np.ravel(model.coef_))
        intercept.append(float(np.ravel(model.intercept_)[0]))
    return Fitted(np.array(coef), np.array(intercept))


def liblinear_fitted(X, y, solver, tol, threads):
    """Solver 1 is dual coordinate descent, 2 the trust region Newton method, both of the squared hinge."""
    from liblinear.liblinearutil import train

    model = train(
        y.astype(np.float64), csr_matrix(X, dtype=np.float64), f"-s {solver} -c 1 -B 1 -e {tol} -m {threads} -q"
    )
    labels = model.get_labels()
    if len(labels) == 2:
        weights, bias = model.get_decfun()
        sign = 1.0 if labels[0] == max(labels) else -1.0
        return Fitted(sign * np.array([weights]), sign * np.array([bias]))
    found = [model.get_decfun(labels.index(label)) for label in sorted(labels)]
    return Fitted(np.array([weights for weights, _ in found]), np.array([bias for _, bias in found]))


def positives(y):
    labels = np.unique(y)
    return labels if len(labels) > 2 else labels[1:]


def objective(kind, model, X, y):
    """The primal of the squared hinge, or the dual of the kernel SVM; None for what has neither."""
    if kind == "rbf":
        return dual_objective(model) if hasattr(model, "n_support_") else None
    coef, intercept = (
        (model.coef, model.intercept) if isinstance(model, Fitted) else (model.coef_, np.ravel(model.intercept_))
    )
    total = 0.5 * (np.square(coef).sum() + np.square(intercept).sum())
    signs = np.where(y[:, None] == positives(y), 1, -1)
    for start in range(0, len(X), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        margins = signs[rows] * (X[rows].astype(np.float64) @ coef.T + intercept)
        total += np.square(np.maximum(1 - margins, 0)).sum()
    return total


def dual_objective(model):
    """Summed over the pairs of classes, for C = 3 and gamma = 1.5; smaller is better."""
    starts, total = np.r_[0, np.cumsum(model.n_support_)], 0.0
    for i in range(len(starts) - 1):
        for j in range(i + 1, len(starts) - 1):
            own, other = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
            alpha = np.r_[model.dual_coef_[j - 1, own], model.dual_coef_[i, other]]
            V = np.vstack([model.support_vectors_[own], model.support_vectors_[other]]).astype(np.float64)
            total += 0.5 * alpha @ kernel_matrix(V) @ alpha - np.abs(alpha).sum()
    return total


def kernel_matrix(X):
    squares = np.einsum("ij,ij->i", X, X)
    K = X @ X.T
    K *= 2
    K -= squares
    K -= squares[:, None]
    K *= X.dtype.type(1.5)
    return np.exp(K, out=K)


def picture_features(folder, case):
    """float32 (rows, d) and labels, of the first pictures of the first classes."""
    hog = cv2.HOGDescriptor((case.side,) * 2, (16, 16), (8, 8), (8, 8), 9, 1, -1.0, 0, 0.2, False, 64, False)
    if not (folder / "cifar-10-batches-py").is_dir():
        rng = np.random.default_rng(0)
        y = rng.integers(0, case.classes, case.rows)
        centers = 0.12 * rng.standard_normal((case.classes, hog.getDescriptorSize()), dtype=np.float32)
        return rng.random((case.rows, hog.getDescriptorSize()), dtype=np.float32) + centers[y], y
    X, y = np.empty((case.rows, hog.getDescriptorSize()), np.float32), []
    for images, labels in cifar_parts(folder):
        for image, label in zip(images, labels, strict=True):
            if label < case.classes and len(y) < case.rows:
                X[len(y)] = hog.compute(cv2.resize(image, (case.side,) * 2)).ravel()
                y.append(label)
    return X[: len(y)], np.array(y)


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, OpenCV {cv2.__version__}")
    main()
