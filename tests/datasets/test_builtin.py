import cv2
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from cvclassic.datasets import load
from cvclassic.datasets.shapes import SHAPES, draw_shapes
from cvclassic.images import check_images


@pytest.fixture(scope="module")
def shapes():
    return load("shapes")


def test_digits_shrunk_again_are_those_of_sklearn():
    digits, source = load("digits"), load_digits()
    assert digits.images.shape == (1797, 32, 32)
    assert digits.images.dtype == np.uint8
    assert np.array_equal(digits.labels, source.target)
    shrunk = np.stack([cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA) for image in digits.images])
    distances = cdist(shrunk.reshape(-1, 64) * (16 / 255), source.data)
    assert (distances.argmin(axis=1) == np.arange(1797)).mean() > 0.99
    assert digits.traits == {"handwriting"}


def test_shapes_keep_the_contract(shapes):
    assert check_images(shapes.images) is shapes.images
    assert shapes.images.shape == (5000, 32, 32, 3)
    assert shapes.image_shape == (32, 32, 3)
    assert shapes.labels.dtype == np.int64
    assert np.bincount(shapes.labels).tolist() == [500] * 10
    assert shapes.class_names == tuple(SHAPES)
    assert [len(part) for part in (shapes.train, shapes.validation, shapes.test)] == [3375, 375, 1250]
    assert "seed 0" in shapes.provenance


def test_the_seed_decides_about_shapes_to_the_last_byte():
    first, again, other = draw_shapes(200, 5), draw_shapes(200, 5), draw_shapes(200, 6)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_the_seed_of_a_run_moves_the_split_and_not_the_pixels(shapes):
    other = load("shapes", seed=1)
    assert np.array_equal(other.images, shapes.images)
    assert not np.array_equal(other.test, shapes.test)


def test_outlines_are_symmetric_as_the_mirror_trait_promises():
    for name, outlines in SHAPES.items():
        canvases = []
        for side in (1, -1):
            canvas = np.zeros((200, 200), np.uint8)
            cv2.fillPoly(canvas, [np.rint(outline * (80 * side, 80) + 100).astype(np.int32) for outline in outlines], 1)
            canvases.append(canvas)
        differing = (canvases[0] != canvases[1]).sum()
        assert differing <= 0.02 * canvases[0].sum(), name


@pytest.mark.slow
def test_color_hints_shape_tells_and_both_together_are_best(shapes):
    edges, colors = standardize(hog(shapes.images)), standardize(mean_colors(shapes.images))
    by_color = accuracy(shapes, color_histogram(shapes.images))
    by_shape = accuracy(shapes, edges)
    by_both = accuracy(shapes, np.concatenate([edges, 0.5 * colors], axis=1))
    assert 0.25 <= by_color <= 0.45
    assert 0.75 <= by_shape <= 0.92
    assert by_both > by_shape > by_color + 0.2


def accuracy(dataset, X):
    model = SVC(C=10).fit(X[dataset.train], dataset.labels[dataset.train])
    return model.score(X[dataset.test], dataset.labels[dataset.test])


def color_histogram(images):
    per_channel = [[np.bincount(channel >> 4, minlength=16) for channel in image.reshape(-1, 3).T] for image in images]
    return np.sqrt(np.array(per_channel, np.float32).reshape(len(images), -1) / 1024)


def hog(images):
    descriptor = cv2.HOGDescriptor((32, 32), (16, 16), (8, 8), (8, 8), 9, 1, -1, 0, 0.2, False, 64, False)
    return np.stack([descriptor.compute(image).ravel() for image in images])


def mean_colors(images):
    lab = cv2.cvtColor(images.reshape(-1, 32, 3), cv2.COLOR_RGB2LAB).reshape(images.shape).astype(np.float32)
    return lab.reshape(-1, 4, 8, 4, 8, 3).mean(axis=(2, 4)).reshape(len(images), -1)


def standardize(block):
    block = block - block.mean(axis=0)
    return block / np.sqrt((block**2).sum(axis=1).mean())
