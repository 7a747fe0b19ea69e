"""Trainings that are killed and go on, beside one that nothing disturbs, in processes with one thread."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvclassic.neural import prepare_backend


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the program forks after importing Keras")
@pytest.mark.skipif(prepare_backend().backend.backend() != "tensorflow", reason="bits are promised on TensorFlow")
def test_a_training_killed_three_times_ends_as_an_undisturbed_one(tmp_path):
    # In the middle of an epoch; half of a backup's weights written; whole weights, but not the file that says so.
    found = killed_trainings(tmp_path, "batch:3:7", "weights:5", "state:8")
    assert found["going_on_after"] == [2, 4, 7]
    assert found["resumed"] == found["undisturbed"]
    assert found["resumed"]["left"] == ["training.csv"]


def killed_trainings(folder, *moments):
    program = Path(__file__).with_name("killed_trainings.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, program, folder, "{}", *moments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
