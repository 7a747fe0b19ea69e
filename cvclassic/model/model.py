"""`Model`: a fitted pipeline with the names of its classes and what its images must look like."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator

from cvclassic.augmentation import Prediction, innermost, predict_with_scores
from cvclassic.decoding import InputContract, fitted, read_pictures
from cvclassic.errors import CVClassicError, InputError
from cvclassic.images import check_images
from cvclassic.lazy import is_lazy, lazy_images, map_chunks
from cvclassic.model.calibration import Calibration
from cvclassic.model.decision import UNSURE, Costs, check_threshold, cost_matrix, decide

if TYPE_CHECKING:
    from cvclassic.model.tree import Json

BYTES_AT_A_TIME = 2**28  # of images that a pipeline gets in one call
NAMED = 5  # files that an error names
FORMATS = ("onnx", "c")

Pictures = np.ndarray | str | os.PathLike | Iterable[str | os.PathLike | np.ndarray]


class Model:
    """A fitted pipeline that names what it sees.

    Parameters
    ----------
    pipeline : fitted scikit-learn classifier on image batches
        It predicts class numbers, 0 to n_classes - 1.
    class_names : sequence of str
        In the order of those numbers.
    contract : InputContract
        What the images must look like, and how pictures of other sizes become so.
    calibration : Calibration, optional
        How scores become probabilities, as `fit_calibration` finds it; without it there are no probabilities.
    figures : dict, optional
        What is known of its accuracy: names to numbers, texts, lists and dicts of these, as in JSON.
    fingerprint : str, optional
        Of the training data.
    versions : dict of str to str, optional
        Of the libraries that fitted it, by name; by default those that are installed.

    Raises
    ------
    InputError
        For class names that are no different texts, or don't fit the classes of the pipeline.
    """

    def __init__(
        self,
        pipeline: BaseEstimator,
        class_names: Iterable[str],
        contract: InputContract,
        *,
        calibration: Calibration | None = None,
        figures: Mapping[str, Json] | None = None,
        fingerprint: str | None = None,
        versions: Mapping[str, str] | None = None,
    ):
        self.pipeline, self.contract = pipeline, contract
        self.class_names = tuple(class_names)
        self.calibration, self.figures, self.fingerprint = calibration, dict(figures or {}), fingerprint
        self.versions = dict(versions) if versions is not None else installed_versions(pipeline)
        self._check()

    def predict(self, pictures: Pictures, *, unsure: float | None = None, costs: Costs | None = None) -> np.ndarray:
        """The class name of each picture, (n,), str.

        Without `unsure` and `costs` it is the pipeline's own label, which needs no probabilities.

        Parameters
        ----------
        pictures : batch of images, one image, a path, or several paths or images
            Arrays are gray or RGB, uint8 or floating point in [0, 1]; uint8 ones of other sizes or channels than the
            contract's are made so, as files are. For a Dask array of images the names are one too.
        unsure : float, optional
            A probability: "unsure" where no class has it.
        costs : mapping of (true class, what it is called) to a number, optional
            Of errors, where they differ; those that are not named cost 1. The class of least expected cost is chosen.

        Raises
        ------
        InputError
            For pictures that can't be read or used, and where probabilities are needed and there are none.
        """
        if costs is not None:
            cost_matrix(costs, self.class_names)
        if unsure is not None:
            check_threshold(unsure, self.class_names)
        if is_lazy(pictures):
            names = np.array(self.class_names if unsure is None else (*self.class_names, UNSURE))
            pictures = lazy_images(pictures, name="pictures")
            return map_chunks(self, "predict", pictures, (), names.dtype, unsure=unsure, costs=costs)
        images = self._images(pictures)
        found = self._predicted(images)
        if unsure is None and not costs:
            return np.asarray(self.class_names)[found.labels]
        return decide(self._probabilities(found), found.labels, self.class_names, costs, unsure)

    def predict_proba(self, pictures: Pictures) -> np.ndarray:
        """The probability of each class, float64 (n, n_classes), in the order of `class_names`.

        The class of the highest one may be another than the pipeline's own label where both are nearly as likely: a
        kernel SVM takes the winner of its duels.

        Raises
        ------
        InputError
            As `predict` does, and for a model without calibration.
        """
        return self._probabilities(self._predicted(self._images(pictures)))

    def predict_images(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Class numbers (n,) of a batch, and probabilities (n, n_classes), or None without
        calibration: both from features that are computed once."""
        found = self._predicted(self._images(images))
        return found.labels, None if self.calibration is None else self._probabilities(found)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the model to a `.cvc` file, whole or not at all; the same model makes the same bytes.

        Raises
        ------
        InputError
            For a part that can't be saved, as `unsavable` says before training, and where the file can't be written.
        """
        from cvclassic.model.files import write_model

        return write_model(self, Path(path))

    def export(self, path: str | os.PathLike, to: str = "onnx", *, weights: str = "float") -> Path:
        """Write the model as an ONNX graph (`to="onnx"`) or a C header (`to="c"`), whole or not at all.

        The weights of a header are of type "float", "int16" or "int8"; docs/export.md has what each costs and saves.

        Raises
        ------
        InputError
            For a part that can't be exported, and where the file can't be written.
        """
        from cvclassic.model.files import write_export

        if to not in FORMATS:
            raise InputError(f"to={to!r} is unknown; use one of {', '.join(FORMATS)}.")
        if weights != "float" and to != "c":
            raise InputError(f"weights={weights!r} is for C headers; an ONNX graph has float ones. Remove it.")
        return write_export(self, Path(path), to, weights)

    def __repr__(self) -> str:
        size = f"{self.contract.height} x {self.contract.width}"
        return f"Model({type(innermost(self.pipeline)).__name__}, {len(self.class_names)} classes, {size} pixels)"

    def _check(self) -> None:
        if not self.class_names or not all(isinstance(name, str) and name for name in self.class_names):
            raise InputError(f"class_names={self.class_names!r:.200}; they are texts, one for each class.")
        if len(set(self.class_names)) < len(self.class_names):
            raise InputError(f"class_names={self.class_names!r:.200}; two of them are the same.")
        numbers, n = np.asarray(getattr(self.pipeline, "classes_", [])), len(self.class_names)
        if not len(numbers) or numbers.dtype.kind not in "iuf" or not np.isin(numbers, range(n)).all():
            raise InputError(
                f"The pipeline's classes_ are {numbers[:10].tolist()}; they are the numbers of the {n} class names, "
                "from 0 on. Fit it on such numbers."
            )

    def _images(self, pictures: Pictures) -> np.ndarray:
        """Pictures as a batch that the pipeline takes."""
        if isinstance(pictures, str | os.PathLike):
            return self._read([pictures])
        if hasattr(pictures, "__array__") or hasattr(pictures, "__array_interface__"):  # also of Pillow, pandas, torch
            pictures = np.asarray(pictures)
        if not isinstance(pictures, np.ndarray) or pictures.dtype.kind in "OSU":
            if not isinstance(pictures, Iterable) or getattr(pictures, "ndim", 1) == 0:
                raise InputError(f"{pictures!r:.80} are no pictures; give arrays or paths of files.")
            pictures = list(pictures)
            if not pictures:
                raise InputError("There are no pictures to predict.")
            if all(isinstance(each, str | os.PathLike) for each in pictures):
                return self._read(pictures)
        elif pictures.ndim == 2 or (pictures.ndim == 3 and pictures.shape[2] == 3 < pictures.shape[1]):
            pictures = pictures[np.newaxis]
        if isinstance(pictures, np.ndarray) and pictures.shape[1:] == self.contract.shape:
            return check_images(pictures, name="pictures")
        return np.concatenate([self._fitted(np.asarray(each)) for each in pictures])

    def _fitted(self, image: np.ndarray) -> np.ndarray:
        """One image as a batch of one, resized as pictures in files are."""
        image = check_images(image[np.newaxis], name="pictures")[0]
        if image.shape != self.contract.shape and image.dtype != np.uint8:
            raise InputError(
                f"An image has shape {image.shape} and dtype {image.dtype}; this model takes {self.contract.shape}. "
                "Resize it, or give it as uint8, 0 to 255: such images are resized as the training images were."
            )
        return (image if image.shape == self.contract.shape else fitted(image, self.contract))[np.newaxis]

    def _read(self, paths: list[str | os.PathLike]) -> np.ndarray:
        found = read_pictures(paths, self.contract)
        if found.unreadable:
            named = [f"{paths[place]} ({why})" for place, why in list(found.unreadable.items())[:NAMED]]
            more = len(found.unreadable) - len(named)
            raise InputError(f"These can't be read: {'; '.join(named)}{f' and {more} more' if more else ''}.")
        return found.images

    def _predicted(self, images: np.ndarray) -> Prediction:
        step = max(1, BYTES_AT_A_TIME // images[0].nbytes)
        try:
            parts = [predict_with_scores(self.pipeline, images[k : k + step]) for k in range(0, len(images), step)]
        except CVClassicError:
            raise
        except Exception as error:  # a part's own, which a user could not tell from a fault of ours
            raise InputError(f"The pipeline can't predict these images: {type(error).__name__}: {error}") from error
        labels = np.concatenate([part.labels for part in parts]).astype(np.intp)
        scores = None if parts[0].scores is None else np.concatenate([part.scores for part in parts])
        return Prediction(labels, scores, sum(part.seconds for part in parts))

    def _probabilities(self, found: Prediction) -> np.ndarray:
        if self.calibration is None:
            raise InputError(
                "This model has no probabilities: its scores were not calibrated on images held out from training. "
                "Train it with 20 validation images or more, by a pipeline that has scores."
            )
        columns = np.asarray(self.pipeline.classes_).astype(np.intp)
        probabilities = np.zeros((len(found.labels), len(self.class_names)))
        known = self.calibration.probabilities(found.scores)
        if known.shape[1] != len(columns) or not np.isfinite(known).all():
            raise InputError("The pipeline's scores can't be made probabilities: they don't fit its calibration.")
        probabilities[:, columns] = known
        return probabilities


def installed_versions(pipeline: BaseEstimator) -> dict[str, str]:
    """Of what a pipeline was fitted with, by the names of the packages."""
    from importlib import metadata

    import cv2
    import sklearn

    found = {"numpy": np.__version__, "opencv": cv2.__version__, "scikit-learn": sklearn.__version__}
    if type(innermost(pipeline)).__module__.startswith("cvclassic.neural"):
        found["keras"] = metadata.version("keras")
    try:
        found["cvclassic"] = metadata.version("cvclassic")
    except metadata.PackageNotFoundError:  # a checkout that is not installed
        found["cvclassic"] = "unknown"
    return dict(sorted(found.items()))
