"""HOG + linear SVM (squared hinge, one against the rest)."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import HOG
from cvclassic.svm import LinearSVM

family = "classical"


def build(task):
    return make_pipeline(HOG(cell_size=max(min(task.image_shape[:2]) // 4, 4)), LinearSVM(C=1.0))
