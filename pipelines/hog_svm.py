"""HOG + RBF SVM."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import HOG
from cvclassic.svm import KernelSVM

family = "classical"


def build(task):
    return make_pipeline(
        HOG(cell_size=max(min(task.image_shape[:2]) // 4, 4)), KernelSVM(kernel="rbf", C=10, gamma="scale")
    )
