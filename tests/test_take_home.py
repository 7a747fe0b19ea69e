"""The way of a new user: pictures in, a comparison, and its winner as a file that predicts."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import cvclassic
from cvclassic.cli import app
from cvclassic.errors import InputError
from cvclassic.take_home import known_of

NAMES = ("one", "seven", "four")
DIGITS = (1, 7, 4)
PER_CLASS = 34


def drawn(number, k, rng):
    """The k-th picture of a digit, of an odd size, in color."""
    images, labels = load_digits(return_X_y=True)
    image = images[labels == number][k].reshape(8, 8) * 15
    size = int(rng.integers(30, 61)), int(rng.integers(30, 61))
    return np.dstack([cv2.resize(image.astype(np.uint8), size)] * 3)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of classes, and one of pictures that are in none of them."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("pictures")
    for name, number in zip(NAMES, DIGITS, strict=True):
        for k in range(PER_CLASS + 6):
            folder = root / "set" / name if k < PER_CLASS else root / "new" / name
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{k}.{'jpg' if k % 2 else 'png'}"), drawn(number, k, rng))
    return root


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return cvclassic.compare(pictures / "set", pipelines=["hog_svm", "color_histogram_svm"], out=out)


def models_in(folder):
    return sorted(path.parent.name for path in folder.glob("*/*/model.cvc"))


def test_the_winner_is_fitted_on_all_pictures_and_predicts_ones_that_it_has_not_seen(run, pictures):
    model = run.best
    new = sorted((pictures / "new").rglob("*.*"))
    expected = [path.parent.name for path in new]
    assert np.mean(model.predict(new) == expected) >= 0.9
    assert model.predict(new[0]).tolist() == [expected[0]]
    probabilities = model.predict_proba(new)
    assert probabilities.shape == (18, 3)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert model.class_names == ("four", "one", "seven")
    shown = cv2.imread(str(new[0]))[..., ::-1]
    assert np.allclose(model.predict_proba(np.ascontiguousarray(shown)), probabilities[:1])


def test_its_figures_are_those_of_the_comparison(run):
    figures, dataset = run.best.figures, run.study.datasets[0]
    taken = dataset.advice.figure
    assert figures["pipeline"] == dataset.advice.taken.pipeline == "hog_svm"
    assert figures["estimate"] == pytest.approx(taken.mean(taken.test_figure))
    assert figures["interval"] == pytest.approx(taken.interval)
    assert (figures["n_test"], figures["n_train"], figures["folds"]) == (102, 102, 5)
    assert figures["answer"].startswith("On set use hog_svm: right on")
    assert run.best.calibration.n_images == 102


def test_models_of_contenders_stay_and_one_predicts_as_its_job_did(run):
    assert models_in(run.folder) == [f"hog_svm-seed{k}-n{n}-fold{k + 1}" for k, n in enumerate(fold_sizes(run))]
    model = cvclassic.load_model(next(run.folder.glob("set/hog_svm-*-fold1/model.cvc")))
    outcome = next(each for each in run.study.run.outcomes if each.result.fold == 1)
    images = run.study.run.images["set"].test[outcome.predictions.places]
    labels, _ = model.predict_images(images)
    assert labels.tolist() == outcome.predictions.y_pred.tolist()


def fold_sizes(run):
    return [fold.train for fold in run.study.datasets[0].record.folds]


def test_a_saved_model_says_the_same_in_a_fresh_process_and_loads_no_keras(run, pictures, tmp_path):
    path = run.best.save(tmp_path / "model.cvc")
    new = sorted(map(str, (pictures / "new" / "one").iterdir()))
    code = (
        "import sys, cvclassic\n"
        "print(*cvclassic.load_model(sys.argv[1]).predict(sys.argv[2:]))\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path), *new], capture_output=True, text=True, check=True)
    assert done.stdout.split() == run.best.predict(new).tolist()


def test_the_commands_predict_evaluate_and_inspect(run, pictures, tmp_path):
    model, new = str(run.folder / "best.cvc"), pictures / "new"
    said = CliRunner().invoke(app, ["predict", model, str(new / "one")])
    assert said.exit_code == 0
    lines = said.stdout.splitlines()
    assert len(lines) == 6
    assert lines[0].split()[:2] == [str(new / "one" / "34.png"), run.best.predict(new / "one" / "34.png")[0]]
    damaged = tmp_path / "cut.png"
    damaged.write_bytes((new / "one" / "34.png").read_bytes()[:40])
    said = CliRunner().invoke(app, ["predict", model, str(damaged), str(new / "one" / "34.png"), "--csv", "--top", "2"])
    assert said.exit_code == 1
    assert f"{damaged}: " in said.stderr
    first, second = csv.DictReader(io.StringIO(said.stdout))
    assert first["class"] == "" != first["error"]
    assert float(second["probability_1"]) >= float(second["probability_2"]) > 0
    said = CliRunner().invoke(app, ["predict", model, str(new / "one"), "--json", "--unsure", "1"])
    assert {row["class"] for row in json.loads(said.stdout)} == {"unsure"}
    costly = ["--cost", "one:seven=0", "--cost", "one:four=0", "--cost", "four:seven=0"]
    said = CliRunner().invoke(app, ["predict", model, str(new / "one"), "--json", *costly])
    assert {row["class"] for row in json.loads(said.stdout)} == {"seven"}  # which costs nothing, whatever is there
    said = CliRunner().invoke(app, ["evaluate", model, str(new), "--json"])
    found = json.loads(said.stdout)
    assert (found["n"], found["n_known"], sum(map(sum, found["confusion"]))) == (18, 0, 18)
    said = CliRunner().invoke(app, ["inspect", model])
    assert "Classes: four, one, seven" in said.stdout
    assert "HOG → KernelSVM" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["predict", "{set}/one/0.png", "{set}"], "can't be read as a model"),
        (["predict", "{folder}/none.cvc", "{set}"], "none.cvc"),
        (["predict", "{model}", "{folder}/set/hog_svm-seed0-n73-fold1"], "no picture file"),
        (["predict", "{model}", "{set}", "--json", "--csv"], "choose one"),
        (["predict", "{model}", "{set}", "--cost", "one=2"], "'one=2' is no cost"),
        (["predict", "{model}", "{set}", "--unsure", "2"], "unsure=2"),
        (["evaluate", "{model}", "digits"], "'0', which the model does not know"),
        (["train", "hog_svm", "{set}", "--save", "{folder}"], "is a folder"),
        (["train", "hog_swm", "{set}", "--save", "{folder}/x.cvc"], "hog_swm"),
    ],
)
def test_what_can_not_be_done_is_told_in_one_line(run, pictures, arguments, told, tmp_path):
    names = {"set": pictures / "set", "folder": run.folder, "model": run.folder / "best.cvc"}
    if "n73" in arguments[-1]:
        (tmp_path / "empty").mkdir()
        arguments = [*arguments[:-1], str(tmp_path / "empty")]
    said = CliRunner().invoke(app, [each.format(**names) for each in arguments])
    assert said.exit_code == 2
    assert told in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_model_knows_the_pictures_that_it_learned_from(run, pictures, tmp_path):
    found = cvclassic.evaluate(run.best, pictures / "set")
    assert (found.n, found.n_known, found.all_known) == (102, 102, True)
    mixed = tmp_path / "mixed"
    for name in NAMES:
        (mixed / name).mkdir(parents=True)
        for path in [*(pictures / "new" / name).iterdir(), pictures / "set" / name / "3.jpg"]:
            (mixed / name / path.name).write_bytes(path.read_bytes())
    found = cvclassic.evaluate(run.best, mixed)
    new = sorted((pictures / "new").rglob("*.*"))
    right = run.best.predict(new) == [path.parent.name for path in new]
    assert (found.n, found.n_known, found.all_known) == (18, 3, False)
    assert found.accuracy == pytest.approx(np.mean(right))
    assert found.interval[0] < found.accuracy <= found.interval[1]
    assert known_of(np.zeros((2, 8, 8), np.uint8), {}) is None
    with pytest.raises(InputError, match="damaged"):
        known_of(np.zeros((2, 8, 8), np.uint8), {"learned_from": "?"})


def test_a_run_that_goes_on_makes_a_model_that_is_missing_and_no_other(run):
    path = run.folder / "best.cvc"
    content = path.read_bytes()
    before = path.stat().st_mtime_ns
    cvclassic.resume(run.folder)
    assert path.stat().st_mtime_ns == before
    path.unlink()
    cvclassic.resume(run.folder)
    assert path.read_bytes() == content


@pytest.mark.slow
def test_a_run_that_goes_on_and_no_longer_beats_the_same_answer_leaves_no_older_model(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(60):
        path = tmp_path / "noise" / NAMES[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (32, 32), dtype=np.uint8))
    run = cvclassic.compare(tmp_path / "noise", pipelines="sobel_svm", out=tmp_path / "run")
    assert not (run.folder / "best.cvc").exists()
    (run.folder / "best.cvc").write_bytes(b"the model of an earlier state")
    job = run.folder / run.study.run.record.jobs[0].folder
    shutil.rmtree(job)
    cvclassic.resume(run.folder)
    assert job.is_dir()
    assert not (run.folder / "best.cvc").exists()


@pytest.mark.slow
def test_train_quotes_what_folds_say_and_keeps_nothing_else(pictures, tmp_path):
    path = tmp_path / "model.cvc"
    said = CliRunner().invoke(
        app, ["train", "hog_linear_svm", str(pictures / "set"), "--save", str(path), "--folds", "2", "--set", "C=2"]
    )
    assert said.exit_code == 0
    assert list(tmp_path.iterdir()) == [path]
    model = cvclassic.load_model(path)
    assert (model.figures["folds"], model.figures["n_train"]) == (2, 102)
    assert model.pipeline[-1].C == 2
    assert said.stdout.splitlines()[-1].startswith(f"{path} was fitted on all 102 pictures")


@pytest.mark.slow
def test_of_a_published_set_the_model_is_fitted_when_it_is_asked_for():
    run = cvclassic.compare("digits", pipelines="hog_linear_svm", train_size=200)
    assert not (run.folder / "best.cvc").exists()
    assert run.best.figures["n_train"] == 650
    assert (run.folder / "best.cvc").exists()


class Unknown(ClassifierMixin, BaseEstimator):
    """A user's classifier, which nobody has registered: the mean of each class."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = [X[y == k].mean(axis=0).ravel() for k in self.classes_]
        return self

    def predict(self, X):
        flat = X.reshape(len(X), -1)
        return self.classes_[np.argmin([((flat - mean) ** 2).sum(axis=1) for mean in self.means_], axis=0)]


@pytest.mark.slow
def test_what_can_not_be_saved_is_said_before_training_and_costs_the_model_alone():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    X = rng.integers(0, 100, (90, 12, 12), dtype=np.uint8) + (y * 100).astype(np.uint8)[:, None, None]
    run = cvclassic.compare((X, y), pipelines={"mine": Unknown()}, folds=2)
    [note] = [each for each in run.study.run.record.notes if "taken home" in each]
    assert note.startswith("mine can't be taken home as a file: ")
    assert "Unknown" in note
    assert run.results[0].test_accuracy == 1
    with pytest.raises(InputError, match=r"best\.cvc could not be made"):
        run.best  # noqa: B018


@pytest.mark.slow
def test_where_nothing_is_shown_to_beat_the_same_answer_no_model_goes_home():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (60, 12, 12), dtype=np.uint8), np.arange(60) % 2
    run = cvclassic.compare((X, y), pipelines="hog_linear_svm", folds=2, keep="all")
    with pytest.raises(InputError, match="nothing is shown to beat"):
        run.best  # noqa: B018
    assert len(models_in(run.folder)) == 2


README = Path(__file__).parents[1] / "README.md"


def lines_of_readme(marker):
    """The lines of the block of README's section that begins so, without their remarks."""
    [section] = [text for text in README.read_text().split("\n## ") if text.startswith("Take the winner home")]
    [block] = [part for part in re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE) if marker in part]
    lines = [line.partition("  #")[0].strip() for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture
def as_readme_says(pictures, tmp_path, monkeypatch):
    """A folder with the three folders that README names, of which holes and what is ok are two classes."""
    names = {"one": "ok", "seven": "hole", "four": "scratch"}
    for name, shown in names.items():
        shutil.copytree(pictures / "set" / name, tmp_path / "photos" / shown)
        shutil.copytree(pictures / "new" / name, tmp_path / "labelled" / shown)
    (tmp_path / "new").mkdir()
    shutil.copy(pictures / "new" / "seven" / "35.jpg", tmp_path / "new" / "one.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_readme_s_lines_of_python_do_what_they_say(as_readme_says, capfd):
    lines = lines_of_readme("import cvclassic")
    assert len(lines) == 8
    exec("\n".join(lines), {})
    told = capfd.readouterr().out.splitlines()
    assert told[0].startswith("On photos ")
    assert "['hole']" in told[1]
    assert float(told[-1]) > 0.8


@pytest.mark.slow
def test_readme_s_lines_of_commands_do_what_they_say(as_readme_says):
    lines = lines_of_readme("cvclassic check photos")
    assert len(lines) == 8
    for line in lines:
        few = ["--pipeline", "hog_svm,hog_color_svm"] * line.startswith("cvclassic compare")  # networks take minutes
        done = subprocess.run([sys.executable, "-m", *line.split(), *few], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if line.startswith("cvclassic predict run/best.cvc new/one.jpg"):
            assert done.stdout.split()[:2] == ["new/one.jpg", "hole"]
    assert "static inline" in (as_readme_says / "hog.h").read_text()
