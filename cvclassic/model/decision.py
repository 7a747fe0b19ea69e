"""From probabilities to labels: what costs least, and "unsure" where nothing is likely enough."""

from collections.abc import Mapping, Sequence

import numpy as np

from cvclassic.errors import InputError

UNSURE = "unsure"
Costs = Mapping[tuple[str, str], float]
"""What it costs to call the second class what is truly of the first, by their names; other errors cost 1."""


def decide(
    probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str], costs: Costs | None, unsure: float | None
) -> np.ndarray:
    """Class names (n,) for probabilities (n, n_classes).

    Parameters
    ----------
    labels : ndarray of int, (n,)
        The classifier's own, which are kept where no costs are given.
    costs : mapping of (true, called) to a number, optional
        The class of least expected cost is chosen (Elkan, "The foundations of cost-sensitive learning", IJCAI 2001).
    unsure : float, optional
        "unsure" where no class has this probability, whatever its costs.
    """
    if costs:
        labels = (probabilities @ cost_matrix(costs, class_names)).argmin(axis=1)
    names = np.asarray(class_names)[labels]
    if unsure is None:
        return names
    check_threshold(unsure, class_names)
    return np.where(probabilities.max(axis=1) < unsure, UNSURE, names)


def check_threshold(unsure: float, class_names: Sequence[str]) -> None:
    """InputError unless it is a probability that can be missed, and "unsure" no class."""
    if isinstance(unsure, bool) or not isinstance(unsure, int | float | np.floating) or not 0 < unsure <= 1:
        raise InputError(f"unsure={unsure!r}; it is a probability, above 0 and up to 1, such as 0.8.")
    if UNSURE in class_names:
        raise InputError(f'A class is called "{UNSURE}" itself; take predict_proba, and compare its largest values.')


def cost_matrix(costs: Costs, class_names: Sequence[str]) -> np.ndarray:
    """What each decision costs, float64 (n_classes, n_classes): row the true class, column the one it is called.

    Raises
    ------
    InputError
        For a name that is no class, or what is no cost.
    """
    matrix = 1.0 - np.eye(len(class_names))
    for key, cost in costs.items():
        pair = key if isinstance(key, tuple) and len(key) == 2 else (key, key)
        unknown = [name for name in pair if name not in class_names]
        if unknown:
            raise InputError(f"{unknown[0]!r} is no class of this model; it has {', '.join(class_names)[:200]}.")
        if pair[0] == pair[1]:
            raise InputError(f"costs has {key!r}; it has pairs of two classes, the true one and what it is called.")
        if isinstance(cost, bool) or not isinstance(cost, int | float | np.number) or not 0 <= cost < np.inf:
            raise InputError(f"The cost of {pair[0]!r} called {pair[1]!r} is {cost!r}; it is a number of at least 0.")
        matrix[class_names.index(pair[0]), class_names.index(pair[1])] = float(cost)
    return matrix


def parse_cost(text: str, class_names: Sequence[str]) -> tuple[tuple[str, str], float]:
    """`"hole:ok=20"`, true class, what it is called and the cost, as an item of costs.

    Raises
    ------
    InputError
        For what has another form, or names no classes of the model.
    """
    names, equals, number = text.rpartition("=")
    splits = [(names[:i], names[i + 1 :]) for i, character in enumerate(names) if character == ":"]
    found = [pair for pair in splits if pair[0] in class_names and pair[1] in class_names]
    try:
        cost = float(number)
    except ValueError:
        cost = np.nan
    if not equals or not splits or not 0 <= cost < np.inf:
        raise InputError(f"{text!r} is no cost; write TRUE:CALLED=NUMBER, such as {_example(class_names)}=20.")
    if len(found) != 1:
        why = "can be read in two ways" if found else "names no two classes of this model"
        raise InputError(f"{text!r} {why}; its classes are {', '.join(class_names)[:200]}.")
    cost_matrix({found[0]: cost}, class_names)
    return found[0], cost


def _example(class_names: Sequence[str]) -> str:
    return ":".join(class_names[:2])
