"""Convolutional network that also sees the image's HOG, with an auxiliary output on its convolutions."""

from cvclassic.neural import NeuralClassifier, hybrid

family = "hybrid"
default = False
found_on = "CIFAR-10 (layers, learning rate)"


def build(task):
    return task.augmented(NeuralClassifier(hybrid, stack=task.stack, seed=task.seed, log_dir=task.folder))
