"""`Model`: what it predicts of arrays and files, and what it refuses."""

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline

import cvclassic
from cvclassic.augmentation import predict_with_scores
from cvclassic.decoding import InputContract, read_pictures
from cvclassic.errors import InputError
from cvclassic.features import HOG
from cvclassic.model import Model, model, unsavable
from cvclassic.svm import LinearSVM
from tests.model.models import digits


@pytest.fixture
def files(tmp_path):
    """Paths of PNG files of the first images, and the images."""
    images = digits(4, color=False)[0][:6]
    paths = [tmp_path / f"{k}.png" for k in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(str(path), image)
    return paths, images


def test_names_come_from_the_pipelines_own_labels(gray_model):
    images, y = digits(4, color=False)
    found = gray_model.predict(images)
    assert found.shape == (len(images),)
    assert found.tolist() == [f"digit {k}" for k in gray_model.pipeline.predict(images)]
    assert np.mean(found == np.array(gray_model.class_names)[y]) > 0.9


def test_a_batch_one_image_a_list_a_path_and_paths_are_the_same(gray_model, files):
    paths, images = files
    expected = gray_model.predict(images).tolist()
    assert gray_model.predict(images[2]).tolist() == expected[2:3]
    assert gray_model.predict(list(images)).tolist() == expected
    assert gray_model.predict(paths).tolist() == expected
    assert gray_model.predict(str(paths[2])).tolist() == expected[2:3]
    assert gray_model.predict(np.array([str(path) for path in paths])).tolist() == expected
    np.testing.assert_allclose(gray_model.predict_proba(paths), gray_model.predict_proba(images), rtol=1e-5)
    assert gray_model.predict((images / 255).astype(np.float32)).tolist() == expected


def test_arrays_of_other_sizes_and_channels_become_as_files_do(gray_model, color_model, tmp_path, rng):
    wide = rng.integers(0, 256, (20, 50, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "wide.png"), wide[..., ::-1])
    for any_model in (gray_model, color_model):
        read = read_pictures([tmp_path / "wide.png"], any_model.contract).images
        expected = any_model.predict_proba(read)
        np.testing.assert_allclose(any_model.predict_proba(wide), expected, rtol=1e-5)
        np.testing.assert_allclose(any_model.predict_proba([wide, wide])[1:], expected, rtol=1e-5)
        assert any_model.predict([wide, read[0]]).tolist() == any_model.predict(np.concatenate([read, read])).tolist()
        np.testing.assert_allclose(any_model.predict_proba(Image.fromarray(wide)), expected, rtol=1e-5)
    with pytest.raises(InputError, match="give it as uint8"):
        gray_model.predict(wide / 255)


def test_files_that_can_not_be_read_are_named(gray_model, files, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"no\.png .*missing\.png"):
        gray_model.predict([*files[0], tmp_path / "no.png", tmp_path / "missing.png"])


@pytest.mark.parametrize("pictures", [[], np.empty((0, 16, 16), np.uint8), [np.zeros((4, 4, 4, 4))], 3.0, [None]])
def test_what_are_no_pictures(gray_model, pictures):
    with pytest.raises(InputError):
        gray_model.predict(pictures)


def test_probabilities_are_of_all_classes_and_those_of_the_calibration(gray_model):
    images = digits(4, color=False)[0]
    found = gray_model.predict_proba(images)
    scores = predict_with_scores(gray_model.pipeline, images).scores
    np.testing.assert_allclose(found, gray_model.calibration.probabilities(scores))
    labels, probabilities = gray_model.predict_images(images)
    np.testing.assert_allclose(found, probabilities)
    assert np.array(gray_model.class_names)[labels].tolist() == gray_model.predict(images).tolist()


def test_a_class_without_training_images_has_the_probability_0():
    X, y = digits(3, color=False)
    pipeline = make_pipeline(HOG(cell_size=4), LinearSVM()).fit(X[y != 1], y[y != 1])
    calibration = model.Calibration("sigmoid", 1.0, 0.0, False, 30)
    found = Model(pipeline, ["a", "b", "c"], InputContract(16, 16, 1), calibration=calibration)
    assert set(found.predict(X)) == {"a", "c"}
    probabilities = found.predict_proba(X)
    assert probabilities.shape == (len(X), 3)
    assert (probabilities[:, 1] == 0).all()


def test_without_calibration_there_are_labels_and_no_probabilities(gray_model):
    plain = Model(gray_model.pipeline, gray_model.class_names, gray_model.contract)
    images = digits(4, color=False)[0]
    assert plain.predict(images).tolist() == gray_model.predict(images).tolist()
    assert plain.predict_images(images)[1] is None
    for ask in (plain.predict_proba, lambda x: plain.predict(x, unsure=0.5), lambda x: plain.predict(x, costs=COSTS)):
        with pytest.raises(InputError, match="has no probabilities: its scores were not calibrated"):
            ask(images)


COSTS = {("digit 1", "digit 2"): 1000}


def test_unsure_and_costs_change_labels_by_the_probabilities(gray_model):
    images = digits(4, color=False)[0]
    p = gray_model.predict_proba(images)
    threshold = float(np.median(p.max(axis=1)))
    unsure = gray_model.predict(images, unsure=threshold)
    np.testing.assert_array_equal(unsure == "unsure", p.max(axis=1) < threshold)
    costly = gray_model.predict(images, costs=COSTS)
    assert (costly == "digit 2").sum() < (gray_model.predict(images) == "digit 2").sum()
    with pytest.raises(InputError, match="'hole' is no class of this model"):
        gray_model.predict(images, costs={("hole", "digit 1"): 20})


def test_many_images_are_predicted_in_parts_with_the_same_result(gray_model, monkeypatch):
    images = digits(4, color=False)[0]
    expected = gray_model.predict_proba(images)
    monkeypatch.setattr(model, "BYTES_AT_A_TIME", 7 * images[0].nbytes)
    np.testing.assert_allclose(gray_model.predict_proba(images), expected, rtol=1e-5)


def test_an_error_inside_the_pipeline_is_told(gray_model):
    class Broken(DummyClassifier):
        def predict(self, X):
            raise ZeroDivisionError("no luck")

    broken = Broken().fit(np.zeros((2, 1)), [0, 1])
    with pytest.raises(InputError, match="can't predict these images: ZeroDivisionError: no luck"):
        Model(broken, ["a", "b"], InputContract(16, 16, 1)).predict(np.zeros((1, 16, 16), np.uint8))


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a", "b"], "they are the numbers of the 2 class names"), (["a"] * 4, "the same"), ([1, 2, 3, 4], "are texts")],
)
def test_class_names_that_do_not_fit(gray_model, names, message):
    with pytest.raises(InputError, match=message):
        Model(gray_model.pipeline, names, gray_model.contract)


def test_names_of_any_kind_figures_and_versions_come_back(gray_model, tmp_path):
    names = ["naïve", "\udcff", '"<b>', "unsure"]
    figures = {"accuracy": 0.5, "per class": [{"name": "naïve", "recall": 1}], "none": None}
    odd = Model(gray_model.pipeline, names, gray_model.contract, figures=figures, fingerprint="abc")
    loaded = cvclassic.load_model(odd.save(tmp_path / "model.cvc"))
    assert isinstance(loaded, cvclassic.Model)
    assert loaded.class_names == tuple(names)
    assert (loaded.figures, loaded.fingerprint, loaded.calibration) == (figures, "abc", None)
    assert loaded.versions == odd.versions
    assert {"cvclassic", "numpy", "opencv", "scikit-learn"} == set(odd.versions)
    assert loaded.contract == odd.contract


def test_an_unknown_export_is_told(gray_model, tmp_path):
    with pytest.raises(InputError, match="to='tflite' is unknown; use one of onnx, c"):
        gray_model.export(tmp_path / "model", to="tflite")


def test_what_can_not_be_saved_is_told_before_training():
    assert unsavable(make_pipeline(HOG(), LinearSVM())) is None
    assert unsavable(make_pipeline(HOG(), DummyClassifier(strategy="stratified"))).startswith("DummyClassifier can't")
