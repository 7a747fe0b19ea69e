"""The pictures say what the study says, and can stand in a page: from made runs whose figures are known."""

import base64
import io
import re
from collections import Counter
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab
from sklearn.metrics import f1_score
from statsmodels.stats.proportion import proportion_confint

from cvclassic.errors import DataError
from cvclassic.report.pictures import accuracy, classes, curves, images, pictures, style
from cvclassic.report.pictures.accuracy import pareto_front
from cvclassic.report.pictures.classes import most_confused, similar_together
from cvclassic.report.pictures.labels import place_labels
from cvclassic.report.pictures.subject import Subject
from cvclassic.report.terminal import STYLES
from cvclassic.runs.job import FAMILIES, ClassFigures, Outcome, Predictions, SetImages, Training
from cvclassic.study.sizes import crossing_sentence
from cvclassic.study.study import Study
from tests.made_runs import make_study

SVG = "{http://www.w3.org/2000/svg}"
JOBS = [
    ("animals", "hog_svm", "classical", 20, 0.5),
    ("animals", "sobel_svm", "classical", 60, 0.7, {"predict_images_per_second": 900.0}),
    ("animals", "head", "hybrid", 50, 5.0),
    ("animals", "cnn", "neural", 40, 50.0),
]
HISTORY = {
    "loss": [1.0, 0.6, 0.4, 0.3, 0.2],
    "accuracy": [0.5, 0.7, 0.8, 0.9, 0.95],
    "val_loss": [1.1, 0.8, 0.7, 0.75, 0.8],
    "val_accuracy": [0.5, 0.6, 0.7, 0.72, 0.71],
    "learning_rate": [0.01, 0.01, 0.005, 0.005, 0.0],
}
HOSTILE = ("<script>alert(1)</script>", "$x$ & \"'", "a\nb\x00\x1b[31m", "\ud800\u202eevil", "_under]]>")
HARMLESS = ("<script>alert(1)</script>", "$x$ & \"'", "a b\ufffd\ufffd[31m", "\ufffd\ufffdevil", "_under]]>")


def make(jobs=JOBS, *, n_test=200, shape=(12, 16, 3), **more):
    """The study of one data set, of small images."""
    return make_study(jobs, n_test=n_test, shape=shape, **more).datasets[0]


def scattered(study):
    """The study with predictions that are wrong here and there, each pipeline elsewhere, and figures to match."""
    random, n_classes = np.random.default_rng(5), len(study.record.class_names)

    def change(outcome):
        result, y_true = outcome.result, outcome.predictions.y_true
        scores = random.normal(size=(len(y_true), n_classes)).astype(np.float32)
        right = random.random(len(y_true)) < result.test_accuracy
        scores[right, y_true[right]] += 10
        y_pred = scores.argmax(axis=1)
        f1 = f1_score(y_true, y_pred, average=None, labels=range(n_classes), zero_division=0.0)
        per_class = tuple(ClassFigures("", 0.5, 0.5, float(score), 10) for score in f1)
        result = replace(result, test_accuracy=float(np.mean(y_true == y_pred)), per_class=per_class)
        return Outcome(result, Predictions(y_true, y_pred, scores))

    run = study.study.run
    return Study(replace(run, outcomes=tuple(map(change, run.outcomes)))).datasets[0]


def drawn(study, *makers):
    """Pictures by name: all of a data set's, or those of some makers."""
    if not makers:
        found, lost = pictures(study)
        assert lost == []
    else:
        with style.drawing_style():
            found = [picture for make in makers for picture in make(Subject(study))]
    return {picture.name: picture for picture in found}


def texts(picture):
    return ["".join(element.itertext()) for element in parsed(picture).iter(SVG + "text")]


def parsed(picture):
    return ElementTree.fromstring(picture.svg)


def embedded(picture):
    """The pixels of each image in a picture."""
    found = re.findall(r'href="data:image/png;base64,([^"]+)"', picture.svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))[..., :3] for text in found]


def results(study):
    return [outcome.result for outcome in study.outcomes]


def predictions(study, pipeline):
    (found,) = [outcome.predictions for outcome in study.outcomes if outcome.result.pipeline == pipeline]
    return found


def pixels_of(study):
    return study.study.run.images[study.name].test


@pytest.fixture(scope="module")
def study():
    names = ["cat <b>&", "dog $x$ of a breed whose name is very long", "frog\x01\n"]
    trained = {"history": HISTORY, "training": Training(8, 2, 3), "converged": False}
    return scattered(make([*JOBS[:3], (*JOBS[3], trained)], classes=names))


@pytest.fixture(scope="module")
def page(study):
    return drawn(study)


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


def test_no_id_stands_twice_in_a_page_of_several_sets_and_runs_and_every_reference_is_met(page):
    both = [*JOBS, *(("others", *job[1:]) for job in JOBS)]
    others = [make(n_test=60, name="b"), *make_study(both, sets=("animals", "others"), n_test=60, name="c").datasets]
    makers = accuracy.bars, accuracy.against_fit_time, images.confident_mistakes
    others = [drawn(other, *makers) for other in others]
    svgs = [picture.svg for each in (page, *others) for picture in each.values()]
    ids = Counter(identifier for svg in svgs for identifier in re.findall(r' id="([^"]+)"', svg))
    assert max(ids.values()) == 1
    for svg in svgs:
        wanted = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg))
        assert {a or b for a, b in wanted} == set(re.findall(r' id="([^"]+)"', svg))


def test_bars_are_as_long_as_the_accuracies_and_have_their_figures(study, page):
    best_first = sorted(results(study), key=lambda r: -r.test_accuracy)
    told = [text for text in texts(page["accuracy"]) if "–" in text]
    intervals = [proportion_confint(round(200 * r.test_accuracy), 200, method="wilson") for r in best_first]
    assert told == [
        f"{100 * r.test_accuracy:.2f} % ({100 * low:.2f} – {100 * high:.2f})"
        for r, (low, high) in zip(best_first, intervals, strict=True)
    ]
    for result, text in zip(best_first, told, strict=True):
        assert f"{result.pipeline} {text}" in page["accuracy"].alt
    bars = []
    for path in parsed(page["accuracy"]).iter("{http://www.w3.org/2000/svg}path"):
        if path.get("clip-path") and any(color in path.get("style") for color in style.FAMILY_COLORS.values()):
            x = [float(number) for number in re.findall(r"[ML] (\S+)", path.get("d"))]
            bars.append(max(x) - min(x))
    lengths = np.array(bars) / bars[0]
    np.testing.assert_allclose(lengths, [r.test_accuracy / best_first[0].test_accuracy for r in best_first], atol=1e-3)


def test_alt_texts_have_times_and_the_front(study, page):
    alt = page["accuracy-fit-time"].alt
    found = results(study)
    front = [r for r in found if not any(beats(other, r) for other in found)]
    for result in found:
        assert f"{result.pipeline} {result.fit_seconds:.3g} s, {100 * result.test_accuracy:.2f} %" in alt
    told, _, taken = alt.partition(" What to take: ")
    assert taken == f"{study.advice.taken.name}."
    head, _, rest = told.partition("The others")
    assert all((r.pipeline in head) == (r in front) for r in found)
    assert all((r.pipeline in rest) != (r in front) for r in found)
    assert {r.pipeline for r in found} <= set(texts(page["accuracy-fit-time"]))
    assert "sobel_svm 1.11e+03 µs" in page["accuracy-prediction-time"].alt


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


def test_a_confusion_matrix_of_few_classes_is_small_and_has_counts(study, page):
    said = predictions(study, "cnn")
    shares = np.array([[np.mean(said.y_pred[said.y_true == t] == p) for p in range(3)] for t in range(3)])
    counts = [np.sum((said.y_true == t) & (said.y_pred == p)) for t in range(3) for p in range(3)]
    assert [int(text) for text in texts(page["confusion-neural"]) if text.isdigit()] == counts
    assert max(size_of(page["confusion-neural"])) < 300
    assert f"{100 * np.mean(said.y_true == said.y_pred):.2f} % of the images" in page["confusion-neural"].alt
    wrong = shares - np.diag(np.diag(shares))
    t, p = np.unravel_index(wrong.argmax(), wrong.shape)
    names = ["cat <b>&", "dog $x$ of a breed whose name is very l…", "frog�"]
    assert f"Most often: {names[t]} taken for {names[p]} (" in page["confusion-neural"].caption


def size_of(picture):
    return [float(side) for side in parsed(picture).get("viewBox").split()[2:]]


def test_a_confusion_matrix_of_more_classes_has_the_shares_of_the_true_class():
    study = scattered(make(classes=[f"class {k}" for k in range(6)]))
    picture = drawn(study, classes.confusions)["confusion-neural"]
    said = predictions(study, "cnn")
    shares = np.array([[np.mean(said.y_pred[said.y_true == t] == p) for p in range(6)] for t in range(6)])
    numbers = [text for text in texts(picture) if re.fullmatch(r"[\d.]+", text)]
    assert [float(n) for n in numbers] == pytest.approx(100 * shares[shares > 0], abs=0.5)
    assert "in % of them" in picture.caption
    assert max(size_of(picture)) > 300


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


def test_f1_scores_are_those_of_the_results_hardest_class_on_top(study, page):
    scores = {r.pipeline: [own.f1 for own in r.per_class] for r in results(study)}
    order = np.argsort(np.mean(list(scores.values()), axis=0))
    best_first = sorted(results(study), key=lambda r: -r.test_accuracy)
    shown = texts(page["f1"])[: 3 * 4 + 7]
    cells = [text for text in shown if re.fullmatch(r"\d+", text)]
    assert cells == [f"{100 * scores[r.pipeline][k]:.0f}" for k in order for r in best_first]


@pytest.mark.parametrize("pipeline", ["hog_svm", "cnn"])
def test_the_mistakes_shown_are_the_wrong_ones_of_largest_margin(study, page, pipeline):
    said = predictions(study, pipeline)
    ordered = np.sort(said.scores, axis=1)
    margins = np.where(said.y_true == said.y_pred, -np.inf, ordered[:, -1] - ordered[:, -2])
    largest = np.argsort(-margins)[: min(12, int(np.isfinite(margins).sum()))]
    picture = page["mistakes-classical" if pipeline == "hog_svm" else "mistakes-neural"]
    np.testing.assert_array_equal(embedded(picture), pixels_of(study)[largest])
    assert [f"{margins[k]:.3g}" for k in largest] == texts(picture)[2::3]
    assert f"Of {np.sum(np.isfinite(margins))} wrong ones of 200 test images" in picture.caption
    assert picture.svg.count("image-rendering:pixelated") == len(largest)


def test_images_that_one_alone_gets_right(study, page):
    right = [said.y_pred == said.y_true for said in (predictions(study, "hog_svm"), predictions(study, "cnn"))]
    for name, alone in (("only-classical-right", right[0] & ~right[1]), ("only-neural-right", right[1] & ~right[0])):
        assert page[name].alt.startswith(f"{alone.sum()} images that ")
        for image in embedded(page[name]):
            assert any(np.array_equal(image, other) for other in pixels_of(study)[alone])


def test_the_pictures_have_the_rivals_of_the_study_not_the_best_on_the_test_images():
    study = make([
        ("animals", "lucky_svm", "classical", 4, 1.0, {"validation_accuracy": 0.7}),
        ("animals", "hog_svm", "classical", 30, 1.0, {"validation_accuracy": 0.95}),
        ("animals", "lucky_net", "neural", 2, 1.0, {"validation_accuracy": 0.6}),
        ("animals", "cnn", "neural", 20, 1.0, {"validation_accuracy": 0.9}),
    ])  # fmt: skip
    assert study.winner.name == "hog_svm"
    page = drawn(study, classes.confusions, images.confident_mistakes, images.disagreements, accuracy.bars)
    assert page["confusion-classical"].caption.startswith("hog_svm, the best classical one on the validation images.")
    assert page["confusion-neural"].caption.startswith("cnn, the best neural one on the validation images.")
    assert page["only-neural-right"].title == "Right by cnn, wrong by hog_svm"
    del page["accuracy"]
    assert not any("lucky" in picture.title + picture.caption + picture.alt for picture in page.values())


def test_of_one_family_the_rivals_are_the_two_that_are_compared():
    study = make([*JOBS[:2], ("animals", "worst_svm", "classical", 90, 0.1)])
    page = drawn(study, classes.confusions, images.confident_mistakes, images.disagreements)
    assert [each.name for each in study.questions[0].named] == ["hog_svm", "sobel_svm"]
    assert list(page) == [
        *("confusion-classical", "confusion-classical-next", "mistakes-classical", "mistakes-classical-next"),
        "only-classical-right",
    ]
    assert page["confusion-classical-next"].caption.startswith("sobel_svm, the next of the classical ones on the")


def test_the_rival_of_a_pretrained_one_is_the_classical_one():
    study = make([JOBS[0], ("animals", "frozen", "pretrained", 10, 9.0)])
    assert list(drawn(study, classes.confusions)) == ["confusion-classical", "confusion-pretrained"]


def test_without_a_neural_one_the_rival_is_the_hybrid():
    page = drawn(make(JOBS[:3]), classes.confusions)
    assert list(page) == ["confusion-classical", "confusion-hybrid"]
    assert page["confusion-hybrid"].caption.startswith("head, the best hybrid one")


def test_learning_curves_name_the_epochs(page):
    said = "the weights of epoch 3 were kept, validation accuracy 70.00 %; overfitting from epoch 4."
    assert f"cnn: 5 epochs, stopped early, still learning; {said}" in page["learning-curves"].alt


def test_learning_curves_mark_what_was_still_learning(page):
    assert "cnn: 5 epochs, stopped early, still learning; the weights" in page["learning-curves"].alt
    assert page["learning-curves"].caption.endswith("Still learning: cnn.")
    settled = drawn(make([*JOBS[:3], (*JOBS[3], {"history": HISTORY, "converged": True})]), curves.learning_curves)
    assert "Still" not in settled["learning-curves"].caption
    assert "cnn: 5 epochs." in settled["learning-curves"].alt


def test_a_history_of_other_kinds_costs_no_other_curve():
    odd = [
        {"loss": []},
        {"metric": [1.0]},
        {"loss": [1.0, 0.5], "val_loss": [1.0]},
        {"loss": [0.0], "learning_rate": [0.0]},
    ]
    jobs = [("animals", f"net{k}", "neural", 9, 1.0, {"history": history}) for k, history in enumerate(odd)]
    alt = drawn(make([*JOBS, *jobs]), curves.learning_curves)["learning-curves"].alt
    assert [name for name in ("cnn", "net0", "net1", "net2", "net3") if f"{name}: " in alt] == ["cnn", "net3"]


def test_several_training_sizes_have_their_curve_and_the_other_pictures_the_largest():
    wrong = {("hog_svm", "classical"): (40, 30, 20), ("cnn", "neural"): (140, 20, 10)}
    jobs = [
        ("animals", *who, number, 1.0, {"n_train": n_train})
        for who, numbers in wrong.items() for n_train, number in zip((100, 300, 1000), numbers, strict=True)
    ]  # fmt: skip
    study = make(jobs, train_sizes=(100, 300, 1000))
    page = drawn(study, curves.against_training_images, accuracy.bars)
    sentence = crossing_sentence(study)
    assert sentence in page["training-images"].caption
    assert sentence in page["training-images"].alt
    assert "100" in sentence
    assert "300" in sentence
    assert "cnn 30.00 % with 100 to 95.00 % with 1,000" in page["training-images"].alt
    assert {"100", "300", "1,000"} <= set(texts(page["training-images"]))
    assert "hog_svm 90.00 %" in page["accuracy"].alt
    assert page["accuracy"].alt.count("hog_svm") == 1


def test_several_seeds_are_means_with_their_deviation():
    jobs = [(*job[:3], job[3] + 3 * seed**2, 1.0, {"seed": seed}) for job in JOBS for seed in range(3)]
    study = make(jobs, repeats=3)
    page = drawn(study, accuracy.bars, classes.confusions)
    accuracies = [r.test_accuracy for r in results(study) if r.pipeline == "cnn"]
    text = f"{100 * np.mean(accuracies):.2f} ± {100 * np.std(accuracies, ddof=1):.2f} %"
    low, high = next(each.interval for each in study.configurations if each.name == "cnn")
    text += f" ({100 * low:.2f} – {100 * high:.2f})"
    assert text in texts(page["accuracy"])
    assert f"cnn {text}" in page["accuracy"].alt
    assert page["accuracy"].caption.endswith("Of several seeds it is the mean, ± their standard deviation.")
    assert "seed 0" in page["confusion-classical"].caption


def test_a_single_seed_that_succeeded_among_several_has_its_own_interval():
    jobs = [("animals", "hog_svm", "classical", 20, 1.0, {"seed": seed}) for seed in range(2)]
    jobs += [("animals", "cnn", "neural", wrong, 1.0, {"seed": seed}) for seed, wrong in enumerate((40, "failed: no"))]
    page = drawn(make(jobs, repeats=2), accuracy.bars)
    low, high = proportion_confint(160, 200, method="wilson")
    assert f"80.00 % ({100 * low:.2f} – {100 * high:.2f})" in texts(page["accuracy"])


def test_damaged_predictions_of_one_seed_leave_those_of_the_next():
    jobs = [("animals", "hog_svm", "classical", 20 + seed, 1.0, {"seed": seed}) for seed in range(2)]
    run = make(jobs, repeats=2).study.run
    run = replace(run, outcomes=(replace(run.outcomes[0], predictions=None), run.outcomes[1]))
    page = drawn(Study(run).datasets[0], classes.confusions)
    assert "(seed 1)" in page["confusion-classical"].caption


def sweep(n):
    values = [{"settings": {"C": str(c)}, "validation_accuracy": 0.9 - c / 100} for c in range(n)]
    jobs = [("animals", "svm", "classical", n + 9 - c, 1.0 + c % 7, own) for c, own in enumerate(values, 1)]
    return make(jobs, sweep={"C": [own["settings"]["C"] for own in values]})


def test_each_configuration_of_a_sweep_has_its_point_and_bar():
    study = sweep(25)
    page = drawn(study, accuracy.bars, accuracy.against_fit_time)
    assert {f"C={c}" for c in range(25)} <= set(texts(page["accuracy"]))
    shown = {text for text in texts(page["accuracy-fit-time"]) if text.startswith("C=")}
    found = results(study)
    front = pareto_front(*np.array([(r.fit_seconds, r.test_accuracy) for r in found]).T)
    assert shown == {f"C={dict(found[k].settings)['C']}" for k in front} | {study.advice.taken.name}


def test_long_names_that_have_no_room_are_only_those_of_the_front_and_of_what_is_compared():
    jobs = [(*job[:1], f"{job[1]}_with_a_name_that_is_quite_long", *job[2:]) for job in (*JOBS, *JOBS)]
    jobs = [(set_name, f"{name}_{k}", *rest) for k, (set_name, name, *rest) in enumerate(jobs)]
    picture = drawn(study := make(jobs), accuracy.against_fit_time)["accuracy-fit-time"]
    told = [each.name for question in study.questions for each in question.named]
    shown = [text for text in texts(picture) if "with_a_name" in text]
    assert all(name[:30] in " ".join(shown) for name in told)
    assert len(shown) < len(jobs)
    assert "They alone have names here" in picture.caption


def test_each_point_has_its_interval_as_a_whisker_and_what_to_take_has_a_ring(monkeypatch):
    figures = []
    monkeypatch.setattr(Subject, "picture", lambda subject, *words: figures.append(words[-1]))
    study = make()
    with style.drawing_style():
        accuracy.against_fit_time(Subject(study))
    drawn_lines = [line.get_xydata() for line in figures[0].axes[0].get_lines()]
    for each in study.contenders:
        x = each.mean("fit_seconds")
        expected = [[x, 100 * bound] for bound in each.interval]
        assert any(line.shape == (2, 2) and np.allclose(line, expected) for line in drawn_lines)
    rings = [line for line in figures[0].axes[0].get_lines() if line.get_markersize() == accuracy.TAKEN["markersize"]]
    taken = study.advice.taken
    [ring] = [line.get_xydata()[0] for line in rings]
    assert ring == pytest.approx([taken.mean("fit_seconds"), 100 * taken.mean("test_accuracy")])
    assert [text.get_text() for text in figures[0].legends[0].get_texts()][-1] == "what to take"


def test_where_not_all_have_room_those_are_shown_that_are_best_on_validation():
    study = sweep(45)  # the better on validation, the worse on the test images
    page = drawn(study, accuracy.bars, classes.f1_of_each_class, accuracy.costs)
    assert [text for text in texts(page["accuracy"]) if text.startswith("C=")] == [f"C={c}" for c in range(39, -1, -1)]
    assert page["accuracy"].caption.endswith("Only the 40 of 45 that are best on the validation images are shown.")
    assert page["f1"].caption.endswith("Only the 30 of 45 that are best on the validation images are shown.")
    assert study.winner.name == "C=0"


def test_corruptions_have_a_panel_each_and_their_mean_error():
    corruptions = {name: [0.8, 0.7, 0.6, 0.5, 0.4] for name in ("gaussian_noise", "blur", "jpeg")}
    more = {"corruptions": corruptions, "mean_corruption_error": 0.4, "n_corrupted": 150}
    page = drawn(make([(*JOBS[0], more), (*JOBS[3], more), JOBS[2]]), curves.against_corruptions)
    assert {"gaussian noise", "blur", "jpeg"} <= set(texts(page["corruptions"]))
    assert "cnn 40.00 %" in page["corruptions"].alt
    assert "head" not in page["corruptions"].alt
    assert "on all 200 test images, the others on 150." in page["corruptions"].caption


def test_what_is_over_a_time_budget_is_named_and_energy_is_shown():
    more = {"fit_energy_joules": 1234.0}
    jobs = [(*job[:5], more | {"over_budget": job[1] == "head"}) for job in JOBS]
    makers = accuracy.against_fit_time, accuracy.against_prediction_time, accuracy.costs
    page = drawn(make(jobs, time_budget=20.0), *makers)
    assert "the time budget of 20 s; hollow points are over it: head." in page["accuracy-fit-time"].caption
    assert "budget" not in page["accuracy-prediction-time"].caption
    assert texts(page["costs"]).count("1,234") == 4
    assert "over their time budget: head." in drawn(make(jobs), *makers)["accuracy-fit-time"].caption


def test_what_a_run_lacks_is_left_out():
    run = make([JOBS[0], ("animals", "cnn", "neural", "failed: no luck")], shape=(8, 8)).study.run
    said = run.outcomes[0].predictions

    def names(predictions, images):
        outcomes = (replace(run.outcomes[0], predictions=predictions), run.outcomes[1])
        changed = replace(run, outcomes=outcomes, images={"animals": images})
        return set(drawn(Study(changed).datasets[0]))

    least = {"accuracy-fit-time", "accuracy-prediction-time", "accuracy", "f1", "costs"}
    assert names(replace(said, scores=None), run.images["animals"]) == least | {"confusion-classical", "extractors"}
    assert names(None, SetImages()) == least
    assert pictures(make([("animals", "cnn", "neural", "failed: no luck")])) == ([], [])
    assert pictures(make([("animals", "cnn", "neural", None)])) == ([], [])


def test_a_picture_that_fails_costs_no_other(monkeypatch):
    def fails(subject):
        raise RuntimeError("no\nluck \x1b")

    study = make(JOBS[:1])
    names = list(drawn(study))
    monkeypatch.setattr(accuracy, "bars", fails)
    found, lost = pictures(study)
    assert [picture.name for picture in found] == [name for name in names if name != "accuracy"]
    assert lost == ["The picture of accuracies could not be drawn: RuntimeError: no luck \ufffd"]


def test_an_interrupt_ends_the_drawing(monkeypatch):
    def interrupted(subject):
        raise KeyboardInterrupt

    monkeypatch.setattr(accuracy, "against_fit_time", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pictures(make())


def test_predictions_of_other_images_are_no_disagreement():
    run = make().study.run
    said = run.outcomes[0].predictions
    other = replace(run.outcomes[0], predictions=replace(said, y_true=np.roll(said.y_true, 1)))
    study = Study(replace(run, outcomes=(other, *run.outcomes[1:]))).datasets[0]
    with pytest.raises(DataError, match="hog_svm and cnn were not tested on the same images"):
        drawn(study, images.disagreements)


def test_each_family_has_a_color_a_marker_and_a_hatch_of_its_own():
    for look in (style.family_color, style.family_marker, lambda family: style.bar_style(family)["hatch"]):
        assert len({look(family) for family in (*FAMILIES, "another")}) == len(FAMILIES) + 1
    assert set(FAMILIES) <= set(STYLES)


def test_the_baseline_is_a_line_among_the_bars_and_no_contender_elsewhere():
    study = make([*JOBS, ("animals", "most_frequent", "baseline", 130)])
    page = drawn(study, accuracy.bars, accuracy.against_fit_time, accuracy.costs)
    assert [any("most_frequent" in text for text in texts(picture)) for picture in page.values()] == [
        True,
        False,
        False,
    ]


def test_hostile_names_come_out_harmless():
    families = ("classical", "neural", "hybrid", "classical", "neural")
    more = {"corruptions": {"blur": [0.5] * 5}, "mean_corruption_error": 0.5}
    jobs = [
        (HOSTILE[0], name, family, 30 + k, 1.0, more | {"n_train": n_train})
        for k, (name, family) in enumerate(zip(HOSTILE, families, strict=True)) for n_train in (100, 1000)
    ]  # fmt: skip
    study = make_study(
        jobs, sets=HOSTILE[:1], name=HOSTILE[3], classes=HOSTILE, n_test=60, train_sizes=(100, 1000)
    ).datasets[0]
    page = drawn(study)
    assert {"training-images", "corruptions", "learning-curves", "confusion-classical"} <= set(page)
    for picture in page.values():
        for text in (picture.title, picture.caption, picture.alt, picture.svg):
            text.encode()
            assert text.replace("\n", "").isprintable()
        tags = {element.tag.removeprefix(SVG) for element in parsed(picture).iter()}
        assert tags <= {"svg", "g", "defs", "clipPath", "rect", "path", "use", "text", "tspan", "image", "pattern"}
    assert set(HARMLESS) <= set(texts(page["accuracy"]))
    labels = texts(page["training-images"])
    assert all(any(text.startswith(name) for text in labels) for name in HARMLESS)


def test_two_classes_have_margins_from_one_score():
    run = make(JOBS[:1], classes=("cat", "dog"), shape=(8, 8)).study.run
    said = run.outcomes[0].predictions
    scores = said.scores[:, 1] - said.scores[:, 0]
    outcome = replace(run.outcomes[0], predictions=replace(said, scores=scores))
    page = drawn(Study(replace(run, outcomes=(outcome,))).datasets[0], images.confident_mistakes)
    largest = np.sort(np.abs(scores[said.y_pred != said.y_true]))[::-1][:12]
    assert [f"{margin:.3g}" for margin in largest] == texts(page["mistakes-classical"])[2::3]


def test_a_hundred_classes_stay_small_and_readable():
    study = make(classes=[f"class{k}" for k in range(100)], n_test=500, shape=(32, 32, 3))
    page = drawn(study, classes.confusions, classes.f1_of_each_class, images.what_extractors_see)
    assert {"confusion-classical", "confusion-classical-sorted"} <= set(page)
    assert [image.shape[:2] for image in embedded(page["confusion-classical"])] == [(100, 100)]
    assert sum(text.startswith("class") for text in texts(page["f1"])) == 100
    assert "first 10 of 100 classes" in page["extractors"].caption
    assert sum(len(picture.svg) for picture in page.values()) < 1e6


def test_large_images_are_averaged_down():
    study = make(JOBS[:1], n_test=40, shape=(130, 200, 3))
    image = embedded(drawn(study, images.what_extractors_see)["extractors"])[0]
    pixels = study.study.run.images["animals"].examples[0]
    assert image.shape == (32, 50, 3)
    np.testing.assert_allclose(image[0, 0], pixels[:4, :4].mean(axis=(0, 1)), atol=0.51)


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
