"""HOG at two cell sizes + color grid, PCA, RBF SVM

Gray images have no color grid, and handwriting is deskewed first.
"""

from sklearn.pipeline import make_pipeline

from cvclassic.features import Deskew
from cvclassic.features.hog_color import hog_color
from cvclassic.svm import KernelSVM

family = "classical"
found_on = "CIFAR-10's validation part"


def search(task):
    return {"C": (0.3, 300, "log"), "gamma": (0.1, 10, "log")}


def build(task):
    deskew = [Deskew()] if "handwriting" in task.traits else []
    features = hog_color(task.image_shape, n_train=task.n_train, random_state=task.seed)
    return task.augmented(make_pipeline(*deskew, *features, KernelSVM(kernel="rbf", C=10, gamma="scale")))
