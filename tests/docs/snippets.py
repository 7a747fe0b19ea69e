"""What stands in the fenced blocks of a documentation page, and how it is run.

Blocks of a page run in the order in which they stand, in one empty folder:

- `python` runs in one namespace for the whole page, `bash` in a shell that stops at the first failure;
- with `title="NAME"` a block of any language is written to that file;
- `text` right behind one that ran is what that one printed, where `...` stands for what differs from run to run;
- `<!-- not run: REASON -->` in the line before a block leaves it out, and has to give its reason.

Every other language needs one of these two: nothing stands in a page that nobody tried.
"""

import contextlib
import doctest
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+?) -->\n)?"
    r"```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SECONDS = 600


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line in the page, its language, its text, and what is said of it."""

    line: int
    language: str
    body: str
    title: str | None
    reason: str | None  # why it is not run


class SnippetError(AssertionError):
    """A block that fails, or prints something else than the page says."""


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page's text, in their order."""
    return [
        Block(page.count("\n", 0, at.end("language")) + 1, at["language"], *at.group("body", "title", "reason"))
        for at in _BLOCK.finditer(page)
    ]


def run_page(page: Path, folder: Path) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a page in `folder`; each that ran, and what it printed."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed: str | None = None
    with contextlib.chdir(folder), _importing_from(folder):
        for block in blocks_of(page.read_text(encoding="utf-8")):
            place = f"{page.name}:{block.line}"
            if block.reason:
                printed = None
            elif block.title:
                Path(block.title).write_text(block.body, encoding="utf-8")
            elif block.language == "text":
                _compare(place, block.body, printed)
            else:
                printed = _run(block, namespace, place)
                yield block, printed


@contextlib.contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Files that a page writes can be imported, and are forgotten after it."""
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
                del sys.modules[name]


def _run(block: Block, namespace: dict[str, object], place: str) -> str:
    if block.language == "python":
        return _run_python(block, namespace, place)
    if block.language == "bash":
        return _run_bash(block, place)
    language = block.language or "no language"
    raise SnippetError(f"{place}: a block of {language} is neither run, nor written, nor excused")


def _run_python(block: Block, namespace: dict[str, object], place: str) -> str:
    printed = io.StringIO()
    code = compile("\n" * block.line + block.body, place, "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, namespace)
    return printed.getvalue()


def _run_bash(block: Block, place: str) -> str:
    """Run in a shell in which `cvclassic` and `python` are those of this environment, installed as scripts or not."""
    python = Path(sys.executable).as_posix()
    start = f'cvclassic() {{ "{python}" -m cvclassic "$@"; }}\npython() {{ "{python}" "$@"; }}\n'
    bash = shutil.which("bash")
    if bash is None:
        raise SnippetError(f"{place}: there is no bash here")
    done = subprocess.run(
        [bash, "-e", "-o", "pipefail", "-c", start + block.body],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=_SECONDS,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1"},
    )
    if done.returncode:
        raise SnippetError(f"{place} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def _compare(place: str, expected: str, printed: str | None) -> None:
    if printed is None:
        raise SnippetError(f"{place}: no block before it has printed anything")
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(expected, printed, flags):
        raise SnippetError(f"{place}: the page says\n{expected}\nand what was printed is\n{printed[-4000:]}")
