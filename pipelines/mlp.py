"""Multilayer perceptron on the pixels."""

from cvclassic.neural import NeuralClassifier, mlp

family = "neural"
found_on = "CIFAR-10 (layers, learning rate)"


def build(task):
    return task.augmented(NeuralClassifier(mlp, stack=task.stack, seed=task.seed, log_dir=task.folder))
