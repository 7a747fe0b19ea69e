"""Dask arrays: known shapes without computing, the numbers of arrays in memory, and errors that say what to do."""

import gc
import pickle
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import threadpoolctl
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from cvclassic import lazy
from cvclassic.augmentation import AffineAugmentation, MirrorAugmentation
from cvclassic.decoding import InputContract
from cvclassic.errors import InputError
from cvclassic.features import (
    HOG,
    LBP,
    PCA,
    ColorGrid,
    ColorHistogram,
    Deskew,
    Embedding,
    GaborBank,
    MirrorParts,
    PatchBank,
    PatchDictionary,
    SobelHistogram,
    StandardScaler,
)
from cvclassic.model import Model, load_model
from cvclassic.neural import NeuralClassifier, mlp
from cvclassic.svm import KernelSVM, LinearSVM, OpenCVSVM
from tests.tiny_onnx import write_backbone

da = pytest.importorskip("dask.array")

RGB = np.random.default_rng(7).integers(0, 256, (23, 16, 18, 3), dtype=np.uint8)
STATELESS = [
    HOG(),
    HOG(convention="skimage"),
    LBP(),
    ColorGrid(),
    ColorHistogram(),
    Deskew(),
    GaborBank(),
    SobelHistogram(),
    MirrorParts(ColorGrid(grid=2), n_components=5).fit(RGB),
    PatchBank(n_filters=6, patch_size=4, n_patches=60, random_state=0).fit(RGB),
    PatchDictionary(n_atoms=6, n_patches=60, random_state=0).fit(RGB),
]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return np.kron(X.reshape(-1, 8, 8) * 15, np.ones((2, 2))).astype(np.uint8), y


def untouched(shape, dtype=np.uint8, chunks=5):
    """A Dask array that can't be computed."""

    def fail(block_id):
        raise AssertionError("it was computed")

    rows = da.core.normalize_chunks((chunks, *shape[1:]), shape)
    return da.map_blocks(fail, chunks=rows, dtype=dtype, meta=np.empty((0,) * len(shape), dtype))


@pytest.mark.parametrize("extractor", STATELESS, ids=repr)
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_features_are_those_of_arrays_in_memory(extractor, dtype):
    X = RGB if dtype == np.uint8 else RGB / 255
    expected = extractor.transform(X)
    whole = da.from_array(X, chunks=(5, 16, 18, 3))
    for chunked in (whole, whole.rechunk((7, 4, 18, 1)), da.concatenate([whole[:4], whole[:0], whole[4:]])):
        found = extractor.transform(chunked)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("extractor", STATELESS[:-3], ids=repr)
def test_nothing_is_computed_before_it_is_asked_for(extractor):
    images = untouched((20, 16, 18, 3))
    features = type(extractor)(**extractor.get_params()).fit(images).transform(images)
    assert features.chunks[0] == (5, 5, 5, 5)
    with pytest.raises(AssertionError, match="it was computed"):
        features.compute()


def test_what_is_computed_is_what_was_asked_for():
    extractor = HOG()
    features = extractor.transform(da.from_array(RGB, chunks=(5, 16, 18, 3)))
    extractor.set_params(cell_size=4)
    np.testing.assert_array_equal(features.compute(), HOG().transform(RGB))


def test_an_embedding_by_a_backbone(tmp_path):
    backbone = write_backbone(tmp_path / "small.onnx")
    embedding = Embedding(backbone)
    images = da.from_array(RGB, chunks=(5, 16, 18, 3))
    expected = embedding.transform(RGB)
    np.testing.assert_allclose(embedding.transform(images).compute(), expected, rtol=1e-5)
    fitted = embedding.fit(untouched(RGB.shape))
    backbone.unlink()
    np.testing.assert_allclose(fitted.transform(images).compute(scheduler="threads"), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "extractor",
    [
        PatchDictionary(n_atoms=8, n_patches=200, random_state=3),
        PatchBank(n_filters=8, patch_size=4, n_patches=200, random_state=3),
    ],
    ids=repr,
)
def test_learned_from_the_same_patches(extractor):
    expected = clone(extractor).fit(RGB)
    for chunks in (4, 23):
        found = clone(extractor).fit(da.from_array(RGB, chunks=(chunks, 16, 18, 3)))
        assert {name for name in vars(found) if name.endswith("_")} == {n for n in vars(expected) if n.endswith("_")}
        for name, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), value)


def blas_threads():
    return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]


SEEN = []


class Counted(HOG):
    """Notes what a chunk is worked on with."""

    def transform(self, X, out=None):
        if isinstance(X, np.ndarray):
            time.sleep(0.01)  # so that chunks overlap
            SEEN.append((lazy.in_chunk(), cv2.getNumThreads(), *blas_threads()))
        return super().transform(X, out)


def test_one_thread_in_a_chunk_and_as_many_as_before_after_it(digits):
    SEEN.clear()
    HOG().fit(digits[0])  # no BLAS is loaded any more from here on
    cv2.setNumThreads(2)
    before = blas_threads()
    features = Counted().transform(da.from_array(digits[0][:120], chunks=(5, 16, 16)))
    features.compute(scheduler="threads", num_workers=4)
    assert len(SEEN) == 24
    assert set(SEEN) == {(True, 1, *[1] * len(before))}
    assert (blas_threads(), cv2.getNumThreads(), lazy.in_chunk()) == (before, 2, False)


@pytest.mark.parametrize("steps", [(), (StandardScaler(),), (PCA(20),), (StandardScaler(), PCA(0.9))], ids=str)
def test_a_pipeline_learns_and_predicts(digits, steps, tmp_path):
    X, y = digits
    images, labels = da.from_array(X, chunks=(400, 16, 16)), da.from_array(y, chunks=300)
    pipeline = make_pipeline(HOG(cell_size=4), *steps, LinearSVM(C=0.1)).fit(images[:1200], labels[:1200])
    found = pipeline.predict(images[1200:])
    assert (found.shape, found.dtype, found.chunks) == ((597,), y.dtype, ((400, 197),))
    np.testing.assert_array_equal(found.compute(), pipeline.predict(X[1200:]))
    assert pipeline.score(images[1200:], labels[1200:]) > 0.9

    model = Model(pipeline, [f"digit {k}" for k in range(10)], InputContract(16, 16, 1))
    loaded = load_model(model.save(tmp_path / "digits.cvc"))
    names = loaded.predict(images[1200:])
    assert names.shape == (597,)
    np.testing.assert_array_equal(names.compute(), model.predict(X[1200:]))


def test_what_works_in_memory_alone_says_so(digits):
    images, labels = untouched((40, 16, 16)), untouched((40,), np.int64)
    features = untouched((40, 9), np.float32)
    for fit, names in (
        (lambda: MirrorAugmentation(LinearSVM()).fit(images, labels), "LinearSVM"),
        (lambda: AffineAugmentation(LinearSVM()).fit(images, labels), "compute"),
        (lambda: NeuralClassifier(mlp).fit(features, labels), "compute"),
        (lambda: OpenCVSVM().fit(features, labels), "compute"),
        (lambda: KernelSVM().fit(features, labels), "nystroem"),
        (lambda: KernelSVM(backend="nystroem", probability=True).fit(features, labels), "probability=False"),
        (lambda: StandardScaler().partial_fit(features), "compute"),
        (lambda: LinearSVM().fit(np.zeros((40, 9)), labels), r"features take Dask arrays"),
    ):
        with pytest.raises(InputError, match=names):
            fit()


def test_batches_that_can_not_be_used():
    images = da.from_array(RGB, chunks=(5, 16, 18, 3))
    with pytest.raises(InputError, match="leave it out"):
        HOG().transform(images, out=np.empty((23, 36), np.float32))
    with pytest.raises(InputError, match="compute_chunk_sizes"):
        HOG().transform(images[images[:, 0, 0, 0] > 9])
    with pytest.raises(InputError, match="dtype int64; images are uint8"):
        HOG().fit(images.astype(int))
    with pytest.raises(InputError, match="For one gray image"):
        HOG().fit(images[0, :, :, 0])
    with pytest.raises(InputError, match="was fitted on images of shape"):
        HOG().fit(RGB).transform(images[:, :12])
    brighter = images / 255 + (da.arange(23, chunks=5) // 10 == 1)[:, None, None, None]
    with pytest.raises(InputError, match=r"chunk [23] of X: .* floating point images lie in \[0, 1\]"):
        HOG().transform(brighter).compute()


def test_dask_is_imported_for_dask_arrays_alone():
    code = """
import sys
import tempfile
import numpy as np
import cvclassic
from cvclassic.features import HOG, PCA
from cvclassic.svm import KernelSVM, LinearSVM
X, y = np.random.default_rng(0).random((40, 16, 16)), np.arange(40) % 2
F = PCA(5).fit(HOG().transform(X)).transform(HOG().transform(X))
LinearSVM().fit(F, y).predict(F)
KernelSVM(backend="nystroem").fit(F, y)
LinearSVM().fit_stream(lambda: [(F, y)])
found = [name for name in sys.modules if name.split(".")[0] in ("dask", "distributed")]
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_kept_chunks_lie_in_files_that_travel_as_rows_and_go(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    [kept, none] = lazy.kept(da.from_array(rows, chunks=(3, 2)), None)
    assert none is None
    assert len(list(tmp_path.iterdir())) == 3
    found = lazy.reduce_chunks(lambda chunk: chunk.sum(axis=0), sum, [kept])
    np.testing.assert_array_equal(found, rows.sum(axis=0))
    first = kept.to_delayed().ravel()[0]
    arrived = pickle.loads(pickle.dumps(first.compute()))  # as on another worker
    assert len(list(tmp_path.iterdir())) == 4
    np.testing.assert_array_equal(arrived.rows(), rows[:3])
    del kept, first, arrived
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    X = da.from_array(np.ones((4, 2), np.float32), chunks=(4, 2))
    with pytest.raises(InputError, match=r"can't be written .*--local-directory"):
        LinearSVM().fit(X, np.array([0, 1, 0, 1]))


def test_readmes_lines_run_on_a_folder_of_pictures(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(), re.DOTALL)
    [script] = [block for block in blocks if "lazy_pictures(" in block]
    X, y = load_digits(n_class=3, return_X_y=True)
    for k, (image, label) in enumerate(zip(X[:60], y[:60], strict=True)):
        path = tmp_path / "pictures" / str(label) / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.kron(image.reshape(8, 8) * 15, np.ones((4, 4))))
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(script, names)
    np.testing.assert_array_equal(names["predicted"].compute(), names["train"].labels.compute())
