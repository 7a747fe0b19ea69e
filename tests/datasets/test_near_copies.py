"""Near copies are found where a picture was saved again, resized, trimmed or brightened, not where two look alike."""

import cv2
import numpy as np
import pytest

from cvclassic.datasets import from_arrays, load
from cvclassic.datasets.groups import join
from cvclassic.datasets.near_copies import components, find_copies
from cvclassic.images import digests


def scenes(n, size=48, seed=0):
    """Pictures of soft blobs in color, each of its own."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (n, 9, 9, 3), dtype=np.uint8)
    return np.stack([cv2.resize(each, (size, size), interpolation=cv2.INTER_CUBIC) for each in coarse])


def jpeg(image):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)


def resized(image):
    size = image.shape[0]
    small = cv2.resize(image, (round(0.8 * size), round(0.8 * size)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)


def cropped(image):
    return cv2.resize(image[2:-2, 2:-2], image.shape[:2], interpolation=cv2.INTER_LINEAR)


def brighter(image):
    return np.clip(image * 1.15, 0, 255).astype(np.uint8)


def groups_of(numbers):
    return {tuple(np.flatnonzero(numbers == number).tolist()) for number in np.unique(numbers)}


@pytest.mark.parametrize("change", [jpeg, resized, cropped, brighter])
def test_changed_copies_are_found_and_nothing_else(change):
    originals = scenes(60)
    images = np.concatenate([originals, np.stack([change(image) for image in originals[:20]])])
    found = find_copies(images)
    assert groups_of(found.near) == {(k, 60 + k) for k in range(20)} | {(k,) for k in range(20, 60)}
    assert len(set(found.exact)) == 80
    assert found.searched
    assert not found.plain.any()


def test_gray_pictures_and_floats_give_what_color_and_bytes_give():
    images = np.concatenate([scenes(40), np.stack([jpeg(image) for image in scenes(10)])])
    gray = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images])
    wanted = groups_of(find_copies(images).near)
    assert groups_of(find_copies((images / 255).astype(np.float32)).near) == wanted
    assert groups_of(find_copies(gray).near) == wanted
    assert max(map(len, wanted)) == 2


def test_handwritten_digits_are_not_taken_for_copies_because_they_look_alike():
    digits = load("digits")
    ones = digits.images[digits.labels == 1]
    assert len(ones) - len(set(find_copies(ones).near)) <= 3
    assert len(digits.labels) - len(set(find_copies(digits.images).near)) <= 2


def test_the_same_shape_in_another_color_is_another_picture():
    mask = cv2.circle(np.zeros((40, 40), np.uint8), (20, 18), 11, 1, -1)
    red, green = (np.where(mask[..., None] > 0, color, 0).astype(np.uint8) for color in ((230, 0, 0), (0, 118, 0)))
    found = find_copies(np.concatenate([scenes(50, 40), red[None], green[None]]))
    assert len(set(found.near)) == 52


def test_pictures_of_one_color_and_smooth_slopes_are_compared_exactly_only():
    plain = np.stack([np.full((32, 32), level, np.uint8) for level in (0, 3, 255, 255)])
    slopes = np.stack([np.tile(np.linspace(0, top, 32), (32, 1)).astype(np.uint8) for top in (250, 200)])
    found = find_copies(np.concatenate([plain, slopes, scenes(30, 32)[..., 0]]))
    assert groups_of(found.near) == groups_of(found.exact)
    assert found.plain.tolist()[:6] == [True] * 4 + [False] * 2
    assert found.exact[2] == found.exact[3]


def test_exact_copies_are_those_that_digests_tell():
    images = scenes(12)[np.random.default_rng(1).integers(0, 12, 40)]
    found = find_copies(images)
    keys = [bytes(digest) for digest in digests(images)]
    assert [[a == b for b in keys] for a in keys] == (found.exact[:, None] == found.exact).tolist()
    assert find_copies(images[:1]).near.tolist() == [0]
    assert len(set(find_copies(np.repeat(images[:1], 9, axis=0)).near)) == 1


def test_among_too_many_images_none_are_looked_for():
    images = np.concatenate([scenes(30), jpeg(scenes(30)[0])[None]])
    assert find_copies(images, most_images=31).near[30] == 0
    found = find_copies(images, most_images=30)
    assert not found.searched
    assert len(set(found.near)) == 31


def test_among_some_images_their_copies_are_found_whichever_comes_first():
    images = np.concatenate([scenes(40), np.stack([jpeg(image) for image in scenes(40)[:3]])])
    for wanted in (0, 40):
        among = np.zeros(43, bool)
        among[wanted] = True
        assert groups_of(find_copies(images, among=among).near) == {(0, 40)} | {(k,) for k in (*range(1, 40), 41, 42)}


def test_near_copies_stay_in_one_part_of_every_split_and_fold():
    originals = scenes(60)
    X = np.concatenate([originals, np.stack([jpeg(image) for image in originals[:24]])])
    y = np.arange(84) % 2
    dataset = from_arrays(X, y)
    assert dataset.warnings == ("24 images are near copies of others; they stay in one part",)
    for part in (dataset, *dataset.with_folds(4, seed=1).folds):
        side = np.full(84, -1)
        for number, rows in enumerate((part.train, part.validation, part.test)):
            side[rows] = number
        assert (side[:24] == side[60:]).all()


def test_groups_that_would_be_too_large_stay_apart():
    labels = np.arange(100) % 2
    near = np.arange(100)
    near[:24] = 0  # more than 20 images, and 5 % are 5
    near[31], near[33] = near[30], near[32]
    groups, n_joined, n_apart = join(None, near, labels)
    assert (n_joined, n_apart) == (2, 23)
    assert groups_of(groups) == {(30, 31), (32, 33)} | {(k,) for k in range(100) if not 30 <= k < 34}
    few = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1])
    assert join(None, np.array([0, 0, 2, 3, 3, 5, 6, 7, 8]), few)[1:] == (1, 1)  # two of three would be of one group
    known = np.arange(100) // 10  # ten patients; a near copy joins two of them
    groups, n_joined, n_apart = join(known, np.where(np.arange(100) == 15, 5, np.arange(100)), labels)
    assert (n_joined, n_apart) == (1, 0)
    assert len(set(groups)) == 9
    assert join(None, np.arange(100), labels) == (None, 0, 0)


def test_links_join_by_way_of_others():
    assert groups_of(components(np.array([[0, 3], [3, 4], [1, 2]]), 6)) == {(0, 3, 4), (1, 2), (5,)}


def test_test_images_that_are_copies_of_training_images_are_known():
    X, y = scenes(60), np.arange(60) % 3
    X_test = np.concatenate([scenes(9, seed=1), np.stack([jpeg(X[0]), resized(X[1]), brighter(X[2])])])
    dataset = from_arrays(X, y, X_test, np.arange(12) % 3)
    assert dataset.leaked_test_images.tolist() == [69, 70, 71]
    assert dataset.warnings == ()  # they are in two parts, and stay there
    assert dataset.leaked_test_images is dataset.leaked_test_images  # found once
    exact = from_arrays(X, y, X[:4], y[:4])  # exact ones are left out of training, so that nothing has leaked
    assert exact.train_size == 56
    assert exact.leaked_test_images.tolist() == []
    assert from_arrays(X, y).leaked_test_images.tolist() == []
