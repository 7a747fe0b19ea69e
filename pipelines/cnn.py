"""Convolutional network with batch normalization and dropout."""

from cvclassic.neural import NeuralClassifier, cnn, search_space

family = "neural"
found_on = "CIFAR-10 (layers, learning rate)"


def search(task):
    return search_space(task.stack, task.traits, widths=[16, 32, 64])


def build(task):
    return task.augmented(NeuralClassifier(cnn, stack=task.stack, seed=task.seed, log_dir=task.folder))
