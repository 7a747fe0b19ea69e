"""HOG + linear SVM (squared hinge, one against the rest)."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import HOG
from cvclassic.features.hog import search_space
from cvclassic.svm import LinearSVM

family = "classical"


def search(task):
    return {"C": (0.01, 100, "log")} | search_space(task.image_shape)


def build(task):
    hog = HOG(cell_size=max(min(task.image_shape[:2]) // 4, 4))
    return task.augmented(make_pipeline(hog, LinearSVM(C=1.0)))
