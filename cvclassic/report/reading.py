"""How a run shows that it reads pictures: a bar on a terminal."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cvclassic.harmless import harmless


@contextlib.contextmanager
def show_reading(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Give what is called with a data set's name, the files that were read since the last call, and how many there are.

    The bar goes when all are read; nothing is shown where there is no terminal.
    """
    columns = (TextColumn("reading {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bars = {}

        def reading(name: str, n: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(escape(harmless(Path(name).name)), total=total)
            elif progress.tasks[bars[name]].finished:  # it is read again
                progress.reset(bars[name])
            progress.advance(bars[name], n)

        yield reading
