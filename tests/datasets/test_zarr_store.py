"""Arrays in zarr stores: what is read back is what was written, or an error."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cvclassic.datasets import from_arrays, load, read_zarr, write_zarr
from cvclassic.decoding import InputContract
from cvclassic.errors import DataError, InputError, MissingDependencyError
from tests.object_store import object_store

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
zarr = pytest.importorskip("zarr")
ROOT = Path(__file__).parents[2]
CONTRACT = InputContract(8, 9, 3, "crop")
NAMES = ("cat", "dög")


@pytest.fixture
def images(rng):
    """23 images in chunks of 5, two of them black, which makes an empty chunk."""
    pixels = rng.integers(0, 256, (23, 8, 9, 3), dtype=np.uint8)
    pixels[10:15] = 0
    return da.from_array(pixels, chunks=(5, 8, 9, 3))


@pytest.fixture
def written(tmp_path, images):
    """The path of a store with images and labels."""
    path = tmp_path / "set.zarr"
    write_zarr(path, images, np.arange(23) % 2, class_names=NAMES, contract=CONTRACT)
    return path


def assert_equal(found, images):
    assert found.X.dtype == images.dtype
    assert np.array_equal(found.X.compute(), images.compute())
    assert found.y.chunks[0] == found.X.chunks[0]
    assert np.array_equal(found.y.compute(), np.arange(23) % 2)
    assert found.class_names == NAMES
    assert found.contract == CONTRACT


def test_images_and_labels_on_disk(written, images):
    found = read_zarr(written)
    assert_equal(found, images)
    assert found.X.chunks == images.chunks
    assert_equal(read_zarr(f"file://{written}"), images)
    assert json.loads((written / "zarr.json").read_text())["zarr_format"] == 3
    assert np.array_equal(zarr.open_group(written)["X"][:], images.compute())  # by zarr alone
    assert [path.name for path in written.parent.iterdir()] == ["set.zarr"]


def test_in_memory_and_in_an_object_store(images):
    for url in ("memory://stores/set", "s3://bucket/set.zarr"):
        with object_store():
            write_zarr(url, images, da.arange(23, chunks=7) % 2, class_names=NAMES, contract=CONTRACT)
            assert_equal(read_zarr(url), images)
            with pytest.raises(InputError, match="is there already"):
                write_zarr(url, images)


def test_features_without_labels_in_chunks_of_different_sizes(tmp_path, rng):
    features = rng.normal(size=(17, 6)).astype(np.float32)
    write_zarr(tmp_path / "f", da.from_array(features, chunks=((3, 9, 5), (4, 2))))
    found = read_zarr(tmp_path / "f")
    assert found.X.chunks == ((9, 8), (6,))
    assert np.array_equal(found.X.compute(), features)
    assert (found.y, found.class_names, found.contract) == (None, (), None)


def test_what_fails_leaves_nothing(tmp_path, images):
    def fails(block):
        raise ValueError("of the user's own")

    failing = images.map_blocks(fails, dtype=images.dtype)
    with pytest.raises(ValueError, match="of the user's own"):
        write_zarr(tmp_path / "set.zarr", failing)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="of the user's own"):
        write_zarr("memory://failed/set", failing)
    import fsspec

    assert fsspec.filesystem("memory").find("/failed") == []


def test_what_is_there_stays(written, images):
    with pytest.raises(InputError, match="is there already"):
        write_zarr(written, images[:5])
    assert_equal(read_zarr(written), images)


def test_a_store_that_was_not_written_to_its_end(written):
    group = json.loads((written / "zarr.json").read_text())
    group["attributes"] = {}
    (written / "zarr.json").write_text(json.dumps(group))
    with pytest.raises(DataError, match="not written by write_zarr, or not to its end"):
        read_zarr(written)


def test_a_lost_chunk_is_not_taken_for_zeros(written):
    (written / "X" / "c" / "1" / "0" / "0" / "0").unlink()
    with pytest.raises(DataError, match="X has 4 of its 5 chunks"):
        read_zarr(written)


@pytest.mark.parametrize("spoil", [lambda c: c[:-7], lambda c: b"", lambda c: bytes([*c[:9], c[9] ^ 1, *c[10:]])])
def test_a_damaged_chunk_is_told_with_its_rows(written, spoil):
    chunk = written / "X" / "c" / "1" / "0" / "0" / "0"
    chunk.write_bytes(spoil(chunk.read_bytes()))
    found = read_zarr(written)
    assert found.X[:5].compute().shape == (5, 8, 9, 3)
    with pytest.raises(DataError, match=r"Rows 5 to 9 of .*set\.zarr can't be read"):
        found.X.compute()


@pytest.mark.parametrize(
    ("place", "key", "value", "told"),
    [
        ("", ("attributes", "cvclassic", "layout"), 2, "none of this version"),
        ("", ("attributes", "cvclassic"), [], "none of this version"),
        ("", ("attributes", "cvclassic", "class_names"), [1, 2], "its class names are no texts"),
        ("", ("attributes", "cvclassic", "contract"), {"height": 8}, "what its images are like can't be"),
        ("", ("attributes", "cvclassic", "contract", "width"), 10, "says that they are"),
        ("X", ("shape",), [23, 8, 10, 3], "in chunks of whole rows"),
        ("X", ("shape",), [10**15, 8, 9, 3], "X would have 200,000,000,000,000 chunks"),
        ("X", ("shape",), [10**6, 8, 9, 3], "X has 5 of its 200,000 chunks"),
        ("X", ("chunk_grid", "configuration", "chunk_shape"), [10**9, 8, 9, 3], "more than 1 GiB"),
        ("X", ("data_type",), "string", "set.zarr"),
        ("X", ("codecs",), [{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 5}}], "not packed as"),
        ("X", ("codecs",), "x", "can't be read as a zarr store"),
        ("y", ("shape",), [20], "don't fit one another"),
        ("y", ("node_type",), "group", "set.zarr"),
    ],
)
def test_damaged_metadata_are_errors_of_ours(written, place, key, value, told):
    path = written / place / "zarr.json"
    whole = json.loads(path.read_text())
    inside = whole
    for name in key[:-1]:
        inside = inside[name]
    inside[key[-1]] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(DataError, match=told):
        read_zarr(written)


def test_what_can_t_be_written_is_refused(tmp_path, images):
    with pytest.raises(InputError, match="how many rows there are must be known"):
        write_zarr(tmp_path / "a", images[images[:, 0, 0, 0] > 3])
    with pytest.raises(InputError, match="has dtype <U1"):
        write_zarr(tmp_path / "a", images, np.array(["a"] * 23))
    with pytest.raises(InputError, match="X has 23 rows"):
        write_zarr(tmp_path / "a", images, np.arange(22))
    with pytest.raises(InputError, match="more than 1 GiB"):
        write_zarr(tmp_path / "a", da.zeros((2**16, 2**16), chunks=2**15, dtype=np.float32).rechunk((2**13, -1)))
    with pytest.raises(DataError, match="can't be written"):
        write_zarr(tmp_path / "no" / "folder" / "a", images)
    for place in (tmp_path / "nothing", "memory://nothing"):
        with pytest.raises(DataError, match="There is no zarr store of format 3"):
            read_zarr(place)
    assert list(tmp_path.iterdir()) == []


def test_without_zarr_it_says_what_to_install(tmp_path, images, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "cvclassic\[dask\]"'):
        read_zarr(tmp_path)


def test_format_2_with_its_pickles_is_not_read(tmp_path):
    zarr.create_group(tmp_path / "old", zarr_format=2).create_array("X", shape=(4, 2), dtype="f4")
    with pytest.raises(DataError, match="no zarr store of format 3"):
        read_zarr(tmp_path / "old")


def test_a_store_is_a_data_set(tmp_path, rng):
    images = rng.integers(0, 256, (40, 12, 12), dtype=np.uint8)
    labels = np.repeat([0, 2], 20)  # of the second class there are none
    path = tmp_path / "set.zarr"
    write_zarr(path, da.from_array(images, chunks=(16, 12, 12)), labels, class_names=("cat", "dog", "owl"))
    found = load(str(path))
    expected = from_arrays(images, labels)
    assert np.array_equal(found.images, images)
    assert np.array_equal(found.labels, expected.labels)
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(found, part), getattr(expected, part))
    assert found.class_names == ("cat", "owl")
    assert found.provenance.endswith("set.zarr, 40 images of a zarr store")
    assert found.name == "set.zarr"
    assert load(str(path), image_size=12).images.shape == images.shape
    with pytest.raises(InputError, match="are 12 x 12 pixels"):
        load(str(path), image_size=32)
    with pytest.raises(InputError, match="has no files"):
        load(str(path), group="subfolder")
    write_zarr(tmp_path / "no.zarr", da.from_array(images, chunks=(16, 12, 12)))
    with pytest.raises(DataError, match="no images with labels"):
        load(str(tmp_path / "no.zarr"))
    write_zarr(tmp_path / "names.zarr", da.from_array(images, chunks=(16, 12, 12)), labels, class_names=("cat", "dog"))
    with pytest.raises(DataError, match="labels from 0 to 2, and 2 class names"):
        load(str(tmp_path / "names.zarr"))


@pytest.mark.slow
def test_a_store_that_was_killed_while_it_was_written(tmp_path, images):
    """On disk there is nothing by its name; the next writing is whole."""
    program = (
        "import os, sys, dask.array as da; from cvclassic.datasets import write_zarr;"
        "X = da.ones((40, 5), chunks=(10, 5));"
        "dies = X.map_blocks(lambda b, block_info=None: os._exit(9)"
        " if block_info and block_info[0]['chunk-location'][0] == 3 else b, dtype=X.dtype);"
        "import dask; dask.config.set(scheduler='synchronous'); write_zarr(sys.argv[1], dies)"
    )
    target = tmp_path / "set.zarr"
    done = subprocess.run([sys.executable, "-c", program, str(target)], cwd=ROOT, timeout=120)
    assert done.returncode == 9
    assert not target.exists()
    assert all(path.name.startswith(".half-") for path in tmp_path.iterdir())
    write_zarr(target, images)
    assert read_zarr(target).X.shape == images.shape
    shutil.rmtree(target)
