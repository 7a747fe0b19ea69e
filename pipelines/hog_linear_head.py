"""HOG + one dense layer with hinge loss and L2: a linear SVM trained by gradient descent."""

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cvclassic.features import HOG
from cvclassic.neural import NeuralClassifier, linear_head

family = "hybrid"
found_on = "CIFAR-10 (learning rate)"


def build(task):
    head = NeuralClassifier(linear_head, loss="squared_hinge", stack=task.stack, seed=task.seed, log_dir=task.folder)
    pipeline = make_pipeline(HOG(cell_size=max(min(task.image_shape[:2]) // 4, 4)), StandardScaler(), head)
    # The validation images become features too.
    return task.augmented(pipeline.set_params(transform_input=["X_val"]))
