"""Keras's pretrained networks as backbones; none is downloaded: weights are random ones, or can't be had."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from cvclassic.errors import DataError, InputError
from cvclassic.features import Embedding
from cvclassic.neural import APPLICATIONS, KerasApplication, prepare_backend

X = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def mobile():
    return KerasApplication("MobileNetV2", weights=None)


def refuses(*args, **kwargs):
    raise OSError("no network here")


@pytest.mark.parametrize("name", APPLICATIONS)
def test_scales_are_those_of_its_own_preprocessing(name):
    keras = prepare_backend()
    network = getattr(keras.applications, name)
    module = {"EfficientNetV2B0": "efficientnet_v2", "EfficientNetB0": "efficientnet", "MobileNetV2": "mobilenet_v2"}
    module |= {"DenseNet121": "densenet", "ResNet50V2": "resnet_v2"}
    images = X.astype(np.float32)
    scaled = getattr(keras.applications, module[name]).preprocess_input(images.copy())
    size, mean, std, _ = APPLICATIONS[name]
    np.testing.assert_allclose((images - np.float32(mean)) / np.float32(std), scaled, atol=1e-5)
    assert size == 224
    assert callable(network)


@pytest.mark.slow
def test_embeddings_are_what_the_network_gives(mobile):
    embedding = Embedding(mobile, size=224).fit(X)
    assert embedding.frozen_.mean == (127.5,) * 3
    features = embedding.transform(X)
    scaled = embedding.frozen_._scaled(X)
    assert scaled.shape == (3, 224, 224, 3)
    assert -1 <= scaled.min() < scaled.max() <= 1
    given = prepare_backend().ops.convert_to_numpy(mobile._model(scaled, training=False))
    np.testing.assert_allclose(features, given, rtol=1e-3, atol=1e-5)
    assert features.shape == (3, 1280)
    assert clone(embedding).backbone is mobile
    copy = pickle.loads(pickle.dumps(embedding))
    np.testing.assert_allclose(copy.transform(X), features, rtol=1e-4, atol=1e-6)
    assert copy.key() == embedding.key()
    assert len(pickle.dumps(embedding)) > 4 * mobile._model.count_params()


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="no Keras application 'MobileNetV9' here; there are MobileNetV2, "):
        KerasApplication("MobileNetV9")


def test_weights_that_can_not_be_had_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"MobileNetV2 are not at .*no_top\.h5, and --offline forbids"):
        Embedding(KerasApplication("MobileNetV2", offline=True)).fit(X)
    monkeypatch.setattr(prepare_backend().applications, "MobileNetV2", refuses)
    with pytest.raises(DataError, match=r"can't be had: OSError: no network here\. Keras downloads them into"):
        Embedding(KerasApplication("MobileNetV2")).fit(X)
    assert len(pickle.dumps(KerasApplication("MobileNetV2"))) < 1000
