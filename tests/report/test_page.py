"""The page in a real browser: headless Chromium, driven by Playwright."""

import re
import shutil
from dataclasses import replace

import pytest

from cvclassic.experiment.result import job_folder
from cvclassic.report import page as page_module
from cvclassic.report import write_report, write_side_by_side
from cvclassic.report.pictures import Picture

WIDTHS = (1280, 390)
HOSTILE = "<script>document.title='mine'</script>"


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
        context = chromium.new_context(viewport={"width": width, "height": 800}, **options)
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


PICTURES = [drawing("narrow", 340, 200, "animals"), drawing("wide", 800, 300, "all of them")]


@pytest.fixture(scope="module")
def report(tmp_path_factory, write_run):
    """The page of a run on two data sets, in one of which a pipeline failed.

    Two pictures stand in place of the real ones: one that a phone can show whole, and a wide one.
    """
    jobs = [
        ("animals", "svm", "classical", 20, 11.5),
        ("animals", "hist", "classical", 100, 2.0),
        ("animals", "mlp", "neural", "failed: ValueError: <b>no</b>", None),
        ("animals", "cnn", "neural", 18, 1234.5),
        ("plants", "svm", "classical", 30, 1.0),
        ("plants", "cnn", "neural", 200, 9.0),
    ]
    run = write_run(tmp_path_factory.mktemp("run"), jobs, sets=("animals", "plants"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_module, "pictures", lambda run, dataset: PICTURES)
        assert "report.html" in write_report(run)
    return run.folder / "report.html"


def visible(page, selector):
    return [each.is_visible() for each in page.locator(selector).all()]


def column(page, heading, table="#set-1 table.sortable"):
    headings = [text.strip() for text in page.locator(f"{table} thead th").all_inner_texts()]
    place = headings.index(heading) + 1
    return [text.strip() for text in page.locator(f"{table} tbody tr > :nth-child({place})").all_inner_texts()]


def test_the_answer_stands_first_and_all_sections_are_there(browse, report):
    page = browse(report)
    text = page.locator("#set-1").inner_text()
    parts = ["On animals, svm, the best classical pipeline", "Figures", "Pairs", "Pictures", "What to know"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "mlp: failed: ValueError: <b>no</b>" in text
    assert page.title() == "Accuracy report: animals, plants"
    for line in ("a machine, 2 cores", "optimizer adam", "the same number of threads"):
        assert line in page.locator("#measured").inner_text()


def test_tables_sort_by_each_column_numbers_as_numbers_and_failed_rows_last(browse, report):
    page = browse(report)
    heading = page.get_by_role("columnheader", name="fit s").first
    assert column(page, "pipeline") == ["cnn", "svm", "hist", "mlp"]
    heading.get_by_role("button").click()
    assert column(page, "fit s") == ["1234.5", "11.5", "2.0", ""]
    assert heading.get_attribute("aria-sort") == "descending"
    heading.get_by_role("button").click()
    assert column(page, "fit s") == ["2.0", "11.5", "1234.5", ""]
    assert heading.get_attribute("aria-sort") == "ascending"
    page.get_by_role("columnheader", name="pipeline").first.get_by_role("button").click()
    assert column(page, "pipeline") == ["cnn", "hist", "mlp", "svm"]
    assert page.locator("#set-1 table.sortable [aria-sort]").count() == 1


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
    assert visible(browse(report, anchor="#set-2-wide"), ".set") == [False, True]


def test_it_is_complete_without_scripts_and_on_paper(browse, report):
    scripted, plain = browse(report), browse(report, java_script_enabled=False)
    assert visible(plain, ".set") == [True, True]
    assert visible(plain, "figure svg") == [True] * 4
    assert plain.locator("button").count() == 0
    scripted.emulate_media(media="print")
    assert visible(scripted, ".set") == [True, True]
    assert visible(scripted, "[role=tablist]") == [False]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_picture_is_seen_and_only_boxes_scroll_sideways(browse, report, width):
    page = browse(report, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_serious_fault(browse, report, width, scheme):
    page = browse(report, width=width, color_scheme=scheme)
    red, green, blue = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert (max(red, green, blue) < 40) if scheme == "dark" else (min(red, green, blue) > 240)
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


def test_texts_of_users_are_never_markup(browse, make_run):
    jobs = [
        ("animals", "svm", "classical", 20, 1.0, {"warnings": [f"Warning: {HOSTILE}"]}),
        ("animals", "cnn", "neural", f"failed: {HOSTILE}", None),
    ]
    run = make_run(jobs, classes=(HOSTILE, "<img src=x onerror=alert(1)>", '"><svg onload=alert(2)>'), notes=[HOSTILE])
    run.datasets[0]["warnings"] = [HOSTILE]
    run.datasets[0]["provenance"] = HOSTILE
    write_report(run)
    page = browse(run.folder / "report.html")
    assert page.title() == "Accuracy report: animals"
    assert page.locator("script").count() == 1
    assert page.locator("main img").count() == 0
    assert page.locator("main").inner_text().count(HOSTILE) == 5


def of_kind(kind, make_run):
    """A run of the kind, and what its page must say."""
    jobs = [("animals", "svm", "classical", 20, 1.0), ("animals", "cnn", "neural", 60, 9.0)]
    if kind == "one beside a failed one":
        failed = ("animals", "mlp", "neural", "failed: killed", None)
        return make_run([jobs[0], failed]), ("mlp: failed: killed", "There is nothing to compare it with.")
    if kind == "100 classes":
        names = [f"class number {k} with a name that is long" for k in range(100)]
        return make_run(jobs, classes=names, n_test=1000), ("100 classes, 32 x 32 RGB",)
    if kind == "two gray classes":
        return make_run(jobs, shape=(28, 28), classes=("no", "yes")), ("2 classes, 28 x 28 gray",)
    if kind == "nothing yet":
        return make_run([(*job[:3], None, None) for job in jobs]), ("2 of 2 jobs have no result yet.",)
    seeds = [(*job, {"seed": seed, "settings": {"C": c}}) for job in jobs for c in ("1", "10") for seed in (0, 1)]
    said = "the settings that were best on the validation split"
    return make_run(seeds, repeats=2, sweep={"C": ["1", "10"]}), (said,)


KINDS = ("one beside a failed one", "100 classes", "two gray classes", "nothing yet", "sweep")


@pytest.mark.parametrize("kind", KINDS)
def test_runs_of_every_kind_are_in_order_with_their_real_pictures(browse, make_run, real_pictures, kind):
    run, said = of_kind(kind, make_run)
    write_report(run)
    path = run.folder / "report.html"
    assert path.stat().st_size < 5e6
    for width, scheme in zip(WIDTHS, ("light", "dark"), strict=True):
        page = browse(path, width=width, color_scheme=scheme)
        assert all(sentence in page.locator("main").inner_text() for sentence in said)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert visible(page, "figure svg") == [True] * page.locator("figure").count()
    assert faults_by_axe(page) == []


def test_a_damaged_run_loses_its_pictures_and_not_its_page(make_run, monkeypatch):
    def damaged(run, dataset):
        raise page_module.InputError("predictions.npz can't be read")

    monkeypatch.setattr(page_module, "pictures", damaged)
    run = make_run([("animals", "svm", "classical", 20, 1.0)])
    write_report(run)
    text = (run.folder / "report.html").read_text()
    assert "there are no pictures: predictions.npz can&#39;t be read" in text
    assert "95.00 %" in text


def test_several_runs_stand_side_by_side_each_row_with_its_run(browse, make_run, tmp_path):
    jobs = [("animals", "svm", "classical", 20, 1.0), ("animals", "cnn", "neural", 60, 9.0)]
    runs = [make_run(jobs, name="first"), make_run([*jobs, ("animals", "mlp", "neural", 100, 5.0)], name="second")]
    write_side_by_side(runs, tmp_path / "both.html")
    page = browse(tmp_path / "both.html")
    assert column(page, "run") == ["first"] * 2 + ["second"] * 3
    assert column(page, "pipeline") == ["svm", "cnn", "svm", "cnn", "mlp"]
    assert page.locator("caption", has_text="different test images").count() == 0
    assert page.locator("table.pairs").count() == 2
    assert faults_by_axe(page) == []

    other = make_run(jobs, name="third", n_test=300)
    write_side_by_side([runs[0], other], tmp_path / "both.html")
    assert "different test images" in (tmp_path / "both.html").read_text()


def test_runs_of_one_name_are_told_apart_by_their_paths(make_run, tmp_path):
    jobs = [("animals", "svm", "classical", 20, 1.0)]
    runs = [make_run(jobs, name=f"{parent}/run") for parent in ("a", "b")]
    write_side_by_side(runs, tmp_path / "both.html")
    text = (tmp_path / "both.html").read_text()
    assert str(tmp_path / "a" / "run") in text
    assert str(tmp_path / "b" / "run") in text


def test_columns_of_options_are_there_only_where_the_run_has_them(make_run, tmp_path):
    run = make_run([("animals", "svm", "classical", 20, 1.0), ("animals", "cnn", "neural", 60, 9.0)])
    write_report(run)
    assert "corruption error" not in (run.folder / "report.html").read_text()
    changed = [
        replace(run.results[0], over_budget=False, mean_corruption_error=0.25, fit_energy_joules=12.34),
        replace(run.results[1], over_budget=True),
    ]
    run.config["time_budget"] = 5
    write_report(replace(run, results=changed))
    text = (run.folder / "report.md").read_text()
    header, _, first, second = [line for line in text.splitlines() if line.startswith("|")]
    assert header.endswith("| mean corruption error | fit J |")
    assert first.endswith("| 25.00 % | 12 |")
    assert second.endswith("|  |  |")
    assert "| 9.0 (over budget) |" in second


def test_a_run_without_one_of_its_predictions_files_has_its_page(make_run):
    run = make_run([("animals", "svm", "classical", 20, 1.0), ("animals", "cnn", "neural", 60, 9.0)])
    (job_folder(run.folder, run.config["jobs"][0]) / "predictions.npz").unlink()
    write_report(run)
    assert "was not tested" in (run.folder / "report.html").read_text()
