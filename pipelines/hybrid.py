"""Convolutional network that also sees the image's HOG, with an auxiliary output on its convolutions."""

from cvclassic.neural import NeuralClassifier, hybrid

family = "hybrid"
default = False
found_on = "CIFAR-10 (layers, learning rate)"


def search(task):
    rate = task.stack.initial_learning_rate()
    mirror = {"mirror": [False, True]} if "mirror" in task.traits else {}
    return mirror | {
        "learning_rate": (rate / 10, 3 * rate, "log"),
        "weight_decay": (0.001, 1.0, "log"),
    }


def build(task):
    return task.augmented(NeuralClassifier(hybrid, stack=task.stack, seed=task.seed, log_dir=task.folder))
