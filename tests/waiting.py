"""What tests of processes share: waiting for something to come true, and whether a process still runs."""

import time
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 60.0) -> T:
    """What `condition()` gives as soon as that is true; it fails where nothing comes."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"nothing came within {seconds:g} s"
        time.sleep(0.02)
    return value


def lives(process: psutil.Process) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
