"""Extractors: scikit-learn transformers from image batches to feature vectors.

Each takes a whole batch, `(n, height, width)` gray or `(n, height, width, 3)` RGB, uint8 or floating point in [0, 1],
and gives a C-contiguous float32 array `(n, d)`; `Deskew` alone gives images again, to stand before another extractor,
and `MirrorParts` stands around one. `PCA` and `StandardScaler` are scikit-learn's. All of them take Dask arrays too,
and give Dask arrays.
"""

from cvclassic.features.color_grid import ColorGrid
from cvclassic.features.color_histogram import ColorHistogram
from cvclassic.features.deskew import Deskew
from cvclassic.features.embedding import Embedding
from cvclassic.features.gabor import GaborBank
from cvclassic.features.hog import HOG
from cvclassic.features.lbp import LBP
from cvclassic.features.mirror_parts import MirrorParts
from cvclassic.features.patch_bank import PatchBank
from cvclassic.features.patch_dictionary import PatchDictionary
from cvclassic.features.show import show
from cvclassic.features.sobel_histogram import SobelHistogram
from cvclassic.features.stream import stream

__all__ = [
    "HOG",
    "LBP",
    "PCA",
    "ColorGrid",
    "ColorHistogram",
    "Deskew",
    "Embedding",
    "GaborBank",
    "MirrorParts",
    "PatchBank",
    "PatchDictionary",
    "SobelHistogram",
    "StandardScaler",
    "show",
    "stream",
]


def __getattr__(name: str):
    """Load `PCA` and `StandardScaler` when they are used: scikit-learn's take a tenth of a second."""
    if name in ("PCA", "StandardScaler"):
        from cvclassic.features import statistics

        return getattr(statistics, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
