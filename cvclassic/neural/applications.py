"""Networks of `keras.applications` with their published weights, as backbones for `cvclassic.features.Embedding`."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cvclassic.errors import DataError, InputError
from cvclassic.neural.backend import prepare_backend

if TYPE_CHECKING:
    import keras

IMAGENET = "imagenet"
Scale = float | tuple[float, float, float]


class Application(NamedTuple):
    """A network of `keras.applications`: what its images look like, (image - mean) / std, and its file of weights."""

    size: int
    mean: Scale
    std: Scale
    file: str


# Scales as each network's `preprocess_input` has them; the EfficientNets scale by themselves.
APPLICATIONS = {
    "MobileNetV2": Application(224, 127.5, 127.5, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"),
    "EfficientNetB0": Application(224, 0.0, 1.0, "efficientnetb0_notop.h5"),
    "EfficientNetV2B0": Application(224, 0.0, 1.0, "efficientnetv2-b0_notop.h5"),
    "DenseNet121": Application(
        224, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375),
        "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
    "ResNet50V2": Application(224, 127.5, 127.5, "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"),
}  # fmt: skip


class KerasApplication:
    """A network of `keras.applications` without its classifier, behind global average pooling: a frozen backbone.

    It is pickled with its weights, once it has loaded them. Keras downloads published ones once, into `~/.keras/models`
    (or `$KERAS_HOME/models`).

    Parameters
    ----------
    name : str
        One of `APPLICATIONS`.
    weights : "imagenet" or None
        None is random ones.
    offline : bool
        Never touch the network.

    Attributes
    ----------
    fingerprint : str
        A hash of the weights.
    size : int
        Side of its images, in pixels.
    mean, std : float, or one for each of R, G and B
        It is given (image - mean) / std, of images from 0 to 255.

    Raises
    ------
    InputError
        For an unknown name.
    """

    def __init__(self, name: str, *, weights: str | None = IMAGENET, offline: bool = False):
        if name not in APPLICATIONS:
            raise InputError(f"There is no Keras application {name!r} here; there are {', '.join(APPLICATIONS)}.")
        self.name, self.weights, self.offline = name, weights, offline
        self.size, self.mean, self.std, _ = APPLICATIONS[name]

    @functools.cached_property
    def fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=8)
        for array in self._model.get_weights():
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()

    def embed(self, images: np.ndarray) -> np.ndarray:
        """The embeddings (n, d), float32, of scaled images (n, size, size, 3), float32.

        Raises
        ------
        DataError
            Where the weights can't be had.
        MissingDependencyError
            Without Keras and a backend.
        """
        return self._model.predict_on_batch(images)

    @functools.cached_property
    def _model(self) -> keras.Model:
        arrays = self.__dict__.pop("_weights", None)
        weights = self.weights if arrays is None else None
        keras = prepare_backend()
        if weights is not None and self.offline and not self.downloaded().is_file():
            raise DataError(
                f"The weights of {self.name} are not at {self.downloaded()}, and --offline forbids to download them."
            )
        shape = (self.size, self.size, 3)
        make = getattr(keras.applications, self.name)
        try:
            model = make(include_top=False, weights=weights, pooling="avg", input_shape=shape)
            if arrays is not None:
                model.set_weights(arrays)
        except Exception as error:  # of any kind: the network's, or of a file that is damaged
            raise DataError(
                f"The weights of {self.name} can't be had: {type(error).__name__}: {error}. Keras downloads them into "
                f"{self.downloaded().parent}; remove a damaged file there."
            ) from error
        return model

    def arrays(self) -> list[np.ndarray]:
        """The weights, in the order of Keras."""
        return self._model.get_weights()

    @classmethod
    def of_arrays(cls, name: str, arrays: list[np.ndarray]) -> KerasApplication:
        """The network with weights that `arrays` gave; DataError where they are none of this network."""
        found = cls(name, weights=None)
        found._weights = arrays
        found._model  # noqa: B018  so that wrong ones are found now
        return found

    def downloaded(self) -> Path:
        """Where Keras keeps the published weights."""
        home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
        return Path(home, "models", APPLICATIONS[self.name].file)

    def __sklearn_clone__(self) -> KerasApplication:
        return self

    def __getstate__(self):
        state = {name: value for name, value in self.__dict__.items() if name != "_model"}
        if "_model" in self.__dict__:
            state["_weights"] = self._model.get_weights()
        return state


@functools.lru_cache(maxsize=1)
def application(name: str, offline: bool) -> KerasApplication:
    """The backbone of this name with its published weights, the same object each time: it loads them once."""
    return KerasApplication(name, offline=offline)
