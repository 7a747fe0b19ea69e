"""Trees of processes: found, weighed and ended."""

import contextlib
import subprocess
import sys

import psutil
import pytest

from cvclassic.runs.processes import descendants, end_descendants, lives, machine_memory, memory_of, session_of
from tests.waiting import until

MIB = 2**20
HOLDS = """import mmap, os, time
held = b'x' * ({0} << 20)
shared = mmap.mmap(-1, {1} << 20)
ready, done = os.pipe()
leader = os.getpid()
for _ in range({2}):
    if os.getpid() == leader:
        os.fork()
for page in range(0, {1} << 20, 4096):
    shared[page] = 1
os.write(done, b'.')
if os.getpid() == leader:
    for _ in range(1 + {2}):
        os.read(ready, 1)
    print('ready', flush=True)
time.sleep(60)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what is shared")


@pytest.fixture
def start():
    started = []

    def begin(code):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
        started.append(psutil.Process(process.pid))
        assert process.stdout.readline() == b"ready\n"
        return started[-1]

    yield begin
    for process in started:
        end_descendants(process, session_of(process))
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        process.wait()


@linux
def test_memory_counts_shared_pages_once(start):
    process = start(HOLDS.format(200, 100, 3))
    together = [process, *descendants(process)]
    assert len(together) == 4
    assert 300 * MIB < memory_of(together, enough=0) < 400 * MIB  # each of them sees 300, but for a few pages
    bound = memory_of(together, enough=10_000 * MIB)
    assert bound > 4 * 300 * MIB  # what is not enough to matter isn't looked at closely
    assert 300 * MIB < memory_of(together, enough=bound) < 400 * MIB


def test_memory_of_one_process_is_what_it_holds(start):
    less, more = start(HOLDS.format(10, 1, 0)), start(HOLDS.format(210, 1, 0))
    difference = memory_of([more], enough=0) - memory_of([less], enough=0)
    assert difference == pytest.approx(200 * MIB, rel=0.05)


def test_memory_of_a_process_that_is_gone_is_nothing(start):
    process = start("print('ready')")
    process.wait()
    assert memory_of([process], enough=0) == memory_of([process], enough=1) == 0


@linux
def test_children_of_a_process_that_is_gone_are_found_by_their_session_and_ended(start):
    process = start(
        "import os, time\nleader = os.getpid()\nfor _ in range(3):\n    os.fork()\n"
        "if os.getpid() == leader:\n    print('ready', flush=True)\ntime.sleep(60)"
    )
    until(lambda: len(session_of(process)) == 7, seconds=30)
    process.kill()
    others = session_of(process)
    assert len(others) == 7
    end_descendants(process, others)
    assert not any(map(lives, others))


def test_who_takes_no_sigterm_is_killed(start):
    stubborn = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
    process = start(
        f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {stubborn!r}])\n"
        "time.sleep(0.5)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    [child] = descendants(process)
    end_descendants(process)
    assert not lives(child)
    assert lives(process)


def test_who_cleans_up_after_others_has_the_time_for_it(start, tmp_path):
    tracker = (
        "import signal, sys, pathlib\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"sys.stdin.read()\npathlib.Path({str(tmp_path / 'cleaned')!r}).touch()"
    )
    user = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {tracker!r}], stdin=subprocess.PIPE)"
    process = start(
        f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {user + '; time.sleep(60)'!r}])\n"
        "time.sleep(1)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    assert len(descendants(process)) == 2
    end_descendants(process)
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize(
    ("membership", "file", "content", "limit"),
    [
        ("0::/", "memory.max", "1048576\n", 1048576),
        ("0::/a/b", "a/memory.max", "2097152\n", 2097152),
        ("0::/a/b", "memory.max", "max\n", None),
        ("4:memory:/docker/abc\n0::/", "memory/memory.limit_in_bytes", "3145728\n", 3145728),
        ("4:cpu,cpuacct:/x", "memory.max", "4096\n", None),
        ("4:memory:/", "memory/memory.limit_in_bytes", str(2**63 - 4096), None),
    ],
)
def test_the_memory_of_a_container_is_its_limit(tmp_path, membership, file, content, limit):
    (tmp_path / "groups" / file).parent.mkdir(parents=True)
    (tmp_path / "groups" / file).write_text(content)
    (tmp_path / "membership").write_text(membership)
    total = psutil.virtual_memory().total
    assert machine_memory(tmp_path / "groups", tmp_path / "membership") == (limit or total)
    assert machine_memory(tmp_path / "groups", tmp_path / "none") == total
    assert 0 < machine_memory() <= total
