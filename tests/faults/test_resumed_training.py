"""Trainings killed in their middle at random moments, five times each, beside one that nothing disturbs."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from cvclassic.neural import prepare_backend

PROGRAM = Path(__file__).parents[1] / "neural" / "killed_trainings.py"
STACKS = ({}, {"optimizer": "nadam", "precision": "mixed_float16", "monitor": "val_macro_f1"})


@pytest.mark.skipif(sys.platform != "linux", reason="the program forks after importing Keras")
@pytest.mark.skipif(prepare_backend().backend.backend() != "tensorflow", reason="bits are promised on TensorFlow")
@pytest.mark.parametrize("stack", STACKS, ids=["adam", "nadam"])
def test_five_kills_at_random_moments_change_nothing(stack, tmp_path):
    draws = random.Random(len(stack))
    # A kill comes while epoch 2 to 7 of the nine is trained, validated or saved; an epoch takes about 0.2 s.
    moments = [f"random:{epoch}:{draws.uniform(0, 0.2):.4f}" for epoch in sorted(draws.sample(range(1, 7), 5))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, PROGRAM, tmp_path, json.dumps(stack), *moments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (moments, done.stderr)
    found = json.loads(done.stdout)
    assert len(found["going_on_after"]) == 5
    assert found["resumed"] == found["undisturbed"], (moments, found["going_on_after"])
