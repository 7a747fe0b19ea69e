"""Convolutional network with batch normalization and dropout."""

from cvclassic.neural import NeuralClassifier, cnn

family = "neural"
found_on = "CIFAR-10 (layers, learning rate)"


def build(task):
    return task.augmented(NeuralClassifier(cnn, stack=task.stack, seed=task.seed, log_dir=task.folder))
