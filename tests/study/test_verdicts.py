"""Verdicts by the order of their rules, Holm's levels, and the numbers that would settle what is undecided."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvclassic.errors import InputError
from cvclassic.study.differences import difference
from cvclassic.study.statistics import holm
from cvclassic.study.verdicts import Kind, holm_levels, verdicts


def of_counts(first_only, second_only, n):
    first, second = np.zeros((2, 1, n), int)
    first[0, first_only : first_only + second_only] = 1
    second[0, :first_only] = 1
    return difference(first, second, np.zeros(n, int))


@pytest.mark.parametrize(
    ("first_only", "second_only", "n", "kind", "ahead"),
    [
        (60, 10, 1_000, Kind.BETTER_BY_MARGIN, "first"),
        (10, 60, 1_000, Kind.BETTER_BY_MARGIN, "second"),
        (30, 31, 10_000, Kind.EQUIVALENT, None),
        (60, 20, 10_000, Kind.EQUIVALENT, "first"),
        (20, 60, 10_000, Kind.EQUIVALENT, "second"),
        (40, 20, 1_000, Kind.BETTER, "first"),
        (11, 10, 400, Kind.UNDECIDED, None),
        (0, 0, 100, Kind.UNDECIDED, None),
        (0, 0, 400, Kind.EQUIVALENT, None),
    ],
)
def test_the_first_rule_that_holds_is_the_verdict(first_only, second_only, n, kind, ahead):
    (found,) = verdicts([of_counts(first_only, second_only, n)], 0.01)
    assert (found.kind, found.ahead, found.confidence) == (kind, ahead, 0.95)
    assert found.equivalence_confidence == pytest.approx(0.9)
    assert (found.settling is None) == (kind != Kind.UNDECIDED)
    low, high = found.interval
    assert (low > 0.01 or high < -0.01) == (kind == Kind.BETTER_BY_MARGIN)
    low, high = found.equivalence_interval
    assert (low > -0.01 and high < 0.01) == (kind == Kind.EQUIVALENT)


def test_ten_errors_against_eleven_are_undecided_though_two_seeds_agree():
    y_true = np.zeros(400, int)
    first, second = (np.stack([np.arange(400) < n for n in some]).astype(int) for some in ([10, 12], [11, 13]))
    second = np.roll(second, 200, axis=1)
    (found,) = verdicts([difference(first, second, y_true)])
    assert (found.kind, found.settling.kind) == (Kind.UNDECIDED, Kind.EQUIVALENT)
    assert found.settling.images > 400


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=6))
def test_what_is_decided_is_what_holms_corrected_p_values_decide(p_values):
    for p_value, level, corrected in zip(p_values, holm_levels(p_values), holm(p_values), strict=True):
        if abs(corrected - 0.05) > 1e-9:
            assert (p_value < level) == (corrected < 0.05)


@pytest.mark.parametrize(
    ("p_values", "levels"),
    [
        ([0.03, 0.001], [0.05, 0.025]),
        ([0.03, 0.04], [0.025, 0.025]),
        ([0.2], [0.05]),
        ([0.001, 0.02, 0.9], [0.05 / 3, 0.025, 0.05]),
    ],
)
def test_levels(p_values, levels):
    assert holm_levels(p_values) == pytest.approx(levels)


def test_the_second_question_is_told_at_95_percent_only_where_the_first_is_decided():
    alone = of_counts(27, 12, 500)
    assert 0.01 < alone.p_value < 0.025 < 0.03 < of_counts(26, 13, 500).p_value < 0.05
    first, second = verdicts([of_counts(26, 13, 500), alone])
    assert [each.kind for each in (first, second)] == [Kind.BETTER, Kind.BETTER]
    assert (first.confidence, second.confidence) == (0.95, 0.975)
    first, second = verdicts([of_counts(26, 13, 500), of_counts(10, 10, 500)])
    assert [each.kind for each in (first, second)] == [Kind.UNDECIDED, Kind.UNDECIDED]
    assert (first.confidence, second.confidence) == (0.975, 0.975)
    (single,) = verdicts([of_counts(26, 13, 500)])
    assert single.kind == Kind.BETTER


def test_equivalence_has_holms_levels_of_its_own():
    close, closer = of_counts(34, 25, 2_000), of_counts(10, 10, 2_000)
    p_values = [each.equivalence_p_value(0.01) for each in (close, closer)]
    assert p_values[1] < 0.025 < p_values[0]
    found = verdicts([close, closer], 0.01)
    assert [each.equivalence_confidence for each in found] == pytest.approx([0.9, 0.95])
    assert [each.kind for each in found] == [Kind.UNDECIDED, Kind.EQUIVALENT]


def test_no_question_has_no_verdict():
    assert verdicts([]) == ()


@pytest.mark.parametrize("margin", [-0.01, 1.0, float("nan")])
def test_a_margin_that_is_no_fraction_is_refused(margin):
    with pytest.raises(InputError, match="is no fraction; give one from 0"):
        verdicts([of_counts(1, 1, 10)], margin)


@pytest.mark.parametrize(
    ("first_only", "second_only", "n", "kind"), [(24, 16, 400, "better"), (10, 10, 600, "equivalent")]
)
def test_as_many_images_as_are_said_decide_it_four_times_of_five(first_only, second_only, n, kind):
    (found,) = verdicts([of_counts(first_only, second_only, n)], 0.01)
    settling, random, decided = found.settling, np.random.default_rng(0), 0
    assert (found.kind, settling.kind, settling.seeds) == (Kind.UNDECIDED, kind, None)
    for _ in range(200):
        shares = [first_only / n, second_only / n, 1 - (first_only + second_only) / n]
        counts = random.multinomial(settling.images, shares)
        decided += verdicts([of_counts(*counts[:2], settling.images)], 0.01)[0].kind in (kind, Kind.BETTER_BY_MARGIN)
    assert 0.7 < decided / 200 < 0.95


@pytest.mark.parametrize("second_only", [13, 14, 16, 21])
def test_numbers_are_rounded_to_two_digits(second_only):
    (found,) = verdicts([of_counts(24, second_only, 400)])
    assert found.settling.images > 400
    assert len(str(found.settling.images).rstrip("0")) <= 2


def test_no_number_that_cant_be_had_is_given():
    (found,) = verdicts([of_counts(10, 10, 100)], 0.0)
    assert (found.kind, found.settling) == (Kind.UNDECIDED, None)


def many(accuracies, n=20_000, seed=0):
    random = np.random.default_rng(seed)
    return np.stack([random.random(n) > accuracy for accuracy in accuracies]).astype(int)


def test_where_trainings_limit_seeds_are_told():
    found = difference(many([0.92, 0.84, 0.89]), many([0.83, 0.88, 0.82], seed=1), np.zeros(20_000, int))
    (verdict,) = verdicts([found], 0.01)
    assert (verdict.kind, verdict.settling.images) == (Kind.UNDECIDED, None)
    assert 3 < verdict.settling.seeds < 30


def test_where_both_limit_both_are_told():
    found = difference(many([0.90, 0.89], 300), many([0.87, 0.95], 300, 1), np.zeros(300, int))
    (verdict,) = verdicts([found], 0.01)
    assert verdict.kind == Kind.UNDECIDED
    assert verdict.settling.images > 300
    assert verdict.settling.seeds > 2
