"""HOG + linear SVM (squared hinge, one against the rest)."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import HOG
from cvclassic.svm import LinearSVM

family = "classical"


def search(task):
    return {
        "C": (0.01, 100, "log"),
        "orientations": [6, 9, 12, 18],
        "signed": [False, True],
        "cell_size": sorted({max(min(task.image_shape[:2]) // cells, 4) for cells in (3, 4, 5, 6)}),
    }


def build(task):
    hog = HOG(cell_size=max(min(task.image_shape[:2]) // 4, 4))
    return task.augmented(make_pipeline(hog, LinearSVM(C=1.0)))
