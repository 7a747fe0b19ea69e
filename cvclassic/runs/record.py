"""What a run says of itself: data sets, pipelines, jobs, machine, versions."""

import hashlib
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from cvclassic.datasets import Dataset
from cvclassic.datasets.files import UNREADABLE
from cvclassic.datasets.groups import COPIES
from cvclassic.neural import TrainingStack
from cvclassic.runs.code import content_mark
from cvclassic.runs.job import SCHEMA_VERSION, DatasetRecord, Job, PipelineRecord, RunRecord, Sizes
from cvclassic.runs.pipelines import Pipeline
from cvclassic.runs.plan import RunData, stack_with
from cvclassic.runs.spec import ACCURACY

MOST_FILES = 20  # of a finding whose names are kept
MOST_NAMES = 20_000  # images whose names are kept
UNEQUAL = 2  # times as many images in the largest class as in the smallest

LIBRARIES = (
    "cvclassic",
    "numpy",
    "opencv-contrib-python-headless",
    "opencv-python-headless",
    "scikit-learn",
    "scikit-learn-intelex",
    "scikit-image",
    "numba",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "torch",
    "jax",
)


def describe_run(data: RunData, jobs: Iterable[Job], notes: Iterable[str]) -> RunRecord:
    """The record of a run that begins now; `data.spec` has everything settled."""
    stack = data.spec.training_stack()
    return RunRecord(
        schema_version=SCHEMA_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        spec=data.spec,
        stack=_spelled_out(stack, swept={name for name, _ in data.spec.sweep}),
        machine=describe_machine(),
        versions=library_versions(),
        notes=tuple(notes),
        fingerprints=tuple((name, fingerprint(dataset)) for name, dataset in data.datasets.items()),
        pipelines=tuple(_described(pipeline, stack) for pipeline in data.pipelines.values()),
        jobs=tuple(jobs),
    )


def describe_dataset(dataset: Dataset) -> DatasetRecord:
    """What a run says of `dataset`."""
    return DatasetRecord(
        name=dataset.name,
        class_names=dataset.class_names,
        provenance=dataset.provenance,
        traits=tuple(sorted(dataset.traits)),
        image_shape=tuple(dataset.image_shape),
        sizes=Sizes(len(dataset.train), len(dataset.validation), len(dataset.test)),
        smaller_sizes=tuple(Sizes(len(part.train), len(part.validation)) for part in dataset.smaller),
        folds=tuple(Sizes(len(fold.train), len(fold.validation), len(fold.test)) for fold in dataset.folds),
        warnings=_unsaid(dataset),
        test_images=_digest(dataset.images[dataset.test], dataset.labels[dataset.test]),
        metric=usual_metric(dataset),
        grouped=belongs_together(dataset),
        leaked=len(leaked_places(dataset)),
        published=dataset.published,
        findings=tuple(replace(each, files=each.files[:MOST_FILES], groups=()) for each in dataset.findings),
        test_names=tuple(dataset.names[k] for k in dataset.test) if 0 < len(dataset.names) <= MOST_NAMES else (),
    )


def _unsaid(dataset: Dataset) -> tuple[str, ...]:
    """The warnings of a data set, without those on copies and unreadable files where the doctor tells of these."""
    said = (UNREADABLE, COPIES) if dataset.findings else ()
    return tuple(line for line in dataset.warnings if not any(each in line for each in said))


def belongs_together(dataset: Dataset) -> bool:
    """Whether some of the test images do: copies, or pictures of one group."""
    return dataset.groups is not None and len(np.unique(dataset.groups[dataset.test])) < len(dataset.test)


def leaked_places(dataset: Dataset) -> np.ndarray:
    """Ascending places among the test images, int64, of those that are copies of training images."""
    return np.flatnonzero(np.isin(dataset.test, dataset.leaked_test_images)).astype(np.int64)


def usual_metric(dataset: Dataset) -> str:
    """Accuracy, or balanced accuracy where the largest class has more than twice as many images as the smallest.

    Where one class is frequent, always answering it has a high accuracy.
    """
    counts = np.bincount(dataset.labels[dataset.used], minlength=dataset.n_classes)
    return "balanced_accuracy" if counts.max() > UNEQUAL * counts.min() else ACCURACY


def fingerprint(dataset: Dataset) -> str:
    """A hash of the images, labels and splits of `dataset`, the smaller ones and folds too."""
    parts = [dataset, *dataset.smaller, *dataset.folds]
    splits = [indices for part in parts for indices in (part.train, part.validation, part.test)]
    return _digest(dataset.images, dataset.labels, *splits)


def available_threads() -> int:
    """How many cores this process may use."""
    return len(available_cores())


def available_cores() -> list[int]:
    """The numbers of the cores that this process may use, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def describe_machine() -> str:
    """Processor, core count and system, in one line."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    cores = available_threads()
    return f"{processor}, {cores} core{'s' * (cores != 1)}, {platform.system()} {platform.machine()}"


def describe_place(threads: int, memory: int) -> str:
    """Where a job runs: the machine, the bytes of memory that it may use at all, and the threads of the job."""
    return f"{describe_machine()}, {memory / 2**30:.0f} GiB, {threads} thread{'s' * (threads != 1)}"


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide the figures, without importing them."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _described(pipeline: Pipeline, stack: TrainingStack) -> PipelineRecord:
    own = None if pipeline.stack is None else _spelled_out(stack_with(stack, pipeline.stack, ()))
    content = None if pipeline.brought or pipeline.reference == pipeline.name else content_mark(pipeline.path)
    return PipelineRecord(
        pipeline.name, pipeline.title, pipeline.family, own, pipeline.published, pipeline.found_on, content
    )


def _spelled_out(stack: TrainingStack, swept: Iterable[str] = ()) -> dict[str, str | int | float | bool | None]:
    """The stack's fields, with the learning rate that its optimizer brings where the optimizer is one."""
    if "optimizer" not in swept:
        stack = replace(stack, learning_rate=stack.initial_learning_rate())
    return asdict(stack)


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
