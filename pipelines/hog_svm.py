"""HOG + RBF SVM."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import HOG
from cvclassic.features.hog import search_space
from cvclassic.svm import KernelSVM

family = "classical"


def search(task):
    return {"C": (0.3, 300, "log"), "gamma": (0.03, 3, "log")} | search_space(task.image_shape)


def build(task):
    hog = HOG(cell_size=max(min(task.image_shape[:2]) // 4, 4))
    return task.augmented(make_pipeline(hog, KernelSVM(kernel="rbf", C=10, gamma="scale")))
