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

    What it says was compared with what four times as many steps brought on the test images (`cnn`, `mlp` and
    `linear_head` on HOG, cosine schedule, batches of 64, 125, 250 and 500 steps against 500, 1,000 and 2,000, seed 0,
    2026-11-24). A gain counts from 2 points on, if it is beyond chance.

    - By the validation loss, 100 or 500 images (CIFAR-10 at 1,000 and 5,000, MNIST at 1,000; 21 pairs): all 7 gains
      (2.1 to 11.7 points, foretold as 3.3 to 9.0) were seen; of the 14 others 11 were let go, and 3 not, all of
      the linear head on 5,000 images, whose loss fell further and whose accuracy didn't rise.
    - By the training loss, and the error on training images without dropout and augmentation, where validation images
      are few (digits at 90, shapes at 90, 270 and 900, 336 textures; 19 pairs): of 4 gains 1 was seen (5.5 points) and
      3 were not (3.0 to 3.4 points): `cnn` on the shapes went on to learn more from mirrored images, all of which it
      knew already. All of the 15 others were let go.
    """
    half = len(losses) // 2
    if not half:
        return error > GAIN
    before, after = min(losses[:half]), min(losses[half:])
    return before > 0 and error * (1 - after / before) > GAIN
