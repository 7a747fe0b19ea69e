"""LinearSVM's problem where rows are few: Newton's method on the weights of the rows.

The optimum is a sum of rows, w = sum of u_i x_i, where u_i is 0 for rows outside the margin. With K the products of
rows with each other, S the rows inside the margin, y their signs and c their weights, Newton's step leads to
u_S = (K_SS + 1 / 2Cc)^-1 y_S (Chapelle, "Training a support vector machine in the primal", Neural Computation 19,
2007). S is soon a small part of the rows, so that these systems cost less than those in the features.
"""

import numpy as np
import scipy.linalg

from cvclassic.svm.linear_newton import moved
from cvclassic.svm.linear_passes import GRAM_FEATURES
from cvclassic.svm.threads import in_parallel, on_one_thread

SMALL_SYSTEM = 2000  # rows up to which a second core brings less than its waiting costs
SCORED_ROWS = 512


def few_rows(rows) -> bool:
    """Whether `solve_by_rows` is sooner: a step's cost grows with the cube of the rows inside the margin, half of them
    or so, and that of the features' systems with the cube of their number."""
    return rows.n < min(2 * rows.d, GRAM_FEATURES)


def solve_by_rows(rows, problems, W, C, tol, max_iter):
    """As `solve_by_features`; `W` says no more than which rows the first step takes to be inside the margin."""
    K = rows.products()
    # Rounding of this size is in K; added to its diagonal, it keeps systems with copies of rows solvable.
    rounding = len(K) * np.finfo(np.float64).eps * K.diagonal().max()
    classes = [_Class(problem, score) for problem, score in zip(problems, rows.scores(W), strict=True)]
    todo, steps = classes, 0
    while todo and steps < max_iter:
        steps += 1
        goals = _goals(K, rounding, todo, C)
        scores = _scores(K, goals)
        done = in_parallel(lambda each: each[0].move(*each[1:], C, tol), zip(todo, goals, scores, strict=True))
        todo = [each for each, ended in zip(todo, done, strict=True) if not ended]
    W[:] = rows.weighted_sum(np.array([each.u for each in classes]))
    return steps, not todo


class _Class:
    """One class against the rest: the weights `u` (n,) of the rows, their scores, and which rows are `active`."""

    def __init__(self, problem, score):
        self.problem = problem
        self.sign = problem.sign.astype(np.float64)
        self.weight = np.ones(len(score)) if problem.weight is None else problem.weight.astype(np.float64)
        self.u, self.score = np.zeros(len(score)), np.zeros(len(score))
        self.active, self.guessed = self.sign * score < 1, score.any()

    def move(self, goal, score, C, tol):
        """Step towards `goal`, which has these scores; returns whether the weights were good enough already."""
        way, climb = goal - self.u, score - self.score
        margin = self.sign * self.score
        gradient = self.u + 2 * C * self.weight * self.sign * np.minimum(margin - 1, 0)
        squares = self.u @ self.score, self.u @ climb, way @ climb
        length, _, done = moved(self.problem, margin, self.sign * score, squares, gradient @ climb, C, tol)
        done = done and not self.guessed  # a guess that leads nowhere is given up for the rows that are inside now
        self.u = self.u + length * way
        self.score = self.score + length * climb
        self.active, self.guessed = self.sign * self.score < 1, False
        return done


def _goals(K, rounding, classes, C):
    """Where Newton's full step leads each class: weights of the rows, (k, n)."""
    systems = {}
    for place, each in enumerate(classes):  # at the start all rows are active, so that classes share one system
        systems.setdefault((each.active.tobytes(), each.weight.tobytes()), []).append(place)
    goals = np.zeros((len(classes), len(K)))

    def solve(places):
        first = classes[places[0]]
        chosen = np.flatnonzero(first.active & (first.weight > 0))
        system = K[np.ix_(chosen, chosen)]
        system.flat[:: len(chosen) + 1] += rounding + 1 / (2 * C * first.weight[chosen])
        signs = np.array([classes[place].sign[chosen] for place in places])
        factor = scipy.linalg.cho_factor(system.T, lower=False, overwrite_a=True, check_finite=False)
        goals[np.ix_(places, chosen)] = scipy.linalg.cho_solve(factor, signs.T, check_finite=False).T

    if len(systems) == 1 and len(K) <= SMALL_SYSTEM:
        on_one_thread(solve, *systems.values())
    else:
        in_parallel(solve, systems.values())
    return goals


def _scores(K, U):
    parts = [slice(start, start + SCORED_ROWS) for start in range(0, len(K), SCORED_ROWS)]
    return np.hstack(in_parallel(lambda part: U @ K[:, part], parts))
