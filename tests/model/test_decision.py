"""From probabilities to labels."""

import numpy as np
import pytest

from cvclassic.errors import InputError
from cvclassic.model import parse_cost
from cvclassic.model.decision import cost_matrix, decide

NAMES = ("hole", "ok", "scratch")


def test_the_label_is_the_class_of_least_expected_cost():
    """By hand: calling a part with p(hole) = 0.1 "ok" costs 0.1 * 20 = 2, calling it "hole" 0.9."""
    p = np.array([[0.1, 0.9, 0.0], [0.01, 0.99, 0.0], [0.3, 0.3, 0.4]])
    labels = p.argmax(axis=1)
    assert decide(p, labels, NAMES, {("hole", "ok"): 20}, None).tolist() == ["hole", "ok", "scratch"]
    assert decide(p, labels, NAMES, None, None).tolist() == ["ok", "ok", "scratch"]


def test_the_least_cost_is_that_of_a_sum_over_all_decisions(rng):
    p = rng.dirichlet(np.ones(3), 200)
    costs = {(a, b): float(rng.integers(0, 30)) for a in NAMES for b in NAMES if a != b}
    expected = [
        min(NAMES, key=lambda called: sum(row[i] * costs.get((NAMES[i], called), 0.0) for i in range(3))) for row in p
    ]
    assert decide(p, p.argmax(axis=1), NAMES, costs, None).tolist() == expected


def test_the_classifiers_own_label_stays_where_nothing_is_asked():
    p = np.array([[0.4, 0.6, 0.0]])
    assert decide(p, np.array([0]), NAMES, None, 0.5).tolist() == ["hole"]


def test_unsure_where_no_class_is_likely_enough():
    p = np.array([[0.79, 0.21, 0.0], [0.8, 0.2, 0.0], [0.1, 0.9, 0.0]])
    assert decide(p, p.argmax(axis=1), NAMES, None, 0.8).tolist() == ["unsure", "hole", "ok"]
    assert decide(p, p.argmax(axis=1), NAMES, {("hole", "ok"): 20}, 0.8).tolist() == ["unsure", "hole", "hole"]


@pytest.mark.parametrize("unsure", [0, 1.1, -1, "0.8", True, np.nan])
def test_thresholds_that_are_none(unsure):
    with pytest.raises(InputError, match="is a probability"):
        decide(np.eye(3), np.arange(3), NAMES, None, unsure)


def test_a_class_of_the_name_is_not_mistaken():
    with pytest.raises(InputError, match='A class is called "unsure"'):
        decide(np.eye(2), np.arange(2), ("ok", "unsure"), None, 0.8)


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({("hole", "dent"): 2}, "'dent' is no class"),
        ({("hole", "hole"): 2}, "pairs of two classes"),
        ({"hole": 2}, "pairs of two classes"),
        ({("hole", "ok"): -1}, "a number of at least 0"),
        ({("hole", "ok"): np.inf}, "a number of at least 0"),
        ({("hole", "ok"): "20"}, "a number of at least 0"),
    ],
)
def test_costs_that_are_none(costs, message):
    with pytest.raises(InputError, match=message):
        cost_matrix(costs, NAMES)


def test_costs_as_text():
    assert parse_cost("hole:ok=20", NAMES) == (("hole", "ok"), 20.0)
    assert parse_cost("a:b:c=d=0.5", ("a:b", "c=d")) == (("a:b", "c=d"), 0.5)
    for text in ("hole:ok", "hole=20", "hole:ok=x", "hole:ok=-1", "hole:ok=nan", "hole:ok=inf", "", "="):
        with pytest.raises(InputError, match="write TRUE:CALLED=NUMBER, such as hole:ok=20"):
            parse_cost(text, NAMES)
    with pytest.raises(InputError, match="names no two classes"):
        parse_cost("hole:dent=2", NAMES)
    with pytest.raises(InputError, match="in two ways"):
        parse_cost("a:b:a=2", ("a", "b:a", "a:b"))
    with pytest.raises(InputError, match="pairs of two classes"):
        parse_cost("hole:hole=2", NAMES)
