"""The executor: what it hands to workers and back, its limits, and that no job and no end of a run leaves a process."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier

from cvclassic import datasets
from cvclassic.runs import launcher as launchers
from cvclassic.runs import local, supervised
from cvclassic.runs.fit import run_job
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.interrupt import interruptible
from cvclassic.runs.job import Outcome
from cvclassic.runs.local import run_locally
from cvclassic.runs.pipelines import bring, find_pipelines
from cvclassic.runs.plan import RunData, plan
from cvclassic.runs.spec import RunSpec
from tests.waiting import lives, until

FAULTS = Path(__file__).parents[1] / "faults"
MISBEHAVES = FAULTS / "misbehaves.py"
linux = pytest.mark.skipif(sys.platform != "linux", reason="the processes of Linux")


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=300)


def silent(job, seconds, last_line, outcome):
    pass


def run(path, digits, pipelines, listen=silent, **fields):
    spec = RunSpec(**({"threads": 1} | fields))
    files = [str(pipeline) for pipeline in pipelines if not isinstance(pipeline, tuple)]
    brought = bring(dict(pipeline for pipeline in pipelines if isinstance(pipeline, tuple)))
    data = RunData.of(spec, [digits], [*find_pipelines(files), *brought])
    with RunFolder.create(path) as folder:
        return list(run_locally(plan(data)[0], data, folder, listen=listen))


def statuses(outcomes):
    return [outcome.result.status for outcome in outcomes]


class Counts(ClassifierMixin, BaseEstimator):
    """Known to no other process by its module: what it sees there is its prediction's first label."""

    def __init__(self, see="threads"):
        self.see = see

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        from threadpoolctl import threadpool_info

        print("a word of its own")
        if self.see == "threads":
            seen = max(pool["num_threads"] for pool in threadpool_info())
        else:
            seen = len(os.sched_getaffinity(0))
        return np.full(len(X), seen)


def test_outcomes_are_those_of_run_job_in_order_and_heard_of(tmp_path, digits, pipeline_file):
    heard = []
    names = [pipeline_file("nearest_mean"), "color_histogram_svm"]
    outcomes = run(tmp_path / "run", digits, names, listen=lambda *told: heard.append(told), repeats=2, keep="none")
    spec = RunSpec(threads=1, repeats=2, keep="none")
    data = RunData.of(spec, [digits], find_pipelines([str(name) for name in names]))
    jobs, _ = plan(data)
    assert [outcome.result.job for outcome in outcomes] == jobs
    measured = ("fit_seconds", "predict_images_per_second", "peak_memory_mb", "fit_energy_joules", "answer_seconds")
    for job, outcome in zip(jobs, outcomes, strict=True):
        here = run_job(job, data)
        same = {name: getattr(here.result, name) for name in (*measured, "machine")}
        assert replace(outcome.result, **same) == here.result
        assert outcome.result.ok
        assert np.array_equal(outcome.predictions.y_pred, here.predictions.y_pred)
        assert np.array_equal(outcome.predictions.y_true, digits.labels[digits.test])
        assert outcome.estimator is None
        assert outcome.result.machine.endswith(" GiB, 1 thread")
        assert 50 < outcome.result.peak_memory_mb < 2000
        told = [each for each in heard if each[0] == job]
        assert [each[3] for each in told[:-1]] == [None] * (len(told) - 1)
        assert told[-1][3] is outcome
        assert sorted(each[1] for each in told) == [each[1] for each in told]
    left = [path.name for path in tmp_path.rglob("*") if path.name.startswith((".outcome", ".images"))]
    assert left == []


def test_estimators_are_brought_by_value_and_threads_are_limited(tmp_path, digits):
    registered = cloudpickle.list_registry_pickle_by_value()
    brought = [("pools", Counts()), ("cores", Counts("cores"))]
    outcomes = run(tmp_path / "run", digits, brought)
    assert statuses(outcomes) == ["ok", "ok"]
    for outcome in outcomes:
        assert set(outcome.predictions.y_pred) == {1}
    assert cloudpickle.list_registry_pickle_by_value() == registered
    for log in tmp_path.rglob("worker.log"):
        assert "a word of its own" in log.read_text()


def test_what_can_not_be_pickled_is_a_failed_row_and_the_others_go_on(tmp_path, digits, pipeline_file):
    unpicklable = DummyClassifier(constant=contextlib.nullcontext())
    unpicklable.constant.lock = __import__("threading").Lock()
    outcomes = run(tmp_path / "run", digits, [pipeline_file("nearest_mean"), ("locked", unpicklable)])
    assert statuses(outcomes)[0] == "ok"
    assert statuses(outcomes)[1].startswith("failed: it can't be handed to a worker process: TypeError: cannot pickle")


def test_a_job_that_takes_too_long_is_a_failed_row(tmp_path, digits):
    outcomes = run(tmp_path / "run", digits, [MISBEHAVES], settings={"way": "lock"}, timeout=1.5)
    assert statuses(outcomes) == ["failed: over the time limit of 1.5 s (--timeout)"]


def test_who_raises_dies_or_takes_too_much_is_a_failed_row_and_the_others_go_on(tmp_path, digits, pipeline_file):
    ways = {
        "exits at once": "failed: the worker ended with exit code 7: began",
        "eats": "failed: over the memory limit of 0.8 GiB (--memory-limit); it used ",
        "leaves children": "ok",
    }
    names = [*(pipeline_file(name) for name in ("raises", "killed")), MISBEHAVES]
    before = set(psutil.Process().children(recursive=True))
    outcomes = run(tmp_path / "run", digits, names, sweep={"way": list(ways)}, memory_limit=0.8)
    expected = ["failed: RuntimeError: no luck today", "failed: killed by SIGKILL (out of memory?)", *ways.values()]
    for status, beginning in zip(statuses(outcomes), expected, strict=True):
        assert status.startswith(beginning)
    used = float(outcomes[3].result.status.split()[-2])
    assert used > 0.8
    assert 'raise RuntimeError("no luck' in "".join(log.read_text() for log in tmp_path.rglob("worker.log"))
    assert set(psutil.Process().children(recursive=True)) == before
    assert not [p for p in psutil.process_iter(["cmdline"]) if MISBEHAVES.name in (p.info["cmdline"] or [])]


@linux
@pytest.mark.parametrize("victim", ["worker", "launcher"])
def test_a_process_killed_from_outside_is_a_failed_row_and_another_takes_its_place(
    tmp_path, digits, pipeline_file, victim
):
    seen = []

    def kill(job, seconds, last_line, outcome):
        if job.pipeline == "sleeps" and seconds > 1 and not seen:
            [launcher] = [p for p in psutil.Process().children() if "cvclassic.runs.worker" in p.cmdline()]
            seen.extend([launcher, *launcher.children()])
            seen[victim == "worker"].kill()

    outcomes = run(tmp_path / "run", digits, [pipeline_file("sleeps"), pipeline_file("nearest_mean")], kill)
    assert statuses(outcomes) == ["failed: killed by SIGKILL (out of memory?)", "ok"]
    assert len(seen) == 2
    assert until(lambda: not any(map(lives, seen)))


@linux
@pytest.mark.slow
def test_where_the_launcher_can_not_fork_each_worker_is_a_new_process(tmp_path, digits, pipeline_file, monkeypatch):
    pretends = (
        "import sys, types\nif '--alone' not in sys.orig_argv:\n    sys.modules['jax'] = types.ModuleType('jax')\n"
    )
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(pretends)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    commands = set()

    def look(job, seconds, last_line, outcome):
        with contextlib.suppress(psutil.Error):
            commands.update(" ".join(p.cmdline()) for p in psutil.Process().children(recursive=True))

    outcomes = run(tmp_path / "run", digits, [pipeline_file("nearest_mean"), pipeline_file("killed")], look)
    assert any("--alone" in command for command in commands)
    assert statuses(outcomes) == ["ok", "failed: killed by SIGKILL (out of memory?)"]
    assert not [p for p in psutil.Process().children(recursive=True) if "cvclassic.runs.worker" in p.cmdline()]


def test_closing_the_iterator_ends_the_launcher_and_removes_the_images(tmp_path, digits, pipeline_file):
    data = RunData.of(RunSpec(threads=1), [digits], find_pipelines([str(pipeline_file("nearest_mean")), "hog_svm"]))
    with RunFolder.create(tmp_path / "run") as folder:
        outcomes = run_locally(plan(data)[0], data, folder, listen=silent)
        assert next(outcomes).result.ok
        processes = psutil.Process().children(recursive=True)
        assert any("cvclassic.runs.worker" in process.cmdline() for process in processes)
        assert list(tmp_path.rglob(".images.npy"))
        outcomes.close()
    assert not any("cvclassic.runs.worker" in p.cmdline() for p in psutil.Process().children(recursive=True))
    assert not list(tmp_path.rglob(".images.npy"))


@linux
@pytest.mark.parametrize(("name", "way"), [("SIGKILL", "lock"), ("SIGTERM", "children")])
def test_nothing_is_left_however_the_run_ends(tmp_path, name, way):
    fields = {"pipelines": [str(MISBEHAVES)], "threads": 1, "settings": {"way": way}}
    process = subprocess.Popen([sys.executable, FAULTS / "one_run.py", tmp_path / "run", json.dumps(fields)])
    word = "started" if way == "children" else "began"
    until(lambda: any(word in log.read_text() for log in tmp_path.rglob("worker.log")))
    time.sleep(0.3)
    processes = psutil.Process(process.pid).children(recursive=True)
    assert len(processes) == (6 if way == "children" else 2)
    process.send_signal(getattr(signal, name))
    assert process.wait(timeout=10) == (-signal.SIGKILL if name == "SIGKILL" else 130)
    until(lambda: not any(map(lives, processes)), seconds=10)


def test_a_launcher_that_dies_at_once_is_a_failed_row_with_its_last_words(tmp_path, digits, pipeline_file, monkeypatch):
    def broken(threads):
        (tmp_path / "cvclassic.py").write_text("raise ImportError('half an installation')")
        return os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}

    monkeypatch.setattr(local, "worker_environment", broken)
    [outcome] = run(tmp_path / "run", digits, [pipeline_file("nearest_mean")])
    last_words = "ImportError: half an installation"
    assert outcome.result.status == f"failed: the worker ended with exit code 1: {last_words}"


@pytest.mark.parametrize("left", [b"", b"no pickle", pickle.dumps(1), pickle.dumps("why"), pickle.dumps([1])[:-1]])
def test_what_a_worker_left_damaged_is_a_failed_row(tmp_path, digits, pipeline_file, left):
    data = RunData.of(RunSpec(), [digits], find_pipelines([str(pipeline_file("nearest_mean"))]))
    [job], _ = plan(data)
    (tmp_path / ".outcome").write_bytes(left)
    outcome = supervised.taken(tmp_path / ".outcome", job, "classical")
    assert outcome.result.job == job
    assert outcome.result.status.startswith("failed: ")
    assert "\n" not in outcome.result.status


def test_another_jobs_outcome_is_none(tmp_path, digits, pipeline_file):
    data = RunData.of(RunSpec(repeats=2), [digits], find_pipelines([str(pipeline_file("nearest_mean"))]))
    (first, second), _ = plan(data)
    outcome = run_job(first, data)
    (tmp_path / ".outcome").write_bytes(pickle.dumps(Outcome(outcome.result)))
    assert supervised.taken(tmp_path / ".outcome", first, "classical").result == outcome.result
    assert not (tmp_path / ".outcome").exists()
    (tmp_path / ".outcome").write_bytes(pickle.dumps(Outcome(outcome.result)))
    assert supervised.taken(tmp_path / ".outcome", second, "classical").result.status.startswith("failed: ")


class InterruptedAtItsEnd:
    def __del__(self):
        raise KeyboardInterrupt


def test_an_interrupt_that_a_destructor_swallowed_comes_again():
    def run():
        del [InterruptedAtItsEnd()][0]
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt), interruptible():
        run()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_sigterm_and_sighup_interrupt_and_handlers_come_back(name):
    number = getattr(signal, name, None) or pytest.skip(f"no {name} here")
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), interruptible():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN)
        with interruptible():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_launcher_is_ready_and_ends_with_all_that_it_started():
    with launchers.Launcher(launchers.worker_environment(threads=1), neural=False) as launcher:
        launcher.wait_until_ready(60)
        assert launcher.wait(0.1) is None
        assert launcher.memory(0) == 0  # no worker yet
        process = psutil.Process(launcher._process.pid)
    assert not process.is_running()
    launcher.end()  # a second time does nothing
