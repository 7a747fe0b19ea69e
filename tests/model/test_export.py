"""`Model.export`: what the exporters make, written whole or not at all."""

import os

import numpy as np
import onnxruntime
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from cvclassic.errors import InputError
from cvclassic.features import HOG, MirrorParts
from cvclassic.svm import KernelRidge, LinearSVM
from tests.model.models import digits, fitted_model


def test_an_onnx_graph_answers_as_the_model_does(gray_model, tmp_path):
    path = gray_model.export(tmp_path / "digits.onnx")
    images = digits(4, color=False)[0]
    labels = onnxruntime.InferenceSession(path).run(["label"], {"images": images})[0]
    np.testing.assert_array_equal(np.array(gray_model.class_names)[labels], gray_model.predict(images))


@pytest.mark.parametrize(("file", "name"), [("digits.h", "digits"), ("my digits 2.h", "model")])
def test_a_header_has_the_name_of_its_file_where_that_can_be_one(gray_model, tmp_path, file, name):
    assert f"{name}_predict(" in gray_model.export(tmp_path / file, to="c").read_text()


@pytest.mark.parametrize("to", ["onnx", "c"])
def test_what_can_not_be_exported_leaves_nothing_behind(tmp_path, to):
    model = fitted_model(make_pipeline(HOG(cell_size=4), RandomForestClassifier(2)), 2, color=False)
    with pytest.raises(InputError, match="RandomForestClassifier"):
        model.export(tmp_path / "model", to=to)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("to", ["onnx", "c"])
@pytest.mark.parametrize(
    ("steps", "part"),
    [((HOG(cell_size=4), KernelRidge()), "KernelRidge"), ((MirrorParts(HOG(cell_size=4)), LinearSVM()), "MirrorParts")],
)
def test_kernel_ridge_and_mirror_parts_say_that_they_are_for_files_of_their_own(tmp_path, to, steps, part):
    model = fitted_model(make_pipeline(*steps), 3, color=False)
    with pytest.raises(InputError, match=rf"{part}.* can't be exported to {'ONNX' if to == 'onnx' else 'C'}"):
        model.export(tmp_path / "model", to=to)
    assert os.listdir(tmp_path) == []
