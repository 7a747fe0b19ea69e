"""Signals that end a run as Ctrl-C does. Light to import: the command needs it from its beginning."""

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside of this, SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does.

    Where such a signal is ignored (nohup) or handled already, and in other threads than the main one, nothing changes.
    Python drops an exception that rises in a destructor or in a weak reference's callback, of which an import runs
    many; a KeyboardInterrupt that was lost there is raised again a moment later.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows: no SIGHUP
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    hook = sys.unraisablehook

    def raise_again(lost: "sys.UnraisableHookArgs") -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            again = threading.Timer(0.01, _interrupt_main_thread, [taken[0] if taken else signal.SIGINT])
            again.daemon = True
            again.start()
        else:
            hook(lost)

    try:
        sys.unraisablehook = raise_again
        for number in taken:
            signal.signal(number, _interrupt)
        yield
    finally:
        sys.unraisablehook = hook
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _interrupt_main_thread(number: int) -> None:
    """Send a signal that also ends what the main thread is waiting for."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, number)
    else:
        _thread.interrupt_main(number)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
