"""Sobel orientation histogram (OpenCV's tutorial descriptor) + RBF SVM."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import Deskew, SobelHistogram
from cvclassic.svm import KernelSVM

family = "classical"


def search(task):
    return {
        "C": (0.3, 300, "log"),
        "gamma": (0.3, 30, "log"),
        "orientations": [8, 16, 24],
        "grid": [2, 3, 4],
    }


def build(task):
    deskew = [Deskew()] if "handwriting" in task.traits else []
    histogram = SobelHistogram(orientations=16, signed=True, grid=2, normalization="sqrt")
    return task.augmented(make_pipeline(*deskew, histogram, KernelSVM(kernel="rbf", C=10, gamma="scale")))
