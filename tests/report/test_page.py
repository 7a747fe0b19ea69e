"""The page in a real browser: headless Chromium, driven by Playwright."""

import re
from dataclasses import replace

import pytest

from cvclassic.report import answer_html, page_of_run, page_of_runs, parts, table_html
from cvclassic.report import page as page_module
from cvclassic.study.study import Study
from cvclassic.study.tables import results_table
from tests.made_runs import make_run, make_study
from tests.report.browsing import (
    PICTURES,
    TWO,
    WIDTHS,
    broken,
    column,
    faults_by_axe,
    headings,
    open_all,
    visible,
    written,
)
from tests.report.conftest import HOSTILE, SCRIPT

TAGS = {"div", "table", "caption", "span", "thead", "tr", "th", "tbody", "td", "h3", "p", "ul", "li"}


def test_the_answer_stands_first_and_all_sections_are_there(browse, report):
    page = browse(report)
    assert visible(page, "#set-1 details[open]") == []
    open_all(page)
    text = page.locator("#set-1").inner_text()
    parts = [
        *("On animals it can't be told yet", "mlp: failed: ValueError: <b>no</b>"),
        *(
            "svm, the best classical pipeline on the validation images",
            "Figures",
            "Pairs: exploratory",
            "Pictures",
            "Curves",
            "Details",
        ),
        "Declared before the test: svm less cnn is",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert page.title() == "Accuracy report: animals, plants"
    for line in ("a machine, 2 cores", "optimizer adam", "the same number of threads"):
        assert line in page.locator("#measured").inner_text()


def test_tables_sort_by_each_column_numbers_as_numbers_and_failed_rows_last(browse, report):
    page = browse(report)
    heading = page.get_by_role("columnheader", name="fit s").first
    assert column(page, "pipeline") == ["cnn", "svm", "hist", "mlp"]
    heading.get_by_role("button").click()
    assert column(page, "fit s") == ["1,234.5", "11.5", "2.0", ""]
    assert heading.get_attribute("aria-sort") == "descending"
    heading.get_by_role("button").click()
    assert column(page, "fit s") == ["2.0", "11.5", "1,234.5", ""]
    assert heading.get_attribute("aria-sort") == "ascending"
    page.get_by_role("columnheader", name="pipeline").first.get_by_role("button").click()
    assert column(page, "pipeline") == ["cnn", "hist", "mlp", "svm"]
    assert page.locator("#set-1 table.sortable [aria-sort]").count() == 1
    page.get_by_role("columnheader", name="pipeline").first.get_by_role("button").click()
    assert column(page, "pipeline") == ["svm", "mlp", "hist", "cnn"]
    page.get_by_role("columnheader", name="test accuracy").first.get_by_role("button").click()
    assert column(page, "test accuracy") == ["95.50 %", "95.00 %", "75.00 %", "failed"]
    page.get_by_role("columnheader", name="test accuracy").first.get_by_role("button").click()
    assert column(page, "test accuracy") == ["75.00 %", "95.00 %", "95.50 %", "failed"]


def test_settings_that_are_numbers_sort_as_numbers_and_others_as_texts(browse, tmp_path):
    rates = ("1e-3", "0.01", "5e-1")
    jobs = [
        ("animals", "mlp", "neural", 20, 1.0, {"settings": {"rate": rate, "kind": kind}})
        for rate, kind in zip(rates, ("b", "10", "9"), strict=True)
    ]
    page = browse(written(page_of_run(make_study(jobs, sweep={"rate": rates, "kind": ["b", "10", "9"]})), tmp_path))
    page.get_by_role("columnheader", name="rate").get_by_role("button").click()
    assert column(page, "rate") == ["5e-1", "0.01", "1e-3"]
    page.get_by_role("columnheader", name="rate").get_by_role("button").click()
    assert column(page, "rate") == ["1e-3", "0.01", "5e-1"]
    page.get_by_role("columnheader", name="kind").get_by_role("button").click()
    assert column(page, "kind") == ["9", "10", "b"]


def test_a_tab_for_each_data_set_by_mouse_key_and_link(browse, report):
    page = browse(report)
    tabs = page.get_by_role("tab")
    assert tabs.all_inner_texts() == ["animals", "plants"]
    assert visible(page, ".set") == [True, False]
    tabs.nth(1).click()
    assert visible(page, ".set") == [False, True]
    page.keyboard.press("ArrowRight")
    assert visible(page, ".set") == [True, False]
    assert tabs.nth(0).get_attribute("aria-selected") == "true"
    linked = browse(report, anchor="#set-2-wide")
    assert visible(linked, ".set") == [False, True]
    assert visible(linked, "#set-2-wide svg") == [True]


def test_it_is_complete_without_scripts_and_on_paper(browse, report):
    scripted, plain = browse(report), browse(report, java_script_enabled=False)
    assert visible(plain, ".set") == [True, True]
    for folded in plain.locator("details:not(details details)").all():
        folded.locator("summary").first.click()
    assert visible(plain, "figure svg") == [True] * 8
    assert all(visible(plain, "tr:not(.failed) + .more, table.pairs, #measured li"))
    assert plain.locator("button").count() == 0
    scripted.emulate_media(media="print")
    assert visible(scripted, ".set") == [True, True]
    assert visible(scripted, "[role=tablist]") == [False]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_picture_is_seen_and_only_boxes_scroll_sideways(browse, report, width):
    page = browse(report, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    open_all(page)
    shown = page.locator("#set-1 figure svg").all()
    assert [each.get_attribute("aria-label") for each in shown] == [picture.alt for picture in PICTURES]
    for each, picture in zip(shown, PICTURES, strict=True):
        each.scroll_into_view_if_needed()
        box = each.bounding_box()
        assert box["width"] > 300
        assert box["height"] > 100
        assert box["x"] >= 0
        room = each.evaluate("svg => svg.parentNode.clientWidth")
        assert box["x"] + room <= width
        assert room == pytest.approx(box["width"], abs=1) or picture.name == "wide"
    for box in page.locator("#set-1 .scroll").all():
        x, w = box.evaluate("box => [box.getBoundingClientRect().x, box.clientWidth]")
        assert x >= 0
        assert x + w <= width


def test_the_policy_lets_nothing_in_and_nothing_out():
    page = page_of_run(make_study(TWO))
    [policy] = re.findall('Content-Security-Policy" content="([^"]*)"', page)
    for rule in ("default-src 'none'", "form-action 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "unsafe" not in policy.split("script-src")[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_serious_fault(browse, report, width, scheme):
    page = browse(report, width=width, color_scheme=scheme)
    red, green, blue = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert (max(red, green, blue) < 40) if scheme == "dark" else (min(red, green, blue) > 240)
    assert faults_by_axe(page) == []
    open_all(page)
    assert faults_by_axe(page) == []


def test_texts_of_users_are_never_markup(browse, hostile_study, tmp_path):
    for number, text in enumerate((page_of_run(hostile_study), page_of_runs([hostile_study, hostile_study]))):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
        folder = tmp_path / str(number)
        folder.mkdir()
        page = browse(written(text, folder))
        assert page.title() == f"Accuracy report: {SCRIPT}"
        assert page.locator("script").count() == 1
        assert page.locator("main img, main a, main b:not(.pairs b)").count() == 0
        open_all(page)
        shown = page.locator("body").inner_text()
        for name in (SCRIPT, "a|b`c`", "\ufffd[31mred\ufffd0m", '=HYPERLINK("http://x")', "two lines |", "]]>"):
            assert shown.count(name) > 3
        assert "\ufffd\ufffdevil failed" in shown


def test_snippets_for_notebooks_are_harmless_too(hostile_study):
    for text in (answer_html(hostile_study), table_html(results_table(hostile_study))):
        assert re.findall(r"<(\w+)", text).count("table") == 1
        assert set(re.findall(r"<(\w+)", text)) <= TAGS
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
    text = answer_html(make_study([*TWO, ("animals", "mlp", "neural", "failed: a < b")]))
    for said in (
        "<h3>animals</h3>",
        "svm, the only classical pipeline",
        ">95.00 %</td>",
        "<li>mlp: failed: a &lt; b</li>",
    ):
        assert said in text


def of_kind(kind):
    """A study of the kind, and what its page must say."""
    if kind == "one beside a failed one":
        failed = ("animals", "mlp", "neural", "failed: killed")
        return make_study([TWO[0], failed]), ("mlp: failed: killed", "There is nothing to compare it with.")
    if kind == "100 classes":
        names = [f"class number {k} with a name that is long" for k in range(100)]
        return make_study(TWO, classes=names, n_test=1000), ("100 classes, 32 x 32 RGB",)
    if kind == "two gray classes":
        return make_study(TWO, shape=(28, 28), classes=("no", "yes")), ("2 classes, 28 x 28 gray",)
    if kind == "nothing yet":
        return make_study([(*job[:3], None) for job in TWO]), ("2 of 2 jobs have no result yet.",)
    if kind == "hostile names":
        jobs = [(SCRIPT, f"{job[1]} {name}", *job[2:]) for job in TWO for name in HOSTILE]
        return make_study(jobs, sets=(SCRIPT,), classes=HOSTILE), (SCRIPT, "svm two lines |")
    seeds = [(*job, {"seed": seed, "settings": {"C": c}}) for job in TWO for c in ("1", "10") for seed in (0, 1)]
    said = "the settings that were best on the validation images"
    return make_study(seeds, repeats=2, sweep={"C": ["1", "10"]}), (said,)


KINDS = ("one beside a failed one", "100 classes", "two gray classes", "nothing yet", "hostile names", "sweep")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_runs_of_every_kind_are_in_order_with_their_real_pictures(browse, real_pictures, tmp_path, kind):
    study, said = of_kind(kind)
    path = written(page_of_run(study), tmp_path)
    assert path.stat().st_size < 5e6
    for width, scheme in zip(WIDTHS, ("light", "dark"), strict=True):
        page = browse(path, width=width, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        open_all(page)
        assert all(sentence in page.locator("main").inner_text() for sentence in said)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "could not be" not in page.locator("main").inner_text()
        assert visible(page, "figure svg") == [True] * page.locator("figure").count()
    assert (page.locator("figure").count() > 0) == (kind != "nothing yet")
    assert faults_by_axe(page) == []


@pytest.mark.parametrize(
    ("module", "name", "what"),
    [
        (parts, "answer", "The answer"),
        (parts, "description_lines", "The description"),
        (parts, "remark_lines", "The remarks"),
        (parts, "failure_lines", "The list of failures"),
        (parts, "header_lines", "The header"),
        (page_module, "figures_table", "The table"),
        (page_module, "pairs_table", "The comparison of pairs"),
        (page_module, "pictures", "The pictures"),
    ],
)
def test_a_part_that_fails_is_a_line_and_the_others_stand(monkeypatch, module, name, what):
    def fail(*arguments):
        raise ValueError("<b>no</b>")

    monkeypatch.setattr(module, name, fail)
    study = make_study([*TWO, ("animals", "mlp", "neural", "failed: killed")])
    pages = [page_of_run(study), page_of_runs([study, study])]
    others = {
        "The answer": "the only classical pipeline",
        "The description": "drawn at random",
        "The list of failures": "mlp: failed: killed",
        "The header": "<li>Machine: a machine",
        "The table": ">macro F1</dt>",
        "The comparison of pairs": "<b>better</b>",
    }
    lost = others.pop(what, "<svg")
    line = f"{what} could not be made: ValueError: &lt;b&gt;no&lt;/b&gt;"
    for page in pages[: 1 if name == "pictures" else 2]:
        assert line in page
        assert all(said in page for said in others.values())
        assert lost not in page


def test_a_picture_that_could_not_be_drawn_is_told(monkeypatch):
    lost = "The picture of costs could not be drawn: KeyError: 1"
    monkeypatch.setattr(page_module, "pictures", lambda dataset: (PICTURES, [lost]))
    page = page_of_run(make_study(TWO))
    assert page.count("<figure") == len(PICTURES)
    [warnings] = re.findall('<div class="warnings".*?</div>', page, re.DOTALL)
    assert f"<li>{lost}</li>" in warnings


def test_several_runs_stand_side_by_side_each_row_with_its_run(browse, tmp_path):
    studies = [
        make_study(TWO, name="first"),
        make_study([*TWO, ("animals", "mlp", "neural", 100, 5.0, {"fit_energy_joules": 7.0})], name="second"),
    ]
    page = browse(written(page_of_runs(studies), tmp_path))
    assert column(page, "run") == ["first"] * 2 + ["second"] * 3
    assert column(page, "pipeline") == ["svm", "cnn", "svm", "cnn", "mlp"]
    assert len(headings(page)) == 8
    assert page.locator("header p").inner_text() == "first, second: 2026-01-01, a machine, 2 cores"
    page.locator("tbody summary", has_text="mlp").click()
    assert "fit J\n7" in page.locator(".more:visible").inner_text()
    open_all(page)
    assert page.locator("caption", has_text="different test images").count() == 0
    phone = browse(tmp_path / "report.html", width=390)
    assert headings(phone) == ["run", "pipeline", "test accuracy", "verdict"]
    assert phone.locator(".scroll:has(> .sortable)").evaluate("box => box.scrollWidth - box.clientWidth") == 0
    assert page.locator("table.pairs").count() == 2
    assert faults_by_axe(page) == []


def test_runs_with_different_test_images_are_told_and_those_of_one_name_have_numbers():
    run = make_run(TWO)
    other = Study(replace(run, datasets=(replace(run.datasets[0], test_images="def"),)))
    page = page_of_runs([Study(run), other])
    assert "The runs have different test images" in page
    assert "<h3>run (1)</h3>" in page
    assert "<h3>run (2)</h3>" in page


def test_a_sweep_stands_beside_a_run_with_other_columns():
    seeds = [(*job[:3], job[3] + 4 * seed, *job[4:], {"seed": seed}) for job in TWO for seed in (0, 1)]
    page = broken(page_of_runs([make_study(TWO, name="one"), make_study(seeds, repeats=2, name="two")]))
    assert ">95.00 %</td>" in page
    assert ">94.50 ± 0.71 %</td>" in page
    assert page.count("<tr") == 1 + 2 * (2 + 2) + 2 * 3  # of the table, and of both matrices


def test_the_matrix_of_pairs_says_better_worse_and_undecided():
    jobs = [*TWO, ("animals", "hist", "classical", 22, 1.0)]
    page = page_of_run(make_study(jobs))
    [matrix] = re.findall(r'<table class="pairs">.*?</table>', page, re.DOTALL)
    verdicts = re.findall(r'<td(?: class="\w+")?>(?:<b>(\w+)</b>)?', matrix)
    assert verdicts == ["", "undecided", "better", "undecided", "", "better", "worse", "worse", ""]
    assert "corrected by Holm&#39;s method for 3 pairs" in matrix
    assert not re.search(r"\bties?\b", page)


def test_a_run_without_one_of_its_predictions_has_its_page():
    run = make_run(TWO)
    damaged = replace(run.outcomes[0], predictions=None)
    page = page_of_run(Study(replace(run, outcomes=(damaged, run.outcomes[1]))))
    assert "were not compared" in page
    assert 'class="pairs"' not in page
