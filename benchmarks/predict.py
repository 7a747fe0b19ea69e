"""What predicting costs: a whole process for one file, one picture in a process that has the model, 10,000 files.

    python benchmarks/predict.py [--files 10000]

In front of each pipeline's figures stands what they are set beside: the process against one that imports OpenCV, NumPy
and scikit-learn's SVMs (the best of seven of each, taken in turn), and the processor time of many files against the
time by the clock (2.0 is two busy cores). Pictures are JPEG files of 160 x 120 pixels, of the embedded digits.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import cv2
import numpy as np

import cvclassic
from cvclassic.datasets import load
from cvclassic.model.predicting import answers

IMPORTS = "import numpy, cv2, sklearn.base, sklearn.pipeline, sklearn.preprocessing, sklearn.svm"
PIPELINES = ("hog_svm", "hog_color_svm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    n = parser.parse_args().files
    digits = load("digits")
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, f"{k}.jpg") for k in range(n)]
        for k, path in enumerate(files):
            image = cv2.resize(digits.images[k % len(digits.images)], (160, 120), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(path, np.dstack([image, 255 - image, image]))
        print("| pipeline | process / imports | one file, ms | files a second | processor / clock |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name in PIPELINES:
            colored = np.stack([np.dstack([image] * 3) for image in digits.images])
            model = cvclassic.train((colored, digits.labels), name, folds=1)
            path = model.save(Path(folder, f"{name}.cvc"))
            cells = (f"{_whole(path, files[0]):.2f}", f"{1000 * _one(model, files):.1f}", *_many(model, files))
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _whole(path: Path, file: str) -> float:
    own, imports = [], []
    for _ in range(7):
        imports.append(_seconds([sys.executable, "-c", IMPORTS]))
        own.append(_seconds([sys.executable, "-m", "cvclassic", "predict", str(path), file]))
    return min(own) / min(imports)


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def _one(model: cvclassic.Model, files: list[str]) -> float:
    model.predict(files[0])
    found = []
    for file in files[1:100]:
        started = time.perf_counter()
        model.predict(file)
        found.append(time.perf_counter() - started)
    return median(found)


def _many(model: cvclassic.Model, files: list[str]) -> tuple[str, str]:
    clock, processor = time.perf_counter(), time.process_time()
    said = sum(each.name is not None for each in answers(model, files))
    seconds = time.perf_counter() - clock
    return f"{said / seconds:,.0f}", f"{(time.process_time() - processor) / seconds:.2f}"


if __name__ == "__main__":
    main()
