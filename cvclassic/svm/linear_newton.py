"""LinearSVM's problem for rows in memory: Newton's method on the weights of the features."""

import numpy as np
import scipy.linalg

from cvclassic.svm.linear_passes import GRAM_FEATURES
from cvclassic.svm.threads import in_parallel

DIRECT_FEATURES = 2000  # up to here each Newton step is solved from its Gram matrix, beyond by conjugate gradients
CONJUGATE_STEPS = 200
SLOW_STEPS = 12  # Newton's method needs fewer on well-scaled data; beyond them rounding is the likely cause


def solve_by_features(rows, problems, W, C, tol, max_iter):
    """Newton's method for all problems side by side, changing `W` (k, d) in place; returns steps taken, converged."""
    direct = rows.d <= DIRECT_FEATURES
    margins = rows.scores(W)
    for problem, margin in zip(problems, margins, strict=True):
        margin *= problem.sign
    if direct:
        _start_grams(rows, problems)
    else:
        preconditioned = _preconditioner(rows, problems, C)
    todo = np.arange(len(problems))
    for step in range(1, max_iter + 1):
        chosen = [problems[k] for k in todo]
        gradients = _gradients(rows, chosen, W[todo], margins[todo], C)
        if direct:
            P = _newton_steps(rows, chosen, margins[todo], gradients, C, step == SLOW_STEPS)
        else:
            P = _conjugate_gradient_steps(rows, chosen, margins[todo], gradients, C, preconditioned)
        new = rows.scores(W[todo] + P)
        arguments = zip(chosen, W[todo], margins[todo], P, new, gradients, strict=True)
        steps = in_parallel(lambda each: _step(*each, C, tol), arguments)
        for k, (w, margin, _) in zip(todo, steps, strict=True):
            W[k], margins[k] = w, margin
        todo = np.array([k for k, (_, _, done) in zip(todo, steps, strict=True) if not done], np.intp)
        if not len(todo):
            break
    return step, not len(todo)


class Problem:
    """One class against the rest: its signs, its weights, its Gram matrix of the rows in `active`."""

    def __init__(self, sign, weight):
        self.sign, self.weight = sign, weight
        self.gram = self.active = self.dtype = None

    def update_gram(self, rows, active):
        """Bring the Gram matrix to the rows of `active` by whichever of the two ways touches fewer of them."""
        entered, left = np.flatnonzero(active & ~self.active), np.flatnonzero(self.active & ~active)
        if len(entered) + len(left) <= np.count_nonzero(active):
            self.gram = self.gram + self._gram(rows, entered) - self._gram(rows, left)
        else:
            self.gram = self._gram(rows, np.flatnonzero(active))
        self.active = active

    def use_float64(self, rows):
        """Leave float32 sums behind: their rounding matters where it is not small beside the penalty's 1."""
        self.dtype = np.float64
        self.gram = self._gram(rows, np.flatnonzero(self.active))

    def newton_step(self, rows, gradient, C):
        step = self._solved(gradient, C)
        if step @ gradient < 0:
            return step
        self.use_float64(rows)
        step = self._solved(gradient, C)
        return step if step @ gradient < 0 else -gradient / (1 + 2 * C * np.trace(self.gram))

    def _gram(self, rows, index):
        return rows.gram(index, self.weight, self.dtype)

    def _solved(self, gradient, C):
        hessian = 2 * C * self.gram
        hessian.flat[:: len(hessian) + 1] += 1
        return -np.linalg.solve(hessian, gradient)


def one_vs_rest(codes, factors, weight, dtype):
    """A `Problem` per class, or one for two classes, whose positive class is the second."""
    problems = []
    for k in range(len(factors)) if len(factors) > 2 else [1]:
        own = codes == k
        # liblinear's convention: with several classes the rest keeps weight 1.
        rest = factors[0] if len(factors) == 2 else 1.0
        scale = None if factors[k] == rest == 1 else np.where(own, factors[k], rest)
        if weight is not None:
            scale = weight if scale is None else scale * weight
        problems.append(Problem(np.where(own, 1, -1).astype(dtype), None if scale is None else scale.astype(dtype)))
    return problems


def _newton_steps(rows, problems, margins, gradients, C, slow):
    def step(each):
        problem, margin, gradient = each
        problem.update_gram(rows, margin < 1)
        if slow and rows.X.dtype != np.float64:
            problem.use_float64(rows)
        return problem.newton_step(rows, gradient, C)

    return np.array(in_parallel(step, zip(problems, margins, gradients, strict=True)))


def _preconditioner(rows, problems, C):
    """A function that solves `M Z = R` for the rows of `R` (k, d), where M is near the Hessian of every problem.

    M is the Hessian with all rows inside the margin, where Newton's method starts. The rows that leave it take little
    away, so that a dozen conjugate gradient steps suffice. Beyond `GRAM_FEATURES` it is the identity.
    """
    if rows.d > GRAM_FEATURES:
        return np.copy
    hessian = rows.gram(np.arange(rows.n), None)
    weights = [1.0 if problem.weight is None else float(problem.weight.mean()) for problem in problems]
    hessian *= 2 * C * np.mean(weights)
    hessian.flat[:: len(hessian) + 1] += 1
    factor = scipy.linalg.cho_factor(hessian, overwrite_a=True, check_finite=False)
    return lambda R: scipy.linalg.cho_solve(factor, R.T, check_finite=False).T


def _conjugate_gradient_steps(rows, problems, margins, gradients, C, preconditioned):
    """Newton steps by conjugate gradients, where a (d, d) matrix per class is too much; all classes share each pass."""
    factors = 2 * C * (margins < 1)
    for factor, problem in zip(factors, problems, strict=True):
        if problem.weight is not None:
            factor *= problem.weight
    P, residual = np.zeros_like(gradients), -gradients
    D = preconditioned(residual)
    square = np.einsum("kd,kd->k", residual, D)
    goal = 1e-4 * square  # residual at a hundredth of the gradient: enough for Newton's fast last steps
    for _ in range(CONJUGATE_STEPS):
        k = np.flatnonzero(square > goal)
        if not len(k):
            break
        curved = D[k] + rows.weighted_sum(rows.scores(D[k]) * factors[k].astype(rows.X.dtype))
        length = (square[k] / np.einsum("kd,kd->k", D[k], curved))[:, None]
        P[k] += length * D[k]
        residual[k] -= length * curved
        Z = preconditioned(residual[k])
        new = np.einsum("kd,kd->k", residual[k], Z)
        D[k] = Z + (new / square[k])[:, None] * D[k]
        square[k] = new
    return P


def _step(problem, w, margins, p, new, gradient, C, tol):
    """Step from `w` along `p`: weights and margins there, and whether `w` was good enough already."""
    new *= problem.sign
    length, margins, done = moved(problem, margins, new, (w @ w, w @ p, p @ p), gradient @ p, C, tol)
    return w + length * p, margins, done


def moved(problem, margins, new, squares, slope, C, tol):
    """Step from `margins` to those of the full step, `new`: the length of the step, the margins there, and whether the
    weights before it were good enough already.

    `squares` are w.w, w.p and p.p of the weights w and the step p, `slope` is that of the objective along p.
    """
    objective = _objective(0, margins, squares, problem.weight, C)
    # What a step can gain is known no better than to the rounding of the objective at w = 0.
    start = C * (len(margins) if problem.weight is None else problem.weight.sum(dtype=np.float64))
    done = -slope / 2 <= tol * objective + np.finfo(problem.sign.dtype).eps * start
    length = _line_search(margins, new, squares, slope, problem.weight, C)
    if length < 1:
        new = margins + margins.dtype.type(length) * (new - margins)
    return length, new, done or length == 0


def _start_grams(rows, problems):
    """All rows are inside the margin at w = 0, so that classes with equal weights share one Gram matrix."""
    everything = np.arange(rows.n)
    shared = {}
    for problem in problems:
        key = None if problem.weight is None else problem.weight.tobytes()
        if key not in shared:
            shared[key] = rows.gram(everything, problem.weight)
        problem.gram, problem.active = shared[key], np.ones(rows.n, bool)


def _gradients(rows, problems, W, margins, C):
    R = np.minimum(margins - 1, 0)
    for row, problem in enumerate(problems):
        R[row] *= problem.sign
        if problem.weight is not None:
            R[row] *= problem.weight
    return W + 2 * C * rows.weighted_sum(R)


def _objective(length, margins, squares, weight, C):
    """At w + length * p, where the margins are these."""
    loss = np.square(np.maximum(1 - margins, 0))
    if weight is not None:
        loss *= weight
    w, across, p = squares
    return 0.5 * (w + length * (2 * across + length * p)) + C * loss.sum(dtype=np.float64)


def _line_search(old, new, squares, slope, weight, C):
    """Step length from margins `old` (length 0) towards `new` (length 1); 0 where nothing is to be gained.

    Newton's full step is taken where it lowers the objective enough. Otherwise the minimum along the line, where the
    increasing, piecewise linear derivative is zero, is found by bisection.
    """
    here = _objective(0, old, squares, weight, C)
    if _objective(1, new, squares, weight, C) <= here + 1e-3 * slope:
        return 1.0
    direction = new - old
    _, across, p = squares

    def derivative(t):
        hinge = np.minimum(old + t * direction - 1, 0) * direction
        if weight is not None:
            hinge *= weight
        return across + t * p + 2 * C * hinge.sum(dtype=np.float64)

    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if derivative(middle) < 0 else (low, middle)
    return low if _objective(low, old + low * direction, squares, weight, C) < here else 0.0
