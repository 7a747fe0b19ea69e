"""Shared by the tests of the faces: names that must do no harm, pages that don't wait for pictures, and a browser."""

import shutil

import pytest

from cvclassic.report import page, page_of_run
from tests.made_runs import make_study
from tests.report.browsing import HEIGHTS, PICTURES, written

SCRIPT = "<script>document.title='mine'</script>"
HOSTILE = (
    SCRIPT,
    "a|b`c`",
    "\x1b[31mred\x9b0m",
    '=HYPERLINK("http://x")',
    "two\nlines\r|",
    "]]>",
    "$x^$",
    "\ud800\u202eevil",
)


@pytest.fixture(autouse=True)
def quick_page(request, monkeypatch):
    """Pages without pictures, which take seconds to draw, but for tests that use `real_pictures`."""
    if "real_pictures" not in request.fixturenames:
        monkeypatch.setattr(page, "pictures", lambda dataset: ([], []))


@pytest.fixture
def real_pictures():
    """For a test whose pages need their pictures."""


@pytest.fixture
def hostile_study():
    """A sweep in which data set, pipelines, classes, settings, notes and messages all try to do harm."""
    jobs = []
    for name in HOSTILE:
        changes = {"warnings": (name,), "settings": {"C": name}}
        jobs.append((SCRIPT, name, "neural", 20, 1.0, changes))
        jobs.append((SCRIPT, f"{name} failed", "neural", f"failed: {name}", 1.0, changes))
    jobs.append((SCRIPT, "svm", "classical", 50, 9.0))
    more = {"notes": HOSTILE, "problems": HOSTILE, "sweep": {"C": HOSTILE}, "name": SCRIPT, "machine": HOSTILE[-1]}
    return make_study(jobs, sets=(SCRIPT,), classes=HOSTILE, **more)


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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
        patch.setattr(page, "pictures", lambda dataset: (PICTURES, []))
        return written(page_of_run(make_study(jobs, sets=("animals", "plants"))), tmp_path_factory.mktemp("page"))
