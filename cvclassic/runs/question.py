"""The question of a run: what was asked, what a Python call brought beside it, and the data that answer to both."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

import cloudpickle
import numpy as np
from sklearn.base import BaseEstimator

from cvclassic import datasets
from cvclassic.datasets import Dataset
from cvclassic.datasets.splits import FEW_IMAGES
from cvclassic.datasets.storage import find_data_dir
from cvclassic.errors import DataError, InputError
from cvclassic.runs.job import BASELINE
from cvclassic.runs.pipelines import Pipeline, bring, default_pipelines, find_pipelines, spelled
from cvclassic.runs.plan import RunData
from cvclassic.runs.record import available_threads, fingerprint
from cvclassic.runs.spec import AUTO, DEFAULT_FOLDS, EMBEDDED, RunSpec
from cvclassic.runs.train_sizes import at_train_sizes

Arrays = tuple[np.ndarray, ...]
Data = str | Path | Dataset | Arrays | Sequence[str | Path | Dataset | Arrays]
KEYWORDS = tuple(name for name in RunSpec.__dataclass_fields__ if name not in ("datasets", "pipelines", "brought"))
# Called with the name of a data set, the files of it that were read since the last call, and how many there are.
Reading = Callable[[str, int, int], None]
Contenders = str | Path | Mapping[str, BaseEstimator] | Sequence[str | Path | Mapping[str, BaseEstimator]]


@dataclass(frozen=True)
class Question:
    """A spec, and what a Python call brought beside it, by name."""

    spec: RunSpec
    datasets: dict[str, Dataset] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)


def ask(data: Data | None, pipelines: Contenders | None, **fields: object) -> Question:
    """The question of a Python call: what it brought gets a name, the rest stands in the spec."""
    for name in fields:
        if name not in KEYWORDS:
            raise InputError(f"compare() has no option {name!r}; it has {', '.join(KEYWORDS)}.")
    asked = RunSpec(**fields)  # refuses wrong values before anything is made of them
    names, brought = [], {}
    for each in _listed_data(data):
        if isinstance(each, str | Path):
            names.append(each)
            continue
        dataset = each if isinstance(each, Dataset) else datasets.from_arrays(*each, seed=asked.seed)
        if dataset.name in brought:
            free = (name for n in count(2) if (name := f"{dataset.name}_{n}") not in brought)
            dataset = replace(dataset, name=next(free))
        brought[dataset.name] = dataset
        names.append(dataset.name)
    chosen, estimators = _chosen_pipelines(pipelines)
    marks = {name: fingerprint(dataset) for name, dataset in brought.items()}
    marks |= {name: marks.get(name, "") + _mark(pipeline) for name, pipeline in estimators.items()}
    return Question(asked.replace(datasets=names, pipelines=chosen, brought=marks), brought, estimators)


def asked_by(spec: RunSpec) -> Question:
    """The question of a run that goes on; InputError where it had more than its spec."""
    if spec.brought:
        names = ", ".join(name for name, _ in spec.brought)
        raise InputError(
            f"This run was given arrays or estimators by a Python call ({names}), which stand in no file, so that it "
            "can't be resumed. Make the call again, with another out."
        )
    return Question(spec)


def gather(question: Question, reading: Reading | None = None) -> tuple[RunData, list[str]]:
    """The data sets with their splits and the pipelines, with a spec that has everything settled; and notes on them.

    What the spec names can be had, or the run does not start. Without names the standard sets are taken, or where they
    can't be had the embedded ones. `reading` is called while files are read.
    """
    spec = question.spec
    spec = spec.replace(
        threads=spec.threads or available_threads(),
        data_dir=str(find_data_dir(spec.data_dir).resolve()),
    )
    chosen = _contenders(question)
    if spec.datasets:
        return _loaded(question, spec, chosen, [], reading)
    names, note = datasets.default_names(data_dir=spec.data_dir, offline=spec.offline)
    try:
        return _loaded(question, spec.replace(datasets=names), chosen, [note] if note else [])
    except DataError as error:
        if set(names) <= set(EMBEDDED):
            raise
        note = f"{error} Running {' and '.join(EMBEDDED)} instead."
        return _loaded(question, spec.replace(datasets=EMBEDDED), chosen, [note])


def _contenders(question: Question) -> list[Pipeline]:
    """Those that were named, or run by default; and in any case what they have to beat."""
    if not question.spec.pipelines:
        return default_pipelines()
    named = find_pipelines(question.spec.pipelines, question.pipelines)
    baselines = [each for each in default_pipelines() if each.family == BASELINE]
    return [*named, *(each for each in baselines if each.name not in {other.name for other in named})]


def _loaded(
    question: Question, spec: RunSpec, chosen: list[Pipeline], notes: list[str], reading: Reading | None = None
) -> tuple[RunData, list[str]]:
    embedded = {datasets.known_name(name) for name in spec.datasets} <= set(EMBEDDED)
    spec = spec.replace(
        preset=spec.preset or ("quick" if embedded else "standard"),
        datasets=[_absolute(name, question) for name in spec.datasets],
        pipelines=[each.name if each.brought else each.reference for each in chosen] if spec.pipelines else (),
    )
    loaded = [_folded(_dataset(question, spec, name, reading), spec, name) for name in spec.datasets]
    if spec.repeats is None:
        spec = spec.replace(repeats=1 if spec.preset == "quick" or spec.varies else AUTO)
    if spec.train_sizes:
        loaded, left_out = at_train_sizes(loaded, spec.train_sizes, seed=spec.seed)
        notes = [*notes, *left_out]
    return RunData.of(spec, loaded, chosen), notes


def _dataset(question: Question, spec: RunSpec, name: str, reading: Reading | None) -> Dataset:
    if name in question.datasets:
        dataset, size = question.datasets[name], spec.train_size
        size = min(spec.max_train_size or dataset.train_size, dataset.train_size) if size is None else size
        return dataset if size == dataset.train_size else dataset.with_train_size(size, seed=spec.seed)
    return datasets.load(
        name,
        data_dir=spec.data_dir,
        offline=spec.offline,
        image_size=spec.image_size,
        resize=spec.resize,
        seed=spec.seed,
        train_size=spec.train_size,
        max_train_size=spec.max_train_size,
        group=spec.group,
        progress=reading and partial(reading, name),
    )


def _folded(dataset: Dataset, spec: RunSpec, name: str) -> Dataset:
    """The data set in the folds that were asked for, or that it has by default."""
    n_folds = spec.folds or 1
    if spec.folds is None and not spec.varies and spec.train_size is None and not datasets.known_name(name):
        whole = dataset.train_size + len(dataset.test) == len(dataset.labels)
        small = whole and len(dataset.labels) < FEW_IMAGES and not dataset.given_test
        n_folds = DEFAULT_FOLDS if small else 1
    return dataset if n_folds == 1 else dataset.with_folds(n_folds, seed=spec.seed)


def _absolute(name: str, question: Question) -> str:
    """A folder is stored by its full path, so that the run can be resumed from elsewhere; names stay."""
    if name in question.datasets:
        return name
    path = Path(name).expanduser()
    return datasets.known_name(name) or (str(path.resolve()) if path.exists() else name)


def _listed_data(data: Data | None) -> list:
    """What `compare` was given, as a list: names, paths, data sets, tuples of arrays."""
    if data is None:
        return []
    if isinstance(data, str | Path | Dataset):
        return [data]
    if not isinstance(data, Sequence) or not data:
        raise InputError(f"data is {type(data).__name__}; give a name, a path, a Dataset, (X, y), or a list of such.")
    if isinstance(data[0], str | Path | Dataset | tuple):
        return [each for one in data for each in _listed_data(one)]
    if len(data) not in (2, 4):
        raise InputError(f"data holds {len(data)} arrays; give (X, y), or (X_train, y_train, X_test, y_test).")
    return [tuple(data)]


def _chosen_pipelines(pipelines: Contenders | None) -> tuple[list[str | Path], dict[str, Pipeline]]:
    """Names and paths of what `compare` was given, in their order, and the estimators among them by name."""
    if pipelines is None:
        return [], {}
    alone = isinstance(pipelines, str | Path | Mapping) or hasattr(pipelines, "fit")
    chosen, estimators = [], {}
    for each in [pipelines] if alone else pipelines:
        if isinstance(each, Mapping):
            estimators |= {pipeline.name: pipeline for pipeline in bring(each)}
            chosen += each
        elif hasattr(each, "fit"):
            raise InputError(f"pipelines has an estimator, {each!r}; bring it with a name, as {{'mine': estimator}}.")
        else:
            chosen.append(each)
    if not chosen:
        raise InputError("pipelines is empty; name one or more, or leave it out for all that run by default.")
    spellings = [spelled(str(each)) for each in chosen]
    for name in estimators:
        if spellings.count(spelled(name)) > 1:
            raise InputError(f"Two pipelines are called {name!r}; give the estimator another name.")
    return chosen, estimators


def _mark(pipeline: Pipeline) -> str:
    try:
        content = cloudpickle.dumps(pipeline)
    except Exception:  # its jobs fail, and say why
        content = repr(pipeline).encode(errors="replace")
    return hashlib.blake2b(content, digest_size=16).hexdigest()
