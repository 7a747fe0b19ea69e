"""Small residual network, for long training (--preset full)."""

from functools import partial

from cvclassic.neural import NeuralClassifier, resnet_small

family = "neural"
default = False


def build(task):
    # Shifted by a pixel or two everything stays what it is; mirrored, digits do not.
    model = partial(resnet_small, mirror="mirror" in task.traits, shift=max(min(task.image_shape[:2]) // 16, 1))
    return NeuralClassifier(model, stack=task.stack, seed=task.seed, log_dir=task.folder)
