"""Embedding of a frozen, pretrained backbone + linear SVM

The backbone is an ONNX file or a Keras application (data/README.md), named by `--set backbone=` or the environment's
CVCLASSIC_BACKBONE. Without being named the pipeline runs where one is: with the latter on sets of at most 2,000 images
that are no handwriting.

Embeddings of length 1 and C = 1 were found on CIFAR-10's training part with EfficientNet-Lite0, on 3,000 images to
check: 76.6 % from 2,000 images and 68.3 % from 300; as good as unscaled ones with the best C for each (76.5 and 68.0 %)
and better than standardized ones (75.6 and 67.8 %). 2026-11-24.
"""

import os

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from cvclassic.errors import InputError
from cvclassic.features import Embedding
from cvclassic.neural import APPLICATIONS
from cvclassic.neural.applications import application
from cvclassic.svm import LinearSVM

family = "pretrained"
found_on = "CIFAR-10's training part"

MOST_IMAGES = 2_000  # by default: EfficientNet-Lite0 embedded 140 images a second on 2 cores of an AMD EPYC
HOW = (
    "name an ONNX file in the environment's CVCLASSIC_BACKBONE or by --set backbone=FILE, or a Keras application, "
    "whose weights are downloaded, such as --set backbone=MobileNetV2; data/README.md tells where to get one."
)


class ApplicationEmbedding(Embedding):
    """`Embedding` whose backbone is the name of a Keras application, as --set gives it."""

    def __init__(self, backbone, *, size=None, mean=None, std=None, known=None, offline=False):
        super().__init__(backbone, size=size, mean=mean, std=std, known=known)
        self.offline = offline

    def _backbone(self):
        found = application(self.backbone, self.offline)
        return found, {"size": found.size, "mean": found.mean, "std": found.std}


def default(task):
    if _set(task):
        return True
    if task.n_images > MOST_IMAGES or "handwriting" in task.traits:
        return False
    return True if _named(task) else f"there is no backbone. To have one, {HOW}"


def fits(task):
    if _needed(task) not in APPLICATIONS:
        Embedding(_needed(task)).open()  # raises for a file that can't be used, before anything runs
    return True


def search(task):
    return {"C": (0.01, 100, "log")}


def build(task):
    backbone = _needed(task)
    if backbone in APPLICATIONS:
        embedding = ApplicationEmbedding(backbone, offline=task.offline)
    else:
        embedding = Embedding(backbone)
    return task.augmented(Pipeline([("embedding", embedding), ("scaler", Normalizer()), ("svm", LinearSVM(C=1.0))]))


def _needed(task):
    if not _named(task):
        raise InputError(f"pretrained_svm needs a backbone: {HOW}")
    return _named(task)


def _named(task):
    return _set(task) or os.environ.get("CVCLASSIC_BACKBONE", "")


def _set(task):
    """What --set or --sweep says."""
    return next((value for name, value in task.settings if name.rpartition("__")[2] == "backbone"), "")
