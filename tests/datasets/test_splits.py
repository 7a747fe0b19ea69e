import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from cvclassic.datasets.splits import fold_splits, split, split_beside
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


@settings(max_examples=20, deadline=None)
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


@given(class_sizes, seeds, st.integers(3, 6))
@settings(max_examples=50, deadline=None)
def test_every_image_is_tested_in_one_fold_and_classes_are_spread_to_within_one(sizes, seed, n_folds):
    labels, n_folds = labels_of(sizes), min(n_folds, max(sizes))
    folds = fold_splits(labels, n_folds, seed=seed % 2**31)
    assert np.array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(len(labels)))
    counts = np.array([np.bincount(labels[fold.test], minlength=len(sizes)) for fold in folds])
    assert np.ptp(counts, axis=0).max() <= 1
    for train, validation, test in folds:
        assert np.array_equal(np.sort(np.concatenate([train, validation, test])), np.arange(len(labels)))
        assert np.bincount(labels[train], minlength=len(sizes)).min() >= 1


@given(class_sizes, seeds, st.integers(1, 4), st.integers(2, 5))
@settings(max_examples=50, deadline=None)
def test_groups_are_never_in_two_parts(sizes, seed, largest, n_folds):
    labels = labels_of(sizes)
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, max(len(labels) // largest, 1), len(labels))
    try:
        parts = [
            split(labels, seed=seed, groups=groups),
            *fold_splits(labels, n_folds, seed=seed % 2**31, groups=groups),
        ]
    except InputError:  # groups that no split can keep together
        reject()
    for part in parts:
        for k, own in enumerate(part):
            assert not any(np.isin(groups[own], groups[other]).any() for other in part[k + 1 :])
        assert np.array_equal(np.sort(np.concatenate(part)), np.arange(len(labels)))
        assert set(labels[part.train]) == set(range(len(sizes)))


def test_folds_with_groups_stay_near_their_shares():
    rng = np.random.default_rng(0)
    labels, groups = rng.permutation(np.repeat(np.arange(4), 50)), rng.integers(0, 60, 200)
    for fold in fold_splits(labels, 5, groups=groups):
        assert 30 <= len(fold.test) <= 50
        assert np.bincount(labels[fold.test], minlength=4).min() >= 5


@pytest.mark.parametrize(("n_folds", "found"), [(1, "folds=1"), (41, "use 2 to 40")])
def test_a_number_of_folds_that_cant_be_is_refused(n_folds, found):
    with pytest.raises(InputError, match=found):
        fold_splits(labels_of([40] * 3), n_folds)
