"""Signals that end a run as Ctrl-C does. Light to import: the command needs it from its beginning."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside of this, SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does.

    Where such a signal is ignored (nohup) or handled already, and in other threads than the main one, nothing changes.
    """
    taken = []
    try:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                    taken.append(number)
                    signal.signal(number, _interrupt)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
