"""Where OpenCV has no cv2.ml, tests that train with it are skipped; those of everything else run."""

import cv2
import pytest

from cvclassic.errors import MissingDependencyError
from cvclassic.svm import OpenCVSVM

REASON = "this OpenCV has no cv2.ml to train with"


def pytest_collection_modifyitems(items):
    if hasattr(cv2, "ml"):
        return
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if any(isinstance(parameter, OpenCVSVM) for parameter in parameters):
            item.add_marker(pytest.mark.skip(REASON))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except MissingDependencyError:
        if hasattr(cv2, "ml"):
            raise
        pytest.skip(REASON)
