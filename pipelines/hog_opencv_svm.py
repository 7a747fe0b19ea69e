"""HOG + OpenCV's own SVM (cv2.ml.SVM)."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import HOG
from cvclassic.svm import OpenCVSVM

family = "classical"


def build(task):
    return make_pipeline(HOG(cell_size=max(task.image_shape[0] // 4, 4)), OpenCVSVM(kernel="linear", C=0.1))
