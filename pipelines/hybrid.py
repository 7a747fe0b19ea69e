"""Convolutional network that also sees the image's HOG, with an auxiliary output on its convolutions."""

from functools import partial

from cvclassic.neural import NeuralClassifier, hybrid

family = "hybrid"
default = False


def build(task):
    model = partial(hybrid, mirror="mirror" in task.traits)
    return NeuralClassifier(model, stack=task.stack, seed=task.seed, log_dir=task.folder)
