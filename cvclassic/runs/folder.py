"""The folder of a run that this process works in: how its files are written, whole or not at all, under a lock."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath, PureWindowsPath

import numpy as np
from filelock import FileLock

from cvclassic.datasets import Dataset
from cvclassic.errors import DataError, InputError
from cvclassic.neural.stack import BACKUP
from cvclassic.runs.encoding import npy, npz, read_content, to_json, write_array
from cvclassic.runs.files import make_folders, remove, remove_made, write_content, write_whole
from cvclassic.runs.job import DatasetRecord, Job, Outcome, Predictions, RunRecord, file_name
from cvclassic.runs.lock import HOLDER, LOCK, take_lock
from cvclassic.runs.parcels import Files, unpack
from cvclassic.runs.reading import (
    DATASET,
    EMBEDDED,
    EXAMPLES,
    GROUPS,
    IMAGES,
    LEAKED,
    LOG,
    MODEL,
    PREDICTIONS,
    RECORD,
    RESULT,
    TEST_IMAGES,
    check_there,
    family_of,
    read_dataset,
    read_outcome,
    read_record,
)
from cvclassic.runs.record import belongs_together, describe_dataset, leaked_places

WHAT_HELPS = {errno.ENOSPC: "make room", errno.EDQUOT: "make room"} | dict.fromkeys(
    (errno.EACCES, errno.EPERM, errno.EROFS), "make it writable"
)


class RunFolder:
    """The folder of a run that this process works in; a context manager that holds its lock.

    Attributes
    ----------
    path : Path
    record : RunRecord
        What stands in run.json; there once `begin` has written it, or `open` has read it.
    """

    record: RunRecord

    def __init__(self, path: Path, lock: FileLock):
        self.path = path
        self._lock = lock
        self._made: list[Path] = []  # by this process; removed again where the run does not begin
        self._cleared: list[Path] = []  # folders of data sets without the hidden files of an earlier process

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """The folder of a new run, with its parents; InputError where `path` holds something or can't be written."""
        made: list[Path] = []
        try:
            names = _names_in(path)
            if names - {LOCK, HOLDER} and LOCK not in names:  # nobody's run: not even a lock is put there
                raise _not_empty(path)
            make_folders(path, made)
            lock = take_lock(path)
        except (OSError, InputError) as error:
            remove_made(made)
            if isinstance(error, InputError):
                raise
            raise _unwritable(path, error, " Choose another --out.") from error
        folder = cls(path, lock)
        try:
            if _names_in(path) - {LOCK, HOLDER}:
                raise _not_empty(path)
            folder._made = [*made, path / LOCK]
        except BaseException:
            folder._release()
            raise
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The folder of a run that goes on; InputError where `path` holds none that this version can read."""
        check_there(path)
        try:
            folder = cls(path, take_lock(path))
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            folder.record = read_record(path)
            with folder._explained():
                _remove_left_overs(path)
        except BaseException:
            folder._release()
            raise
        return folder

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *exception: object) -> None:
        for folder in self._cleared:
            with contextlib.suppress(OSError):
                _remove_left_overs(folder)
        self._release()

    def begin(self, record: RunRecord, datasets: Sequence[Dataset]) -> None:
        """Write the files of the data sets, then `record`. Where that fails, what was made is removed again."""
        with self._beginning():
            self._check_room(datasets)
            for dataset in datasets:
                folder = self.path / file_name(dataset.name)
                folder.mkdir()
                self._made.append(folder)
                for name, content in _dataset_files(dataset):
                    self._made.append(folder / name)
                    write_content(folder / name, content())
            self._made.append(self.path / RECORD)
            write_content(self.path / RECORD, to_json(record))
        self.record = record

    def _check_room(self, datasets: Sequence[Dataset]) -> None:
        """InputError where the images, which jobs read from here, would not fit onto the disk."""
        free = shutil.disk_usage(self.path).free
        needed = sum(dataset.images.nbytes for dataset in datasets)
        if needed > free:
            shapes = " and ".join(f"{' x '.join(map('{:,}'.format, each.images.shape))}" for each in datasets)
            raise InputError(
                f"The images take {shapes} bytes = {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free on the "
                f"disk of {self.path}. Use a smaller image_size (--image-size), or a folder on another disk (--out)."
            )

    def begin_as(self, source: Path) -> None:
        """Copy the files of the run in `source`, as far as it has come; links are left out."""
        record = read_record(source)
        with self._beginning():
            for path in sorted(source.rglob("*")):  # a folder before what is in it
                copy = self.path / path.relative_to(source)
                usual = not path.is_symlink() and (path.is_dir() or path.is_file())
                if (
                    usual
                    and path.name not in (LOCK, HOLDER)
                    and path != source / RECORD
                    and not _is_left_over(path.name)
                ):
                    self._made.append(copy)
                    copy.mkdir() if path.is_dir() else shutil.copyfile(path, copy)
            self._made.append(self.path / RECORD)
            write_content(self.path / RECORD, to_json(record))
        self.record = record

    def check_unchanged(self, record: RunRecord, datasets: Iterable[Dataset]) -> None:
        """InputError where the run is no longer what it began as; the files of the data sets are mended.

        `record` is that of the run if it began now: data sets, to the byte, and jobs and families are the same.
        """
        known, now = dict(self.record.fingerprints), dict(record.fingerprints)
        for name in now.keys() | known.keys():
            if known.get(name) != now.get(name):
                raise InputError(
                    f"The data set {name} is no longer the one that {self.path} began with; start a new run."
                )
        families = [[(each.name, each.family) for each in kept.pipelines] for kept in (self.record, record)]
        # Later jobs are seeds that were added when it was known what contends.
        if families[0] != families[1] or self.record.jobs[: len(record.jobs)] != record.jobs:
            raise InputError(f"The pipelines are no longer those that {self.path} began with; start a new run.")
        for dataset in datasets:
            with self._explained():
                folder = self._make(PurePath(file_name(dataset.name)))
                for name, make in _dataset_files(dataset):
                    content = make()
                    if not _holds(folder / name, content):
                        remove(folder / name)
                        write_content(folder / name, content)

    def add(self, jobs: Iterable[Job]) -> None:
        """Add jobs to the run's record."""
        record = replace(self.record, jobs=(*self.record.jobs, *jobs))
        with self._explained():
            write_content(self.path / RECORD, to_json(record))
        self.record = record

    def pending(self, jobs: Iterable[Job]) -> list[Job]:
        """Those of `jobs` that have no readable result of this very job, or a failed one, or no predictions."""
        datasets = {}
        for name, _ in self.record.fingerprints:
            with contextlib.suppress(OSError, DataError):
                datasets[name] = read_dataset(self.path, name)
        return [job for job in jobs if not self._is_done(job, datasets.get(job.dataset))]

    def job_folder(self, job: Job) -> Path:
        """Where the files of `job` are."""
        return self.path / job.folder

    def log_file(self, job: Job) -> Path:
        """Where the output of `job` goes."""
        return self.job_folder(job) / LOG

    def clear(self, job: Job) -> Path:
        """Make the folder of `job`, or empty it but for `backup`, from which an interrupted training goes on."""
        with self._explained():
            folder = self._make(job.folder)
            for path in folder.iterdir():
                if path.name != BACKUP or path.is_symlink() or not path.is_dir():
                    remove(path)
        return folder

    def fill(self, job: Job, files: Files) -> None:
        """Write the files that a job has left on another machine into its folder.

        DataError for one whose path would lead out of it.
        """
        with self._explained():
            unpack(files, self._make(job.folder))

    @contextlib.contextmanager
    def images_file(self, dataset: Dataset) -> Iterator[Path]:
        """All images of `dataset` in a hidden .npy file, for workers to map; it is removed afterwards.

        What workers put beside it for one another stays until the run ends: further jobs may follow.
        """
        with self._explained():
            folder = self._make(PurePath(file_name(dataset.name)))
            if folder not in self._cleared:
                _remove_left_overs(folder)
                self._cleared.append(folder)
        path = folder / IMAGES
        try:
            with self._explained():
                write_whole(path, lambda file: write_array(file, dataset.images))
            yield path
        finally:
            with contextlib.suppress(OSError):
                path.unlink()

    def keep(self, outcome: Outcome) -> None:
        """Write what came of a job. InputError, with how to go on, where that can't be."""
        with self._explained():
            folder = self._make(outcome.result.job.folder)
            for name in (RESULT, PREDICTIONS):
                remove(folder / name)
            if outcome.predictions is not None:
                write_content(folder / PREDICTIONS, npz(_arrays(outcome.predictions)))
            write_content(folder / RESULT, to_json(outcome.result))  # last: a job that has a result has all of it

    def forget_models(self, kept: Iterable[Job]) -> None:
        """Remove the models of all jobs but these."""
        kept = {job.folder for job in kept}
        with self._explained():
            for job in self.record.jobs:
                if job.folder not in kept:
                    (self.job_folder(job) / MODEL).unlink(missing_ok=True)

    def take_model(self, job: Job, name: str) -> Path:
        """Move the model in a job's folder to the run's own, and remove that folder."""
        with self._explained():
            os.replace(self.job_folder(job) / MODEL, self.path / name)
            remove(self.job_folder(job))
        return self.path / name

    def forget(self, name: str) -> None:
        """Remove a file of the run's own folder, where it is there."""
        with self._explained():
            (self.path / name).unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the report, such as "report.md"; InputError where that can't be."""
        if name != PureWindowsPath(name).name or name.startswith(".") or name in ("", RECORD):
            raise InputError(f"{name!r} is no name for a file of a report.")
        with self._explained():
            write_content(self.path / name, content)

    def _is_done(self, job: Job, dataset: DatasetRecord | None) -> bool:
        if dataset is None:
            return False
        outcome, _ = read_outcome(self.path, job, dataset, family_of(self.record, job))
        return outcome is not None and outcome.result.ok and outcome.predictions is not None

    def _make(self, relative: PurePath) -> Path:
        """Make a folder below the run's, which is there; no link may lead out of it."""
        folder = self.path
        for part in relative.parts:
            folder = folder / part
            if folder.is_symlink():
                raise InputError(f"{folder} is a link; a run writes into its own folder only. Remove the link.")
            if not folder.is_dir():
                folder.unlink(missing_ok=True)
                folder.mkdir()
        return folder

    @contextlib.contextmanager
    def _beginning(self) -> Iterator[None]:
        """What was made for a run whose files can't all be written is removed again."""
        try:
            yield
        except BaseException as error:
            self._release()
            if isinstance(error, OSError):
                raise _unwritable(self.path, error) from error
            raise
        self._made = []

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Tells what an OSError means for the run."""
        try:
            yield
        except OSError as error:
            if not os.path.isdir(self.path):
                raise InputError(f"The run's folder {self.path} is gone; start a new run.") from error
            way = WHAT_HELPS.get(error.errno, "mend that")
            raise _unwritable(
                self.path, error, f" What is finished is kept: {way} and continue with --resume {self.path}"
            ) from error

    def _release(self) -> None:
        """Give up the lock; before, while nobody else has it, what was made for a run that did not begin is removed."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                (self.path / HOLDER).unlink()
            remove_made(self._made)
            self._lock.release()


def copy_run(source: Path, target: Path) -> None:
    """Copy the run in `source` to `target`; InputError where no run is, something is there, or it can't be written."""
    check_there(source)
    with RunFolder.create(target) as folder:
        folder.begin_as(source)


def _names_in(path: Path) -> set[str]:
    return set(os.listdir(path)) if path.is_dir() else set()


def _unwritable(path: Path, error: OSError, advice: str = "") -> InputError:
    return InputError(f"The run's folder {path} can't be written: {error.strerror or error}.{advice}")


def _not_empty(path: Path) -> InputError:
    what = "already holds a run; --resume continues it" if (path / RECORD).exists() else "is not empty"
    return InputError(f"The folder {path} {what}. Choose another --out.")


def _is_left_over(name: str) -> bool:
    """A hidden file that is there only while a process writes or works."""
    return name == IMAGES or name.startswith(EMBEDDED) or re.fullmatch(r"\..+\.\d+", name) is not None


def _remove_left_overs(folder: Path) -> None:
    """Remove the hidden files that a killed process left in `folder`."""
    for path in folder.iterdir():
        if _is_left_over(path.name):
            remove(path)


def _dataset_files(dataset: Dataset) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names of a data set's files, and what makes the content of each."""
    parts = {f"splits-n{len(part.train)}.npz": part for part in dataset.smaller}
    parts |= {f"splits-fold{k}.npz": fold for k, fold in enumerate(dataset.folds, 1)}
    for name, part in {**parts, "splits.npz": dataset}.items():
        yield name, partial(npz, {"train": part.train, "validation": part.validation, "test": part.test})
    yield TEST_IMAGES, lambda: npy(dataset.images[dataset.test])
    if belongs_together(dataset):
        yield GROUPS, lambda: npy(dataset.groups[dataset.test])
    leaked = leaked_places(dataset)
    if len(leaked):
        yield LEAKED, lambda: npy(leaked)
    labels = dataset.labels[dataset.train]
    examples = [dataset.train[np.flatnonzero(labels == k)[0]] for k in range(dataset.n_classes)]
    yield EXAMPLES, lambda: npy(dataset.images[examples])
    yield DATASET, lambda: to_json(describe_dataset(dataset))


def _holds(path: Path, content: bytes) -> bool:
    try:
        return read_content(path, len(content)) == content
    except (OSError, DataError):
        return False


def _arrays(predictions: Predictions) -> dict[str, np.ndarray]:
    arrays = {"y_true": predictions.y_true.astype(np.int64), "y_pred": predictions.y_pred.astype(np.int64)}
    if predictions.places is not None:
        arrays["places"] = predictions.places.astype(np.int64)
    return arrays if predictions.scores is None else arrays | {"scores": predictions.scores.astype(np.float32)}
