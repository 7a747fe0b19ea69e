"""HOG at two cell sizes + color grid, PCA, RBF SVM: the classical champion."""

from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from cvclassic.features import HOG, ColorGrid
from cvclassic.svm import KernelSVM

family = "classical"


def build(task):
    side = min(task.image_shape[:2])
    features = FeatureUnion(
        [
            ("small_cells", make_pipeline(HOG(cell_size=max(side // 8, 3)), Normalizer())),
            ("large_cells", make_pipeline(HOG(cell_size=max(side // 4, 4)), Normalizer())),
            ("color", make_pipeline(ColorGrid(grid=4), StandardScaler())),
        ],
        # Each HOG has length 1, which standardized colors would outweigh; the weight, C and gamma were found on the
        # validation split of CIFAR-10.
        transformer_weights={"color": 0.045},
    )
    # 200 components of larger images; small images and small sets have fewer.
    pca = PCA(min(200, 8 * side, task.n_train), svd_solver="randomized", random_state=task.seed)
    return make_pipeline(features, pca, KernelSVM(kernel="rbf", C=10, gamma=2.2))
