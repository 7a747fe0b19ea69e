"""Wrappers change the training images as they say, and are seen through: by fit, predict and scores."""

from functools import partial

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from cvclassic.augmentation import (
    AffineAugmentation,
    MirrorAugmentation,
    augmentation_of,
    augmented,
    innermost,
    layers,
    mirrored,
    predict_with_scores,
)
from cvclassic.datasets import load
from cvclassic.errors import InputError
from cvclassic.features import HOG
from cvclassic.neural import NeuralClassifier, TrainingStack, hybrid, linear_head, mlp
from cvclassic.svm import KernelSVM, LinearSVM


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


class Seen(ClassifierMixin, BaseEstimator):
    """Remembers what it was fitted on."""

    def fit(self, X, y):
        self.X_, self.y_, self.classes_ = X, y, np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_training_images_are_changed_as_asked_and_those_to_predict_are_not(arrows):
    X, y = arrows
    learned = {
        change: augmented(Seen(), change, image_shape=(16, 16), seed=3).fit(X, y)
        for change in ("mirror", "shift", "affine")
    }
    assert augmented(model := Seen(), "none", image_shape=(16, 16), seed=3) is model
    mirror, shift, affine = (each.estimator_ for each in learned.values())
    assert np.array_equal(mirror.X_, np.concatenate([X, X[:, :, ::-1]]))
    assert np.array_equal(mirror.y_, np.tile(y, 2))
    assert np.array_equal(shift.y_, np.tile(y, 3))
    for found in (shift, affine):
        assert np.array_equal(found.X_[: len(X)], X)
        assert not np.array_equal(found.X_[90:], shift.X_[:180])
    again = augmented(Seen(), "shift", image_shape=(16, 16), seed=3).fit(X, y)
    assert np.array_equal(again.estimator_.X_, shift.X_)
    assert all(np.array_equal(each.predict(X), each.estimator_.predict(X)) for each in learned.values())


def test_a_shift_is_at_most_a_16th_of_the_side_and_nothing_else():
    point = np.zeros((200, 48, 40), np.uint8)
    point[:, 24, 20] = 255
    model = augmented(Seen(), "shift", image_shape=(48, 40), seed=0).fit(point, np.arange(200) % 2)
    copies = model.estimator_.X_[200:].astype(float)
    rows, columns = np.mgrid[:48, :40]
    total = copies.sum(axis=(1, 2))
    moved = [(copies * grid).sum(axis=(1, 2)) / total - start for grid, start in ((rows, 24), (columns, 20))]
    np.testing.assert_allclose(total, 255, rtol=0.02)  # a point stays a point, shared by up to four pixels
    for axis in moved:
        assert 1.5 < np.abs(axis).max() <= 2.02  # 40 // 16 pixels


def test_networks_change_images_themselves_where_their_model_can():
    for change, parameters in {"mirror": (True, 0), "shift": (False, 2)}.items():
        network = augmented(NeuralClassifier(mlp), change, image_shape=(32, 40, 3), seed=0)
        found = network.get_params()
        assert (found["model__mirror"], found["model__shift"]) == parameters
        assert augmentation_of(network) == change
    for model, change in ((hybrid, "shift"), (linear_head, "mirror"), (mlp, "affine")):
        found = augmented(NeuralClassifier(model), change, image_shape=(32, 32), seed=0)
        assert isinstance(found, MirrorAugmentation if change == "mirror" else AffineAugmentation)
        assert augmentation_of(found) == change


def test_what_changes_its_training_images_says_how():
    network = NeuralClassifier(partial(mlp, mirror=True, shift=1))
    assert augmentation_of(make_pipeline(HOG(), LinearSVM())) == "none"
    assert augmentation_of(make_pipeline(MirrorAugmentation(LinearSVM()))) == "mirror"
    assert augmentation_of(MirrorAugmentation(LinearSVM(), training=False)) == "none"
    assert augmentation_of(AffineAugmentation(network)) == "affine+mirror+shift"
    assert augmentation_of(MirrorAugmentation(network)) == "mirror+shift"


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


@pytest.mark.slow
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


class Counting(FunctionTransformer):
    """Flattens images, and counts them."""

    def __init__(self):
        super().__init__(self.count)
        self.images = 0

    def count(self, X):
        self.images += len(X)
        return flat(X)


class Named(ClassifierMixin, BaseEstimator):
    """A wrapper of a user's own: the property, and nothing else of ours. It never says the first class."""

    def __init__(self, classifier):
        self.classifier = classifier

    @property
    def wrapped(self):
        return getattr(self, "fitted_", self.classifier)

    def fit(self, X, y):
        self.fitted_ = clone(self.classifier).fit(X, y)
        self.classes_ = self.fitted_.classes_
        return self

    def decision_function(self, X):
        scores = self.fitted_.decision_function(X).copy()
        scores[:, 0] = scores.min() - 1
        return scores

    def predict(self, X):
        return self.classes_[self.decision_function(X).argmax(axis=1)]


class NoScores(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[X.reshape(len(X), -1).argmax(axis=1) % len(self.classes_)]


class Network(ClassifierMixin, BaseEstimator):
    """Takes what a network takes, and keeps it."""

    __metadata_request__fit = {"X_val": True, "y_val": True, "meter": True}

    def fit(self, X, y, X_val=None, y_val=None, meter=None):
        self.classes_, self.n_fitted_, self.given_ = np.unique(y), len(X), (X_val, y_val, meter)
        return self

    def decision_function(self, X):
        return np.zeros((len(X), len(self.classes_)))


def test_layers_lead_through_pipelines_and_wrappers_to_the_classifier_inside(arrows):
    svm = LinearSVM()
    scaled = make_pipeline(StandardScaler(), svm)
    mirror = MirrorAugmentation(scaled)
    named = Named(mirror)
    outer = make_pipeline(FunctionTransformer(), named)
    assert list(layers(outer)) == [outer, named, mirror, scaled, svm]
    assert innermost(outer) is svm
    assert innermost(svm) is svm
    assert innermost(make_pipeline(StandardScaler(), StandardScaler(), GaussianNB())).__class__ is GaussianNB

    fitted = MirrorAugmentation(make_pipeline(FunctionTransformer(flat), svm)).fit(*arrows)
    assert innermost(fitted) is fitted.estimator_[-1] is not svm
    assert innermost(clone(fitted)) is not innermost(fitted)
    assert not hasattr(innermost(clone(fitted)), "coef_")


WRAPPERS = {
    "none": lambda inside: inside,
    "mirror": MirrorAugmentation,
    "mirror, training": partial(MirrorAugmentation, prediction=False),
    "affine": partial(AffineAugmentation, copies=1, random_state=0),
    "both": lambda inside: MirrorAugmentation(AffineAugmentation(inside, copies=1, random_state=0)),
    "in a Pipeline": lambda inside: make_pipeline(FunctionTransformer(), MirrorAugmentation(inside)),
}
CLASSIFIERS = {"SVM": KernelSVM(C=10), "scores": RidgeClassifier(), "probabilities": GaussianNB()}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("wrap", WRAPPERS)
def test_labels_and_scores_are_those_of_the_estimator_from_features_that_are_computed_once(
    arrows, wrap, classifier, n_classes
):
    X, y = arrows[0], arrows[1] % n_classes
    model = WRAPPERS[wrap](make_pipeline(Counting(), CLASSIFIERS[classifier])).fit(X, y)
    labels, scores = model.predict(X[:50]), getattr(model, "decision_function", None)
    scores = (scores or model.predict_proba)(X[:50])
    [pipeline] = [layer for layer in layers(model) if isinstance(layer, Pipeline) and isinstance(layer[0], Counting)]
    pipeline[0].images = 0
    found_labels, found_scores, _ = predict_with_scores(model, X[:50])
    assert pipeline[0].images == 50 * (2 if wrap in ("mirror", "both", "in a Pipeline") else 1)
    np.testing.assert_array_equal(found_labels, labels)
    np.testing.assert_array_equal(found_scores, scores)
    assert len(set(found_labels)) == n_classes


def test_a_wrapper_of_ones_own_is_asked_itself(arrows):
    X, y = arrows
    model = Named(make_pipeline(FunctionTransformer(flat), LinearSVM())).fit(X, y)
    labels, scores, _ = predict_with_scores(make_pipeline(FunctionTransformer(), model), X)
    assert 0 not in labels
    assert np.array_equal(labels, model.predict(X))
    assert np.array_equal(scores, model.decision_function(X))


def test_classifiers_without_scores_give_labels_alone_and_can_not_be_averaged(arrows):
    X, y = arrows
    for model in (
        make_pipeline(FunctionTransformer(flat), NoScores()),
        AffineAugmentation(NoScores()),
        MirrorAugmentation(NoScores(), prediction=False),
    ):
        labels, scores, _ = predict_with_scores(model.fit(X, y), X)
        assert np.array_equal(labels, NoScores().fit(X, y).predict(X))
        assert scores is None
        assert not hasattr(model, "decision_function")
    with pytest.raises(InputError, match="NoScores has neither decision_function nor predict_proba"):
        MirrorAugmentation(NoScores()).fit(X, y)


@pytest.fixture(params=[True, False], ids=["routing", "no routing"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.mark.parametrize("wrap", [MirrorAugmentation, AffineAugmentation])
def test_what_fit_is_given_reaches_the_classifier_inside(arrows, routing, wrap):
    X, y = arrows
    model = wrap(wrap(Network())).fit(X[9:], y[9:], X_val=X[:9], y_val=y[:9], meter="meter")
    assert innermost(model).n_fitted_ > 2 * len(X[9:])
    X_val, y_val, meter = innermost(model).given_
    assert X_val is not None
    assert np.array_equal(X_val, X[:9])
    assert np.array_equal(y_val, y[:9])
    assert meter == "meter"
    with pytest.raises(TypeError, match="X_vall"):
        wrap(Network()).fit(X, y, X_vall=X)


def test_validation_images_become_features_on_their_way_through_pipelines(arrows):
    X, y = arrows
    given = {"X_val": X[:9], "y_val": y[:9], "meter": "meter"}
    with sklearn.config_context(enable_metadata_routing=True):
        inside = make_pipeline(FunctionTransformer(flat), Network()).set_params(transform_input=["X_val"])
        outside = make_pipeline(FunctionTransformer(mirrored), MirrorAugmentation(inside))
        for model, seen in (
            (AffineAugmentation(inside, copies=1), X[:9]),
            (MirrorAugmentation(AffineAugmentation(inside, copies=1)), X[:9]),
            (outside.set_params(transform_input=["X_val"]), mirrored(X[:9])),
        ):
            X_val, y_val, meter = innermost(model.fit(X[9:], y[9:], **given)).given_
            assert np.array_equal(X_val, flat(seen))
            assert np.array_equal(y_val, y[:9])
            assert meter == "meter"


def test_a_wrapped_network_gets_validation_images_and_has_a_history(arrows):
    X, y = arrows
    network = NeuralClassifier(mlp, stack=TrainingStack(epochs=2, batch_size=32), verbose=False)
    inside = make_pipeline(FunctionTransformer(flat), network)
    with sklearn.config_context(enable_metadata_routing=True):
        model = MirrorAugmentation(inside.set_params(transform_input=["X_val"]))
        model.fit(X[30:], y[30:], X_val=X[:30], y_val=y[:30])
    assert len(innermost(model).history_["val_loss"]) == 2
    labels, scores, _ = predict_with_scores(model, X)
    assert scores.shape == (90, 3)
    assert np.array_equal(labels, scores.argmax(axis=1))
