"""Training sizes: what may be asked, which parts come of it, and that all pipelines work on small ones."""

import itertools

import numpy as np
import pytest

from cvclassic import datasets
from cvclassic.errors import InputError
from cvclassic.neural import TrainingStack
from cvclassic.runs.pipelines import builtin_pipelines, find_pipelines
from cvclassic.runs.plan import RunData, plan, task_for
from cvclassic.runs.spec import RunSpec
from cvclassic.runs.train_sizes import at_train_sizes

STACK = TrainingStack(epochs=1)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


@pytest.fixture(scope="module")
def shapes():
    return datasets.load("shapes")


def test_each_part_is_what_load_gives_for_its_size_and_they_are_nested(digits):
    [nested], notes = at_train_sizes([digits], [100, 300, "all"], seed=0)
    assert notes == []
    parts = [*nested.smaller, nested]
    assert [part.train_size for part in parts] == [100, 300, 1347]
    for part, size in zip(parts, [100, 300, None], strict=True):
        oracle = datasets.load("digits", train_size=size)
        for name in ("images", "labels", "train", "validation", "test"):
            assert np.array_equal(getattr(part, name), getattr(oracle, name))
        assert part.images is digits.images
    for small, large in itertools.pairwise(parts):
        assert np.isin(small.train, large.train).all()
        assert np.isin(small.validation, large.validation).all()


def test_a_size_that_is_all_counts_once_and_the_cap_of_a_preset_is_all():
    capped = datasets.load("shapes", max_train_size=500)
    [nested], _ = at_train_sizes([capped], [100, 500, "all"], seed=0)
    assert [part.train_size for part in (*nested.smaller, nested)] == [100, 500]
    [beyond], _ = at_train_sizes([capped], [3000, "all"], seed=0)
    assert [part.train_size for part in (*beyond.smaller, beyond)] == [500, 3000]


def test_two_sizes_with_the_same_images_to_fit_on_are_one(digits):
    sizes = list(range(100, 140))
    [nested], _ = at_train_sizes([digits], sizes, seed=0)
    fitted = [len(part.train) for part in (*nested.smaller, nested)]
    assert len(fitted) == len(set(fitted)) < len(sizes)
    assert nested.train_size == 139


def test_a_size_that_one_of_several_sets_lacks_is_left_out_there_with_a_note(digits, shapes):
    (of_digits, of_shapes), [note] = at_train_sizes([digits, shapes], [100, 2000, "all"], seed=0)
    assert [part.train_size for part in (*of_digits.smaller, of_digits)] == [100, 1347]
    assert [part.train_size for part in (*of_shapes.smaller, of_shapes)] == [100, 2000, 3750]
    assert note.startswith("digits is left out at 2,000 training images: ")
    assert "has 1347 images" in note
    with pytest.raises(InputError, match=r"1347 images.*3750 images"):
        at_train_sizes([digits, shapes], [100, 5000], seed=0)
    with pytest.raises(InputError, match="digits can be trained at none of these sizes"):
        at_train_sizes([digits, shapes], [2000], seed=0)


def test_jobs_go_through_all_sizes_settings_and_seeds(digits):
    [nested], _ = at_train_sizes([digits], [100, 300], seed=0)
    spec = RunSpec(seed=5, sweep={"C": [1, 10]}, repeats=2)
    jobs, _ = plan(RunData.of(spec, [nested], find_pipelines(["hog_svm", "mlp"])))
    assert [(job.pipeline, job.n_train, dict(job.settings).get("C"), job.seed) for job in jobs] == [
        *(("hog_svm", n_train, C, seed) for n_train in (90, 270) for C in ("1", "10") for seed in (5, 6)),
        *(("mlp", n_train, None, seed) for n_train in (90, 270) for seed in (5, 6)),
    ]


CLASSICAL = [p.name for p in builtin_pipelines().values() if p.default and p.family == "classical"]


@pytest.mark.parametrize("name", CLASSICAL)
def test_every_classical_default_pipeline_learns_from_two_images_of_each_class(name, shapes):
    # Fewer images than the components that PCA keeps of larger sets.
    small = shapes.with_train_size(20, seed=0)
    [pipeline] = find_pipelines([name])
    estimator = pipeline.build(task_for(small, RunSpec(), stack=STACK, seed=0, settings=()))
    estimator.fit(small.images[small.train], small.labels[small.train])
    assert len(small.train) == 18
    assert len(np.unique(estimator.predict(small.images[small.test]))) > 3
