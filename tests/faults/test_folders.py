"""Races for a run's folder, full disks, folders that go or can't be written, and files damaged at random."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from cvclassic import datasets
from cvclassic.errors import InputError
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.reading import read_run
from tests.runs.folders import check_race, content_of, finished_run, outcome_of, race, record_of

ROUNDS = 50


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=300)


@pytest.fixture
def small_disk(tmp_path):
    """A folder with room for 2 MB; skipped where it can't be had."""
    path = tmp_path / "disk"
    path.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no tmpfs can be mounted")
    yield path
    subprocess.run(["umount", path], check=True)


@contextlib.contextmanager
def locked(path):
    """Nobody writes into the folder, not even root; skipped where that can't be had."""
    try:
        subprocess.run(["chattr", "+i", path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no folder can be locked")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


@pytest.mark.parametrize("kinds", [("start", "start"), ("resume", "resume")])
def test_of_two_at_the_same_moment_one_gets_the_folder(tmp_path, digits, kinds):
    check_race(tmp_path, digits, kinds, ROUNDS)


def test_a_start_that_fails_takes_nothing_of_another_away(tmp_path, digits):
    won = 0
    for which, ((_, failed), (_, told)) in enumerate(race(("fail", "start"), tmp_path, ROUNDS, digits)):
        path = tmp_path / str(which) / "run"
        assert failed
        if told:
            assert "works on the run in" in told or "can't be written" in told
            assert not path.exists() or os.listdir(path) == []
        else:
            won += 1
            run = read_run(path)
            assert run.problems == ()
            assert run.record == record_of(digits, seed=1)
            assert len(content_of(path)) == 6
    assert won > 0


def _hold(path, ready):
    with RunFolder.open(path):
        ready.set()
        signal.pause()


def test_the_lock_goes_with_the_process_that_is_killed(tmp_path, digits):
    finished_run(tmp_path / "run", digits)
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "run", ready))
    process.start()
    assert ready.wait(60)
    with pytest.raises(InputError, match=f"Process {process.pid} on "):
        RunFolder.open(tmp_path / "run")
    process.kill()
    process.join()
    with RunFolder.open(tmp_path / "run") as folder:
        assert folder.pending(folder.record.jobs) == []
        assert f"Process {os.getpid()} " in (tmp_path / "run" / ".holder").read_text()


def test_a_start_on_a_full_disk_leaves_nothing(small_disk, digits):
    images = np.tile(digits.images, (1, 4, 4))  # 16 times as many bytes
    large = replace(digits, images=images)
    with pytest.raises(InputError, match=r"= 29 MB, and 2 MB are free on the disk"):
        start(small_disk / "a" / "run", large)
    assert os.listdir(small_disk) == []
    (small_disk / "filled").write_bytes(bytes(2**21 - 2**14))
    with pytest.raises(InputError, match="= 2 MB, and 0 MB are free on the disk"):
        start(small_disk / "run", digits)
    assert os.listdir(small_disk) == ["filled"]


def start(path, dataset):
    with RunFolder.create(path) as folder:
        folder.begin(record_of(dataset), [dataset])


def test_on_a_full_disk_what_is_finished_is_kept_and_the_run_goes_on_when_there_is_room(small_disk, digits):
    path = small_disk / "run"
    record = record_of(digits)
    first, second = record.jobs
    with RunFolder.create(path) as folder:
        folder.begin(record, [digits])
        with pytest.raises(InputError, match=r"No space left on device\. .* make room"), folder.images_file(digits):
            raise AssertionError
        for job in record.jobs:
            folder.clear(job)
        folder.keep(outcome_of(first, digits))
        with contextlib.suppress(OSError), open(small_disk / "filled", "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        with pytest.raises(
            InputError, match=f"No space left on device. .* make room and continue with --resume {path}$"
        ):
            folder.keep(outcome_of(second, digits))
        assert list(folder.job_folder(second).iterdir()) == []
        with pytest.raises(InputError, match="make room"):
            folder.write("report.html", bytes(10_000))
    assert [outcome.result.job for outcome in read_run(path).outcomes] == [first]
    (small_disk / "filled").unlink()
    with RunFolder.open(path) as folder:
        assert folder.pending(record.jobs) == [second]
        folder.keep(outcome_of(second, digits))
    assert read_run(path).problems == ()
    assert len(read_run(path).outcomes) == 2


@pytest.mark.parametrize("what", ["run", "data set", "job"])
def test_a_deleted_folder(tmp_path, digits, what):
    path = tmp_path / "run"
    finished_run(path, digits)
    with RunFolder.open(path) as folder:
        job = folder.record.jobs[0]
        shutil.rmtree({"run": path, "data set": path / "digits", "job": path / job.folder}[what])
        if what == "run":
            for write in (folder.clear, lambda job: folder.keep(outcome_of(job, digits))):
                with pytest.raises(InputError, match=f"The run's folder {path} is gone; start a new run"):
                    write(job)
        else:
            folder.keep(outcome_of(job, digits))
            folder.check_unchanged(record_of(digits), [digits])
            assert job not in folder.pending(folder.record.jobs)
    assert path.exists() == (what != "run")


def test_a_folder_that_cant_be_written(tmp_path, digits):
    path = tmp_path / "run"
    finished_run(path, digits)
    before = content_of(path)
    with RunFolder.open(path) as folder:
        job = folder.record.jobs[0]
        with locked(path / job.folder):
            for write in (folder.clear, lambda job: folder.keep(outcome_of(job, digits))):
                with pytest.raises(
                    InputError, match=r"Operation not permitted\. .* make it writable and continue with"
                ):
                    write(job)
    with locked(path):
        with pytest.raises(InputError, match="can't be written: Operation not permitted"):
            RunFolder.open(path)
        assert read_run(path).problems == ()
    assert content_of(path) == before
    (tmp_path / "locked").mkdir()
    with locked(tmp_path / "locked"):
        for out in (tmp_path / "locked", tmp_path / "locked" / "a" / "run"):
            with pytest.raises(InputError, match=r"can't be written: Operation not permitted\. Choose another --out"):
                RunFolder.create(out)
        assert os.listdir(tmp_path / "locked") == []


@pytest.mark.parametrize(
    "name", ["run.json", "digits/dataset.json", "result.json", "predictions.npz", "test_images.npy"]
)
def test_files_damaged_at_random_never_end_in_a_traceback(tmp_path, digits, rng, name):
    path = tmp_path / "run"
    record = finished_run(path, digits)
    places = {"result.json": record.jobs[0].folder / name, "predictions.npz": record.jobs[0].folder / name}
    file = path / places.get(name, name if "/" in name or name == "run.json" else f"digits/{name}")
    right = file.read_bytes()
    refused = 0
    for _ in range(300):
        content = bytearray(right)
        if rng.random() < 0.3:
            content = content[: rng.integers(len(content))]
        for _ in range(rng.integers(1, 5)):
            if content:
                start = rng.integers(len(content))
                content[start : start + rng.integers(1, 9)] = rng.bytes(rng.integers(0, 9))
        file.write_bytes(content)
        try:
            run = read_run(path)
            refused += len(run.problems) > 0
            for outcome in run.outcomes:
                assert outcome.result.job in record.jobs
            with RunFolder.open(path) as folder:
                folder.pending(folder.record.jobs)
        except InputError:
            refused += 1
    assert refused > 100
    file.write_bytes(right)
    assert read_run(path).problems == ()
