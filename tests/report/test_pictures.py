"""The pictures say what a run's files say, and can stand in a page: from synthetic runs whose figures are known."""

import base64
import io
import re
from collections import Counter
from dataclasses import fields
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab
from sklearn.metrics import f1_score

from cvclassic.errors import InputError
from cvclassic.experiment.result import Result, Run, job_folder
from cvclassic.experiment.statistics import wilson_interval
from cvclassic.report.pictures import accuracy, classes, curves, images, pictures, style
from cvclassic.report.pictures.accuracy import pareto_front
from cvclassic.report.pictures.classes import most_confused, similar_together
from cvclassic.report.pictures.curves import best_epoch, crossings, overfit_epoch, where_they_cross
from cvclassic.report.pictures.labels import place_labels
from cvclassic.report.pictures.subject import Subject

CONTENDERS = {
    "hog_svm": ("classical", 0.9),
    "sobel_svm": ("classical", 0.7),
    "head": ("hybrid", 0.75),
    "cnn": ("neural", 0.8),
}
HISTORY = {
    "loss": [1.0, 0.6, 0.4, 0.3, 0.2],
    "accuracy": [0.5, 0.7, 0.8, 0.9, 0.95],
    "val_loss": [1.1, 0.8, 0.7, 0.75, 0.8],
    "val_accuracy": [0.5, 0.6, 0.7, 0.72, 0.71],
    "learning_rate": [0.01, 0.01, 0.005, 0.005, 0.001],
}


def make_run(
    folder, contenders=CONTENDERS, *, name="animals", n_classes=3, class_names=None, n_test=200, shape=(12, 16, 3),
    sizes=(1000,), seeds=(0,), settings=({},), with_scores=True, extra=None, **config,
):  # fmt: skip
    """A run's folder with images and predictions, and its `Run`; `extra(pipeline)` gives more fields of results."""
    rng = np.random.default_rng(5)
    (folder / name).mkdir(parents=True)
    y_true = np.arange(n_test) % n_classes
    pixels = rng.integers(0, 256, (n_test, *shape), dtype=np.uint8)
    np.save(folder / name / "test_images.npy", pixels)
    np.save(folder / name / "class_examples.npy", pixels[:n_classes])
    class_names = class_names or [f"class{k}" for k in range(n_classes)]
    results = []
    for (pipeline, (family, share)), own, n_train, seed in (
        (item, own, n_train, seed)
        for item in contenders.items() for own in settings for n_train in sizes for seed in seeds
    ):  # fmt: skip
        scores = rng.normal(size=(n_test, n_classes)).astype(np.float32)
        right = rng.random(n_test) < share * (n_train / max(sizes)) ** 0.1
        scores[right, y_true[right]] += 10
        y_pred = scores.argmax(axis=1)
        arrays = {"y_true": y_true, "y_pred": y_pred}
        if with_scores:
            arrays["scores"] = scores[:, 1] - scores[:, 0] if n_classes == 2 else scores
        job = {"dataset": name, "pipeline": pipeline, "seed": seed, "n_train": n_train, "settings": own}
        job_folder(folder, job).mkdir()
        np.savez(job_folder(folder, job) / "predictions.npz", **arrays)
        more = extra(pipeline) if extra else {}
        results.append(make_result(job | {"family": family}, y_true, y_pred, class_names, more))
    dataset = {
        "name": name,
        "class_names": class_names,
        "image_shape": list(shape),
        "sizes": {"train": max(sizes), "validation": 50, "test": n_test},
    }
    base = {
        "stack": {"epochs": 8, "monitor": "val_loss"},
        "settings": {},
        "sweep": {},
        "repeats": len(seeds),
        "datasets": [name],
        "pipelines": {pipeline: {"stack": None, "published": None} for pipeline in contenders},
    }
    return Run(folder, base | config, [dataset], results)


def make_result(job, y_true, y_pred, class_names, more):
    right = int(np.sum(y_true == y_pred))
    low, high = wilson_interval(right, len(y_true))
    f1 = f1_score(y_true, y_pred, average=None, labels=range(len(class_names)), zero_division=0.0)
    speed = 10 + len(job["pipeline"])
    figures = job | {
        "status": "ok",
        "test_accuracy": right / len(y_true),
        "ci_low": low,
        "ci_high": high,
        "fit_seconds": {"classical": 0.5, "hybrid": 5.0, "neural": 50.0}[job["family"]] * speed,
        "predict_images_per_second": 1000.0 * speed,
        "peak_memory_mb": 20.0 * speed,
        "model_bytes": 100_000 * speed,
        "n_test": len(y_true),
        "per_class": [{"class": name, "f1": float(score)} for name, score in zip(class_names, f1, strict=True)],
        "history": HISTORY if job["family"] == "neural" else None,
    } | more  # fmt: skip
    known = {f.name for f in fields(Result)}
    result = Result(**{name: value for name, value in figures.items() if name in known})
    for extra in figures.keys() - known:
        object.__setattr__(result, extra, figures[extra])
    return result


def drawn(run, *makers):
    """Pictures by name: all of a run's, or those of some makers."""
    if not makers:
        return {picture.name: picture for picture in pictures(run, run.datasets[0])}
    with style.drawing_style():
        return {picture.name: picture for make in makers for picture in make(Subject(run, run.datasets[0]))}


def texts(picture):
    return ["".join(element.itertext()) for element in parsed(picture).iter("{http://www.w3.org/2000/svg}text")]


def parsed(picture):
    return ElementTree.fromstring(picture.svg)


def embedded(picture):
    """The pixels of each image in a picture."""
    found = re.findall(r'href="data:image/png;base64,([^"]+)"', picture.svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))[..., :3] for text in found]


def predictions(run, pipeline):
    (result,) = [r for r in run.results if r.pipeline == pipeline]
    job = {name: getattr(result, name) for name in ("dataset", "pipeline", "seed", "n_train", "settings")}
    return dict(np.load(job_folder(run.folder, job) / "predictions.npz"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    names = ["cat <b>&", "dog $x$ of a breed whose name is very long", "frog\x01\n"]
    return make_run(tmp_path_factory.mktemp("run"), class_names=names)


@pytest.fixture(scope="module")
def page(run):
    return drawn(run)


def test_a_run_has_all_pictures_that_it_has_data_for_in_the_order_of_the_page(page):
    assert list(page) == [
        "accuracy-fit-time",
        "accuracy-prediction-time",
        "accuracy",
        "confusion-classical",
        "confusion-neural",
        "f1",
        "mistakes-classical",
        "mistakes-neural",
        "only-classical-right",
        "only-neural-right",
        "learning-curves",
        "costs",
        "extractors",
    ]


def test_each_is_svg_that_can_stand_in_a_page(page):
    for picture in page.values():
        root = parsed(picture)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("role") == "img"
        assert root.get("aria-label") == picture.alt
        assert root.get("viewBox")
        assert root.get("width") is None
        assert root.get("height") is None
        assert not picture.svg.startswith("<?")
        for outside in ("<style", "<metadata", "<script", "font-family", "xlink", "#000000", style.INK, "http:"):
            assert outside not in picture.svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
        for target in re.findall(r'href="([^"]*)"', picture.svg):
            assert target.startswith(("#", "data:image/png;base64,"))
        assert re.fullmatch(r"[a-z][a-z0-9-]*", picture.name)
        assert len(picture.caption) > 20


def test_no_id_stands_twice_in_a_page_of_several_sets_and_runs_and_every_reference_is_met(run, page, tmp_path):
    others = [make_run(tmp_path / "run", name=name, n_test=60) for name in ("animals", "other animals")]
    others = [drawn(other, accuracy.bars, accuracy.against_fit_time, images.confident_mistakes) for other in others]
    svgs = [picture.svg for each in (page, *others) for picture in each.values()]
    ids = Counter(identifier for svg in svgs for identifier in re.findall(r' id="([^"]+)"', svg))
    assert max(ids.values()) == 1
    for svg in svgs:
        wanted = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg))
        assert {a or b for a, b in wanted} == set(re.findall(r' id="([^"]+)"', svg))


def test_bars_are_as_long_as_the_accuracies_and_have_their_figures(run, page):
    best_first = sorted(run.results, key=lambda r: -r.test_accuracy)
    told = [text for text in texts(page["accuracy"]) if "–" in text]
    assert told == [f"{100 * r.test_accuracy:.2f} % ({100 * r.ci_low:.2f} – {100 * r.ci_high:.2f})" for r in best_first]
    for result, text in zip(best_first, told, strict=True):
        assert f"{result.pipeline} {text}" in page["accuracy"].alt
    bars = []
    for path in parsed(page["accuracy"]).iter("{http://www.w3.org/2000/svg}path"):
        if path.get("clip-path") and any(color in path.get("style") for color in style.FAMILY_COLORS.values()):
            x = [float(number) for number in re.findall(r"[ML] (\S+)", path.get("d"))]
            bars.append(max(x) - min(x))
    lengths = np.array(bars) / bars[0]
    np.testing.assert_allclose(lengths, [r.test_accuracy / best_first[0].test_accuracy for r in best_first], atol=1e-3)


def test_alt_texts_have_times_and_the_front(run, page):
    alt = page["accuracy-fit-time"].alt
    front = [r for r in run.results if not any(beats(o, r) for o in run.results)]
    for result in run.results:
        assert f"{result.pipeline} {result.fit_seconds:.3g} s, {100 * result.test_accuracy:.2f} %" in alt
    head, _, rest = alt.partition("The others")
    assert all((r.pipeline in head) == (r in front) for r in run.results)
    assert all((r.pipeline in rest) != (r in front) for r in run.results)
    assert {r.pipeline for r in run.results} <= set(texts(page["accuracy-fit-time"]))
    slowest = min(run.results, key=lambda r: r.predict_images_per_second)
    assert (
        f"{slowest.pipeline} {1e6 / slowest.predict_images_per_second:.3g} µs" in page["accuracy-prediction-time"].alt
    )


def beats(a, b):
    return dominates((a.fit_seconds, a.test_accuracy), (b.fit_seconds, b.test_accuracy))


def dominates(a, b):
    return (a[0] <= b[0] and a[1] > b[1]) or (a[0] < b[0] and a[1] >= b[1])


def test_the_pareto_front_is_what_nothing_beats(rng):
    for n in (1, 2, 3, 8, 30):
        for _ in range(20):
            points = rng.integers(0, 6, (n, 2))  # with many ties
            expected = {k for k in range(n) if not any(dominates(other, points[k]) for other in points)}
            front = pareto_front(*points.T)
            assert set(front.tolist()) == expected
            assert np.all(np.diff(points[front, 0]) >= 0)


def test_confusion_matrices_have_the_shares_of_the_true_class(run, page):
    arrays = predictions(run, "cnn")
    shares = np.array([[np.mean(arrays["y_pred"][arrays["y_true"] == t] == p) for p in range(3)] for t in range(3)])
    numbers = [text for text in texts(page["confusion-neural"]) if re.fullmatch(r"[\d.]+", text)]
    assert [float(n) for n in numbers] == pytest.approx(100 * shares[shares > 0], abs=0.5)
    assert f"{100 * np.mean(arrays['y_true'] == arrays['y_pred']):.2f} % of the images" in page["confusion-neural"].alt
    wrong = shares - np.diag(np.diag(shares))
    t, p = np.unravel_index(wrong.argmax(), wrong.shape)
    names = ["cat <b>&", "dog $x$ of a breed whose name is very l…", "frog�"]
    assert f"Most often: {names[t]} taken for {names[p]} (" in page["confusion-neural"].caption


def test_most_confused_are_the_largest_shares_beside_the_diagonal(rng):
    counts = rng.integers(0, 50, (6, 6))
    shares = counts / counts.sum(axis=1, keepdims=True)
    pairs = sorted(((shares[t, p], t, p) for t in range(6) for p in range(6) if t != p), reverse=True)
    assert most_confused(counts) == [(t, p) for _, t, p in pairs[:3]]
    assert most_confused(np.diag([4, 5, 6])) == []


def test_classes_that_are_confused_stand_together(rng):
    n = 24
    shares = np.full((n, n), 0.002)
    partner = rng.permutation(n).reshape(-1, 2)
    for a, b in partner:
        shares[a, b] = shares[b, a] = 0.3
    place = np.argsort(similar_together(shares))
    assert all(abs(place[a] - place[b]) == 1 for a, b in partner)


def test_f1_scores_are_those_of_the_results_hardest_class_on_top(run, page):
    scores = {r.pipeline: [c["f1"] for c in r.per_class] for r in run.results}
    order = np.argsort(np.mean(list(scores.values()), axis=0))
    best_first = sorted(run.results, key=lambda r: -r.test_accuracy)
    shown = texts(page["f1"])[: 3 * 4 + 7]
    cells = [text for text in shown if re.fullmatch(r"\d+", text)]
    assert cells == [f"{100 * scores[r.pipeline][k]:.0f}" for k in order for r in best_first]


@pytest.mark.parametrize("pipeline", ["hog_svm", "cnn"])
def test_the_mistakes_shown_are_the_wrong_ones_of_largest_margin(run, page, pipeline):
    arrays = predictions(run, pipeline)
    ordered = np.sort(arrays["scores"], axis=1)
    margins = np.where(arrays["y_true"] == arrays["y_pred"], -np.inf, ordered[:, -1] - ordered[:, -2])
    largest = np.argsort(-margins)[: min(12, int(np.isfinite(margins).sum()))]
    picture = page["mistakes-classical" if pipeline == "hog_svm" else "mistakes-neural"]
    pixels = np.load(run.folder / "animals" / "test_images.npy")
    np.testing.assert_array_equal(embedded(picture), pixels[largest])
    assert [f"{margins[k]:.3g}" for k in largest] == texts(picture)[2::3]
    assert f"Of {np.sum(np.isfinite(margins))} wrong ones of 200 test images" in picture.caption
    assert picture.svg.count("image-rendering:pixelated") == len(largest)


def test_images_that_one_alone_gets_right(run, page):
    first, second = predictions(run, "hog_svm"), predictions(run, "cnn")
    right = [arrays["y_pred"] == arrays["y_true"] for arrays in (first, second)]
    pixels = np.load(run.folder / "animals" / "test_images.npy")
    for name, alone in (("only-classical-right", right[0] & ~right[1]), ("only-neural-right", right[1] & ~right[0])):
        assert page[name].alt.startswith(f"{alone.sum()} images that ")
        for image in embedded(page[name]):
            assert any(np.array_equal(image, other) for other in pixels[alone])


def test_learning_curves_name_the_epochs(page):
    assert "cnn: 5 epochs, stopped early; the weights of epoch 3 were kept, validation accuracy 70.00 %; overfitting " \
        "from epoch 4." in page["learning-curves"].alt  # fmt: skip


def test_overfitting_begins_where_the_watch_says(rng):
    pytest.importorskip("keras")
    from cvclassic.neural.callbacks import OverfitWatch

    turns = set()
    for _ in range(200):
        n = int(rng.integers(1, 9))
        history = {"loss": rng.integers(0, 8, n).tolist(), "val_loss": rng.integers(0, 8, n).tolist()}
        watch = OverfitWatch()
        watch.on_train_begin()
        for epoch in range(n):
            watch.on_epoch_end(epoch, {name: values[epoch] for name, values in history.items()})
        assert overfit_epoch(history) == watch.overfit_epoch
        turns.add(watch.overfit_epoch)
    assert len(turns) > 3
    assert overfit_epoch({"loss": [1.0]}) is None


def test_the_best_epoch_is_that_of_the_monitored_figure():
    assert best_epoch(HISTORY, "val_loss") == 2
    assert best_epoch(HISTORY, "val_accuracy") == 3
    assert best_epoch({"loss": [1.0]}, "val_loss") is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({1: 0.5, 10: 0.6, 100: 0.7}, {1: 0.4, 10: 0.5, 100: 0.6}, []),
        ({1: 0.5, 10: 0.6, 100: 0.7}, {1: 0.4, 10: 0.65, 100: 0.9}, [(1, 10)]),
        ({1: 0.5, 10: 0.6, 100: 0.7}, {1: 0.4, 10: 0.6, 100: 0.9}, [(1, 100)]),
        ({1: 0.5, 10: 0.6, 100: 0.7}, {1: 0.4, 10: 0.7, 100: 0.6}, [(1, 10), (10, 100)]),
        ({1: 0.5, 100: 0.7}, {1: 0.5, 10: 0.9, 100: 0.8}, []),
        ({100: 0.7, 1: 0.5}, {10: 0.1}, []),
    ],
)
def test_crossings_of_curves_made_by_hand(first, second, expected):
    assert crossings(first, second) == expected
    assert crossings(second, first) == expected


def test_several_training_sizes_have_their_curve_and_the_other_pictures_the_largest(tmp_path):
    sizes = (100, 300, 1000)
    run = make_run(tmp_path, sizes=sizes, train_sizes=list(sizes))
    set_accuracies(run, {"hog_svm": (0.8, 0.85, 0.9), "cnn": (0.3, 0.9, 0.95)})
    page = drawn(run, curves.against_training_images, accuracy.bars)
    sentence = "hog_svm and cnn cross: cnn overtakes between 100 and 300 training images."
    assert where_they_cross(run, run.datasets[0]) == sentence
    assert sentence in page["training-images"].caption
    assert sentence in page["training-images"].alt
    assert "cnn 30.00 % with 100 to 95.00 % with 1,000" in page["training-images"].alt
    assert {"100", "300", "1,000"} <= set(texts(page["training-images"]))
    assert "hog_svm 90.00 %" in page["accuracy"].alt
    assert page["accuracy"].alt.count("hog_svm") == 1
    set_accuracies(run, {"cnn": (0.3, 0.4, 0.5)})
    sentence = "hog_svm and cnn do not cross: hog_svm is ahead from 100 to 1,000 training images."
    assert where_they_cross(run, run.datasets[0]) == sentence


def set_accuracies(run, by_pipeline):
    for result in run.results:
        if result.pipeline in by_pipeline:
            place = sorted({r.n_train for r in run.results}).index(result.n_train)
            object.__setattr__(result, "test_accuracy", by_pipeline[result.pipeline][place])


def test_several_seeds_are_means_with_their_deviation(tmp_path):
    run = make_run(tmp_path, seeds=(0, 1, 2))
    page = drawn(run, accuracy.bars, classes.confusions)
    accuracies = [r.test_accuracy for r in run.results if r.pipeline == "cnn"]
    text = f"{100 * np.mean(accuracies):.2f} ± {100 * np.std(accuracies, ddof=1):.2f} %"
    assert text in texts(page["accuracy"])
    assert f"cnn {text}" in page["accuracy"].alt
    assert "standard deviation" in page["accuracy"].caption
    assert "seed 0" in page["confusion-classical"].caption


def test_each_setting_of_a_sweep_has_its_point_and_bar(tmp_path):
    settings = [{"C": str(c)} for c in range(25)]
    run = make_run(tmp_path, {"svm": ("classical", 0.8)}, settings=settings, sweep={"C": [s["C"] for s in settings]})
    page = drawn(run, accuracy.bars, accuracy.against_fit_time)
    assert {f"C={c}" for c in range(25)} <= set(texts(page["accuracy"]))
    named = {text for text in texts(page["accuracy-fit-time"]) if text.startswith("C=")}
    front = pareto_front(*np.array([(r.fit_seconds, r.test_accuracy) for r in run.results]).T)
    assert named == {f"C={run.results[k].settings['C']}" for k in front}


def test_corruptions_have_a_panel_each_and_their_mean_error(tmp_path):
    corruptions = {name: [0.8, 0.7, 0.6, 0.5, 0.4] for name in ("gaussian_noise", "blur", "jpeg")}
    run = make_run(tmp_path, extra=lambda pipeline: {"corruptions": corruptions})
    page = drawn(run, curves.against_corruptions)
    assert {"gaussian noise", "blur", "jpeg"} <= set(texts(page["corruptions"]))
    assert "cnn 40.00 %" in page["corruptions"].alt


def test_what_is_over_a_time_budget_is_named_and_energy_is_shown(tmp_path):
    def extra(pipeline):
        return {"over_budget": pipeline == "sobel_svm", "fit_energy_joules": 1234.0}

    run = make_run(tmp_path, extra=extra, time_budget=20.0)
    page = drawn(run, accuracy.against_fit_time, accuracy.against_prediction_time, accuracy.costs)
    assert "the time budget of 20 s; hollow points are over it: sobel_svm." in page["accuracy-fit-time"].caption
    assert "budget" not in page["accuracy-prediction-time"].caption
    assert texts(page["costs"]).count("1,234") == 4


def test_what_a_run_lacks_is_left_out(tmp_path):
    run = make_run(tmp_path / "a", {"hog_svm": ("classical", 0.9)}, with_scores=False, shape=(8, 8))
    failed = Result("animals", "cnn", "neural", "failed: no luck", 0, 1000)
    run = Run(run.folder, run.config, run.datasets, [*run.results, failed])
    assert set(drawn(run)) == {
        "accuracy-fit-time", "accuracy-prediction-time", "accuracy", "confusion-classical", "f1", "costs", "extractors"
    }  # fmt: skip
    for path in run.folder.rglob("*.np[yz]"):
        path.unlink()
    assert set(drawn(run)) == {"accuracy-fit-time", "accuracy-prediction-time", "accuracy", "f1", "costs"}
    assert pictures(Run(run.folder, run.config, run.datasets, [failed]), run.datasets[0]) == []
    assert pictures(Run(run.folder, run.config, run.datasets, []), run.datasets[0]) == []


def test_two_classes_have_margins_from_one_score(tmp_path):
    run = make_run(tmp_path, {"hog_svm": ("classical", 0.8)}, n_classes=2, shape=(8, 8))
    arrays = predictions(run, "hog_svm")
    wrong = np.flatnonzero(arrays["y_pred"] != arrays["y_true"])
    largest = np.sort(np.abs(arrays["scores"][wrong]))[::-1][:12]
    assert [f"{margin:.3g}" for margin in largest] == texts(
        drawn(run, images.confident_mistakes)["mistakes-classical"]
    )[2::3]


def test_a_hundred_classes_stay_small_and_readable(tmp_path):
    run = make_run(tmp_path, n_classes=100, n_test=500, shape=(32, 32, 3))
    page = drawn(run, classes.confusions, classes.f1_of_each_class, images.what_extractors_see)
    assert {"confusion-classical", "confusion-classical-sorted"} <= set(page)
    assert [image.shape[:2] for image in embedded(page["confusion-classical"])] == [(100, 100)]
    assert sum(text.startswith("class") for text in texts(page["f1"])) == 100
    assert "first 10 of 100 classes" in page["extractors"].caption
    assert sum(len(picture.svg) for picture in page.values()) < 1e6


def test_large_images_are_averaged_down(tmp_path):
    run = make_run(tmp_path, {"hog_svm": ("classical", 0.8)}, n_test=40, shape=(130, 200, 3))
    image = embedded(drawn(run, images.what_extractors_see)["extractors"])[0]
    pixels = np.load(run.folder / "animals" / "class_examples.npy")[0]
    assert image.shape == (32, 50, 3)
    np.testing.assert_allclose(image[0, 0], pixels[:4, :4].mean(axis=(0, 1)), atol=0.51)


def test_damaged_files_are_named(tmp_path):
    run = make_run(tmp_path)
    path = next(run.folder.rglob("hog_svm*/predictions.npz"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"predictions.npz can't be read .* damaged"):
        drawn(run, classes.confusions)


def test_seventeen_names_lie_on_no_other_and_on_no_point(rng):
    points = np.concatenate([rng.normal([300, 200], 25, (12, 2)), rng.uniform([60, 40], [400, 250], (5, 2))])
    sizes = np.stack([rng.uniform(40, 110, 17), np.full(17, 12)], axis=1)
    boxes = place_labels(points, sizes, (0, 0, 460, 300))
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], sizes)
    for a, b in combinations(boxes, 2):
        assert not overlap(a, b)
    for box in boxes:
        assert box[:2].min() >= 0
        assert box[2] <= 460
        assert box[3] <= 300
        assert not any(overlap(box, [*(point - 4), *(point + 4)]) for point in points)


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color vision deficiency (2009),
# severity 1, for linear RGB: protanopia, deuteranopia, tritanopia.
MACHADO = np.array([
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
])  # fmt: skip


def rgb(color):
    return np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255


def linear(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def gamma(values):
    values = np.clip(values, 0, 1)
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("matrix", [np.eye(3), *MACHADO], ids=["normal", "protan", "deutan", "tritan"])
def test_families_can_be_told_apart_by_the_color_blind(matrix):
    seen = [rgb2lab(gamma(matrix @ linear(rgb(color)))[np.newaxis])[0] for color in style.FAMILY_COLORS.values()]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 20


@pytest.mark.parametrize("background", ["#ffffff", "#14171a"])
def test_colors_are_legible_on_white_and_on_near_black(background):
    weights = np.array([0.2126, 0.7152, 0.0722])
    for color in {*style.FAMILY_COLORS.values(), *style.SERIES_COLORS}:
        dark, bright = sorted([weights @ linear(rgb(background)), weights @ linear(rgb(color))])
        assert (bright + 0.05) / (dark + 0.05) >= 3, color
