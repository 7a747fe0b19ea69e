"""Small residual network, for long training (--preset full)."""

from functools import partial

from cvclassic.augmentation import largest_shift
from cvclassic.neural import NeuralClassifier, resnet_small, search_space

family = "neural"
default = False
found_on = "CIFAR-10 (layers, learning rate, shift)"


def search(task):
    return search_space(task.stack, task.traits, widths=[16, 32, 48])


def build(task):
    # So long a training needs them: shifted by a pixel or two everything stays what it is.
    model = partial(resnet_small, shift=largest_shift(task.image_shape))
    return task.augmented(NeuralClassifier(model, stack=task.stack, seed=task.seed, log_dir=task.folder))
