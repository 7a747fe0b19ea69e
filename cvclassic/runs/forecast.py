"""How long a run will take: from measured rates at first, and from its own jobs as soon as there are some."""

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from cvclassic.runs.corruptions import CORRUPTIONS, STRENGTHS
from cvclassic.runs.fit import CORRUPTED_SAMPLE, TRAIN_SAMPLE
from cvclassic.runs.job import TRAINED_BY_KERAS, Job, Outcome
from cvclassic.runs.local import Listener
from cvclassic.runs.plan import RunData

COPIES = {"mirror": 2, "shift": 3, "affine": 3}  # rows for each image, where no network's layers change it
PREDICTION = 1 / 4  # what an image takes to predict, beside what it takes to learn from


class Rate(NamedTuple):
    """Seconds of a job: in any case, for each image of 32 x 32 (of a network, in each epoch), and for each pair.

    Pairs of training images are what an SVM with a kernel computes.
    """

    start: float
    image: float
    pair: float = 0.0


# Jobs on CIFAR-10 with 900 to 47,500 training images, on 2 cores of an AMD EPYC, 2026-11-24; the last four on two of an
# Intel Xeon. Rough: what is near is a factor of two, and the run corrects them as it goes on.
RATES = {
    "color_histogram_svm": Rate(0.5, 3e-5, 3.5e-8),
    "hog_color_svm": Rate(0.6, 1.5e-4, 2.5e-8),
    "hog_linear_svm": Rate(0.4, 4e-5),
    "hog_opencv_svm": Rate(0.5, 5e-5, 4e-8),
    "hog_svm": Rate(0.4, 3e-5, 2.8e-8),
    "sobel_svm": Rate(0.4, 3e-5, 2.8e-8),
    "hog_linear_head": Rate(1.5, 2e-5),
    "mlp": Rate(1.5, 1.1e-4),
    "cnn": Rate(2.0, 3.3e-4),
    "hybrid": Rate(4.0, 5e-4),
    "cnn_fast": Rate(4.0, 3.3e-4),
    "resnet_small": Rate(4.0, 1.7e-3),
    "champion_svm": Rate(5.0, 8e-4, 2.7e-8),
    "patches_svm": Rate(10.0, 3.8e-3),
    "patch_kernel": Rate(2.0, 3.2e-3, 4e-8),
    "most_frequent": Rate(0.3, 0.0),
}


class Forecast:
    """What jobs of a run will take, in seconds of wall time, better the more of them have ended.

    Parameters
    ----------
    data : RunData
    workers : int
        How many of them run at the same time.
    """

    def __init__(self, data: RunData, workers: int = 1):
        self._data, self.workers = data, workers
        self._ended: dict[str, list[tuple[float, float]]] = {}  # by pipeline: what a job was to take, and what it took
        self._efforts: dict[Job, float] = {}  # asked for many times a second, while what is measured runs

    def hearing(self, listen: Listener) -> Listener:
        """`listen`, with what each job took taken in before."""

        def heard(job: Job, seconds: float, last_line: str, outcome: Outcome | None) -> None:
            if outcome is not None and outcome.result.ok:
                self.learn(job, seconds)
            listen(job, seconds, last_line, outcome)

        return heard

    def learn(self, job: Job, seconds: float) -> None:
        """Take in what a job took."""
        self._ended.setdefault(job.pipeline, []).append((self._effort(job), max(seconds - self._tuning(job), 0.0)))

    def seconds(self, job: Job) -> float | None:
        """What a job will take; None where nothing is known of its pipeline."""
        own, rated = self._ended.get(job.pipeline), job.pipeline in RATES
        if not own and not rated:
            return None
        ratios = [_ratio(ended) for name, ended in self._ended.items() if name in RATES]
        factor = _ratio(own) if own else median(ratios) if ratios else 1.0
        return min(factor * self._effort(job) + self._tuning(job), self._data.spec.timeout)

    def total(self, jobs: Iterable[Job]) -> float | None:
        """What those of the jobs of which something is known will take together; None where it is none of them."""
        known = [seconds for job in jobs if (seconds := self.seconds(job)) is not None]
        return sum(known) if known else None

    def wall(self, seconds: Iterable[float]) -> float:
        """What jobs that take these seconds will take together, shared out among the workers.

        At least what the longest takes; with several workers it may be longer by that, where it begins last.
        """
        seconds = list(seconds)
        return max([sum(seconds) / self.workers, *seconds])

    def by_pipeline(self, jobs: Iterable[Job]) -> dict[str, float | None]:
        """`total` for each pipeline, the longest first, and those of which nothing is known last."""
        own: dict[str, list[Job]] = {}
        for job in jobs:
            own.setdefault(job.pipeline, []).append(job)
        found = {name: self.total(its) for name, its in own.items()}
        return dict(sorted(found.items(), key=lambda pair: -1.0 if pair[1] is None else pair[1], reverse=True))

    def _tuning(self, job: Job) -> float:
        """Seconds before the fit, at most."""
        return (self._data.spec.tune or 0.0) if self._data.pipelines[job.pipeline].search else 0.0

    def _effort(self, job: Job) -> float:
        """Seconds by the pipeline's rate; of one that has none, in proportion to the images."""
        if job not in self._efforts:
            self._efforts[job] = self._reckoned(job)
        return self._efforts[job]

    def _reckoned(self, job: Job) -> float:
        part, rate = self._data.part(job), RATES.get(job.pipeline, Rate(0, 1))
        spec, task = self._data.spec, self._data.task(job)
        trained = self._data.pipelines[job.pipeline].family in TRAINED_BY_KERAS
        learned, pixels = job.n_train, task.image_shape[0] * task.image_shape[1] / 32**2
        if trained and (epochs := task.stack.planned_epochs(job.n_train)) is None:
            return rate.start + task.stack.time_budget + (spec.tune or 0.0)
        if trained:
            learned *= epochs
        elif (job.pipeline, task.augment) != ("color_histogram_svm", "mirror"):  # which it has no use for
            learned *= COPIES.get(task.augment, 1)
        predicted = 3 * len(part.test) + min(job.n_train, TRAIN_SAMPLE) + len(part.validation)
        if spec.corruptions:
            predicted += len(CORRUPTIONS) * len(STRENGTHS) * min(len(part.test), CORRUPTED_SAMPLE)
        images = learned + PREDICTION * predicted
        fit = rate.image * pixels * images + rate.pair * learned * images
        if trained and spec.time_budget is not None:
            fit = min(fit, spec.time_budget)
        return rate.start + fit + (spec.tune or 0.0)


def duration(seconds: float) -> str:
    """In words, to no more places than a forecast bears: "20 s", "4 min", "2.5 h"."""
    if seconds < 100:
        return f"{max(5 * round(seconds / 5), 5)} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def _ratio(ended: list[tuple[float, float]]) -> float:
    """How many times what was expected jobs took, all of them together."""
    expected, taken = map(sum, zip(*ended, strict=True))
    return taken / expected
