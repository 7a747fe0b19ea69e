"""Embeddings: what a network that learned from other pictures makes of an image, as features for a classifier.

The network stays as it is ("frozen"). How far that goes was shown by Donahue et al., "DeCAF: A deep convolutional
activation feature for generic visual recognition" (ICML 2014) and Razavian et al., "CNN features off-the-shelf" (CVPR
workshops 2014).
"""

import copy
import hashlib
import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from cvclassic.errors import InputError
from cvclassic.features.extractor import Extractor, as_pair, images_of, output_array
from cvclassic.features.known import Known
from cvclassic.features.onnx import OnnxNetwork
from cvclassic.images import check_images, is_color
from cvclassic.lazy import is_lazy

BATCH = 32  # images that are resized at a time: 19 MB of 224 x 224
LARGEST_JSON = 2**16  # bytes
LARGEST_ONNX = 2**31  # bytes, as much as a protobuf message can have
LARGEST_SIDE = 4096  # pixels; a batch of such images has 6 GB


class Backbone(Protocol):
    """A frozen network that `Embedding` takes in place of a file. Once it was run, it is pickled with its weights.

    Attributes
    ----------
    name : str
        What a report calls it.
    fingerprint : str
        The same for networks that make the same of an image; a hash of its weights.
    size : int or (height, width)
        Of its images, in pixels.
    mean, std : float, or one for each of R, G and B
        It is given (image - mean) / std, of images from 0 to 255.
    """

    name: str
    fingerprint: str
    size: int | tuple[int, int]
    mean: float | tuple[float, float, float]
    std: float | tuple[float, float, float]

    def embed(self, images: np.ndarray) -> np.ndarray:
        """The embeddings (n, d) of images (n, height, width, 3), float32, RGB, scaled by mean and std."""


class Embedding(Extractor):
    """The embedding of each image by a frozen, pretrained network (the backbone).

    Gray images are repeated to three channels. Images are resized to `size`: enlarged with linear interpolation (with
    EfficientNet-Lite0 and a linear SVM on 2,000 images of CIFAR-10, 76.6 % of 3,000 validation images; cubic gave
    74.2 %), reduced by the mean over areas. It is stateless as other extractors are;
    `fit` reads the backbone, so that a fitted one needs its file no more, and has it in its pickle. With Dask arrays
    it is read where `transform` is called, and travels once to each worker, without `known`.

    Parameters
    ----------
    backbone : path, or Backbone
        An ONNX file with one input (n, 3, height, width), float32, RGB, and one output (n, d), which `cv2.dnn` runs,
        image by image, on all threads of OpenCV. Or an object that does what a `Backbone` does.
    size : int or (height, width), optional
        Of the images that the backbone gets, in pixels.
    mean, std : float, or one for each of R, G and B; optional
        The backbone gets (image - mean) / std, of images from 0 to 255. What is None of `size`, `mean` and `std` is
        the backbone's own; of an ONNX file it is read from the file of the same name that ends in .json:
        `{"size": 224, "mean": [127, 127, 127], "std": [128, 128, 128]}`.
    known : Known, optional
        Pictures that were embedded before, to be looked up.

    Attributes
    ----------
    frozen_ : Frozen
        The backbone with what its images must look like.
    n_features_ : int
        Values of an embedding, d.
    image_shape_ : tuple of int

    Raises
    ------
    InputError
        In `fit` and `transform`, for a file that is missing, no ONNX network, or without its .json; for parameters that
        can't be used; and for a network that can't be run on such images, or gives anything but (n, d) finite numbers.
    """

    def __init__(self, backbone, *, size=None, mean=None, std=None, known: Known | None = None):
        self.backbone = backbone
        self.size = size
        self.mean = mean
        self.std = std
        self.known = known

    def open(self) -> "Frozen":
        """Read the backbone, and check the parameters; it is not run yet."""
        backbone, own = self._backbone()
        given = {name: getattr(self, name) for name in ("size", "mean", "std")}
        values = {name: own[name] if value is None else value for name, value in given.items()}
        told = {name: self._told(name) for name in given}
        scales = {name: _per_channel(values[name], told[name]) for name in ("mean", "std")}
        if min(scales["std"]) <= 0:
            raise InputError(f"{told['std']}={_short(values['std'])} must be positive.")
        size = as_pair(values["size"], told["size"])
        if max(size) > LARGEST_SIDE:
            raise InputError(f"{told['size']}={size} is too large; a backbone has {LARGEST_SIDE:,} pixels at most.")
        if isinstance(backbone, OnnxNetwork):
            backbone.check_size(*size)
        return Frozen(backbone, size, **scales)

    def key(self) -> str:
        """What tells its embeddings from those by other backbones, sizes or scales: a hash."""
        return self._frozen().key

    def prepare(self, X) -> None:
        """Load what the backbone needs, such as Keras, and run it once; a run does so before its clock starts."""
        self._frozen().embed(check_images(X))

    def fit(self, X, y=None) -> "Embedding":
        """Read the backbone and run it on one of the images, on a black one for a Dask array; nothing is learned."""
        X = images_of(X)
        self.frozen_ = self.open()
        self.n_features_ = self._width(self.frozen_, X)
        self.image_shape_ = X.shape[1:]
        return self

    def transform(self, X, out=None) -> np.ndarray:
        """Embed every image; takes and returns what `Extractor.transform` does."""
        X, frozen = self._checked(X), self._frozen()
        if is_lazy(X):
            carried = copy.copy(self).set_params(known=None)
            carried.frozen_, carried.image_shape_ = frozen, X.shape[1:]
            return carried._lazily(X, self._width(frozen, X), out)
        found = self.known.find(frozen.key, X) if self.known is not None else None
        if found is None:
            features = frozen.embed(X)
            out = output_array(features.shape, out)
            out[:] = features
            return out
        features, rows = found
        out = output_array((len(X), features.shape[1]), out)
        new = rows < 0
        out[~new] = features[rows[~new]]
        if new.any():
            out[new] = frozen.embed(X[new])
        return out

    def _width(self, frozen: "Frozen", X) -> int:
        one = np.zeros((1, *X.shape[1:]), np.uint8) if is_lazy(X) else X[:1]
        return frozen.embed(one).shape[1]

    def _frozen(self) -> "Frozen":
        return getattr(self, "frozen_", None) or self.open()

    def _told(self, name: str) -> str:
        """What messages call a parameter: where it comes from a file, that is named too."""
        from_file = getattr(self, name) is None and isinstance(self.backbone, str | Path)
        return f"{Path(self.backbone).with_suffix('.json')}: {name}" if from_file else name

    def _backbone(self) -> tuple[Backbone, dict[str, object]]:
        """The network, and its own size and scales."""
        if isinstance(self.backbone, str | Path):
            network = OnnxNetwork(_content(Path(self.backbone).expanduser()), Path(self.backbone).name)
            all_given = None not in (self.size, self.mean, self.std)
            return network, {} if all_given else _beside(Path(self.backbone).expanduser())
        if not callable(getattr(self.backbone, "embed", None)):
            raise InputError(
                f"backbone={self.backbone!r} is neither the path of an ONNX file nor an object with a method embed."
            )
        return self.backbone, {name: getattr(self.backbone, name, None) for name in ("size", "mean", "std")}

    def _names(self, image_shape):
        return [f"embedding{k}" for k in range(self.n_features_)]


@dataclass(frozen=True, eq=False)
class Frozen:
    """A backbone, and what the images must look like that it gets."""

    backbone: Backbone
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def described(self) -> str:
        """Its name and fingerprint, for a report."""
        return f"{self.backbone.name} ({self.backbone.fingerprint})"

    @cached_property
    def key(self) -> str:
        told = repr((self.backbone.fingerprint, self.size, self.mean, self.std))
        return hashlib.blake2b(told.encode(errors="surrogatepass"), digest_size=8).hexdigest()

    def embed(self, images: np.ndarray) -> np.ndarray:
        """The embeddings (n, d), float32, of a batch that passed `check_images`."""
        return np.concatenate([self._embedded(batch) for batch in _batches(images)])

    def _embedded(self, images: np.ndarray) -> np.ndarray:
        features = np.asarray(self.backbone.embed(self._scaled(images)))
        height, width = self.size
        given = f"{self.backbone.name} makes an array of shape {features.shape} of {len(images)} images"
        if features.ndim != 2 or len(features) != len(images) or not features.shape[1] or features.dtype.kind != "f":
            raise InputError(
                f"{given} of {height} x {width} pixels, dtype {features.dtype}; an embedding has shape (n, d), "
                "floating point. Cut the network behind its last pooling, and flatten that."
            )
        if not np.isfinite(features).all():
            raise InputError(f"{given} with NaN or infinite values in it. Its mean and std may be wrong ones.")
        return features.astype(np.float32, copy=False)

    def _scaled(self, images: np.ndarray) -> np.ndarray:
        height, width = self.size
        enlarged = height >= images.shape[1] and width >= images.shape[2]
        interpolation = cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA
        out = np.empty((len(images), height, width, 3), np.float32)
        for image, place in zip(images, out, strict=True):
            resized = cv2.resize(image.astype(np.float32), (width, height), interpolation=interpolation)
            place[:] = resized if is_color(images) else resized[..., np.newaxis]
        if images.dtype != np.uint8:
            out *= 255
        out -= np.array(self.mean, np.float32)
        out /= np.array(self.std, np.float32)
        return out


def _content(path: Path) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_ONNX:  # a pipe may never end
            raise InputError(f"The backbone {path} is no file of at most {LARGEST_ONNX:,} bytes; it is an ONNX file.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"The backbone {path} can't be read: {error.strerror}. It is an ONNX file.") from error
    if not content:
        raise InputError(f"The backbone {path} is empty; it is no ONNX file.")
    return content


def _beside(path: Path) -> dict[str, object]:
    """Size and scales from the .json file of the same name."""
    path, example = path.with_suffix(".json"), '{"size": 224, "mean": [127, 127, 127], "std": [128, 128, 128]}'
    advice = f"write what its images are to look like, mean and deviation in units of 0 to 255, such as {example}"
    if path.exists() and not path.is_file():  # a pipe may never end
        raise InputError(f"{path}, which belongs to the backbone, is no file; {advice}.")
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(LARGEST_JSON))
    except OSError as error:
        raise InputError(
            f"{path}, which belongs to the backbone, can't be read: {error.strerror}; {advice}."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON; {advice}.") from error
    if not isinstance(found, dict) or not {"size", "mean", "std"} <= found.keys():
        raise InputError(f"{path} lacks size, mean or std; {advice}.")
    return found


def _per_channel(value, name: str) -> tuple[float, float, float]:
    try:
        values = np.broadcast_to(np.asarray(value, dtype=np.float64), (3,))
        fine = bool(np.isfinite(values).all())
    except (TypeError, ValueError, OverflowError):
        fine = False
    if not fine:
        raise InputError(
            f"{name}={_short(value)} must be a number in units of 0 to 255, or one for each of R, G and B."
        )
    return tuple(values.tolist())


def _short(value: object) -> str:
    """A value as Python writes it, or the beginning of that."""
    return f"{value!r:.60}"


def _batches(images: np.ndarray) -> Iterator[np.ndarray]:
    return (images[start : start + BATCH] for start in range(0, len(images), BATCH))
