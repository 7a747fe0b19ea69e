"""Labelled images with their three splits: built-in sets, the standard sets, and folders of class folders.

>>> from cvclassic.datasets import load
>>> digits = load("digits")
>>> digits.images.shape, digits.n_classes
((1797, 32, 32), 10)
"""

from cvclassic.datasets.catalog import default_names, load, names
from cvclassic.datasets.dataset import Dataset

__all__ = ["Dataset", "default_names", "load", "names"]
