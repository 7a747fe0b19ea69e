"""The pictures of the gallery, docs/images/*.png: python docs/draw_gallery.py [FOLDER]

What each extractor of `cvclassic.features` sees in a photograph of scikit-image's and in a handwritten digit.
"""

import io
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage.data import chelsea

from cvclassic.datasets import load
from cvclassic.features import (
    HOG,
    LBP,
    ColorGrid,
    ColorHistogram,
    Deskew,
    GaborBank,
    PatchDictionary,
    SobelHistogram,
    show,
)

DOTS_PER_INCH = 60
COLORS = 48


def cat() -> np.ndarray:
    """The head of `skimage.data.chelsea`, (128, 128, 3) uint8."""
    return cv2.resize(chelsea()[:256, 90:346], (128, 128), interpolation=cv2.INTER_AREA)


def pictures() -> dict[str, tuple]:
    """What is drawn, by the file's name: extractors, and images."""
    photograph, digits = cat(), load("digits").images
    patches = PatchDictionary(n_atoms=49, patch_size=8, n_patches=4000, n_iter=5, random_state=0)
    return {
        "hog": (HOG(cell_size=8), photograph),
        "hog_cells": ([HOG(cell_size=4), HOG(cell_size=8), HOG(cell_size=16)], photograph),
        "sobel_histogram": (SobelHistogram(), digits[3]),
        "color_histogram": (ColorHistogram(), photograph),
        "color_grid": (ColorGrid(grid=8), photograph),
        "lbp": (LBP(), photograph),
        "gabor": (GaborBank(), photograph),
        "deskew": (Deskew(), digits[46]),
        "patch_dictionary": (patches.fit(photograph[np.newaxis]), photograph),
        "several": ([HOG(), SobelHistogram(), LBP()], [photograph, digits[3]]),
    }


def main(folder: Path) -> None:
    for name, (extractors, images) in pictures().items():
        drawn = io.BytesIO()
        show(extractors, images).savefig(drawn, dpi=DOTS_PER_INCH, format="png")
        # A palette: the pictures lie in the repository, and are to stay small.
        Image.open(drawn).convert("RGB").quantize(COLORS).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
