"""Time each extractor against the peers that do the same job: same images, same process, parity checked first.

    python benchmarks/features.py                 # the table, as Markdown
    python benchmarks/features.py --json out.json # the figures as JSON as well
    python benchmarks/features.py --quick         # 32 x 32 images alone

Peers are called image by image, as one has to; on several threads each of these calls them on its part of the images.
All works take turns in rounds. Times on one thread are those of the core, which other programs on the machine disturb
less; on several, those that pass. They are medians over the rounds, in microseconds per image, and ratios (the peer to
ours) medians of the rounds' ratios. A peer that can't be had here is named below the table: dlib and VLFeat need a C++
compiler and their headers (see peers.cpp), mahotas `pip install cvclassic[bench]`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numba
import numpy as np
import skimage
from feature_peers import Case, cases
from threadpoolctl import threadpool_limits

from cvclassic.features import HOG, stream
from cvclassic.runs.measure import peak_memory_bytes

SIZES = (32, 64, 256)
COUNTS = (1_000, 10_000, 100_000, 1_000_000)
SECONDS = 0.6  # at least so long for each figure
ROUNDS = 7
PIXELS = 2_000_000  # in all, for both alike: what lies in a cache is read faster


def make_images(n: int, size: int, color: bool) -> np.ndarray:
    """Blurred noise: edges of all directions and strengths, all gray levels."""
    rng = np.random.default_rng(size)
    noise = rng.integers(0, 256, (min(n, 2000), size, size, 3 if color else 1), dtype=np.uint8)
    smooth = [cv2.GaussianBlur(image, (0, 0), 1.0) for image in noise]
    images = np.stack([cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX) for image in smooth])
    return np.tile(images, (-(-n // len(images)),) + (1,) * (images.ndim - 1))[:n]


def check_parity(case: Case, images: np.ndarray) -> None:
    """Raise unless both give the same features for a few images."""
    if case.tolerance is None:
        return
    run, prepared = case.peer(images[:16])
    expected = np.stack([np.ravel(np.asarray(features, dtype=float)) for features in run(prepared)])
    found = case.extractor.transform(images[:16]).reshape(expected.shape).astype(float)
    differ = np.abs(found - expected) > case.tolerance
    if differ.mean() > case.moved:
        raise SystemExit(f"{case.name} and {case.peer_name} differ in {differ.mean():.2%} of the features.")


def times(works: dict[str, tuple[Callable[[], object], int, int]]) -> dict[str, np.ndarray]:
    """Times of each work, in microseconds per image, one a round; a work is a function, its images, its threads.

    In each round the works take turns, so that a slow moment of the machine hits all of them.
    """
    found, end = {name: [] for name in works}, time.perf_counter() + SECONDS * len(works)
    while len(found[next(iter(works))]) < ROUNDS + 1 or time.perf_counter() < end:
        for name, (work, n, threads) in works.items():
            numba.config.NUMBA_NUM_THREADS = threads
            cv2.setNumThreads(threads)
            with threadpool_limits(threads):
                clock = time.process_time if threads == 1 else time.perf_counter
                start = clock()
                work()
                found[name].append((clock() - start) / n * 1e6)
    return {name: np.array(each[1:]) for name, each in found.items()}  # the first round warms up


def measure(case: Case, size: int, threads: int) -> dict:
    """Time an extractor and its peer on one thread and on all."""
    n = max(16, PIXELS // size**2)
    images = make_images(n, size, case.color)
    case.extractor.fit(images)
    ours = partial(case.extractor.transform, images)
    works = {"ours, 1": (ours, n, 1), "ours, all": (ours, n, threads)}
    if case.peer is not None:
        check_parity(case, images)
        run, prepared = case.peer(images)
        parts = np.array_split(prepared, threads)
        pool = ThreadPoolExecutor(threads)
        works["peer, 1"] = (lambda: list(run(prepared)), n, 1)
        works["peer, all"] = (lambda: list(pool.map(lambda part: list(run(part)), parts)), n, threads)
    found = times(works)
    row = {"extractor": case.name, "size": size, "peer": case.peer_name, "parity": case.tolerance is not None}
    row |= {name: float(np.median(each)) for name, each in found.items()}
    row["scaling"] = float(np.median(found["ours, 1"] / found["ours, all"]))
    if case.peer is not None:
        row |= {f"ratio, {k}": float(np.median(found[f"peer, {k}"] / found[f"ours, {k}"])) for k in ("1", "all")}
    return row


def table(sizes: tuple[int, ...], only: tuple[str, ...], threads: int) -> list[dict]:
    """Measure what begins with one of `only`, and print the table as it grows."""
    print(
        f"| extractor | side | µs, 1 thread | {threads} threads | scaling | peer | µs, 1 thread | {threads} threads "
        f"| ratio, 1 thread | {threads} threads |\n| --- {'| ---: ' * 4}| --- {'| ---: ' * 4}|"
    )
    rows, missing = [], {}
    for case in cases(missing):
        for size in sizes if case.name.startswith(only) else ():
            rows.append(measure(case, size, threads))
            print(line(rows[-1]), flush=True)
    for name, reason in missing.items():
        print(f"\nWithout {name}: {reason}.")
    print()
    return rows


def line(row: dict) -> str:
    """A row of the table."""
    cells = [row["extractor"], str(row["size"]), f"{row['ours, 1']:,.1f}", f"{row['ours, all']:,.1f}"]
    cells += [f"{row['scaling']:.1f}", row["peer"] + ("" if row["parity"] else " (other numbers)")]
    if "peer, 1" in row:
        cells += [f"{row['peer, 1']:,.1f}", f"{row['peer, all']:,.1f}"]
        cells += [f"{row['ratio, 1']:.1f}", f"{row['ratio, all']:.1f}"]
    else:
        cells[-1:] = ["", "", "", "", ""]
    return f"| {' | '.join(cells)} |"


def measure_count(n: int, threads: int) -> dict:
    """Time HOG on `n` images of 32 x 32, by repetition of the same 10,000."""
    images = make_images(min(n, 10_000), 32, color=False)

    def work():
        for _ in range(n // len(images)):
            HOG().transform(images)

    return {"n_images": n, "us": float(times({"us": (work, n, threads)})["us"].min())}


def measure_stream(n: int) -> dict:
    """HOG of `n` images from a memory-mapped file into another, beside the same work in memory; print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        row = streamed_in_turns(n, folder)
    memory, through = np.median(row["memory_us"]), np.median(row["stream_us"])
    print(
        f"HOG opencv, {n:,} images streamed: {through:.2f} us per image, {memory:.2f} in memory "
        f"({100 * (through / memory - 1):+.0f} %), peak memory {row['peak_mb']:.0f} MB"
    )
    return row


def streamed_in_turns(n: int, folder: str) -> dict:
    """Times of both, in rounds."""
    path = Path(folder) / "images.npy"
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(n, 32, 32))
    repeated = make_images(10_000, 32, color=False)
    for start in range(0, n, len(repeated)):
        images[start : start + len(repeated)] = repeated[: n - start]
    images.flush()
    part = np.array(images[: n // 5])
    del images
    row = {"n_images": n, "memory_us": [], "stream_us": [], "peak_mb": 0}
    HOG().transform(part[:16])
    for _ in range(5):
        start = time.perf_counter()
        HOG().transform(part)
        row["memory_us"].append((time.perf_counter() - start) / len(part) * 1e6)
        os.sync()  # so that no earlier writing goes on meanwhile
        # In a process of its own, whose peak memory is that of streaming.
        done = subprocess.run([sys.executable, __file__, "--stream-child", folder], capture_output=True, text=True)
        seconds, peak = map(float, done.stdout.split())
        row["stream_us"].append(seconds / n * 1e6)
        row["peak_mb"] = max(row["peak_mb"], peak)
    return row


def stream_once(folder: str) -> None:
    """Print the seconds that streaming takes, and the peak memory of this process in MB."""
    images = np.load(Path(folder) / "images.npy", mmap_mode="r")
    HOG().transform(images[:16])
    start = time.perf_counter()
    path = Path(folder) / "features.npy"
    stream(HOG(), images, path)
    seconds = time.perf_counter() - start
    path.unlink()
    print(seconds, peak_memory_bytes() / 1e6)


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """Print the tables, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--quick", action="store_true", help="32 x 32 images alone")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NAME", help="extractors whose names begin like this"
    )
    parser.add_argument("--stream", type=int, metavar="N", help="stream HOG of N images through files as well")
    parser.add_argument("--stream-child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stream_child:
        stream_once(options.stream_child)
        return
    threads = numba.config.NUMBA_NUM_THREADS
    versions = {"opencv": cv2.__version__, "scikit-image": skimage.__version__, "numba": numba.__version__}
    print(f"{processor()}, {threads} threads, {versions}, {time.strftime('%Y-%m-%d')}\n")
    rows = table((32,) if options.quick else SIZES, tuple(options.only), threads)
    counts = [measure_count(n, threads) for n in (COUNTS[:2] if options.quick else COUNTS)]
    for row in counts:
        print(f"HOG opencv, {row['n_images']:>9,} images of 32 x 32: {row['us']:.2f} us per image", flush=True)
    streamed = measure_stream(options.stream) if options.stream else None
    if options.json:
        with open(options.json, "w") as file:
            content = {"versions": versions, "threads": threads, "sizes": rows, "counts": counts, "stream": streamed}
            json.dump(content, file, indent=1)


if __name__ == "__main__":
    main()
