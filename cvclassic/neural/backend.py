"""Importing Keras: late, quietly, and with a clear word where it has nothing to compute with."""

import logging
import os
from types import ModuleType

from cvclassic.errors import MissingDependencyError


def prepare_backend() -> ModuleType:
    """Import Keras on its backend (TensorFlow unless `KERAS_BACKEND` names another) and return it.

    The import takes seconds, which is why nothing else here imports Keras; calling this before `fit` keeps that time
    out of the fit's. Later calls cost nothing.

    Raises
    ------
    MissingDependencyError
        Where Keras or its backend isn't installed, with the command that installs it.
    """
    # TensorFlow's native code reads these when it is loaded: 2 leaves errors alone; "oneDNN is on" is news to nobody.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        import keras
    except ImportError as error:
        raise MissingDependencyError(
            f"The neural pipelines need Keras 3 and a backend, and importing them failed: {error}. Install one with "
            "`pip install keras tensorflow-cpu`, or install torch or jax and set KERAS_BACKEND=torch or "
            "KERAS_BACKEND=jax."
        ) from error
    return keras
