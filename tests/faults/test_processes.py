"""Whatever a job does, it costs one row; however a run ends, no process is left. The full counts: `make faults`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.waiting import lives, until

HERE = Path(__file__).parent
MISBEHAVES = HERE / "misbehaves.py"
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the processes of Linux"),
    pytest.mark.usefixtures("heeds_hangup"),
]


def start(folder: Path, settings=(), pipeline=MISBEHAVES, **how):
    fields = {"pipelines": [str(pipeline)], "threads": 1, **{k: how.pop(k) for k in list(how) if k in FIELDS}}
    command = [sys.executable, HERE / "one_run.py", folder, json.dumps(fields | {"settings": dict(settings)})]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


FIELDS = ("timeout", "memory_limit", "sweep")


def said(folder: Path, word: str) -> bool:
    return any(word in log.read_text(errors="replace") for log in folder.rglob("worker.log"))


def processes_of(run: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(run.pid).children(recursive=True)


def left_after(processes, seconds: float) -> list[psutil.Process]:
    end = time.monotonic() + seconds
    while (left := [p for p in processes if lives(p)]) and time.monotonic() < end:
        time.sleep(0.02)
    return left


@pytest.mark.parametrize("way", ["lock", "busy", "regex", "power", "children", "hangs", "stops"])
@pytest.mark.parametrize("name", SIGNALS)
def test_nothing_is_left_however_the_run_ends(tmp_path, name, way):
    run = start(tmp_path / "run", {"way": way})
    until(lambda: said(tmp_path / "run", "started" if way == "children" else "began"))
    time.sleep(0.3)
    processes = processes_of(run)
    assert len(processes) == (6 if way == "children" else 2)
    run.send_signal(getattr(signal, name))
    code = run.wait(timeout=3)
    assert code == (-signal.SIGKILL if name == "SIGKILL" else 130)
    assert left_after(processes, 3.0) == []
    assert run.stderr.read() == ""


@pytest.mark.parametrize("wait", [0.05, 0.3, 0.6, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_nothing_is_left_of_a_run_that_ends_while_it_begins(tmp_path, name, wait):
    run = start(tmp_path / "run", {"way": "lock"})
    until(lambda: processes_of(run))
    time.sleep(wait)
    processes = processes_of(run)
    run.send_signal(getattr(signal, name))
    run.wait(timeout=3)
    assert left_after(processes, 3.0) == []


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.1, 0.3])
def test_pressing_ctrl_c_again_leaves_nothing(tmp_path, pause):
    run = start(tmp_path / "run", {"way": "children"})
    until(lambda: said(tmp_path / "run", "started"))
    processes = processes_of(run)
    for _ in range(3):
        run.send_signal(signal.SIGINT)
        time.sleep(pause)
    run.wait(timeout=5)
    assert left_after(processes, 3.0) == []


def test_a_closed_terminal_ends_a_run(tmp_path):
    import fcntl
    import termios

    ours, theirs = os.openpty()

    def take_the_terminal():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    run = start(tmp_path / "run", {"way": "busy"}, stdin=theirs, preexec_fn=take_the_terminal)
    os.close(theirs)
    until(lambda: said(tmp_path / "run", "began"))
    processes = processes_of(run)
    os.close(ours)
    assert run.wait(timeout=3) == 130
    assert left_after(processes, 3.0) == []


def test_a_run_under_nohup_goes_on_after_sighup(tmp_path):
    run = start(
        tmp_path / "run", {"way": "hangs"}, timeout=6, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    until(lambda: said(tmp_path / "run", "began"))
    run.send_signal(signal.SIGHUP)
    assert run.communicate(timeout=60)[0] == "failed: over the time limit of 6 s (--timeout)\n"
    assert run.returncode == 0


def test_a_worker_ends_where_run_and_launcher_are_killed_at_once(tmp_path):
    run = start(tmp_path / "run", {"way": "lock"})
    until(lambda: said(tmp_path / "run", "began"))
    processes = processes_of(run)
    run.send_signal(signal.SIGSTOP)  # so that it doesn't end what the launcher leaves
    processes[0].kill()
    run.kill()
    run.wait()
    assert left_after(processes, 3.0) == []


def test_a_launcher_ends_with_its_run_also_where_another_keeps_its_input_open():
    command = [sys.executable, "-P", "-m", "cvclassic.runs.worker"]
    run = (
        f"import os, subprocess, time\nwith subprocess.Popen([*{command!r}, str(os.getpid())]) as launcher:\n"
        "    print('pid', launcher.pid, flush=True)\n"
    )
    reading, kept = os.pipe()
    with subprocess.Popen([sys.executable, "-c", run], stdin=reading, stdout=subprocess.PIPE, text=True) as process:
        launcher = psutil.Process(int(process.stdout.readline().split()[1]))
        assert process.stdout.readline() == "launcher: ready\n"
        process.kill()
    assert left_after([launcher], 3.0) == []
    os.close(kept)


@pytest.mark.parametrize("victim", ["launcher", "worker"])
def test_a_process_that_is_killed_from_outside_takes_its_children_along(tmp_path, victim):
    run = start(tmp_path / "run", {"way": "children"})
    until(lambda: said(tmp_path / "run", "started"))
    processes = processes_of(run)
    time.sleep(1.5)  # the run has looked at its processes
    [launcher] = psutil.Process(run.pid).children()
    [worker] = [p for p in launcher.children() if len(p.children()) > 1]
    (launcher if victim == "launcher" else worker).kill()
    out, _ = run.communicate(timeout=60)
    assert out == "failed: killed by SIGKILL (out of memory?)\n"
    assert left_after(processes, 1.0) == []


def test_each_way_to_fail_is_one_failed_row(tmp_path):
    ways = {
        "exits": "failed: SystemExit: enough",
        "exits at once": "failed: the worker ended with exit code 7: began",
        "exits well": "failed: the worker ended with exit code 0: began",
        "hangs": "failed: over the time limit of 12 s (--timeout)",
        "lock": "failed: over the time limit of 12 s (--timeout)",
        "stops": "failed: over the time limit of 12 s (--timeout)",
        "children": "failed: over the time limit of 12 s (--timeout)",
        "eats": "failed: over the memory limit of 0.8 GiB (--memory-limit); it used ",
        "child eats": "failed: over the memory limit of 0.8 GiB (--memory-limit); it used ",
        "leaves children": "ok",
        "behaves": "ok",
    }
    run = start(tmp_path / "run", sweep={"way": list(ways)}, timeout=12, memory_limit=0.8)
    seen = set()
    while run.poll() is None:
        seen.update(processes_of(run))
        time.sleep(0.05)
    out, err = run.communicate()
    assert len(out.splitlines()) == len(ways)
    for line, expected in zip(out.splitlines(), ways.values(), strict=True):
        assert line.startswith(expected) if expected.endswith(" ") else line == expected
    assert err == ""
    assert len(seen) > 20
    assert left_after(seen, 0.5) == []


@pytest.mark.parametrize("ends", ["timeout", "signal"])
def test_shared_memory_goes_with_those_who_shared_it(tmp_path, ends):
    run = start(tmp_path / "run", {"way": "shares"}, timeout=3 if ends == "timeout" else 60)
    until(lambda: said(tmp_path / "run", "shares"))
    [log] = tmp_path.rglob("worker.log")
    name = log.read_text().split("shares ")[1].split()[0]
    assert (Path("/dev/shm") / name).exists()
    if ends == "signal":
        run.kill()
    run.wait(timeout=10)
    until(lambda: not (Path("/dev/shm") / name).exists(), seconds=3)


def test_a_full_disk_is_a_failed_row(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("a small file system can't be mounted here")
    try:
        run = start(place / "run", {"way": "fills"})
        out, err = run.communicate(timeout=60)
    finally:
        subprocess.run(["umount", place], check=True)
    assert out.startswith("failed: the worker ended with exit code 1: ")
    assert err == ""


@pytest.mark.parametrize(("call", "code"), [("sys.exit(3)", 3), ("os._exit(5)", 5), ("raise ValueError('no')", 1)])
@pytest.mark.parametrize("place", ["import", "build"])
def test_leaving_at_import_and_in_build_is_a_failed_row(tmp_path, place, call, code):
    in_worker = f"if sys.argv[0].endswith('worker.py'):\n    {call}\n" if place == "import" else ""
    text = f"import os, sys\nfamily = 'classical'\n{in_worker}def build(task):\n    {call}\n"
    (tmp_path / "leaves.py").write_text(text)
    run = start(tmp_path / "run", pipeline=tmp_path / "leaves.py")
    out, err = run.communicate(timeout=60)
    reason = {3: "SystemExit: 3", 5: "the worker ended with exit code 5: no output", 1: "ValueError: no"}[code]
    assert out.startswith("failed: ")
    assert out.rstrip().endswith(reason)
    assert len(out.splitlines()) == 1
    assert err == ""
