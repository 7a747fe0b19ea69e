"""A reader is given spoiled files, in a process of its own that may neither hang, nor grow, nor write, nor run code."""

import contextlib
import json
import mmap
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

import psutil

from cvclassic.errors import InputError
from tests.fuzz.mutate import Way

SECONDS_EACH = 5.0  # of processor time for one input, or
WAITING = 12  # times as many by the clock, on a machine that is busy with other things; what takes longer hangs
MEMORY = 2 * 2**30  # bytes of address space for the whole process
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # writing to a disk would be most of the time
LONGEST_MESSAGE = 1000
FINE = ("read", "refused")
KINDS = (*FINE, "raw error", "unclear", "crash", "hang", "memory", "wrote", "ran code")
WRITES = (
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("os.utime", "os.mkfifo", "os.mknod", "os.setxattr", "shutil.rmtree", "shutil.move", "tempfile.mkstemp"),
)
PROCESSES = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "socket.connect")


class Target(NamedTuple):
    """A file of a reader's folder that is spoiled, and the ways that suit it. Its content is a valid one."""

    name: str
    content: bytes
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Reader:
    """What reads a folder with one spoiled file in it.

    Attributes
    ----------
    name : str
    targets : function of an empty folder
        Fills it with valid files, and says which of them are spoiled, one at a time.
    read : function of the folder and the name of the spoiled file
        Raises `InputError`, with the file's name, for what it can't read; or reads it.
    writes : folders, relative to the reader's, that it may write into
    """

    name: str
    targets: Callable[[Path], Sequence[Target]]
    read: Callable[[Path, str], object]
    writes: tuple[str, ...] = ()


@dataclass
class Report:
    """What became of the inputs of a reader: how many of each kind, and the first of each sort that is not fine."""

    reader: str
    counts: dict[str, int]
    seconds: float
    peak_mib: int
    findings: list[dict[str, object]] = field(default_factory=list)

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    @property
    def fine(self) -> bool:
        return self.n == sum(self.counts[kind] for kind in FINE)


def spoiled(targets: Sequence[Target], seed: int, number: int) -> tuple[Target, bytes]:
    """Input `number` of a seed: the same in every process."""
    chance = random.Random(f"{seed} {number}")
    target = targets[number % len(targets)]
    way = target.ways[chance.randrange(len(target.ways))]
    return target, way(target.content, chance)


def campaign(
    reader: Reader,
    *,
    n: int,
    seed: int = 0,
    seconds: float = float("inf"),
    seconds_each: float = SECONDS_EACH,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Give `reader` `n` spoiled files, or as many as `seconds` are enough for."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=IN_MEMORY) as place, _Shared() as shared:
        findings = Path(place, "findings.jsonl")
        while shared.next < n and time.monotonic() - started < seconds:
            number = shared.next
            root = Path(place, f"from-{number}")
            (root / "box").mkdir(parents=True)
            child = os.fork()
            if not child:
                _be_reader(reader, root, findings, shared, n, seed, started + seconds)
            kind = _watched(child, shared, seconds_each)
            if kind is None:
                break
            if shared.next == 0 and not shared.begun:
                raise RuntimeError(f"{reader.name}: its process did not get as far as the first input")
            shared.count(kind)
            with open(findings, "a") as file:
                file.write(json.dumps({"kind": kind, "number": shared.next, "why": kind}) + "\n")
            shared.next += 1
        found = [json.loads(line) for line in findings.read_text().splitlines()] if findings.exists() else []
        report = Report(reader.name, shared.counts(), time.monotonic() - started, shared.peak, _first_of_each(found))
    for finding in report.findings:
        tell(f"{reader.name} --seed {seed} --input {finding['number']}: {finding['kind']}: {finding['why']}")
    return report


def _watched(child: int, shared: "_Shared", seconds_each: float) -> str | None:
    """Wait until `child` ends: None where it did all that it had to, else how it failed in its present input."""
    process, last, since, used = psutil.Process(child), -1, 0.0, 0.0
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return None if status == 0 else "crash"
        now, busy = time.monotonic(), sum(process.cpu_times()[:2])
        if shared.next != last or not shared.begun:
            last, since, used = shared.next, now, busy
        elif busy - used > seconds_each or now - since > WAITING * seconds_each:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "hang"
        time.sleep(0.02)


def _be_reader(
    reader: Reader, root: Path, findings: Path, shared: "_Shared", n: int, seed: int, end: float
) -> NoReturn:
    """The child: from the first input that nobody has had to the last."""
    code = 1
    try:
        box = root / "box"
        os.chdir(box)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)  # what libraries say of damaged files
        targets = reader.targets(box)
        guard = _Guard(reader, root)
        log = open(findings, "a", buffering=1)  # noqa: SIM115  it lasts as long as the process
        for target in targets:
            reader.read(box, target.name)  # valid, and what is imported at first use is
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        guard.begin()
        shared.begun = 1
        while shared.next < n and time.monotonic() < end:
            number = shared.next
            target, content = spoiled(targets, seed, number)
            guard.off = True
            (box / target.name).write_bytes(content)
            guard.off = False
            kind, why = guard.outcome_of(lambda: reader.read(box, target.name), Path(target.name).stem)  # noqa: B023
            guard.off = True
            (box / target.name).write_bytes(target.content)
            if kind not in FINE:
                log.write(json.dumps({"kind": kind, "number": number, "why": why[:300]}) + "\n")
            shared.count(kind)
            shared.peak = max(shared.peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
            shared.next = number + 1
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    finally:
        os._exit(code)


class _Guard:
    """Sees what is read, written and run by way of Python's audit events, and what lies in the folders afterwards."""

    def __init__(self, reader: Reader, root: Path):
        self.root, self.allowed = root, tuple(str(root / "box" / name) for name in reader.writes)
        self.off, self.seen, self.known = True, [], set()
        self._listing: list[tuple[str, int]] = []
        sys.addaudithook(self._hear)
        self.off = False

    def begin(self) -> None:
        """What was run so far, by valid files, is fine."""
        self.known, self.seen = {why for _, why in self.seen}, []
        self._listing = self._listed()

    def outcome_of(self, read: Callable[[], object], name: str) -> tuple[str, str]:
        self.seen = []
        try:
            read()
            kind, why = "read", ""
        except InputError as error:
            kind, why = _judged(str(error), name)
        except MemoryError as error:
            kind, why = "memory", f"MemoryError: {error} {_place(error)}"
        except BaseException as error:
            kind, why = "raw error", f"{type(error).__name__}: {str(error)[:120]} {_place(error)}"
        before, self._listing = self._listing, self._listed()
        if self.seen:
            return self.seen[0]
        if self._listing != before:
            return "wrote", f"{sorted(set(self._listing) ^ set(before))[:3]}"
        return kind, why

    def _hear(self, event: str, arguments: tuple) -> None:
        if self.off:
            return
        found = None
        if event == "open" and _for_writing(arguments) and not str(arguments[0]).startswith(self.allowed or "\0"):
            found = ("wrote", f"open {arguments[0]!r}")
        elif event in WRITES and not str(arguments[0]).startswith(self.allowed or "\0"):
            found = ("wrote", f"{event} {arguments[0]!r}")
        elif event == "exec" and not _is_installed(arguments[0]):
            found = ("ran code", f"exec {arguments[0]!r}")
        elif event in PROCESSES or event == "pickle.find_class":
            found = ("ran code", f"{event} {arguments!r}"[:200])
        if found and found[1] not in self.known:
            self.seen.append(found)

    def _listed(self) -> list[tuple[str, int]]:
        """Names and sizes of all that lies in and beside the reader's folder; the spoiled file's size is its own."""
        found = []
        for folder, folders, files in os.walk(self.root):
            if str(folder).startswith(self.allowed or "\0"):
                continue
            found += [(os.path.join(folder, name), 0) for name in (*folders, *files)]
        return sorted(found)


def _judged(message: str, name: str) -> tuple[str, str]:
    """A refusal names the file, and is no longer than a reader bears."""
    if name not in message:
        return "unclear", f"a message without the file's name: {message[:150]}"
    if len(message) > LONGEST_MESSAGE:
        return "unclear", f"a message of {len(message):,} characters: {message[:150]}"
    return "refused", ""


def _for_writing(arguments: tuple) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _is_installed(code: object) -> bool:
    """Whether a code object is that of a module that is imported at its first use."""
    name = getattr(code, "co_filename", "")
    return name.startswith("<frozen") or (name.endswith(".py") and os.path.isabs(name))


def _place(error: BaseException) -> str:
    where = error.__traceback__
    while where.tb_next:
        where = where.tb_next
    return f"({Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno})"


def _first_of_each(findings: list[dict[str, object]]) -> list[dict[str, object]]:
    """The first finding of each sort; a sort is its kind, and its words without numbers and names."""
    sorts = {}
    for finding in findings:
        words = "".join(character for character in str(finding["why"]) if character.isalpha() or character == ":")
        sorts.setdefault((finding["kind"], words[:60]), finding)
    return list(sorts.values())


class _Shared:
    """Counts that outlive the child: how many of each kind, the next input, the peak memory in MiB."""

    def __init__(self):
        self._memory = mmap.mmap(-1, 8 * (len(KINDS) + 3))
        self._numbers = memoryview(self._memory).cast("q")

    def __enter__(self) -> "_Shared":
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(BufferError):
            self._numbers.release()
            self._memory.close()

    def count(self, kind: str) -> None:
        self._numbers[3 + KINDS.index(kind)] += 1

    def counts(self) -> dict[str, int]:
        return {kind: self._numbers[3 + place] for place, kind in enumerate(KINDS)}

    next = property(lambda self: self._numbers[0], lambda self, value: self._numbers.__setitem__(0, value))
    peak = property(lambda self: self._numbers[1], lambda self, value: self._numbers.__setitem__(1, value))
    begun = property(lambda self: self._numbers[2], lambda self, value: self._numbers.__setitem__(2, value))
