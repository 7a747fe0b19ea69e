"""Findings on numbers of images: unequal classes, classes of few images, and what a test of so many can't show."""

from collections.abc import Iterator

import numpy as np

from cvclassic.datasets.dataset import LabelledImages
from cvclassic.datasets.doctor.finding import NOTE, SEVERE, WARNING, Finding, counted, percent, some
from cvclassic.datasets.splits import FEW_IMAGES, TEST_FRACTION

UNEQUAL = 3  # times as many images as the smallest class has, from which classes are called unequal
DOMINANT = 0.8  # share of the most frequent class from which always answering it looks good
FEW = 20  # images of a class to train on below which it is called small
DISAGREEING = 0.1  # of the images, on which two pipelines of about the same accuracy give different answers
COARSE, BLIND = 2.0, 5.0  # points: differences that can't be seen, from which that is a note, and a warning


def count_findings(source: LabelledImages) -> Iterator[Finding]:
    """What the numbers of images mean for a comparison."""
    counts = np.bincount(source.labels[source.part_of == 0], minlength=len(source.class_names))
    n_train = int(counts.sum())
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] >= UNEQUAL * counts[least]:
        share = percent(int(counts[most]), n_train)
        rare = [name for name, count in zip(source.class_names, counts, strict=True) if UNEQUAL * count <= counts[most]]
        yield Finding(
            "imbalance",
            SEVERE if counts[most] >= DOMINANT * n_train else WARNING,
            len(rare),
            (),
            f"Classes are unequal: {source.class_names[most]} has {counts[most]:,} images, {source.class_names[least]} "
            f"{counts[least]:,}, so that always answering '{source.class_names[most]}' is right for {share}. Accuracy "
            f"hides what happens to rare classes ({some(rare)}). Read recall and balanced accuracy, and add images of "
            "rare classes, or let them weigh more (--class-weight balanced).",
        )
    few = [f"{name} ({count})" for name, count in zip(source.class_names, counts, strict=True) if count < FEW]
    if few:
        yield Finding(
            "few_images",
            WARNING,
            len(few),
            (),
            f"{counted(len(few), 'class has', 'classes have')} fewer than {FEW} images{_to_train_on(source)}: "
            f"{some(few, 5)}. What a pipeline reaches on them is mostly chance. Add images, or leave such classes out.",
        )
    yield from _small_test(source)


def smallest_difference(n_test: int) -> float:
    """The difference in accuracy, in points, below which a test of two pipelines on the same images shows nothing.

    Where they disagree about a share d of the images, the difference of their accuracies has the standard error
    sqrt(d / n) (of paired proportions, at equal accuracy); 1.96 of it bound the 95 % interval. d is 10 % here.
    """
    return 100 * 1.96 * float(np.sqrt(DISAGREEING / n_test))


def _to_train_on(source: LabelledImages) -> str:
    return "" if source.n_train is None else " to train on"


def _small_test(source: LabelledImages) -> Iterator[Finding]:
    n = len(source.labels)
    folded = source.n_train is None and n < FEW_IMAGES and source.copies is not None
    if source.n_train is not None:
        n_test = n - source.n_train
        tested = f"With {n_test:,} test images,"
    elif folded:
        n_test = n
        tested = f"With {n:,} images, each of them tested once in folds,"
    else:
        n_test = round(n * TEST_FRACTION)
        tested = f"With {n_test:,} test images, a quarter of the set,"
    points = smallest_difference(n_test)
    if points < COARSE:
        return
    yield Finding(
        "small_test",
        WARNING if points >= BLIND else NOTE,
        n_test,
        (),
        f"{tested} differences below about {points:.1f} points can't be seen, where two pipelines disagree about one "
        f"image in ten. A comparison may well end undecided. With four times as many it would be {points / 2:.1f} "
        "points.",
    )
