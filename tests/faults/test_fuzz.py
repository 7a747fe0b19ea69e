"""Every reader with a few hundred spoiled files; `make fuzz` gives them more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="no limits for processes on this system")

ROOT = Path(__file__).parents[2]
EACH = 200


def test_spoiled_files_are_read_or_refused_by_every_reader():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "tests.fuzz", "--n", str(EACH), "--seed", "1"]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert told.returncode == 0, told.stdout + told.stderr
    rows = [line.strip("| ").split(" | ") for line in told.stdout.splitlines()[2:]]
    assert len(rows) >= 15
    for name, n, _, read, refused, *rest in rows:
        assert int(n) == EACH, name
        assert int(read) + int(refused) == EACH, name
        assert set(rest[:-1]) == {"0"}, name
