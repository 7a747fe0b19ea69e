"""Spoiled files for every reader, and what becomes of them.

    python -m tests.fuzz [--reader NAME ...] [--n 10000] [--seconds 300] [--seed 0] [--input NUMBER --out FILE]

Prints a table; ends with code 1 where one input ended in anything but a whole reading or an error of ours. `--input`
writes that one input of a reader and seed into a file, and reads nothing.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

# Each library thread takes address space, which is limited.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import cv2

from tests.fuzz.campaign import KINDS, Report, campaign, spoiled
from tests.fuzz.readers import READERS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--reader", nargs="+", choices=list(READERS), default=list(READERS), metavar="NAME")
    parser.add_argument("--n", type=int, default=10_000, help="inputs for each reader, at most")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--input", type=int, help="write this input into --out")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    if asked.input is not None:
        return _write_input(asked.reader[0], asked.seed, asked.input, asked.out or Path("spoiled"))
    each = asked.seconds / len(asked.reader)
    print(f"| reader | inputs | a second | {' | '.join(KINDS)} | peak MiB |")
    print("| --- " * (4 + len(KINDS)) + "|")
    reports = []
    for name in asked.reader:
        reports.append(campaign(READERS[name], n=asked.n, seed=asked.seed, seconds=each, tell=_tell))
        _print(reports[-1])
    return 0 if all(report.fine for report in reports) else 1


def _print(report: Report) -> None:
    counts = " | ".join(f"{count:,}" for count in report.counts.values())
    rate = report.n / report.seconds
    print(f"| {report.reader} | {report.n:,} | {rate:,.0f} | {counts} | {report.peak_mib:,} |", flush=True)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write_input(reader: str, seed: int, number: int, out: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        target, content = spoiled(READERS[reader].targets(Path(folder)), seed, number)
    out.write_bytes(content)
    print(f"{target.name}: {len(content):,} bytes in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
