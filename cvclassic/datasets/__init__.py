"""Labelled images with their three splits: built-in and standard sets, folders of class folders, and arrays.

>>> from cvclassic.datasets import load
>>> digits = load("digits")
>>> digits.images.shape, digits.n_classes
((1797, 32, 32), 10)
"""

from cvclassic.datasets.arrays import from_arrays
from cvclassic.datasets.catalog import default_names, known_name, load, names
from cvclassic.datasets.dataset import Dataset

__all__ = ["Dataset", "default_names", "from_arrays", "known_name", "load", "names"]
