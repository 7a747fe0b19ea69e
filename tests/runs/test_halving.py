"""Successive halving: what goes on, what is begun within the time, and what takes the place of the defaults."""

import itertools

import numpy as np
import pytest

from cvclassic.runs.halving import ENOUGH, MOST, Halving, Level

LEVELS = (Level(1 / 9, 1, 1, False), Level(1 / 3, 1, 1, True), Level(1, 1, 1, True))


class Work:
    """Trials whose cost and result are known, and the clock that they take their time from."""

    def __init__(self, skill, cost=lambda candidate: 1.0, n=1000, fails=()):
        self.skill, self.cost, self.n, self.fails = skill, cost, n, fails
        self.now, self.begun = 100.0, []

    def clock(self):
        return self.now

    def attempt(self, candidate, level, left):
        self.begun.append((self.now, level, candidate))
        self.now += self.cost(candidate) * level.cost / LEVELS[-1].cost
        if candidate.get("x") in self.fails:
            return None
        return np.arange(self.n) < round(self.n * self.skill(candidate))


def numbers():
    return ({"x": x} for x in itertools.count())


def searched(work, seconds, levels=LEVELS, candidates=None):
    search = Halving(work.attempt, levels, seconds, work.clock)
    search.run(numbers() if candidates is None else candidates)
    return search


def by_x(candidate):
    return 0.5 if not candidate else 0.45 + 0.006 * candidate["x"]


def test_with_much_time_all_candidates_are_tried_at_the_last_level():
    search = searched(Work(lambda c: 0.5 if not c else 0.9 - 0.01 * abs(c["x"] - 7)), 1000.0)
    assert [len(each) for each in search.rounds] == [1, 1, MOST]
    chosen, defaults = search.chosen()
    assert chosen.candidate == {"x": 7}
    assert (chosen.accuracy, defaults.accuracy) == (0.9, 0.5)
    assert search.decided


def test_with_little_time_the_best_third_goes_on_and_the_defaults_always():
    levels = [Level(1, share, 1, True) for share in (1 / 9, 1 / 3, 1)]
    search = searched(Work(by_x), 7.0, levels)
    first, second, third = search.rounds
    assert [each[0].candidate for each in search.rounds] == [{}, {}, {}]
    assert [each.level for each in (first[-1], second[-1], third[-1])] == levels
    best = sorted((each.candidate["x"] for each in first[1:]), reverse=True)
    assert ENOUGH <= len(best) <= MOST
    assert 2 <= len(second) - 1 <= np.ceil(len(best) / 3)
    assert [each.candidate["x"] for each in second[1:]] == best[: len(second) - 1]
    assert [each.candidate["x"] for each in third[1:]] == best[:1]
    assert search.chosen()[0].candidate == {"x": best[0]}


@pytest.mark.parametrize("seconds", [0.05, 0.5, 2.0, 5.0, 20.0, 60.0])
def test_trials_that_take_as_long_as_expected_end_in_time(seconds):
    work = Work(by_x)
    searched(work, seconds)
    assert work.now - 100 <= max(seconds, LEVELS[0].cost / LEVELS[-1].cost) + 1e-9
    if seconds >= 5:
        assert work.now - 100 > 0.6 * seconds


def test_one_that_is_slow_by_what_was_seen_is_not_begun_at_the_next_level():
    work = Work(by_x, cost=lambda c: 40.0 if c.get("x") == 9 else 1.0)
    search = searched(work, 8.0, levels=LEVELS[1:], candidates=[{"x": x} for x in range(10)])
    assert {"x": 9} in [each.candidate for each in search.rounds[-2]]
    assert {"x": 9} not in [each.candidate for each in search.rounds[-1]]
    assert len(search.rounds[-1]) > 1


def test_where_the_next_level_is_out_of_reach_the_time_goes_to_more_candidates():
    levels = (LEVELS[1], Level(1, 99, 1, True))
    search = searched(Work(by_x), 6.0, levels=levels)
    assert len(search.rounds) == 1
    assert len(search.rounds[0]) == pytest.approx(6 * 9, abs=2)


def test_without_time_the_defaults_stay_and_nothing_is_decided():
    search = searched(Work(by_x), 0.001)
    assert not search.decided
    assert [each.candidate for each in search.chosen()] == [{}, {}]


def test_a_level_that_is_too_small_to_choose_by_only_tells_who_goes_on():
    search = searched(Work(lambda c: 0.9 if c else 0.1), 1.0, levels=(LEVELS[0], Level(1, 99, 1, True)))
    assert len(search.rounds[0]) > 2
    assert not search.decided
    assert search.chosen()[0].candidate == {}


@pytest.mark.parametrize(("skill", "kept"), [(0.50, True), (0.51, True), (0.60, False)])
def test_the_defaults_stay_unless_they_are_clearly_beaten(skill, kept):
    # Of 100 images one more is one standard error, ten more are three.
    search = searched(Work(lambda c: skill if c else 0.5, n=100), 1000.0, candidates=[{"x": 0}])
    assert (search.chosen()[0].candidate == {}) == kept


def test_failures_come_last_and_failed_defaults_give_way():
    search = searched(Work(by_x, fails=(5, None)), 1000.0, candidates=[{"x": x} for x in range(6)])
    chosen, defaults = search.chosen()
    assert chosen.candidate == {"x": 4}
    assert defaults.right is None
    search = searched(Work(by_x, fails=range(9)), 1000.0, candidates=[{"x": x} for x in range(6)])
    assert search.chosen()[0].candidate == {}


def test_equals_leave_the_first_and_everything_is_the_same_again():
    def run():
        work = Work(lambda c: 0.9 if c else 0.1)
        search = searched(work, 3.0)
        return work.begun, search.chosen()[0].candidate

    assert run() == run()
    assert run()[1] == {"x": 0}
