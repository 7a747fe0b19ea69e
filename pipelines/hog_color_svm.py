"""HOG at two cell sizes + color grid, PCA, RBF SVM: the classical champion."""

from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline, make_union

from cvclassic.features import HOG, ColorGrid
from cvclassic.svm import KernelSVM

family = "classical"


def build(task):
    side = min(task.image_shape[:2])
    return make_pipeline(
        make_union(HOG(cell_size=max(side // 8, 3)), HOG(cell_size=max(side // 4, 4)), ColorGrid(grid=4)),
        PCA(200, svd_solver="randomized", random_state=task.seed),
        KernelSVM(kernel="rbf", C=10, gamma="scale"),
    )
