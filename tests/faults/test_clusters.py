"""However a run on a cluster ends, its processes end with it; and lost hosts change no figure."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.hosts import hosts
from tests.waiting import lives, until

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the processes of Linux"),
    pytest.mark.usefixtures("heeds_hangup"),
]

WAITS = '''"""Tells that it has begun, and waits until it may go on."""
import os, time, uuid
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
        mark = FOLDER / f"began-NAME-{uuid.uuid4().hex}"
        mark.with_suffix(".part").write_text(f"{os.getpid()} {os.readlink('/proc/self/ns/net')}")
        mark.with_suffix(".part").rename(mark)
        while not (FOLDER / "go").exists():
            time.sleep(0.05)
        return super().fit(X, y)


def build(task):
    return make_pipeline(FunctionTransformer(flat), Waits(shrink_threshold=SHRINK))
'''
ARGUMENTS = ["--dataset", "digits", "--train-size", "300", "--offline"]


@pytest.fixture
def waiting(tmp_path):
    """Three pipeline files that wait, each another classifier."""
    names = ["first", "second", "third"]
    for k, name in enumerate(names):
        text = WAITS.replace("FOLDER_HERE", repr(str(tmp_path))).replace("NAME", name)
        (tmp_path / f"{name}.py").write_text(text.replace("SHRINK", str([None, 0.5, 2.0][k])))
    return [str(tmp_path / f"{name}.py") for name in names]


def start(*arguments):
    command = [sys.executable, "-c", "from cvclassic.cli import compare_app; compare_app()", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def begun(folder: Path) -> list[tuple[str, int, str]]:
    """Of each job that has begun: its pipeline, process and network."""
    marks = [path for path in folder.glob("began-*") if not path.suffix]
    return [(mark.name.split("-")[1], int(mark.read_text().split()[0]), mark.read_text().split()[1]) for mark in marks]


def accuracies(run: Path) -> list[tuple[str, ...]]:
    with open(run / "results.csv", newline="") as file:
        figures = ("dataset", "pipeline", "status", "test_accuracy", "macro_f1", "train_accuracy")
        return [tuple(row[name] for name in figures) for row in csv.DictReader(file)]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_however_a_run_ends_its_cluster_ends_with_it_and_it_can_be_resumed(tmp_path, waiting, name):
    run = tmp_path / "run"
    names = ["hog_linear_svm", *waiting[:2]]
    process = start(*ARGUMENTS, *(f"--pipeline={each}" for each in names), "--cluster", "local:2", "--out", run)
    until(lambda: len(begun(tmp_path)) == 2, seconds=100)
    children = psutil.Process(process.pid).children(recursive=True)
    assert {pid for _, pid, _ in begun(tmp_path)} <= {child.pid for child in children}
    process.send_signal(getattr(signal, name))
    output, errors = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if name == "SIGKILL" else 130), errors
    assert "Traceback" not in output + errors
    until(lambda: not any(map(lives, children)), seconds=20)
    (tmp_path / "go").touch()
    kept = {path: path.stat().st_mtime_ns for path in run.rglob("hog_linear*/result.json")}
    assert len(kept) == 1
    resumed = start("--resume", run, "--cluster", "local:2")
    output, errors = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, errors
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    assert [row[2] for row in accuracies(run)] == ["ok"] * 4


def test_a_host_that_is_killed_and_one_that_is_cut_off_change_no_figure(tmp_path, waiting):
    quick = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s"}  # until a silent host counts as gone
    quick["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    with hosts(3) as made, open(tmp_path / "log", "w") as log:
        pipes, (first, killed, cut) = {"stdout": log, "stderr": log, "env": quick}, made
        address = f"tcp://{first.address}:8786"
        scheduler = [
            "-m",
            "distributed.cli.dask_scheduler",
            "--host",
            first.address,
            "--port",
            "8786",
            "--no-dashboard",
        ]
        first.run([sys.executable, *scheduler], **pipes)
        for host in made:
            worker = ["-m", "distributed.cli.dask_worker", address, "--host", host.address, "--nthreads", "1"]
            folder = ["--no-dashboard", "--local-directory", str(tmp_path / host.name)]
            host.run([sys.executable, *worker, *folder], **pipes)
        run = tmp_path / "run"
        names = [*waiting, "hog_linear_svm"]
        arguments = [*ARGUMENTS, *(f"--pipeline={each}" for each in names), "--threads", "1"]
        with distributed.Client(address, timeout=60) as client:
            client.wait_for_workers(3, timeout=60)  # so that each gets a job
        process = start(*arguments, "--cluster", address, "--out", run)
        before = until(lambda: len(found := begun(tmp_path)) == 3 and found, seconds=100)
        assert len({network for _, _, network in before}) == 3
        killed.kill()
        cut.cut_off()
        of_the_cut = [psutil.Process(pid) for pid in cut.processes()]
        until(lambda: not any("cvclassic.runs.worker" in " ".join(command(each)) for each in of_the_cut), seconds=100)
        (tmp_path / "go").touch()
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors + (tmp_path / "log").read_text()
    again = [name for name, _, _ in begun(tmp_path)]
    assert sorted(again.count(name) for name in ("first", "second", "third")) == [1, 2, 2]  # the lost ones' anew
    local = start(*arguments, "--out", tmp_path / "local")
    _, errors = local.communicate(timeout=200)
    assert local.returncode == 0, errors
    assert accuracies(run) == accuracies(tmp_path / "local")
    machines = {result["machine"] for result in json.loads((run / "results.json").read_text())["results"]}
    assert all(machine.endswith("1 thread") for machine in machines)


def command(process):
    try:
        return process.cmdline() if lives(process) else []
    except psutil.Error:
        return []
