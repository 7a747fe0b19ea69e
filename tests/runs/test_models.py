"""Which models of its jobs a run keeps."""

import pytest

from cvclassic import datasets
from cvclassic.model import load_model
from cvclassic.runs.fit import run_job
from cvclassic.runs.models import keep_model
from cvclassic.runs.pipelines import find_pipelines
from cvclassic.runs.plan import RunData, plan
from cvclassic.runs.spec import RunSpec


@pytest.fixture(scope="module")
def done():
    """A job that was done, its data and its outcome."""
    dataset = datasets.load("digits", train_size=100)
    data = RunData.of(RunSpec(threads=1), [dataset], find_pipelines(["hog_linear_svm"]))
    [job] = plan(data)[0]
    return run_job(job, data), job, data


def test_a_model_is_kept(done, tmp_path):
    assert keep_model(*done, tmp_path) == done[0]
    assert load_model(tmp_path / "model.cvc").class_names == tuple("0123456789")


def test_one_that_is_too_large_is_not_and_that_is_told(done, tmp_path, monkeypatch):
    monkeypatch.setattr("cvclassic.runs.models.LARGEST_KEPT", 5_000)
    [told] = keep_model(*done, tmp_path).result.warnings[len(done[0].result.warnings) :]
    assert told.startswith("its model takes 0 MB; a run keeps those of up to 0 MB. cvclassic train makes")
    assert not list(tmp_path.iterdir())
