"""Small residual network, for long training (--preset full)."""

from functools import partial

from cvclassic.neural import NeuralClassifier, resnet_small

family = "neural"
default = False
found_on = "CIFAR-10 (layers, learning rate, shift)"


def build(task):
    # So long a training needs them: shifted by a pixel or two everything stays what it is.
    model = partial(resnet_small, shift=max(min(task.image_shape[:2]) // 16, 1))
    return task.augmented(NeuralClassifier(model, stack=task.stack, seed=task.seed, log_dir=task.folder))
