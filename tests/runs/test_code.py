"""Which Python files a run that goes on will run is said before they are run."""

import os
from dataclasses import replace

import pytest

from cvclassic import datasets
from cvclassic.comparison import resume
from cvclassic.errors import InputError
from cvclassic.runs.code import content_mark, files_to_run
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.pipelines import find_pipelines, load_pipeline
from cvclassic.runs.plan import RunData
from cvclassic.runs.record import describe_run
from cvclassic.runs.spec import RunSpec
from tests.runs.folders import record_of


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=60)


def with_file(record, path, content=None):
    """The record of a run with one more pipeline: the file at `path`."""
    spec = record.spec.replace(pipelines=(*record.spec.pipelines, str(path), "hog_svm"))
    added = replace(record.pipelines[0], name=path.stem, content=content)
    return replace(record, spec=spec, pipelines=(*record.pipelines, added))


def test_a_file_is_told_with_its_owner_and_whether_it_changed(tmp_path, digits):
    path = tmp_path / "mine.py"
    path.write_text("a")
    os.utime(path, (0, 0))
    record = record_of(digits)
    assert files_to_run(record) == []
    known = with_file(record, path, content_mark(path))
    (line,) = files_to_run(known)
    assert line == (
        f"Runs the Python file {path} (owned by {path.owner()}, last written 1970-01-01 00:00 UTC; as it was when the "
        "run began)."
    )
    (line,) = files_to_run(with_file(record, path))
    assert "what it held when the run began is not known" in line
    path.write_text("b")
    assert "CHANGED since the run began" in files_to_run(known)[0]
    path.unlink()
    assert files_to_run(known) == []  # its loading says that it is not there


def test_a_run_records_what_the_users_own_files_held(digits, pipeline_file):
    path = pipeline_file("nearest_mean")
    pipelines = [load_pipeline(path), *find_pipelines(["hog_linear_svm"])]
    data = RunData.of(RunSpec(datasets=("digits",), pipelines=(str(path),), threads=1), [digits], pipelines)
    record = describe_run(data, [], [])
    assert [(each.name, each.content) for each in record.pipelines] == [
        ("nearest_mean", content_mark(path)),
        ("hog_linear_svm", None),
    ]


def test_it_is_told_before_the_file_runs(tmp_path, digits, capsys):
    path = tmp_path / "mine.py"
    path.write_text("import sys\nprint('HERE', file=sys.stderr)\nraise ValueError('and no further')\n")
    record = with_file(record_of(digits), path, "0123")
    with RunFolder.create(tmp_path / "run") as folder:
        folder.begin(replace(record, spec=record.spec.replace(pipelines=(str(path),))), [digits])
    with pytest.raises(InputError, match="and no further"):
        resume(tmp_path / "run")
    told = capsys.readouterr().err.splitlines()
    assert [line.split(" (")[0] for line in told] == [f"Runs the Python file {path}", "HERE"]
