"""Pictures are embedded once for all jobs of a data set, what that took is in each job's figures, and files of it are
trusted only where they are whole."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline, make_union

from cvclassic import datasets
from cvclassic.augmentation import MirrorAugmentation
from cvclassic.features import HOG, ColorGrid, Embedding
from cvclassic.features.known import Embedded, Known
from cvclassic.images import digests
from cvclassic.runs.embedded import EmbeddedFiles, embed_ahead, peak_with
from cvclassic.runs.fit import run_job
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.local import run_locally
from cvclassic.runs.pipelines import bring, find_pipelines
from cvclassic.runs.plan import RunData, plan
from cvclassic.runs.spec import RunSpec
from cvclassic.runs.train_sizes import at_train_sizes
from cvclassic.svm import LinearSVM
from tests.tiny_onnx import write_backbone

ALONE = 10  # images at most that each job embeds anew: the time of an answer to one image


class Counting:
    """A backbone that gives some of the pixels, and counts the images that it was given."""

    name, fingerprint, size, mean, std = "counting", "0123", 8, 0.0, 255.0

    def __init__(self):
        self.n = 0

    def embed(self, images):
        self.n += len(images)
        return images[:, ::2, ::2, 0].reshape(len(images), -1)

    def __sklearn_clone__(self):
        return self


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_size=300)


def data_of(dataset, estimator, **fields):
    """A run of an estimator that is not cloned, so that its backbone counts for all jobs."""
    data = RunData.of(RunSpec(**fields), [dataset], bring({"mine": estimator}))
    return replace(data, pipelines={"mine": replace(data.pipelines["mine"], build=lambda task: estimator)})


def test_seeds_sizes_and_tuning_embed_no_picture_twice(digits):
    [sized], _ = at_train_sizes([digits], [100, "all"], seed=0)
    backbone = Counting()
    data = data_of(sized, make_pipeline(Embedding(backbone), LinearSVM()), train_sizes=[100, "all"], repeats=2, tune=2)
    data.pipelines["mine"] = replace(data.pipelines["mine"], search=lambda task: {"C": [0.1, 10.0]})
    results = [run_job(job, data).result for job in plan(data)[0]]
    assert [result.status for result in results] == ["ok"] * 4
    assert all(len(result.tuning.tried) >= 3 for result in results)
    assert {result.backbone for result in results} == {"counting (0123)"}
    # Images of each job: two before its clock, one in its fit, those that are answered alone, and some in each trial.
    own = 4 * (2 + 1 + ALONE) + 3 * sum(len(result.tuning.tried) for result in results)
    assert len(digits.used) <= backbone.n <= len(digits.used) + 1 + own


def test_folds_embed_no_picture_twice(digits):
    few = replace(digits, images=digits.images[:200], labels=digits.labels[:200]).with_folds(3, seed=0)
    backbone = Counting()
    data = data_of(few, make_pipeline(Embedding(backbone), LinearSVM()), folds=3)
    results = [run_job(job, data).result for job in plan(data)[0]]
    assert [(result.status, result.fold) for result in results] == [("ok", 1), ("ok", 2), ("ok", 3)]
    assert 200 < backbone.n <= 200 + 1 + 3 * (2 + 1 + ALONE)


def test_what_was_looked_up_is_paid_for_and_mirror_images_are_made(digits):
    backbone = Counting()
    data = data_of(digits, MirrorAugmentation(make_pipeline(Embedding(backbone), LinearSVM())))
    [job] = plan(data)[0]
    first = run_job(job, data).result
    [(key, made)] = data.embedded.items()
    assert len(made.digests) == len(digits.used) + len(digits.train)  # mirror images to learn from
    assert backbone.n > len(made.digests) + len(digits.test)  # and to predict from, which are none of the memory's
    assert made.spent["seconds"] > 0
    # As if each image had taken 1,000 s.
    data.embedded[key] = replace(made, spent={"seconds": 1000.0 * len(made.digests)}, peak_memory=10**12)
    second = run_job(job, data).result
    assert second.fit_seconds == pytest.approx(2000 * len(digits.train), abs=100)
    assert second.predict_images_per_second == pytest.approx(1 / 1000, rel=0.01)
    assert second.fit_energy_joules is None
    assert second.peak_memory_mb == pytest.approx(10**12 / 2**20)
    assert (second.test_accuracy, second.model_bytes) == (first.test_accuracy, first.model_bytes)


def test_embeddings_of_some_pictures_are_completed_and_copies_are_made_once(digits):
    backbone, store = Counting(), {}
    images = digits.images[np.r_[digits.train, digits.train[:3]]]
    whole = replace(
        digits, images=images, train=np.arange(200), validation=np.arange(0), test=np.arange(200, len(images))
    )
    known = Known()
    embed_ahead(make_pipeline(Embedding(backbone)), replace(whole, train=np.arange(100)), store, known)
    assert known.backbones == ["counting (0123)"]
    assert peak_with(known) > 2**20
    distinct = len(np.unique(images, axis=0))
    assert backbone.n < distinct
    estimator = make_pipeline(Embedding(backbone))
    embed_ahead(estimator, whole, store, Known())
    assert backbone.n == distinct + 2  # one before the clock starts, each time
    features = estimator.transform(images)
    assert backbone.n == distinct + 2
    np.testing.assert_array_equal(features, Embedding(Counting()).transform(images))
    known = Known()
    embed_ahead(make_pipeline(HOG()), whole, store, known)
    assert known.backbones == []


def test_files_are_read_back_and_damaged_ones_are_not(tmp_path, rng):
    made = Embedded(digests(rng.integers(0, 9, (20, 4, 4))), rng.random((20, 5), np.float32), {"seconds": 2.0}, 77)
    files, path = EmbeddedFiles(tmp_path), tmp_path / ".embedded-key"
    assert files.get("key") is None
    files["key"] = made
    found = files.get("key")
    assert found.rows == made.rows
    np.testing.assert_array_equal(found.features, made.features)
    assert (found.spent, found.peak_memory) == (made.spent, 77)
    assert files.get("other") is None
    content = path.read_bytes()
    place = content.index(made.features.tobytes())
    damaged = [b"", content[:-40], content[: len(content) // 2], bytes(len(content)), b"x" + content[1:]]
    damaged += [content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]]
    for each in damaged:
        path.write_bytes(each)
        assert files.get("key") is None
    for wrong in (replace(made, features=made.features[:-1]), replace(made, features=made.features * np.nan)):
        files["key"] = wrong
        assert files.get("key") is None
    EmbeddedFiles(tmp_path / "nowhere")["key"] = made  # a disk that is full costs nothing but time


def pretrained(digits, backbone, **fields):
    names = ["pretrained_svm", "hog_linear_svm"]
    spec = RunSpec(pipelines=names, settings={"backbone": str(backbone)}, threads=1, **fields)
    return RunData.of(spec, [digits], find_pipelines(names))


def test_workers_share_embeddings_and_leave_none(tmp_path, digits):
    backbone = write_backbone(tmp_path / "tiny.onnx")
    data, run, files = pretrained(digits, backbone, repeats=2), tmp_path / "run", []

    def listen(job, seconds, last_line, outcome):
        if outcome is not None:
            files.append({path: path.stat().st_ino for path in (run / "digits").glob(".embedded*")})

    with RunFolder.create(run) as folder:
        (run / "digits").mkdir()
        (run / "digits" / ".embedded-0123").write_bytes(b"of a run that was killed")
        results = [outcome.result for outcome in run_locally(plan(data)[0], data, folder, listen=listen)]
    assert [result.status for result in results] == ["ok"] * 4
    assert [result.n_features for result in results[:2]] == [5, 5]
    described = Embedding(backbone).open().described
    assert [result.backbone for result in results] == [described, described, None, None]
    assert described.startswith("tiny.onnx (")
    assert results[0].test_accuracy == results[1].test_accuracy > 0.2
    assert results[0].model_bytes > len(backbone.read_bytes())
    assert len(files[0]) == 1
    assert files == [files[0]] * 4  # the first job's, and never written again
    assert not list(run.rglob(".embedded*"))


def test_a_backbone_that_fails_costs_its_own_jobs(tmp_path, digits):
    data = pretrained(digits, write_backbone(tmp_path / "tiny.onnx", pool=False))
    first, second = [run_job(job, data).result for job in plan(data)[0]]
    assert first.status.startswith("failed: tiny.onnx makes an array of shape")
    assert second.ok


def test_a_hog_joined_with_an_embedding_learns_the_same_with_a_memory(tmp_path):
    shapes = datasets.load("shapes", train_size=120)
    shapes = replace(shapes, test=shapes.test[:60])
    model = make_pipeline(
        make_union(HOG(), ColorGrid(), Embedding(write_backbone(tmp_path / "tiny.onnx"))), LinearSVM()
    )
    data = RunData.of(RunSpec(augment="none"), [shapes], bring({"joined": model}))
    [job] = plan(data)[0]
    outcome = run_job(job, data)
    assert (outcome.result.family, outcome.result.n_features) == ("pretrained", 324 + 96 + 5)
    model.fit(shapes.images[shapes.train], shapes.labels[shapes.train])
    np.testing.assert_array_equal(model.predict(shapes.images[shapes.test]), outcome.predictions.y_pred)
