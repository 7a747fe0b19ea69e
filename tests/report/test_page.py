"""The page in a real browser: headless Chromium, driven by Playwright."""

import re
import shutil
from dataclasses import replace

import pytest

from cvclassic.report import answer_html, page_of_run, page_of_runs, parts, table_html
from cvclassic.report import page as page_module
from cvclassic.report.pictures import Picture
from cvclassic.study.sentences import answer
from cvclassic.study.study import Study
from cvclassic.study.tables import results_table
from tests.made_runs import make_run, make_study
from tests.report.conftest import HOSTILE, SCRIPT

HEIGHTS = {1280: 800, 390: 844}  # of one screen, by its width
WIDTHS = tuple(HEIGHTS)
TAGS = {"div", "table", "caption", "span", "thead", "tr", "th", "tbody", "td", "h3", "p", "ul", "li"}
TWO = [("animals", "svm", "classical", 20, 1.0), ("animals", "cnn", "neural", 60, 9.0)]


@pytest.fixture(scope="module")
def chromium():
    """A headless browser; without one the tests are skipped."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no browser is here: install Debian's (apt-get install chromium) or Google Chrome")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def browse(chromium):
    """A function that opens a file in a window of its own; at the end nothing may have gone wrong in any of them."""
    contexts, faults = [], []

    def browse(path, *, width=1280, anchor="", **options):
        context = chromium.new_context(viewport={"width": width, "height": HEIGHTS[width]}, **options)
        contexts.append(context)

        def watch(route):
            if route.request.url.split("#")[0] == path.as_uri():
                route.continue_()
            else:
                faults.append(f"request of {route.request.url}")
                route.abort()

        context.route("**/*", watch)
        page = context.new_page()
        page.on("console", lambda message: faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.goto(path.as_uri() + anchor)
        return page

    yield browse
    for context in contexts:
        context.close()
    assert faults == []


def drawing(name, width, height, text):
    return Picture(
        name=name,
        title=f"The {name}",
        caption="Further up is better.",
        alt=f"In {name} the best has 97.5 %.",
        svg=f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="In {name} the best has 97.5 %." '
        f'viewBox="0 0 {width} {height}" style="min-width: {width}px"><g fill="currentColor">'
        f'<text x="10" y="20" font-size="10">{text}</text><rect x="10" y="30" width="50" height="20"/></g></svg>',
    )


PICTURES = [
    drawing("accuracy-fit-time", 340, 200, "points"),
    drawing("narrow", 340, 200, "animals"),
    drawing("wide", 800, 300, "all of them"),
    drawing("learning-curves", 340, 200, "curves"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page of a run on two data sets, in one of which a pipeline failed.

    Pictures of our own stand in place of the real ones; a phone can show them whole, but for a wide one.
    """
    jobs = [
        ("animals", "svm", "classical", 20, 11.5),
        ("animals", "hist", "classical", 100, 2.0),
        ("animals", "mlp", "neural", "failed: ValueError: <b>no</b>"),
        ("animals", "cnn", "neural", 18, 1234.5),
        ("plants", "svm", "classical", 30, 1.0),
        ("plants", "cnn", "neural", 200, 9.0),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_module, "pictures", lambda dataset: (PICTURES, []))
        return written(page_of_run(make_study(jobs, sets=("animals", "plants"))), tmp_path_factory.mktemp("page"))


def written(page, folder):
    """The path of a file that holds the page."""
    path = folder / "report.html"
    path.write_bytes(page.encode())
    return path


def visible(page, selector):
    return [each.is_visible() for each in page.locator(selector).all()]


def column(page, heading, table="#set-1 table.sortable"):
    place = headings(page, table).index(heading) + 1
    cells = page.locator(f"{table} tbody tr:not(.more) > :nth-child({place})")
    return [broken(text.strip()) for text in cells.all_inner_texts()]


def broken(text):
    """With the spaces as they were before figures were kept on one line."""
    return text.replace("\xa0", " ").replace("\u2060", "")


def headings(page, table="#set-1 table.sortable"):
    """Of the columns that are seen."""
    return [each.inner_text().strip() for each in page.locator(f"{table} thead th").all() if each.is_visible()]


def open_all(page):
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")


def bottom(page, selector):
    return max((each.bounding_box() for each in page.locator(selector).all()), key=end)


def end(box):
    return box["y"] + box["height"]


def test_the_answer_stands_first_and_all_sections_are_there(browse, report):
    page = browse(report)
    assert visible(page, "#set-1 details[open]") == []
    open_all(page)
    text = page.locator("#set-1").inner_text()
    parts = [
        *("On animals it can't be told yet", "svm, the best classical pipeline on the validation images"),
        *("mlp: failed: ValueError: <b>no</b>", "Figures", "Pairs: exploratory", "Pictures", "Curves", "Details"),
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


CLEAR = [
    ("animals", "hog_svm", "classical", 20, 1.0),
    ("animals", "color_histogram_svm", "classical", 100, 0.004),
    ("animals", "cnn", "neural", 90, 90.0, {"converged": False}),
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


def test_what_must_be_known_stands_beside_the_answer_and_most_of_it_at_once(browse, monkeypatch, tmp_path):
    made = page_module._block
    monkeypatch.setattr(page_module, "_block", lambda *a: replace(made(*a), findings=["5 of 9 images are copies"]))
    jobs = [(*PAIR[0], {"warnings": ("did not converge", "b", "c")}), (*PAIR[1], {"converged": False})]
    jobs.append(("animals", "mlp", "neural", "failed: killed"))
    page = browse(written(page_of_run(make_study(jobs, problems=("a file is damaged",))), tmp_path))
    of_run, of_set = page.locator(".warnings").all()
    assert of_run.inner_text() == "Warning: a file is damaged"
    lines = of_set.inner_text().splitlines()
    assert lines[:2] == ["5 of 9 images are copies", "mlp: failed: killed"]
    assert lines[2].startswith("Still learning when training ended: cnn")
    assert lines[3:] == ["Warning from hog_svm: did not converge", "2 more"]
    of_set.locator("summary").click()
    assert of_set.inner_text().splitlines()[5:] == ["Warning from hog_svm: b", "Warning from hog_svm: c"]
    page.locator("details.fold", has_text="Details").locator("summary").click()
    assert "Warning" not in page.locator("details.fold", has_text="Details").inner_text()


def test_the_policy_lets_nothing_in_and_nothing_out():
    page = page_of_run(make_study(PAIR))
    [policy] = re.findall('Content-Security-Policy" content="([^"]*)"', page)
    for rule in ("default-src 'none'", "form-action 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "unsafe" not in policy.split("script-src")[1]


def test_how_it_was_measured_names_what_is_done_today(browse, report):
    page = browse(report)
    open_all(page)
    text = page.locator("#measured").inner_text()
    assert not re.search("McNemar|t-test|bootstrap", text)
    for said in ("A 95 % interval is the range", "fixed before the test images", "exploratory", "Tango's", "Holm's"):
        assert said in " ".join(text.split())


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_serious_fault(browse, report, width, scheme):
    page = browse(report, width=width, color_scheme=scheme)
    red, green, blue = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert (max(red, green, blue) < 40) if scheme == "dark" else (min(red, green, blue) > 240)
    assert faults_by_axe(page) == []
    open_all(page)
    assert faults_by_axe(page) == []


def faults_by_axe(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response
    assert found["passes"], "axe has checked nothing"
    return [
        f"{fault['id']}: {node['html']}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


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
