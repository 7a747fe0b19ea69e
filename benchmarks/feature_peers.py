"""The peers of `features.py`: functions of other libraries that do the job of an extractor."""

import ctypes
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numba import njit
from skimage.feature import hog, local_binary_pattern
from skimage.filters import gabor

from cvclassic.features import (
    HOG,
    LBP,
    ColorGrid,
    ColorHistogram,
    Deskew,
    GaborBank,
    PatchDictionary,
    SobelHistogram,
)


@dataclass
class Case:
    """An extractor, and a peer: a function from images to what takes their features, and what that is to be given."""

    name: str
    extractor: object
    peer_name: str
    peer: Callable | None
    color: bool = False
    tolerance: float | None = 1e-4  # None for a peer that does the same job with other numbers
    moved: float = 0.0  # share of the features that may differ: see the extractor's tests for why


def cases(missing: dict[str, str]) -> list[Case]:
    """Every extractor with each of its peers; those that can't be had here come into `missing`, with the reason."""
    found = [
        Case("HOG skimage", HOG(convention="skimage"), "skimage.feature.hog", skimage_hog, tolerance=1e-5),
        Case("HOG skimage", HOG(convention="skimage"), "reading and writing alone", read_and_write, tolerance=None),
        Case("ColorHistogram rgb", ColorHistogram(color_space="rgb"), "cv2.calcHist", rgb_histogram, color=True),
        Case("ColorHistogram hsv", ColorHistogram(), "cv2.cvtColor, calcHist", hsv_histogram, color=True),
        Case("ColorGrid", ColorGrid(), "cv2.cvtColor, meanStdDev", color_grid, color=True, tolerance=1e-3),
        Case("SobelHistogram", SobelHistogram(), "the tutorial on cv2", sobel, tolerance=0.5, moved=0.01),
        Case("Deskew", Deskew(), "the tutorial on cv2", deskew, tolerance=4),
        Case("LBP", LBP(grid=1), "skimage", lbp),
        Case("GaborBank, 2 filters", GaborBank(frequencies=(0.4,), orientations=2, grid=1), "skimage", gabor_energy),
        Case("GaborBank, 18 filters", GaborBank(), "", None),
        Case("PatchDictionary", PatchDictionary(n_atoms=200, n_patches=5000, n_iter=2, random_state=0), "", None, True),
    ]
    if hasattr(cv2, "HOGDescriptor"):
        found.insert(0, Case("HOG opencv", HOG(), "cv2.HOGDescriptor", opencv_hog))
        found.insert(1, Case("HOG opencv, RGB", HOG(), "cv2.HOGDescriptor", opencv_hog, color=True))
    else:
        missing["cv2.HOGDescriptor"] = "this OpenCV has none"
    felzenszwalb, library = HOG(convention="felzenszwalb"), compiled_peers()
    for name, symbol, inner, tolerance in (("dlib", "dlib_fhog", True, 1e-5), ("VLFeat", "vl_fhog", False, None)):
        if not hasattr(library, symbol):
            missing[name] = "no g++, or none of its headers (see peers.cpp)"
            continue
        peer = native_hog(getattr(library, symbol), inner)
        found.append(Case("HOG felzenszwalb", felzenszwalb, f"{name}'s FHOG", peer, tolerance=tolerance))
        found.append(Case("HOG felzenszwalb, RGB", felzenszwalb, f"{name}'s FHOG", peer, color=True, tolerance=None))
    try:
        import mahotas.features
    except ImportError:
        missing["mahotas"] = "not installed"
    else:
        patterns = partial(mahotas.features.lbp, radius=1, points=8)
        rotations = LBP(grid=1, method="ror")
        found.append(Case("LBP ror", rotations, "mahotas", lambda X: (partial(map, patterns), X), tolerance=None))
    return found


def compiled_peers() -> ctypes.CDLL | None:
    """The functions of peers.cpp, compiled now; None where there is no g++."""
    source = Path(__file__).with_name("peers.cpp")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/peers.so"
        command = ["g++", "-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", source, "-o", path]
        for libraries in (["-lvl"], []):  # without VLFeat where it is not there
            try:
                if subprocess.run(command + libraries, capture_output=True).returncode == 0:
                    return ctypes.CDLL(path)
            except OSError:
                return None
    return None


def native_hog(function: Callable, inner: bool) -> Callable:
    """A peer by a function of peers.cpp; `inner` says that it leaves the cells at the border out, as we do."""
    function.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    function.restype = None

    def peer(images):
        height, width = (side // 8 - 2 * inner for side in images.shape[1:3])
        channels = 3 if images.ndim == 4 else 1

        def features(image):
            out = np.empty((height, width, 31), np.float32)
            function(image.ctypes.data, *image.shape[:2], channels, 8, out.ctypes.data)
            return out

        return partial(map, features), images

    return peer


def opencv_hog(images):
    height, width = (side // 8 * 8 for side in images.shape[1:3])
    descriptor = cv2.HOGDescriptor((width, height), (16, 16), (8, 8), (8, 8), 9, 1, -1.0, 0, 0.2, False, 64, False)
    if images.ndim == 4:
        images = np.ascontiguousarray(images[..., ::-1])
    whole = (height, width) == images.shape[1:3]
    compute = descriptor.compute if whole else partial(descriptor.compute, locations=[(0, 0)])
    return partial(map, compute), images


def skimage_hog(images):
    return partial(map, partial(hog, pixels_per_cell=(8, 8), cells_per_block=(2, 2))), images


def read_and_write(images):
    """No peer, but what can't be had for less: every pixel is read, and as many features are written."""
    n_features = HOG(convention="skimage").transform(images[:1]).shape[1]

    def touch(images):
        return [touch_all(images.reshape(len(images), -1), np.empty((len(images), n_features), np.float32))]

    return touch, images


@njit(nogil=True, fastmath=True)
def touch_all(pixels, features):
    for i in range(len(pixels)):
        total = np.float32(0)
        for k in range(pixels.shape[1]):
            total += np.float32(pixels[i, k])
        for k in range(features.shape[1]):
            features[i, k] = total
    return features


def rgb_histogram(images):
    def histogram(image):
        return cv2.calcHist([image], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel() / image[..., 0].size

    return partial(map, histogram), images


def hsv_histogram(images):
    def histogram(image):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        return cv2.calcHist([hsv], [0, 1, 2], None, [8] * 3, [0, 180, 0, 256, 0, 256]).ravel() / hsv[..., 0].size

    return partial(map, histogram), images


def color_grid(images):
    edges = [np.arange(5) * side // 4 for side in images.shape[1:3]]

    def grid(image):
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        cells = [lab[a:b, c:d] for a, b in zip(edges[0], edges[0][1:]) for c, d in zip(edges[1], edges[1][1:])]  # noqa: B905
        return np.concatenate([np.concatenate(cv2.meanStdDev(cell)) for cell in cells]).ravel()

    return partial(map, grid), images


def sobel(images):
    half, middle = images.shape[1] // 2, images.shape[2] // 2
    parts = [np.s_[:half, :middle], np.s_[half:, :middle], np.s_[:half, middle:], np.s_[half:, middle:]]

    def histogram(image):
        dx, dy = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
        magnitude, angle = cv2.cartToPolar(dx, dy)
        bins = np.int32(16 * angle / (2 * np.pi))
        return np.concatenate([np.bincount(bins[p].ravel(), magnitude[p].ravel(), 16) for p in parts])

    return partial(map, histogram), images


def deskew(images):
    def straight(image):
        moments = cv2.moments(image)
        skew = moments["mu11"] / moments["mu02"]
        matrix = np.float32([[1, skew, -0.5 * image.shape[0] * skew], [0, 1, 0]])
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        return cv2.warpAffine(image, matrix, image.shape[::-1], flags=flags)

    return partial(map, straight), images


def lbp(images):
    def histogram(image):
        patterns = local_binary_pattern(image, 8, 1, "uniform").astype(int)
        return np.bincount(patterns.ravel(), minlength=10) / image.size

    return partial(map, histogram), images


def gabor_energy(images):
    def energies(image):
        pairs = [gabor(image, 0.4, theta) for theta in (0, np.pi / 2)]
        return [(real**2 + imaginary**2).mean() for real, imaginary in pairs]

    return partial(map, energies), images / np.float32(255)
