"""The jobs of a run: which pipeline gets which settings, and what is refused before anything is written."""

from dataclasses import replace

import pytest

from cvclassic import datasets
from cvclassic.errors import InputError
from cvclassic.experiment.pipelines import find_pipelines
from cvclassic.experiment.plan import plan_jobs, stack_of
from cvclassic.experiment.playground import EXPERIMENTS, find_experiments
from cvclassic.experiment.result import job_folder
from cvclassic.neural import TrainingStack

STACK = TrainingStack(epochs=3)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=300)


def plan(digits, names, *, stack=STACK, settings=None, sweep=None, repeats=1):
    pipelines = find_pipelines([str(name) for name in names])
    jobs, _ = plan_jobs(
        [digits], pipelines, stack=stack, seed=4, settings=settings or {}, sweep=sweep or {}, repeats=repeats
    )
    return jobs


def test_every_pipeline_gets_the_settings_that_it_has_and_no_job_twice(digits):
    sweep = {"batch_size": ["32", "64"], "C": ["1", "10"]}
    jobs = plan(digits, ["mlp", "hog_linear_svm"], sweep=sweep, settings={"tol": "1e-4"}, repeats=2)
    assert [(job["pipeline"], job["settings"], job["seed"]) for job in jobs] == [
        ("mlp", {"batch_size": "32"}, 4),
        ("mlp", {"batch_size": "32"}, 5),
        ("mlp", {"batch_size": "64"}, 4),
        ("mlp", {"batch_size": "64"}, 5),
        ("hog_linear_svm", {"tol": "1e-4", "C": "1"}, 4),
        ("hog_linear_svm", {"tol": "1e-4", "C": "1"}, 5),
        ("hog_linear_svm", {"tol": "1e-4", "C": "10"}, 4),
        ("hog_linear_svm", {"tol": "1e-4", "C": "10"}, 5),
    ]


def test_a_grid_holds_every_combination(digits):
    jobs = plan(digits, ["mlp"], sweep={"optimizer": ["sgd", "adam"], "batch_size": ["32", "64", "128"]})
    assert len({tuple(job["settings"].items()) for job in jobs}) == len(jobs) == 6


def test_the_stack_of_a_job_takes_the_learning_rate_of_its_optimizer(digits):
    [mlp, recipe] = find_pipelines(["mlp", "recipe_mnist_relu"])
    stack = stack_of(mlp, STACK, {"optimizer": "sgd", "C": "1"})
    assert stack == replace(STACK, optimizer="sgd")
    assert stack.initial_learning_rate() == TrainingStack(optimizer="sgd").initial_learning_rate()
    assert stack_of(recipe, STACK, {}) is recipe.stack
    hurried = replace(STACK, time_budget=5.0)
    assert stack_of(recipe, hurried, {}) == replace(recipe.stack, time_budget=5.0)


def test_a_stack_of_its_own_is_not_swept(digits):
    jobs = plan(digits, ["mlp", "recipe_mnist_relu"], sweep={"optimizer": ["sgd", "adam"]})
    assert [job["settings"] for job in jobs] == [{"optimizer": "sgd"}, {"optimizer": "adam"}, {}]


@pytest.mark.parametrize(
    ("names", "settings", "sweep", "message"),
    [
        (["hog_svm"], {}, {"optimizer": ["sgd"]}, "none of the chosen pipelines uses"),
        (["recipe_mnist_relu"], {}, {"epochs": ["1", "2"]}, "none of the chosen pipelines uses"),
        (["hog_svm", "mlp"], {"gama": "1"}, {}, "Near names: gamma"),
        (["mlp"], {}, {"optimizer": ["adam", "magic"]}, "optimizer='magic'"),
        (["hog_color_svm"], {"cell_size": "8"}, {}, "may mean"),
    ],
)
def test_what_cannot_be_set_is_refused(digits, names, settings, sweep, message):
    with pytest.raises(InputError, match=message):
        plan(digits, names, settings=settings, sweep=sweep)


def test_a_build_that_fails_is_refused_where_its_parameters_are_asked_for(digits, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("family = 'classical'\ndef build(task):\n    raise KeyError('x')\n")
    with pytest.raises(InputError, match=r"broken\.py failed: KeyError"):
        plan(digits, [path], settings={"C": "1"})


def test_folders_of_jobs_are_readable_where_settings_are_short_and_never_two_of_one_name(tmp_path):
    job = {"dataset": "digits", "pipeline": "mlp", "seed": 0, "n_train": 12, "settings": {}}
    chosen = [{}, {"optimizer": "adam", "batch_size": "32"}, {"hidden": "(5, 3)"}, {"hidden": "(5, 4)"}]
    chosen += [{"name": "../" * 3}, {"long": "a" * 300}, {"long": "a" * 301}]
    folders = [job_folder(tmp_path, job | {"settings": settings}) for settings in chosen]
    assert [folder.name for folder in folders[:2]] == ["mlp-seed0-n12", "mlp-seed0-n12-optimizer=adam,batch_size=32"]
    assert len(set(folders)) == len(folders)
    assert all(folder.parent == tmp_path / "digits" and len(folder.name) < 120 for folder in folders)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_planned_on_digits(digits, name):
    experiment = EXPERIMENTS[name]
    stack = TrainingStack(**experiment.stack)
    options = {"settings": experiment.settings, "sweep": experiment.sweep, "repeats": experiment.repeats}
    jobs = plan(digits, experiment.pipelines, stack=stack, **options)
    grid = 1
    for values in experiment.sweep.values():
        grid *= len(values)
    assert len(jobs) == len(experiment.pipelines) * grid * experiment.repeats
    assert all(set(experiment.sweep) <= set(job["settings"]) for job in jobs)


def test_experiments_are_found_by_name_each_once():
    assert list(find_experiments(["width", "depth", "width"])) == ["depth", "width"]
    assert list(find_experiments(["all"])) == list(EXPERIMENTS)
    assert len(EXPERIMENTS) == 8
    with pytest.raises(InputError, match="Did you mean depth"):
        find_experiments(["dept"])
