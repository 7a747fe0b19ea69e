"""Embeddings that were made before, found again by the pixels of their pictures."""

import time
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from cvclassic.images import digests


@dataclass(frozen=True, eq=False)
class Embedded:
    """Pictures that a backbone has embedded, and what that took.

    Attributes
    ----------
    digests : ndarray of shape (n, 16), uint8
        Of the pictures' pixels, by `images.digests`; each once.
    features : ndarray of shape (n, d), float32
    spent : dict of str to float
        "seconds" for all n, and "joules" where the machine tells them.
    peak_memory : int
        Bytes that the process which embedded them had used at most.
    """

    digests: np.ndarray
    features: np.ndarray
    spent: dict[str, float]
    peak_memory: int = 0

    @cached_property
    def rows(self) -> dict[bytes, int]:
        """The row of each picture."""
        return {digest.tobytes(): row for row, digest in enumerate(self.digests)}

    def find(self, digests: np.ndarray) -> np.ndarray:
        """The row of each picture (n,); -1 for those that are not there."""
        return np.array([self.rows.get(digest.tobytes(), -1) for digest in digests], dtype=np.intp)


@dataclass(eq=False)
class Known:
    """A memory of embedded pictures for `Embedding`: what it holds is looked up, and what that once took is counted.

    It belongs to a run and not to a model: clones of an estimator share it, and it is pickled empty.

    Attributes
    ----------
    embedded : dict of str to Embedded
        By `Embedding.key()`.
    backbones : list of str
        Names and fingerprints of those that are in use.
    spent : dict of str to float
        What all that was looked up so far had taken to make: "seconds", and "joules" where all of it tells them.
    """

    embedded: dict[str, Embedded] = field(default_factory=dict)
    backbones: list[str] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=lambda: {"seconds": 0.0, "joules": 0.0}, init=False)

    def find(self, key: str, X: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The features of those images of `X` that are known, and for each image the row in them, -1 for the others.

        None where no picture of this backbone is known.
        """
        table = self.embedded.get(key)
        if table is None:
            return None
        rows = table.find(digests(X))
        share = float(np.count_nonzero(rows >= 0)) / len(table.digests)
        for name in list(self.spent):
            if name in table.spent:
                self.spent[name] += share * table.spent[name]
            elif share:  # what some of the pictures don't tell can't be told of all
                del self.spent[name]
        return table.features, rows

    def clock(self) -> float:
        """Seconds as of `time.perf_counter`, on a clock that goes on by what each looked-up picture had taken."""
        return time.perf_counter() + self.spent["seconds"]

    def __repr__(self) -> str:
        return "Known()"

    def __sklearn_clone__(self) -> "Known":
        return self

    def __reduce__(self):
        return Known, ()
