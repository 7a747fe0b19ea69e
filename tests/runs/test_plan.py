"""The jobs of a run: which pipeline gets which settings, and what is refused before anything is written."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from cvclassic import datasets
from cvclassic.errors import InputError
from cvclassic.features import HOG
from cvclassic.neural import TrainingStack
from cvclassic.runs.job import Job
from cvclassic.runs.pipelines import bring, builtin_pipelines, find_pipelines
from cvclassic.runs.plan import RunData, plan, stack_with
from cvclassic.runs.playground import EXPERIMENTS, specs_of
from cvclassic.runs.search import points
from cvclassic.runs.spec import STACK_FIELDS, RunSpec
from cvclassic.runs.train_sizes import at_train_sizes
from cvclassic.svm import LinearSVM
from tests.tiny_onnx import write_backbone

STACK = TrainingStack(epochs=3)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=300)


def data_of(dataset, names, **fields):
    pipelines = find_pipelines([str(name) for name in names])
    return RunData.of(RunSpec(**({"seed": 4} | fields)), [dataset], pipelines)


def planned(dataset, names, **fields):
    jobs, _ = plan(data_of(dataset, names, **fields))
    return jobs


def test_every_pipeline_gets_the_settings_that_it_has_and_no_job_twice(digits):
    sweep = {"batch_size": ["32", "64"], "C": ["1", "10"]}
    jobs = planned(digits, ["mlp", "hog_linear_svm"], sweep=sweep, settings={"tol": "1e-4"}, repeats=2)
    assert [(job.pipeline, dict(job.settings), job.seed) for job in jobs] == [
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
    jobs = planned(digits, ["mlp"], sweep={"optimizer": ["sgd", "adam"], "batch_size": ["32", "64", "128"]})
    assert len({job.settings for job in jobs}) == len(jobs) == 6


def test_the_stack_of_a_job_takes_the_learning_rate_of_its_optimizer(digits):
    [mlp, recipe] = find_pipelines(["mlp", "recipe_mnist_relu"])
    stack = stack_with(STACK, mlp.stack, (("optimizer", "sgd"), ("C", "1")))
    assert stack == replace(STACK, optimizer="sgd")
    assert stack.initial_learning_rate() == TrainingStack(optimizer="sgd").initial_learning_rate()
    assert stack_with(STACK, recipe.stack, ()) is recipe.stack
    hurried = replace(STACK, time_budget=5.0)
    assert stack_with(hurried, recipe.stack, ()) == replace(recipe.stack, time_budget=5.0)


def test_training_images_are_changed_as_asked_or_as_the_data_are_known_to_bear(digits):
    names = ["hog_linear_svm", "mlp"]
    for dataset, asked, expected in (
        (digits, None, "none"),
        (digits, "mirror", "mirror"),
        (replace(digits, traits=frozenset({"mirror"})), None, "mirror"),
        (replace(digits, traits=frozenset({"mirror"})), "none", "none"),
        (replace(digits, traits=frozenset()), None, "none"),
        (replace(digits, traits=frozenset()), "affine", "affine"),
    ):
        data = data_of(dataset, names, augment=asked)
        jobs, notes = plan(data)
        assert {data.task(job).augment for job in jobs} == {expected}
        assert len(notes) == ("handwriting" in dataset.traits and asked == "mirror")


def test_what_class_weights_do_not_reach_is_told(digits):
    brought = bring({"mine": make_pipeline(HOG(), KNeighborsClassifier()), "svm": LinearSVM()})
    data = RunData.of(RunSpec(class_weight="balanced"), [digits], [*brought, *find_pipelines(["mlp", "hog_svm"])])
    assert plan(data)[1] == ["--class-weight does not reach mine: KNeighborsClassifier has no parameter class_weight"]


def test_a_stack_of_its_own_is_not_swept(digits):
    jobs = planned(digits, ["mlp", "recipe_mnist_relu"], sweep={"optimizer": ["sgd", "adam"]})
    assert [dict(job.settings) for job in jobs] == [{"optimizer": "sgd"}, {"optimizer": "adam"}, {}]


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
        planned(digits, names, settings=settings, sweep=sweep)


def test_a_build_that_fails_is_refused_where_its_parameters_are_asked_for(digits, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("family = 'classical'\ndef build(task):\n    raise KeyError('x')\n")
    with pytest.raises(InputError, match=r"broken\.py failed: KeyError"):
        planned(digits, [path], settings={"C": "1"})


@pytest.mark.parametrize("body", ["raise KeyError('x')", "raise SystemExit(3)"])
def test_a_file_that_fails_when_it_is_asked_whether_it_fits_is_refused(digits, tmp_path, body):
    path = tmp_path / "broken.py"
    path.write_text(f"family = 'classical'\ndef build(task): pass\ndef fits(task):\n    {body}\n")
    with pytest.raises(InputError, match=r"fits\(task\) of .*broken\.py failed"):
        planned(digits, [path])


def test_settings_of_the_training_stack_are_the_runs_and_no_jobs(digits):
    data = data_of(digits, ["mlp", "hog_svm"], settings={"Learning-Rate": 0.01, "schedule": "Constant"})
    jobs, _ = plan(data)
    assert [job.settings for job in jobs] == [(), ()]
    assert (data.stack(jobs[0]).learning_rate, data.stack(jobs[0]).schedule) == (0.01, "constant")


def test_a_batch_that_nobody_asked_for_is_at_most_the_training_part_and_one_that_was_stays(digits):
    small = digits.with_train_size(40, seed=0)
    for fields, size in (({}, len(small.train)), ({"batch_size": 500}, 500), ({"sweep": {"batch_size": [500]}}, 500)):
        data = data_of(small, ["mlp"], **fields)
        [job] = plan(data)[0]
        assert data.stack(job).batch_size == size
    [sized], _ = at_train_sizes([digits], [40, 80], seed=0)
    data = data_of(sized, ["mlp"], train_sizes=[40, 80], batch_size=60)
    assert [data.stack(job).batch_size for job in plan(data)[0]] == [len(sized.smaller[0].train), 60]


def test_each_job_has_its_part_of_the_data_and_the_rest_stays_out(digits):
    [sized], _ = at_train_sizes([digits], [100, "all"], seed=0)
    data = data_of(sized, ["hog_svm", "mlp"], train_sizes=[100, "all"])
    for job in plan(data)[0]:
        only = data.only(job)
        assert (list(only.datasets), list(only.pipelines)) == (["digits"], [job.pipeline])
        assert len(only.part(job).train) == only.task(job).n_train == job.n_train


def test_two_data_sets_of_one_name_are_refused(digits):
    with pytest.raises(InputError, match="Two data sets are called 'digits'"):
        RunData.of(RunSpec(), [digits, digits], [])


def planned_by_default(dataset, **fields):
    """Whether pretrained_svm has a job on `dataset` where nothing is named, and the notes."""
    jobs, notes = plan(RunData.of(RunSpec(**fields), [dataset], find_pipelines(["hog_svm", "pretrained_svm"])))
    return any(job.pipeline == "pretrained_svm" for job in jobs), notes


def test_a_pretrained_pipeline_runs_by_default_where_a_backbone_is_and_the_set_is_small(digits, monkeypatch, tmp_path):
    backbone = str(write_backbone(tmp_path / "tiny.onnx"))
    pictures = replace(digits, traits=frozenset())
    runs, [note] = planned_by_default(pictures)
    assert not runs
    assert note.startswith(
        "pretrained_svm does not run on digits: there is no backbone. To have one, name an ONNX file"
    )
    assert "\n" not in note
    assert planned_by_default(digits) == (False, [])  # handwriting
    assert planned_by_default(digits, settings={"backbone": backbone}) == (True, [])
    monkeypatch.setenv("CVCLASSIC_BACKBONE", backbone)
    assert planned_by_default(pictures) == (True, [])
    assert planned_by_default(digits) == (False, [])
    images = np.resize(digits.images, (2001, *digits.image_shape))
    large = replace(pictures, images=images, labels=np.resize(digits.labels, 2001), test=np.arange(2001))
    assert planned_by_default(large) == (False, [])
    assert planned_by_default(replace(large, test=np.arange(2000))) == (True, [])
    assert planned(digits, ["pretrained_svm"], pipelines=["pretrained_svm"])


def test_a_pretrained_pipeline_without_a_backbone_that_can_be_used_is_refused(digits, monkeypatch, tmp_path):
    def refused(message, **fields):
        with pytest.raises(InputError, match=message):
            planned(digits, ["pretrained_svm"], pipelines=["pretrained_svm"], **fields)

    refused("pretrained_svm needs a backbone: name an ONNX file in the environment's CVCLASSIC_BACKBONE")
    refused("nowhere.onnx can't be read: No such file", settings={"backbone": "nowhere.onnx"})
    refused("nowhere.onnx can't be read: No such file", sweep={"backbone": ["nowhere.onnx", "MobileNetV2"]})
    path = write_backbone(tmp_path / "tiny.onnx")
    monkeypatch.setenv("CVCLASSIC_BACKBONE", str(path))
    path.with_suffix(".json").unlink()
    refused("tiny.json, which belongs to the backbone, can't be read")
    path.write_text("no network")
    refused("can't be read", settings={"C": "3"})
    [job] = planned(digits, ["pretrained_svm"], pipelines=["pretrained_svm"], settings={"backbone": "MobileNetV2"})
    assert dict(job.settings) == {"backbone": "MobileNetV2"}


def test_names_of_jobs_are_readable_where_settings_are_short_and_never_two_of_one_name():
    chosen = [(), (("optimizer", "adam"), ("batch_size", "32")), (("hidden", "(5, 3)"),), (("hidden", "(5, 4)"),)]
    chosen += [(("name", "../" * 3),), (("long", "a" * 300),), (("long", "a" * 301),)]
    folders = [Job("digits", "mlp", 0, 12, settings).folder for settings in chosen]
    assert [folder.name for folder in folders[:2]] == ["mlp-seed0-n12", "mlp-seed0-n12-optimizer=adam,batch_size=32"]
    assert len(set(folders)) == len(folders)
    assert all(str(folder.parent) == "digits" and len(folder.name) < 120 for folder in folders)


def test_a_job_says_in_words_what_it_is():
    job = Job("digits", "mlp", 3, 1200, (("C", "1"), ("tol", "0.1")))
    assert job.sentence == "mlp on digits: 1,200 training images, C=1, tol=0.1, seed 3"
    assert job.told({"C", "seed"}) == "C=1, seed 3"
    assert job.told(()) == ""


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_planned_on_digits(digits, name):
    experiment, spec = EXPERIMENTS[name], specs_of([name], {})[name]
    jobs, _ = plan(RunData.of(spec, [digits], find_pipelines(spec.pipelines)))
    grid = 1
    for values in experiment.sweep.values():
        grid *= len(values)
    assert len(jobs) == len(experiment.pipelines) * grid * experiment.repeats
    assert all(set(experiment.sweep) <= set(dict(job.settings)) for job in jobs)


def test_experiments_are_found_by_name_each_once():
    assert list(specs_of(["Width", "depth", "width"], {})) == ["depth", "width"]
    assert list(specs_of(["all"], {})) == list(EXPERIMENTS)
    assert len(EXPERIMENTS) == 8
    with pytest.raises(InputError, match="Did you mean depth"):
        specs_of(["dept"], {})


def test_what_the_command_line_says_goes_before_an_experiments_own():
    spec = specs_of(["learning_rate"], {"epochs": 2, "optimizer": "adam", "settings": [("dropout", "0.5")]})[
        "learning_rate"
    ]
    assert spec.training_stack().epochs == 2
    assert spec.training_stack().optimizer == "adam"
    assert spec.training_stack().schedule == "constant"
    assert dict(spec.settings)["dropout"] == "0.5"
    assert dict(spec.settings)["batch_normalization"] == "False"


SEARCHES = """from cvclassic.neural import NeuralClassifier, mlp
family = "neural"
def build(task):
    return NeuralClassifier(mlp, stack=task.stack, seed=task.seed)
def search(task):
    return SPACE
"""


def searching(tmp_path, space):
    path = tmp_path / "searching.py"
    path.write_text(SEARCHES.replace("SPACE", space))
    return path


def test_a_space_holds_stack_and_model_but_for_what_is_set(digits, tmp_path):
    path = searching(
        tmp_path, '{"learning_rate": (0.001, 0.01, "log"), "width": [8, 16], "optimizer": ["sgd", "adam"]}'
    )

    def names(**fields):
        data = data_of(digits, [path], tune=1, **fields)
        return set(data.space(plan(data)[0][0]))

    assert names() == {"learning_rate", "width", "optimizer"}
    assert names(learning_rate=0.005) == {"width", "optimizer"}
    assert names(settings={"learning-rate": 0.005, "model__width": 4}) == {"optimizer"}
    assert names(sweep={"optimizer": ["sgd", "adam"], "WIDTH": [1, 2]}) == {"learning_rate"}


def test_what_augment_settles_is_not_searched():
    shapes = datasets.load("shapes", train_size=300)

    def names(**fields):
        data = data_of(shapes, ["cnn"], tune=1, **fields)
        return set(data.space(plan(data)[0][0]))

    assert names() - names(augment="none") == {"mirror", "shift"}
    assert names() >= names(augment="none") | {"learning_rate", "width", "dropout", "weight_decay"}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ('{"widht": [8]}', "search.task. of searching names 'widht', which is no parameter of it"),
        ('{"width": 8}', "searching: search.task. has 8 for width; write a list of values"),
        ("[]", "searching: search.task. returned list"),
        ("1 / 0", "search.task. of .*searching.py failed: ZeroDivisionError"),
    ],
)
def test_a_wrong_space_is_refused_before_anything_runs_and_only_where_it_is_searched(digits, tmp_path, space, message):
    path = searching(tmp_path, space)
    with pytest.raises(InputError, match=message):
        planned(digits, [path], tune=1)
    assert len(planned(digits, [path])) == 1


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_every_built_in_pipeline_but_the_textbooks_declares_what_it_may_vary(name):
    dataset = datasets.load(name, train_size=300)
    data = RunData.of(RunSpec(tune=1), [dataset], builtin_pipelines().values())
    for job in plan(data)[0]:
        space = data.space(job)
        assert (space is None) == job.pipeline.startswith(("recipe_", "most_frequent"))
        if space:
            candidate = next(points(space, np.random.default_rng(0)))
            of_stack = {name: value for name, value in candidate.items() if name in STACK_FIELDS}
            replace(data.stack(job), **of_stack)
