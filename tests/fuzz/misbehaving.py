"""Readers that do what none may, with files that hold an X; others they read.

`python -m tests.fuzz.misbehaving` prints what the harness says of each.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from cvclassic.errors import InputError
from tests.fuzz.campaign import Reader, Target, campaign


def _target(folder: Path) -> list[Target]:
    (folder / "file.txt").write_bytes(b"fine")
    return [Target("file.txt", b"fine", (lambda content, random: random.choice((b"fine", b"X")),))]


def _doing(what) -> object:
    def read(folder: Path, name: str) -> None:
        if b"X" in (folder / name).read_bytes():
            what(folder)

    return read


def _refuses(folder: Path) -> None:
    raise InputError("file.txt is damaged; make a new one.")


def _rambles(folder: Path) -> None:
    raise InputError("It is damaged.")


def _raises(folder: Path) -> None:
    raise KeyError("x")


def _dies(folder: Path) -> None:
    os.abort()


def _hangs(folder: Path) -> None:
    while True:
        pass


def _grows(folder: Path) -> None:
    bytearray(3 * 2**30)


def _writes(folder: Path) -> None:
    (folder.parent / "outside.txt").write_text("x")


def _evaluates(folder: Path) -> None:
    eval("1 + 1")


def _starts(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", ""])


WAYS = {
    "refused": _refuses,
    "unclear": _rambles,
    "raw error": _raises,
    "crash": _dies,
    "hang": _hangs,
    "memory": _grows,
    "wrote": _writes,
    "ran code": _evaluates,
    "ran code, too": _starts,
}

if __name__ == "__main__":
    for expected, what in WAYS.items():
        report = campaign(Reader(expected, _target, _doing(what)), n=6, seed=0, seconds_each=0.2)
        print(json.dumps([expected, {kind: n for kind, n in report.counts.items() if n}]), flush=True)
