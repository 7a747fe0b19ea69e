"""hog_color_svm, trained on mirror images too

`python compare.py --dataset cifar10 --pipeline hog_color_mirror_svm`, seed 0, on 2 cores: 77.47 % of the test images
(copy with JPEG-coded pixels), fitted in 163 s; 2026-11-22.
"""

from sklearn.pipeline import make_pipeline

from cvclassic.augmentation import MirrorAugmentation
from cvclassic.features.hog_color import hog_color
from cvclassic.svm import KernelSVM

family = "classical"
default = False


def fits(task):
    return "mirror" in task.traits


def build(task):
    features = hog_color(task.image_shape, n_train=task.n_train, random_state=task.seed)
    return MirrorAugmentation(make_pipeline(*features, KernelSVM(kernel="rbf", C=10, gamma="scale")))
