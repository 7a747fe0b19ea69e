"""Multilayer perceptron on HOG, or by `--set input_features=` on pixels, sobel or hog+color."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cvclassic.errors import InputError
from cvclassic.features import HOG, ColorGrid, SobelHistogram
from cvclassic.neural import NeuralClassifier, mlp

family = "hybrid"
default = False
found_on = "CIFAR-10 (layers, learning rate)"

CHOICES = ("pixels", "sobel", "hog", "hog+color")


class InputFeatures(TransformerMixin, BaseEstimator):
    """What the network sees, chosen by name, so that a sweep can vary it while the network stays the same."""

    def __init__(self, *, input_features: str = "hog"):
        self.input_features = input_features

    def fit(self, X, y=None):
        if self.input_features not in CHOICES:
            raise InputError(f"input_features={self.input_features!r} is unknown; use one of {', '.join(CHOICES)}.")
        return self

    def transform(self, X):
        if self.input_features == "pixels":
            return X.reshape(len(X), -1) / np.float32(255)
        if self.input_features == "sobel":
            return SobelHistogram(orientations=16, signed=True, grid=2, normalization="sqrt").transform(X)
        hog = HOG(cell_size=max(min(X.shape[1:3]) // 4, 4)).transform(X)
        return hog if self.input_features == "hog" else np.hstack([hog, ColorGrid(grid=4).transform(X)])


def search(task):
    rate = task.stack.initial_learning_rate()
    return {
        "learning_rate": (rate / 10, 3 * rate, "log"),
        "weight_decay": (0.001, 1.0, "log"),
        "width": [128, 256, 512, 1024],
        "dropout": (0.0, 0.6),
    }


def build(task):
    network = NeuralClassifier(mlp, stack=task.stack, seed=task.seed, log_dir=task.folder)
    pipeline = make_pipeline(InputFeatures(), StandardScaler(), network)
    # The validation images become features too.
    return task.augmented(pipeline.set_params(transform_input=["X_val"]))
