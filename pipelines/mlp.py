"""Multilayer perceptron on the pixels."""

from cvclassic.neural import NeuralClassifier, mlp

family = "neural"
found_on = "CIFAR-10 (layers, learning rate)"


def search(task):
    rate = task.stack.initial_learning_rate()
    mirror = {"mirror": [False, True]} if "mirror" in task.traits else {}
    return mirror | {
        "learning_rate": (rate / 10, 3 * rate, "log"),
        "weight_decay": (0.001, 1.0, "log"),
        "width": [256, 512, 1024],
        "dropout": (0.0, 0.6),
        "shift": [0, 1, 2],
    }


def build(task):
    return task.augmented(NeuralClassifier(mlp, stack=task.stack, seed=task.seed, log_dir=task.folder))
