"""Files of earlier versions, of this library and of OpenCV, predict what they did when they were written."""

from pathlib import Path

import numpy as np
import pytest

from cvclassic.model import load_model
from tests.model.fixtures.make import HERE, N_PREDICTED, data

FILES = sorted(HERE.glob("*/*.cvc"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_of_another_version_predicts_what_it_did(path: Path):
    model = load_model(path)
    with np.load(path.parent / "predictions.npz") as predictions:
        labels, probabilities = predictions[path.stem], predictions[f"{path.stem}_p"]
    found = model.predict_images(data(model.contract.channels == 3)[0][-N_PREDICTED:])
    np.testing.assert_array_equal(found[0], labels)
    np.testing.assert_allclose(found[1], probabilities, atol=2e-3)
    assert model.versions["opencv"] == path.parent.name.partition("opencv-")[2]


def test_there_are_files_of_opencv_4_and_5():
    assert {path.parent.name.partition("opencv-")[2][0] for path in FILES} >= {"4", "5"}
    assert sum(path.stat().st_size for path in FILES) < 2**18
