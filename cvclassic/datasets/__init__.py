"""Labelled images with their three splits: built-in and standard sets, folders of class folders, and arrays.

>>> from cvclassic.datasets import load
>>> digits = load("digits")
>>> digits.images.shape, digits.n_classes
((1797, 32, 32), 10)
"""

from cvclassic.datasets.arrays import from_arrays
from cvclassic.datasets.catalog import default_names, known_name, load, names
from cvclassic.datasets.dataset import Dataset
from cvclassic.datasets.lazy_pictures import LazyPictures, lazy_pictures
from cvclassic.datasets.zarr_store import StoredArrays, read_zarr, write_zarr

__all__ = [
    "Dataset",
    "LazyPictures",
    "StoredArrays",
    "default_names",
    "from_arrays",
    "known_name",
    "lazy_pictures",
    "load",
    "names",
    "read_zarr",
    "write_zarr",
]
