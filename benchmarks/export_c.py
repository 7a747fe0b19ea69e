"""Classical pipelines as C headers: size, memory, time of one picture, and accuracy with float and rounded weights.

    python benchmarks/export_c.py [--data FOLDER] [--rows 500] [--test 2000]

Every built-in classical pipeline that can be exported is fitted on the first `--rows` training images of MNIST and of
CIFAR-10, as many as people who put a model on a microcontroller may have. Headers are compiled by gcc -O2 and -Os, and
run on the first `--test` test images. It prints a Markdown table. Times are the processor time of one picture, the best
of five rounds, on one core; in Python each picture is predicted by itself, as a device would.
"""

import argparse
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from cvclassic.datasets import Dataset, load
from cvclassic.decoding import InputContract
from cvclassic.features import LBP
from cvclassic.model.c import to_c
from cvclassic.model.c.quantization import WEIGHTS
from cvclassic.neural import TrainingStack
from cvclassic.runs.pipelines import find_pipelines
from cvclassic.runs.plan import task_for
from cvclassic.runs.spec import RunSpec
from cvclassic.svm import LinearSVM

PIPELINES = (
    "color_histogram_svm",
    "hog_color_svm",
    "hog_linear_svm",
    "hog_opencv_svm",
    "hog_svm",
    "sobel_opencv_svm",
    "sobel_svm",
)
ROUNDS = 5
PROGRAM = """\
#include <stdio.h>
#include <time.h>
#include "model.h"

static uint8_t pixels[N][model_height * model_width * model_channels];
static int32_t classes[N];

int main(void) {
    double best = 1e9;
    if (fread(pixels, sizeof pixels[0], N, stdin) != N) {
        return 1;
    }
    for (int round = 0; round < ROUNDS; ++round) {
        const clock_t start = clock();
        for (int i = 0; i < N; ++i) {
            classes[i] = model_predict(pixels[i]);
        }
        const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        best = seconds < best ? seconds : best;
    }
    fprintf(stderr, "%.3f", best / N * 1e6);
    return fwrite(classes, sizeof classes[0], N, stdout) != N;
}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with MNIST and CIFAR-10; default: as compare.py")
    parser.add_argument("--dataset", nargs="+", default=["mnist", "cifar10"])
    parser.add_argument("--rows", type=int, default=500, help="training images")
    parser.add_argument("--test", type=int, default=2000, help="test images")
    options = parser.parse_args()
    print("| set, pipeline | header, bytes | flash, bytes | RAM, bytes | C, µs | Python, µs | accuracy |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in options.dataset:
        data = load(name, data_dir=options.data)
        for row in rows_of(data, name, options.rows, options.test):
            print(row, flush=True)


def rows_of(data: Dataset, name: str, n_train: int, n_test: int) -> Iterator[str]:
    """The table's rows for one data set: of float, int16 and int8 weights, and the accuracy in Python first."""
    height, width, *color = data.image_shape
    contract = InputContract(height, width, 3 if color else 1)
    train, test = data.train[:n_train], data.test[:n_test]
    X, y = data.images[test], data.labels[test]
    for title, pipeline in pipelines(data):
        pipeline.fit(data.images[train], data.labels[train])
        python = python_microseconds(pipeline, X)
        cells = {
            "header": [],
            "flash": [],
            "microseconds": [],
            "accuracy": [f"{np.mean(pipeline.predict(X) == y):.2%}"],
        }
        for weights in WEIGHTS:
            header = to_c(pipeline, contract, data.class_names, weights=weights)
            flash, microseconds, classes = compiled_and_run(header, X)
            cells["header"].append(f"{len(header):,}")
            cells["flash"].append(f"{flash:,}")
            cells["microseconds"].append(f"{microseconds:,.0f}")
            cells["accuracy"].append(f"{np.mean(classes == y):.2%}")
        headers, flashes, microseconds, accuracies = map(" / ".join, cells.values())
        ram = re.search(r"RAM: ([\d,]+)", header)[1]
        yield f"| {name}, {title} | {headers} | {flashes} | {ram} | {microseconds} | {python:,.0f} | {accuracies} |"


def pipelines(data: Dataset) -> Iterator[tuple[str, BaseEstimator]]:
    """The built-in classical pipelines by name, not fitted, and LBP, which none of them has alone."""
    task = task_for(data, RunSpec(), stack=TrainingStack(), seed=0, settings=())
    for file in find_pipelines(PIPELINES):
        if file.fits(task):
            yield file.name, file.build(task)
    yield "LBP + LinearSVM", make_pipeline(LBP(), StandardScaler(), LinearSVM())


def python_microseconds(pipeline: BaseEstimator, X: np.ndarray) -> float:
    """Processor time of one picture, predicted by itself."""
    with threadpool_limits(1):
        pipeline.predict(X[:1])
        times = []
        for _ in range(ROUNDS):
            started = time.process_time()
            for i in range(100):
                pipeline.predict(X[i : i + 1])
            times.append((time.process_time() - started) / 100)
    return min(times) * 1e6


def compiled_and_run(header: str, X: np.ndarray) -> tuple[int, float, np.ndarray]:
    """Bytes of code and constants by gcc -Os, microseconds of a picture by gcc -O2, and the classes found, (n,)."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.h").write_text(header, encoding="ascii")
        (Path(folder) / "main.c").write_text(PROGRAM.replace("ROUNDS", str(ROUNDS)), encoding="ascii")
        use = '#include "model.h"\nint use(const uint8_t *p);\nint use(const uint8_t *p) { return model_predict(p); }\n'
        (Path(folder) / "use.c").write_text(use, encoding="ascii")

        def command(*arguments, **options):
            return subprocess.run(arguments, cwd=folder, check=True, capture_output=True, **options)

        command("gcc", "-std=c99", "-Os", "-c", "use.c")
        text, initialized = command("size", "use.o").stdout.decode().splitlines()[1].split()[:2]
        command("gcc", "-std=c99", "-O2", f"-DN={len(X)}", "main.c", "-o", "main", "-lm")
        done = command("./main", input=X.tobytes())
    return int(text) + int(initialized), float(done.stderr), np.frombuffer(done.stdout, np.int32)


if __name__ == "__main__":
    main()
