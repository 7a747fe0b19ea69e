"""A user's own pictures: a folder of class folders, such a folder in a zip or tar archive, or a table of paths."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from cvclassic.datasets.archives import opened_archive
from cvclassic.datasets.dataset import LabelledImages
from cvclassic.datasets.files import Files, Folder, Unused, unreadable_warning
from cvclassic.datasets.groups import groups_of_files
from cvclassic.datasets.image_size import usual_size
from cvclassic.datasets.layout import TEST, TRAIN, VALIDATION, WHOLE, Layout, layout_of_folders
from cvclassic.datasets.remote import read_remote_set
from cvclassic.datasets.storage import shown
from cvclassic.datasets.table import layout_of_table
from cvclassic.decoding import LARGEST_SIDE, SMALLEST_SIDE, Content, InputContract, Pictures, read_contents, read_set
from cvclassic.decoding.remote import REQUESTS
from cvclassic.errors import InputError

TABLES = frozenset({".csv", ".tsv"})
SHARE_OF_MEMORY = 0.5  # of what is free: a run keeps its images once more for the jobs, and these need some, too


def load_pictures(
    path: Path | str,
    *,
    image_size: int | None = None,
    resize: str = "pad",
    group: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LabelledImages:
    """Read all pictures of a set, resized to a square. The batch is gray where all pictures are.

    docs/pictures.md tells what is read, by which rules, and what is passed over.

    Parameters
    ----------
    path : Path, or str for a URL
        A folder `path/<class>/<image>`, or `path/<part>/<class>/<image>` with parts `train` and `test`, and `val`,
        `valid` or `validation`, in any case; a zip or tar archive of such a folder; or a CSV (`table.layout_of_table`).
        Images in folders inside of a class folder are of that class. A URL is of such a folder or CSV, for fsspec.
    image_size : int, optional
        Height and width in pixels, 8 or more. None is `image_size.usual_size`.
    resize : {"pad", "crop", "stretch"}
        What becomes of pictures that are no squares: see `cvclassic.decoding.InputContract`.
    group : str, optional
        What tells which images belong together: see `groups.groups_of_files`. Exact copies always do.
    progress : callable, optional
        Called with the number of files that were done since it was called last, and that of all.

    Raises
    ------
    DataError
        For what is no such set, with fewer than two classes, a class without enough images, or classes that differ
        between parts.
    InputError
        For an `image_size` or `resize` that can't be used, a `group` that finds none, or images that would take more
        memory than half of what is free.
    """
    _check_size(image_size)
    with _opened(path) as opened:
        layout = opened.layout
        layout.check_counts()
        contents = [opened.content(name) for name in layout.names]
        size = usual_size(contents, resize, threads=opened.threads or 1) if image_size is None else image_size
        contract = InputContract(size, size, 3, resize)
        _check_memory(len(contents), size)
        told = None if progress is None else lambda n: progress(n, len(contents))
        pictures = opened.read(contents, contract, progress=told)
    unreadable = [Unused(layout.names[place], why) for place, why in pictures.unreadable.items()]
    warnings = list(layout.warnings)
    if unreadable:
        warnings.append(unreadable_warning(unreadable))
        layout = layout.of(pictures.rows)
        layout.check_counts(reason=warnings[-1])
    images = _drop_equal_channels(pictures.images)
    n = {part: int(np.sum(layout.part_of == k)) for k, part in enumerate(layout.parts)}
    names, known = tuple(layout.names), [] if layout.groups is None else [layout.groups]
    if group is not None:
        depth = None if opened.is_table else 1 if WHOLE in n else 2
        known.append(groups_of_files(group, [Path(name) for name in names], depth))
    side = f"{size} x {size} ({_how(resize, image_size)})"
    return LabelledImages(
        images=images,
        labels=layout.labels,
        class_names=_shown_names(layout.class_names),
        provenance=f"{path if isinstance(path, str) else shown(path)}, {len(images):,} image files resized to {side}",
        traits=frozenset(),
        n_train=n[TRAIN] + n.get(VALIDATION, 0) if TEST in n else None,
        n_validation=n.get(VALIDATION, 0),
        warnings=tuple(warnings),
        files=Files(names, pictures.facts, tuple(unreadable), tuple(layout.skipped)),
        contract=InputContract(size, size, 1 if images.ndim == 3 else 3, resize),
    ).grouped(*known)


class _Opened(NamedTuple):
    """Pictures that can be read, while the context lasts."""

    layout: Layout
    content: Callable[[str], Content]
    read: Callable[..., Pictures]  # as `read_set`
    is_table: bool = False
    threads: int | None = None


@contextmanager
def _opened(path: Path | str) -> Iterator[_Opened]:
    """What is at a path or a URL."""
    if isinstance(path, str):
        yield _opened_url(path)
    elif path.is_dir():
        folder = Folder(path)
        yield _Opened(layout_of_folders(folder), folder.content, read_set)
    elif path.suffix.lower() in TABLES:
        yield _Opened(layout_of_table(path), Folder(path.parent).content, read_set, is_table=True)
    else:
        with opened_archive(path) as archive:
            yield _Opened(layout_of_folders(archive), archive.content, read_set)


def _opened_url(url: str) -> _Opened:
    """Files that are known by what their store says of them come from the cache without being read again."""
    found = read_remote_set(url)
    if found.identities is None:
        read = partial(read_contents, threads=REQUESTS)
    else:
        read = partial(read_set, threads=REQUESTS, identities=[found.identities[name] for name in found.layout.names])
    return _Opened(found.layout, found.content, read, is_table=found.is_table, threads=REQUESTS)


def _check_size(image_size: int | None) -> None:
    if image_size is not None and not SMALLEST_SIDE <= image_size <= LARGEST_SIDE:
        raise InputError(
            f"image_size={image_size} (--image-size); it is a number of pixels from {SMALLEST_SIDE}, below which there "
            f"are no shapes to see, to {LARGEST_SIDE:,}."
        )


def _check_memory(n: int, size: int) -> None:
    needed, free = n * size * size * 3, psutil.virtual_memory().available
    if needed > SHARE_OF_MEMORY * free:
        raise InputError(
            f"{n:,} images of {size:,} x {size:,} pixels take {n:,} x {size:,} x {size:,} x 3 bytes = "
            f"{needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of memory are free, of which a run needs as much for "
            "itself. Use a smaller image_size (--image-size), or fewer pictures."
        )


def _how(resize: str, image_size: int | None) -> str:
    """How pictures become squares, and whether their size is the rule's."""
    how = {"pad": "padded to squares", "crop": "cropped to squares", "stretch": "stretched to squares"}[resize]
    return how if image_size is not None else f"{how}; the size by their median"


def _shown_names(names: list[str]) -> tuple[str, ...]:
    """Names of folders as text: bytes that are no UTF-8 are replaced, and names that became equal are numbered."""
    shown = [name.encode(errors="replace").decode() for name in names]
    return tuple(
        name if shown.count(name) == 1 else f"{name} ({shown[:number].count(name) + 1})"
        for number, name in enumerate(shown)
    )


def _drop_equal_channels(images: np.ndarray) -> np.ndarray:
    """The gray batch where red, green and blue agree everywhere, else the batch as it is."""
    for start in range(0, len(images), 1024):
        block = images[start : start + 1024]
        if not (np.array_equal(block[..., 0], block[..., 1]) and np.array_equal(block[..., 0], block[..., 2])):
            return images
    return np.ascontiguousarray(images[..., 0])
