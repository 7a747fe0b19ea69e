"""Images or features with their labels in a zarr store (format 3), on disk or by URL: written and read chunk by chunk.

>>> from cvclassic.datasets import read_zarr, write_zarr
>>> write_zarr("train.zarr", train.images, train.labels, class_names=train.class_names)  # doctest: +SKIP
>>> stored = read_zarr("train.zarr")  # doctest: +SKIP
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from cvclassic.decoding import InputContract, is_url, local_path
from cvclassic.decoding.remote import is_unreachable, open_place, store_error
from cvclassic.errors import CVClassicError, DataError, InputError, MissingDependencyError

if TYPE_CHECKING:
    import zarr
    from dask.array import Array
    from zarr.abc.store import Store

X_NAME, Y_NAME = "X", "y"  # of the arrays in the group
ATTRIBUTES = "cvclassic"  # of the group; they are written last, and a store without them is not whole
LAYOUT = 1
CODECS = ["bytes", "zstd", "crc32c"]  # others, of which zarr knows many, are not run
LARGEST_CHUNK = 2**30  # bytes
MOST_CHUNKS = 10_000_000
_KINDS = "uif"  # of numbers
_WRITERS = frozenset(
    {"aiohttp", "botocore", "fsspec", "gcsfs", "google", "s3fs", "zarr"}
)  # whose errors are of writing


@dataclass(frozen=True, eq=False)
class StoredArrays:
    """What a store holds.

    Attributes
    ----------
    X : dask.array.Array of shape (n, ...)
        Images or features, with the chunks of the store.
    y : dask.array.Array of shape (n,), or None
    class_names : tuple of str
        Empty where none were written.
    contract : InputContract or None
        How files became the images, where that was written.
    """

    X: "Array"
    y: "Array | None"
    class_names: tuple[str, ...]
    contract: InputContract | None


def write_zarr(
    target: str | Path,
    X: "Array",
    y: "Array | None" = None,
    *,
    class_names: Sequence[str] = (),
    contract: InputContract | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> None:
    """Write arrays to a new zarr store, chunk by chunk, by Dask.

    On disk the store is there whole or not at all. In an object store its last object, without which `read_zarr` does
    not take it, is written when all others are there; what failed before is removed as far as the store answers.

    Parameters
    ----------
    target : path or URL
        Of the store, which must not be there.
    X : dask.array.Array of shape (n, ...)
        Images or features: numbers, chunked along the first axis. Chunks of different sizes are made equal.
    y : dask.array.Array or ndarray of shape (n,), optional
        Labels: numbers.
    class_names : sequence of str
        What the labels are indices into.
    contract : InputContract, optional
        How files became the images, as of `LazyPictures`.
    storage_options : mapping, optional
        For the driver that writes to the URL.

    Raises
    ------
    InputError
        For a target that is there, or arrays that can't be written.
    DataError
        Where writing fails.
    MissingDependencyError
        Without Dask, zarr, or the driver of the URL.
    """
    zarr = _zarr()
    arrays = {X_NAME: _checked(X, X_NAME)}
    if y is not None:
        arrays[Y_NAME] = _checked(y, Y_NAME, arrays[X_NAME])
    attributes = {
        "layout": LAYOUT,
        "class_names": list(class_names),
        "contract": None if contract is None else asdict(contract),
    }
    with _new_store(target, storage_options) as store:
        group = zarr.create_group(store, zarr_format=3)
        targets = [_new_array(zarr, group, name, array) for name, array in arrays.items()]
        _store(target, list(arrays.values()), targets)
        group.attrs[ATTRIBUTES] = attributes


def read_zarr(source: str | Path, *, storage_options: Mapping[str, object] | None = None) -> StoredArrays:
    """Arrays that `write_zarr` wrote, as Dask arrays: chunks are read when they are asked for.

    Parameters
    ----------
    source : path or URL
    storage_options : mapping, optional
        For the driver that reads the URL.

    Raises
    ------
    DataError
        For what is no such store, was not written to its end, or is damaged.
    MissingDependencyError
        Without Dask, zarr, or the driver of the URL.
    """
    zarr = _zarr()
    with _told(source):
        group = zarr.open_group(_store_of(source, storage_options), mode="r", zarr_format=3, use_consolidated=False)
        told = group.attrs.get(ATTRIBUTES)
        if told is None:
            raise DataError(f"{source} was not written by write_zarr, or not to its end. Write it anew.")
        class_names, contract = _attributes(source, told)
        X, y = (_opened(source, group, name) for name in (X_NAME, Y_NAME))
    if X is None:
        raise _damaged(source, "it holds no X")
    if y is not None and (y.shape != X.shape[:1] or y.chunks != X.chunks[:1]):
        raise _damaged(source, "X and y don't fit one another")
    if contract is not None and X.shape[1:] != contract.shape:
        raise _damaged(source, f"X has images of {X.shape[1:]}, and says that they are {contract.shape}")
    return StoredArrays(_lazy(source, X), None if y is None else _lazy(source, y), class_names, contract)


def _zarr() -> ModuleType:
    try:
        import dask.array  # noqa: F401
        import zarr
    except ImportError as error:
        raise MissingDependencyError('zarr stores need zarr and Dask: pip install "cvclassic[dask]"') from error
    return zarr


def _checked(array: "Array", name: str, like: "Array | None" = None) -> "Array":
    """The array in chunks of one size along its first axis: a store has no others."""
    import dask.array as da

    array = array if isinstance(array, da.Array) else da.from_array(np.asarray(array), chunks="auto")
    if array.dtype.kind not in _KINDS:
        raise InputError(f"{name} has dtype {array.dtype}; numbers are written.")
    if array.ndim == 0 or not all(np.isfinite(array.shape)) or 0 in array.shape:
        raise InputError(
            f"{name} has shape {array.shape}; how many rows there are must be known, and one or more. Where rows were "
            f"left out, {name}.compute_chunk_sizes() counts them."
        )
    if like is not None and array.shape != like.shape[:1]:
        raise InputError(f"{name} has shape {array.shape}; X has {like.shape[0]:,} rows.")
    rows = max(array.chunks[0]) if like is None else like.chunksize[0]
    if rows * prod(array.shape[1:]) * array.dtype.itemsize > LARGEST_CHUNK:
        raise InputError(f"A chunk of {name} has more than 1 GiB; rechunk to fewer rows, such as 64 MiB.")
    return array.rechunk((rows, *array.shape[1:]))


def _new_array(zarr: ModuleType, group: "zarr.Group", name: str, array: "Array") -> "zarr.Array":
    """Every chunk is written, zeros too, so that one that is lost is missed; and with a checksum."""
    return group.create_array(
        name,
        shape=array.shape,
        chunks=array.chunksize,
        dtype=array.dtype,
        compressors=[zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()],
        config={"write_empty_chunks": True},
    )


def _store(target: str | Path, arrays: list["Array"], targets: list["zarr.Array"]) -> None:
    import dask.array as da

    try:
        da.store(arrays, targets, lock=False, return_stored=False)
    except CVClassicError:
        raise
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _WRITERS:
            raise DataError(f"{target} can't be written ({type(error).__name__}: {error!s:.300}).") from error
        raise  # of what the arrays are computed from


@contextmanager
def _new_store(target: str | Path, options: Mapping[str, object] | None) -> Iterator["Store"]:
    """A store to fill; where that fails, nothing of it stays."""
    if is_url(target):
        place = open_place(target, options)
        if place.exists():
            raise InputError(f"{target} is there already; name another place, or remove it.")
        try:
            yield _store_of(target, options, read_only=False)
        except BaseException:
            with suppress(CVClassicError):
                place.remove()
            raise
        return
    path = _path(target)
    if path.exists():
        raise InputError(f"{path} is there already; name another place, or remove it.")
    try:
        staging = tempfile.mkdtemp(prefix=".half-", dir=path.parent)
    except OSError as error:
        raise DataError(f"{path} can't be written: {error.strerror}.") from error
    try:
        half = Path(staging) / path.name
        yield _store_of(half, None, read_only=False)
        os.rename(half, path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _store_of(place: str | Path, options: Mapping[str, object] | None, *, read_only: bool = True) -> "Store":
    from zarr.storage import FsspecStore, LocalStore

    if not is_url(place):
        return LocalStore(_path(place), read_only=read_only)
    open_place(place, options)  # its checks of the URL and the driver
    return FsspecStore.from_url(place, {"use_listings_cache": False} | dict(options or {}), read_only=read_only)


def _path(place: str | Path) -> Path:
    return Path(local_path(str(place)) or place).expanduser().absolute()


@contextmanager
def _told(source: str | Path) -> Iterator[None]:
    """What zarr and drivers raise for stores that can't be read, as errors of ours."""
    try:
        yield
    except CVClassicError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"There is no zarr store of format 3 at {source}.") from error
    except Exception as error:  # damaged metadata make zarr raise nearly anything
        if is_unreachable(error):
            raise store_error(str(source), error) from error
        raise DataError(f"{source} can't be read as a zarr store ({type(error).__name__}: {error!s:.300}).") from error


def _attributes(source: str | Path, told: object) -> tuple[tuple[str, ...], InputContract | None]:
    """Class names and contract, checked."""
    if not isinstance(told, dict) or told.get("layout") != LAYOUT:
        raise _damaged(source, "its attributes are none of this version of cvclassic")
    names, contract = told.get("class_names"), told.get("contract")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _damaged(source, "its class names are no texts")
    try:
        return tuple(names), None if contract is None else InputContract(**contract)
    except (TypeError, InputError) as error:
        raise _damaged(source, f"what its images are like can't be: {error}") from error


def _opened(source: str | Path, group: "zarr.Group", name: str) -> "zarr.Array | None":
    """An array of the group, if it is there: of numbers, with all of its chunks, none of them too large."""
    if name not in group:
        return None
    array = group[name]
    shape, chunks = getattr(array, "shape", ()), getattr(array, "chunks", ())
    if not shape or 0 in shape or array.dtype.kind not in _KINDS or chunks[1:] != shape[1:]:
        raise _damaged(source, f"{name} is no array of numbers in chunks of whole rows")
    if [each["name"] for each in array.metadata.to_dict()["codecs"]] != CODECS:
        raise _damaged(source, f"{name} is not packed as write_zarr does it")
    if prod(chunks) * array.dtype.itemsize > LARGEST_CHUNK:
        raise _damaged(source, f"a chunk of {name} would have more than 1 GiB")
    if array.nchunks > MOST_CHUNKS:
        raise _damaged(source, f"{name} would have {array.nchunks:,} chunks")
    if array.nchunks_initialized != array.nchunks:
        raise _damaged(source, f"{name} has {array.nchunks_initialized:,} of its {array.nchunks:,} chunks")
    return array


def _lazy(source: str | Path, array: "zarr.Array") -> "Array":
    import dask.array as da

    n, rows = array.shape[0], array.chunks[0]
    key = uuid.uuid4().hex  # never that of a reading before: the store may have been written anew
    starts = range(0, n, rows)
    zeros = (0,) * (array.ndim - 1)
    tasks = {
        (f"stored-{key}", k, *zeros): (_rows, f"array-{key}", start, rows, str(source))
        for k, start in enumerate(starts)
    }
    chunks = (tuple(min(rows, n - start) for start in starts), *((side,) for side in array.shape[1:]))
    return da.Array({f"array-{key}": array, **tasks}, f"stored-{key}", chunks, dtype=array.dtype)


def _rows(array: "zarr.Array", start: int, rows: int, source: str) -> np.ndarray:
    """One chunk of a store."""
    try:
        return np.asarray(array[start : start + rows])
    except Exception as error:  # codecs raise nearly anything
        if is_unreachable(error):
            raise store_error(source, error) from error
        raise DataError(
            f"Rows {start:,} to {min(start + rows, array.shape[0]) - 1:,} of {source} can't be read "
            f"({type(error).__name__}: {error!s:.300}). Write the store anew, where its files are damaged."
        ) from error


def _damaged(source: str | Path, why: str) -> DataError:
    return DataError(f"{source} is damaged: {why}. Write it anew.")
