"""Always the most frequent class of the training images: what every other has to beat."""

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

family = "baseline"


def build(task):
    return make_pipeline(FunctionTransformer(unseen), DummyClassifier(strategy="most_frequent"))


def unseen(images):
    """No features: (n, 0)."""
    return np.empty((len(images), 0), np.float32)
