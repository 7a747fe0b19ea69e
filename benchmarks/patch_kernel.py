"""What each part of `patch_kernel` adds: CIFAR-10 with parts left out or put in place of others.

    python benchmarks/patch_kernel.py --data FOLDER [--rows 5000]
    python benchmarks/patch_kernel.py --data FOLDER [--dataset mnist] --curve 5000 20000 40000

The kinds of features are computed once, on the first `--rows` images of the training part; every variant is fitted on
them and judged on the validation split and up to 10,000 further images of the training part. The test split stays
untouched. SVMs get the mirror images as rows of their own. With `--curve` the whole pipeline is fitted on so many
images of CIFAR-10 or MNIST, and its time, that of the processor and its peak memory are told.
"""

import argparse
import time

import numpy as np

from cvclassic.datasets import load
from cvclassic.features import LBP, MirrorParts, PatchBank
from cvclassic.neural import TrainingStack
from cvclassic.runs.measure import peak_memory_bytes
from cvclassic.runs.pipelines import find_pipelines
from cvclassic.runs.plan import task_for
from cvclassic.runs.spec import RunSpec
from cvclassic.svm import KernelRidge, KernelSVM, LinearSVM

CHECKED = 10_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with the data set; default: as compare.py")
    parser.add_argument("--dataset", choices=["cifar10", "mnist"], default="cifar10", help="mnist: only with --curve")
    parser.add_argument("--rows", type=int, default=5_000, help="training images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--curve", type=int, nargs="+", metavar="ROWS", help="the whole pipeline on so many images each"
    )
    options = parser.parse_args()
    if options.dataset != "cifar10" and not options.curve:
        parser.error("the variants are of CIFAR-10; use --dataset mnist with --curve")
    data = load(options.dataset, data_dir=options.data)
    if options.curve:
        _print_curve(data, options.curve, options.seed)
        return
    learned, checked = _parts(data, options.rows)
    y, y_checked = data.labels[learned], data.labels[checked]
    print(f"{len(learned)} images to learn from, {len(checked)} to check")
    kinds = _features(data, learned, checked, options.seed)
    print(f"{'variant':44} {'values':>7} {'accuracy':>9} {'fit s':>7}")
    for name, parts, classifier, change in _variants(kinds):
        found = [np.hstack([kinds[part][k] for part in parts]) for k in range(2)]
        X, X_checked = (change(each) for each in found)
        rows = (X, y) if isinstance(classifier, KernelRidge) else _with_mirrored(X, y)
        started = time.perf_counter()
        classifier.fit(*rows)
        seconds = time.perf_counter() - started
        right = np.mean(classifier.predict(X_checked) == y_checked)
        print(f"{name:44} {X.shape[1]:7} {right:9.2%} {seconds:7.1f}", flush=True)


def _print_curve(data, sizes, seed):
    widths = {"images": 7, "checked": 7, "errors": 6, "accuracy": 9, "fit s": 7, "cpu s": 7, "steps": 5, "peak MB": 8}
    print(*(f"{name:>{width}}" for name, width in widths.items()))
    for rows in sorted(sizes):  # the peak is that of the largest so far
        learned, checked = _parts(data, rows)
        pipeline = _built(data, seed)
        started, of_process = time.perf_counter(), time.process_time()
        pipeline.fit(data.images[learned], data.labels[learned])
        seconds, of_process = time.perf_counter() - started, time.process_time() - of_process
        errors = np.count_nonzero(pipeline.predict(data.images[checked]) != data.labels[checked])
        figures = f"{rows:7} {len(checked):7} {errors:6} {1 - errors / len(checked):9.2%} {seconds:7.1f}"
        peak, steps = peak_memory_bytes() / 1e6, pipeline[-1].n_iter_
        print(f"{figures} {of_process:7.1f} {steps:5} {peak:8.0f}", flush=True)


def _parts(data, rows):
    learned, further = np.split(data.train, [rows])
    return learned, np.concatenate([data.validation, further[:CHECKED]])


def _built(data, seed):
    [file] = find_pipelines(["patch_kernel"])
    return file.build(task_for(data, RunSpec(), stack=TrainingStack(), seed=seed, settings=()))


def _features(data, learned, checked, seed):
    """Of each kind the weighted parts, (training rows, others)."""
    union = _built(data, seed)[0]
    kinds = {}
    further = [(name, MirrorParts(kind, random_state=seed)) for name, (kind, _) in _further(seed).items()]
    weights = union.transformer_weights | {name: weight**0.5 for name, (_, weight) in _further(seed).items()}
    for name, parts in union.transformer_list + further:
        started, weight = time.perf_counter(), np.float32(weights[name])
        found = parts.fit_transform(data.images[learned]), parts.transform(data.images[checked])
        kinds[name] = [each * weight for each in found]
        print(f"{name:12} {found[0].shape[1]:5} values {time.perf_counter() - started:6.1f} s", flush=True)
    return kinds


def _further(seed):
    """Kinds of features that `patch_kernel` does without, and their weights."""
    return {"LBP": (LBP(), 0.3), "4 x 4 cells": (PatchBank(patch_size=6, grid=4, random_state=seed), 0.5)}


def _variants(kinds):
    """Name, kinds of features, classifier, and how the features are changed."""
    further = list(_further(0))
    everything = [name for name in kinds if name not in further]
    banks = [name for name in everything if name.startswith("patches")]
    hogs = ["hog_fine", "hog_coarse"]

    def ridge(parts, mirror_parts=True):
        lengths = sum(np.einsum("ij,ij->", kinds[part][0], kinds[part][0]) / len(kinds[part][0]) for part in parts)
        return KernelRidge(alpha=3e-3, gamma=0.75 / float(lengths), mirror_parts=mirror_parts, tol=5e-3)

    yield "all", everything, ridge(everything), _same
    for name, parts in (
        *((f"{bank} alone", [bank]) for bank in banks),
        ("patches alone", banks),
        ("patches, HOG", banks + hogs),
        ("patches, color", [*banks, "color"]),
        ("HOG, color", [*hogs, "color"]),
        *((f"all, and {name}", [*everything, name]) for name in further),
    ):
        yield name, parts, ridge(parts), _same
    yield "all, images as they are alone", everything, ridge(everything, mirror_parts=False), _same
    yield "all, symmetric parts alone", everything, ridge(everything), _symmetric
    yield "all, mirror images as rows, KernelSVM(C=10)", everything, KernelSVM(C=10, gamma="scale"), _same
    yield "all, mirror images as rows, LinearSVM(C=0.1)", everything, LinearSVM(C=0.1), _same


def _with_mirrored(X, y):
    turned = X * np.tile(np.float32([1, -1]), X.shape[1] // 2)
    return np.concatenate([X, turned]), np.concatenate([y, y])


def _same(X):
    return X


def _symmetric(X):
    return X * np.tile(np.float32([1, 0]), X.shape[1] // 2)


if __name__ == "__main__":
    main()
