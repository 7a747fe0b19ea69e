"""Multilayer perceptron on the pixels."""

from cvclassic.neural import NeuralClassifier, mlp, search_space

family = "neural"
found_on = "CIFAR-10 (layers, learning rate)"


def search(task):
    return search_space(task.stack, task.traits, widths=[256, 512, 1024])


def build(task):
    return task.augmented(NeuralClassifier(mlp, stack=task.stack, seed=task.seed, log_dir=task.folder))
