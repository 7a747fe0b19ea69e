"""The doctor: each kind of finding on real files, harmless output, and nothing to say where nothing is wrong."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import cvclassic
from cvclassic.cli import app
from cvclassic.datasets.doctor import Finding, check, probably_mislabelled
from cvclassic.datasets.doctor.counts import smallest_difference
from cvclassic.datasets.doctor.shortcuts import shortcuts
from cvclassic.datasets.shapes import draw_shapes
from cvclassic.errors import DataError, InputError

rng = np.random.default_rng(0)


def scene(height=40, width=40):
    coarse = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def put(path, image, *options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())


@pytest.fixture
def folder(tmp_path):
    """Two classes of 30 pictures each with nothing wrong but that they are few."""
    root = tmp_path / "pets"
    for name in ("cat", "dog"):
        for k in range(30):
            put(root / name / f"{k:02}.png", scene())
    return root


def found(data, **options) -> dict[str, Finding]:
    return {finding.kind: finding for finding in check(data, **options).findings}


def run(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_a_clean_folder_has_nothing_but_its_size(folder):
    checked = check(folder)
    assert [finding.kind for finding in checked.findings] == ["small_test"]
    assert checked.parts == {"all": (30, 30)}
    assert (checked.name, checked.class_names, checked.image_shape) == ("pets", ("cat", "dog"), (32, 32, 3))
    assert cvclassic.check(str(folder)) == checked
    assert not checked.severe
    assert "50 % of the images" in checked.summary
    assert checked.files == "Files: 40 x 40 pixels; 8 bits; in color."


def test_copies_are_counted_as_the_files_that_would_go(folder):
    for k in range(3):
        shutil.copyfile(folder / "cat" / "00.png", folder / "cat" / f"copy {k}.png")
    shutil.copyfile(folder / "cat" / "01.png", folder / "dog" / "also.png")
    put(folder / "cat" / "again.jpg", cv2.imread(str(folder / "cat" / "02.png")), cv2.IMWRITE_JPEG_QUALITY, 50)
    findings = found(folder)
    exact = findings["exact_copies"]
    assert (exact.severity, exact.count) == ("warning", 4)
    assert exact.groups == (
        ("cat/00.png", "cat/copy 0.png", "cat/copy 1.png", "cat/copy 2.png"),
        ("cat/01.png", "dog/also.png"),
    )
    assert exact.files == sum(exact.groups, ())
    assert findings["near_copies"].groups == (("cat/02.png", "cat/again.jpg"),)
    assert findings["near_copies"].count == 1
    conflict = findings["conflicting_labels"]
    assert (conflict.severity, conflict.count, conflict.files) == ("severe", 1, ("cat/01.png", "dog/also.png"))
    assert "cat/01.png (cat) and dog/also.png (dog)" in conflict.text


def test_test_images_that_were_learned_from_are_severe(folder, tmp_path):
    root = tmp_path / "parts"
    for name in ("cat", "dog"):
        for k in range(30):
            target = root / ("test" if k < 8 else "train") / name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name / f"{k:02}.png", target / f"{k:02}.png")
    shutil.copyfile(folder / "cat" / "10.png", root / "test" / "cat" / "seen.png")
    put(root / "test" / "dog" / "seen.jpg", cv2.imread(str(folder / "dog" / "10.png")), cv2.IMWRITE_JPEG_QUALITY, 50)
    leaked = found(root)["leaked_test_images"]
    assert (leaked.severity, leaked.count) == ("severe", 2)
    assert leaked.files == ("test/cat/seen.png", "test/dog/seen.jpg")
    assert leaked.groups[1] == ("train/dog/10.png", "test/dog/seen.jpg")
    assert leaked.text.startswith("2 of 18 test images (11 %) are copies of training images, 1 exact and 1 near")
    assert check(root).parts == {"train": (22, 22), "test": (9, 9)}


def test_files_that_are_not_used_are_told_by_kind(folder):
    jpeg = cv2.imencode(".jpg", scene())[1].tobytes()
    (folder / "cat" / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "cat" / "text.png").write_text("no picture")
    (folder / "dog" / "empty.png").touch()
    (folder / "dog" / "notes.txt").write_text("Monday")
    (folder / "dog" / ".hidden.png").write_bytes(jpeg)
    (folder / "dog" / ".DS_Store").touch()  # of the system, and nobody's concern
    (folder / "dog" / "old.gif").write_bytes(b"GIF89a")
    (folder / "dog" / "raw.dng").write_bytes(b"II*")
    (folder / "stray.png").write_bytes(jpeg)
    findings = found(folder)
    assert findings["unreadable_files"].files == ("cat/cut.jpg", "cat/text.png", "dog/old.gif")
    assert "2 cut off (cat/cut.jpg, dog/old.gif)" in findings["unreadable_files"].text
    assert (findings["empty_files"].count, findings["empty_files"].files) == (1, ("dog/empty.png",))
    skipped = findings["skipped_files"]
    assert sorted(skipped.files) == ["dog/.hidden.png", "dog/notes.txt", "dog/raw.dng", "stray.png"]
    assert skipped.severity == "warning"
    assert "(dog/raw.dng, stray.png)" in skipped.text


def test_links_that_lead_nowhere_or_in_circles_are_told(folder):
    os.symlink("..", folder / "cat" / "up")
    os.symlink("circle", folder / "circle")
    os.symlink("nowhere.png", folder / "dog" / "gone.png")
    skipped = found(folder)["skipped_files"]
    assert sorted(skipped.files) == ["cat/up", "circle", "dog/gone.png"]
    assert check(folder).parts == {"all": (30, 30)}


def test_sizes_shapes_and_depths(folder):
    put(folder / "cat" / "long.png", scene(12, 900))
    put(folder / "cat" / "large.png", scene(300, 300))
    put(folder / "dog" / "pixel.png", scene(1, 1))
    put(folder / "dog" / "deep.png", scene().astype(np.uint16) * 257)
    put(folder / "dog" / "gray.png", scene()[..., 0])
    put(folder / "dog" / "clear.png", np.dstack([scene(), np.full((40, 40), 128, np.uint8)]))
    put(folder / "cat" / "white.png", np.full((40, 40, 3), 255, np.uint8))
    assert check(folder).files == (
        "Files: 1 to 900 pixels wide and 1 to 300 high, the medians 40 x 40; 8 and 16 bits; 1 gray, 66 in color."
    )
    findings = found(folder, image_size=32)
    assert findings["padding"].files == ("cat/long.png",)
    assert "up to 75 times" in findings["padding"].text
    assert findings["lost_detail"].files == ("cat/large.png", "cat/long.png")
    assert "--image-size" in findings["lost_detail"].text
    assert found(folder, image_size=96)["lost_detail"].files == ("cat/long.png",)
    stretched = found(folder, image_size=32, resize="stretch")
    assert stretched["stretching"].files == ("cat/long.png",)
    assert stretched["lost_detail"].files == ("cat/large.png",)
    cropped = found(folder, image_size=32, resize="crop")
    assert "up to 99 % of a picture is lost" in cropped["cropping"].text
    assert cropped["lost_detail"].files == ("cat/large.png",)
    assert findings["tiny_pictures"].files == ("dog/pixel.png",)
    assert findings["plain_pictures"].files == ("cat/white.png", "dog/pixel.png")
    mixed = findings["mixed_color"]
    assert "dog/gray.png" in mixed.files
    assert "dog/deep.png" in mixed.files
    assert "1 of 16 bits" in mixed.text
    assert "shortcut" not in findings


def test_unequal_and_small_classes_are_told(folder):
    for k in range(26):
        (folder / "dog" / f"{k:02}.png").unlink()
    findings = found(folder)
    assert findings["imbalance"].severity == "severe"
    assert "always answering 'cat' is right for 88 %" in findings["imbalance"].text
    assert "dog (4)" in findings["few_images"].text


def test_shortcuts_of_each_kind_are_seen(tmp_path):
    def of(make):
        root = tmp_path / make.__name__
        for number, name in enumerate("ab"):
            for k in range(30):
                make(root / name / str(k), number)
        texts = [each.text for each in check(root).findings if each.kind == "shortcut"]
        return [text.split(" alone")[0].removeprefix("From the ") for text in texts]

    def size(path, number):
        put(path.with_suffix(".png"), scene(40 + 3 * number, 40 + 3 * number))

    def shape(path, number):
        side = rng.integers(40, 80)
        put(path.with_suffix(".png"), scene(side, side + int(side * 0.2 * number)))

    def saving(path, number):
        put(path.with_suffix(".jpg"), scene(), cv2.IMWRITE_JPEG_QUALITY, 95 - 60 * number)

    def depth(path, number):
        put(path.with_suffix(".png"), scene() if number else scene()[..., 0])

    def color(path, number):
        put(path.with_suffix(".png"), (scene() // 2 + 100 * number).astype(np.uint8))

    def light(path, number):
        put(path.with_suffix(".png"), (scene()[..., 0] // 2 + 100 * number).astype(np.uint8))

    assert of(light) == ["mean brightness"]
    assert of(size) == ["width and height"]
    assert of(shape) == ["aspect ratio"]
    assert of(saving) == ["file size"]
    assert of(depth) == ["bit depth and number of channels"]
    assert of(color) == ["mean color"]


def test_a_shortcut_has_to_be_more_than_chance():
    labels = np.arange(60) % 2
    for seed in range(10):
        random = np.random.default_rng(seed)
        facts = {"noise": random.normal(size=(60, 2)), "same": np.zeros((60, 1)), "told": labels[:, None].astype(float)}
        by_name = {each.name: each for each in shortcuts(facts, labels, np.arange(60))}
        assert by_name.keys() == {"noise", "told"}
        assert by_name["noise"].gain < 0.25
        assert by_name["told"].accuracy == 1
        assert by_name["told"].gain > 0.8
    assert shortcuts(facts, labels, labels) == []  # two groups: nothing can be shown
    copies = np.repeat(np.random.default_rng(0).normal(size=(12, 1)), 5, axis=0)
    by_copies = np.repeat(np.arange(12) % 2, 5)  # a tree could learn each picture's value from its copies
    [grouped] = shortcuts({"noise": copies}, by_copies, np.repeat(np.arange(12), 5))
    assert grouped.gain < 0.25


def test_the_smallest_difference_is_that_of_paired_answers():
    assert smallest_difference(10_000) == pytest.approx(0.62, abs=0.01)
    sides = np.random.default_rng(0).random((4000, 400))  # two pipelines, each wrong alone on 5 % of the images
    differences = 100 * ((sides < 0.05).mean(axis=1) - (sides > 0.95).mean(axis=1))
    assert 1.96 * np.std(differences) == pytest.approx(smallest_difference(400), rel=0.06)


def test_arrays_give_the_same_objects_with_numbers_as_names():
    X = np.stack([scene(32, 32) for _ in range(40)])
    y = np.array(["cat", "dog"])[np.arange(40) % 2]
    X[7], X[9] = X[4], X[5]
    findings = found((X, y))
    assert findings["exact_copies"].groups == (("4", "7"), ("5", "9"))
    assert findings["conflicting_labels"].count == 1
    floats = found(((X / 255).astype(np.float32), y))
    assert floats["exact_copies"].groups == findings["exact_copies"].groups
    parts = check((X[:30], y[:30], X[30:], y[30:]))
    assert parts.parts == {"train": (15, 15), "test": (5, 5)}
    with pytest.raises(InputError, match="check takes a name"):
        check((X, y, X))
    with pytest.raises(InputError, match="check takes a name"):
        check(7)


def test_named_sets_are_checked_and_drawn_shapes_have_no_copies():
    digits = check("digits")
    assert {each.kind for each in digits.findings} <= {"small_test", "near_copies"}
    assert digits.summary.startswith("digits: 1,797 images of 10 classes, 0 178, 1 182")
    assert found(draw_shapes(600, seed=1)).keys() == {"small_test"}


def test_two_classes_of_the_same_pictures_and_one_picture_all_over(tmp_path):
    for k in range(12):
        image = scene()
        for name in "ab":
            put(tmp_path / "twice" / name / f"{k}.png", image)
            put(tmp_path / "same" / name / f"{k}.png", np.tile(np.arange(40, dtype=np.uint8), (40, 1)))
    assert found(tmp_path / "twice")["conflicting_labels"].count == 12
    same = found(tmp_path / "same")
    assert same["exact_copies"].count == 23
    assert same["conflicting_labels"].count == 23
    put(tmp_path / "one" / "a" / "0.png", scene())
    with pytest.raises(DataError, match="two or more are needed, found a"):
        check(tmp_path / "one")


def test_mislabelled_pictures_are_those_of_the_confident_joint():
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 600)
    scores = random.dirichlet([1, 1, 1], 600) + 3 * np.eye(3)[truth]
    scores /= scores.sum(axis=1, keepdims=True)
    labels = truth.copy()
    wrong = random.choice(600, 30, replace=False)
    labels[wrong] = (truth[wrong] + 1) % 3
    told = probably_mislabelled(scores, labels)
    assert {each.image for each in told} <= set(wrong.tolist())
    assert len(told) > 10  # about half of them reach the mean of their true class
    assert all(each.probable == truth[each.image] and each.label == labels[each.image] for each in told)
    assert sorted((each.margin for each in told), reverse=True) == [each.margin for each in told]
    assert probably_mislabelled(scores, truth) == []
    # By hand: thresholds 0.6 and 0.7; the last image reaches that of class 1 alone, and is said to be of class 0.
    by_hand = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.7]])
    assert probably_mislabelled(by_hand, np.array([0, 0, 1, 0])) == [(3, 0, 1, pytest.approx(0.6))]
    with pytest.raises(InputError, match="NaN"):
        probably_mislabelled(np.full((2, 2), np.nan), np.array([0, 1]))
    with pytest.raises(InputError, match="from 0 to 1"):
        probably_mislabelled(by_hand, np.array([0, 2, 1, 0]))
    with pytest.raises(InputError, match="shape"):
        probably_mislabelled(by_hand, np.array([0, 1]))


def test_the_command_prints_sentences_and_json_alone(folder):
    shutil.copyfile(folder / "cat" / "00.png", folder / "dog" / "copy.png")
    result = run(folder)
    assert result.exit_code == 0
    assert result.stdout.index("severe: conflicting labels") < result.stdout.index("warning: exact copies")
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert run(folder, "--strict").exit_code == 1
    as_json = run(folder, "--json", "--strict")
    assert as_json.exit_code == 1
    content = json.loads(as_json.stdout)
    assert content["images"] == 61
    assert content["severe"]
    assert {"kind", "severity", "count", "files", "text"} <= content["findings"][0].keys()
    (folder / "dog" / "copy.png").unlink()
    assert run(folder, "--strict").exit_code == 0


def test_names_that_would_change_the_terminal_are_harmless(tmp_path):
    for name in ("a\x1b[31m", "<b>&"):
        for k in range(12):
            put(tmp_path / "set" / name / f"[red]{k % 6}\x1b]0;{k}\x07.png", scene())
    shutil.copyfile(
        tmp_path / "set" / "<b>&" / "[red]0\x1b]0;0\x07.png", tmp_path / "set" / "a\x1b[31m" / "\x1b[2Jcopy.png"
    )
    result = run(tmp_path / "set")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "[red]0" in result.stdout
    as_json = run(tmp_path / "set", "--json").stdout
    assert "\x1b" not in as_json
    assert any("\x1b[2Jcopy.png" in name for name in json.loads(as_json)["findings"][0]["files"])


@pytest.mark.parametrize(
    "arguments", [("nothing/here",), ("digitz",), (".", "--image-size", "2"), ("digits", "--group", "a")]
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        for k in range(3):
            put(tmp_path / name / f"{k}.png", scene())
    result = run(*arguments, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
