"""Decision trees and forests of them in a `.cvc` file: the nodes of all trees, one after another, as plain arrays.

scikit-learn follows the children of a node without looking whether they are there; so they are looked at here.
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from cvclassic.errors import InputError
from cvclassic.model.kinds import LARGEST, Kind, Shape, Value, agree, check_classes, floats, integers, whole

_LEAF = -1  # the child of a node that has none
_INTEGERS = ("left_child", "right_child", "feature", "n_node_samples", "missing_go_to_left")
_FLOATS = ("threshold", "impurity", "weighted_n_node_samples")


def _check(classifier: BaseEstimator, shape: Shape, n_classes: int) -> None:
    name, d = type(classifier).__name__, classifier.n_features_in_
    classifier._validate_params()
    agree(check_classes(classifier.classes_, n_classes) and len(classifier.classes_) > 1, f"classes_ of its {name}")
    agree(0 < d <= LARGEST and (shape is None or shape == (d,)), f"n_features_in_ of its {name}")


def _refuse(classifier: BaseEstimator) -> str | None:
    named = isinstance(classifier.criterion, str)
    return None if named else "its criterion is an object; use one by name"


def _collect(classifier: BaseEstimator) -> dict[str, Value]:
    if not hasattr(classifier, "classes_"):
        return {}
    if classifier.n_outputs_ != 1:
        raise InputError(f"{type(classifier).__name__} can't be saved with several outputs")
    single = isinstance(classifier, DecisionTreeClassifier)
    trees = [classifier.tree_] if single else [each.tree_ for each in classifier.estimators_]
    states = [tree.__getstate__() for tree in trees]
    nodes = np.concatenate([state["nodes"] for state in states])
    found = {name: np.ascontiguousarray(nodes[name]) for name in (*_INTEGERS, *_FLOATS)}
    return found | {
        "classes_": classifier.classes_,
        "n_features_in_": classifier.n_features_in_,
        "node_counts": np.array([state["node_count"] for state in states]),
        "max_depths": np.array([state["max_depth"] for state in states]),
        "values": np.concatenate([state["values"] for state in states])[:, 0],
    }


def _restore(classifier: BaseEstimator, fitted: dict[str, Value]) -> None:
    _check_nodes(fitted, f"its {type(classifier).__name__}")
    classifier.classes_, classifier.n_features_in_ = fitted["classes_"], fitted["n_features_in_"]
    classifier.n_classes_, classifier.n_outputs_ = len(fitted["classes_"]), 1
    trees = _trees(fitted)
    if isinstance(classifier, DecisionTreeClassifier):
        agree(len(trees) == 1, "the number of trees of its DecisionTreeClassifier")
        classifier.tree_ = trees[0]
        return
    classifier.estimators_ = []
    for tree in trees:
        single = DecisionTreeClassifier()
        single.tree_, single.n_features_in_ = tree, classifier.n_features_in_
        single.classes_ = np.arange(classifier.n_classes_, dtype=np.float64)
        single.n_classes_, single.n_outputs_ = classifier.n_classes_, 1
        classifier.estimators_.append(single)


def _check_nodes(fitted: dict[str, Value], what: str) -> None:
    counts, values = fitted["node_counts"].astype(np.int64), fitted["values"]
    n = len(values)
    agree(len(counts) > 0 and bool((counts > 0).all()) and bool((counts <= n).all()), f"node_counts of {what}")
    agree(counts.sum() == n and values.shape == (n, len(fitted["classes_"])), f"values of {what}")
    agree(len(fitted["max_depths"]) == len(counts) and bool((values >= 0).all()), f"values of {what}")
    for name in (*_INTEGERS, *_FLOATS):
        agree(fitted[name].shape == (n,), f"{name} of {what}")
    left, right = fitted["left_child"].astype(np.int64), fitted["right_child"].astype(np.int64)
    place = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    inner = left != _LEAF
    agree(bool((inner == (right != _LEAF)).all()), f"the leaves of {what}")
    for child in (left, right):  # each stands behind its parent, so that following them comes to an end
        agree(bool(((child > place) & (child < np.repeat(counts, counts)))[inner].all()), f"the children of {what}")
    feature = fitted["feature"]
    agree(bool(((feature >= 0) & (feature < fitted["n_features_in_"]))[inner].all()), f"feature of {what}")


def _trees(fitted: dict[str, Value]) -> list[Tree]:
    trees, start = [], 0
    dtype = Tree(1, np.array([1], np.intp), 1).__getstate__()["nodes"].dtype
    for count, depth in zip(fitted["node_counts"].tolist(), fitted["max_depths"].tolist(), strict=True):
        rows = slice(start, start + count)
        start += count
        nodes = np.zeros(count, dtype)
        for name in (*_INTEGERS, *_FLOATS):
            nodes[name] = fitted[name][rows]
        values = np.ascontiguousarray(fitted["values"][rows, np.newaxis], np.float64)
        tree = Tree(fitted["n_features_in_"], np.array([values.shape[2]], np.intp), 1)
        tree.__setstate__({"max_depth": depth, "node_count": count, "nodes": nodes, "values": values})
        trees.append(tree)
    return trees


_FITTED = (
    {"classes_": integers(1), "n_features_in_": whole, "node_counts": integers(1), "max_depths": integers(1)}
    | {"values": floats(2)}
    | dict.fromkeys(_INTEGERS, integers(1))
    | dict.fromkeys(_FLOATS, floats(1))
)
KINDS = [
    Kind(
        f"sklearn.{name}",
        _FITTED,
        _check,
        left_out=left_out,
        collect=_collect,
        restore=_restore,
        refuse=_refuse,
    )
    for name, left_out in (
        ("ensemble.ExtraTreesClassifier", {"n_jobs": None, "verbose": 0}),
        ("ensemble.RandomForestClassifier", {"n_jobs": None, "verbose": 0}),
        ("tree.DecisionTreeClassifier", {}),
    )
]
