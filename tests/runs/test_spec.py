"""The spec of a run: what it takes, what it refuses and how, and that JSON gives an equal one."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvclassic.errors import InputError
from cvclassic.neural import TrainingStack
from cvclassic.runs.spec import PRESETS, RunSpec

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
SPECS = st.builds(
    RunSpec,
    datasets=st.lists(NAMES, max_size=3),
    pipelines=st.lists(NAMES, max_size=3),
    preset=st.sampled_from([None, *PRESETS]),
    train_sizes=st.lists(st.integers(1, 10**6) | st.just("all"), max_size=3),
    seed=st.integers(0, 2**31),
    repeats=st.integers(1, 9) | st.sampled_from(["auto", None]),
    group=st.none() | NAMES,
    optimizer=st.sampled_from([None, "sgd", "Adam"]),
    batch_size=st.none() | st.integers(1, 999),
    settings=st.dictionaries(st.sampled_from(["C", "gamma", "schedule"]), st.just("cosine"), max_size=3),
    sweep=st.dictionaries(st.sampled_from(["tol", "depth"]), st.lists(st.integers(), min_size=1, max_size=3)),
    augment=st.sampled_from([None, "none", "Mirror", "affine"]),
    class_weight=st.sampled_from([None, "balanced", "none"]),
    tune=st.none() | st.floats(0.1, 1e6),
    timeout=st.floats(0.1, 1e6),
    memory_limit=st.none() | st.floats(0.1, 100),
    brought=st.dictionaries(NAMES, NAMES, max_size=2),
)


@given(SPECS)
def test_json_gives_an_equal_spec(spec):
    assert RunSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert hash(spec) == hash(spec.replace(seed=spec.seed))


def test_what_calls_and_flags_give_is_the_same():
    by_call = RunSpec(
        datasets=Path("photos"), settings={"C": 10, "Schedule": "Constant"}, sweep={"gamma": (0.1, 1)}, preset="Quick",
        train_sizes=(300, "all", np.int64(100)), seed=np.int64(3), learning_rate=np.float32(0.5), epochs=4,
    )  # fmt: skip
    by_flag = RunSpec(
        datasets=["photos"], settings=[("C", "10"), ("schedule", "constant")], sweep=[("gamma", ["0.1", "1"])],
        preset="quick", train_sizes="300,100,all", seed=3, learning_rate=0.5, epochs=4,
    )  # fmt: skip
    assert by_call == by_flag
    assert by_call.train_sizes == (100, 300, "all")


def test_the_training_stack_is_that_of_the_preset_the_flags_and_the_settings():
    quick, standard = PRESETS["quick"], PRESETS["standard"]
    assert RunSpec().training_stack() == TrainingStack(epochs=standard.epochs, min_steps=standard.min_steps)
    assert RunSpec(preset="full").training_stack().epochs == 30
    spec = RunSpec(preset="quick", optimizer="SGD", settings={"batch-size": 16}, sweep={"schedule": ["step", "cosine"]})
    fields = {"optimizer": "sgd", "batch_size": 16, "schedule": "step", "min_steps": quick.min_steps}
    assert spec.training_stack() == TrainingStack(epochs=quick.epochs, **fields)


@pytest.mark.parametrize(
    ("asked", "length"),
    [
        ({"epochs": 7}, {"epochs": 7}),
        ({"settings": {"epochs": 7}}, {"epochs": 7}),
        ({"sweep": {"epochs": [7, 9]}}, {"epochs": 7}),
        ({"epochs": 7, "settings": {"min_steps": 50}}, {"epochs": 7, "min_steps": 50}),
        ({"settings": {"min_steps": 50}}, {"epochs": 4, "min_steps": 50}),
        ({"time_budget": 9}, {"time_budget": 9.0}),
        ({"time_budget": 9, "epochs": 7}, {"time_budget": 9.0, "epochs": 7}),
    ],
)
def test_what_is_asked_of_the_length_of_a_training_goes_before_the_preset(asked, length):
    assert RunSpec(preset="quick", **asked).training_stack() == TrainingStack(**length)


def test_an_explicit_size_goes_before_the_bound_of_the_preset():
    assert RunSpec(preset="quick").max_train_size == 5000
    assert RunSpec(preset="quick", train_size=9000).max_train_size is None
    assert RunSpec(preset="full").max_train_size is None


@pytest.mark.parametrize(
    ("text", "sizes"), [("300,100", (100, 300)), ("all, 100 ,100", (100, "all")), ("1000", (1000,)), ("ALL", ("all",))]
)
def test_sizes_are_read_ascending_and_once(text, sizes):
    assert RunSpec(train_sizes=None).train_sizes == ()
    assert RunSpec(train_sizes=np.int64(5)).train_sizes == (5,)
    assert RunSpec(train_sizes=text).train_sizes == sizes


@pytest.mark.parametrize("text", ["", "100,", "1e3", "-5", "0", "100;300", "12.5", [True]])
def test_other_sizes_are_refused(text):
    with pytest.raises(InputError, match=r"train_sizes \(--train-sizes\) is .*numbers of images above 0"):
        RunSpec(train_sizes=text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": -1}, r"seed \(--seed\) is -1; it is a whole number of at least 0"),
        ({"seed": 1.5}, r"seed \(--seed\) is 1.5"),
        ({"repeats": True}, r"repeats \(--repeats\) is True"),
        ({"repeats": "often"}, r"repeats \(--repeats\) is 'often'; it is a whole number of at least 1 or 'auto'"),
        ({"folds": 0}, r"folds \(--folds\) is 0"),
        ({"folds": 5, "repeats": 3}, r"repeats \(--repeats\) and folds \(--folds\) don't go together"),
        ({"folds": 5, "train_sizes": [10]}, r"train_sizes \(--train-sizes\) and folds"),
        ({"group": 3}, r"group \(--group\) is 3"),
        ({"epochs": 0}, r"epochs \(--epochs\) is 0"),
        ({"image_size": 4}, r"image_size \(--image-size\) is 4; it is a whole number of at least 8"),
        ({"resize": "fit"}, r"resize \(--resize\) is 'fit'; use one of pad, crop, stretch"),
        ({"resize": None}, r"resize \(--resize\) is None"),
        ({"seed": 2**32}, "at most 4,294,967,295"),
        ({"seed": 2**32 - 2, "repeats": 3}, "at most 4,294,967,295"),
        ({"timeout": 10**400}, r"timeout \(--timeout\) is 1000"),
        ({"train_sizes": 1e3}, r"train_sizes \(--train-sizes\) is 1000.0"),
        ({"preset": ["quick"]}, r"preset \(--preset\) is \['quick'\]"),
        ({"preset": "enormous"}, r"preset \(--preset\) is 'enormous'; use one of quick, standard, full"),
        ({"timeout": 0}, r"timeout \(--timeout\) is 0; it is a number of seconds above 0"),
        ({"timeout": None}, r"timeout \(--timeout\) is None"),
        ({"memory_limit": float("nan")}, r"memory_limit \(--memory-limit\) is nan"),
        ({"time_budget": float("inf")}, r"time_budget \(--time-budget\) is inf"),
        ({"learning_rate": "fast"}, r"learning_rate \(--learning-rate\) is 'fast'; it is a number above 0"),
        ({"optimizer": "magic"}, "optimizer='magic' is unknown"),
        ({"tune": True}, r"tune \(--tune\) is True; it is the seconds that each pipeline may search, such as 120"),
        ({"tune": 0}, r"tune \(--tune\) is 0"),
        ({"corruptions": "yes"}, r"corruptions \(--corruptions\) is 'yes'; it is True or False"),
        ({"datasets": 3}, r"datasets \(--dataset\) is 3"),
        ({"pipelines": [1]}, r"pipelines \(--pipeline\) is \[1\]"),
        ({"data_dir": 3}, r"data_dir \(--data-dir\) is 3"),
        ({"settings": "C=1"}, r"settings \(--set\) is 'C=1'"),
        ({"settings": {1: 2}}, "names are texts"),
        ({"settings": [("C", 1), ("C", 2)]}, "'C' is given more than once"),
        ({"sweep": {"C": 3}}, "each name has a list of values"),
        ({"sweep": {"C": []}}, "one value or more"),
        ({"settings": {"C": 1}, "sweep": {"C": [1, 2]}}, "'C' is given more than once"),
        ({"epochs": 3, "settings": {"epochs": 4}}, "'epochs' is given more than once"),
        ({"train_size": 5, "train_sizes": "10"}, "remove train_size"),
    ],
)
def test_what_cannot_be_used_is_refused_by_field_and_flag(fields, message):
    with pytest.raises(InputError, match=message):
        RunSpec(**fields)


@pytest.mark.parametrize("content", [None, [], {"seed": "x"}, {"seed": [[]]}, {"datasets": {"a": 1}}, {"preset": "?"}])
def test_json_that_is_no_spec_is_refused(content):
    with pytest.raises(InputError, match="no description of a run"):
        RunSpec.from_json(content)
