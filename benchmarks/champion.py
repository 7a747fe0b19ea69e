"""What each part of `champion_svm` adds: CIFAR-10 with its parts added one after another.

    python benchmarks/champion.py --data FOLDER [--rows 20000]

Every variant is fitted on the first `--rows` images of the training part and judged on the validation split and up to
10,000 further images of the training part; the test split stays untouched.
"""

import argparse
import time

import numpy as np

from cvclassic.datasets import load
from cvclassic.neural import TrainingStack
from cvclassic.runs.pipelines import find_pipelines
from cvclassic.runs.plan import task_for
from cvclassic.runs.spec import RunSpec

CHECKED = 10_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with CIFAR-10; default: as compare.py")
    parser.add_argument("--rows", type=int, default=20_000, help="training images")
    options = parser.parse_args()
    data = load("cifar10", data_dir=options.data)
    learned, further = np.split(data.train, [options.rows])
    checked = np.concatenate([data.validation, further[:CHECKED]])
    print(f"{len(learned)} images to learn from, {len(checked)} to check; mirror images where it says so")
    print(f"{'features':48} {'mirror':12} {'values':>7} {'accuracy':>9} {'fit s':>7}")
    for names, mirror in _variants(_champion(data)):
        model = _without_others(_champion(data), names, mirror)
        started = time.perf_counter()
        model.fit(data.images[learned], data.labels[learned])
        seconds = time.perf_counter() - started
        right = np.mean(model.predict(data.images[checked]) == data.labels[checked])
        values = model.estimator_.named_steps["pca"].n_features_in_
        print(f"{' + '.join(names):48} {mirror:12} {values:7} {right:9.2%} {seconds:7.1f}", flush=True)


def _champion(data):
    [file] = find_pipelines(["champion_svm"])
    return file.build(task_for(data, RunSpec(), stack=TrainingStack(), seed=0, settings=()))


def _variants(champion):
    names = [name for name, _ in champion.estimator.named_steps["featureunion"].transformer_list]
    small, large, patches, color, lbp = names
    ladder = [(small,), (small, large), (small, large, color), (small, large, color, lbp), (patches,), tuple(names)]
    return [*((step, "no") for step in ladder), (tuple(names), "prediction"), (tuple(names), "both")]


def _without_others(champion, names, mirror):
    union = champion.estimator.named_steps["featureunion"]
    union.set_params(**{name: "drop" for name, _ in union.transformer_list if name not in names})
    return champion.set_params(training=mirror == "both", prediction=mirror != "no")


if __name__ == "__main__":
    main()
