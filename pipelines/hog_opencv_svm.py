"""HOG, PCA + OpenCV's own SVM (cv2.ml.SVM, RBF)."""

from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from cvclassic.features import HOG
from cvclassic.features.hog import search_space
from cvclassic.svm import OpenCVSVM

family = "classical"


def search(task):
    return {"C": (0.3, 300, "log"), "gamma": (0.1, 10, "log")} | search_space(task.image_shape)


def build(task):
    side = min(task.image_shape[:2])
    # OpenCV's solver works on one core and without BLAS; on all 324 values it would take several times as long.
    pca = PCA(min(64, 4 * side, task.n_train), random_state=task.seed)
    svm = OpenCVSVM(kernel="rbf", C=3, gamma=1.0, tol=1e-2)
    return task.augmented(make_pipeline(HOG(cell_size=max(side // 4, 4)), pca, svm))
