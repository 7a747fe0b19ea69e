"""The executor on a cluster: real Dask workers, whose jobs end as those of this machine do."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

distributed = pytest.importorskip("distributed")

from cvclassic import datasets  # noqa: E402
from cvclassic.comparison import compare, resume  # noqa: E402
from cvclassic.errors import DataError, InputError, MissingDependencyError  # noqa: E402
from cvclassic.runs import cluster as clusters  # noqa: E402
from cvclassic.runs import cluster_start, cluster_worker  # noqa: E402
from cvclassic.runs.cluster import connected  # noqa: E402
from cvclassic.runs.folder import RunFolder  # noqa: E402
from cvclassic.runs.local import run_locally  # noqa: E402
from cvclassic.runs.parcels import packed, unpack  # noqa: E402
from cvclassic.runs.pipelines import find_pipelines  # noqa: E402
from cvclassic.runs.plan import RunData, plan  # noqa: E402
from cvclassic.runs.spec import RunSpec  # noqa: E402

MISBEHAVES = Path(__file__).parents[1] / "faults" / "misbehaves.py"
MEASURED = ("fit_seconds", "predict_images_per_second", "peak_memory_mb", "fit_energy_joules", "answer_seconds")
LOST_ONCE = '''"""Tells which worker it is on, and waits there; on the next one it goes on."""
import os, time
from pathlib import Path
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

family = "classical"
FOLDER = Path(FOLDER_HERE)


def flat(X):
    return X.reshape(len(X), -1) / 255


class Waits(NearestCentroid):
    def fit(self, X, y):
        tries = len(list(FOLDER.glob("try-*")))
        FOLDER.joinpath(f"try-{tries}").write_text(str(os.getpid()))
        while not tries:
            time.sleep(0.05)
        return super().fit(X, y)


def build(task):
    return make_pipeline(FunctionTransformer(flat), Waits())
'''


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=300)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two worker processes as somebody else has started them: the run knows nothing of this machine's files there."""
    folder = tmp_path_factory.mktemp("dask")
    options = {
        "n_workers": 2,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "local_directory": str(folder),
    }
    with distributed.LocalCluster(**options, silence_logs=50) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def executor(client):
    with connected(client) as executor:
        yield executor


def silent(job, seconds, last_line, outcome):
    pass


def run(run_jobs, path, dataset, pipelines, listen=silent, **fields):
    data = RunData.of(RunSpec(**fields), [dataset], find_pipelines([str(each) for each in pipelines]))
    jobs, _ = plan(data)
    with RunFolder.create(path) as folder:
        outcomes = {outcome.result.job: outcome for outcome in run_jobs(jobs, data, folder, listen=listen)}
    return [outcomes[job] for job in jobs]


def statuses(outcomes):
    return [outcome.result.status for outcome in outcomes]


def eventually(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_outcomes_and_files_are_those_of_this_machine(tmp_path, digits, pipeline_file, executor):
    heard = []
    names = [pipeline_file("nearest_mean"), "hog_linear_svm", "color_histogram_svm", "hog_svm"]
    options = {"threads": 1, "keep": "all"}
    local = run(run_locally, tmp_path / "local", digits, names, **options)
    remote = run(executor.run, tmp_path / "run", digits, names, lambda *told: heard.append(told), **options)
    for here, there in zip(local, remote, strict=True):
        same = {name: getattr(here.result, name) for name in (*MEASURED, "machine")}
        assert replace(there.result, **same) == here.result
        assert there.result.ok
        assert np.array_equal(there.predictions.y_pred, here.predictions.y_pred)
        assert there.result.machine.endswith(" GiB, 1 thread")
        assert [told[3] for told in heard if told[0] == there.result.job][-1] is there
    files = [sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*") if path.is_file())
             for name in ("local", "run")]  # fmt: skip
    assert files[0] == files[1]
    assert sum(path.name == "model.cvc" for path in files[0]) == 2


def test_each_worker_gets_the_images_once_and_one_job_at_a_time(tmp_path, digits, client, executor, pipeline_file):
    under_way, most = set(), 0

    def listen(job, seconds, last_line, outcome):
        nonlocal most
        under_way.discard(job) if outcome else under_way.add(job)
        most = max(most, len(under_way))

    sent = []
    original = client.scatter
    client.scatter = lambda data, **options: sent.append(data) or original(data, **options)
    try:
        outcomes = run(executor.run, tmp_path / "run", digits, [pipeline_file("nearest_mean")], listen, repeats=6)
    finally:
        del client.scatter
    assert statuses(outcomes) == ["ok"] * 6
    assert [image.nbytes for each in sent for image in each.values()] == [digits.images.nbytes]
    assert most <= 2
    folders = client.run(lambda dask_worker: [str(path) for path in Path(dask_worker.local_directory).rglob("*.npy")])
    assert eventually(lambda: not any(Path(path).exists() for paths in folders.values() for path in paths))


@pytest.mark.slow
def test_who_raises_dies_or_takes_too_much_is_a_failed_row(tmp_path, digits, pipeline_file, client, executor):
    ways = {
        "exits at once": "failed: the worker ended with exit code 7: began",
        "eats": "failed: over the memory limit of 0.8 GiB (--memory-limit); it used ",
        "leaves children": "ok",
    }
    workers = set(client.nthreads())
    names = [*(pipeline_file(name) for name in ("raises", "killed")), MISBEHAVES]
    outcomes = run(executor.run, tmp_path / "run", digits, names, sweep={"way": list(ways)}, memory_limit=0.8)
    assert statuses(outcomes)[:2] == [
        "failed: RuntimeError: no luck today",
        "failed: killed by SIGKILL (out of memory?)",
    ]
    for status, expected in zip(statuses(outcomes)[2:], ways.values(), strict=True):
        assert status.startswith(expected)
    assert "began" in next((tmp_path / "run").rglob("misbehaves*exits*/worker.log")).read_text()
    assert set(client.nthreads()) == workers


def test_a_job_that_takes_too_long_is_a_failed_row(tmp_path, digits, executor):
    outcomes = run(executor.run, tmp_path / "run", digits, [MISBEHAVES], settings={"way": "lock"}, timeout=1.5)
    assert statuses(outcomes) == ["failed: over the time limit of 1.5 s (--timeout)"]


def test_a_job_whose_worker_is_killed_runs_again_elsewhere(tmp_path, digits, client, executor):
    pipeline = tmp_path / "lost_once.py"
    pipeline.write_text(LOST_ONCE.replace("FOLDER_HERE", repr(str(tmp_path))))
    killed = []

    def listen(job, seconds, last_line, outcome):
        mark = tmp_path / "try-0"
        if not killed and mark.exists() and mark.read_text():
            worker = psutil.Process(int(mark.read_text())).parent().parent()  # that of its launcher
            assert worker.pid in client.run(os.getpid).values()
            killed.append(worker.pid)
            worker.kill()

    outcomes = run(executor.run, tmp_path / "run", digits, [pipeline, "hog_linear_svm"], listen)
    assert statuses(outcomes) == ["ok", "ok"]
    assert len(killed) == 1
    assert (tmp_path / "try-1").exists()
    assert not psutil.pid_exists(int((tmp_path / "try-0").read_text()))
    expected = run(run_locally, tmp_path / "local", digits, ["hog_linear_svm"])
    assert outcomes[1].result.test_accuracy == expected[0].result.test_accuracy
    assert eventually(lambda: len(client.nthreads()) == 2)  # Dask's nanny has started another


def test_a_run_that_is_left_ends_its_jobs_on_the_workers(tmp_path, digits, client, pipeline_file):
    seen = []

    def listen(job, seconds, last_line, outcome):
        children = [each for pid in client.run(os.getpid).values() for each in psutil.Process(pid).children(True)]
        seen.extend(children)
        if seconds > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), connected(client) as executor:
        run(executor.run, tmp_path / "run", digits, [pipeline_file("sleeps")], listen)
    assert seen
    assert not any(each.is_running() for each in seen)
    assert not any(
        "cvclassic" in name
        for names in client.run(lambda dask_worker: list(dask_worker.plugins)).values()
        for name in names
    )


@pytest.mark.slow
def test_a_run_goes_on_elsewhere_than_it_began(tmp_path, client, pipeline_file):
    options = {"pipelines": ["hog_linear_svm", "hog_svm"], "train_size": 300, "out": tmp_path / "run"}
    first = compare("digits", cluster=client, **options)
    accuracies = {result.pipeline: result.test_accuracy for result in first.results}
    assert {result.machine.rpartition(", ")[2] for result in first.results} == {"1 thread"}
    for where in (None, client):
        for path in (tmp_path / "run").rglob("hog_svm*/result.json"):
            path.unlink()
        again = resume(tmp_path / "run", cluster=where)
        assert {result.pipeline: result.test_accuracy for result in again.results} == accuracies


@pytest.mark.slow
def test_a_model_goes_home_from_a_cluster(tmp_path, rng, client):
    X = rng.integers(0, 120, (60, 16, 16), dtype=np.uint8)
    y = np.arange(60) % 2
    X[y == 1, 4:12, 4:12] += 120
    found = compare((X, y), pipelines="hog_linear_svm", folds=1, cluster=client, out=tmp_path / "run")
    assert (tmp_path / "run" / "best.cvc").exists()
    assert list(found.best.predict(X[:2])) == ["0", "1"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("local", "--cluster local is no cluster: give local:4"),
        ("local:0", "--cluster local:0 is no cluster"),
        ("http://host:8786", "is no cluster"),
        ("tcp://host", "is no cluster"),
        (7, "cluster is 7; give an address"),
    ],
)
def test_what_is_no_cluster_is_refused(tmp_path, wrong, told):
    with pytest.raises(InputError, match=told):
        compare("digits", cluster=wrong, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_where_nobody_answers_or_works_the_run_ends_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_start, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(cluster_start, "WORKER_SECONDS", 0.5)
    with pytest.raises(InputError, match=r"No scheduler answers at tcp://127.0.0.1:9 within 1 s .* `dask scheduler`"):
        compare("digits", cluster="tcp://127.0.0.1:9", out=tmp_path / "run")
    with distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as empty:
        address = empty.scheduler_address
        with pytest.raises(InputError, match=f"No worker was at the scheduler {address} .* `dask worker {address}`"):
            compare("digits", cluster=address, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_scheduler_that_goes_ends_the_run_and_what_is_finished_is_kept(tmp_path, digits, pipeline_file):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
    with distributed.LocalCluster(**options) as cluster:

        def listen(job, seconds, last_line, outcome):
            if job.pipeline == "sleeps" and outcome is None:
                cluster.close()

        with (
            pytest.raises(InputError, match=r"The scheduler at .* is gone .* continue with --resume"),
            connected(cluster.scheduler_address) as executor,
        ):
            run(
                executor.run, tmp_path / "run", digits, [pipeline_file("nearest_mean"), pipeline_file("sleeps")], listen
            )


@pytest.mark.slow
def test_without_workers_a_run_ends(tmp_path, digits, pipeline_file, monkeypatch):
    monkeypatch.setattr(clusters, "NO_WORKER_SECONDS", 1.0)
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
    with distributed.LocalCluster(**options) as cluster:

        def listen(job, seconds, last_line, outcome):
            cluster.scale(0)

        with (
            pytest.raises(InputError, match=r"No worker has been at .* for 1 s"),
            connected(cluster.scheduler_address) as executor,
        ):
            run(executor.run, tmp_path / "run", digits, [pipeline_file("sleeps")], listen)


def test_workers_with_other_versions_are_refused(client, monkeypatch):
    own = cluster_worker.library_versions()
    monkeypatch.setattr(cluster_worker, "library_versions", lambda: own | {"numpy": "1.0"})
    with (
        pytest.raises(InputError, match=r"has numpy [\d.]+ instead of 1\.0.* Install what this machine has"),
        connected(client),
    ):
        pass


def test_without_dask_the_run_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "cvclassic\[dask\]"'), connected("local:2"):
        pass


def test_a_run_on_this_machine_imports_no_dask():
    program = (
        "import sys, cvclassic\n"
        "cvclassic.compare('digits', pipelines='most_frequent', train_size=100)\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('dask', 'distributed')])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert answer.stdout.strip() == "[]", answer.stderr


def test_files_come_back_as_they_were_and_none_leads_out(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "backup").mkdir(parents=True)
    target.mkdir()
    (source / "a").write_bytes(b"1")
    (source / "backup" / "b").write_bytes(b"2")
    (source / "link").symlink_to(source / "a")
    unpack(packed(source), target)
    assert packed(target) == {"a": b"1", "backup/b": b"2"}
    for name in ("../x", "/tmp/x", "a/../../x", "", "c:\\x"):
        with pytest.raises(DataError):
            unpack({"good": b"", name: b""}, target)
    assert packed(target) == {"a": b"1", "backup/b": b"2"}
