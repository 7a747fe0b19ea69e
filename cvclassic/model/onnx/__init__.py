"""A fitted pipeline as an ONNX file: one graph from pixels to scores, for any runtime that reads ONNX.

It needs the package onnx, which the extra of that name brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvclassic.errors import MissingDependencyError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from cvclassic.decoding import InputContract

__all__ = ["to_onnx"]


def to_onnx(pipeline: BaseEstimator, contract: InputContract, class_names: tuple[str, ...]) -> bytes:
    """See `export.to_onnx`, which this is where the package onnx can be imported.

    Raises
    ------
    MissingDependencyError
        Where it can't.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"ONNX files are written by the package onnx, which can't be imported ({error}); \"pip install "
            'cvclassic[onnx]" installs it.'
        ) from error
    from cvclassic.model.onnx.export import to_onnx

    return to_onnx(pipeline, contract, class_names)
