"""Workers on three hosts, one of which is lost in the middle of a Newton pass: the fit ends with the same answer."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cvclassic.svm import LinearSVM, linear_chunks
from tests.hosts import hosts

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

SECONDS = 5  # after which a host that is silent is given up; Dask has 5 minutes, and 12 s at least for TCP
PATIENCE = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{SECONDS}s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": f"{SECONDS}s",
}
COMMON = {"env": os.environ | PATIENCE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@pytest.fixture
def three_hosts():
    """Three hosts with a worker each, the first with the scheduler too; and a client."""
    with hosts(3) as machines:
        address = f"tcp://{machines[0].address}:8786"
        scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard"]
        machines[0].run(scheduler, **COMMON)
        for host in machines:
            worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--host", host.address]
            host.run([*worker, "--nthreads", "1", "--no-nanny", "--no-dashboard"], **COMMON)
        with distributed.Client(address, timeout=60) as client:
            client.wait_for_workers(3, timeout=60)
            yield machines, client


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["cut_off", "kill"])
def test_a_worker_is_lost_in_the_middle_of_a_pass(three_hosts, loss, monkeypatch):
    machines, client = three_hosts
    digits, labels = load_digits(return_X_y=True)
    X, y = da.from_array((digits / 16).astype(np.float32), chunks=(60, 64)), labels
    expected = LinearSVM().fit(X, y)
    assert {info["host"] for info in client.scheduler_info()["workers"].values()} == {h.address for h in machines}

    def slow(*arguments, evaluated=linear_chunks._evaluated):
        time.sleep(0.1)  # 30 chunks on three workers: a second for a pass
        return evaluated(*arguments)

    evaluate, passes, lost_at = linear_chunks.Chunks.evaluate, [], []

    def lose():
        getattr(machines[2], loss)()
        lost_at.append(time.monotonic())

    def watched(self, point):
        begun = time.monotonic()
        if len(passes) == 2:
            threading.Timer(0.4, lose).start()
        found = evaluate(self, point)
        passes.append((begun, time.monotonic()))
        return found

    monkeypatch.setattr(linear_chunks, "_evaluated", slow)
    monkeypatch.setattr(linear_chunks.Chunks, "evaluate", watched)
    found = LinearSVM().fit(X, y)
    begun, ended = passes[2]
    assert begun < lost_at[0] < ended
    assert len(client.scheduler_info()["workers"]) == 2
    assert found.n_iter_ == expected.n_iter_ > 3
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.intercept_, expected.intercept_, rtol=1e-6, atol=1e-9)
