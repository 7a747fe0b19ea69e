"""Importing Keras: late, quietly, and with a clear word where it has nothing to compute with."""

import contextlib
import logging
import os
import sys
import tempfile
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
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's native code: errors only
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        with _native_chatter_withheld():
            import keras
    except (ImportError, ValueError) as error:  # ValueError: KERAS_BACKEND names no backend
        raise MissingDependencyError(
            f"The neural pipelines need Keras 3 and a backend, and importing them failed: {error}. Install them with "
            "`pip install keras tensorflow-cpu`, or install torch or jax and set KERAS_BACKEND=torch or "
            "KERAS_BACKEND=jax."
        ) from error
    return keras


@contextlib.contextmanager
def _native_chatter_withheld():
    """Keep what libraries write to file descriptor 2 while they load; show it only if loading fails.

    TensorFlow announces oneDNN there before it reads any log level.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as withheld:
        original = os.dup(2)
        os.dup2(withheld.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(original, 2)
            withheld.seek(0)
            os.write(2, withheld.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
