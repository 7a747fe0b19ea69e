"""benchmarks/scaling.py: Dask against the plain run on few images, and the sheet's arithmetic."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCALING = Path(__file__).parents[1] / "benchmarks" / "scaling.py"


def test_the_sheet_multiplies_what_was_measured():
    program = runpy.run_path(str(SCALING))
    measured = program["MEASURED"] | {"images": 1000, "chunk": 100, "features": 1.0, "fit": 5.0, "passes": 5}
    measured |= {"seconds_per_task": 1e-9}
    lines = program["sheet"](100_000, 10, measured)  # 2 ms of a core for an image's features, 2 ms a pass
    assert lines[3].startswith("time       2.0 min: features once 20.0 s, 5 passes of 20.")
    assert "1,000 in all" in lines[1]
    slow = program["sheet"](100_000, 10, measured | {"seconds_per_task": 1.0})
    assert any("make chunks larger" in line for line in slow)
    assert not any("make chunks larger" in line for line in lines)


@pytest.mark.slow
def test_dask_and_the_plain_run_agree(tmp_path):
    command = [sys.executable, str(SCALING), "--measure", "--sizes", "6000", "--chunk", "2000"]
    done = subprocess.run([*command, "--out", str(tmp_path / "m.json")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "m.json").read_text())
    (row,) = found["rows"]
    assert row["difference"] < 1e-4
    assert row["dask"]["passes"] == row["plain"]["passes"]
    assert set(row["dask"]["peaks"]) == {"worker 0", "worker 1", "client"}
