"""Pipeline files are found, checked, and refused with a reason."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union

from cvclassic.augmentation import AUGMENTATIONS, MirrorAugmentation, augmentation_of
from cvclassic.errors import InputError
from cvclassic.features import HOG, Embedding
from cvclassic.neural import NeuralClassifier, TrainingStack, mlp
from cvclassic.runs.job import FAMILIES
from cvclassic.runs.pipelines import Task, bring, builtin_pipelines, find_pipelines, load_pipeline
from cvclassic.svm import LinearSVM

DEFAULT = {
    "color_histogram_svm",
    "sobel_svm",
    "hog_linear_svm",
    "hog_svm",
    "hog_opencv_svm",
    "hog_color_svm",
    "most_frequent",
    "hog_linear_head",
    "mlp",
    "cnn",
}


def task(image_shape=(32, 32), traits=()):
    return Task(image_shape, n_classes=10, n_train=100, seed=0, stack=TrainingStack(), traits=frozenset(traits))


def test_nine_pipelines_and_a_baseline_are_the_default_one_may_be_and_each_has_a_title():
    pipelines = builtin_pipelines()
    assert {name for name, file in pipelines.items() if file.default is True} == DEFAULT
    assert {name for name, file in pipelines.items() if callable(file.default)} == {"pretrained_svm"}
    assert not pipelines["sobel_opencv_svm"].default
    assert all(file.title and not file.title.endswith(".") for file in pipelines.values())
    families = [FAMILIES.index(file.family) for file in pipelines.values()]
    assert families == sorted(families)


def test_a_pretrained_pipeline_says_what_it_lacks_where_a_run_goes_on_without_it():
    with pytest.raises(InputError, match="pretrained_svm needs a backbone: name an ONNX file"):
        builtin_pipelines()["pretrained_svm"].build(task())
    application = replace(task(), settings=(("embedding__backbone", "MobileNetV2"),), offline=True)
    embedding = builtin_pipelines()["pretrained_svm"].build(application)[0]
    assert (embedding.backbone, embedding.offline, embedding.open().size) == ("MobileNetV2", True, (224, 224))


SHAPES = [(28, 28), (20, 20), (48, 40, 3)]
CLASSICAL = [name for name, file in builtin_pipelines().items() if file.family == "classical"]


# A dictionary of patches takes long to learn, so that patches_svm has one shape only; so do banks of colored patches.
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param(n, s, marks=[pytest.mark.slow] * (n == "patches_svm" or (n == "patch_kernel" and len(s) == 3)))
        for n in CLASSICAL
        for s in SHAPES
        if n != "patches_svm" or len(s) == 3
    ],
)
def test_classical_pipelines_fit_images_of_any_usual_shape(name, shape, rng):
    file = builtin_pipelines()[name]
    job = task(shape, ["handwriting", "mirror"])
    if not file.fits(job):
        assert name == "color_histogram_svm"
        assert len(shape) == 2
        return
    labels = rng.integers(0, 3, 250)
    images = stripes(labels, shape, rng)
    estimator = file.build(job).fit(images, labels)
    assert np.mean(estimator.predict(images) == labels) > 0.9


# Which pipelines stay as they are, as what has no use for images does, and what others do by themselves.
TEXTBOOK = {"most_frequent", "sobel_opencv_svm", "recipe_mnist_relu", "recipe_mnist_sigmoid", "recipe_cifar10_cnn"}


@pytest.mark.parametrize("change", AUGMENTATIONS)
def test_pipelines_of_every_family_learn_from_the_same_changed_images(change):
    told = replace(task((32, 32, 3)), augment=change, settings=(("backbone", "some.onnx"),))
    found = {name: augmentation_of(file.build(told)) for name, file in builtin_pipelines().items()}
    shifts = {"none": "shift", "mirror": "mirror+shift", "shift": "shift", "affine": "affine+shift"}
    own = dict.fromkeys(TEXTBOOK, "none") | dict.fromkeys(("cnn_fast", "resnet_small"), shifts[change])
    if change == "mirror":
        own["color_histogram_svm"] = "none"  # it can't tell them apart
    assert found == dict.fromkeys(found, change) | own


def test_brought_estimators_learn_from_them_too_unless_they_see_to_it_themselves():
    bare, own = make_pipeline(HOG(), LinearSVM()), MirrorAugmentation(LinearSVM())
    for pipeline, expected in zip(bring({"bare": bare, "own": own}), ("shift", "mirror"), strict=True):
        assert augmentation_of(pipeline.build(replace(task(), augment="shift"))) == expected
    assert augmentation_of(bare) == "none"


def test_where_constants_were_found_is_told(tmp_path):
    assert builtin_pipelines()["hog_color_svm"].found_on == "CIFAR-10's validation part"
    assert builtin_pipelines()["hog_linear_svm"].found_on is None


def stripes(labels, shape, rng):
    """Images whose class is the direction and the color of their stripes, with noise."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = np.array([np.cos(x), np.cos(y), np.cos(x + y)])[labels]
    images = 120 + 80 * waves + rng.normal(0, 10, (len(labels), *shape[:2]))
    if len(shape) == 3:
        images = images[..., None] * np.array([[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]])[labels][:, None, None]
    return images.clip(0, 255).astype(np.uint8)


def test_a_file_of_ones_own_is_found_by_path(pipeline_file):
    [found] = find_pipelines([str(pipeline_file("nearest_mean"))])
    assert (found.name, found.title) == ("nearest_mean", "Nearest class mean on the pixels")
    assert found.reference == str(found.path) != "nearest_mean"


def test_a_file_travels_as_its_path_and_a_brought_estimator_whole(pipeline_file):
    [found] = find_pipelines([str(pipeline_file("nearest_mean"))])
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert again.build(task()).get_params().keys() == found.build(task()).get_params().keys()
    [mine] = bring({"mine": make_pipeline(HOG(cell_size=8), LinearSVM(C=0.25))})
    again = pickle.loads(pickle.dumps(mine))
    assert (again.name, again.brought, again.build(task())[-1].C) == ("mine", True, 0.25)


def test_names_are_understood_in_any_spelling(pipeline_file):
    assert [each.name for each in find_pipelines(["HOG-svm", " hog_svm", "MLP"])] == ["hog_svm", "mlp"]
    with pytest.raises(InputError, match="Did you mean hog_svm"):
        find_pipelines(["HOG_SVN"])
    with pytest.raises(InputError, match="Did you mean hog"):
        find_pipelines(["HOG"])


def test_a_home_folder_is_found(pipeline_file, monkeypatch):
    path = pipeline_file("nearest_mean")
    monkeypatch.setenv("HOME", str(path.parent))
    assert find_pipelines(["~/nearest_mean.py"])[0].path == path


def test_brought_estimators_are_clones_with_the_seed_and_have_a_family():
    svm, network = make_pipeline(HOG(), PCA(3), LinearSVM()), NeuralClassifier(mlp)
    brought = {each.name: each for each in bring({"a": svm, "b": network, "c": make_pipeline(HOG(), network)})}
    assert [each.family for each in brought.values()] == ["classical", "neural", "hybrid"]
    assert bring({"d": MLPClassifier()})[0].family == "neural"
    pretrained = {
        "e": make_pipeline(Embedding("x"), svm),
        "f": make_pipeline(make_union(HOG(), Embedding("x")), network),
    }
    assert [(each.family, each.takes_stack) for each in bring(pretrained)] == [
        ("pretrained", False),
        ("pretrained", True),
    ]
    built = brought["a"].build(replace(task(), seed=7))
    assert built is not svm
    assert (built[1].random_state, svm[1].random_state) == (7, None)
    built = brought["b"].build(replace(task(), seed=7))
    assert (built.seed, built.stack, network.stack) == (7, TrainingStack(), None)


@pytest.mark.parametrize("wrong", [LinearSVM, "hog_svm", 3, None, object()])
def test_what_is_no_estimator_is_refused(wrong):
    with pytest.raises(InputError, match="no estimator; bring one"):
        bring({"mine": wrong})


def test_recipes_are_found_by_name_with_their_own_stack_and_the_published_figure():
    [relu, cnn] = find_pipelines(["recipe_mnist_relu", "recipe_cifar10_cnn"])
    assert relu.reference == "recipe_mnist_relu"
    assert not relu.default
    assert (relu.stack.optimizer, relu.stack.batch_size, relu.stack.epochs) == ("rmsprop", 128, 5)
    assert relu.published.startswith("97.85 %")
    assert cnn.published is None
    assert find_pipelines(["mlp"])[0].stack is None


# Flattened inputs times units and biases, layer by layer, as the recipes say.
@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("recipe_mnist_relu", (28, 28), 784 * 512 + 512 + 512 * 10 + 10),
        ("recipe_mnist_sigmoid", (28, 28), 784 * 500 + 500 + 500 * 500 + 500 + 500 * 10 + 10),
        ("recipe_cifar10_cnn", (8, 8, 3), 27 * 64 + 64 + 576 * 128 + 128 + 4 * 128 * 512 + 512 + 512 * 10 + 10),
    ],
)
def test_recipes_have_the_layers_of_their_textbook(name, shape, parameters, rng):
    [file] = find_pipelines([name])
    job = replace(task(shape), stack=replace(file.stack, epochs=1))
    labels = np.arange(200) % 10
    fitted = file.build(job).fit(rng.integers(0, 256, (200, *shape), dtype=np.uint8), labels)
    assert fitted.n_parameters_ == parameters


def test_an_unknown_name_is_refused_with_the_closest_one():
    with pytest.raises(InputError, match="Did you mean hog_svm"):
        find_pipelines(["hog_svn"])


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pipeline file"):
        find_pipelines([str(tmp_path / "absent.py")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family = 'classical'", "no function build"),
        ("def build(task): pass", "family = None"),
        ("family = 'quantum'\ndef build(task): pass", "family = 'quantum'"),
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("def build(task:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("family = 'classical'\ndef build(task): pass\nfits = True", r"no function fits\(task\)"),
        ("family = 'classical'\ndef build(task): pass\nsearch = {}", r"search\(task\); search returns a dict of param"),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_pipeline(path)


def test_two_files_of_one_name_are_refused(tmp_path):
    path = tmp_path / "mlp.py"
    path.write_text("family = 'classical'\ndef build(task): pass")
    with pytest.raises(InputError, match="Two pipelines are called 'mlp'"):
        find_pipelines(["mlp", str(path)])
