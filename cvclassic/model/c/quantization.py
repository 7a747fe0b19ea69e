"""Weights as C arrays hold them: float, or whole numbers of 8 or 16 bits with a scale for each row."""

from dataclasses import dataclass, replace

import numpy as np

from cvclassic.errors import InputError
from cvclassic.model.c.lowering import RBF, Affine, Lowered

WEIGHTS = ("float", "int16", "int8")
_TYPES = {"float": np.float32, "int16": np.int16, "int8": np.int8}


@dataclass(frozen=True)
class Stored:
    """A matrix as the header has it: `values * scales`, a scale for each row; no scales for float."""

    values: np.ndarray  # (rows, columns): float32, int16 or int8
    scales: np.ndarray | None  # (rows,), float32

    def dense(self) -> np.ndarray:
        """The matrix that it stands for, float64."""
        values = self.values.astype(np.float64)
        return values if self.scales is None else values * self.scales.astype(np.float64)[:, np.newaxis]


def check_weights(weights: str) -> None:
    """Raise `InputError` unless `weights` is one of `WEIGHTS`."""
    if weights not in WEIGHTS:
        raise InputError(f"weights={weights!r} is unknown; use one of {', '.join(WEIGHTS)}.")


def stored(matrix: np.ndarray, weights: str) -> Stored:
    """`matrix` (rows, columns) rounded to float32, or to whole numbers so that each row's largest is the type's."""
    if weights == "float":
        return Stored(matrix.astype(np.float32), None)
    top = np.iinfo(_TYPES[weights]).max
    scales = (np.abs(matrix).max(axis=1) / top).astype(np.float32)
    divisors = np.where(scales > 0, scales, 1).astype(np.float64)[:, np.newaxis]
    return Stored(np.clip(np.rint(matrix / divisors), -top, top).astype(_TYPES[weights]), scales)


def stored_coefficients(rbf: RBF, weights: str) -> Stored:
    """Coefficients of support vectors: of 16 bits at least, for they are few beside the vectors."""
    return stored(rbf.coefficients, "float" if weights == "float" else "int16")


def quantized(model: Lowered, weights: str) -> Lowered:
    """The model that a header with such weights computes."""
    projection = model.projection and _rounded(model.projection, weights)
    decide = model.classifier
    if isinstance(decide, RBF):
        vectors, coefficients = stored(decide.vectors, weights), stored_coefficients(decide, weights)
        decide = replace(decide, vectors=vectors.dense(), coefficients=coefficients.dense())
    else:
        decide = _rounded(decide, weights)
    return replace(model, projection=projection, classifier=decide)


def _rounded(affine: Affine, weights: str) -> Affine:
    return replace(affine, weights=stored(affine.weights, weights).dense())
