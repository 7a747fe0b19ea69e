"""HOG + RBF SVM."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import HOG
from cvclassic.svm import KernelSVM

family = "classical"


def search(task):
    return {
        "C": (0.3, 300, "log"),
        "gamma": (0.03, 3, "log"),
        "orientations": [6, 9, 12, 18],
        "signed": [False, True],
        "cell_size": sorted({max(min(task.image_shape[:2]) // cells, 4) for cells in (3, 4, 5, 6)}),
    }


def build(task):
    hog = HOG(cell_size=max(min(task.image_shape[:2]) // 4, 4))
    return task.augmented(make_pipeline(hog, KernelSVM(kernel="rbf", C=10, gamma="scale")))
