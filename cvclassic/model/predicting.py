"""A model's answers for many files: read ahead while it predicts, and each file that can't be read with its reason."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvclassic.decoding import Pictures, is_url, local_path, read_pictures
from cvclassic.errors import InputError
from cvclassic.model.decision import Costs, decide
from cvclassic.model.model import Model

FILES_AT_A_TIME = 512


@dataclass(frozen=True)
class Answer:
    """What a model says of a file.

    Attributes
    ----------
    path : str
    name : str or None
        Of the class, or "unsure"; None where the file can't be read.
    probabilities : tuple of (str, float)
        The likeliest classes first; empty for a model without probabilities.
    error : str or None
        Why the file can't be read.
    """

    path: str
    name: str | None
    probabilities: tuple[tuple[str, float], ...] = ()
    error: str | None = None


def files_below(place: str, suffixes: frozenset[str]) -> list[str]:
    """`[place]` for a file; of a folder, or the URL of one, all files below it that have one of the suffixes, sorted.

    Hidden ones, and links to folders, are passed over. InputError for a folder without any.
    """
    if is_url(place):
        return _files_below_url(place, suffixes)
    path = Path(local_path(place) or place).expanduser()
    if not path.is_dir():
        return [str(path)]
    found = []
    for where, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            os.path.join(where, name)
            for name in names
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes
        ]
    if not found:
        raise InputError(f"There is no picture file in {path} or below it.")
    return sorted(found)


def _files_below_url(url: str, suffixes: frozenset[str]) -> list[str]:
    """What has a picture's suffix is taken for a file without asking."""
    from cvclassic.decoding.remote import open_place

    if os.path.splitext(url)[1].lower() in suffixes:
        return [url]
    place = open_place(url)
    names = [name for name in place.names() if not any(part.startswith(".") for part in name.split("/"))]
    found = [place.url_of(name) for name in names if os.path.splitext(name)[1].lower() in suffixes]
    if not found:
        raise InputError(f"There is no picture file in {url} or below it.")
    return sorted(found)


def answers(
    model: Model, paths: Iterable[str], *, top: int = 1, unsure: float | None = None, costs: Costs | None = None
) -> Iterator[Answer]:
    """The model's answer for each file, in their order.

    Parameters
    ----------
    model : Model
    paths : iterable of str
    top : int
        So many of the likeliest classes are told, with their probabilities, where the model has such.
    unsure, costs
        As of `Model.predict`.

    Raises
    ------
    InputError
        Where probabilities are needed and there are none, or the pipeline fails.
    """
    if (unsure is not None or costs) and model.calibration is None:
        raise InputError("This model has no probabilities, so that it can't be unsure or weigh costs.")
    paths = list(paths)
    parts = [paths[start : start + FILES_AT_A_TIME] for start in range(0, len(paths), FILES_AT_A_TIME)]
    if len(parts) == 1:  # a thread is not worth it
        yield from _answers(model, parts[0], read_pictures(parts[0], model.contract), top, unsure, costs)
        return
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read_pictures, parts[0], model.contract) if parts else None
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            read = ahead.result()
            ahead = following and reader.submit(read_pictures, following, model.contract)
            yield from _answers(model, part, read, top, unsure, costs)


def _answers(
    model: Model, paths: list[str], read: Pictures, top: int, unsure: float | None, costs: Costs | None
) -> Iterator[Answer]:
    places = {int(row): k for k, row in enumerate(read.rows)}
    names, probabilities = np.empty(0, str), None
    if len(read.rows):
        labels, probabilities = model.predict_images(read.images)
        names = np.asarray(model.class_names)[labels]
        if unsure is not None or costs:
            names = decide(probabilities, labels, model.class_names, costs, unsure)
    for place, path in enumerate(paths):
        k = places.get(place)
        if k is None:
            yield Answer(path, None, error=read.unreadable[place])
        else:
            yield Answer(path, str(names[k]), _likeliest(model, probabilities, k, top))


def _likeliest(model: Model, probabilities: np.ndarray | None, k: int, top: int) -> tuple[tuple[str, float], ...]:
    if probabilities is None:
        return ()
    order = np.argsort(-probabilities[k], kind="stable")[:top]
    return tuple((model.class_names[c], float(probabilities[k, c])) for c in order)
