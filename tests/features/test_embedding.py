"""Embedding: a network's numbers as SciPy computes them, the ways of an extractor, errors for what is no backbone."""

import os
import pickle
import time

import cv2
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, make_pipeline

from cvclassic.errors import InputError
from cvclassic.features import HOG, Embedding, onnx, stream
from cvclassic.features.known import Embedded, Known
from cvclassic.features.onnx import declared_inputs
from cvclassic.images import digests
from tests.tiny_onnx import WEIGHTS, expected, network, write_backbone

RGB = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)


@pytest.fixture
def backbone(tmp_path):
    return write_backbone(tmp_path / "tiny.onnx")


class Means:
    """A backbone in Python: the mean of each channel, and how many images it was given."""

    name, fingerprint, size, mean, std = "means", "0123", 4, 0.0, 1.0

    def __init__(self, make=lambda images: images.mean(axis=(1, 2))):
        self.make, self.given = make, []

    def embed(self, images):
        self.given.append(images)
        return self.make(images)

    def __sklearn_clone__(self):
        return self


@pytest.mark.parametrize("batch", [None, 1])
def test_embeddings_are_those_of_the_network(tmp_path, batch):
    embedding = Embedding(write_backbone(tmp_path / "tiny.onnx", batch=batch)).fit(RGB)
    features = embedding.transform(RGB)
    np.testing.assert_allclose(features, expected(RGB), rtol=1e-4, atol=1e-5)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    assert embedding.get_feature_names_out().tolist() == [f"embedding{k}" for k in range(5)]


def test_it_is_an_extractor_like_the_others(backbone, tmp_path):
    embedding = Embedding(backbone)
    whole = embedding.transform(RGB)  # without fit
    np.testing.assert_array_equal(whole, clone(embedding).fit(RGB).transform(RGB))
    np.testing.assert_array_equal(whole[3:4], embedding.transform(RGB[3:4]))
    np.testing.assert_allclose(embedding.transform(RGB / 255), whole, rtol=1e-4, atol=1e-5)
    out = np.empty((40, 5), np.float32)
    assert embedding.transform(RGB, out=out) is out
    np.testing.assert_array_equal(out, whole)
    np.testing.assert_array_equal(stream(embedding, RGB, tmp_path / "features.npy", batch_size=7), whole)
    both = FeatureUnion([("hog", HOG(cell_size=4)), ("embedding", embedding)]).fit(RGB)
    np.testing.assert_array_equal(both.transform(RGB)[:, -5:], whole)
    assert both.get_feature_names_out()[-1] == "embedding__embedding4"
    with pytest.raises(InputError, match=r"fitted on images of shape \(12, 12, 3\)"):
        clone(embedding).fit(RGB).transform(RGB[:, :10])
    with pytest.raises(InputError, match="out has shape"):
        embedding.transform(RGB, out=out[:, :4])


def test_gray_images_are_repeated_to_three_channels(backbone):
    gray = RGB[..., 0]
    repeated = np.repeat(gray[..., np.newaxis], 3, axis=3)
    np.testing.assert_array_equal(Embedding(backbone).transform(gray), Embedding(backbone).transform(repeated))


@pytest.mark.parametrize(("shape", "interpolation"), [((5, 12), cv2.INTER_LINEAR), ((30, 24), cv2.INTER_AREA)])
def test_images_of_another_size_are_resized(backbone, shape, interpolation):
    images = np.random.default_rng(1).integers(0, 256, (3, *shape, 3), dtype=np.uint8)
    resized = [cv2.resize(image.astype(np.float32), (12, 12), interpolation=interpolation) for image in images]
    np.testing.assert_allclose(Embedding(backbone).transform(images), expected(np.array(resized)), rtol=1e-4, atol=1e-5)


def test_parameters_go_before_the_file_beside_it_which_then_is_not_needed(tmp_path):
    path = write_backbone(tmp_path / "no ünïcode\n'\".onnx")
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match=r"can't be read: No such file.*write what its images are to look like.*size"):
        Embedding(path).fit(RGB)
    features = Embedding(str(path), size=12, mean=0, std=(255, 255, 100)).transform(RGB)
    np.testing.assert_allclose(features, expected(RGB, mean=0, std=(255, 255, 100)), rtol=1e-4, atol=1e-5)


def test_a_fitted_one_needs_its_file_no_more_and_has_it_in_its_pickle(backbone):
    model = make_pipeline(Embedding(backbone)).fit(RGB)
    features, content = model.transform(RGB), backbone.read_bytes()
    kept = pickle.dumps(model)
    backbone.unlink()
    np.testing.assert_array_equal(pickle.loads(kept).transform(RGB), features)
    assert content in kept


def test_a_backbone_in_python_gets_scaled_images_and_is_no_copy_in_a_clone():
    backbone = Means()
    features = clone(Embedding(backbone, std=2.0)).fit_transform(RGB)
    assert {images.shape[1:] for images in backbone.given} == {(4, 4, 3)}
    assert max(len(images) for images in backbone.given) == 32
    np.testing.assert_allclose(features, RGB.mean(axis=(1, 2)) / 2, rtol=1e-4)  # 3 x 3 pixels become one


def test_what_is_known_is_looked_up_and_what_it_took_is_counted(backbone):
    plain = Embedding(backbone).fit(RGB)
    whole, key = plain.transform(RGB), plain.key()
    known = Known({key: Embedded(digests(RGB[:10]), whole[:10] + 1, {"seconds": 5.0, "joules": 20.0})})
    embedding = clone(Embedding(backbone, known=known)).fit(RGB)
    assert embedding.known is known
    features = embedding.transform(RGB[5:15])
    np.testing.assert_array_equal(features, whole[5:15] + np.repeat([1, 0], 5)[:, np.newaxis].astype(np.float32))
    assert known.spent == {"seconds": 2.5, "joules": 10.0}
    assert known.clock() == pytest.approx(time.perf_counter() + 2.5, abs=1)
    embedding.transform(RGB[20:])
    embedding.transform(RGB[:10, :, ::-1])  # mirrored
    embedding.transform(RGB[:10] / 255)
    assert known.spent == {"seconds": 2.5, "joules": 10.0}
    other = Embedding(backbone, std=60, known=known)
    assert other.key() != key
    other.transform(RGB[:10])
    assert known.spent == {"seconds": 2.5, "joules": 10.0}
    copy = pickle.loads(pickle.dumps(embedding))
    assert len(pickle.dumps(copy)) < len(pickle.dumps(plain)) + 200
    np.testing.assert_array_equal(copy.transform(RGB), whole)


def test_joules_that_some_do_not_tell_are_not_told(backbone):
    key = Embedding(backbone).key()
    known = Known({key: Embedded(digests(RGB[:4]), np.ones((4, 5), np.float32), {"seconds": 1.0})})
    Embedding(backbone, known=known).transform(RGB[:2])
    assert known.spent == {"seconds": 0.5}


BROKEN = {
    "empty": (lambda content: b"", "is empty; it is no ONNX file"),
    "a text": (lambda content: b"no network at all", "tiny.onnx is no ONNX network"),
    "cut off": (lambda content: content[: len(content) // 2], "tiny.onnx is no ONNX network"),
    "an unknown layer": (lambda content: content.replace(b"Relu", b"Rolu"), "cv2.dnn"),
    "gray": (lambda content: network(WEIGHTS[:, :1], 12, True, None), r"input of .* \('n', 1, 12, 12\).*3, 12, 12"),
    "another size": (lambda content: network(WEIGHTS, 16, True, None), r"\('n', 3, 16, 16\).*Correct the size"),
    "not pooled": (lambda content: network(WEIGHTS, 12, False, None), r"shape \(\d+, 5, 12, 12\) of .*Cut the network"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_backbone_is_refused(backbone, change, message):
    backbone.write_bytes(change(backbone.read_bytes()))
    for use in (Embedding(backbone).fit, Embedding(backbone).transform):
        with pytest.raises(InputError, match=message):
            use(RGB)


def test_inputs_are_read_from_the_file_itself():
    assert declared_inputs(network(WEIGHTS, 12, True, None)) == {"images": (None, 3, 12, 12)}
    assert declared_inputs(network(WEIGHTS, 300, True, 1)) == {"images": (1, 3, 300, 300)}
    for content in (b"", b"\xff" * 100, network(WEIGHTS, 12, True, None)[:-20]):
        assert declared_inputs(content) is None


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ("{", "is no JSON; write what"),
        ("[" * 3000, "is no JSON"),
        ("[12]", "lacks size, mean or std"),
        ('{"size": 12, "mean": 1}', "lacks size, mean or std"),
        ('{"size": "12", "mean": 1, "std": 1}', "size='12' must be a positive int"),
        ('{"size": 0, "mean": 1, "std": 1}', "size=0 must be"),
        ('{"size": 12, "mean": [1, 2], "std": 1}', r"mean=\[1, 2\] must be a number in units of 0 to 255"),
        ('{"size": 12, "mean": {"r": 1}, "std": 1}', "mean="),
        ('{"size": 12, "mean": 1, "std": NaN}', "std=nan"),
        ('{"size": 12, "mean": 1, "std": [1, 0, 1]}', r"std=\[1, 0, 1\] must be positive"),
    ],
)
def test_a_description_that_can_not_be_used_is_refused(backbone, beside, message):
    backbone.with_suffix(".json").write_text(beside)
    with pytest.raises(InputError, match=message):
        Embedding(backbone).fit(RGB)


def test_files_that_are_missing_and_things_that_are_none_are_refused(tmp_path):
    for wrong, message in ((tmp_path / "none.onnx", "none.onnx can't be read: No such file"), (tmp_path, "is no file")):
        with pytest.raises(InputError, match=message):
            Embedding(wrong).fit(RGB)
    for wrong in (None, 3, b"x"):
        with pytest.raises(InputError, match="neither the path of an ONNX file nor an object with a method embed"):
            Embedding(wrong).fit(RGB)


NONSENSE = {
    "images": (lambda x: x, "of shape"),
    "nothing": (lambda x: x[:, 0, 0, :0], "of shape"),
    "too few": (lambda x: x[:-1, 0, 0], "of shape"),
    "whole numbers": (lambda x: x[:, 0, 0].astype(int), "dtype int64"),
    "NaN": (lambda x: x[:, 0, 0] * np.nan, "with NaN or infinite values"),
}


@pytest.mark.parametrize(("make", "message"), NONSENSE.values(), ids=NONSENSE)
def test_a_backbone_in_python_that_gives_nonsense_is_refused(make, message):
    with pytest.raises(InputError, match=f"means makes an array .*{message}"):
        Embedding(Means(make)).fit(RGB)


def test_bad_batches(backbone):
    for use in (Embedding(backbone).fit, Embedding(backbone).transform):
        with pytest.raises(InputError, match="shape"):
            use(RGB[0])


@pytest.mark.parametrize(
    "beside",
    [
        '{"size": 1e9, "mean": 0, "std": 1}',
        '{"size": 100000, "mean": 0, "std": 1}',
        '{"size": [12, [12, 12]], "mean": 0, "std": 1}',
        '{"size": {"a": 12}, "mean": 0, "std": 1}',
        '{"size": 12, "mean": [1, 2, 3, 4], "std": 1}',
        '{"size": 12, "mean": NaN, "std": 1}',
        f'{{"size": 12, "mean": {"9" * 400}, "std": 1}}',
        '{"size": 12, "mean": 0, "std": [1, 0, 1]}',
        f'{{"size": "{"x" * 5000}", "mean": 0, "std": 1}}',
        '{"size": 12, "mean": ' + "[" * 5000,
    ],
)
def test_what_is_wrong_beside_a_backbone_is_told_with_the_name_of_that_file(backbone, beside):
    backbone.with_suffix(".json").write_text(beside)
    with pytest.raises(InputError, match=r"tiny\.json") as error:
        Embedding(backbone).open()
    assert len(str(error.value)) < 500


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that are files")
@pytest.mark.parametrize("suffix", [".onnx", ".json"])
def test_a_pipe_is_not_waited_for(backbone, suffix):
    path = backbone.with_suffix(suffix)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="is no file"):
        Embedding(backbone).open()


def test_a_number_where_a_name_should_be_takes_no_memory():
    """`bytes(number)` would make as many zeros."""
    tensor = b"\x40" + b"\xff\xff\xff\xff\x0f"  # field 8, a number
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    assert declared_inputs(b"\x3a" + bytes([len(graph)]) + graph) is None


def test_so_many_fields_that_they_are_no_network_are_not_read(monkeypatch):
    content = network(WEIGHTS, 12, pool=True, batch=None)
    assert declared_inputs(content) == {"images": (None, 3, 12, 12)}
    monkeypatch.setattr(onnx, "MOST_FIELDS", 20)
    assert declared_inputs(content) is None
