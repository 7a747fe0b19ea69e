"""Mirror images count as the same."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from cvclassic.augmentation import AffineAugmentation, MirrorAugmentation, mirrored
from cvclassic.datasets import load
from cvclassic.errors import InputError
from cvclassic.features import HOG
from cvclassic.svm import LinearSVM


def flat(X):
    return X.reshape(len(X), -1) / 255


@pytest.fixture
def arrows(rng):
    """Bars of three heights, all of them in the left half of the image."""
    y = rng.integers(0, 3, 90)
    X = rng.integers(0, 60, (90, 16, 16), dtype=np.uint8)
    for image, label in zip(X, y, strict=True):
        image[3 + 4 * label : 6 + 4 * label, 1:6] += 150
    return X, y


def test_the_wrapped_classifier_gets_both_views(arrows):
    X, y = arrows
    model = MirrorAugmentation(make_pipeline(FunctionTransformer(flat), LinearSVM())).fit(X, y)
    both = np.concatenate([X, X[:, :, ::-1]])
    by_hand = make_pipeline(FunctionTransformer(flat), LinearSVM()).fit(both, np.concatenate([y, y]))
    np.testing.assert_allclose(model.estimator_[-1].coef_, by_hand[-1].coef_)
    assert model.score(X[:, :, ::-1], y) == 1


def test_both_views_of_an_image_get_the_same_scores(arrows):
    X, y = arrows
    model = MirrorAugmentation(make_pipeline(HOG(), LinearSVM()), training=False).fit(X, y)
    plain = make_pipeline(HOG(), LinearSVM()).fit(X, y)
    np.testing.assert_allclose(model.decision_function(X), model.decision_function(mirrored(X)))
    expected = (plain.decision_function(X) + plain.decision_function(mirrored(X))) / 2
    np.testing.assert_allclose(model.decision_function(X), expected)
    assert np.array_equal(model.predict(X), expected.argmax(axis=1))


def test_two_classes_and_probabilities(arrows):
    X, y = arrows
    model = MirrorAugmentation(make_pipeline(FunctionTransformer(flat), LinearSVM())).fit(
        X, np.array(["b", "a"])[y % 2]
    )
    assert model.decision_function(X).shape == (90,)
    assert set(model.predict(X)) == {"a", "b"}
    assert model.score(X, np.array(["b", "a"])[y % 2]) > 0.9

    by_probability = MirrorAugmentation(make_pipeline(FunctionTransformer(flat), GaussianNB())).fit(X, y)
    assert by_probability.decision_function(X).sum(axis=1) == pytest.approx(1)


def test_without_both_it_is_the_classifier_itself(arrows):
    X, y = arrows
    model = MirrorAugmentation(make_pipeline(HOG(), LinearSVM()), training=False, prediction=False).fit(X, y)
    plain = make_pipeline(HOG(), LinearSVM()).fit(X, y)
    np.testing.assert_array_equal(model.decision_function(X), plain.decision_function(X))


def test_what_is_not_an_image_batch():
    with pytest.raises(InputError, match="shape"):
        MirrorAugmentation(LinearSVM()).fit(np.zeros((4, 5)), [0, 1, 0, 1])


def test_distorted_copies_are_the_affine_map_that_is_documented(rng):
    X = rng.integers(0, 256, (1, 21, 21), dtype=np.uint8)
    seen = fitted_on(AffineAugmentation(Recorder(), copies=1, rotation=0, shear=0, scale=0, shift=0), X, [0])
    np.testing.assert_array_equal(seen, np.concatenate([X, X]))

    spot = np.zeros((40, 41, 41), np.uint8)
    spot[:, 20, 32] = 255
    seen = fitted_on(AffineAugmentation(Recorder(), rotation=30, shear=0, scale=0, shift=0, random_state=1), spot)
    rows, columns = np.array([np.unravel_index(image.argmax(), image.shape) for image in seen[40:]]).T - 20
    np.testing.assert_allclose(np.hypot(rows, columns), 12, atol=1)  # a rotation keeps the distance from the center
    angles = np.degrees(np.arctan2(rows, columns))
    assert angles.min() == pytest.approx(-30, abs=5)
    assert angles.max() == pytest.approx(30, abs=5)

    seen = fitted_on(AffineAugmentation(Recorder(), rotation=0, shear=0, scale=0, shift=3, random_state=1), spot)
    rows, columns = np.array([np.unravel_index(image.argmax(), image.shape) for image in seen[40:]]).T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((17, 23, 29, 35), abs=1)

    seen = fitted_on(AffineAugmentation(Recorder(), rotation=0, shear=0, scale=0.25, shift=0, random_state=1), spot)
    columns = np.array([image.argmax() % 41 for image in seen[40:]]) - 20
    assert (columns.min(), columns.max()) == pytest.approx((12 / 1.25, 12 / 0.75), abs=1)


def test_distorted_copies_help_where_training_images_stand_upright():
    digits = load("digits")
    X, y = digits.images[digits.train], digits.labels[digits.train]
    turned = fitted_on(AffineAugmentation(Recorder(), copies=1, rotation=25, random_state=5), X[600:])[-len(X[600:]) :]
    plain = make_pipeline(HOG(cell_size=4), LinearSVM())
    augmented = AffineAugmentation(plain, copies=2, rotation=25, random_state=0).fit(X[:600], y[:600])
    assert augmented.score(turned, y[600:]) > plain.fit(X[:600], y[:600]).score(turned, y[600:]) + 0.01
    assert augmented.decision_function(turned).shape == (len(turned), 10)


@pytest.mark.parametrize(
    "options", [{"copies": 0}, {"copies": 1.5}, {"rotation": -1}, {"shift": float("nan")}], ids=str
)
def test_wrong_limits_of_distortion(rng, options):
    X = rng.integers(0, 256, (4, 8, 8), dtype=np.uint8)
    with pytest.raises(InputError, match=next(iter(options))):
        AffineAugmentation(Recorder(), **options).fit(X, [0, 1, 0, 1])


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps the images that it is fitted on."""

    def fit(self, X, y):
        self.seen_, self.classes_ = X, np.unique(y)
        assert len(X) == len(y)
        return self


def fitted_on(model, X, y=None):
    return model.fit(X, np.zeros(len(X)) if y is None else y).estimator_.seen_
