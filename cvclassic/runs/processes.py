"""Trees of processes: what a job has started, the memory that it uses, and an end for all of it.

On Linux a process that outlives its parent goes to the launcher of its run (`adopt_orphans`), so that nothing that a
pipeline starts gets out of the launcher's tree, not even a daemon in a session of its own.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

# Seconds for those that take no SIGTERM: multiprocessing's and joblib's resource trackers remove shared memory when all
# others are gone, and end then.
GRACE = 0.5
PATIENCE = 5.0  # seconds until those that don't even end by SIGKILL, waiting for a device, are left alone
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
CGROUPS = Path("/sys/fs/cgroup")


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """The processes that `process` has started, and those that they have started, and so on."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def session_of(leader: psutil.Process) -> list[psutil.Process]:
    """The others of the session that `leader` began, also where it has ended, but is not yet waited for."""
    return [p for p in psutil.process_iter() if p.pid != leader.pid and _session(p.pid) == leader.pid]


def lives(process: psutil.Process) -> bool:
    """Whether it is there, and no zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end_descendants(process: psutil.Process, known: Iterable[psutil.Process] = ()) -> None:
    """End all that `process` has started, and the `known`: by SIGTERM, after a grace by SIGKILL.

    Where it is this very process, which has adopted orphans, nothing is left, zombies neither.
    """
    bury = _bury if process.pid == os.getpid() else bool
    end, found = time.monotonic() + PATIENCE, {*known, *descendants(process)}
    _send(found, psutil.Process.terminate)
    _await(found, GRACE, bury)
    while time.monotonic() < end and (found := {p for p in {*found, *descendants(process)} if lives(p)}):
        _send(found, psutil.Process.kill)
        _await(found, 0.1, bury)
    bury()


def end_with(parent: int) -> None:
    """Let this process be killed when the thread that started it ends (Linux); end it now where `parent` is gone."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def outlive_parent() -> None:
    """Take `end_with` back."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own (Linux)."""
    if sys.platform == "linux":
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def offer_to_the_kernel() -> None:
    """Where memory runs out, let this process and what it starts be what Linux kills, rather than anyone else's."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def memory_of(processes: Iterable[psutil.Process], enough: int) -> int:
    """Bytes that the processes use together; pages that several share count once.

    Only what can't be dropped counts: not programs, libraries and mapped images, which are read from disk again. An
    upper bound is given where that is below `enough`: it costs 20 µs a process, where true figures take a
    millisecond and more.
    """
    processes = list(processes)
    bound = sum(map(_memory_at_most, processes))
    return bound if bound < enough else sum(map(_memory, processes))


def machine_memory(cgroups: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that this process may use at all: the machine's, or the least of its control groups' limits."""
    return min([psutil.virtual_memory().total, *_group_limits(cgroups, membership)])


def _group_limits(cgroups: Path, membership: Path) -> Iterable[int]:
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):  # version 2, version 1
            name = "memory/{}/memory.limit_in_bytes" if controllers else "{}/memory.max"
            group = Path(path.lstrip("/"))
            for above in (group, *group.parents):  # in a container the topmost is its own
                with contextlib.suppress(OSError, ValueError):
                    yield int((cgroups / name.format(above)).read_text())  # ValueError: "max"


def _memory_at_most(process: psutil.Process) -> int:
    try:
        return _kilobytes(f"/proc/{process.pid}/status", ("RssAnon", "RssShmem", "VmSwap"))
    except OSError:
        return _memory(process) if sys.platform != "linux" else 0  # it is gone


def _memory(process: psutil.Process) -> int:
    try:
        return _kilobytes(f"/proc/{process.pid}/smaps_rollup", ("Pss_Anon", "Pss_Shmem", "SwapPss"))
    except OSError:
        with contextlib.suppress(psutil.Error):
            return process.memory_full_info().uss
        return 0


def _kilobytes(path: str, names: tuple[str, ...]) -> int:
    with open(path) as file:
        lines = (line.split() for line in file)
        return 1024 * sum(int(words[1]) for words in lines if words and words[0].rstrip(":") in names)


def _send(processes: Iterable[psutil.Process], method: Callable[[psutil.Process], object]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            method(process)


def _await(processes: Iterable[psutil.Process], seconds: float, bury: Callable[[], object]) -> None:
    """Return when the processes have ended, or the time is over."""
    end = time.monotonic() + seconds
    while any(map(lives, processes)) and time.monotonic() < end:
        time.sleep(0.005)
        bury()


def _bury() -> None:
    with contextlib.suppress(OSError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (OSError, AttributeError):  # AttributeError: Windows
        return None


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)
