"""A run cut to a time: what is cut, in which order, and what is said of it."""

from itertools import pairwise

import pytest

from cvclassic import datasets
from cvclassic.errors import InputError
from cvclassic.runs.question import Question, ask, asked_by
from cvclassic.runs.spec import RunSpec
from cvclassic.runs.within import gather_within, parse_duration

PIPELINES = ["hog_svm", "cnn"]


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), (" 1.5 h", 5400), ("2MIN", 120)])
def test_a_time_is_read_with_its_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3", "0", "10d", "1e3"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(InputError, match=r"write a time such as 90s, 10m or 1\.5h"):
        parse_duration(text)


def settled(seconds, **fields):
    digits = datasets.load("digits")
    X, y = digits.images[:400], digits.labels[:400]
    return gather_within(ask((X, y), PIPELINES, within=seconds, **fields))


def test_enough_time_cuts_nothing():
    data, notes = settled(1e6)
    assert notes == []
    assert (data.spec.preset, len(data.datasets["arrays"].folds)) == ("standard", 5)


@pytest.mark.slow
def test_the_less_time_the_more_is_cut():
    cuts = []
    for seconds in (100, 60, 40, 20, 1):
        data, notes = settled(seconds)
        cuts.append(notes[0].partition(": ")[2].split(", ") if notes else [])
        kept = (data.spec.preset, len(data.datasets["arrays"].folds), data.spec.training_stack().min_steps)
        assert ("preset quick" in cuts[-1]) == (kept[0] == "quick")
        assert ("at least 250 steps of each network" in cuts[-1]) == (kept[2] == 250)
        assert kept[1] == (0 if "a single split" in cuts[-1] else 3 if "3 folds" in cuts[-1] else 5)
    assert all(set(fewer) <= set(more) for fewer, more in pairwise(cuts))
    assert cuts[-1] == [
        "preset quick",
        "3 folds",
        "at least 250 steps of each network",
        "a single split",
    ]
    assert notes[1].startswith("To be done within 1 s this is still too much: it will take about")


def test_what_was_asked_for_stays():
    data, notes = settled(1, folds=5, preset="standard", epochs=10)
    assert (data.spec.preset, len(data.datasets["arrays"].folds), data.spec.epochs) == ("standard", 5, 10)
    assert [note.startswith("To be done within 1 s this is still") for note in notes] == [True]


def test_a_run_that_goes_on_is_cut_as_it_was():
    spec = RunSpec(datasets="digits", pipelines=PIPELINES, preset="standard", within=10, offline=True)
    first, _ = gather_within(Question(spec))
    again, _ = gather_within(asked_by(first.spec))
    assert again.spec == first.spec
    assert (first.spec.repeats, first.spec.training_stack().min_steps) == (1, 250)
