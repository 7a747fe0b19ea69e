"""Pictures as Dask arrays: the same pixels, read when they are asked for."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from cvclassic.datasets import lazy_pictures, load
from cvclassic.datasets.listing import pack, unpack
from cvclassic.decoding import InputContract, read_pictures
from cvclassic.errors import DataError, InputError, MissingDependencyError
from cvclassic.features import HOG
from cvclassic.svm import LinearSVM
from tests.damaged_pictures import flipped, saved
from tests.object_store import object_store

dask = pytest.importorskip("dask")
fsspec = pytest.importorskip("fsspec")
da = pytest.importorskip("dask.array")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_this_thread():
    """Errors of tasks come as they are, and nothing depends on the order of threads."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three classes of 11, 7 and 3, of several formats and sizes."""
    folder = tmp_path_factory.mktemp("pictures")
    for place, (label, n) in enumerate({"a b": 11, "ö": 7, "z": 3}.items()):
        (folder / label / "more").mkdir(parents=True)
        for k in range(n):
            kind = ("PNG", "JPEG", "BMP")[k % 3]
            content = saved(kind, side=40 + k, seed=k + 100 * place)
            (folder / label / ("more" if k == 4 else "") / f"{k:02}.{kind.lower()}").write_bytes(content)
    (folder / "z" / "notes.txt").write_bytes(b"x")
    return folder


@pytest.fixture
def damaged(tmp_path):
    """Two classes; of each some files are damaged, and one class has none left but two."""
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for k in range(8):
            (tmp_path / label / f"{k}.png").write_bytes(saved("PNG", seed=k + ord(label[0])))
    (tmp_path / "cat" / "3.png").write_bytes(flipped())
    (tmp_path / "dog" / "0.png").write_bytes(b"")
    (tmp_path / "dog" / "7.png").write_bytes(saved("PNG")[:100])
    return tmp_path


@pytest.mark.parametrize("chunks", [None, 1, 4, 21, 100])
def test_the_pixels_are_those_of_the_folder_reader(pictures, chunks):
    expected = load(str(pictures), image_size=32)
    found = lazy_pictures(pictures, image_size=32, chunks=chunks)
    assert found.images.shape == (21, 32, 32, 3)
    assert found.images.chunks[0] == found.labels.chunks[0]
    assert max(found.images.chunks[0]) == min(chunks or 21, 21)
    assert found.images.dtype == np.uint8
    assert found.labels.dtype == np.int64
    assert np.array_equal(found.images.compute(), expected.images)
    assert np.array_equal(found.labels.compute(), expected.labels)
    assert found.class_names == expected.class_names
    assert found.counts.tolist() == [11, 3, 7]
    assert found.names() == list(expected.names)
    for start, stop in ((0, 3), (3, 9), (20, None), (5, 5), (-2, None), (2, -1)):
        assert found.names(start, stop) == list(expected.names)[start:stop]


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
def test_other_sizes_and_colors(pictures, resize):
    found = lazy_pictures(str(pictures), image_size=(24, 40), channels=1, resize=resize)
    expected = read_pictures([pictures / name for name in found.names()], InputContract(24, 40, 1, resize))
    assert np.array_equal(found.images.compute(), expected.images)


def test_nothing_is_decoded_before_it_is_asked_for(damaged):
    found = lazy_pictures(damaged, image_size=32, channels=3, chunks=4)
    assert found.images.shape == (16, 32, 32, 3)
    assert found.images[4:8].compute().shape == (4, 32, 32, 3)  # none of these is damaged


def test_a_damaged_file_is_named_where_it_is_asked_for(damaged):
    found = lazy_pictures(damaged, chunks=8)
    with pytest.raises(DataError, match=r"cat/3\.png \(no picture, or a damaged one\)\. .*without_unreadable\(\)"):
        found.images[:8].compute()
    with pytest.raises(DataError, match=r"dog/0\.png \(empty\); dog/7\.png \(cut off\)"):
        found.images[8:].compute()


def test_damaged_files_can_be_left_out(damaged):
    found = lazy_pictures(damaged, chunks=3).without_unreadable()
    assert {each.name: each.why for each in found.unreadable} == {
        "cat/3.png": "no picture, or a damaged one",
        "dog/0.png": "empty",
        "dog/7.png": "cut off",
    }
    assert found.counts.tolist() == [7, 6]
    expected = load(str(damaged), image_size=found.contract.height)
    assert found.names() == list(expected.names)
    assert np.array_equal(found.images.compute(), expected.images)
    assert np.array_equal(found.labels.compute(), expected.labels)
    assert found.without_unreadable() is found


def test_a_class_of_which_nothing_can_be_read_is_an_error(damaged):
    for path in (damaged / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"no picture of these classes: dog.*9 image files could not be read"):
        lazy_pictures(damaged).without_unreadable()


def test_size_and_colors_are_found_by_a_sample_and_told(pictures, tmp_path):
    found = lazy_pictures(pictures)
    assert found.contract == InputContract(32, 32, 3)  # the median of 40 to 50 is 44 or so
    assert found.told[0].startswith("21 of 21 pictures were looked at (drawn with seed 0): 32 x 32 pixels by their")
    assert found.told[0].endswith("median side; RGB, as some of them")
    assert found.told[1] == "passed over: 1 of another kind"
    from PIL import Image

    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for k in range(3):
            Image.new("L", (70 + k, 50), k).save(tmp_path / label / f"{k}.png")
    gray = lazy_pictures(tmp_path)
    assert gray.images.shape == (6, 64, 64)
    assert lazy_pictures(tmp_path, resize="crop").images.shape == (6, 48, 48)
    assert lazy_pictures(tmp_path, channels=3).images.shape == (6, 64, 64, 3)


def test_heads_far_away_are_read_without_the_rest(monkeypatch):
    files = fsspec.filesystem("memory")
    for label in ("cat", "dog"):
        for k in range(3):
            content = saved(("PNG", "JPEG", "TIFF")[k], side=50) + bytes(200_000)
            files.pipe_file(f"/large/{label}/{k}.png", content)
    read = []
    cat_file = type(files).cat_file

    def counted(self, path, start=None, end=None, **options):
        found = cat_file(self, path, start=start, end=end, **options)
        read.append((path.rpartition("/")[2], len(found)))
        return found

    monkeypatch.setattr(type(files), "cat_file", counted)
    assert lazy_pictures("memory://large").contract == InputContract(48, 48, 3)
    whole = [name for name, n in read if n > 2**16]
    assert whole == ["2.png", "2.png"]  # a TIFF may have its head at its end
    assert len(read) == 8


def test_others_are_made_and_numbered_like_those_to_train_on(pictures, tmp_path):
    train = lazy_pictures(pictures, image_size=24, resize="crop")
    for label in ("z", "ö"):  # "a b" has no pictures here
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.png").write_bytes(saved("PNG"))
    test = lazy_pictures(tmp_path, like=train)
    assert test.class_names == train.class_names
    assert test.contract == train.contract
    assert test.counts.tolist() == [0, 1, 1]
    assert test.labels.compute().tolist() == [1, 2]
    assert test.names() == ["z/x.png", "ö/x.png"]
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "x.png").write_bytes(saved("PNG"))
    with pytest.raises(InputError, match="has the class 'new', which like does not have"):
        lazy_pictures(tmp_path, like=train)
    with pytest.raises(InputError, match="remove image_size"):
        lazy_pictures(tmp_path, like=train, image_size=32)


def test_a_table_names_files_and_labels(pictures):
    (pictures / "table.csv").write_text(
        "label;path\nsecond;z/00.png\nfirst;a b/01.jpeg\nfirst;a b/00.png\n", encoding="utf-8"
    )
    try:
        found = lazy_pictures(pictures / "table.csv", image_size=32)
        assert found.class_names == ("first", "second")
        assert found.names() == ["a b/00.png", "a b/01.jpeg", "z/00.png"]
        assert found.labels.compute().tolist() == [0, 0, 1]
        whole = load(str(pictures / "table.csv").replace("table.csv", ""), image_size=32)
        rows = [whole.names.index(name) for name in found.names()]
        assert np.array_equal(found.images.compute(), whole.images[rows])
    finally:
        (pictures / "table.csv").unlink()


def test_names_of_any_bytes(tmp_path):
    names = ["a/\udcff.png", "a/\n.png", "a/ü \u202e.png"]
    assert unpack(pack(names)) == names
    if os.name != "posix" or sys.platform == "darwin":
        return
    for name in (*names, "b/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(saved("PNG"))
    assert lazy_pictures(tmp_path).images.compute().shape == (4, 48, 48, 3)


def test_what_can_t_be_is_refused(pictures, tmp_path):
    with pytest.raises(InputError, match="chunks=0"):
        lazy_pictures(pictures, chunks=0)
    with pytest.raises(InputError, match="height of images is 4"):
        lazy_pictures(pictures, image_size=4)
    with pytest.raises(InputError, match="image_size=\\(32,\\)"):
        lazy_pictures(pictures, image_size=(32,))
    for channels in (0, 2):
        with pytest.raises(InputError, match=f"channels of images is {channels}"):
            lazy_pictures(pictures, channels=channels)
    with pytest.raises(DataError, match="is no folder"):
        lazy_pictures(tmp_path / "nothing")
    with pytest.raises(DataError, match="holds 0 class folders"):
        lazy_pictures(tmp_path)
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(InputError, match="holds the parts test, train; name one of them"):
        lazy_pictures(tmp_path)
    with pytest.raises(DataError, match="no picture of these classes: a, b"):
        lazy_pictures(tmp_path / "train")


def test_without_dask_it_says_what_to_install(pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "cvclassic\[dask\]"'):
        lazy_pictures(pictures)


def test_from_an_object_store_to_coefficients(pictures, damaged):
    """Features chunk by chunk of pictures in a bucket, and an SVM: those of the folder."""
    with object_store() as store:
        lazy = lazy_pictures(store.put(pictures, "train"), image_size=32, chunks=5)
        hog = HOG()
        features = lazy.images.map_blocks(hog.fit_transform, dtype=np.float32, drop_axis=(1, 2, 3), new_axis=1)
        far = LinearSVM().fit(np.asarray(features.compute()), lazy.labels.compute())
        here = load(str(pictures), image_size=32)
        near = make_pipeline(HOG(), LinearSVM()).fit(here.images, here.labels)
        assert np.allclose(far.coef_, near[-1].coef_, rtol=1e-5, atol=1e-7)

        far = lazy_pictures(store.put(damaged, "damaged"), image_size=32, chunks=5)
        with pytest.raises(DataError, match=r"can't be read: (cat/3|dog/0|dog/7)\.png"):
            far.images.compute()
        left, expected = far.without_unreadable(), load(str(damaged), image_size=32)
        assert np.array_equal(left.images.compute(), expected.images)
        assert len(left.unreadable) == 3

        empty = lazy_pictures(store.put(damaged, "other"), image_size=32, channels=3)
        store.files.rm("bucket/other/cat/0.png")
        with pytest.raises(DataError, match=r"cat/0\.png \(not there\)"):
            empty.images.compute()


@pytest.mark.slow
def test_workers_read_from_a_store_and_tell_when_it_is_gone(pictures):
    """In processes of their own, which find the store by the environment."""
    distributed = pytest.importorskip("distributed")
    expected = load(str(pictures), image_size=32)
    with object_store() as store, dask.config.set(scheduler=None):
        url = store.put(pictures, "train")
        with distributed.Client(n_workers=2, threads_per_worker=2, dashboard_address=None):
            lazy = lazy_pictures(url, image_size=32, chunks=5)
            assert np.array_equal(lazy.images.compute(), expected.images)
            assert lazy.without_unreadable() is lazy
            store.stop()
            with pytest.raises(DataError, match=r"does not answer .* Check the address and the network"):
                lazy.images.compute()


def test_import_and_listing_cost_no_decoding_libraries():
    program = "import sys, cvclassic; print([m for m in sys.modules if m.partition('.')[0] in ('dask', 'fsspec')])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
