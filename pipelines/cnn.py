"""Convolutional network with batch normalization and dropout."""

from functools import partial

from cvclassic.neural import NeuralClassifier, cnn

family = "neural"


def build(task):
    model = partial(cnn, mirror="mirror" in task.traits)
    return NeuralClassifier(model, stack=task.stack, seed=task.seed, log_dir=task.folder)
