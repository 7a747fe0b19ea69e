"""Small residual network, for long training (--preset full)."""

from functools import partial

from cvclassic.neural import NeuralClassifier, resnet_small

family = "neural"
default = False
found_on = "CIFAR-10 (layers, learning rate, shift)"


def search(task):
    rate = task.stack.initial_learning_rate()
    mirror = {"mirror": [False, True]} if "mirror" in task.traits else {}
    return mirror | {
        "learning_rate": (rate / 10, 3 * rate, "log"),
        "weight_decay": (0.001, 1.0, "log"),
        "width": [16, 32, 48],
        "dropout": (0.0, 0.6),
        "shift": [0, 1, 2],
    }


def build(task):
    # So long a training needs them: shifted by a pixel or two everything stays what it is.
    model = partial(resnet_small, shift=max(min(task.image_shape[:2]) // 16, 1))
    return task.augmented(NeuralClassifier(model, stack=task.stack, seed=task.seed, log_dir=task.folder))
