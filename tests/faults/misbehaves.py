"""A pipeline that misbehaves in `fit`, in the way that its parameter `way` names."""

import contextlib
import ctypes
import multiprocessing
import os
import re
import subprocess
import sys
import time
from multiprocessing import shared_memory
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

family = "classical"
LONG = 600
CHILDREN = Path(__file__).name  # in the command line of each child
EATER = "import time\nkept = []\nfor _ in range(40):\n    kept.append(b'x' * 2**26)\n    time.sleep(0.02)\n"


def build(task):
    return Misbehaves()


class Misbehaves(ClassifierMixin, BaseEstimator):
    def __init__(self, way="behaves"):
        self.way = way

    def fit(self, X, y):
        print("began", flush=True)
        WAYS[self.way]()
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def hold_the_lock():
    ctypes.PyDLL(None).sleep(LONG)


def hold_the_lock_busily():
    libc = ctypes.PyDLL(None)
    numbers = (ctypes.c_int * 2**26)()
    while True:
        libc.qsort(numbers, 2**26, 4, libc.strcmp)


def match_for_ever():
    re.match("(a+)+$", "a" * 60 + "b")


def multiply_for_ever():
    return 7 ** (10**9)


def start_children():
    """A command, a process of multiprocessing, one that takes no SIGTERM, and a daemon in a session of its own."""
    subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({LONG})", CHILDREN])
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(LONG,)).start()
    stubborn = f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep({LONG})"
    subprocess.Popen([sys.executable, "-c", stubborn, CHILDREN])
    daemon = f"import os, time\nif os.fork():\n    os._exit(0)\nos.setsid()\ntime.sleep({LONG})"
    subprocess.run([sys.executable, "-c", daemon, CHILDREN], check=True)
    time.sleep(0.5)  # until they ignore what they ignore
    print("started", flush=True)


def eat_memory():
    exec(EATER)


def let_a_child_eat_memory():
    subprocess.run([sys.executable, "-c", EATER, CHILDREN], check=True)


def share_memory():
    shared = shared_memory.SharedMemory(create=True, size=2**20)
    print("shares", shared.name, flush=True)
    time.sleep(LONG)


def fill_the_disk():
    """The one that this process's log is on."""
    log = Path(os.readlink("/proc/self/fd/1"))
    with contextlib.suppress(OSError), open(log.parent / "filler", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 2**16)
    with contextlib.suppress(OSError), open(log.parent / "filler2", "wb", buffering=0) as file:
        while True:
            file.write(b"x")


def hang_with_children():
    start_children()
    time.sleep(LONG)


WAYS = {
    "behaves": lambda: None,
    "lock": hold_the_lock,
    "busy": hold_the_lock_busily,
    "regex": match_for_ever,
    "power": multiply_for_ever,
    "leaves children": start_children,
    "children": hang_with_children,
    "hangs": lambda: time.sleep(LONG),
    "eats": eat_memory,
    "child eats": let_a_child_eat_memory,
    "exits": lambda: sys.exit("enough"),
    "exits at once": lambda: os._exit(7),
    "exits well": lambda: os._exit(0),
    "shares": share_memory,
    "fills": fill_the_disk,
    "stops": lambda: os.kill(os.getpid(), 19),
}
