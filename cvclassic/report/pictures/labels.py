"""Names beside points: each near its own, on no other name and on no point."""

from collections.abc import Sequence

import numpy as np

_DISTANCES = (7, 12, 19, 28, 40, 55, 75, 100)
_ANGLES = np.pi / 8 * np.array([0, 1, -1, 2, -2, 4, -4, 3, -3, 8, 7, -7, 6, -6, 5, -5])  # the first are preferred
_LEADER = 12  # a label that is farther from its point is joined to it by a line


def place_labels(
    points: np.ndarray,
    sizes: np.ndarray,
    bounds: Sequence[float],
    obstacles: np.ndarray | None = None,
    clearance: float = 5,
) -> np.ndarray:
    """Places for labels beside points: greedy, the most crowded point first, each where it overlaps least.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    sizes : ndarray of shape (n, 2)
        Width and height of each label, in the unit of the points.
    bounds : x0, y0, x1, y1
        What no label leaves, if it can be helped.
    obstacles : ndarray of shape (m, 4), optional
        More boxes to avoid.
    clearance : float
        Half the side of the square around each point that is kept free.

    Returns
    -------
    ndarray of shape (n, 4)
        x0, y0, x1, y1 of each label.
    """
    points, sizes = np.asarray(points, dtype=float), np.asarray(sizes, dtype=float)
    taken = [np.hstack([points - clearance, points + clearance])]
    if obstacles is not None:
        taken.append(np.reshape(obstacles, (-1, 4)))
    boxes = np.empty((len(points), 4))
    near = np.abs(points[:, np.newaxis] - points).max(axis=2) < sizes.max(initial=1)
    for k in np.argsort(-near.sum(axis=1), kind="stable"):
        candidates, effort = _candidates(points[k], sizes[k])
        leaders = _leaders(points[k], candidates)
        others = np.concatenate(taken)
        cost = effort + 10 * _overlap(candidates, others) + 1e4 * _outside(candidates, bounds)
        cost += 30 * _crossed(leaders, np.delete(others, k, axis=0))
        best = int(np.argmin(cost))
        boxes[k] = candidates[best]
        taken.append(candidates[best : best + 1])
        if needs_leader(points[k], candidates[best]):
            taken.append(np.hstack([leaders[best] - 1, leaders[best] + 1]))
    return boxes


def needs_leader(point: np.ndarray, box: np.ndarray) -> bool:
    """Whether a label is so far from its point that a line must join them."""
    return bool(np.hypot(*(nearest(point, box) - point)) > _LEADER)


def nearest(point: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Where a box x0, y0, x1, y1 is nearest to a point; both may have further axes before their last."""
    return np.clip(point, box[..., :2], box[..., 2:])


def _candidates(point: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distance, angle = (grid.ravel() for grid in np.meshgrid(_DISTANCES, _ANGLES, indexing="ij"))
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centers = point + direction * (distance[:, np.newaxis] + size / 2)
    effort = distance + 0.2 * np.tile(np.arange(len(_ANGLES)), len(_DISTANCES))
    return np.hstack([centers - size / 2, centers + size / 2]), effort


def _leaders(point: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Six points of each line from the point to a box: (n, 6, 2)."""
    ends = nearest(point, boxes)
    return point + (ends - point)[:, np.newaxis] * np.linspace(0.2, 1, 6)[:, np.newaxis]


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[:, np.newaxis, :2], others[:, :2])
    high = np.minimum(boxes[:, np.newaxis, 2:], others[:, 2:])
    return np.maximum(high - low, 0).prod(axis=2).sum(axis=1)


def _outside(boxes: np.ndarray, bounds: Sequence[float]) -> np.ndarray:
    x0, y0, x1, y1 = bounds
    return (boxes[:, 0] < x0) | (boxes[:, 1] < y0) | (boxes[:, 2] > x1) | (boxes[:, 3] > y1)


def _crossed(leaders: np.ndarray, others: np.ndarray) -> np.ndarray:
    inside = (leaders[:, :, np.newaxis] > others[:, :2]) & (leaders[:, :, np.newaxis] < others[:, 2:])
    return inside.all(axis=3).any(axis=1).sum(axis=1)
