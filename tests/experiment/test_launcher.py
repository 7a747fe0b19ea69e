"""Launchers that can't start end the job and not the run."""

import shutil
import sys
import time

import pytest

from cvclassic.experiment.launcher import Launcher


@pytest.mark.skipif(shutil.which("false") is None, reason="needs the command false")
def test_a_launcher_that_dies_at_once_gives_its_exit_code(monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with Launcher(neural=False, threads=1) as launcher:
        launcher.wait_until_ready()
        launcher.start("an order")
        end = time.monotonic() + 20
        while (code := launcher.wait(0.1)) is None:
            assert time.monotonic() < end
    assert code == 1


def test_a_launcher_is_ready_and_ends_with_its_run():
    with Launcher(neural=False, threads=1) as launcher:
        launcher.wait_until_ready()
        assert launcher.wait(0.1) is None
    assert launcher._process.returncode is not None
