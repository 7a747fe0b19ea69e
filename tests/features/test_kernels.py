"""What kernels share: steps of several values at once, and what is kept of them on disk."""

import os
import subprocess
import sys

import numpy as np
from numba import njit

from cvclassic.features.kernels.vectors import ROWS, SPAN, add_pair, add_weighted, put_sum, sum_lanes, weigh_around

PLACE = 3  # no multiple of the width

STALE = """
import os, pathlib, sys
import cvclassic.features.kernels as kernels
from cvclassic.features.kernels import shared
source = pathlib.Path(shared.__file__)
index = pathlib.Path(shared.load.stats.cache_path) / f"deskew.test-1.py311{sys.argv[1]}.nbi"
index.write_bytes(b"")
os.utime(index, (float(sys.argv[2]),) * 2)
kernels.forget_outdated()
print(index.exists())
index.unlink(missing_ok=True)
"""


def values(n):
    return np.random.default_rng(0).random(n).astype(np.float32)


def test_a_pair_of_votes_is_added_in_four_lanes():
    @njit
    def add(target, weights):
        add_pair(target, np.uintp(PLACE), np.float32(2), np.float32(3), weights, np.uintp(8))

    target, weights = values(16), np.arange(16, dtype=np.float32)
    expected = target.copy()
    expected[PLACE : PLACE + 8] += np.repeat(np.float32([2, 3]), 4) * weights[8:]
    add(target, weights)
    np.testing.assert_allclose(target, expected, rtol=1e-6)


def test_a_vote_is_shared_among_four():
    @njit
    def add(target, weights):
        add_weighted(target, np.uintp(PLACE), np.float32(2), weights, np.uintp(1))

    target, weights = values(9), values(6)
    expected = target.copy()
    expected[PLACE : PLACE + 4] += 2 * weights[1:5]
    add(target, weights)
    np.testing.assert_allclose(target, expected, rtol=1e-6)


def test_weighted_sums_are_parted_by_lanes():
    @njit
    def add_up(source, starts, weights, target):
        terms = np.uintp(PLACE), starts, weights, np.uintp(1), np.uintp(2)
        sum_lanes(source, *terms, target, np.uintp(1), np.uintp(9))

    source, weights, target = values(60), values(4), np.zeros(37, np.float32)
    add_up(source, np.array([99, 0, 20, 99], np.uintp), weights, target)
    total = weights[1] * source[PLACE : PLACE + 32] + weights[2] * source[PLACE + 20 : PLACE + 52]
    expected = np.zeros((4, 9), np.float32)
    expected[:, :8] = total.reshape(8, 4).T
    np.testing.assert_allclose(target, np.concatenate([[0], expected.ravel()]), rtol=1e-6)


def test_sums_are_put():
    @njit
    def put(target, source):
        put_sum(target, np.uintp(1), source, np.uintp(PLACE), np.uintp(12))

    source, target = values(20), np.zeros(10, np.float32)
    put(target, source)
    np.testing.assert_array_equal(target[1:9], source[PLACE : PLACE + 8] + source[12:])
    assert target[0] == target[9] == 0


def test_neighbors_are_weighed():
    @njit
    def weigh(source, taps, sums):
        numbers = np.uintp(60), np.uintp(5), taps, np.uintp(2), np.uintp(3), np.uintp(20)
        weigh_around(source, *numbers, sums, np.uintp(1), np.uintp(50), np.uintp(SPAN))

    source, taps, sums = values(120), values(8), np.zeros(100, np.float32)
    weigh(source, taps, sums)
    expected = np.zeros(100, np.float32)
    for row, j, k in np.ndindex(ROWS, SPAN, 3):
        before, after = source[60 + 20 * row + j - 5 * k], source[60 + 20 * row + j + 5 * k]
        expected[1 + SPAN * row + j] += taps[2 + 2 * k] * (after + before)
        expected[50 + SPAN * row + j] += taps[3 + 2 * k] * (after - before)
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-6)


def test_what_was_compiled_before_a_source_file_changed_is_forgotten(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def left(when):
        command = [sys.executable, "-c", STALE, str(os.getpid()), when]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done.stdout.strip(), done.stderr

    (tmp_path / "any").mkdir()
    assert left("1000000000") == ("False", "")
    assert left("9000000000") == ("True", "")
