"""Neural networks with scikit-learn's face: models, the one training stack, and the classifier that joins them.

Importing this package imports no Keras; the first model that is built does, or `prepare_backend()`, or naming one of
the layers `FusedBatchNormalization`, `HOGLayer`, `Maxout` and `PatchWhitening`.
"""

import importlib

from cvclassic.neural.applications import APPLICATIONS, KerasApplication
from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.classifier import NeuralClassifier
from cvclassic.neural.models import cnn, cnn_fast, hybrid, linear_head, mlp, resnet_small
from cvclassic.neural.precision import fastest_precision
from cvclassic.neural.space import search_space
from cvclassic.neural.stack import TrainingStack

__all__ = [
    "APPLICATIONS",
    "FusedBatchNormalization",
    "HOGLayer",
    "KerasApplication",
    "Maxout",
    "NeuralClassifier",
    "PatchWhitening",
    "TrainingStack",
    "cnn",
    "cnn_fast",
    "fastest_precision",
    "hybrid",
    "linear_head",
    "mlp",
    "prepare_backend",
    "resnet_small",
    "search_space",
]


_LAYERS = {  # subclasses of a Keras class can't exist before Keras is imported
    "FusedBatchNormalization": "cvclassic.neural.normalization",
    "HOGLayer": "cvclassic.neural.layers",
    "Maxout": "cvclassic.neural.layers",
    "PatchWhitening": "cvclassic.neural.whitening",
}


def __getattr__(name: str):
    if name in _LAYERS:
        return getattr(importlib.import_module(_LAYERS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
