"""The fuzz harness catches what it is there to catch, and gives the same inputs again."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="processes have no limits here")

from tests.fuzz.campaign import spoiled
from tests.fuzz.readers import READERS

ROOT = Path(__file__).parents[2]


def test_what_a_reader_may_not_do_is_caught():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "tests.fuzz.misbehaving"]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    for line in told.stdout.splitlines():
        expected, counts = json.loads(line)
        kind = expected.removesuffix(", too")
        assert counts.keys() == {"read", kind}, line
        assert sum(counts.values()) == 6
    assert len(told.stdout.splitlines()) == 9


@pytest.mark.parametrize("name", sorted({*READERS} - {"digits", "cvc"}))
def test_an_input_can_be_had_again_by_its_number(tmp_path, monkeypatch, name):
    monkeypatch.setenv("CVCLASSIC_CACHE", "")  # one of them sets it
    found = []
    for times in range(2):
        monkeypatch.setattr(time, "time", lambda times=times: 1e9 * (times + 1))
        (tmp_path / str(times)).mkdir()
        targets = READERS[name].targets(tmp_path / str(times))
        found.append([spoiled(targets, 3, number)[1] for number in range(40)])
    assert found[0] == found[1]
    assert len(set(found[0])) > 30
