"""Shared by all tests: a small data set of real digits, and pipeline files that behave in given ways."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

os.environ["CVCLASSIC_CACHE"] = tempfile.mkdtemp(prefix="cvclassic-cache-")  # and not the user's
os.environ.pop("CVCLASSIC_BACKBONE", None)  # with one of the user's own more would run by default

PIPELINES = {
    "nearest_mean": '''"""Nearest class mean on the pixels."""
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

family = "classical"


def flat(X):
    return X.reshape(len(X), -1) / 255


def build(task):
    return make_pipeline(FunctionTransformer(flat), NearestCentroid())
''',
    "raises": '''"""Raises in fit."""
from sklearn.base import BaseEstimator, ClassifierMixin

family = "classical"


class Raises(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        raise RuntimeError("no luck\\ntoday")


def build(task):
    return Raises()
''',
    "killed": '''"""Is killed in fit, as by a lack of memory."""
import os
import signal

from sklearn.base import BaseEstimator, ClassifierMixin

family = "classical"


class Killed(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        os.kill(os.getpid(), signal.SIGKILL)


def build(task):
    return Killed()
''',
    "sleeps": '''"""Waits in fit until the file that the folder above names is there."""
import time
from pathlib import Path

from sklearn.dummy import DummyClassifier

family = "classical"


class Sleeps(DummyClassifier):
    def fit(self, X, y):
        go = Path(__file__).parent / "go"
        while not go.exists():
            time.sleep(0.05)
        return super().fit(X.reshape(len(X), -1), y)

    def predict(self, X):
        return super().predict(X.reshape(len(X), -1))


def build(task):
    return Sleeps()
''',
}


@pytest.fixture
def pipeline_file(tmp_path):
    """A function that writes one of `PIPELINES` to a file and gives its path."""

    def write(name: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(PIPELINES[name])
        return path

    return write


@pytest.fixture
def rng():
    """Seeded random numbers."""
    return np.random.default_rng(0)


@pytest.fixture
def heeds_hangup():
    """Processes that a test starts heed SIGHUP, also where the tests themselves run under nohup."""
    number = getattr(signal, "SIGHUP", None)
    if number is None:
        yield
        return
    before = signal.signal(number, signal.SIG_DFL)
    yield
    signal.signal(number, before)


@pytest.fixture(autouse=True)
def keras_forgets():
    """What Keras remembers of a test's networks is let go, which the garbage collector takes seconds for otherwise."""
    yield
    if "keras" in sys.modules and hasattr(sys.modules["keras"], "utils"):
        sys.modules["keras"].utils.clear_session(free_memory=False)
