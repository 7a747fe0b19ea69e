"""Neural networks with scikit-learn's face: models, the one training stack, and the classifier that joins them.

Importing this package imports no Keras; the first model that is built does, or `prepare_backend()`, or naming one of
the layers `HOGLayer` and `Maxout`.
"""

from cvclassic.neural.applications import APPLICATIONS, KerasApplication
from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.classifier import NeuralClassifier
from cvclassic.neural.models import cnn, hybrid, linear_head, mlp, resnet_small
from cvclassic.neural.space import search_space
from cvclassic.neural.stack import TrainingStack

__all__ = [
    "APPLICATIONS",
    "HOGLayer",
    "KerasApplication",
    "Maxout",
    "NeuralClassifier",
    "TrainingStack",
    "cnn",
    "hybrid",
    "linear_head",
    "mlp",
    "prepare_backend",
    "resnet_small",
    "search_space",
]


def __getattr__(name: str):
    if name in ("HOGLayer", "Maxout"):  # subclasses of a Keras class can't exist before Keras is imported
        from cvclassic.neural import layers

        return getattr(layers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
