"""Settings by name: how texts are read, and which parameter of an estimator a name means."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from cvclassic.errors import InputError
from cvclassic.neural import TrainingStack
from cvclassic.runs.settings import (
    apply_settings,
    as_text,
    find_parameter,
    parse_setting,
    parse_sweep,
    parse_value,
    split_settings,
    unknown_setting,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("32", 32),
        ("1e-3", 0.001),
        ("None", None),
        ("False", False),
        ("(512, 256)", (512, 256)),
        ("{0: 5.0}", {0: 5.0}),
        ("adam", "adam"),
        ("hog+color", "hog+color"),
        ("{[]: 1}", "{[]: 1}"),
    ],
)
def test_values_are_python_literals_or_themselves(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_a_sweep_parts_its_values_at_commas_outside_of_brackets_and_counts_each_once():
    assert parse_sweep("optimizer=sgd, adam,sgd") == ("optimizer", ["sgd", "adam"])
    assert parse_sweep("cost=[[0, 1], [5, 0]],None") == ("cost", ["[[0, 1], [5, 0]]", "None"])


@pytest.mark.parametrize("text", ["batch_size", "=32", "batch_size=", "batch size=32", "4=5"])
def test_what_is_no_setting_is_refused(text):
    with pytest.raises(InputError, match="NAME=VALUE"):
        parse_setting(text)


@pytest.mark.parametrize(
    "value", [32, 1e-3, None, False, (512, 256), "adam", "hog+color", np.float32(0.5), np.int64(3)]
)
def test_values_come_back_from_their_text(value):
    assert parse_value(as_text(value)) == value


def test_a_dash_in_a_name_is_an_underscore():
    assert parse_setting("batch-size=32") == ("batch_size", "32")


def test_a_sweep_with_an_empty_value_is_refused():
    with pytest.raises(InputError, match="empty value"):
        parse_sweep("batch_size=32,")


def test_a_name_means_a_key_or_the_only_key_that_ends_in_it():
    pipeline = make_pipeline(StandardScaler(), SVC())
    assert find_parameter(pipeline, "svc__C") == "svc__C"
    assert find_parameter(pipeline, "C") == find_parameter(pipeline, "c") == "svc__C"
    assert find_parameter(pipeline, "ith_mean") is None
    apply_settings(pipeline, (("c", "0.5"), ("with_mean", "False"), ("kernel", "linear")))
    assert (pipeline[-1].C, pipeline[0].with_mean, pipeline[-1].kernel) == (0.5, False, "linear")


def test_an_ambiguous_name_is_refused_with_the_full_ones():
    union = make_pipeline(FeatureUnion([("few", PCA(2)), ("many", PCA(9))]), SVC())
    with pytest.raises(InputError, match="featureunion__few__n_components, featureunion__many__n_components"):
        find_parameter(union, "n_components")


def test_fields_of_the_stack_are_told_from_the_rest():
    of_stack, rest = split_settings((("batch_size", "32"), ("C", "1")), TrainingStack())
    assert (of_stack, rest) == ({"batch_size": 32}, (("C", "1"),))


def test_an_unknown_name_comes_with_the_near_ones():
    error = unknown_setting("kernal", TrainingStack(), [make_pipeline(StandardScaler(), SVC())])
    assert "Near names: kernel" in str(error)
    assert "epochs" in str(unknown_setting("xyzzy", TrainingStack(), []))


@pytest.mark.parametrize("text", ["(" * 300, "-" * 900 + "1", "[" * 100_000, "1" * 5000, "x\0y"])
def test_what_no_parser_bears_stays_a_text(text):
    assert parse_value(text) == text
