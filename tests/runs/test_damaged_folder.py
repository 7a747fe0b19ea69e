"""Damaged, foreign and hostile files of a run: each costs itself, and nothing else."""

import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from cvclassic import datasets
from cvclassic.errors import InputError
from cvclassic.runs import checks
from cvclassic.runs.encoding import to_json
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.job import ClassFigures, Sizes, Tuning
from cvclassic.runs.reading import read_run
from cvclassic.runs.record import describe_dataset
from tests.runs.folders import DAMAGES, JSON_DAMAGES, finished_run, jobs_of, outcome_of, record_of, two_classes


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=300)


@pytest.fixture
def run(tmp_path, digits):
    """The path of a run whose two jobs are done."""
    finished_run(tmp_path / "run", digits)
    return tmp_path / "run"


@pytest.mark.parametrize("damage", JSON_DAMAGES)
def test_a_damaged_record_of_the_run_is_an_input_error(run, damage):
    JSON_DAMAGES[damage](run / "run.json")
    for read in (RunFolder.open, read_run):
        with pytest.raises(InputError, match=r"run.json .*; start a new run|holds no run"):
            read(run)
    assert not (run / ".holder").exists()


@pytest.mark.parametrize("damage", JSON_DAMAGES)
def test_a_damaged_result_costs_its_own_job(run, digits, damage):
    jobs = jobs_of(digits)
    JSON_DAMAGES[damage](run / jobs[0].folder / "result.json")
    found = read_run(run)
    assert [outcome.result.job for outcome in found.outcomes] == [jobs[1]]
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"{jobs[0].folder}/result.json ")
    with RunFolder.open(run) as folder:
        assert folder.pending(jobs) == [jobs[0]]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_predictions_cost_their_own_job(run, digits, damage):
    job, other = jobs_of(digits)
    DAMAGES[damage](run / job.folder / "predictions.npz")
    found = read_run(run)
    assert [outcome.predictions is None for outcome in found.outcomes] == [True, False]
    assert found.problems[0].startswith(f"{job.folder}/predictions.npz ")
    with RunFolder.open(run) as folder:
        assert folder.pending([job, other]) == [job]


@pytest.mark.parametrize("damage", JSON_DAMAGES)
def test_a_damaged_description_costs_its_data_set(tmp_path, digits, damage):
    other = replace(two_classes(digits), name="even")
    record = record_of(digits, other)
    with RunFolder.create(tmp_path / "both") as folder:
        folder.begin(record, [digits, other])
        folder.keep(outcome_of(record.jobs[0], digits))
        folder.keep(outcome_of(record.jobs[2], other))
    JSON_DAMAGES[damage](tmp_path / "both" / "digits" / "dataset.json")
    found = read_run(tmp_path / "both")
    assert [dataset.name for dataset in found.datasets] == ["even"]
    assert [outcome.result.dataset for outcome in found.outcomes] == ["even"]
    assert list(found.images) == ["even"]
    assert [line.split(" ")[0] for line in found.problems] == ["digits/dataset.json"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "shapes"},
        {"class_names": ()},
        {"image_shape": (32, 0)},
        {"image_shape": (32, 32, 4)},
        {"image_shape": (32,)},
        {"sizes": Sizes(270, 30)},
        {"sizes": Sizes(-270, 30, 450)},
    ],
)
def test_a_description_that_cant_be_costs_its_data_set(run, digits, changes):
    (run / "digits" / "dataset.json").write_bytes(to_json(replace(describe_dataset(digits), **changes)))
    found = read_run(run)
    assert found.datasets == found.outcomes == ()
    assert len(found.problems) == 1


@pytest.mark.parametrize("changes", [{"dataset": "shapes"}, {"pipeline": "cnn"}])
def test_a_record_with_jobs_of_nothing_in_the_run_is_an_input_error(run, digits, changes):
    jobs = (replace(jobs_of(digits)[0], **changes),)
    (run / "run.json").write_bytes(to_json(record_of(digits, jobs=jobs)))
    for read in (RunFolder.open, read_run):
        with pytest.raises(
            InputError, match=r"is damaged \(jobs of data sets or pipelines that it lacks\); start a new run"
        ):
            read(run)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [('"learning_rate": 0.001', '"learning_rate": 1e999'), ('"margin": 1.0', '"margin": 1e17')],
)
def test_numbers_that_no_report_can_show_are_refused_with_the_file(run, right, wrong):
    text = (run / "run.json").read_text()
    assert right in text
    (run / "run.json").write_text(text.replace(right, wrong))
    with pytest.raises(InputError, match=r"run\.json is damaged \(.*start a new run"):
        read_run(run)


def test_a_run_of_more_jobs_than_can_be_is_refused(run, monkeypatch):
    monkeypatch.setattr(checks, "MOST_JOBS", 1)
    with pytest.raises(InputError, match=r"run\.json has 2 jobs; at most 1 are read; start a new run"):
        read_run(run)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["test_images.npy", "class_examples.npy"])
def test_damaged_images_are_not_shown(run, damage, name):
    DAMAGES[damage](run / "digits" / name)
    found = read_run(run)
    images = found.images["digits"]
    assert (images.test is None) == (name == "test_images.npy")
    assert (images.examples is None) == (name == "class_examples.npy")
    assert len(found.outcomes) == 2
    assert found.problems[0].startswith(f"digits/{name} ")


def test_what_belongs_together_among_the_test_images_is_kept_and_where_it_is_lost_that_is_told(tmp_path, digits):
    pairs = replace(digits, groups=np.arange(len(digits.labels)) // 2)
    finished_run(tmp_path / "run", pairs)
    found = read_run(tmp_path / "run")
    assert found.datasets[0].grouped
    np.testing.assert_array_equal(found.images["digits"].groups, pairs.groups[pairs.test])
    (tmp_path / "run" / "digits" / "groups.npy").unlink()
    found = read_run(tmp_path / "run")
    assert found.images["digits"].groups is None
    assert found.problems == ("digits/groups.npy is missing: each image counts alone, and intervals are too short.",)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 7},
        {"pipeline": "cnn"},
        {"settings": (("C", "10"),)},
        {"family": "neural"},
        {"test_accuracy": 1.5},
        {"test_accuracy": None},
        {"validation_accuracy": -0.1},
        {"n_test": 449},
        {"fit_seconds": -1.0},
        {"per_class": (ClassFigures("owl", 0.9, 0.8, 0.85, 45),)},
        {"tuning": Tuning({}, 0.9, 0.9, ())},
        {"tuning": Tuning({}, 1.9, 0.9, ()), "tuning_seconds": 1.0, "tuning_candidates": 1},
        {"tuning": Tuning({"C": 1}, None, 0.9, ()), "tuning_seconds": 1.0, "tuning_candidates": 1},
        {"tuning_seconds": 1.0, "tuning_candidates": 1},
        {"corruptions": {"fog": [0.5]}},
    ],
)
def test_a_result_of_another_job_or_with_figures_that_cant_be_is_none(run, digits, changes):
    job = jobs_of(digits)[0]
    outcome = outcome_of(job, digits)
    (run / job.folder / "result.json").write_bytes(to_json(replace(outcome.result, **changes)))
    assert len(read_run(run).outcomes) == 1
    with RunFolder.open(run) as folder:
        assert folder.pending([job]) == [job]


WRONG_ARRAYS = {
    "no class": lambda right: {"y_pred": np.where(right.y_pred == 3, 99, right.y_pred)},
    "negative": lambda right: {"y_true": right.y_true - 1},
    "too few": lambda right: {"y_pred": right.y_pred[1:]},
    "two dimensions": lambda right: {"y_true": right.y_true[:, None]},
    "texts": lambda right: {"y_pred": right.y_pred.astype(str)},
    "floats": lambda right: {"y_pred": right.y_pred + 0.5},
    "objects": lambda right: {"y_pred": right.y_pred.astype(object)},
    "infinite": lambda right: {"scores": np.where(right.scores > 0, np.float32("inf"), right.scores)},
    "not a number": lambda right: {"scores": right.scores * np.float32("nan")},
    "a column too few": lambda right: {"scores": right.scores[:, 1:]},
    "one column": lambda right: {"scores": right.scores[:, 0]},
    "Fortran": lambda right: {"scores": np.asfortranarray(right.scores)},
}


@pytest.mark.parametrize("wrong", WRONG_ARRAYS)
def test_predictions_that_cant_be_are_dropped(run, digits, wrong):
    right = outcome_of(jobs_of(digits)[0], digits).predictions
    path = run / jobs_of(digits)[0].folder / "predictions.npz"
    arrays = {"y_true": right.y_true, "y_pred": right.y_pred, "scores": right.scores}
    np.savez_compressed(path, **arrays)
    assert read_run(run).outcomes[0].predictions is not None
    np.savez_compressed(path, **(arrays | WRONG_ARRAYS[wrong](right)))
    found = read_run(run)
    assert found.outcomes[0].predictions is None
    assert len(found.problems) == 1


def test_predictions_without_labels_are_dropped(run, digits):
    right = outcome_of(jobs_of(digits)[0], digits).predictions
    np.savez(run / jobs_of(digits)[0].folder / "predictions.npz", y_true=right.y_true, scores=right.scores)
    assert read_run(run).outcomes[0].predictions is None


@pytest.mark.parametrize("honest", [True, False])
def test_a_file_that_would_fill_the_memory_is_not_unpacked(run, digits, honest):
    path = run / jobs_of(digits)[0].folder / "predictions.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if honest:
        members["y_pred.npy"] = members["y_pred.npy"].replace(b"(450,), }", b"(9999999999,), }")
    else:
        members["y_pred.npy"] += bytes(10**8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    del members
    assert path.stat().st_size < 10**6
    tracemalloc.start()
    assert read_run(run).outcomes[0].predictions is None
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()
