"""The documentation's commands and snippets run, and print what the pages say."""

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.snippets import SnippetError, blocks_of, run_page

ROOT = Path(__file__).parents[2]
FAST = ("tutorials/hog_svm.md", "tutorials/opencv5.md", "gallery.md")
# Processes, networks or a compiler: `make docs-test`.
SLOW = (
    "index.md",
    "fairness.md",
    "tutorials/own_pictures.md",
    "tutorials/ladder.md",
    "tutorials/microcontroller.md",
    "../CONTRIBUTING.md",
)
NEEDS = {"tutorials/microcontroller.md": "cc"}
WITHOUT_SNIPPETS = ("when_else.md",)
# Pages of reference from before there was a runner: their commands need data sets, clusters or hours.
REFERENCE = (
    *("architecture", "callbacks", "champions", "check", "cluster", "export", "models", "pictures", "remote"),
    *("results", "scaling", "security", "speed", "statistics", "tuning"),
)


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_what_a_page_says_is_what_happens(name, tmp_path):
    for command in ("bash", *filter(None, [NEEDS.get(name)])):
        if shutil.which(command) is None:
            pytest.skip(f"there is no {command} here: the commands of {name} are not run")
    assert list(run_page(ROOT / "docs" / name, tmp_path)), "no block of it was run"


def test_every_page_is_run_or_known_to_be_reference():
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    reference = {f"{name}.md" for name in REFERENCE} | {name for name in pages if name.startswith("api/")}
    assert pages == {name for name in (*FAST, *SLOW) if not name.startswith("..")} | reference | set(WITHOUT_SNIPPETS)
    assert not [name for name in WITHOUT_SNIPPETS if blocks_of((ROOT / "docs" / name).read_text(encoding="utf-8"))]


def test_the_gallery_has_every_picture_and_keeps_it_small():
    from cvclassic.features.show import _PICTURES

    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    images = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert {f"images/{path.name}" for path in images} == set(re.findall(r"images/\w+\.png", text))
    assert all(path.stat().st_size < 60_000 for path in images)
    assert {f"## {kind.__name__}" for kind, _ in _PICTURES} == set(re.findall(r"^## .*", text, re.MULTILINE))


def page(folder, text):
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_blocks_share_a_namespace_and_a_folder(tmp_path):
    text = (
        '```python\nx = 1\nprint(x)\n```\n\n```text\n1\n```\n\n```c title="a.c"\nint a;\n```\n\n'
        "```bash\ncat a.c\n```\n\n```text\nint ...;\n```\n\n```python\nassert x == 1\n```\n"
    )
    assert [printed for _, printed in run_page(page(tmp_path, text), tmp_path)] == ["1\n", "int a;\n", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", r"page\.md:5: the page says"),
        ("```bash\nfalse\necho no\n```\n", r"page\.md:1 ended with 1"),
        ("```bash\ncvclassic compare nothing-of-this-name\n```\n", r"ended with 2(.|\n)*is unknown"),
        ("```text\n2\n```\n", "no block before it"),
        ("```cpp\nint a;\n```\n", "neither run, nor written, nor excused"),
    ],
)
def test_what_fails_is_an_error(tmp_path, text, message):
    with pytest.raises(SnippetError, match=message):
        list(run_page(page(tmp_path, text), tmp_path))


def test_what_is_not_run_says_why(tmp_path):
    text = "<!-- not run: it needs the moon -->\n```bash\nfalse\n```\n"
    assert list(run_page(page(tmp_path, text), tmp_path)) == []
    assert blocks_of(text)[0].reason == "it needs the moon"
