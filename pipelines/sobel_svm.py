"""Sobel orientation histogram (OpenCV's tutorial descriptor) + RBF SVM."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import Deskew, SobelHistogram
from cvclassic.svm import KernelSVM

family = "classical"


def build(task):
    deskew = [Deskew()] if "handwriting" in task.traits else []
    histogram = SobelHistogram(orientations=16, signed=True, grid=2, normalization="sqrt")
    return task.augmented(make_pipeline(*deskew, histogram, KernelSVM(kernel="rbf", C=10, gamma="scale")))
