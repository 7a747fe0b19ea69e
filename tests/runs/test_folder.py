"""The files of a run: written whole, read back equal, and never more broken than what was damaged."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvclassic import datasets
from cvclassic.errors import InputError
from cvclassic.runs.encoding import from_json, to_json
from cvclassic.runs.folder import RunFolder, copy_run
from cvclassic.runs.job import SCHEMA_VERSION, Job, Outcome, PipelineRecord, Predictions, Result, RunRecord
from cvclassic.runs.reading import read_run
from cvclassic.runs.record import describe_dataset, fingerprint
from cvclassic.runs.spec import RunSpec
from tests.runs.folders import check_race, content_of, finished_run, jobs_of, outcome_of, record_of, two_classes


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=300)


@pytest.fixture
def run(tmp_path, digits):
    """The path of a run whose two jobs are done."""
    finished_run(tmp_path / "run", digits)
    return tmp_path / "run"


def test_images_that_do_not_fit_onto_the_disk_are_refused_with_the_sum(tmp_path, digits, monkeypatch):
    disk = type("Disk", (), {"free": 1_000_000})
    monkeypatch.setattr("cvclassic.runs.folder.shutil.disk_usage", lambda path: disk)
    with pytest.raises(InputError, match="take 1,797 x 32 x 32 bytes = 2 MB, and 1 MB are free"):
        finished_run(tmp_path / "run", digits)
    assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix in (".json", ".npz", ".npy")]


# Written and read back


def test_a_run_is_read_back_as_it_was_written(tmp_path, digits):
    record = finished_run(tmp_path / "run", digits)
    run = read_run(tmp_path / "run")
    assert run.problems == ()
    assert run.name == "run"
    assert run.record == record
    assert run.datasets == (describe_dataset(digits),)
    for job, outcome in zip(record.jobs, run.outcomes, strict=True):
        written = outcome_of(job, digits)
        assert outcome.result == written.result
        for name in ("y_true", "y_pred", "scores"):
            found, expected = getattr(outcome.predictions, name), getattr(written.predictions, name)
            assert found.dtype == expected.dtype
            assert np.array_equal(found, expected)
    images = run.images["digits"]
    assert np.array_equal(images.test, digits.images[digits.test])
    assert images.examples.shape == (10, 32, 32)
    train = {image.tobytes(): label for image, label in zip(digits.images, digits.labels, strict=True)}
    assert [train[image.tobytes()] for image in images.examples] == list(range(10))


def test_numpy_reads_the_arrays(tmp_path, digits):
    smaller = replace(digits, train=digits.train[:50], validation=digits.validation[:5])
    dataset = replace(digits, smaller=(smaller,))
    finished_run(tmp_path / "run", dataset)
    for name, part in {"splits.npz": dataset, "splits-n50.npz": smaller}.items():
        with np.load(tmp_path / "run" / "digits" / name) as splits:
            assert all(np.array_equal(splits[each], getattr(part, each)) for each in ("train", "validation", "test"))
    with np.load(tmp_path / "run" / jobs_of(digits)[0].folder / "predictions.npz") as predictions:
        assert np.array_equal(predictions["y_true"], digits.labels[digits.test])
        assert predictions["scores"].shape == (len(digits.test), 10)
    assert read_run(tmp_path / "run").datasets[0].smaller_sizes[0].train == 50


@pytest.mark.parametrize("scores", [None, (450,), (450, 2)])
def test_scores_of_two_classes_have_one_column_or_two_or_are_not_there(tmp_path, digits, rng, scores):
    dataset = two_classes(digits)
    job = jobs_of(dataset)[0]
    outcome = outcome_of(job, dataset)
    given_scores = None if scores is None else rng.random(scores, dtype=np.float32)
    with RunFolder.create(tmp_path / "run") as folder:
        folder.begin(record_of(dataset, jobs=(job,)), [dataset])
        folder.clear(job)
        folder.keep(replace(outcome, predictions=replace(outcome.predictions, scores=given_scores)))
        assert folder.pending([job]) == []
    found = read_run(tmp_path / "run").outcomes[0].predictions.scores
    assert found is None if scores is None else np.array_equal(found, given_scores)


TEXTS = st.text(st.characters(exclude_categories=())) | st.just("\ufffd0041 \udcff")  # halves of surrogate pairs too
PAIRS = st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda found: tuple(found.items()))
FRACTION = st.none() | st.floats(0, 1)
NUMBER = st.none() | st.integers(0, 2**70)
JOBS = st.builds(Job, TEXTS, TEXTS, st.integers(0), st.integers(1), PAIRS)
RESULTS = st.builds(
    Result,
    **dict.fromkeys(("dataset", "pipeline", "family", "status"), TEXTS),
    seed=st.integers(0, 2**31),
    n_train=st.integers(1),
    **dict.fromkeys(("train_accuracy", "test_accuracy", "macro_f1", "validation_accuracy"), FRACTION),
    **dict.fromkeys(("n_features", "model_bytes", "n_test", "n_train_scored", "n_corrupted"), NUMBER),
    fit_seconds=st.none() | st.floats(0, allow_infinity=False),
    settings=PAIRS,
    history=st.none() | st.dictionaries(TEXTS, st.lists(st.floats(allow_nan=False, allow_infinity=False))),
    warnings=st.lists(TEXTS).map(tuple),
    over_budget=st.none() | st.booleans(),
)
STACKS = st.dictionaries(
    TEXTS, st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
SPECS = st.builds(
    RunSpec,
    datasets=st.lists(TEXTS).map(tuple),
    pipelines=st.lists(TEXTS).map(tuple),
    preset=st.sampled_from([None, "quick", "full"]),
    train_sizes=st.lists(st.integers(1) | st.just("all")),
    seed=st.integers(0, 2**31),
    learning_rate=st.none() | st.floats(1e-6, 1.0),
    settings=PAIRS,
    data_dir=st.none() | TEXTS,
    brought=PAIRS,
)
RECORDS = st.builds(
    RunRecord,
    schema_version=st.just(4),
    created=TEXTS,
    spec=SPECS,
    stack=STACKS,
    machine=TEXTS,
    versions=st.dictionaries(TEXTS, TEXTS),
    notes=st.lists(TEXTS).map(tuple),
    fingerprints=PAIRS,
    pipelines=st.lists(
        st.builds(PipelineRecord, TEXTS, TEXTS, TEXTS, st.none() | STACKS, st.none() | TEXTS), max_size=3
    ).map(tuple),
    jobs=st.lists(JOBS, max_size=3).map(tuple),
)


@settings(deadline=None, max_examples=150)
@given(record=RESULTS | RECORDS)
def test_records_are_equal_after_json_and_back(record):
    assert from_json(type(record), to_json(record)) == record


def test_the_same_outcome_gives_the_same_bytes(tmp_path, digits):
    for name in ("one", "two"):
        finished_run(tmp_path / name, digits)
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")


@pytest.mark.parametrize(
    "name",
    ["..", "/etc/passwd", "a/b", "results.csv", "run.json", ".lock", "\x1b[31m", "photos\udcff", "con", "x" * 300],
)
def test_no_name_leads_out_of_the_folder_or_breaks_it(tmp_path, digits, name):
    dataset = replace(digits, name=name, class_names=(name, *digits.class_names[1:]))
    path = tmp_path / "above" / "run"
    record = finished_run(path, dataset)
    run = read_run(path)
    assert run.problems == ()
    assert run.record == record
    assert run.datasets[0].class_names[0] == name
    assert [outcome.result.job for outcome in run.outcomes] == list(record.jobs)
    assert os.listdir(tmp_path) == ["above"]
    assert os.listdir(tmp_path / "above") == ["run"]
    assert len([each for each in path.iterdir() if each.is_dir()]) == 1
    with RunFolder.open(path) as folder:
        folder.check_unchanged(record_of(dataset), [dataset])
        assert folder.pending(record.jobs) == []


# Starting, and going on


def test_a_folder_that_holds_something_is_refused_and_left_as_it_is(tmp_path, run):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    (tmp_path / "file").touch()
    before = content_of(tmp_path)
    for path, said in {
        run: "already holds a run; --resume continues it. Choose another --out",
        tmp_path / "photos": "is not empty. Choose another --out",
        tmp_path / "file": "can't be written: .* Choose another --out",
        tmp_path / "file" / "below" / "run": "can't be written: .* Choose another --out",
    }.items():
        with pytest.raises(InputError, match=said):
            RunFolder.create(path)
    assert content_of(tmp_path) == before
    assert sorted(os.listdir(tmp_path)) == ["file", "photos", "run"]


def test_only_a_run_of_this_version_goes_on(tmp_path, run):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere", run / "run.json", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match=r"holds no run|can't be read"):
            RunFolder.open(path)
    assert os.listdir(tmp_path / "empty") == []
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text.replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 3'))
    for read in (RunFolder.open, read_run):
        with pytest.raises(InputError, match=f"has schema version 3; this cvclassic reads version {SCHEMA_VERSION}"):
            read(run)


@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize("how", ["begin fails", "never begins", "interrupt"])
def test_a_run_that_does_not_begin_removes_what_it_made_and_nothing_else(tmp_path, digits, monkeypatch, existed, how):
    path = tmp_path / "a" / "b" / "run"
    if existed:
        path.mkdir(parents=True)
    raised = {"begin fails": OSError(errno.ENOSPC, "No space left"), "interrupt": KeyboardInterrupt()}.get(how)
    written = []

    def replace_file(source, target, real=os.replace):
        written.append(Path(target).name)
        if raised and len(written) == 3:
            raise raised
        real(source, target)

    monkeypatch.setattr(os, "replace", replace_file)
    expected = {"begin fails": pytest.raises(InputError, match="can't be written: No space left")}
    expected |= {"interrupt": pytest.raises(KeyboardInterrupt), "never begins": pytest.raises(ZeroDivisionError)}
    with expected[how], RunFolder.create(path) as folder:
        if how == "never begins":
            raise ZeroDivisionError
        folder.begin(record_of(digits), [digits])
    assert os.listdir(tmp_path) == ["a"] * existed
    assert not existed or os.listdir(path) == []


def test_what_somebody_else_put_into_the_folder_stays(tmp_path, digits):
    path = tmp_path / "run"
    with RunFolder.create(path) as folder:
        (path / "notes.txt").write_text("mine")
        (path / "digits").mkdir()
        (path / "digits" / "photo.png").touch()
        with pytest.raises(InputError, match="can't be written"):
            folder.begin(record_of(digits), [digits])
    assert sorted(content_of(path)) == ["digits/photo.png", "notes.txt"]


def test_who_comes_second_is_told_who_works_there_and_changes_nothing(run):
    (run / ".holder").write_text("Process 1 on another host, since long ago,")  # left by a process that was killed
    with RunFolder.open(run):
        before = content_of(run)
        for take in (RunFolder.open, RunFolder.create):
            with pytest.raises(InputError, match=rf"Process {os.getpid()} on \S+, since 20\S+, works on the run in"):
                take(run)
        assert content_of(run) == before
    assert not (run / ".holder").exists()
    with RunFolder.open(run):
        pass


def test_a_copy_of_a_run_is_the_same_run(tmp_path, run, digits, monkeypatch):
    with RunFolder.open(run) as folder:
        job = folder.record.jobs[0]
        (folder.clear(job) / "backup").mkdir()
        (run / job.folder / "backup" / "state").write_bytes(b"1")
        folder.keep(outcome_of(job, digits))
        before = content_of(run)
        (run / "digits" / ".images.npy").touch()
        (run / job.folder / "link").symlink_to(tmp_path)
        copy_run(run, tmp_path / "copies" / "one")  # of a run that is under way, too
    kept = set(before) - {".holder"}
    assert content_of(tmp_path / "copies" / "one") == {name: before[name] for name in kept}
    with RunFolder.open(tmp_path / "copies" / "one") as folder:
        assert folder.pending(folder.record.jobs) == []
    with pytest.raises(InputError, match="already holds a run"):
        copy_run(run, tmp_path / "copies" / "one")
    with pytest.raises(InputError, match="holds no run"):
        copy_run(tmp_path, tmp_path / "copies" / "two")

    def fail(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(InputError, match="can't be written: No space left on device"):
        copy_run(run, tmp_path / "copies" / "two")
    assert os.listdir(tmp_path / "copies") == ["one"]


@pytest.mark.parametrize("kinds", [("start", "start"), ("resume", "resume")])
@pytest.mark.slow
def test_of_two_at_the_same_moment_one_gets_the_folder(tmp_path, digits, kinds):
    check_race(tmp_path, digits, kinds, rounds=2)


def test_a_changed_data_set_is_refused_and_missing_files_are_made_again(run, digits):
    before = content_of(run)
    (run / "digits" / "dataset.json").write_bytes(b"\0" * 100)
    (run / "digits" / "splits.npz").unlink()
    (run / "digits" / "test_images.npy").write_bytes(b"half")
    with RunFolder.open(run) as folder:
        jobs = folder.record.jobs
        assert folder.pending(jobs) == list(jobs)  # nobody can say whether they are done
        folder.check_unchanged(record_of(digits), [digits])
        assert folder.pending(jobs) == []
        labels = digits.labels.copy()
        labels[[0, 1]] = labels[[1, 0]]
        assert fingerprint(replace(digits, labels=labels)) != fingerprint(digits)
        with pytest.raises(
            InputError, match=r"The data set digits is no longer the one that .* began with; start a new"
        ):
            folder.check_unchanged(record_of(replace(digits, labels=labels)), [replace(digits, labels=labels)])
    assert content_of(run) == before


# What a job leaves


def test_failed_and_missing_jobs_are_pending(tmp_path, digits):
    record = record_of(digits, jobs=jobs_of(digits, seeds=(0, 1, 2)))
    with RunFolder.create(tmp_path / "run") as folder:
        folder.begin(record, [digits])
        done, failed, missing = record.jobs
        folder.keep(outcome_of(done, digits))
        folder.keep(replace(outcome_of(failed, digits, status="failed: no luck", test_accuracy=None), predictions=None))
        assert folder.pending(record.jobs) == [failed, missing]
    run = read_run(tmp_path / "run")
    assert [outcome.result.status for outcome in run.outcomes] == ["ok", "failed: no luck"]
    assert run.outcomes[1].predictions is None
    assert run.problems == ()


def test_clear_empties_the_folder_but_for_the_backup_and_follows_no_link(tmp_path, run):
    outside = tmp_path / "outside"
    (outside / "backup").mkdir(parents=True)
    (outside / "thesis.txt").write_text("mine")
    with RunFolder.open(run) as folder:
        first, second = folder.record.jobs
        own = folder.job_folder(first)
        for name in ("backup", "logs"):
            (own / name).mkdir()
            (own / name / "state").touch()
        (own / "link").symlink_to(outside)
        assert folder.clear(first) == own
        assert sorted(content_of(own)) == ["backup/state"]
        (folder.job_folder(second) / "backup").symlink_to(outside / "backup")
        assert list(folder.clear(second).iterdir()) == []
        assert folder.log_file(first) == own / "worker.log"
    assert (outside / "thesis.txt").read_text() == "mine"


def test_no_link_leads_a_write_out_of_the_folder(tmp_path, run, digits):
    outside = tmp_path / "outside"
    outside.mkdir()
    with RunFolder.open(run) as folder:
        job = folder.record.jobs[0]
        own = folder.job_folder(job)
        shutil.rmtree(own)
        own.symlink_to(outside)
        for write in (lambda: folder.clear(job), lambda: folder.keep(outcome_of(job, digits))):
            with pytest.raises(InputError, match="is a link; a run writes into its own folder only"):
                write()
        shutil.rmtree(run / "digits")
        (run / "digits").symlink_to(outside)
        with pytest.raises(InputError, match="is a link"):
            folder.check_unchanged(record_of(digits), [digits])
        with pytest.raises(InputError, match="is a link"), folder.images_file(digits):
            pass
    assert os.listdir(outside) == []


def test_what_a_pipeline_left_in_the_place_of_its_result_is_replaced(run, digits):
    with RunFolder.open(run) as folder:
        job = folder.record.jobs[0]
        folder.clear(job)
        (folder.job_folder(job) / "result.json").mkdir()
        folder.keep(outcome_of(job, digits))
        assert folder.pending([job]) == []


def test_all_images_are_in_a_hidden_file_for_as_long_as_workers_run(run, digits):
    with RunFolder.open(run) as folder:
        for left_over in (".images.npy", "..images.npy.123", ".dataset.json.99"):
            (run / "digits" / left_over).touch()
        (run / "digits" / ".DS_Store").touch()
        with folder.images_file(digits) as path:
            assert np.array_equal(np.load(path, mmap_mode="r"), digits.images)
        assert [each.name for each in (run / "digits").glob(".*")] == [".DS_Store"]
        with pytest.raises(KeyboardInterrupt), folder.images_file(digits):
            raise KeyboardInterrupt
        assert [each.name for each in (run / "digits").glob(".*")] == [".DS_Store"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "..\\a", ".lock", "run.json"])
def test_a_file_of_the_report_has_a_plain_name(run, name):
    with RunFolder.open(run) as folder:
        folder.write("report.md", b"# Report\n")
        before = content_of(run)
        with pytest.raises(InputError, match="is no name for a file of a report"):
            folder.write(name, b"x")
        assert content_of(run) == before
    assert before["report.md"] == b"# Report\n"


@pytest.mark.parametrize(
    ("code", "advice"), [(errno.ENOSPC, "make room"), (errno.EACCES, "make it writable"), (errno.EIO, "mend that")]
)
def test_what_cant_be_kept_says_how_to_go_on_and_leaves_no_half_file(run, digits, monkeypatch, code, advice):
    def fail(source, target):
        raise OSError(code, os.strerror(code))

    with RunFolder.open(run) as folder:
        first, second = folder.record.jobs
        folder.clear(first)
        monkeypatch.setattr(os, "replace", fail)
        said = f"{os.strerror(code)}. What is finished is kept: {advice} and continue with --resume {run}$"
        with pytest.raises(InputError, match=said):
            folder.keep(outcome_of(first, digits))
        monkeypatch.undo()
        assert list(folder.job_folder(first).iterdir()) == []
        assert folder.pending([first, second]) == [first]


def test_what_predictions_were_before_goes_with_a_job_that_failed(run, digits):
    job = jobs_of(digits)[0]
    with RunFolder.open(run) as folder:
        folder.keep(Outcome(outcome_of(job, digits, status="failed: no luck").result))
        assert sorted(os.listdir(folder.job_folder(job))) == ["result.json"]


def test_predictions_of_any_whole_number_type_are_kept(run, digits):
    job = jobs_of(digits)[0]
    outcome = outcome_of(job, digits)
    given_types = Predictions(*(np.asarray(labels, dtype=np.uint8) for labels in (outcome.predictions.y_true,) * 2))
    with RunFolder.open(run) as folder:
        folder.keep(replace(outcome, predictions=given_types))
    found = read_run(run).outcomes[0].predictions
    assert found.y_pred.dtype == np.int64
    assert np.array_equal(found.y_pred, outcome.predictions.y_true)
