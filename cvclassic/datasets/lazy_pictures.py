"""A folder of pictures, here or far away, as Dask arrays: pictures are read when they are asked for, chunk by chunk.

>>> from cvclassic.datasets import lazy_pictures
>>> train = lazy_pictures("s3://bucket/train")  # doctest: +SKIP
>>> train.images, train.labels, train.class_names  # doctest: +SKIP

docs/remote.md tells what it reads, and what that costs.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cvclassic.datasets.files import Folder, Unused, unreadable_warning
from cvclassic.datasets.layout import PART_NAMES, WHOLE, Layout
from cvclassic.datasets.listing import Lister, PackedNames, cut, list_folders, pack, unpack, unpack_all
from cvclassic.datasets.remote import TABLES, RemoteFolder, layout_of_remote_table, open_folder, suffix_of
from cvclassic.datasets.sample import Seen, look, size_of
from cvclassic.datasets.table import layout_of_table
from cvclassic.decoding import PAD, InputContract, Pictures, is_url, local_path, read_contents
from cvclassic.decoding.remote import REQUESTS
from cvclassic.errors import DataError, InputError
from cvclassic.lazy import require_dask

if TYPE_CHECKING:
    from dask.array import Array

CHUNK_BYTES = 2**25  # of pixels, 32 MiB
SAMPLED = 200  # files whose heads tell the size and the colors of all
_NAMED = 3  # of what is wrong with many


@dataclass(frozen=True, eq=False)
class LazyPictures:
    """Pictures that are read when they are asked for.

    Attributes
    ----------
    images : dask.array.Array of shape (n, height, width) or (n, height, width, 3), uint8
        Chunked along the first axis. Sorted by class, then by name.
    labels : dask.array.Array of shape (n,), int64
        Indices into `class_names`, with the chunks of the images.
    class_names : tuple of str
    counts : ndarray of shape (k,), int64
        Pictures of each class.
    contract : InputContract
        How files become the images.
    told : tuple of str
        How the size and the colors were chosen, and what was passed over.
    unreadable : tuple of Unused
        Files that `without_unreadable` left out, and why.
    """

    images: "Array"
    labels: "Array"
    class_names: tuple[str, ...]
    counts: np.ndarray
    contract: InputContract
    told: tuple[str, ...]
    unreadable: tuple[Unused, ...] = ()
    _packs: tuple[PackedNames, ...] = field(default=(), repr=False)
    _tree: Lister | None = field(default=None, repr=False)

    def names(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Names of the files of some rows: paths relative to what was read, with /."""
        n, rows = self.images.shape[0], self.images.chunks[0][0]
        start, stop, _ = slice(start, stop).indices(n)
        if stop <= start:
            return []
        first, last = start // rows, (stop - 1) // rows
        found = list(unpack_all(self._packs[first : last + 1]))
        return found[start - first * rows : stop - first * rows]

    def without_unreadable(self) -> "LazyPictures":
        """The same without the files that can't be read, which are named in `unreadable`.

        All pictures are read and decoded once for that, by Dask, and not kept.

        Raises
        ------
        DataError
            Where no picture of a class is left, or the store does not answer.
        """
        import dask

        read = dask.delayed(_unreadable)
        tree = dask.delayed(self._tree, traverse=False)
        found = dask.compute(*[read(pack, tree, self.contract) for pack in self._packs])
        unreadable = [each for of_chunk in found for each in of_chunk]
        if not unreadable:
            return self
        gone = {each.name for each in unreadable}
        rows = self.images.chunks[0][0]
        lost = np.zeros_like(self.counts)
        ends = np.cumsum(self.counts)
        for row, name in enumerate(unpack_all(self._packs)):
            lost[np.searchsorted(ends, row, side="right")] += name in gone
        counts = self.counts - lost
        _check_counts(self._tree.shown, self.class_names, counts, unreadable_warning(unreadable))
        kept = cut((name for name in unpack_all(self._packs) if name not in gone), rows)
        return _lazy(
            self._tree, kept, rows, self.class_names, counts, self.contract, self.told, (*self.unreadable, *unreadable)
        )


def lazy_pictures(
    source: str | Path,
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    resize: str = PAD,
    chunks: int | None = None,
    like: LazyPictures | None = None,
    storage_options: Mapping[str, object] | None = None,
    seed: int = 0,
) -> LazyPictures:
    """Pictures of a folder, a URL or a table as Dask arrays, of which only the names are read now.

    The pixels are those that `cvclassic.datasets.load` makes of the same files at the same size.

    Parameters
    ----------
    source : path or URL
        Of a folder `source/<class>/<picture>`, or of a CSV of paths and labels relative to its folder
        (`table.layout_of_table`). URLs are those that fsspec reads, as `s3://bucket/train`.
    image_size : int, or (height, width), optional
        In pixels. None is the median side of 200 of the pictures, rounded down to a multiple of 16, from 32 to 64.
    channels : {1, 3}, optional
        1 is gray, 3 is RGB. None is 1 where the heads of those 200 are all gray.
    resize : {"pad", "crop", "stretch"}
        How pictures become images of this size: see `cvclassic.decoding.InputContract`.
    chunks : int, optional
        Images in a chunk; by default so many as have 32 MiB of pixels.
    like : LazyPictures, optional
        Others, as those to train on: images are made, and classes are numbered, as theirs.
    storage_options : mapping, optional
        For the driver that reads the URL. They travel to Dask's workers and are written nowhere.
    seed : int
        Of the sample of 200.

    Raises
    ------
    DataError
        For what is no such set, or can't be listed. When images are computed: for a file that can't be read, which is
        named, and for a store that doesn't answer.
    InputError
        For sizes that can't be, a URL that can't be read, classes that `like` does not have.
    MissingDependencyError
        Without Dask, fsspec or the driver of the URL.
    """
    require_dask("Lazy pictures")
    if like is not None and (image_size, channels, resize) != (None, None, PAD):
        raise InputError("like says what images are like; remove image_size, channels and resize.")
    if chunks is not None and (isinstance(chunks, bool) or not isinstance(chunks, int) or chunks < 1):
        raise InputError(f"chunks={chunks!r}; it is how many images a chunk has, 1 or more.")
    tree, class_names, packs, counts, told = _listed(source, storage_options)
    if like is not None:
        packs, counts = _as_numbered(tree.shown, class_names, packs, counts, like.class_names)
        class_names, contract = like.class_names, like.contract
    else:
        _check_counts(tree.shown, class_names, counts)
        contract, told_size = _contract(tree, packs, int(counts.sum()), image_size, channels, resize, seed)
        told = [told_size, *told]
    rows = max(1, CHUNK_BYTES // prod(contract.shape)) if chunks is None else chunks
    names = (name for of_class in packs for name in unpack_all(of_class))
    return _lazy(tree, cut(names, rows), rows, class_names, counts, contract, tuple(told))


Packs = list[list[PackedNames]]  # of each class


def _listed(
    source: str | Path, options: Mapping[str, object] | None
) -> tuple[Lister, tuple[str, ...], Packs, np.ndarray, list[str]]:
    """What holds the files, the classes, the names of each, how many there are, and what was passed over."""
    if is_url(source):
        if suffix_of(source) in TABLES:
            layout, place = layout_of_remote_table(source, options)
            return RemoteFolder(place), *_of_table(source, layout)
        return _of_folders(RemoteFolder(open_folder(source, options)))
    path = Path(local_path(str(source)) or source).expanduser()
    if path.is_file() and suffix_of(path.name) in TABLES:
        return Folder(path.parent), *_of_table(str(path), layout_of_table(path))
    if not path.is_dir():
        raise DataError(f"{path} is no folder, and no CSV. Archives are not read lazily: unpack them.")
    return _of_folders(Folder(path))


def _of_folders(tree: Lister) -> tuple[Lister, tuple[str, ...], Packs, np.ndarray, list[str]]:
    folders = tree.subfolders("")
    parts = [name for name in folders if name.lower() in PART_NAMES]
    if len({PART_NAMES[name.lower()] for name in parts}) > 1:
        raise InputError(f"{tree.shown} holds the parts {', '.join(parts)}; name one of them: {tree.shown}/{parts[0]}")
    if len(folders) < 2:
        raise DataError(f"{tree.shown} holds {len(folders)} class folders; two or more are needed.")
    listed = list_folders(tree, folders)
    skipped = sum((each.skipped for each in listed), Counter())
    counted = ", ".join(f"{n:,} {why}" for why, n in sorted(skipped.items()))
    told = [f"passed over: {counted}"] if counted else []
    counts = np.array([each.n for each in listed], np.int64)
    return tree, tuple(folders), [each.blocks for each in listed], counts, told


def _of_table(shown: str, layout: Layout) -> tuple[tuple[str, ...], Packs, np.ndarray, list[str]]:
    if layout.parts != [WHOLE]:
        raise InputError(f"{shown} has parts ({', '.join(layout.parts)}); write a table for each.")
    counts = np.bincount(layout.labels, minlength=len(layout.class_names))
    bounds = [0, *np.cumsum(counts).tolist()]
    packs = [[pack(layout.names[start:stop])] for start, stop in pairwise(bounds)]
    return tuple(layout.class_names), packs, counts, []


def _as_numbered(
    shown: str, class_names: Sequence[str], packs: Packs, counts: np.ndarray, wanted: Sequence[str]
) -> tuple[Packs, np.ndarray]:
    """Names and counts in the order of other classes, of which some may have no pictures here."""
    unknown = [name for name in class_names if name not in wanted]
    if unknown:
        raise InputError(f"{shown} has the class {unknown[0]!r:.80}, which like does not have. Remove or rename it.")
    place = {name: k for k, name in enumerate(class_names)}
    ordered = [packs[place[name]] if name in place else [] for name in wanted]
    return ordered, np.array([counts[place[name]] if name in place else 0 for name in wanted], np.int64)


def _check_counts(shown: str, class_names: Sequence[str], counts: np.ndarray, reason: str = "") -> None:
    empty = [name for name, n in zip(class_names, counts, strict=True) if n == 0]
    if empty:
        named = ", ".join(empty[:_NAMED])
        told = f"{shown} has no picture of these classes: {named}. Add some, or remove the class folder. {reason}"
        raise DataError(told.strip())


def _contract(
    tree: Lister,
    packs: Packs,
    n: int,
    image_size: int | tuple[int, int] | None,
    channels: int | None,
    resize: str,
    seed: int,
) -> tuple[InputContract, str]:
    """What images are to be like, and a line that tells how that was found."""
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if size is not None and (not isinstance(size, tuple) or len(size) != 2):
        raise InputError(f"image_size={image_size!r:.80}; it is a number of pixels, or (height, width).")
    known = InputContract(*(size or (32, 32)), 3 if channels is None else channels, resize)  # before files are read
    if size is not None and channels is not None:
        return known, "size and channels were given"
    chosen = np.sort(np.random.default_rng(seed).choice(n, min(n, SAMPLED), replace=False))
    seen = [each for each in look(tree, _names_at(packs, chosen)) if each is not None]
    if not seen:
        raise DataError(f"None of {len(chosen)} pictures of {tree.shown} can be read; are they pictures?")
    return _by_sample(seen, n, size, channels, resize, seed)


def _by_sample(
    seen: list[Seen], n: int, size: tuple[int, int] | None, channels: int | None, resize: str, seed: int
) -> tuple[InputContract, str]:
    told = []
    if size is None:
        size = (size_of(seen, resize),) * 2
        told.append(f"{size[0]} x {size[1]} pixels by their median side")
    if channels is None:
        channels = 1 if all(each.channels == 1 for each in seen) else 3
        told.append("gray, as all of them" if channels == 1 else "RGB, as some of them")
    looked_at = f"{len(seen)} of {n:,} pictures were looked at (drawn with seed {seed})"
    return InputContract(*size, channels, resize), f"{looked_at}: {'; '.join(told)}"


def _names_at(packs: Packs, rows: np.ndarray) -> list[str]:
    """The names of some rows, ascending; one pack is open at a time."""
    found, start, wanted = [], 0, rows.tolist()
    for packed in (each for of_class in packs for each in of_class):
        names = unpack(packed)
        while wanted and wanted[0] < start + len(names):
            found.append(names[wanted.pop(0) - start])
        start += len(names)
        if not wanted:
            break
    return found


def _lazy(
    tree: Lister,
    packs: Iterable[PackedNames],
    rows: int,
    class_names: tuple[str, ...],
    counts: np.ndarray,
    contract: InputContract,
    told: tuple[str, ...],
    unreadable: tuple[Unused, ...] = (),
) -> LazyPictures:
    """Arrays of tasks, one for each pack of names: the pack is all that a task needs to know of its files."""
    import dask.array as da

    packs = tuple(packs)
    n, key = int(counts.sum()), uuid.uuid4().hex  # never that of a reading before: files may have changed
    starts = range(0, n, rows)
    sizes = tuple(min(rows, n - start) for start in starts)
    others = tuple((side,) for side in contract.shape)
    zeros = (0,) * len(others)
    place = f"place-{key}"
    images = {(f"images-{key}", k, *zeros): (_read_chunk, each, place, contract) for k, each in enumerate(packs)}
    ends = np.cumsum(counts)
    labels = {(f"labels-{key}", k): (_labels, start, sizes[k], ends) for k, start in enumerate(starts)}
    return LazyPictures(
        images=da.Array({place: tree, **images}, f"images-{key}", (sizes, *others), dtype=np.uint8),
        labels=da.Array(labels, f"labels-{key}", (sizes,), dtype=np.int64),
        class_names=class_names,
        counts=counts,
        contract=contract,
        told=told,
        unreadable=unreadable,
        _packs=packs,
        _tree=tree,
    )


def _read_chunk(packed: PackedNames, tree: Lister, contract: InputContract) -> np.ndarray:
    """The images of some files; DataError where some can't be read."""
    names, found = _read(packed, tree, contract)
    if found.unreadable:
        named = [f"{names[place]} ({why})" for place, why in list(found.unreadable.items())[:_NAMED]]
        more = len(found.unreadable) - len(named)
        raise DataError(
            f"Of {len(names):,} pictures of {tree.shown} that were asked for together, these can't be read: "
            f"{'; '.join(named)}{f' and {more:,} more' if more else ''}. Leave such files out by "
            "lazy_pictures(...).without_unreadable(), which reads all once, or put whole copies in their place."
        )
    return found.images


def _unreadable(packed: PackedNames, tree: Lister, contract: InputContract) -> list[Unused]:
    names, found = _read(packed, tree, contract)
    return [Unused(names[place], why) for place, why in found.unreadable.items()]


def _read(packed: PackedNames, tree: Lister, contract: InputContract) -> tuple[list[str], Pictures]:
    """Names of some files, and what is in them. Of files far away several are asked for at a time; one is decoded."""
    names = unpack(packed)
    requests = REQUESTS if isinstance(tree, RemoteFolder) else 1
    return names, read_contents([tree.content(name) for name in names], contract, threads=requests, decoders=1)


def _labels(start: int, n: int, ends: np.ndarray) -> np.ndarray:
    return np.searchsorted(ends, np.arange(start, start + n), side="right")
