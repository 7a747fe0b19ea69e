"""Compile the kernels ahead of their first use, for uint8 images: python -m cvclassic.features.compile

What is compiled is kept on disk, so that one call does for good: after an installation, or when building a container.
"""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from cvclassic.features import (
    HOG,
    LBP,
    ColorGrid,
    ColorHistogram,
    Deskew,
    GaborBank,
    PatchBank,
    PatchDictionary,
    SobelHistogram,
)

# In groups of about equal time, each with kernels of its own.
GROUPS = (
    (HOG(), SobelHistogram(), Deskew()),
    (HOG(convention="skimage"), HOG(convention="felzenszwalb"), ColorHistogram(), ColorGrid(), LBP(), GaborBank()),
    (
        PatchDictionary(n_atoms=2, n_patches=20, n_iter=1, random_state=0),
        PatchDictionary(n_atoms=2, n_patches=20, n_iter=1, random_state=0, encoding="threshold"),
        PatchBank(n_filters=2, n_patches=20, random_state=0),
    ),
)


def compile_kernels(extractors) -> None:
    """Use each of `extractors` once, on a color image."""
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    for extractor in extractors:
        extractor.fit(images).transform(images)


def main() -> None:
    started = time.perf_counter()
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(compile_kernels, GROUPS))
    print(f"The kernels of the extractors are compiled ({time.perf_counter() - started:.0f} s).")


if __name__ == "__main__":
    main()
