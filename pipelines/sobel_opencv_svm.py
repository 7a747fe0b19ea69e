"""OpenCV's HOG + SVM tutorial as it stands: deskew, 16 Sobel bins on 2 x 2 cells, linear cv2.ml.SVM, C = 2.67."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import Deskew, SobelHistogram
from cvclassic.svm import OpenCVSVM

family = "classical"
default = False


def search(task):
    return {"C": (0.03, 300, "log")}


def build(task):
    deskew = [Deskew()] if "handwriting" in task.traits else []
    histogram = SobelHistogram(orientations=16, signed=True, grid=2, normalization=None)
    return make_pipeline(*deskew, histogram, OpenCVSVM(kernel="linear", C=2.67))
