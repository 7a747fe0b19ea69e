"""Built-in pipelines as ONNX files: size, time of one picture by three runtimes, and whether all say the same.

    python benchmarks/export_onnx.py [--data FOLDER] [--rows 500] [--test 2000] [--pipelines NAME ...]

Each pipeline is fitted on the first `--rows` training images of MNIST and of CIFAR-10, exported, and run on the first
`--test` test images. It prints a Markdown table. Times are the processor time of one picture, predicted by itself on
one thread, the best of five rounds. The last columns compare the pipeline's own predictions with onnxruntime's: how
many labels differ, and by how much a score at most, as a share of the largest. `pretrained_svm` needs a backbone
(data/README.md), and is left out without one.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import onnxruntime
from threadpoolctl import threadpool_limits

from cvclassic.augmentation import predict_with_scores
from cvclassic.datasets import Dataset, load
from cvclassic.decoding import InputContract
from cvclassic.errors import InputError
from cvclassic.model import Model
from cvclassic.model.files import model_bytes
from cvclassic.model.onnx import to_onnx
from cvclassic.neural import TrainingStack
from cvclassic.runs.pipelines import find_pipelines
from cvclassic.runs.plan import task_for
from cvclassic.runs.spec import RunSpec

PIPELINES = (
    "most_frequent", "color_histogram_svm", "sobel_svm", "sobel_opencv_svm", "hog_linear_svm", "hog_svm",
    "hog_opencv_svm", "hog_color_svm", "patches_svm", "champion_svm", "pretrained_svm",
)  # fmt: skip
ROUNDS, PICTURES = 5, 40
HEAD = (
    "set, pipeline | .cvc, bytes | ONNX, bytes | Python, µs | onnxruntime, µs | cv2.dnn, µs | accuracy | "
    "other labels | other scores"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with MNIST and CIFAR-10; default: as compare.py")
    parser.add_argument("--rows", type=int, default=500, help="training images")
    parser.add_argument("--test", type=int, default=2000, help="test images")
    parser.add_argument("--pipelines", nargs="+", default=PIPELINES, metavar="NAME")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"| {HEAD} |\n|{' --- |' * (HEAD.count('|') + 1)}")
    for name in ("mnist", "cifar10"):
        data = load(name, data_dir=options.data)
        for row in rows_of(data, name, options):
            print(row, flush=True)


def rows_of(data: Dataset, name: str, options: argparse.Namespace) -> Iterator[str]:
    """The table's rows for one data set."""
    height, width, *color = data.image_shape
    contract = InputContract(height, width, 3 if color else 1)
    train, test = data.train[: options.rows], data.test[: options.test]
    X, y = data.images[test], data.labels[test]
    task = task_for(data, RunSpec(), stack=TrainingStack(), seed=0, settings=())
    for file in find_pipelines(options.pipelines):
        try:
            if not file.fits(task):
                continue
        except InputError:  # no backbone
            continue
        pipeline = file.build(task).fit(data.images[train], data.labels[train])
        content = to_onnx(pipeline, contract, data.class_names)
        saved = model_bytes(Model(pipeline, data.class_names, contract))
        session = session_of(content)
        with threadpool_limits(1):
            own = predict_with_scores(pipeline, X)
            python = microseconds(pipeline.predict, X)
        label, scores = session.run(None, {"images": X})
        by_onnxruntime = microseconds(lambda images, session=session: session.run(None, {"images": images}), X)
        difference = np.abs(scores - own.scores).max() / np.abs(own.scores).max()
        yield (
            f"| {name}, {file.name} | {len(saved):,} | {len(content):,} | {python:,.0f} | {by_onnxruntime:,.0f} | "
            f"{opencv_microseconds(content, X)} | {np.mean(label == y):.2%} | {np.sum(label != own.labels)} | "
            f"{difference:.0e} |"
        )


def session_of(content: bytes) -> onnxruntime.InferenceSession:
    """The graph on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def opencv_microseconds(content: bytes, X: np.ndarray) -> str:
    """The time by `cv2.dnn`, or a dash where it can't run the graph."""

    def predict(images):
        network.setInput(images)
        network.forward(["label", "scores"])

    try:
        network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        return f"{microseconds(predict, X):,.0f}"
    except cv2.error:
        return "–"


def microseconds(predict: Callable[[np.ndarray], object], X: np.ndarray) -> float:
    """Processor time of one picture, predicted by itself."""
    predict(X[:1])
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for i in range(PICTURES):
            predict(X[i : i + 1])
        times.append((time.process_time() - started) / PICTURES)
    return min(times) * 1e6


if __name__ == "__main__":
    main()
