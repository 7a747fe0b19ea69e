"""How a command ends: exit codes, and lines for whoever called it."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from cvclassic.errors import CVClassicError
from cvclassic.runs.interrupt import interruptible

EXIT_OK, EXIT_ROW_FAILED, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def exit_with(call: Callable[[], int]) -> None:
    """Run a sub-command and exit with its code; whatever goes wrong is one line for the user."""
    try:
        with interruptible():
            code = call()
    except CVClassicError as error:
        code = say_error(str(error))
    except KeyboardInterrupt:
        code = say("\nInterrupted.", EXIT_INTERRUPTED)
    except Exception as error:
        where = error.__traceback__
        while where.tb_next:
            where = where.tb_next
        place = f"{Path(where.tb_frame.f_code.co_filename).name}, line {where.tb_lineno}"
        code = say_error(
            f"{type(error).__name__}: {error} ({place}). This is a fault of cvclassic; please report it with this line "
            "and your command."
        )
    raise typer.Exit(code)


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """What is printed inside may be lost: to a full disk, which is told, or to `head`, which has read enough."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            say(f"The output can't be written: {error.strerror}.", EXIT_OK)
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is no file, as in tests
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_error(message: str) -> int:
    from cvclassic.harmless import harmless  # names of files and folders are in it

    return say(f"Error: {harmless(message)}", EXIT_WRONG_INPUT)


def say(line: str, code: int) -> int:
    """Print a line on standard error, if that is still there, and return `code`."""
    try:
        typer.echo(line.encode(errors="replace").decode(), err=True)
    except OSError:  # the terminal is gone
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  the interpreter flushes it at its end
    return code
