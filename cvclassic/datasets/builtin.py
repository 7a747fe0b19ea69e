"""The two sets that need no file and no network: scikit-learn's handwritten digits, and shapes drawn from a seed."""

import cv2
import numpy as np

from cvclassic.datasets.dataset import LabelledImages
from cvclassic.datasets.shapes import SHAPES, draw_shapes

IMAGE_SIZE = 32
N_SHAPES = 5000


def load_digits() -> LabelledImages:
    """1,797 handwritten digits of `sklearn.datasets.load_digits`, 8 x 8 gray, scaled up to 32 x 32."""
    from sklearn.datasets import load_digits as sklearn_digits

    small, labels = sklearn_digits(return_X_y=True)
    # Each pixel counts the ink in a 4 x 4 block, 0 to 16; cubic interpolation makes smooth strokes of the counts.
    images = [
        cv2.resize(image, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_CUBIC) for image in small.reshape(-1, 8, 8)
    ]
    return LabelledImages(
        images=np.clip(np.rint(np.stack(images) * (255 / 16)), 0, 255).astype(np.uint8),
        labels=labels.astype(np.int64),
        class_names=tuple("0123456789"),
        provenance="sklearn.datasets.load_digits (8 x 8, from UCI's optical digits), scaled up to 32 x 32",
        traits=frozenset({"handwriting"}),
        n_train=None,
    )


def load_shapes() -> LabelledImages:
    """5,000 drawings of ten shapes, 32 x 32 RGB; always the same ones, whatever the seed of a run."""
    images, labels = draw_shapes(N_SHAPES, seed=0)
    return LabelledImages(
        images=images,
        labels=labels,
        class_names=tuple(SHAPES),
        provenance="drawn from seed 0",
        traits=frozenset({"mirror"}),
        n_train=None,
    )
