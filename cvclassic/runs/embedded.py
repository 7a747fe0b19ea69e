"""Embeddings of frozen backbones, made once for all jobs of a data set: by the first one that needs them, before its
clock starts. What they took is then a part of each job's figures."""

import contextlib
import time
from pathlib import Path
from typing import Protocol

import numpy as np
from sklearn.base import BaseEstimator

from cvclassic.augmentation import augmentation_of, mirrored
from cvclassic.datasets import Dataset
from cvclassic.features.embedding import Embedding, Frozen
from cvclassic.features.known import Embedded, Known
from cvclassic.images import DIGEST_BYTES, digests
from cvclassic.runs.files import write_whole
from cvclassic.runs.measure import Meter, peak_memory_bytes
from cvclassic.runs.reading import EMBEDDED

IMAGES_AT_A_TIME = 128
REPORT_SECONDS = 1.0


class Store(Protocol):
    """Where embeddings are kept by key; a dict is one."""

    def get(self, key: str, /) -> Embedded | None: ...

    def __setitem__(self, key: str, embedded: Embedded, /) -> None: ...


class EmbeddedFiles:
    """A `Store` in files in a folder, which the workers of a run share; what is damaged counts as not there."""

    def __init__(self, folder: Path):
        self._folder = folder

    def get(self, key: str) -> Embedded | None:
        try:
            with np.load(self._path(key), allow_pickle=False) as file:  # the archive checks its sums
                embedded, features = file["digests"], file["features"]
                seconds, joules, peak_memory = file["seconds"].item(), file["joules"].item(), file["peak_memory"].item()
        except Exception:  # of nearly any kind where a file is damaged
            return None
        n = len(embedded)
        if embedded.shape != (n, DIGEST_BYTES) or features.shape[:1] != (n,) or not np.isfinite(features).all():
            return None
        spent = {"seconds": seconds, "joules": joules}
        return Embedded(embedded, features, {name: s for name, s in spent.items() if np.isfinite(s)}, peak_memory)

    def __setitem__(self, key: str, embedded: Embedded) -> None:
        spent = {name: embedded.spent.get(name, np.nan) for name in ("seconds", "joules")}
        arrays = {"digests": embedded.digests, "features": embedded.features, "peak_memory": embedded.peak_memory}
        with contextlib.suppress(OSError):  # the disk is full: the next job embeds again
            write_whole(self._path(key), lambda file: np.savez(file, **arrays, **spent))

    def _path(self, key: str) -> Path:
        return self._folder / f"{EMBEDDED}-{key}"


def embed_ahead(estimator: BaseEstimator, dataset: Dataset, store: Store, known: Known) -> None:
    """Let each `Embedding` in `estimator` look up the pictures of `dataset` in `known`.

    What is not there yet is taken from `store`, or embedded now and put there. Where the estimator learns from mirror
    images, those of all training images are among them; what is drawn at random is embedded in the fit.
    """
    for part in _parts(estimator):
        frozen = part.open()
        if frozen.described not in known.backbones:
            known.backbones.append(frozen.described)
        if frozen.key not in known.embedded:
            images = _pictures(dataset, with_mirrored="mirror" in augmentation_of(estimator).split("+"))
            different, first = np.unique(digests(images), axis=0, return_index=True)
            found = store.get(frozen.key)
            new = first if found is None else first[found.find(different) < 0]
            if len(new):
                found = store[frozen.key] = _joined(found, _embedded(frozen, images[new]))
            known.embedded[frozen.key] = found
        part.set_params(known=known)


def peak_with(known: Known) -> int:
    """Bytes that this process, or the one that made the embeddings it looked up, had used at most."""
    return max([peak_memory_bytes(), *(each.peak_memory for each in known.embedded.values())])


def _parts(estimator: BaseEstimator) -> list[Embedding]:
    found = [estimator, *(estimator.get_params(deep=True).values() if hasattr(estimator, "get_params") else ())]
    return [part for part in found if isinstance(part, Embedding)]


def _pictures(dataset: Dataset, with_mirrored: bool) -> np.ndarray:
    images = dataset.images[dataset.used]
    if not with_mirrored:
        return images
    training = np.unique(np.concatenate([part.train for part in (dataset, *dataset.smaller, *dataset.folds)]))
    return np.concatenate([images, mirrored(dataset.images[training])])


def _embedded(frozen: Frozen, images: np.ndarray) -> Embedded:
    frozen.embed(images[:1])  # what is loaded or compiled at first use doesn't count
    meter, features, told = Meter(), [], time.monotonic()
    for start in range(0, len(images), IMAGES_AT_A_TIME):
        features.append(frozen.embed(images[start : start + IMAGES_AT_A_TIME]))
        if time.monotonic() > told + REPORT_SECONDS:
            told, done = time.monotonic(), min(start + IMAGES_AT_A_TIME, len(images))
            print(f"embedding: {done:,} of {len(images):,} images, once for all jobs", flush=True)
    return Embedded(digests(images), np.concatenate(features), meter.read(), peak_memory_bytes())


def _joined(some: Embedded | None, more: Embedded) -> Embedded:
    if some is None:
        return more
    return Embedded(
        np.concatenate([some.digests, more.digests]),
        np.concatenate([some.features, more.features]),
        {name: some.spent[name] + more.spent[name] for name in some.spent.keys() & more.spent.keys()},
        max(some.peak_memory, more.peak_memory),
    )
