"""Small models of real digits."""

import warnings

import numpy as np
import sklearn
from sklearn.datasets import load_digits

from cvclassic.augmentation import predict_with_scores
from cvclassic.decoding import InputContract
from cvclassic.model import Model, fit_calibration
from cvclassic.neural import TrainingStack
from cvclassic.runs.pipelines import Task, find_pipelines

N_TRAIN, N = 160, 240


def digits(n_classes: int, *, color: bool) -> tuple[np.ndarray, np.ndarray]:
    """`N` images of 16 x 16 pixels, and their labels: scikit-learn's digits, for color with three views as channels."""
    X, y = load_digits(return_X_y=True)
    rows = np.flatnonzero(y < n_classes)[:N]
    images = (X[rows].reshape(-1, 8, 8) * 15.9).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    if color:
        images = np.stack([images, images[:, ::-1], 255 - images], axis=-1)
    return np.ascontiguousarray(images), y[rows]


def built(name: str, n_classes: int, *, color: bool, augment: str = "none", traits=(), stack=None):
    """The estimator of a built-in pipeline; None where it isn't for such images."""
    shape = (16, 16, 3) if color else (16, 16)
    stack = stack or TrainingStack(epochs=1)
    task = Task(shape, n_classes, N_TRAIN, 0, stack, frozenset(traits), augment=augment)
    [pipeline] = find_pipelines([name])
    if not pipeline.fits(task):
        return None
    estimator = pipeline.build(task)
    fewer = {"n_patches": 2000, "n_atoms": 16, "n_iter": 2}  # of learned patches, which take a minute otherwise
    found = {key: fewer[key.rpartition("__")[2]] for key in estimator.get_params() if key.rpartition("__")[2] in fewer}
    return estimator.set_params(**found)


def fitted_model(estimator, n_classes: int, *, color: bool) -> Model:
    """A model of it, calibrated on images that it was not fitted on where it has scores."""
    X, y = digits(n_classes, color=color)
    with warnings.catch_warnings(), sklearn.config_context(enable_metadata_routing=True):
        warnings.simplefilter("ignore")
        estimator.fit(X[:N_TRAIN], y[:N_TRAIN])
    scores = predict_with_scores(estimator, X[N_TRAIN:]).scores
    flat = scores is None or np.ptp(scores) == 0
    names = [f"digit {k}" for k in range(n_classes)]
    calibration = None if flat else fit_calibration(scores, y[N_TRAIN:])
    contract = InputContract(16, 16, 3 if color else 1)
    return Model(estimator, names, contract, calibration=calibration, figures={"accuracy": 0.9}, fingerprint="f00d")


def small_model(name: str, n_classes: int = 3, *, color: bool = False, **options) -> Model | None:
    """A model by a built-in pipeline."""
    estimator = built(name, n_classes, color=color, **options)
    return estimator and fitted_model(estimator, n_classes, color=color)
