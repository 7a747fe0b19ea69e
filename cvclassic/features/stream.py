"""Features of more images than fit into memory."""

import mmap
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cvclassic.errors import InputError
from cvclassic.features.extractor import Extractor

_BYTES_PER_BATCH = 1 << 25  # large enough to keep all cores at work between two batches
_HEADER_BYTES = 128  # of a .npy file: enough for the shape of any array of features


def stream(extractor, images: np.ndarray | Iterable[np.ndarray], path, *, batch_size: int | None = None) -> np.ndarray:
    """Extract features batch by batch into a `.npy` file, and return it memory-mapped.

    Memory holds two batches and their features, whatever the number of images; pages of a memory-mapped input are given
    back after use. The file appears under its name only when it is complete.

    Parameters
    ----------
    extractor : Extractor
        Fitted, where it learns something.
    images : ndarray or memory-mapped array (n, height, width[, 3]), or an iterable of such batches
        An iterable gives the batches as they are worked on.
    path : path of the file, overwritten if it is there
    batch_size : int, optional
        Images at a time, where `images` is one array; None is as many as 32 MiB of images, or of features, are.

    Returns
    -------
    memory-mapped array (n, d), float32, read-only

    Raises
    ------
    InputError
        For no images, or batches whose features differ in number; no file is left behind then.
    """
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size={batch_size!r} must be at least 1.")
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    if isinstance(images, np.ndarray) and len(images) > 0:
        batches = _batches(images, batch_size or _images_per_batch(extractor, images))
    else:
        batches = iter(images)
    try:
        with unfinished.open("wb") as file, ThreadPoolExecutor(1) as writer:
            shape = _write(extractor, batches, file, writer)
            file.seek(0)
            file.write(_header(shape))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def _write(extractor, batches, file, writer) -> tuple[int, int]:
    """Write the features behind a place for the header; one batch is written while the next is worked on."""
    file.write(bytes(_HEADER_BYTES))
    n, d, written = 0, None, None
    buffers = [None, None]  # one is filled while the other is written; fresh ones would cost as much time as writing
    for number, batch in enumerate(batches):
        features = _transformed(extractor, batch, buffers[number % 2])
        buffers[number % 2] = (np.shape(batch)[1:], features)
        if d not in (None, features.shape[1]):
            raise InputError(f"A batch gave {features.shape[1]} features for each image, and the first one {d}.")
        if written is not None:
            written.result()
        written = writer.submit(file.write, features)
        n, d = n + len(features), features.shape[1]
    if written is None:
        raise InputError("There are no images to extract features from.")
    written.result()
    return n, d


def _transformed(extractor, batch, buffer) -> np.ndarray:
    """Features of a batch, in the memory of `buffer` (image shape, features) where they fit."""
    if buffer is None or not isinstance(extractor, Extractor):
        return extractor.transform(batch)
    image_shape, features = buffer
    fits = np.shape(batch)[1:] == image_shape and 0 < len(batch) <= len(features)
    return extractor.transform(batch, out=features[: len(batch)] if fits else None)


def _images_per_batch(extractor, images: np.ndarray) -> int:
    features = extractor.transform(images[:1])
    return max(1, _BYTES_PER_BATCH // max(images[:1].nbytes, features.nbytes))


def _header(shape: tuple[int, int]) -> bytes:
    """Header of a version 1 .npy file with float32 values, filled up with spaces."""
    description = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    start = b"\x93NUMPY\x01\x00" + (_HEADER_BYTES - 10).to_bytes(2, "little")
    return start + description.ljust(_HEADER_BYTES - 11) + b"\n"


def _batches(images: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    # Pages that were read count as memory of the process until they are given back. Those of a private mapping
    # (mode "c") may hold changes and are kept.
    mapping = images._mmap if isinstance(images, np.memmap) and images.mode in ("r", "r+") else None
    for start in range(0, len(images), batch_size):
        yield images[start : start + batch_size]
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)
