"""`benchmarks/claims.py` on a few studies, small: the limits are kept, and what breaks one is seen."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def claims():
    path = Path(__file__).parents[2] / "benchmarks" / "claims.py"
    spec = importlib.util.spec_from_file_location("claims", path)
    module = sys.modules["claims"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["claims"]


@pytest.mark.parametrize(
    "name",
    [
        "30 images, equal",
        "400 images, at the margin",
        "400 images, 3 seeds that vary by 1 point, equal",
        "30 groups of 10, likeness 1.0, equal",
        "100 groups of 6 and 3 seeds that vary by 1 point, at the margin",
        "3 classes of 500 20 8, balanced accuracy, equal",
        "4 classes of 50, macro F1, at the margin",
        "5 folds of 60 images in 5 dimensions, equal",
        "macro F1 of 10 classes of 8, 95%",
    ],
)
def test_limits_are_kept(claims, name):
    row = claims.simulated(name, claims.rows()[name], 150)
    assert not row.broken, row


def test_a_real_difference_is_found(claims):
    studies = replace(claims.rows()["2,000 images, equal"], accuracies=(0.9, 0.8, 0.82))
    row = claims.simulated("far", studies, 30)
    assert (row.decided, row.false_better, row.false_equivalent) == (1.0, 0.0, 0.0)


def test_what_breaks_a_limit_is_seen(claims):
    name = "100 groups of 5 that nobody declared, equal"
    studies = replace(claims.rows()[name], likeness=1.0)
    assert claims.simulated(name, studies, 150).broken
    assert claims.known(name)
    assert claims.known("400 images, equal") is None


def test_the_command_prints_a_table_and_ends_with_1_where_a_limit_breaks(claims, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["claims.py", "--reports", "20", "--only", "30 images"])
    assert claims.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| studies | false better %")
    assert lines[-1] == "All limits are kept."
    monkeypatch.setattr(claims.Row, "broken", True)
    assert claims.main() == 1
    assert "**broken**" in capsys.readouterr().out
