"""What a user with few pictures gets by default: folds, copies kept together, and contenders trained again."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import cvclassic
from cvclassic import datasets
from cvclassic.errors import InputError

ROOT = Path(__file__).parents[1]

GUESS = '''"""Right on about nine of ten, which ones is a matter of the seed."""
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

family = "pretrained"  # a family of its own, for which no Keras is loaded


class Guess(ClassifierMixin, BaseEstimator):
    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        bright = X.reshape(len(X), -1).mean(axis=1) > 127
        if FAILS_FROM <= self.seed:
            raise RuntimeError("no luck")
        wrong = np.random.default_rng([self.seed, len(X)]).random(len(X)) < 0.1
        return np.where(wrong, ~bright, bright).astype(int)


def build(task):
    return Guess(task.seed)
'''


@pytest.fixture
def guess(tmp_path):
    path = tmp_path / "guess.py"
    path.write_text(GUESS.replace("FAILS_FROM", "9"))
    return path


@pytest.fixture
def pictures(tmp_path, rng):
    """40 bright and 20 dark pictures of odd sizes, five copies, and a damaged file."""
    root = tmp_path / "pictures"
    for name, n, base in (("dark", 20, 40), ("light", 40, 200)):
        (root / name).mkdir(parents=True)
        for k in range(n):
            shape = ((20, 33, 3), (64, 9, 3), (40, 40, 3))[k % 3]
            pixels = np.clip(base + rng.integers(-40, 40, shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(root / name / f"{k}.png"), pixels)
    for k in range(5):
        shutil.copy(root / "light" / f"{k}.png", root / "light" / f"copy{k}.png")
    (root / "dark" / "broken.png").write_bytes(b"\x89PNG")
    return root


def rows_of(path):
    """The rows of a table but for the baseline's."""
    with open(path) as file:
        return [row for row in csv.DictReader(file) if row["pipeline"] != "most_frequent"]


@pytest.mark.slow
def test_every_picture_is_tested_once_and_a_lost_fold_runs_again(tmp_path, pictures, pipeline_file, guess):
    out = tmp_path / "run"
    names = [pipeline_file("nearest_mean"), guess]
    found = cvclassic.compare(str(pictures), pipelines=names, out=out)
    assert [(r.pipeline, r.status, r.n_test) for r in found.results] == [
        ("nearest_mean", "ok", 65),
        ("guess", "ok", 65),
        ("most_frequent", "ok", 65),
    ]
    assert len(rows_of(out / "results.csv")) == 2
    folds = rows_of(out / "folds.csv")
    assert [(row["pipeline"], row["fold"], row["seed"]) for row in folds[:5]] == [
        ("nearest_mean", str(k + 1), str(k)) for k in range(5)
    ]
    assert sum(int(row["n_test"]) for row in folds[:5]) == 65
    dataset = datasets.load(str(pictures))
    for k in range(1, 6):
        with np.load(out / "pictures" / f"splits-fold{k}.npz") as splits:
            sides = [dataset.groups[splits[part]] for part in ("train", "validation", "test")]
        assert not np.isin(sides[2], np.concatenate(sides[:2])).any()
        assert not np.isin(sides[1], sides[0]).any()
    said = found.study["pictures"].outcomes[0].predictions
    assert np.array_equal(said.y_true, dataset.labels)
    assert "This is about models that learn from about" in found.answer
    page = (out / "report.html").read_text()
    assert "5 folds: each of the 65 images is tested once" in page
    assert page.count("5 images are exact copies of others") == 1

    [job] = (out / "pictures").glob("guess-seed2-*-fold3")
    (job / "result.json").unlink()
    assert cvclassic.load_comparison(out).answer.endswith("1 of 3 jobs has no result yet.")
    again = cvclassic.resume(out)
    assert [r.test_accuracy for r in again.results] == [r.test_accuracy for r in found.results]


@pytest.mark.slow
def test_a_single_split_where_it_is_asked_for_or_something_is_varied(tmp_path, pictures, pipeline_file):
    mean = pipeline_file("nearest_mean")
    assert cvclassic.compare(str(pictures), pipelines=mean, folds=1).study["pictures"].record.folds == ()
    found = cvclassic.compare(str(pictures), pipelines=mean, sweep={"metric": ["euclidean", "manhattan"]})
    assert found.study["pictures"].record.folds == ()
    with pytest.raises(InputError, match="folds=1800; the largest class has"):
        cvclassic.compare("digits", pipelines=mean, folds=1800)


@pytest.mark.slow
def test_arrays_have_folds_but_for_those_with_a_test_part(rng, pipeline_file):
    X, y = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), np.arange(40) % 2
    mean = pipeline_file("nearest_mean")
    assert len(cvclassic.compare((X, y), pipelines=mean).study["arrays"].record.folds) == 5
    halves = (X[:20], y[:20], X[20:], y[20:])
    assert cvclassic.compare(halves, pipelines=mean).study["arrays"].record.folds == ()
    with pytest.raises(InputError, match="arrays has a test part of its own"):
        cvclassic.compare(halves, pipelines=mean, folds=5)


@pytest.mark.slow
def test_contenders_are_trained_again_where_the_seed_makes_a_difference(tmp_path, pictures, pipeline_file, guess):
    out = tmp_path / "run"
    asked = {"pipelines": [pipeline_file("nearest_mean"), guess], "folds": 1, "preset": "standard"}
    found = cvclassic.compare(str(pictures), **asked, out=out)
    assert [(r.pipeline, r.seed) for r in found.results] == [
        *(("nearest_mean", 0), ("guess", 0), ("most_frequent", 0), ("nearest_mean", 1), ("guess", 1), ("guess", 2)),
    ]
    mean, guessed, _ = found.study["pictures"].configurations
    assert (mean.n_trainings, guessed.n_trainings) == (1, 3)
    assert mean.spread("test_accuracy") is None
    report = (out / "report.md").read_text()
    assert "then repeated: guess with 3 seeds; nearest_mean, which gives the same with another seed" in report
    assert cvclassic.resume(out).results == found.results


@pytest.mark.slow
def test_a_later_seed_that_fails_is_told_and_changes_no_choice(tmp_path, pictures, pipeline_file, guess):
    guess.write_text(GUESS.replace("FAILS_FROM", "1"))
    asked = {"pipelines": [pipeline_file("nearest_mean"), guess], "folds": 1, "preset": "standard"}
    found = cvclassic.compare(str(pictures), **asked)
    study = found.study["pictures"]
    assert {each.name for each in study.contenders} == {"nearest_mean", "guess"}
    assert [(r.pipeline, r.seed) for r in study.failures] == [("guess", 1)]
    assert "Failed: guess (pretrained, 1 of 2 jobs)." in found.answer


def test_what_is_severely_wrong_with_the_pictures_is_told_before_and_after(tmp_path, pictures, pipeline_file):
    shutil.copy(pictures / "light" / "7.png", pictures / "dark" / "7 again.png")
    out = tmp_path / "run"
    command = [sys.executable, str(ROOT / "compare.py"), str(pictures), "--pipeline", pipeline_file("nearest_mean")]
    done = subprocess.run([*command, "--folds", "1", "--out", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = "1 picture is in two or more classes, as exact or near copies"
    assert done.stderr.index(said) < done.stderr.index("[1/2]")
    assert f"Data, severe: {said}" in " ".join(done.stdout.split())
    assert f"Data, severe: {said}" in (out / "report.html").read_text()
    findings = cvclassic.load_comparison(out).study["pictures"].record.findings
    [finding] = [each for each in findings if each.kind == "conflicting_labels"]
    assert (finding.count, set(finding.files)) == (1, {"dark/7 again.png", "light/7.png"})
