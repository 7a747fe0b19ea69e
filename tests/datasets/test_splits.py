import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvclassic.datasets.splits import split, split_beside
from cvclassic.errors import InputError

class_sizes = st.lists(st.integers(3, 60), min_size=2, max_size=12)
seeds = st.integers(0, 2**32)


def labels_of(sizes, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


@given(class_sizes, seeds)
def test_the_three_parts_are_disjoint_sorted_and_cover_everything(sizes, seed):
    labels = labels_of(sizes)
    parts = split(labels, seed=seed)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    assert all(np.array_equal(part, np.sort(part)) and part.dtype == np.int64 for part in parts)


@given(class_sizes, seeds)
def test_a_quarter_of_each_class_is_the_test_split(sizes, seed):
    labels = labels_of(sizes)
    counts = np.bincount(labels[split(labels, seed=seed).test], minlength=len(sizes))
    quarter = np.clip(np.array(sizes) / 4, 1, np.array(sizes) - 2)
    assert (np.abs(counts - quarter) < 1).all()


@given(class_sizes, seeds, st.data())
def test_any_training_size_is_exact_stratified_and_validated(sizes, seed, data):
    labels, k = labels_of(sizes), len(sizes)
    part = len(labels) - len(split(labels, seed=seed).test)
    size = data.draw(st.integers(2 * k, part))
    train, validation, _ = split(labels, seed=seed, train_size=size)
    assert len(train) + len(validation) == size
    assert (np.bincount(labels[train], minlength=k) >= 1).all()
    assert np.bincount(labels[np.concatenate([train, validation])], minlength=k).min() >= 2
    if size >= 10:
        assert len(validation) >= 1
    assert abs(len(validation) - 0.1 * size) <= 1 + k / 4


@given(class_sizes, seeds, st.data())
def test_smaller_training_sizes_are_nested_in_larger_ones(sizes, seed, data):
    labels = labels_of(sizes)
    part = len(labels) - len(split(labels, seed=seed).test)
    small, large = sorted(data.draw(st.tuples(*[st.integers(2 * len(sizes), part)] * 2)))
    inner, outer = (split(labels, seed=seed, train_size=size) for size in (small, large))
    assert np.isin(inner.train, outer.train).all()
    assert np.isin(inner.validation, outer.validation).all()
    assert np.array_equal(inner.test, outer.test)


@given(class_sizes, seeds, st.data())
def test_a_training_part_drawn_beside_a_test_split_is_the_one_that_was_drawn_with_it(sizes, seed, data):
    labels = labels_of(sizes)
    official = data.draw(st.sampled_from([None, len(labels) - 1]))
    if official and np.bincount(labels[:official], minlength=len(sizes)).min() < 2:
        official = None
    whole = split(labels, seed=seed, n_train=official)
    size = data.draw(st.integers(2 * len(sizes), len(labels) - len(whole.test)))
    beside = split_beside(whole.test, labels, seed=seed, train_size=size)
    oracle = split(labels, seed=seed, train_size=size, n_train=official)
    assert all(np.array_equal(a, b) for a, b in zip(beside, oracle, strict=True))


@pytest.mark.parametrize("train_size", [20, 100, 1000, 5000, 9999, 10_000, 30_000])
def test_every_size_of_a_balanced_set_is_balanced(train_size):
    labels = labels_of([4000] * 10)
    train, validation, _ = split(labels, seed=1, train_size=train_size)
    counts = np.bincount(labels[np.concatenate([train, validation])])
    assert np.ptp(counts) <= 1
    assert np.ptp(np.bincount(labels[validation], minlength=10)) <= 1
    fraction = 0.05 if train_size >= 10_000 else 0.1
    assert len(validation) == pytest.approx(fraction * train_size, abs=1)


def test_two_images_of_each_of_a_hundred_classes_still_give_a_tenth_to_validate_on():
    labels = labels_of([500] * 100)
    train, validation, _ = split(labels, train_size=200)
    assert len(validation) == 20
    assert len(np.unique(labels[train])) == 100


@settings(max_examples=20)
@given(seeds)
def test_an_official_test_part_stays_whole_and_in_order(seed):
    labels = labels_of([30, 20, 10])
    train, validation, test = split(labels, seed=seed, n_train=40)
    assert np.array_equal(test, np.arange(40, 60))
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(40))


def test_the_seed_alone_decides():
    labels = labels_of([50] * 4)
    first, again, other = split(labels, seed=3), split(labels, seed=3), split(labels, seed=4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.test, other.test)
    assert not np.array_equal(first.train, other.train)


def test_max_train_size_clips_and_train_size_wins():
    labels = labels_of([40] * 3)  # the training part has 90
    assert sum(map(len, split(labels, max_train_size=50)[:2])) == 50
    assert sum(map(len, split(labels, max_train_size=5000)[:2])) == 90
    assert sum(map(len, split(labels, max_train_size=1)[:2])) == 6
    assert sum(map(len, split(labels, max_train_size=50, train_size=70)[:2])) == 70


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_size": 0}, "train_size=0"),
        ({"train_size": -5}, "train_size=-5"),
        ({"max_train_size": 0}, "max_train_size=0"),
        ({"train_size": 91}, "has 90 images"),
        ({"train_size": 5}, "use 6 or more"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        split(labels_of([40] * 3), **options)


def test_a_class_too_small_to_share_is_refused():
    with pytest.raises(InputError, match=r"\[10, 2\]"):
        split(labels_of([10, 2]))
