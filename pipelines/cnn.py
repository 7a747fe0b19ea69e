"""Convolutional network with batch normalization and dropout."""

from cvclassic.neural import NeuralClassifier, cnn

family = "neural"


def build(task):
    return NeuralClassifier(cnn, stack=task.stack, seed=task.seed, log_dir=task.folder)
