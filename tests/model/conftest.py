"""Models that several files of tests have in common, fitted once."""

import pytest

from cvclassic.model import Model
from tests.model.models import small_model


@pytest.fixture(scope="session")
def gray_model() -> Model:
    """HOG and a linear SVM for four digits."""
    return small_model("hog_linear_svm", 4)


@pytest.fixture(scope="session")
def color_model() -> Model:
    """Color histograms and an RBF SVM for two digits."""
    return small_model("color_histogram_svm", 2, color=True)
