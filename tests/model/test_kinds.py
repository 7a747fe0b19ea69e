"""Which estimators can be saved: those of scikit-learn, those of a user's own, and what is said of others."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from cvclassic.augmentation import AffineAugmentation, MirrorAugmentation, predict_with_scores
from cvclassic.errors import InputError
from cvclassic.features import (
    HOG,
    LBP,
    ColorHistogram,
    Deskew,
    GaborBank,
    MirrorParts,
    PatchBank,
    PatchDictionary,
    SobelHistogram,
)
from cvclassic.model import kinds, load_model, read_model, register, unsavable
from cvclassic.model.archive import archive_bytes
from cvclassic.model.arrays import from_npy, to_npy
from cvclassic.model.files import model_bytes
from cvclassic.model.kinds import Kind
from cvclassic.neural import NeuralClassifier, mlp
from cvclassic.runs.pipelines import load_pipeline
from cvclassic.svm import KernelRidge, KernelSVM, LinearSVM, OpenCVSVM
from tests.model import own_parts
from tests.model.models import digits, fitted_model
from tests.model.mutations import members_of, with_description


def assert_saved(estimator, n_classes: int = 3, *, color: bool = False) -> bytes:
    """It is saved, and what is loaded predicts the same."""
    assert unsavable(estimator) is None
    model = fitted_model(estimator, n_classes, color=color)
    content = model_bytes(model)
    loaded = read_model(content)
    assert model_bytes(loaded) == content
    images = digits(n_classes, color=color)[0]
    expected, found = (predict_with_scores(each.pipeline, images) for each in (model, loaded))
    np.testing.assert_array_equal(found.labels, expected.labels)
    if expected.scores is not None:
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5, atol=1e-6)
    return content


CLASSIFIERS = [
    DecisionTreeClassifier(random_state=0),
    DummyClassifier(strategy="prior"),
    ExtraTreesClassifier(5, random_state=np.random.RandomState(0), class_weight={0: 2.0}),
    GaussianNB(),
    KNeighborsClassifier(3, weights="distance"),
    KernelSVM(kernel="poly", degree=2, coef0=1.0),
    KernelSVM(backend="nystroem", n_landmarks=30, random_state=0),
    KernelSVM(kernel="intersection"),
    LinearDiscriminantAnalysis(),
    LinearSVC(),
    LinearSVC(fit_intercept=False),
    LinearSVM(class_weight={0: 2.0, 1: 1.0}),
    LogisticRegression(),
    NearestCentroid(),
    Perceptron(),
    RandomForestClassifier(7, max_depth=3, random_state=0),
    SGDClassifier(random_state=0),
    SVC(),
    SVC(kernel="poly", decision_function_shape="ovo"),
]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda each: type(each).__name__)
def test_classifiers(classifier, n_classes):
    assert_saved(make_pipeline(HOG(cell_size=4), StandardScaler(), classifier), n_classes)


@pytest.mark.parametrize(
    "transformer",
    [
        MaxAbsScaler(),
        MinMaxScaler(feature_range=(-1, 1)),
        Normalizer("l1"),
        PCA(5, whiten=True),
        PCA(0.9),
        RobustScaler(with_centering=False),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        FeatureUnion([("a", PCA(3)), ("b", StandardScaler()), ("c", "passthrough")], transformer_weights={"a": 0.5}),
        FunctionTransformer(),
        "passthrough",
    ],
    ids=str,
)
def test_transformers(transformer):
    assert_saved(make_pipeline(HOG(cell_size=4), transformer, LinearSVM()))


@pytest.mark.parametrize(
    "extractor",
    [
        ColorHistogram(color_space="rgb", bins=(2, 3, 4), grid=(2, 1)),
        GaborBank(frequencies=(0.2, 0.4), orientations=2),
        HOG(cell_size=(4, 5), convention="felzenszwalb"),
        LBP(points=4, method="default"),
        PatchDictionary(n_atoms=8, n_patches=500, n_iter=1, encoding="threshold", random_state=0),
        make_pipeline(Deskew(), SobelHistogram()),
    ],
    ids=lambda extractor: type(extractor).__name__,
)
def test_extractors(extractor):
    assert_saved(make_pipeline(extractor, LinearSVM()), color=True)


def test_wrappers_and_opencvs_svm():
    pipeline = make_pipeline(HOG(cell_size=4), OpenCVSVM(kernel="chi2", gamma=0.5))
    assert_saved(MirrorAugmentation(AffineAugmentation(pipeline, copies=1, random_state=0)))


def test_a_kernel_svm_needs_no_intelex(tmp_path):
    """Fitted with scikit-learn-intelex where that is, and loaded where it can't be imported."""
    model = fitted_model(make_pipeline(HOG(cell_size=4), KernelSVM(C=10)), 3, color=False)
    images = digits(3, color=False)[0]
    model.save(tmp_path / "model.cvc")
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys; sys.modules['sklearnex'] = sys.modules['daal4py'] = None\n"
        "import numpy as np; from cvclassic.model import load_model\n"
        "print(*load_model('model.cvc').pipeline.predict(np.load('images.npy')))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    arguments = {"capture_output": True, "text": True, "cwd": tmp_path, "env": environment, "timeout": 120}
    ran = subprocess.run([sys.executable, "-c", code], **arguments)
    assert ran.stdout.split() == [str(k) for k in model.pipeline.predict(images)], ran.stderr


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (HistGradientBoostingClassifier(), "HistGradientBoostingClassifier can't be saved: docs/models.md lists"),
        (KernelSVM(kernel=lambda a, b: a @ b.T), "KernelSVM can't be saved: its kernel is a function"),
        (KernelSVM(probability=True), "KernelSVM can't be saved: it has probability=True"),
        (SVC(kernel="precomputed"), "SVC can't be saved: its kernel is no name"),
        (DummyClassifier(strategy="uniform"), "DummyClassifier can't be saved: strategy='uniform' draws at random"),
        (KNeighborsClassifier(metric=max), "KNeighborsClassifier can't be saved: its metric and weights must be names"),
        (
            make_pipeline(FunctionTransformer(own_parts.not_registered), LinearSVM()),
            "the function not_registered",
        ),
        (
            MirrorAugmentation(make_pipeline(HOG(), own_parts.NotRegistered())),
            "NotRegistered can't be saved: ",
        ),
        (NeuralClassifier(mlp, loss=max), "NeuralClassifier can't be saved: its loss is a function"),
        (NeuralClassifier(own_parts.not_registered), "NeuralClassifier(model=…) can't be saved: the function not_reg"),
        (LinearSVM(C=np.inf), "LinearSVM(C=…) can't be saved: the number inf"),
        (LinearSVM(class_weight=object()), "LinearSVM(class_weight=…) can't be saved: a object is none"),
    ],
    ids=lambda each: each[:30] if isinstance(each, str) else "",
)
def test_what_can_not_be_saved_is_named_before_training(estimator, message):
    assert message in unsavable(estimator)


def test_what_is_not_fitted_is_told():
    model = fitted_model(make_pipeline(HOG(cell_size=4), LinearSVM()), 3, color=False)
    model.pipeline.steps[1] = ("svm", LinearSVM())
    with pytest.raises(InputError, match="LinearSVM is not fitted"):
        model_bytes(model)


def test_parts_of_a_users_own(tmp_path):
    content = assert_saved(
        make_pipeline(FunctionTransformer(own_parts.inverted), own_parts.Rows(), own_parts.Nearest())
    )
    path = tmp_path / "model.cvc"
    path.write_bytes(content)
    np.save(tmp_path / "images.npy", digits(3, color=False)[0])
    expected = load_model(path).predict(digits(3, color=False)[0]).tolist()
    code = (
        "import numpy as np; from cvclassic.model import load_model\n"
        "try:\n    load_model('model.cvc')\nexcept ValueError as error:\n    print(error)\n"
        "import tests.model.own_parts\n"
        "print('|'.join(load_model('model.cvc').predict(np.load('images.npy'))))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
    arguments = {"capture_output": True, "text": True, "cwd": tmp_path, "env": environment, "timeout": 120}
    ran = subprocess.run([sys.executable, "-c", code], **arguments)
    without, with_it = ran.stdout.splitlines()
    assert "import the code that registers it (cvclassic.model.register) first" in without, ran.stderr
    assert with_it.split("|") == expected


def test_the_check_of_a_registered_part_is_asked():
    content = assert_saved(make_pipeline(own_parts.Rows(), own_parts.Nearest()))

    def fewer(description):
        description["class_names"].pop()

    with pytest.raises(InputError, match=r"own\.Nearest is damaged .ValueError: means and classes differ"):
        read_model(with_description(content, fewer))


def test_names_of_others_can_not_be_registered():
    register(own_parts.Rows, fitted=("mean_",), name="own.Rows")  # once more, as when its module is imported again
    for name in ("own.Rows", "cvclassic.svm.LinearSVM", "cvclassic.neural.mlp"):
        with pytest.raises(InputError, match="is the name of another one"):
            register(own_parts.NotRegistered, name=name)


def test_every_name_leads_to_a_class_or_function_that_is_there():
    tables = {kinds.importlib.import_module(table) for table in kinds._TABLES.values()}
    found = [kind for table in tables for kind in table.KINDS]
    assert len(found) > 35
    assert len({kind.name for kind in found}) == len(found)
    for kind in found:
        assert isinstance(kind, Kind)
        assert kinds.kind_called(kind.name) is kind
        assert kind.load().__name__ == kind.name.rpartition(".")[2]
    for name in kinds._FUNCTIONS:
        assert kinds.name_of_function(kinds.function_called(name)) == name


def test_trees_whose_children_lead_astray_are_refused():
    """scikit-learn follows them without looking: out of the array, or for ever."""
    content = assert_saved(make_pipeline(HOG(cell_size=4), RandomForestClassifier(3, random_state=0)))
    members = members_of(content)
    steps = json.loads(members["model.json"])["pipeline"]["parameters"]["steps"]
    fitted = steps[1]["tuple"][1]["fitted"]
    for name, value in (("left_child", 0), ("left_child", 10**6), ("right_child", -5), ("feature", 10**6)):
        member = fitted[name]["array"]
        array = from_npy(members[member])
        array[0] = value
        with pytest.raises(InputError, match="RandomForestClassifier does not fit"):
            read_model(archive_bytes(members | {member: to_npy(array)}))


def test_a_part_in_a_pipeline_file_is_the_same_however_often_the_file_is_run(tmp_path):
    path = tmp_path / "brought.py"
    path.write_text(
        '"""Pixels."""\n'
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import FunctionTransformer\n"
        "from cvclassic.model import register\n"
        "from cvclassic.svm import LinearSVM\n"
        'family = "classical"\n'
        "@register\n"
        "def flat(X):\n    return X.reshape(len(X), -1) / 255\n"
        "def build(task):\n    return make_pipeline(FunctionTransformer(flat), LinearSVM())\n"
    )
    estimator = load_pipeline(path).build(None)
    load_pipeline(path)
    assert b'"brought.flat"' in assert_saved(estimator)


@pytest.mark.parametrize("mirror_parts", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_kernel_ridge_on_parts_of_mirror_images(n_classes, mirror_parts):
    bank = PatchBank(n_filters=8, patch_size=4, n_patches=500, random_state=0)
    union = FeatureUnion([("a", MirrorParts(bank, n_components=9)), ("b", MirrorParts(HOG(cell_size=4)))])
    ridge = KernelRidge(mirror_parts=mirror_parts, class_weight="balanced")
    content = assert_saved(make_pipeline(union, ridge), n_classes, color=n_classes == 3)
    assert len(content) > 4 * 160 * 9

    def swapped(description):
        union = description["pipeline"]["parameters"]["steps"][0]["tuple"][1]
        fitted = union["parameters"]["transformer_list"][0]["tuple"][1]["fitted"]
        fitted["mean_"], fitted["symmetric_axes_"] = fitted["symmetric_axes_"], fitted["mean_"]

    with pytest.raises(InputError, match="MirrorParts has no mean_"):
        read_model(with_description(content, swapped))
    members = members_of(content)
    steps = json.loads(members["model.json"])["pipeline"]["parameters"]["steps"]
    for name in ("vectors_", "dual_coef_", "half_squares_", "center_"):
        member = steps[1]["tuple"][1]["fitted"][name]["array"]
        fewer = from_npy(members[member])[:-1]
        with pytest.raises(InputError, match=f"{name} of its KernelRidge does not fit|KernelRidge does not fit"):
            read_model(archive_bytes(members | {member: to_npy(fewer)}))


def test_what_an_extractor_of_mirror_parts_can_not_be_saved_for_is_told():
    assert "NotRegistered can't be saved" in unsavable(make_pipeline(MirrorParts(own_parts.NotRegistered())))
