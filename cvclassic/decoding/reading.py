"""`read_pictures`: many files at once, on all cores, each with a reason where it can't be read."""

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cvclassic.decoding.contract import InputContract
from cvclassic.decoding.files import file_content
from cvclassic.decoding.pixels import one_thread_each, read_image
from cvclassic.decoding.reasons import UnreadableError
from cvclassic.decoding.urls import is_url

# What is in one file, while the context lasts; entering it may raise UnreadableError.
Content = Callable[[], AbstractContextManager[bytes]]
Progress = Callable[[int], None]
_FILES_PER_TASK = 64
_ANY_TIME = contextlib.nullcontext()


class Facts(NamedTuple):
    """What a picture's file is like, whatever becomes of its pixels."""

    size: int  # bytes
    height: int  # as it is looked at, after an orientation mark
    width: int
    channels: int  # 1 or 3, transparency not counted
    bits: int  # of each channel


class Pictures(NamedTuple):
    """The pictures of some files.

    Attributes
    ----------
    images : ndarray of shape (m, height, width) or (m, height, width, 3), uint8
        Those that could be read, in order.
    rows : ndarray of shape (m,), int64
        Their places among the files.
    unreadable : dict of int to str
        Of the others: the place, and why.
    facts : ndarray of shape (m, 5), int64
        `Facts` of each image.
    """

    images: np.ndarray
    rows: np.ndarray
    unreadable: dict[int, str]
    facts: np.ndarray


def read_pictures(
    paths: Sequence[str | Path], contract: InputContract, *, progress: Progress | None = None
) -> Pictures:
    """Read picture files, on all cores.

    Parameters
    ----------
    paths : sequence of paths and URLs
        Of files in formats that docs/pictures.md names; the content tells the format, not the suffix. URLs are read by
        fsspec (docs/remote.md).
    contract : InputContract
        What becomes of pictures of other sizes and colors.
    progress : callable, optional
        Called from one thread at a time with the number of files that were done since it was called last.

    Returns
    -------
    Pictures
        A file that can't be read costs itself only.

    Raises
    ------
    DataError
        For URLs whose store does not answer, or refuses.
    """
    if not any(map(is_url, paths)):
        return read_contents([partial(file_content, path) for path in paths], contract, progress=progress)
    from cvclassic.decoding.remote import REQUESTS, content_of

    contents = [content_of(path) if is_url(path) else partial(file_content, path) for path in paths]
    return read_contents(contents, contract, progress=progress, threads=REQUESTS)


def read_contents(
    contents: Sequence[Content],
    contract: InputContract,
    *,
    progress: Progress | None = None,
    threads: int | None = None,
    decoders: int | None = None,
) -> Pictures:
    """What `read_pictures` does, for anything that gives the content of files.

    Parameters
    ----------
    contents, contract, progress
        As of `read_pictures`.
    threads : int, optional
        In how many threads; one for each core by default.
    decoders : int, optional
        How many of them may decode at a time, while others wait for contents; all by default.
    """
    images = np.empty((len(contents), *contract.shape), np.uint8)
    facts = np.zeros((len(contents), len(Facts._fields)), np.int64)
    unreadable: dict[int, str] = {}
    turn = _ANY_TIME if decoders is None else threading.BoundedSemaphore(decoders)

    def read_one(place: int) -> None:
        found = read_content(contents[place], contract, turn)
        if isinstance(found, str):
            unreadable[place] = found
        else:
            images[place], facts[place] = found

    in_threads(read_one, range(len(contents)), progress, threads)
    return kept(images, facts, unreadable)


def read_content(
    content: Content, contract: InputContract, turn: AbstractContextManager = _ANY_TIME
) -> tuple[np.ndarray, Facts] | str:
    """The image and the facts of one file; or why it can't be read. It is decoded within `turn`."""
    try:
        with content() as held, turn:
            image, facts = read_image(held, contract)
            return image, Facts(len(held), *facts)
    except UnreadableError as error:
        return str(error)


def kept(images: np.ndarray, facts: np.ndarray, unreadable: dict[int, str]) -> Pictures:
    """The readable ones of all places; the array is not copied where all are."""
    rows = np.delete(np.arange(len(images)), list(unreadable))
    if unreadable:
        for at, row in enumerate(rows):  # in place: there may be no room for a second array
            images[at] = images[row]
        images, facts = images[: len(rows)], facts[rows]
    return Pictures(images, rows, dict(sorted(unreadable.items())), facts)


def in_threads(
    work: Callable[[int], None],
    places: Sequence[int],
    progress: Progress | None = None,
    threads: int | None = None,
) -> None:
    """Do the work for each place, in as many threads as there are cores, or in so many.

    Reading, hashing and decoding release the interpreter's lock, so that threads are enough.
    """

    def work_on(some: Sequence[int]) -> int:
        for place in some:
            work(place)
        return len(some)

    threads = threads or _cores()
    step = max(1, min(_FILES_PER_TASK, -(-len(places) // threads)))
    parts = [places[start : start + step] for start in range(0, len(places), step)]
    if len(parts) <= 1:  # a picture alone is not worth a thread
        with one_thread_each():
            done = sum(map(work_on, parts))
        if progress is not None and done:
            progress(done)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        with one_thread_each():
            waiting = {pool.submit(work_on, part) for part in parts}
            while waiting:
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_EXCEPTION)
                n = sum(each.result() for each in done)
                if progress is not None and n:
                    progress(n)
    finally:  # also where the user interrupts
        pool.shutdown(cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
