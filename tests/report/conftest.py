"""Shared by the tests of the faces: names that must do no harm, and pages that don't wait for pictures."""

import pytest

from cvclassic.report import page
from tests.made_runs import make_study

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
