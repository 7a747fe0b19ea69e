"""A run that is killed in an epoch of a training goes on after its last whole one."""

import csv
import json
import os
import re
import subprocess
import sys

KILLED_PIPELINE = '''
"""Kills itself once, and its run with it, in epoch 7."""
import os, signal
from pathlib import Path
from cvclassic.neural import NeuralClassifier, mlp, prepare_backend
family = "neural"
class KillOnce:
    def __call__(self):
        def kill(batch, logs):
            if self.epoch == 6 and not Path(MARK).exists():
                Path(MARK).touch()
                run = int(Path(RUN_PID).read_text())
                os.kill(run, signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)
        def begin(epoch, logs):
            self.epoch = epoch
        return prepare_backend().callbacks.LambdaCallback(on_epoch_begin=begin, on_train_batch_end=kill)
def build(task):
    return NeuralClassifier(mlp, callbacks=[KillOnce()], stack=task.stack, seed=task.seed, log_dir=task.folder)
'''


def test_a_killed_run_resumes_in_its_epoch(tmp_path):
    mark, pid, run = tmp_path / "mark", tmp_path / "pid", tmp_path / "run"
    pipeline = tmp_path / "killed_once.py"
    pipeline.write_text(KILLED_PIPELINE.replace("MARK", repr(str(mark))).replace("RUN_PID", repr(str(pid))))

    def compare(*arguments):
        command = [sys.executable, "-c", "from cvclassic.cli import compare_app; compare_app()", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(command, env=environment, **pipes)
        pid.write_text(str(process.pid))
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    code, output = compare(
        *(
            "--dataset",
            "digits",
            "--pipeline",
            pipeline,
            "--train-size",
            300,
            "--batch-size",
            4,
            "--epochs",
            9,
            "--out",
            run,
            "--offline",
        )
    )
    assert code == -9, output
    [state] = run.rglob("training.json")
    assert len(json.loads(state.read_text())["history"]) == 6
    code, output = compare("--resume", run)
    assert code == 0, output
    [log], [result] = (run.glob(f"digits/killed_once*/{name}") for name in ("worker.log", "result.json"))
    assert re.findall(r"^epoch (\d)/9", log.read_text(), re.MULTILINE) == ["7", "8", "9"]
    assert len(json.loads(result.read_text())["history"]["val_loss"]) == 9
    assert [int(row["epoch"]) for row in csv_rows(result.parent)] == list(range(9))
    assert not state.parent.exists()


def csv_rows(folder):
    with open(folder / "training.csv", newline="") as file:
        return list(csv.DictReader(file))
