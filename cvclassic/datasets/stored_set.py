"""A zarr store of labelled images as a data set in memory."""

from pathlib import Path

import numpy as np
import psutil

from cvclassic.datasets.arrays import labelled
from cvclassic.datasets.dataset import LabelledImages
from cvclassic.datasets.storage import shown
from cvclassic.datasets.zarr_store import StoredArrays, read_zarr
from cvclassic.errors import DataError, InputError

SUFFIX = ".zarr"
SHARE_OF_MEMORY = 0.5  # of what is free, as of `pictures.load_pictures`


def load_stored(source: Path | str, *, image_size: int | None = None, group: str | None = None) -> LabelledImages:
    """The images and labels that `write_zarr` wrote, all of them.

    Parameters
    ----------
    source : Path, or str for a URL
    image_size : int, optional
        What was asked for; the images of a store have the size that they were written with.
    group : str, optional
        What was asked for; a store has no files by which images could belong together.

    Raises
    ------
    DataError
        For what is no such store, or one without labels or without images.
    InputError
        For another size, a group, or more images than half of the free memory holds.
    """
    if group is not None:
        raise InputError(f"group (--group) is for folders of images; {source} has no files. Remove it.")
    found = read_zarr(source)
    if found.y is None or found.X.ndim not in (3, 4) or found.y.dtype.kind not in "iu":
        raise DataError(f"{source} holds no images with labels that are whole numbers; write_zarr takes both.")
    side = found.X.shape[1:3]
    if image_size is not None and side != (image_size, image_size):
        raise InputError(
            f"image_size={image_size} (--image-size), and the images of {source} are {side[0]} x {side[1]} pixels. "
            "Remove it, or write a store of that size."
        )
    free = psutil.virtual_memory().available
    if found.X.nbytes > SHARE_OF_MEMORY * free:
        raise InputError(
            f"The images of {source} take {found.X.nbytes / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of memory are free, "
            "of which a run needs as much for itself. Read them lazily: cvclassic.datasets.read_zarr."
        )
    return _in_memory(source, found)


def _in_memory(source: Path | str, found: StoredArrays) -> LabelledImages:
    images, labels = found.X.compute(), found.y.compute()
    classes = np.unique(labels)
    names = found.class_names or tuple(str(label) for label in range(int(classes[-1]) + 1))
    if classes[0] < 0 or classes[-1] >= len(names):
        raise DataError(f"{source} has labels from {classes[0]} to {classes[-1]}, and {len(names)} class names.")
    where = source if isinstance(source, str) else shown(source)
    return labelled(images, labels)._replace(
        class_names=tuple(names[label] for label in classes),
        provenance=f"{where}, {len(images):,} images of a zarr store",
        contract=found.contract,
    )
