"""Time each extractor against the peers that do the same job: same images, same process, parity checked first.

    python benchmarks/features.py                 # tables
    python benchmarks/features.py --json out.json # the figures as JSON as well
    python benchmarks/features.py --quick         # 32 x 32 images alone

Peers are called image by image, as one has to. Times are the best of several rounds, in microseconds per image;
`scaling` (one thread to all) and `ratio` (the peer to ours, one thread) are the medians of the rounds' ratios.
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
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numba
import numpy as np
import skimage
from skimage.feature import hog, local_binary_pattern
from skimage.filters import gabor
from threadpoolctl import threadpool_limits

from cvclassic.features import (
    HOG,
    LBP,
    ColorGrid,
    ColorHistogram,
    Deskew,
    GaborBank,
    PatchDictionary,
    SobelHistogram,
    stream,
)
from cvclassic.runs.measure import peak_memory_bytes

SIZES = (28, 32, 64, 128, 256)
COUNTS = (1_000, 10_000, 100_000, 1_000_000)
SECONDS = 0.7  # at least so long for each figure


@dataclass
class Case:
    """An extractor, and a peer's function from one image to the same features."""

    name: str
    extractor: object
    peer_name: str
    peer: Callable | None
    color: bool = False
    tolerance: float = 1e-4
    moved: float = 0.0  # share of the features that may differ: see the extractor's tests for why


def cases() -> list[Case]:
    """Every extractor with each of its peers."""
    found = [
        Case("HOG skimage", HOG(convention="skimage"), "skimage.feature.hog", skimage_hog, tolerance=1e-5),
        Case("HOG felzenszwalb", HOG(convention="felzenszwalb"), "", None),
        Case("ColorHistogram rgb", ColorHistogram(color_space="rgb"), "cv2.calcHist", rgb_histogram, color=True),
        Case("ColorHistogram hsv", ColorHistogram(), "cv2.cvtColor, calcHist", hsv_histogram, color=True),
        Case("ColorGrid", ColorGrid(), "cv2.cvtColor, meanStdDev", color_grid, color=True, tolerance=1e-3),
        Case("SobelHistogram", SobelHistogram(), "the tutorial on cv2", sobel, tolerance=0.5, moved=0.01),
        Case("Deskew", Deskew(), "the tutorial on cv2", deskew, tolerance=4),
        Case("LBP", LBP(grid=1), "skimage", lbp),
        Case("GaborBank", GaborBank(frequencies=(0.4,), orientations=2, grid=1), "skimage", gabor_energy),
        Case("PatchDictionary", PatchDictionary(n_atoms=200, n_patches=5000, n_iter=2, random_state=0), "", None, True),
    ]
    if hasattr(cv2, "HOGDescriptor"):
        found.insert(0, Case("HOG opencv", HOG(), "cv2.HOGDescriptor", opencv_hog))
        found.insert(1, Case("HOG opencv, RGB", HOG(), "cv2.HOGDescriptor", opencv_hog, color=True))
    return found


def opencv_hog(images):
    height, width = (side // 8 * 8 for side in images.shape[1:3])
    descriptor = cv2.HOGDescriptor((width, height), (16, 16), (8, 8), (8, 8), 9, 1, -1.0, 0, 0.2, False, 64, False)
    if images.ndim == 4:
        images = np.ascontiguousarray(images[..., ::-1])
    whole = (height, width) == images.shape[1:3]
    compute = descriptor.compute if whole else partial(descriptor.compute, locations=[(0, 0)])
    return partial(map, compute), images


def skimage_hog(images):
    return partial(map, partial(hog, pixels_per_cell=(8, 8), cells_per_block=(2, 2))), images


def rgb_histogram(images):
    def histogram(image):
        return cv2.calcHist([image], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel() / image[..., 0].size

    return partial(map, histogram), images


def hsv_histogram(images):
    def histogram(image):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        return cv2.calcHist([hsv], [0, 1, 2], None, [8] * 3, [0, 180, 0, 256, 0, 256]).ravel() / hsv[..., 0].size

    return partial(map, histogram), images


def color_grid(images):
    edges = [np.arange(5) * side // 4 for side in images.shape[1:3]]

    def grid(image):
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        cells = [lab[a:b, c:d] for a, b in zip(edges[0], edges[0][1:]) for c, d in zip(edges[1], edges[1][1:])]  # noqa: B905
        return np.concatenate([np.concatenate(cv2.meanStdDev(cell)) for cell in cells]).ravel()

    return partial(map, grid), images


def sobel(images):
    half, middle = images.shape[1] // 2, images.shape[2] // 2
    parts = [np.s_[:half, :middle], np.s_[half:, :middle], np.s_[:half, middle:], np.s_[half:, middle:]]

    def histogram(image):
        dx, dy = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
        magnitude, angle = cv2.cartToPolar(dx, dy)
        bins = np.int32(16 * angle / (2 * np.pi))
        return np.concatenate([np.bincount(bins[p].ravel(), magnitude[p].ravel(), 16) for p in parts])

    return partial(map, histogram), images


def deskew(images):
    def straight(image):
        moments = cv2.moments(image)
        skew = moments["mu11"] / moments["mu02"]
        matrix = np.float32([[1, skew, -0.5 * image.shape[0] * skew], [0, 1, 0]])
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        return cv2.warpAffine(image, matrix, image.shape[::-1], flags=flags)

    return partial(map, straight), images


def lbp(images):
    def histogram(image):
        patterns = local_binary_pattern(image, 8, 1, "uniform").astype(int)
        return np.bincount(patterns.ravel(), minlength=10) / image.size

    return partial(map, histogram), images


def gabor_energy(images):
    def energies(image):
        pairs = [gabor(image, 0.4, theta) for theta in (0, np.pi / 2)]
        return [(real**2 + imaginary**2).mean() for real, imaginary in pairs]

    return partial(map, energies), images / np.float32(255)


def make_images(n: int, size: int, color: bool) -> np.ndarray:
    """Blurred noise: edges of all directions and strengths, all gray levels."""
    rng = np.random.default_rng(size)
    noise = rng.integers(0, 256, (n, size, size, 3 if color else 1), dtype=np.uint8)
    smooth = [cv2.GaussianBlur(image, (0, 0), 1.0) for image in noise]
    return np.stack([cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX) for image in smooth])


def check_parity(case: Case, images: np.ndarray) -> None:
    """Raise unless both give the same features for a few images."""
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
    while len(found[next(iter(works))]) < 6 or time.perf_counter() < end:
        for name, (work, n, threads) in works.items():
            numba.config.NUMBA_NUM_THREADS = threads
            cv2.setNumThreads(threads)
            with threadpool_limits(threads):
                start = time.perf_counter()
                work()
                found[name].append((time.perf_counter() - start) / n * 1e6)
    return {name: np.array(each[1:]) for name, each in found.items()}  # the first round warms up


def measure(case: Case, size: int, threads: int) -> dict:
    """Time an extractor on one thread and on all, and its peer on one."""
    n = max(16, 20_000_000 // size**2)
    images = make_images(n, size, case.color)
    case.extractor.fit(images)
    ours = partial(case.extractor.transform, images)
    works = {"one_thread_us": (ours, n, 1), "all_threads_us": (ours, n, threads)}
    if case.peer is not None:
        check_parity(case, images)
        few = images[: max(16, n // 100)]
        run, prepared = case.peer(few)
        works["peer_us"] = (lambda: list(run(prepared)), len(few), 1)
    found = times(works)
    row = {"extractor": case.name, "size": size} | {name: float(each.min()) for name, each in found.items()}
    row["scaling"] = float(np.median(found["one_thread_us"] / found["all_threads_us"]))
    if case.peer is not None:
        row |= {"peer": case.peer_name, "ratio": float(np.median(found["peer_us"] / found["one_thread_us"]))}
    return row


def measure_count(n: int, threads: int) -> dict:
    """Time HOG on `n` images of 32 x 32, by repetition of the same 10,000."""
    images = make_images(min(n, 10_000), 32, color=False)

    def work():
        for _ in range(n // len(images)):
            HOG().transform(images)

    return {"n_images": n, "us": float(times({"us": (work, n, threads)})["us"].min())}


def measure_stream(n: int, folder: str) -> dict:
    """HOG of `n` images from a memory-mapped file into another, beside the same work in memory, in turns."""
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
    print(f"{platform.processor() or platform.machine()}, {threads} threads, {versions}")
    print(
        f"{'extractor':<20}{'size':>5}{'1 thread':>11}{f'{threads} threads':>12}{'scaling':>9}"
        f"{'peer':>11}{'ratio':>8}  peer"
    )
    rows = []
    chosen = [case for case in cases() if case.name.startswith(tuple(options.only))]
    for case in chosen:
        for size in (32,) if options.quick else SIZES:
            row = measure(case, size, threads)
            rows.append(row)
            peer = f"{row['peer_us']:11.1f}{row['ratio']:8.1f}  {row['peer']}" if "peer" in row else ""
            times = f"{row['one_thread_us']:11.2f}{row['all_threads_us']:12.2f}{row['scaling']:9.2f}"
            print(f"{row['extractor']:<20}{size:>5}{times}{peer}", flush=True)
    counts = [measure_count(n, threads) for n in (COUNTS[:2] if options.quick else COUNTS)]
    for row in counts:
        print(f"HOG opencv, {row['n_images']:>9,} images of 32 x 32: {row['us']:.2f} us per image", flush=True)
    streamed = None
    if options.stream:
        with tempfile.TemporaryDirectory() as folder:
            streamed = measure_stream(options.stream, folder)
        memory, through = np.median(streamed["memory_us"]), np.median(streamed["stream_us"])
        print(
            f"HOG opencv, {options.stream:,} images streamed: {through:.2f} us per image, {memory:.2f} in memory "
            f"({100 * (through / memory - 1):+.0f} %), peak memory {streamed['peak_mb']:.0f} MB"
        )
    if options.json:
        with open(options.json, "w") as file:
            content = {"versions": versions, "threads": threads, "sizes": rows, "counts": counts, "stream": streamed}
            json.dump(content, file, indent=1)


if __name__ == "__main__":
    main()
