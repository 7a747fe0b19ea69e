"""Mirror images count as the same."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from cvclassic.augmentation import MirrorAugmentation, mirrored
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
