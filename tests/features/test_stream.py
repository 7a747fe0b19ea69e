"""stream: the same features, batch by batch, through files."""

import sys

import numpy as np
import pytest

from cvclassic.errors import InputError
from cvclassic.features import HOG, ColorGrid, ColorHistogram, Deskew, GaborBank, SobelHistogram, stream
from cvclassic.features.lbp import LBP

X = np.random.default_rng(7).integers(0, 256, (23, 16, 18, 3), dtype=np.uint8)
EXTRACTORS = [
    HOG(),
    HOG(convention="skimage"),
    HOG(convention="felzenszwalb", cell_size=4),
    ColorHistogram(),
    ColorGrid(),
    GaborBank(),
    LBP(),
    SobelHistogram(),
]


@pytest.mark.parametrize("extractor", EXTRACTORS, ids=repr)
def test_a_memory_mapped_file(extractor, tmp_path):
    np.save(tmp_path / "images.npy", X)
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    features = stream(extractor, images, tmp_path / "features.npy", batch_size=5)
    assert isinstance(features, np.memmap)
    # BLAS may round by the number of images in a call; nothing else does.
    rounding = 1e-5 if isinstance(extractor, GaborBank) else 0
    np.testing.assert_allclose(features, extractor.transform(X), rtol=rounding, atol=rounding)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.npy", "images.npy"]


def test_batches_of_a_size_of_their_own(tmp_path, monkeypatch):
    sizes = []

    class Counted(ColorGrid):
        def transform(self, X, out=None):
            sizes.append(len(X))
            return super().transform(X, out)

    features = stream(Counted(), X, tmp_path / "a.npy")
    assert sizes == [1, 23]
    monkeypatch.setattr(sys.modules[stream.__module__], "_BYTES_PER_BATCH", 9 * X[0].nbytes + 5)
    np.testing.assert_array_equal(stream(Counted(), X, tmp_path / "b.npy"), features)
    assert sizes == [1, 23, 1, 9, 9, 5]


def test_a_private_mapping_keeps_its_changes(tmp_path):
    np.save(tmp_path / "images.npy", X)
    images = np.load(tmp_path / "images.npy", mmap_mode="c")
    images[:] = 255 - X
    features = stream(ColorGrid(), images, tmp_path / "features.npy", batch_size=5)
    np.testing.assert_array_equal(features, ColorGrid().transform(255 - X))


def test_an_iterator_of_batches(tmp_path):
    batches = (X[start : start + 7] for start in range(0, len(X), 7))
    features = stream(HOG(), batches, str(tmp_path / "features.npy"))
    np.testing.assert_array_equal(features, HOG().transform(X))


def test_no_recompilation_for_read_only_images():
    from cvclassic.features.kernels.hog_opencv import hog_opencv

    read_only = X.copy()
    read_only.flags.writeable = False
    HOG().transform(X)
    before = len(hog_opencv.signatures)
    np.testing.assert_array_equal(HOG().transform(read_only), HOG().transform(X))
    np.testing.assert_array_equal(Deskew().transform(read_only), Deskew().transform(X))
    assert len(hog_opencv.signatures) == before


@pytest.mark.parametrize("batches", [[], [X, X[:, :12, :12]], [X, X[0, 0]]], ids=["none", "other size", "no batch"])
def test_errors_leave_no_file(batches, tmp_path):
    with pytest.raises(InputError):
        stream(HOG(cell_size=4), batches, tmp_path / "features.npy")
    assert not list(tmp_path.iterdir())


def test_a_file_of_before_stays_if_it_fails(tmp_path):
    stream(ColorGrid(), X, tmp_path / "features.npy")
    with pytest.raises(InputError):
        stream(HOG(cell_size=99), X, tmp_path / "features.npy")
    assert np.load(tmp_path / "features.npy").shape == (23, 96)
    with pytest.raises(InputError, match="batch_size=0"):
        stream(ColorGrid(), X, tmp_path / "other.npy", batch_size=0)
