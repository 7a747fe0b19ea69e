"""Every built-in pipeline: fitted, saved, loaded in a fresh process, with equal predictions."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cvclassic.augmentation import predict_with_scores
from cvclassic.model import load_model, unsavable
from cvclassic.model.files import model_bytes
from cvclassic.runs.pipelines import builtin_pipelines
from tests.model.models import built, digits, fitted_model, small_model
from tests.tiny_onnx import write_backbone

NETWORKS = {"cnn", "cnn_fast", "features_mlp", "hog_linear_head", "hybrid", "mlp", "resnet_small"} | {
    "recipe_cifar10_cnn",
    "recipe_mnist_relu",
    "recipe_mnist_sigmoid",
}
CLASSICAL = set(builtin_pipelines()) - NETWORKS - {"pretrained_svm"}
HANDWRITING = {
    "hog_linear_svm",
    "hog_svm",
    "sobel_opencv_svm",
    "sobel_svm",
}  # on gray images

# Loads each file, and writes labels, scores and which modules that took.
FRESH = """
import json, sys
from pathlib import Path
import numpy as np
from cvclassic.model import load_model
from cvclassic.augmentation import predict_with_scores
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.cvc")):
    model, images = load_model(path), np.load(path.with_suffix(".images.npy"))
    found = predict_with_scores(model.pipeline, images)
    scores = np.empty(0) if found.scores is None else found.scores
    np.savez(path.with_suffix(".npz"), labels=model.predict(images), scores=scores)
(folder / "modules.json").write_text(json.dumps(sorted(sys.modules)))
"""


def predicted_afresh(folder: Path) -> list[str]:
    """What a process of its own predicts lies in the folder then; returns the modules that it imported."""
    ran = subprocess.run([sys.executable, "-c", FRESH, str(folder)], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads((folder / "modules.json").read_text())


def put(model, name: str, images: np.ndarray, folder: Path) -> None:
    model.save(folder / f"{name}.cvc")
    np.save(folder / f"{name}.images.npy", images)


def assert_equal(model, name: str, images: np.ndarray, folder: Path) -> None:
    with np.load(folder / f"{name}.npz") as found:
        np.testing.assert_array_equal(found["labels"], model.predict(images), err_msg=name)
        scores = predict_with_scores(model.pipeline, images).scores
        if scores is not None:
            np.testing.assert_allclose(found["scores"], scores, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_classical_pipelines_predict_the_same_in_a_fresh_process_without_keras(tmp_path):
    models = {}
    for name in sorted(CLASSICAL):
        color = name not in HANDWRITING
        traits, augment = ((), "mirror") if color else ({"handwriting"}, "shift")
        model = small_model(name, 3, color=color, augment=augment, traits=traits)
        models[name] = (model, digits(3, color=color)[0])
    for name, (model, images) in models.items():
        put(model, name, images, tmp_path)
    imported = predicted_afresh(tmp_path)
    for name, (model, images) in models.items():
        assert_equal(model, name, images, tmp_path)
    assert not {"keras", "tensorflow", "torch", "jax", "sklearnex", "matplotlib", "pydantic"} & set(imported)


@pytest.mark.parametrize("name", sorted(CLASSICAL | NETWORKS))
def test_every_built_in_pipeline_can_be_saved_and_says_so_before_training(name):
    estimator = built(name, 2, color=True)
    assert estimator is None or unsavable(estimator) is None


def test_a_frozen_backbone_lies_in_the_file(tmp_path, monkeypatch):
    backbone = write_backbone(tmp_path / "tiny.onnx")
    monkeypatch.setenv("CVCLASSIC_BACKBONE", str(backbone))
    model = small_model("pretrained_svm", 3, color=True)
    put(model, "pretrained", digits(3, color=True)[0], tmp_path)
    backbone.unlink()
    backbone.with_suffix(".json").unlink()
    imported = predicted_afresh(tmp_path)
    assert_equal(model, "pretrained", digits(3, color=True)[0], tmp_path)
    assert "keras" not in imported


def _networks_are_the_same(names: list[str], folder: Path) -> None:
    models = {name: small_model(name, 3, color=True, augment="mirror") for name in names}
    for name, model in models.items():
        put(model, name, digits(3, color=True)[0], folder)
    predicted_afresh(folder)
    for name, model in models.items():
        assert_equal(model, name, digits(3, color=True)[0], folder)


@pytest.mark.slow
def test_a_network_is_made_again_of_its_function_and_weights(tmp_path):
    _networks_are_the_same(["hog_linear_head"], tmp_path)


@pytest.mark.slow
def test_all_networks_are_made_again_of_their_function_and_weights(tmp_path):
    _networks_are_the_same(sorted(NETWORKS), tmp_path)


@pytest.mark.slow
def test_a_keras_application_lies_in_the_file(tmp_path):
    from sklearn.pipeline import make_pipeline

    from cvclassic.features import Embedding
    from cvclassic.neural import KerasApplication
    from cvclassic.svm import LinearSVM

    network = KerasApplication("MobileNetV2", weights=None)
    model = fitted_model(make_pipeline(Embedding(network), LinearSVM()), 2, color=True)
    images = digits(2, color=True)[0][:20]
    loaded = load_model(model.save(tmp_path / "model.cvc"))
    np.testing.assert_array_equal(loaded.predict(images), model.predict(images))


def test_the_same_model_makes_the_same_bytes_also_once_loaded(tmp_path):
    model = small_model("hog_color_svm", 3, color=True)
    path = model.save(tmp_path / "model.cvc")
    assert path.read_bytes() == model_bytes(model) == model_bytes(load_model(path))
