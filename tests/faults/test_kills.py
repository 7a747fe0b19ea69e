"""The command killed twenty times at random moments and resumed: its figures are those of an undisturbed run."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHOSEN = [
    *("digits", "--train-size", "600", "--threads", "1", "--pipeline", "hog_svm,hog_opencv_svm,hog_color_svm,mlp,cnn"),
    *("--epochs", "8", "--repeats", "2"),
]
MEASURED = ("fit_seconds", "predict_images_per_second", "peak_memory_mb", "fit_energy_joules", "answer_seconds")
EACH = 5  # kills of one run


def start(*arguments):
    command = [sys.executable, str(ROOT / "compare.py"), *map(str, arguments)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, **quiet)


def results(folder):
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("digits/*/result.json"))]
    return [{name: value for name, value in each.items() if name not in MEASURED} for each in found]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    begun = time.monotonic()
    assert start(*CHOSEN, "--out", folder).wait() == 0
    return results(folder), time.monotonic() - begun


def killed_and_resumed(folder, moments):
    """Kill the run at each of the moments, functions that wait for one; then let it come to its end."""
    for moment in moments:
        run = begin_or_resume(folder)
        moment(run)
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert begin_or_resume(folder).wait() == 0
    return results(folder)


def begin_or_resume(folder):
    if (folder / "run.json").is_file():
        return start("--resume", folder)
    shutil.rmtree(folder, ignore_errors=True)  # killed before there was a run
    return start(*CHOSEN, "--out", folder)


@pytest.mark.parametrize("seed", range(3))
def test_kills_at_random_moments_change_no_figure(tmp_path, undisturbed, seed):
    expected, seconds = undisturbed
    draws = random.Random(seed)
    moments = [partial(wait_for_end, seconds=draws.uniform(0.5, seconds)) for _ in range(EACH)]
    assert killed_and_resumed(tmp_path / "run", moments) == expected


def wait_for_end(run, seconds):
    end = time.monotonic() + seconds
    while run.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def test_kills_in_mid_training_change_no_figure(tmp_path, undisturbed):
    expected, _ = undisturbed
    folder, draws, seen = tmp_path / "run", random.Random(7), []

    def in_training(run):
        """Some moments after a network has written a backup that no earlier kill has seen."""
        backups = "digits/*/backup/training.json"
        while run.poll() is None:
            written = {(path, path.stat().st_mtime_ns) for path in folder.glob(backups) if path.exists()}
            if written - set(seen):
                seen.extend(written)
                wait_for_end(run, draws.uniform(0, 0.3))
                assert run.poll() is None
                return
            time.sleep(0.01)
        raise AssertionError("the run ended before it could be killed in a training")

    assert killed_and_resumed(folder, [in_training] * EACH) == expected
    assert len({path for path, _ in seen}) >= 1
