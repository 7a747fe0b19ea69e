"""HOG + one dense layer with hinge loss and L2: a linear SVM trained by gradient descent."""

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cvclassic.features import HOG
from cvclassic.features.hog import search_space
from cvclassic.neural import NeuralClassifier, linear_head

family = "hybrid"
found_on = "CIFAR-10 (learning rate)"


def search(task):
    rate = task.stack.initial_learning_rate()
    own = {"learning_rate": (rate / 10, 3 * rate, "log"), "l2": (1e-6, 1e-2, "log")}
    return own | search_space(task.image_shape)


def build(task):
    head = NeuralClassifier(linear_head, loss="squared_hinge", stack=task.stack, seed=task.seed, log_dir=task.folder)
    pipeline = make_pipeline(HOG(cell_size=max(min(task.image_shape[:2]) // 4, 4)), StandardScaler(), head)
    # The validation images become features too.
    return task.augmented(pipeline.set_params(transform_input=["X_val"]))
