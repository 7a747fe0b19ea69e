"""GaborBank against skimage.filters.gabor."""

from itertools import product

import cv2
import numba
import numpy as np
import pytest
from skimage.filters import gabor

from cvclassic.errors import InputError
from cvclassic.features import GaborBank

X = np.random.default_rng(5).integers(0, 256, (2, 20, 33, 3), dtype=np.uint8)
GRAY = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in X])


@pytest.mark.parametrize("bandwidth", [1, 1.6])
@pytest.mark.parametrize("images", [X, GRAY, GRAY.astype(np.float32) / np.float32(255)])
def test_mean_energy_per_cell(images, bandwidth):
    # At 0.15 the filters reach beyond the images, which are mirrored more than once.
    extractor = GaborBank(frequencies=(0.15, 0.4), orientations=5, bandwidth=bandwidth, grid=(2, 3)).fit(images)
    features = dict(zip(extractor.get_feature_names_out(), extractor.transform(images).T, strict=True))
    for i, image in enumerate(GRAY):
        for frequency in (0.15, 0.4):
            for degrees in range(0, 180, 36):
                real, imaginary = gabor(image / 255, frequency, np.deg2rad(degrees), bandwidth=bandwidth)
                energy = real**2 + imaginary**2
                for r, rows in enumerate([slice(0, 10), slice(10, 20)]):
                    for c, columns in enumerate([slice(0, 11), slice(11, 22), slice(22, 33)]):
                        found = features[f"frequency{frequency:g}_{degrees}deg_cell{r}_{c}"][i]
                        # Single precision, and energies of about 0.01.
                        assert found == pytest.approx(energy[rows, columns].mean(), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"frequencies": (0.1, 0.7)}, r"up to 0\.5"),
        ({"frequencies": ()}, "frequencies"),
        ({"orientations": 0}, "orientations=0"),
        ({"bandwidth": 0}, "bandwidth=0"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(InputError, match=message):
        GaborBank(**parameters).fit(GRAY)


def test_the_same_bits_whatever_the_batch_and_the_number_of_threads(monkeypatch):
    images = np.random.default_rng(6).integers(0, 256, (9, 31, 34), dtype=np.uint8)
    extractor = GaborBank()
    whole = extractor.transform(images)
    for n, threads in product((1, 2, 5), (1, 2, 3)):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        parts = [extractor.transform(images[start : start + n]) for start in range(0, 9, n)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
