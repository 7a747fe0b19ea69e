"""Color histogram + RBF SVM: how far color alone goes."""

from sklearn.pipeline import make_pipeline

from cvclassic.features import ColorHistogram
from cvclassic.svm import KernelSVM

family = "classical"
found_on = "CIFAR-10's validation part"


def fits(task):
    return len(task.image_shape) == 3  # gray images have no color


def search(task):
    return {
        "C": (0.3, 300, "log"),
        "gamma": (0.1, 10, "log"),
        "color_space": ["hsv", "lab", "rgb"],
        "bins": [4, 6, 8],
        "grid": [1, 2],
    }


def build(task):
    histogram = ColorHistogram(color_space="hsv", bins=8, joint=True, grid=1, normalization="sqrt")
    pipeline = make_pipeline(histogram, KernelSVM(kernel="rbf", C=4, gamma="scale"))
    return pipeline if task.augment == "mirror" else task.augmented(pipeline)  # a mirror image has the same histogram
