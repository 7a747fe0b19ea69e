"""OpenCV's model files: read without cv2.ml, predict alike, and go back to OpenCV."""

import gzip
import importlib.util
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvclassic.errors import InputError, MissingDependencyError
from cvclassic.svm import KernelSVM, LinearSVM, OpenCVSVM

MODELS = Path(__file__).parent / "opencv4_models"
NAMES = sorted(path.name for path in MODELS.iterdir() if path.suffix in (".yml", ".xml"))


def load_maker():
    spec = importlib.util.spec_from_file_location("make_opencv4_models", MODELS / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits():
    return load_maker().data()


@pytest.fixture(scope="module")
def predictions():
    with np.load(MODELS / "predictions.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", NAMES)
def test_models_of_opencv_4_predict_as_they_did_there_without_ml(name, digits, predictions, monkeypatch):
    monkeypatch.delattr(cv2, "ml", raising=False)
    model = OpenCVSVM.load(MODELS / name)
    np.testing.assert_array_equal(model.predict(digits[0]), predictions[name])


@pytest.mark.parametrize("name", NAMES)
def test_to_sklearn_decides_alike(name, digits, predictions):
    model = OpenCVSVM.load(MODELS / name)
    twin = model.to_sklearn()
    assert isinstance(twin, LinearSVM if name == "linear-2.yml" else KernelSVM)
    np.testing.assert_array_equal(twin.predict(digits[0]), predictions[name])
    np.testing.assert_allclose(twin.decision_function(digits[0]), model.decision_function(digits[0]), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".xml", ".yml", ".xml.gz", ".yaml.gz"])
def test_saved_models_work_in_opencv_and_here(name, suffix, digits, predictions, tmp_path):
    if not hasattr(cv2, "ml"):
        pytest.skip("this OpenCV has no cv2.ml to load them")
    model = OpenCVSVM.load(MODELS / name)
    model.save(tmp_path / f"model{suffix}")
    theirs = cv2.ml.SVM_load(str(tmp_path / f"model{suffix}"))
    np.testing.assert_array_equal(theirs.predict(digits[0])[1].ravel(), predictions[name])
    again = OpenCVSVM.load(tmp_path / f"model{suffix}")
    np.testing.assert_array_equal(again.decision_function(digits[0]), model.decision_function(digits[0]))
    assert again.get_params() == model.get_params()


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly", "sigmoid", "chi2", "intersection"])
@pytest.mark.parametrize("svm_type", ["C_SVC", "NU_SVC"])
def test_what_was_fitted_here_works_in_opencv(kernel, svm_type, digits, tmp_path):
    X, y = digits
    model = OpenCVSVM(kernel=kernel, svm_type=svm_type, nu=0.1, gamma=0.05, degree=2, coef0=0.1).fit(X[:300], y[:300])
    model.save(tmp_path / "model.yml")
    theirs = cv2.ml.SVM_load(str(tmp_path / "model.yml"))
    np.testing.assert_array_equal(theirs.predict(X)[1].ravel(), model.predict(X))
    np.testing.assert_array_equal(model.to_sklearn().predict(X), model.predict(X))


@pytest.mark.parametrize("name", ["rbf-10.yml", "rbf-2.xml"])
def test_damaged_files_are_refused(name, tmp_path):
    text = (MODELS / name).read_text()
    cases = {
        "cut short": text[: len(text) // 2],
        "without a count": text.replace("sv_total", "sv_totals"),
        "fewer vectors than counted": re.sub(r"sv_total(>|: )\d+", r"sv_total\g<1>99", text, count=1),
        "no classifier": text.replace("C_SVC", "EPS_SVR"),
        "unknown kernel": text.replace("RBF", "SPLINE"),
        "not a number": text.replace("0.", "nan", 40),
        "empty": "",
        "something else": "just a letter to a friend\n",
    }
    for number, content in enumerate(cases.values()):
        path = tmp_path / f"{number}{Path(name).suffix}"
        path.write_text(content)
        with pytest.raises(InputError, match=path.name):
            OpenCVSVM.load(path)
    (tmp_path / "model.yml.gz").write_bytes(gzip.compress(text.encode())[:100])
    with pytest.raises(InputError, match="can't be read"):
        OpenCVSVM.load(tmp_path / "model.yml.gz")
    with pytest.raises(InputError, match="no model file"):
        OpenCVSVM.load(tmp_path / "nowhere.yml")


def test_saving_says_what_it_cannot_do_and_leaves_nothing(digits, tmp_path):
    X, y = digits
    model = OpenCVSVM.load(MODELS / "rbf-2.xml")
    with pytest.raises(InputError, match=r"should end in \.xml, \.yml"):
        model.save(tmp_path / "model.pkl")
    with pytest.raises(InputError, match="can't be written"):
        model.save(tmp_path / "missing" / "model.xml")
    with pytest.raises(InputError, match="32-bit integers as labels"):
        OpenCVSVM(kernel="linear").fit(X[:100], np.char.add("d", y[:100].astype(str))).save(tmp_path / "model.xml")
    shutil.copy(MODELS / "rbf-2.xml", tmp_path / "model.xml")
    assert [path.name for path in tmp_path.iterdir()] == ["model.xml"]


@pytest.mark.skipif(hasattr(cv2, "ml"), reason="this OpenCV can train")
def test_training_alone_needs_ml(digits):
    with pytest.raises(MissingDependencyError, match="pip install opencv-contrib-python-headless"):
        OpenCVSVM().fit(*digits)
