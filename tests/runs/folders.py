"""Folders of runs for tests: a small run, ways to damage a file, and processes that want one folder at one moment."""

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from cvclassic.datasets import Dataset
from cvclassic.errors import InputError
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.job import (
    SCHEMA_VERSION,
    ClassFigures,
    Job,
    Outcome,
    PipelineRecord,
    Predictions,
    Result,
    RunRecord,
)
from cvclassic.runs.reading import read_run
from cvclassic.runs.record import fingerprint
from cvclassic.runs.spec import RunSpec


def jobs_of(dataset: Dataset, seeds=(0, 1)) -> tuple[Job, ...]:
    return tuple(Job(dataset.name, "hog", seed, len(dataset.train)) for seed in seeds)


def record_of(*datasets: Dataset, jobs: tuple[Job, ...] = (), seed: int = 0) -> RunRecord:
    """The record of a run of one pipeline, "hog"; of all data sets' jobs where none are given."""
    return RunRecord(
        schema_version=SCHEMA_VERSION,
        created="2026-01-01T00:00:00+00:00",
        spec=RunSpec(datasets=tuple(dataset.name for dataset in datasets), pipelines=("hog",), seed=seed),
        stack={"optimizer": "adam", "learning_rate": 1e-3, "epochs": 4, "augment": False, "time_budget": None},
        machine="a machine",
        versions={"python": "3.11"},
        notes=("a note",),
        fingerprints=tuple((dataset.name, fingerprint(dataset)) for dataset in datasets),
        pipelines=(PipelineRecord("hog", "HOG and a linear SVM", "classical"),),
        jobs=jobs or tuple(job for dataset in datasets for job in jobs_of(dataset)),
    )


def outcome_of(job: Job, dataset: Dataset, **changes) -> Outcome:
    """What came of `job`: all labels right but the first, and scores."""
    y_true = dataset.labels[dataset.test]
    y_pred = y_true.copy()
    y_pred[0] = (y_pred[0] + 1) % dataset.n_classes
    result = Result(
        dataset=job.dataset,
        pipeline=job.pipeline,
        family="classical",
        status="ok",
        seed=job.seed,
        n_train=job.n_train,
        test_accuracy=float(np.mean(y_true == y_pred)),
        settings=job.settings,
        **dict.fromkeys(("n_features", "model_bytes", "n_train_scored"), 1),
        **dict.fromkeys(("train_accuracy", "balanced_accuracy", "macro_f1"), 0.5),
        **dict.fromkeys(("fit_seconds", "predict_images_per_second"), 0.5),
        peak_memory_mb=300.0,
        n_test=len(y_true),
        per_class=tuple(ClassFigures(name, 0.9, 0.8, 0.85, 45) for name in dataset.class_names),
        history={"loss": [1.5, 0.25]},
        corruptions={"fog": [0.9, 0.8, 0.7, 0.6, 0.5]},
    )
    scores = np.eye(dataset.n_classes, dtype=np.float32)[y_pred]
    return Outcome(replace(result, **changes), Predictions(y_true, y_pred, scores))


def finished_run(path: Path, dataset: Dataset) -> RunRecord:
    """A run of two jobs in `path`, both of them done."""
    record = record_of(dataset)
    with RunFolder.create(path) as folder:
        folder.begin(record, [dataset])
        for job in record.jobs:
            folder.clear(job)
            folder.keep(outcome_of(job, dataset))
    return record


def content_of(path: Path) -> dict[str, bytes]:
    """Every file below `path`."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def two_classes(dataset: Dataset) -> Dataset:
    return replace(dataset, labels=dataset.labels % 2, class_names=("even", "odd"))


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _wrong_types(path: Path) -> None:
    content = path.read_text()
    for found in ('"pipeline": "hog"', '"class_names": [', '"created": "'):
        content = content.replace(found, found.replace(': "', ': 7, "x": "').replace(": [", ': "x", "y": ['))
    path.write_text(content)


# What may have happened to any file, and to one of JSON.
DAMAGES = {
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"0"),
    "a directory": _directory,
    "a pipe": _pipe,
    "a link": _link,
}
JSON_DAMAGES = DAMAGES | {
    "deep": lambda path: path.write_bytes(b"[" * 200_000),
    "deep objects": lambda path: path.write_bytes(b'{"schema_version":' * 100_000),
    "no UTF-8": lambda path: path.write_bytes(b'{"name": "\xff\xfe"}'),
    "half a surrogate": lambda path: path.write_bytes(b'{"schema_version": 4, "name": "\\ud800"}'),
    "huge number": lambda path: path.write_bytes(b'{"schema_version": ' + b"9" * 10_000 + b"}"),
    "a list": lambda path: path.write_bytes(b"[]"),
    "null": lambda path: path.write_bytes(b"null"),
    "wrong types": _wrong_types,
}


def check_race(root: Path, dataset: Dataset, kinds: tuple[str, ...], rounds: int) -> None:
    """Of two that start, or go on, at the same moment, one gets the folder, and it is whole."""
    if "resume" in kinds:
        for which in range(rounds):
            with RunFolder.create(root / str(which) / "run") as folder:
                folder.begin(record_of(dataset), [dataset])
    for which, answers in enumerate(race(kinds, root, rounds, dataset)):
        winners = [number for number, (_, told) in enumerate(answers) if not told]
        assert len(winners) == 1
        assert all("works on the run in" in told for _, told in answers if told)
        path = root / str(which) / "run"
        run = read_run(path)
        assert run.problems == ()
        assert not (path / ".holder").exists()
        if "resume" in kinds:
            assert [outcome.result.fit_seconds for outcome in run.outcomes] == [winners[0]] * 2
        else:
            assert run.record == record_of(dataset, seed=winners[0])
            assert len(content_of(path)) == 6


def race(kinds: tuple[str, ...], root: Path, rounds: int, dataset: Dataset) -> list[list[tuple[int, str]]]:
    """Let a process per kind go for the same folder at the same moment, `rounds` times: for `root`/0/run, `root`/1/run.

    A kind is "start", "resume", or "fail", a start that fails while it writes. The answers, by round and process: the
    process's id and what it was told, "" where it got the folder. It then holds it until all have asked.
    """
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(len(kinds)), context.Queue()
    processes = [
        context.Process(target=_take_part, args=(number, kind, root, rounds, dataset, barrier, answers))
        for number, kind in enumerate(kinds)
    ]
    for process in processes:
        process.start()
    table = [[(0, "")] * len(kinds) for _ in range(rounds)]
    for _ in range(rounds * len(kinds)):
        number, which, pid, told = answers.get(timeout=120)
        table[which][number] = (pid, told)
    for process in processes:
        process.join()
    return table


def _take_part(number, kind, root, rounds, dataset, barrier, answers) -> None:
    record = record_of(dataset, seed=number)
    for which in range(rounds):
        path = root / str(which) / "run"
        told = ""
        barrier.wait(60)
        try:
            with RunFolder.open(path) if kind == "resume" else RunFolder.create(path) as folder:
                if kind == "start":
                    folder.begin(record, [dataset])
                elif kind == "fail":
                    folder.begin(record, [dataset, dataset])  # its folder is there already: an OSError
                else:
                    for job in folder.pending(folder.record.jobs):
                        folder.clear(job)
                        folder.keep(outcome_of(job, dataset, fit_seconds=float(number)))
                barrier.wait(60)
        except InputError as error:
            told = str(error)
            barrier.wait(60)
        answers.put((number, which, os.getpid(), told))
