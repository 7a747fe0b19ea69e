"""Multilayer perceptron on the pixels."""

from cvclassic.neural import NeuralClassifier, mlp

family = "neural"


def build(task):
    return NeuralClassifier(mlp, stack=task.stack, seed=task.seed, log_dir=task.folder)
