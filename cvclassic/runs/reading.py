"""What is in the folder of a run, and how it is read back: damaged files are left out and told.

RUN/run.json                     the record of the run, a `RunRecord`
RUN/.lock, RUN/.holder           held by the process that works in the folder, and who that is
RUN/<data set>/dataset.json      a `DatasetRecord`
RUN/<data set>/splits.npz        train, validation, test: index arrays
RUN/<data set>/splits-n<images>.npz    the same for each smaller number of training images
RUN/<data set>/splits-fold<k>.npz      the same for each fold
RUN/<data set>/test_images.npy   the test images; labels are in each job's predictions
RUN/<data set>/class_examples.npy    one training image per class
RUN/<data set>/groups.npy        numbers of what belongs together among the test images, where something does
RUN/<data set>/leaked.npy        places of the test images that are copies of training images, where there are such
RUN/<data set>/<job>/result.json, predictions.npz    a `Result`; y_true, y_pred and scores
RUN/<data set>/<job>/model.cvc   the model of a contender, or of each job
RUN/best.cvc, best-<data set>.cvc    the model that goes home, fitted on all images of its data set
RUN/<data set>/<job>/worker.log, backup/, and what the pipeline left there
RUN/report.html, report.md, results.csv, results.json    made from all of the above
RUN/folds.csv, sweep.csv, learning_curves_<data set>.png    the same, where there were folds, or something was swept

Names of folders come from `file_name` and `Job.folder`, never from a file.
"""

from pathlib import Path

import numpy as np
import pydantic_core

from cvclassic.errors import DataError, InputError
from cvclassic.runs.checks import check_dataset, check_record, check_result, checked_predictions, expected_arrays
from cvclassic.runs.encoding import Expected, from_json, map_npy, read_content, read_npz
from cvclassic.runs.job import SCHEMA_VERSION, DatasetRecord, Job, Outcome, Result, Run, RunRecord, SetImages, file_name

RECORD, DATASET, RESULT = "run.json", "dataset.json", "result.json"
MODEL = "model.cvc"
PREDICTIONS, LOG, IMAGES = "predictions.npz", "worker.log", ".images.npy"
EMBEDDED = ".embedded"  # beginning of the names of files that workers put beside the images
TEST_IMAGES, EXAMPLES = "test_images.npy", "class_examples.npy"
GROUPS, LEAKED = "groups.npy", "leaked.npy"
IMAGE_TYPES = ("uint8", "float16", "float32", "float64")


def read_run(path: Path) -> Run:
    """All that the folder of a run holds; what is damaged is left out and named in `problems`.

    It takes no lock: a run that is still under way is read as far as it has come.

    Raises
    ------
    InputError
        Where `path` holds no run, another version's, or one whose run.json is damaged.
    """
    record = read_record(path)
    problems, datasets, images, outcomes = [], {}, {}, []
    for name, _ in record.fingerprints:
        try:
            datasets[name] = read_dataset(path, name)
        except (OSError, DataError) as error:
            problems.append(f"{file_name(name)}/{DATASET} {_why(error)}: what ran on this data set is left out.")
            continue
        images[name], lines = _read_images(path / file_name(name), datasets[name])
        problems += lines
    for job in record.jobs:
        if job.dataset in datasets:
            outcome, lines = read_outcome(path, job, datasets[job.dataset], family_of(record, job))
            outcomes += [outcome] if outcome else []
            problems += lines
    name = path.resolve().name
    return Run(name, record, tuple(datasets.values()), tuple(outcomes), images, tuple(problems))


def runs_in(path: Path) -> list[Path]:
    """`path` where it holds a run, else the folders below that do, the oldest first."""
    below = sorted(path.glob(f"*/{RECORD}"), key=lambda record: record.stat().st_mtime_ns)
    return [path] if (path / RECORD).is_file() else [record.parent for record in below]


def check_there(path: Path) -> None:
    try:
        is_there = (path / RECORD).is_file()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from error
    if not is_there:
        raise InputError(f"{path} holds no run: there is no {RECORD} in it.")


def read_record(path: Path) -> RunRecord:
    check_there(path)
    try:
        content = read_content(path / RECORD)
        fields = pydantic_core.from_json(content)
        version = fields.get("schema_version") if isinstance(fields, dict) else None
        del fields  # they may be large, and are read again as a record
        if version != SCHEMA_VERSION:
            found = ascii(version)[:40]
            raise DataError(f"has schema version {found}; this cvclassic reads version {SCHEMA_VERSION}")
        record = from_json(RunRecord, content)
        check_record(record)
    except (OSError, ValueError) as error:
        raise InputError(f"{path / RECORD} {_why(error)}; start a new run.") from error
    return record


def read_dataset(run: Path, name: str) -> DatasetRecord:
    record = from_json(DatasetRecord, read_content(run / file_name(name) / DATASET))
    check_dataset(record, name)
    return record


def _read_images(folder: Path, dataset: DatasetRecord) -> tuple[SetImages, list[str]]:
    shown, n_test = "these images can't be shown", dataset.sizes.test
    files = {
        TEST_IMAGES: (Expected(IMAGE_TYPES, ((n_test, *dataset.image_shape),)), shown),
        EXAMPLES: (Expected(IMAGE_TYPES, ((len(dataset.class_names), *dataset.image_shape),)), shown),
    }
    if dataset.grouped:
        files[GROUPS] = (Expected(("int64",), ((n_test,),)), "each image counts alone, and intervals are too short")
    if dataset.leaked:
        files[LEAKED] = (Expected(("int64",), ((dataset.leaked,),)), "copies of training images are among the tested")
    found: dict[str, np.ndarray] = {}
    problems = []
    for name, (expected, cost) in files.items():
        try:
            found[name] = map_npy(folder / name, expected)
        except (OSError, DataError) as error:
            problems.append(f"{folder.name}/{name} {_why(error)}: {cost}.")
    leaked = found.get(LEAKED)
    if leaked is not None and (np.any(np.diff(leaked) < 1) or leaked[0] < 0 or leaked[-1] >= n_test):
        del found[LEAKED]
        problems.append(f"{folder.name}/{LEAKED} is damaged (places that can't be): {files[LEAKED][1]}.")
    return SetImages(*map(found.get, (TEST_IMAGES, EXAMPLES, GROUPS, LEAKED))), problems


def read_outcome(run: Path, job: Job, dataset: DatasetRecord, family: str) -> tuple[Outcome | None, list[str]]:
    """What came of `job`, None where nothing has yet; and lines on what is damaged."""
    try:
        result = from_json(Result, read_content(run / job.folder / RESULT))
        check_result(result, job, family, dataset)
    except FileNotFoundError:
        return None, []
    except (OSError, DataError) as error:
        return None, [f"{job.folder}/{RESULT} {_why(error)}: this job counts as one that has not run."]
    if not result.ok:
        return Outcome(result), []
    try:
        arrays = read_npz(run / job.folder / PREDICTIONS, expected_arrays(dataset, job))
        return Outcome(result, checked_predictions(arrays, dataset, job)), []
    except (OSError, DataError) as error:
        return Outcome(result), [f"{job.folder}/{PREDICTIONS} {_why(error)}: what needs predictions lacks this job."]


def family_of(record: RunRecord, job: Job) -> str:
    return next(pipeline.family for pipeline in record.pipelines if pipeline.name == job.pipeline)


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    if isinstance(error, OSError):
        return f"can't be read ({error.strerror})"
    return str(error) if isinstance(error, DataError) else "is damaged (no JSON)"
