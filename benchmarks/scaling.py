"""HOG and a linear SVM on Dask arrays: what growth costs, measured, and worked out for clusters of other sizes.

    python benchmarks/scaling.py --measure [--out FILE]      # 100,000 to 2,000,000 images, two workers of 2 GiB
    python benchmarks/scaling.py --images 1e10 --workers 500 [--measured FILE]

`--measure` makes images of 32 x 32 pixels, RGB, by chunk (3 KiB each, ten classes, seeded), and fits on each number of
them twice: by Dask on a cluster of two processes, and by `features.stream` and `LinearSVM.fit_stream` in one process on
both cores. Each fit has processes of its own, so that their peaks of memory are its own; kernels are loaded, and the
cluster is up, before its clock starts. The sheet (`--images`) multiplies what was measured, and prints what it assumes.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from cvclassic.features import HOG, stream
from cvclassic.runs.measure import peak_memory_bytes
from cvclassic.svm import LinearSVM

SIZES = [100_000, 200_000, 500_000, 1_000_000, 2_000_000]
CHUNK = 50_000  # images
CLASSES, SIDE = 10, 32
WORKERS, LIMIT = 2, 2 << 30
FEATURES = 324  # of HOG for such images

# By --measure on 2 cores of an "Intel(R) Xeon(R) Processor" at 2.6 GHz, quiet, 2026-12-01.
MEASURED = {
    "chunk": 50_000,
    "images": 2_000_000,
    "features": 14.97,
    "fit": 72.63,
    "passes": 11,
    "peak": 778_096_640,
    "seconds_per_task": 0.00131,
}
NETWORK = 1.25e9  # bytes a second that a worker gets and gives: 10 Gbit


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--measure", action="store_true", help="measure here; about 40 minutes on 2 cores")
    options.add_argument("--sizes", type=float, nargs="+", default=SIZES, help="numbers of images to measure")
    options.add_argument("--chunk", type=int, default=CHUNK, help="images of a chunk")
    options.add_argument("--out", type=Path, help="JSON file for what is measured")
    options.add_argument("--images", type=float, help="print the sheet for so many images")
    options.add_argument("--workers", type=int, default=WORKERS, help="of the sheet; one thread each")
    options.add_argument("--measured", type=Path, help="JSON file of --measure; default: the figures in this file")
    options.add_argument("--one", choices=["dask", "plain", "tasks"], help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.one:
        print(json.dumps(ONE[asked.one](int(asked.sizes[0]), asked.chunk)))
    elif asked.measure:
        measure([int(n) for n in asked.sizes], asked.chunk, asked.out)
    elif asked.images:
        found = json.loads(asked.measured.read_text()) if asked.measured else MEASURED
        print("\n".join(sheet(int(asked.images), asked.workers, found)))
    else:
        options.error("say --measure, or --images and --workers")


def measure(sizes: list[int], chunk: int, out: Path | None) -> None:
    """All sizes, one after another; a line each."""
    print(
        f"{'images':>10} {'passes':>6} {'Dask s':>8} {'µs/image':>8} {'a pass':>8} {'plain s':>8} {'ratio':>6} "
        f"{'difference':>10}  peak MiB"
    )
    rows = []
    for n in sizes:
        dask, plain = _apart("dask", n, chunk), _apart("plain", n, chunk)
        coefficients = [np.array(found.pop("coefficients")) for found in (dask, plain)]
        difference = np.linalg.norm(coefficients[0] - coefficients[1]) / np.linalg.norm(coefficients[1])
        rows.append({"images": n, "dask": dask, "plain": plain, "difference": difference})
        seconds = [found["seconds"] for found in (dask, plain)]
        peaks = ", ".join(f"{name} {bytes_ >> 20}" for name, bytes_ in dask["peaks"].items())
        print(
            f"{n:10,} {dask['passes']:6} {seconds[0]:8.1f} {seconds[0] / n * 1e6:8.1f} "
            f"{(dask['seconds'] - dask['features']) / dask['passes'] / n * 1e6:8.1f} {seconds[1]:8.1f} "
            f"{seconds[0] / seconds[1]:6.3f} {difference:10.1e}  {peaks}, plain {plain['peak'] >> 20}",
            flush=True,
        )
    last = rows[-1]["dask"]
    found = {
        "chunk": chunk,
        "images": sizes[-1],
        "features": last["features"],
        "fit": last["seconds"] - last["features"],
        "passes": last["passes"],
        "peak": max(peak for row in rows for name, peak in row["dask"]["peaks"].items() if name != "client"),
        "seconds_per_task": _apart("tasks", 4000, 1)["seconds"],
        "rows": rows,
    }
    print(f"Scheduling: {found['seconds_per_task'] * 1e3:.2f} ms a task.")
    if out:
        out.write_text(json.dumps(found, indent=1))


def _apart(kind: str, n: int, chunk: int) -> dict:
    command = [sys.executable, __file__, "--one", kind, "--sizes", str(n), "--chunk", str(chunk)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{kind}, {n:,} images, failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def by_dask(n: int, chunk: int) -> dict:
    """Two workers, and this process as their scheduler and client."""
    from distributed import Client, LocalCluster

    from cvclassic.lazy import reduce_chunks

    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            memory_limit=LIMIT,
            dashboard_address=":0",
            local_directory=folder,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(_warm_up)
        X, y = lazy_data(n, chunk)
        start = time.perf_counter()
        reduce_chunks(len, sum, [HOG().transform(X)])  # by itself, for the sheet
        made = time.perf_counter()
        model = LinearSVM().fit(HOG().transform(X), y)
        fitted = time.perf_counter()
        peaks = client.run(peak_memory_bytes).values()
        return {
            "seconds": fitted - made,
            "features": made - start,
            "passes": model.n_iter_ + 1,
            "peaks": {f"worker {k}": peak for k, peak in enumerate(peaks)} | {"client": peak_memory_bytes()},
            "coefficients": np.column_stack([model.coef_, model.intercept_]).tolist(),
        }


def plain(n: int, chunk: int) -> dict:
    """The same without Dask: features in a file, and passes over it."""
    _warm_up()
    starts = range(0, n, chunk)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        images = (images_of(k, min(chunk, n - k * chunk)) for k in range(len(starts)))
        features = stream(HOG(), images, Path(folder) / "features.npy")
        made = time.perf_counter()
        y = np.concatenate([labels_of(k, min(chunk, n - k * chunk)) for k in range(len(starts))])
        model = LinearSVM().fit_stream(lambda: ((features[s : s + chunk], y[s : s + chunk]) for s in starts))
        fitted = time.perf_counter()
    return {
        "seconds": fitted - start,
        "features": made - start,
        "passes": model.n_iter_ + 1,
        "peak": peak_memory_bytes(),
        "coefficients": np.column_stack([model.coef_, model.intercept_]).tolist(),
    }


def tasks(n: int, chunk: int) -> dict:
    """Seconds that a task costs which does nothing: graph, scheduler, worker, answer."""
    import dask.array as da
    from distributed import Client, LocalCluster

    from cvclassic.lazy import reduce_chunks

    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        X = da.zeros((n, 1), chunks=(chunk, 1)).persist()
        reduce_chunks(len, sum, [X])
        start = time.perf_counter()
        counted = reduce_chunks(len, sum, [X])
        assert counted == n
        return {"seconds": (time.perf_counter() - start) / (n * 4 / 3)}  # with the sums of four


def sheet(n: int, workers: int, measured: dict) -> list[str]:
    """Lines that say what n images would take on so many workers of one thread."""
    chunk, passes, per_task = measured["chunk"], measured["passes"], measured["seconds_per_task"]
    core = {part: measured[part] * WORKERS / measured["images"] for part in ("features", "fit")}
    chunks = math.ceil(n / chunk)
    turns = math.ceil(chunks / workers)  # chunks that a worker has, one after another
    sums = 8 * CLASSES * ((FEATURES + 1) ** 2 + FEATURES + 1)  # bytes
    depth = math.ceil(math.log(max(chunks, 2), 4))
    work = {"features": turns * chunk * core["features"], "pass": turns * chunk * core["fit"] / passes}
    scheduling = {"features": chunks * per_task, "pass": chunks * per_task * 4 / 3}
    tree = depth * 4 * sums / NETWORK
    one_pass = max(work["pass"], scheduling["pass"]) + tree
    making = max(work["features"], scheduling["features"])
    per_worker = min(n, turns * chunk) * FEATURES * 4
    traffic = chunks * sums * (workers - 1) / workers
    return [
        f"{n:,} images of 32 x 32 pixels, RGB; HOG ({FEATURES} features) and LinearSVM ({CLASSES} classes)",
        f"on {workers:,} workers of 1 thread and {_size(LIMIT)}; chunks of {chunk:,} images, {chunks:,} in all",
        "",
        f"time       {_time(making + passes * one_pass)}: features once {_time(making)}, "
        f"{passes} passes of {_time(one_pass)}",
        f"           in a pass: work on the chunks {_time(work['pass'])}, beside it scheduling "
        f"{_time(scheduling['pass'])}, last sums {_time(tree)}",
        f"work       {_time(workers * (making + passes * one_pass))} of one core",
        f"images     {_size(n * SIDE * SIDE * 3)}, read once",
        f"features   {_size(n * FEATURES * 4)}, {_size(per_worker)} in files of a worker, read once in each pass",
        f"           computed anew in each pass instead: {_time((passes - 1) * making)} more, and no disk",
        f"memory     {_size(measured['peak'])} a worker at its peak",
        f"traffic    {_size(traffic)} of sums in a pass, {_size(traffic / workers)} a worker, "
        f"{_time(traffic / workers / NETWORK)} at {_size(NETWORK)}/s; weights "
        f"{_size(workers * 16 * CLASSES * FEATURES)}",
        *(["Scheduling takes longer than the work: make chunks larger."] if scheduling["pass"] > work["pass"] else []),
        "",
        "Assumed: workers as fast as those that were measured, each with a core of its own; images come as fast as the",
        f"benchmark makes them, in the {core['features'] * 1e6:.0f} µs of a core that features take; as many passes "
        "as measured;",
        f"each pass takes {core['fit'] / passes * 1e6:.1f} µs of a core for an image, and {per_task * 1e3:.2f} ms of "
        "the scheduler for a task; sums of",
        f"{_size(sums)} for each chunk, most of which travel to another worker; files of features are read as fast as",
        "in the measurement, where the system had memory for them; no worker is lost.",
    ]


def _time(seconds: float) -> str:
    for unit, length in (("days", 172_800), ("h", 7200), ("min", 120)):
        if seconds >= length:
            return f"{seconds / {'days': 86_400, 'h': 3600, 'min': 60}[unit]:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms"


def _size(n: float) -> str:
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n >= bytes_:
            return f"{n / bytes_:.1f} {unit}"
    return f"{n / 1e3:.0f} kB"


ONE = {"dask": by_dask, "plain": plain, "tasks": tasks}


def lazy_data(n: int, chunk: int):
    """Images (n, 32, 32, 3), uint8, and labels (n,) as Dask arrays."""
    import dask.array as da

    rows = tuple(min(chunk, n - start) for start in range(0, n, chunk))
    make = partial(da.map_blocks, chunk=chunk, n=n)
    images = make(
        _block, of=images_of, chunks=(rows, (SIDE,), (SIDE,), (3,)), dtype=np.uint8, meta=np.empty((0,) * 4, np.uint8)
    )
    return images, make(_block, of=labels_of, chunks=(rows,), dtype=np.int64, meta=np.empty(0, np.int64))


def _block(of, chunk, n, block_id):
    return of(block_id[0], min(chunk, n - block_id[0] * chunk))


def labels_of(number: int, rows: int) -> np.ndarray:
    """Labels of a chunk."""
    return np.random.default_rng([number, 0]).integers(0, CLASSES, rows)


def images_of(number: int, rows: int) -> np.ndarray:
    """Images of a chunk: noise, and under it the pattern of the class, smooth waves."""
    patterns = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = [
        sum(np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in patterns.uniform(-3, 3, (3, 3)))
        for _ in range(CLASSES)
    ]
    shades = np.array([(20 * wave + 64).astype(np.uint8) for wave in waves])
    noise = np.random.default_rng([number, 1]).integers(0, 256, (rows, SIDE, SIDE, 3), np.uint8)
    noise >>= 1
    noise += shades[labels_of(number, rows)][..., np.newaxis]
    return noise


def _warm_up() -> None:
    """Load libraries and kernels."""
    LinearSVM().fit(HOG().transform(images_of(0, 200)), labels_of(0, 200))


if __name__ == "__main__":
    main()
