"""The best classical pipeline and the best network, each with the same minutes: the tables of docs/champions.md.

    python benchmarks/duel.py --out FOLDER [--datasets cifar10 mnist] [--minutes 1 5 15 30] [--sizes 1000 5000 all]

Each is a run of compare.py in a folder of its own below FOLDER, which is gone on with where it was cut off: the
classical pipelines once, `cnn_fast` once for each budget. A classical pipeline has a cell of the table if its slowest
fit kept to the minutes, or that of a part of the images did; of several the validation images choose, and the test
images only say how good it is.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np

from cvclassic.runs.job import Outcome
from cvclassic.runs.reading import read_run
from cvclassic.study.differences import difference
from cvclassic.study.verdicts import Kind, verdicts

CLASSICAL = {"cifar10": ("patch_kernel", "hog_color_svm"), "mnist": ("patch_kernel", "hog_svm")}
NETWORK = "cnn_fast"
# A classical pipeline that takes longer than the minutes may learn from fewer images instead.
PARTS = ("15000",)
WORDS = {
    Kind.BETTER_BY_MARGIN: "{} better by a point or more",
    Kind.BETTER: "{} better",
    Kind.EQUIVALENT: "equivalent within a point",
    Kind.UNDECIDED: "undecided",
}


@dataclass(frozen=True)
class Side:
    """A pipeline that learned from so many images, with all of its seeds."""

    outcomes: tuple[Outcome, ...]

    @property
    def name(self) -> str:
        return self.outcomes[0].result.pipeline

    @property
    def n_train(self) -> int:
        return self.outcomes[0].result.n_train

    @property
    def predicted(self) -> np.ndarray:
        return np.stack([each.predictions.y_pred for each in self.outcomes])

    @property
    def slowest(self) -> float:
        return max(each.result.fit_seconds for each in self.outcomes)

    def mean(self, name: str) -> float:
        return mean(getattr(each.result, name) for each in self.outcomes)

    def median(self, name: str) -> float | None:
        values = [getattr(each.result, name) for each in self.outcomes]
        return None if None in values else median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", default=["cifar10", "mnist"], choices=list(CLASSICAL))
    parser.add_argument("--minutes", nargs="+", type=float, default=[1, 5, 15, 30])
    parser.add_argument("--sizes", nargs="+", default=["1000", "5000", "all"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for dataset in options.datasets:
        sizes = [*options.sizes, *(PARTS if "all" in options.sizes else ())]
        common = [dataset, "--train-sizes", ",".join(sizes), "--repeats", str(options.seeds)]
        classical = _sides(options.out / f"{dataset}-classical", [*common, "--pipeline", ",".join(CLASSICAL[dataset])])
        common[2] = ",".join(options.sizes)
        networks = {}
        for minutes in options.minutes:
            folder = options.out / f"{dataset}-{minutes:g}min"
            networks[minutes] = _sides(folder, [*common, "--pipeline", NETWORK, "--time-budget", str(60 * minutes)])
        print(f"\n{dataset}\n")
        print("\n".join(_table(classical, networks)), flush=True)


def _sides(folder: Path, arguments: list[str]) -> list[Side]:
    """Run what is not there yet, and read it."""
    begun = (folder / "run.json").exists()
    how = ["--resume", str(folder)] if begun else [*arguments, "--out", str(folder)]
    subprocess.run([sys.executable, "compare.py", *how], check=True)
    by_part: dict[tuple[str, int], list[Outcome]] = {}
    for outcome in read_run(folder).outcomes:
        if not outcome.result.ok:
            sys.exit(f"{outcome.result.pipeline} of {folder}: {outcome.result.status}")
        by_part.setdefault((outcome.result.pipeline, outcome.result.n_train), []).append(outcome)
    return [Side(tuple(each)) for (name, _), each in by_part.items() if name != "most_frequent"]


def _table(classical: list[Side], networks: dict[float, list[Side]]) -> Iterator[str]:
    columns = ("images", "minutes", "classical", "accuracy", "fit s", "images/s", "1 image ms", "")
    columns += (NETWORK, "fit s", "images/s", "1 image ms", "", "difference", "verdict")
    yield "| " + " | ".join(columns) + " |"
    yield "| ---: | ---: | --- |" + " ---: |" * (len(columns) - 4) + " --- |"
    for n_train in sorted({side.n_train for sides in networks.values() for side in sides}):
        for minutes, sides in networks.items():
            network = next(side for side in sides if side.n_train == n_train)
            fitting = [s for s in classical if s.n_train <= n_train and s.slowest <= 60 * minutes]
            best = max(fitting, key=lambda side: side.mean("validation_accuracy"))
            label = best.name if best.n_train == n_train else f"{best.name}, of {best.n_train:,}"
            cells = [
                f"{n_train:,}",
                f"{minutes:g}",
                label,
                *_figures(best),
                *_figures(network),
                *_verdict(best, network),
            ]
            yield "| " + " | ".join(cells) + " |"


def _figures(side: Side) -> Iterator[str]:
    yield f"{side.mean('test_accuracy'):.2%}"
    yield f"{side.median('fit_seconds'):.0f}"
    yield f"{side.median('predict_images_per_second'):,.0f}"
    yield f"{1000 * side.median('answer_seconds'):.1f}"
    joules = side.median("fit_energy_joules")
    yield "" if joules is None else f"{joules / 3600:.1f} Wh"


def _verdict(first: Side, second: Side) -> tuple[str, str]:
    found = difference(first.predicted, second.predicted, first.outcomes[0].predictions.y_true)
    [verdict] = verdicts([found])
    low, high = verdict.interval
    ahead = {"first": "classical", "second": NETWORK, None: ""}[verdict.ahead]
    told = f"{100 * found.estimate:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
    return told, WORDS[verdict.kind].format(ahead)


if __name__ == "__main__":
    main()
