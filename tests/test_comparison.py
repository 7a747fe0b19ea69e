"""The Python API: data and estimators of every kind, in scripts, notebooks and tests; what comes back, and is kept."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import cvclassic
from cvclassic import datasets
from cvclassic.errors import InputError
from cvclassic.features import HOG
from cvclassic.svm import LinearSVM

ROOT = Path(__file__).parents[1]


def flat(X):
    return X.reshape(len(X), -1) / 255


class Mine(DummyClassifier):
    """A class of a test module, which no worker process could import by its name."""


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=200)


@pytest.fixture(scope="module")
def comparison(digits):
    """Two estimators of this module's own on a Dataset; one of them fails."""
    mean = make_pipeline(FunctionTransformer(flat), NearestCentroid())
    return cvclassic.compare(digits, pipelines={"mean": mean, "mine": Mine(), "wrong": Mine(strategy="magic")})


def test_estimators_on_a_data_set_have_their_rows_and_the_answer_a_paragraph(comparison, digits):
    mean, mine, wrong, baseline = comparison.results
    oracle = NearestCentroid().fit(flat(digits.images[digits.train]), digits.labels[digits.train])
    assert mean.test_accuracy == oracle.score(flat(digits.images[digits.test]), digits.labels[digits.test])
    assert (mine.status, mine.n_train) == ("ok", len(digits.train))
    assert (baseline.pipeline, baseline.family) == ("most_frequent", "baseline")
    assert wrong.status.startswith("failed: InvalidParameterError")
    assert comparison.answer.startswith("On digits use mean: right on ")
    assert "\n" not in comparison.answer
    assert comparison.study["digits"].winner.name == "mean"
    assert repr(comparison) == comparison.answer


def test_the_table_has_the_names_of_results_csv_and_shows_itself(comparison, tmp_path):
    frame = comparison.table.to_pandas()
    folder = comparison.save(tmp_path / "kept")
    with open(folder / "results.csv") as file:
        rows = list(csv.reader(file))
    assert list(frame.columns) == rows[0]
    assert frame["pipeline"].tolist() == ["mean", "mine", "wrong", "most_frequent"] == [row[1] for row in rows[1:]]
    assert frame["test_accuracy"][0] == comparison.results[0].test_accuracy == float(rows[1][8])
    assert frame["dataset"].tolist() == ["digits"] * 4
    assert "mean" in str(comparison.table)
    assert repr(comparison.table) == str(comparison.table)
    assert f"{100 * comparison.results[0].test_accuracy:.2f} %" in str(comparison.table)
    assert "<table" in comparison.table._repr_html_()
    assert "<table" in comparison._repr_html_()


def test_it_is_saved_once_and_loaded_again_equal(comparison, tmp_path):
    folder = comparison.save(tmp_path / "run")
    again = cvclassic.load_comparison(folder)
    assert again.results == comparison.results
    assert again.answer == comparison.answer
    assert {"report.html", "report.md", "results.csv", "results.json"} <= {path.name for path in folder.iterdir()}
    before = sorted(path.stat().st_mtime_ns for path in folder.rglob("*"))
    with pytest.raises(InputError, match=r"is not empty|already holds"):
        comparison.save(folder)
    assert sorted(path.stat().st_mtime_ns for path in folder.rglob("*")) == before
    with pytest.raises(InputError, match="is a folder; name a file"):
        again.report(tmp_path)
    page = again.report(tmp_path / "deep" / "x.html")
    assert page.read_text().startswith("<!doctype html>")


def test_a_run_with_estimators_cannot_be_resumed_and_says_why(comparison, tmp_path):
    folder = comparison.save(tmp_path / "run")
    with pytest.raises(InputError, match=r"arrays or estimators by a Python call \(digits, mean, mine, wrong\)"):
        cvclassic.resume(folder)


def test_a_run_of_names_is_resumed_and_its_failed_rows_run_again(tmp_path, pipeline_file):
    names = [pipeline_file("nearest_mean"), pipeline_file("raises")]
    first = cvclassic.compare("digits", pipelines=names, train_size=100, out=tmp_path / "run")
    assert [result.ok for result in first.results] == [True, False, True]
    names[1].write_text(names[0].read_text())
    again = cvclassic.resume(tmp_path / "run")
    assert [result.ok for result in again.results] == [True, True, True]
    assert again.results[0] == first.results[0]
    assert (tmp_path / "run" / "report.html").is_file()


def test_what_can_not_travel_is_a_failed_row(digits):
    import threading

    found = cvclassic.compare(digits, pipelines={"locked": Mine(constant=threading.Lock()), "mine": Mine()})
    assert found.results[0].status.startswith("failed: it can't be handed to a worker process: TypeError")
    assert found.results[1].ok


def test_a_run_whose_pipelines_have_changed_is_not_resumed(tmp_path, pipeline_file):
    path = pipeline_file("raises")
    cvclassic.compare("digits", pipelines=[path], train_size=100, out=tmp_path / "run")
    path.write_text(path.read_text().replace('family = "classical"', 'family = "hybrid"'))
    with pytest.raises(InputError, match="The pipelines are no longer those"):
        cvclassic.resume(tmp_path / "run")


@pytest.mark.slow
def test_arrays_and_several_sets_of_them(digits):
    X, y = digits.images[:300], np.array(["even", "odd"])[digits.labels[:300] % 2]
    both = cvclassic.compare([(X[:200], y[:200], X[200:], y[200:]), (X, y)], pipelines={"mine": Mine()}, seed=4)
    assert [result.dataset for result in both.results] == ["arrays", "arrays", "arrays_2", "arrays_2"]
    assert [result.n_test for result in both.results] == [
        98,
        98,
        300,
        300,
    ]  # two look like copies; the second has folds
    assert {result.seed for result in both.results} == {4}
    assert both.answer.count("\n\n") == 1


@pytest.mark.slow
def test_a_folder_and_built_in_pipelines_by_any_spelling(tmp_path):
    import cv2

    random = np.random.default_rng(0)
    for name, color in (("red", (0, 0, 200)), ("blue", (200, 0, 0))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(12):
            picture = (random.normal(color, 30, (20 + k, 30, 3))).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "photos" / name / f"{k}.png"), picture)
    found = cvclassic.compare(str(tmp_path / "photos"), pipelines="Color-Histogram-SVM", preset="quick")
    result, baseline = found.results
    assert (result.status, result.dataset, result.pipeline) == ("ok", "photos", "color_histogram_svm")
    assert (result.test_accuracy, baseline.test_accuracy) == (1.0, pytest.approx(0.5, abs=0.1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": 3}, "data is int; give a name"),
        ({"data": (1, 2, 3)}, "data holds 3 arrays"),
        ({"data": (np.zeros((3, 8, 8), np.uint8), [0, 1])}, r"y has shape \(2,\)"),
        ({"data": "digits", "pipelines": DummyClassifier()}, "bring it with a name"),
        ({"data": "digits", "pipelines": make_pipeline(HOG(), LinearSVM())}, "bring it with a name"),
        ({"data": "digits", "pipelines": {"mine": 3}}, "no estimator"),
        ({"data": "digits", "pipelines": []}, "pipelines is empty"),
        ({"data": "digits", "pipelines": [DummyClassifier()]}, "bring it with a name"),
        ({"data": "digits", "pipelines": ["hog_svm", {"HOG-svm": DummyClassifier()}]}, "give the estimator another"),
        ({"data": "digits", "pipelines": [{"a": DummyClassifier()}, {"a": DummyClassifier()}]}, "Two pipelines are"),
        ({"data": "digits", "pipelines": {"a\nb": DummyClassifier()}}, "no name of a pipeline"),
        ({"data": "digits", "pipelines": ["hog_svn"]}, "Did you mean hog_svm"),
        ({"data": "digits", "fold": 3}, "no option 'fold'; it has preset, train_size"),
        ({"data": "digits", "datasets": ["shapes"]}, "no option 'datasets'"),
        ({"data": "digits", "seed": -1}, r"seed \(--seed\) is -1"),
        ({"data": "digit"}, "did you mean digits"),
        ({"data": (np.zeros((9, 8, 8), np.uint8), np.arange(9) % 2), "seed": "a"}, r"seed \(--seed\) is 'a'"),
        ({"data": "digits", "pipelines": "hog_svm", "out": __file__}, r"can't be written|is not empty"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(arguments, message):
    with pytest.raises(InputError, match=message):
        cvclassic.compare(**arguments)


def test_a_set_that_is_refused_leaves_nothing_behind(tmp_path):
    with pytest.raises(InputError, match="at most that"):
        cvclassic.compare("digits", train_size=10**6, out=tmp_path / "deep" / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_readme_s_script_runs_in_an_empty_folder_without_a_main_guard(tmp_path):
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    [script] = [block for block in blocks if "cvclassic.compare(" in block]
    make_photos(tmp_path / "photos")
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "On photos use hog_svm: right on" in done.stdout
    assert "On arrays " in done.stdout
    assert (tmp_path / "x.html").is_file()


def make_photos(folder):
    import cv2

    shapes = datasets.load("shapes")
    for number, name in enumerate(shapes.class_names[:3]):
        (folder / name).mkdir(parents=True)
        for k in np.flatnonzero(shapes.labels == number)[:40]:
            cv2.imwrite(str(folder / name / f"{k}.png"), shapes.images[k][..., ::-1])


NOTEBOOK = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
import cvclassic

class Bright(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.means_ = np.array([X[y == k].mean() for k in np.unique(y)])
        return self
    def predict(self, X):
        return np.abs(X.reshape(len(X), -1).mean(axis=1)[:, None] - self.means_).argmin(axis=1)

c = cvclassic.compare("digits", pipelines={"bright": Bright()}, train_size=200, threads=1)
print(c.results[0].status, "<table" in c._repr_html_())
"""


def test_classes_of_a_notebook_travel_to_the_workers(tmp_path):
    # A notebook's cells are executed in a __main__ that has no file.
    code = f"exec(compile({NOTEBOOK!r}, '<cell>', 'exec'), vars(__import__('__main__')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "ok True"


def test_the_names_of_the_package_are_loaded_when_they_are_used():
    code = (
        "import sys, cvclassic\n"
        "assert not {'numpy', 'sklearn', 'keras', 'dask'} & set(sys.modules)\n"
        "assert {'compare', 'load_comparison', 'RunSpec'} <= set(dir(cvclassic))\n"
        "cvclassic.compare, cvclassic.RunSpec, cvclassic.Comparison, cvclassic.__version__\n"
        "assert 'keras' not in sys.modules\n"
        "try:\n    cvclassic.nothing\nexcept AttributeError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "module 'cvclassic' has no attribute 'nothing'"
