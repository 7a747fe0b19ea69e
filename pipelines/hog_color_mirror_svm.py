"""hog_color_svm, trained on mirror images too

`python compare.py --dataset cifar10 --pipeline hog_color_mirror_svm`, seed 0, on 2 cores: 77.47 % of the test images
(copy with JPEG-coded pixels), fitted in 163 s; 2026-11-22.
"""

from cvclassic.augmentation import MirrorAugmentation
from cvclassic.experiment.pipelines import find_pipelines

family = "classical"
default = False


def fits(task):
    return "mirror" in task.traits


def build(task):
    [plain] = find_pipelines(["hog_color_svm"])
    return MirrorAugmentation(plain.build(task))
