"""Exported headers, compiled and run, against the pipelines that they came from."""

from functools import cache

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from cvclassic.augmentation import MirrorAugmentation
from cvclassic.decoding import InputContract
from cvclassic.features import HOG, LBP, ColorGrid, ColorHistogram, Deskew, SobelHistogram
from cvclassic.features.hog_color import hog_color
from cvclassic.model.c import agreement, to_c
from cvclassic.model.c.lowering import lowered
from cvclassic.svm import KernelSVM, LinearSVM, OpenCVSVM
from tests.model.c_programs import MAIN, OTHER, SANITIZED, STRICT, answers, compiled

DIGITS, PHOTOS = InputContract(20, 22, 1), InputContract(19, 23, 3)
N_TESTED = 1000
ROUNDING = 1e-5  # two of a picture's decision values, or one and zero, this near are a tie to float32 sums


@cache
def images(contract):
    """Training images and labels, and 1,000 test images."""
    if contract is DIGITS:
        data = load_digits()
        X = np.stack([cv2.resize((i * 15.9).astype(np.uint8), (22, 20)) for i in data.images])
        return X[:200], data.target[:200], X[400 : 400 + N_TESTED]
    random = np.random.default_rng(5)
    y = np.arange(400 + N_TESTED) % 3
    X = random.integers(0, 80, (len(y), 19, 23, 3), dtype=np.uint8)  # few levels: many channels are equally strong
    X[:, ::2] //= 16
    for k, color in enumerate([(90, 20, 20), (20, 90, 30), (30, 40, 110)]):
        top, left = random.integers(0, 9, (2, (y == k).sum()))
        for image, r, c in zip(np.flatnonzero(y == k), top, left, strict=True):
            X[image, r : r + 4 + 2 * k, c : c + 10 - 3 * k] += np.array(color, np.uint8)
    return X[:200], y[:200], X[400:]


UNION = FeatureUnion(
    [
        ("hog", make_pipeline(HOG(cell_size=4, signed=True, orientations=12), Normalizer())),
        ("finer", make_pipeline(HOG(cell_size=5), Normalizer())),
        ("color", make_pipeline(ColorHistogram(bins=4, joint=False), StandardScaler())),
        ("nothing", "drop"),
    ],
    transformer_weights={"color": 0.1},
)
PIPELINES = {
    "hog": (DIGITS, lambda: [HOG(cell_size=5), LinearSVM()]),
    "hog_of_oblong_cells": (
        PHOTOS,
        lambda: [HOG(cell_size=(4, 5), block_size=(3, 2), signed=True, gamma_correction=True), LinearSVM()],
    ),
    "hog_rbf": (DIGITS, lambda: [HOG(cell_size=5), StandardScaler(), KernelSVM(C=10)]),
    "hog_skimage": (PHOTOS, lambda: [HOG(cell_size=5, convention="skimage"), LinearSVM()]),
    "hog_skimage_gamma": (
        PHOTOS,
        lambda: [HOG(cell_size=4, convention="skimage", gamma_correction=True, block_norm="L1-sqrt"), LinearSVM()],
    ),
    "hog_felzenszwalb": (PHOTOS, lambda: [HOG(cell_size=4, convention="felzenszwalb"), LinearSVM()]),
    "hog_pca_opencv": (DIGITS, lambda: [HOG(cell_size=5), PCA(20, random_state=0, whiten=True), OpenCVSVM(C=3)]),
    "deskew": (DIGITS, lambda: [Deskew(), *hog_color((20, 22), n_train=60, random_state=0), KernelSVM(C=10)]),
    "deskew_colors": (PHOTOS, lambda: [Deskew(), ColorHistogram(color_space="rgb", bins=16, joint=False), LinearSVM()]),
    "sobel": (DIGITS, lambda: [SobelHistogram(normalization="sqrt"), KernelSVM(C=10)]),
    "sobel_unsigned": (PHOTOS, lambda: [SobelHistogram(signed=False, grid=(3, 2)), OpenCVSVM(kernel="linear")]),
    "lbp": (DIGITS, lambda: [LBP(grid=(3, 2)), StandardScaler(), LinearSVM()]),
    "lbp_wide": (PHOTOS, lambda: [LBP(points=10, radius=2.5, method="ror", normalization="l2"), LinearSVM()]),
    "color": (PHOTOS, lambda: [ColorHistogram(normalization="sqrt"), KernelSVM(C=4)]),
    "color_channels": (
        PHOTOS,
        lambda: [ColorHistogram(color_space="rgb", bins=(5, 7, 300), joint=False, grid=(2, 3)), LinearSVM()],
    ),
    "lab": (PHOTOS, lambda: [ColorHistogram(color_space="lab", bins=(4, 6, 6)), LinearSVM()]),
    "grid": (PHOTOS, lambda: [ColorGrid(grid=(3, 4)), StandardScaler(), LinearSVM()]),
    "gray_grid": (DIGITS, lambda: [ColorGrid(), StandardScaler(), LinearSVM()]),
    "hog_color": (PHOTOS, lambda: [*hog_color((19, 23, 3), n_train=60, random_state=0), KernelSVM(C=10)]),
    "gray": (PHOTOS, lambda: [ColorHistogram(color_space="gray", grid=2), KernelSVM(kernel="linear")]),
    "union": (PHOTOS, lambda: [UNION, PCA(24, random_state=0), KernelSVM(C=10)]),
    "union_linear": (PHOTOS, lambda: [UNION, StandardScaler(), PCA(24, random_state=0), LinearSVM()]),
}
# Long headers, which compilers take seconds for, and kernels that numba compiles first.
SLOW = {"deskew", "hog_color", "hog_pca_opencv", "hog_rbf", "hog_skimage_gamma", "union_linear"}
FLAGS = {
    "gcc": (*STRICT, *SANITIZED),
    "clang": (*STRICT, *SANITIZED),
    "g++": ("-xc++", "-std=c++20", *STRICT[1:]),
}


@cache
def fitted(name):
    contract, steps = PIPELINES[name]
    X, y, _ = images(contract)
    return make_pipeline(*steps()).fit(X, y)


def run(folder, header, compiler, X, n_classes):
    (folder / "model.h").write_text(header, encoding="ascii")
    return answers(compiled(folder, compiler, *FLAGS[compiler], main=MAIN, other=OTHER), X, n_classes)


def ties(model, X):
    """Which images have two best decision values, or where classes duel one and zero, that rounding might exchange."""
    decisions = model.decisions(X)
    if model.duels or decisions.shape[1] == 1:
        return np.abs(decisions).min(axis=1) < ROUNDING
    best = np.sort(decisions, axis=1)
    return best[:, -1] - best[:, -2] < ROUNDING


def assert_equal_but_for_ties(found, expected, tied):
    """Equal classes, but for images that are ties; and they are few."""
    assert tied.sum() <= 10, f"{tied.sum()} of {len(tied)} images are ties: this test says little"
    assert (found == expected)[~tied].all(), f"{(found != expected)[~tied].sum()} of {len(found)} differ"


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in PIPELINES])
def test_a_header_answers_as_its_pipeline_does(name, tmp_path):
    pipeline, (contract, _) = fitted(name), PIPELINES[name]
    X = images(contract)[2]
    assert len(X) == N_TESTED
    names = [f"class {k}" for k in pipeline.classes_]
    found, scores = run(tmp_path, to_c(pipeline, contract, names), "gcc", X, len(names))
    tied = ties(lowered(pipeline, contract.shape), X)
    assert_equal_but_for_ties(found, pipeline.predict(X), tied)
    expected = pipeline.decision_function(X)
    assert np.abs(scores - expected)[~tied].max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize(("compiler", "name"), [("clang", "sobel"), ("clang", "grid"), ("g++", "hog")])
def test_other_compilers_make_the_same_of_it(compiler, name, tmp_path):
    pipeline, (contract, _) = fitted(name), PIPELINES[name]
    X, n_classes = images(contract)[2], len(pipeline.classes_)
    found, _ = run(tmp_path, to_c(pipeline, contract, ["a"] * n_classes), compiler, X, n_classes)
    assert_equal_but_for_ties(found, pipeline.predict(X), ties(lowered(pipeline, contract.shape), X))


@pytest.mark.parametrize("weights", ["int16", "int8"])
@pytest.mark.parametrize("name", ["lbp", "sobel", pytest.param("hog_pca_opencv", marks=pytest.mark.slow)])
def test_rounded_weights_answer_as_agreement_says(name, weights, tmp_path):
    pipeline, (contract, _) = fitted(name), PIPELINES[name]
    X, n_classes = images(contract)[2], len(pipeline.classes_)
    header = to_c(pipeline, contract, ["a"] * n_classes, weights=weights)
    assert len(header) < len(to_c(pipeline, contract, ["a"] * n_classes))
    found, _ = run(tmp_path, header, "gcc", X, n_classes)
    share = agreement(pipeline, contract, X, weights)
    assert abs((found == pipeline.predict(X)).mean() - share) <= 0.002  # ties
    assert share >= (0.998 if weights == "int16" else 0.95)


@pytest.mark.parametrize("svm", [LinearSVM(), KernelSVM(), OpenCVSVM(kernel="linear"), OpenCVSVM()])
def test_two_classes(svm, tmp_path):
    X, y, _ = images(DIGITS)
    pipeline = make_pipeline(HOG(cell_size=5), svm).fit(X[y < 2], y[y < 2])
    found, scores = run(tmp_path, to_c(pipeline, DIGITS, ["zero", "one"]), "gcc", X, 2)
    tied = ties(lowered(pipeline, DIGITS.shape), X)
    assert_equal_but_for_ties(found, pipeline.predict(X), tied)
    np.testing.assert_allclose(scores[:, 1], pipeline.decision_function(X), atol=1e-4)
    np.testing.assert_array_equal(scores[:, 0], -scores[:, 1])


def test_a_wrapper_that_changes_nothing_at_prediction():
    X, y, _ = images(DIGITS)
    wrapped = MirrorAugmentation(make_pipeline(HOG(cell_size=5), LinearSVM()), prediction=False).fit(X, y)
    assert to_c(wrapped, DIGITS, ["a"] * 10) == to_c(wrapped.wrapped, DIGITS, ["a"] * 10)
