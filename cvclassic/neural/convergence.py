"""Whether more steps would help a network whose schedule has run down: a rule, and what it was measured on."""

from __future__ import annotations

from collections.abc import Sequence

GAIN = 0.02
"""The accuracy that more steps must promise for a network to count as one that was still learning."""


def worthwhile(losses: Sequence[float], error: float) -> bool:
    """Whether more steps promise more than `GAIN`: `error` times the share by which the loss still fell.

    Parameters
    ----------
    losses : sequence of float
        The loss of each epoch.
    error : float
        The share of samples that the trained network gets wrong.

    Notes
    -----
    The fall is that from the lowest loss of the first half of the epochs to the lowest of the second half. A schedule's
    last rates let every loss fall that still can, but not one that has turned upwards, nor one that has nothing left.
    """
    half = len(losses) // 2
    if not half:
        return error > GAIN
    before, after = min(losses[:half]), min(losses[half:])
    return before > 0 and error * (1 - after / before) > GAIN
