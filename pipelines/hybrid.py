"""Convolutional network that also sees the image's HOG, with an auxiliary output on its convolutions."""

from cvclassic.neural import NeuralClassifier, hybrid, search_space

family = "hybrid"
default = False
found_on = "CIFAR-10 (layers, learning rate)"


def search(task):
    return search_space(task.stack, task.traits)


def build(task):
    return task.augmented(NeuralClassifier(hybrid, stack=task.stack, seed=task.seed, log_dir=task.folder))
