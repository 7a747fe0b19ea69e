"""What one screen of the page holds, what its table has, and what is folded; in a real browser."""

import re
from dataclasses import replace

import pytest

from cvclassic.datasets.doctor.finding import Finding
from cvclassic.report import page_of_run
from cvclassic.study.sentences import answer
from cvclassic.study.study import Study
from tests.made_runs import make_run, make_study
from tests.report.browsing import HEIGHTS, WIDTHS, bottom, broken, column, end, headings, open_all, visible, written

CLEAR = [
    ("animals", "hog_svm", "classical", 20, 1.0),
    ("animals", "color_histogram_svm", "classical", 100, 0.004),
    ("animals", "cnn", "neural", 90, 1234.5, {"converged": False}),
    ("animals", "most_frequent", "baseline", 266, 0.001),
]
OPEN = [
    *(CLEAR[0], ("animals", "cnn", "neural", 21, 90.0), ("animals", "pretrained_svm", "pretrained", 18, 30.0)),
    *(("animals", f"another_{k}_svm", "classical", 30 + k, 10.0 + 3 * k) for k in range(9)),
    ("animals", "mlp", "neural", "failed: ValueError: shapes do not match"),
]
PAIR = [CLEAR[0], ("animals", "cnn", "neural", 90, 90.0)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("jobs", [CLEAR, OPEN, PAIR], ids=["clear", "open", "pair"])
def test_one_screen_holds_the_answer_one_picture_and_the_warnings(browse, real_pictures, tmp_path, jobs, width):
    page = browse(written(page_of_run(make_study(jobs)), tmp_path), width=width)
    screen = HEIGHTS[width]
    parts = [".todo", ".screen svg"]
    if width > 600 or jobs is PAIR:
        parts.append(".reasons")
    if width > 600 and jobs is not PAIR:
        parts.append(".screen .warnings")
    assert page.locator("main .todo, main .screen figure").count() == 2
    assert [end(bottom(page, part)) <= screen for part in parts] == [True] * len(parts)
    assert page.evaluate("document.documentElement.scrollHeight") < 3000
    first, rest = (page.locator(part).inner_text() for part in (".todo", ".reasons"))
    assert " ".join(broken(f"{first} {rest}").split()) == " ".join(answer(make_study(jobs)["animals"]))
    sizes = [float(page.locator(part).first.evaluate("e => getComputedStyle(e).fontSize.slice(0, -2)"))
             for part in (".todo p", ".reasons p")]  # fmt: skip
    assert sizes[0] > 1.2 * sizes[1]
    box = page.locator(".scroll:has(> table.sortable)")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0
    assert "0.0" not in column(page, "fit s")


def test_what_must_be_known_stands_beside_the_answer_and_most_of_it_at_once(browse, tmp_path):
    jobs = [(*PAIR[0], {"warnings": ("did not converge", "b", "c")}), (*PAIR[1], {"converged": False})]
    jobs.append(("animals", "mlp", "neural", "failed: killed"))
    run = make_run(jobs, problems=("a file is damaged",))
    findings = (
        Finding("exact_copies", "warning", 5, (), "5 of 9 images, such as a. b.jpg, are copies. Keep one of each."),
        Finding("x", "note", 1, (), "?"),
    )
    run = replace(run, datasets=(replace(run.datasets[0], findings=findings),))
    page = browse(written(page_of_run(Study(run)), tmp_path))
    of_run, of_set = page.locator(".warnings").all()
    assert of_run.inner_text() == "Warning: a file is damaged"
    lines = of_set.inner_text().splitlines()
    assert lines[:2] == ["mlp: failed: killed", "Data, warning: 5 of 9 images, such as a. b.jpg, are copies."]
    assert lines[2].startswith("Still learning when training ended: cnn")
    assert lines[3:] == ["Warning from hog_svm: did not converge", "2 more"]
    of_set.locator("summary", has_text="copies").click()
    assert "Keep one of each." in of_set.inner_text()
    of_set.locator("summary", has_text="copies").click()
    of_set.locator("summary", has_text="2 more").click()
    assert of_set.inner_text().splitlines()[5:] == ["Warning from hog_svm: b", "Warning from hog_svm: c"]
    page.locator("details.fold", has_text="Details").locator("summary").click()
    assert "Warning" not in page.locator("details.fold", has_text="Details").inner_text()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_row_opens_for_the_figures_that_the_table_has_no_room_for(browse, report, width, scripts):
    page = browse(report, width=width, java_script_enabled=scripts)
    assert visible(page, "#set-1 .more").count(True) == 0
    if width > 600:
        assert headings(page) == [
            *("pipeline", "family", "test accuracy", "95 % interval", "verdict", "train accuracy", "fit s", "images/s")
        ]
    else:
        assert headings(page) == ["pipeline", "test accuracy", "verdict", "fit s"]
    page.locator("#set-1 tbody summary", has_text="svm").focus()
    page.keyboard.press("Enter")
    [opened] = [each for each in page.locator("#set-1 .more").all() if each.is_visible()]
    told = [each.inner_text() for each in opened.locator("dt").all() if each.is_visible()]
    assert {"macro F1", "F1 interval", "peak MB", "model MB", "features"} <= set(told)
    assert ("family" in told) == ("95 % interval" in told) == (width <= 600)
    assert {*told, *headings(page)} >= {"pipeline", "family", "95 % interval", "train accuracy", "images/s"}
    page.keyboard.press("Enter")
    assert visible(page, "#set-1 .more").count(True) == 0


def test_sorting_moves_what_a_row_opens_for_with_it(browse, report):
    page = browse(report)
    page.get_by_role("columnheader", name="fit s").first.get_by_role("button").click()
    rows = page.locator("#set-1 table.sortable tbody tr").all()
    assert [row.get_attribute("class") == "more" for row in rows] == [False, True] * 4
    page.locator("#set-1 tbody summary", has_text="hist").click()
    [opened] = [n for n, row in enumerate(rows) if n % 2 and row.is_visible()]
    assert "hist" in rows[opened - 1].inner_text()


def test_with_the_metric_of_the_data_set_a_phone_shows_that_one(browse, tmp_path):
    study = make_study(PAIR, metric="balanced_accuracy")
    page = browse(written(page_of_run(study), tmp_path), width=390)
    assert headings(page) == ["pipeline", "test balanced accuracy", "verdict", "fit s"]


def test_settings_and_sizes_that_tell_rows_apart_stay_in_the_table(browse, tmp_path):
    names = [f"setting_{k}" for k in range(7)]
    jobs = [
        ("animals", "mlp", "neural", 20 + n, 1.0, {"settings": {name: str(k + n) for k, name in enumerate(names)}})
        for n in range(2)
    ]
    sweep = {name: [str(k), str(k + 1)] for k, name in enumerate(names)}
    path = written(page_of_run(make_study(jobs, sweep=sweep)), tmp_path)
    assert headings(browse(path, width=390)) == ["pipeline", *names[:2], "test accuracy"]
    wide = browse(path)
    assert headings(wide) == ["pipeline", *names[:3], "test accuracy", "95 % interval", "fit s", "verdict"]
    wide.locator("tbody summary").first.click()
    assert "setting_6\n6" in wide.locator(".more:visible").inner_text()


@pytest.mark.parametrize("scripts", [True, False])
def test_on_paper_all_that_is_folded_is_open(browse, report, scripts):
    page = browse(report, java_script_enabled=scripts)
    folded = page.locator("body").bounding_box()["height"]
    page.emulate_media(media="print")
    assert all(visible(page, "figure svg, tr:not(.failed) + .more, table.pairs, #measured li, #measured details p"))
    assert page.locator("body").bounding_box()["height"] > folded + 1500
    page.emulate_media(media="screen")
    assert visible(page, "#set-1-wide svg") == [False]
    assert visible(page, ".more").count(True) == 0
    if scripts:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0


def test_how_it_was_measured_names_what_is_done_today(browse, report):
    page = browse(report)
    open_all(page)
    text = page.locator("#measured").inner_text()
    assert not re.search("McNemar|t-test|bootstrap", text)
    for said in ("A 95 % interval is the range", "fixed before the test images", "exploratory", "Tango's", "Holm's"):
        assert said in " ".join(text.split())
