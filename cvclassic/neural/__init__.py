"""Neural networks with scikit-learn's face: models, the one training stack, and the classifier that joins them.

Importing this package imports no Keras; the first model that is built does, or `prepare_backend()`.
"""

from cvclassic.neural.backend import prepare_backend
from cvclassic.neural.classifier import NeuralClassifier
from cvclassic.neural.models import cnn, linear_head, mlp
from cvclassic.neural.stack import TrainingStack

__all__ = ["NeuralClassifier", "TrainingStack", "cnn", "linear_head", "mlp", "prepare_backend"]
