"""What an ONNX file says of itself, how it is run, and what can't be exported."""

import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import FastICA
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import cvclassic
from cvclassic.augmentation import MirrorAugmentation, Wrapper
from cvclassic.decoding import InputContract
from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.features import HOG, Embedding
from cvclassic.model.onnx import export, to_onnx
from cvclassic.neural import KerasApplication
from cvclassic.svm import KernelSVM, LinearSVM
from tests.tiny_onnx import write_backbone

RNG = np.random.default_rng(2)
X = RNG.integers(0, 256, (40, 16, 24), dtype=np.uint8)
X[::2] //= 4
Y = np.arange(40) % 2
CONTRACT = InputContract(16, 24, 1, resize="crop")
NAMES = ("dark", 'héllo, "quoted"\n</b>')


def content(*steps):
    return to_onnx(make_pipeline(*steps).fit(X, Y), CONTRACT, NAMES)


def test_the_file_tells_what_it_is():
    found = onnx.load_model_from_string(content(HOG(), LinearSVM()))
    onnx.checker.check_model(found, full_check=True)
    assert {(each.domain, each.version) for each in found.opset_import} == {("", 17)}
    assert found.producer_name == "cvclassic"
    about = {each.key: each.value for each in found.metadata_props}
    assert tuple(json.loads(about["class_names"])) == NAMES
    assert InputContract(**json.loads(about["contract"])) == CONTRACT
    assert about["cvclassic_version"] == cvclassic.__version__


def test_any_number_of_images():
    session = onnxruntime.InferenceSession(content(HOG(), KernelSVM()))
    [images] = session.get_inputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["n", 16, 24])
    assert [(each.name, each.type, each.shape) for each in session.get_outputs()] == [
        ("label", "tensor(int64)", ["n"]),
        ("scores", "tensor(float)", ["n", 2]),
    ]
    label, scores = session.run(None, {"images": X})
    for k in (1, 3):
        of_few = session.run(None, {"images": X[:k]})
        assert np.array_equal(of_few[0], label[:k])
        np.testing.assert_allclose(of_few[1], scores[:k], atol=1e-5)


def test_the_same_model_gives_the_same_bytes():
    assert content(HOG(), LinearSVM()) == content(HOG(), LinearSVM())


def test_weights_that_occur_twice_are_stored_once():
    twice = make_pipeline(HOG(), KernelSVM()).fit(X, Y)
    mirrored = MirrorAugmentation(twice).fit(X, Y)
    once = to_onnx(mirrored.estimator_, CONTRACT, NAMES)
    assert len(to_onnx(mirrored, CONTRACT, NAMES)) < len(once) + 2000


class OwnWrapper(Wrapper):
    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        return self._fit_estimator(X, y, {})


class OwnHOG(HOG):
    def transform(self, X, out=None):
        return super().transform(X, out) ** 2


class Inherits(StandardScaler):
    """A way of its own to fit, and none to transform."""

    def fit(self, X, y=None):
        return super().fit(X[::2])


class OwnClassifier(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), int)


def flat(images):
    return images.reshape(len(images), -1) / 255


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([FunctionTransformer(flat), LinearSVM()], "FunctionTransformer can't be exported to ONNX; there is a rule"),
        ([HOG(), FastICA(2, random_state=0), LinearSVM()], "FastICA can't"),
        ([HOG(), NearestCentroid()], "NearestCentroid can't"),
        ([HOG(), KernelSVM(kernel=lambda a, b: a @ b.T)], "KernelSVM with a function as its kernel"),
        ([OwnHOG(), LinearSVM()], "OwnHOG can't be exported to ONNX: it is a HOG with a transform of its own"),
        ([OwnClassifier()], "OwnClassifier can't"),
        ([HOG(), OwnWrapper(LinearSVM())], "OwnWrapper can't"),
        ([HOG(), DummyClassifier(strategy="stratified")], "stratified"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_cannot_be_exported_is_named(steps, message):
    with pytest.raises(InputError, match=message):
        content(*steps)


def test_what_inherits_all_that_it_computes_is_exported():
    assert content(HOG(), Inherits(), LinearSVM())


def test_classes_and_names_belong_together():
    pipeline = make_pipeline(HOG(), LinearSVM())
    with pytest.raises(InputError, match=r"2 classes, \[0, 1\] …; for 3 class names"):
        to_onnx(pipeline.fit(X, Y), CONTRACT, ("a", "b", "c"))
    with pytest.raises(InputError, match=r"2 classes, \[3, 7\]"):
        to_onnx(pipeline.fit(X, Y * 4 + 3), CONTRACT, NAMES)


def test_the_contract_has_the_images_of_the_fit():
    pipeline = make_pipeline(HOG(), LinearSVM()).fit(X, Y)
    with pytest.raises(InputError, match=r"HOG was fitted on images of shape \(16, 24\); the contract has \(24, 16\)"):
        to_onnx(pipeline, InputContract(24, 16, 1), NAMES)


def test_a_file_of_more_than_2_gib_is_refused(monkeypatch):
    monkeypatch.setattr(export, "LARGEST", 2000)
    with pytest.raises(InputError, match="one ONNX file holds less than 2"):
        content(HOG(), KernelSVM())


def test_backbones_that_cannot_be_part_of_it(tmp_path):
    one_image = write_backbone(tmp_path / "one.onnx", batch=1)
    with pytest.raises(InputError, match=r"one.onnx can't be exported to ONNX: it takes 1 image at a time"):
        content(Embedding(one_image), LinearSVM())
    pipeline = make_pipeline(Embedding(write_backbone(tmp_path / "any.onnx")), LinearSVM()).fit(X, Y)
    pipeline[0].frozen_ = type(pipeline[0].frozen_)(KerasApplication("MobileNetV2"), (12, 12), (0, 0, 0), (1, 1, 1))
    with pytest.raises(InputError, match="MobileNetV2 can't be exported to ONNX: it is no ONNX file"):
        to_onnx(pipeline, CONTRACT, NAMES)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r"pip install cvclassic\[onnx\]"):
        content(HOG(), LinearSVM())


@pytest.mark.slow
def test_a_classical_model_is_exported_without_keras():
    program = """\
import sys
import numpy as np
from sklearn.pipeline import make_pipeline
from cvclassic.decoding import InputContract
from cvclassic.features import HOG
from cvclassic.model.onnx import to_onnx
from cvclassic.svm import LinearSVM
X = np.random.default_rng(0).integers(0, 256, (10, 16, 16), dtype=np.uint8)
to_onnx(make_pipeline(HOG(), LinearSVM()).fit(X, np.arange(10) % 2), InputContract(16, 16, 1), ("a", "b"))
print(sorted({"keras", "tensorflow"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
