"""What the room offers: the header of a fitted pipeline, and how well rounded weights would do."""

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from cvclassic.augmentation import innermost
from cvclassic.decoding import InputContract
from cvclassic.errors import InputError
from cvclassic.model.c.header import Header
from cvclassic.model.c.lowering import Lowered, lowered
from cvclassic.model.c.quantization import check_weights, quantized
from cvclassic.model.c.source import check_name


def to_c(
    pipeline: BaseEstimator,
    contract: InputContract,
    class_names: Sequence[str],
    *,
    name: str = "model",
    weights: str = "float",
) -> str:
    """One C99 header that does what a fitted pipeline does: from the pixels of a picture to its class.

    All of it is `static inline`; it allocates nothing and needs libm alone. Its leading comment says how it is called,
    and which memory it takes.

    Parameters
    ----------
    pipeline : fitted Pipeline on uint8 images
        Of ColorGrid, ColorHistogram, SobelHistogram, HOG and LBP, alone or in a FeatureUnion; StandardScaler,
        Normalizer and PCA; and LinearSVM, KernelSVM or OpenCVSVM, linear or RBF.
    contract : InputContract
        Height, width and channels of its images.
    class_names : sequence of str
        One for each of `pipeline.classes_`, which are 0, 1, 2 and so on.
    name : str
        What names in the header begin with: up to 31 letters, digits and underscores.
    weights : {"float", "int16", "int8"}
        How weights and support vectors are kept: int16 takes half of float's memory, int8 a quarter. How many answers
        that changes is told by `agreement` for given images.

    Returns
    -------
    str
        ASCII, for a file such as `model.h`.

    Raises
    ------
    InputError
        Naming the first part of the pipeline that can't be exported; or for a name, classes or weights that won't do,
        or a model of more than 16 MiB.
    """
    check_name(name)
    check_weights(weights)
    model = _checked(pipeline, contract, class_names)
    return Header(model, contract, [str(each) for each in class_names], name, weights).text()


def agreement(pipeline: BaseEstimator, contract: InputContract, images: np.ndarray, weights: str = "float") -> float:
    """The share of images to which a header with such `weights` would give the pipeline's class; nothing is compiled.

    Parameters
    ----------
    pipeline, contract : as for `to_c`
    images : uint8 array (n, height, width) or (n, height, width, 3)
    weights : {"float", "int16", "int8"}

    Raises
    ------
    InputError
        As `to_c` does.
    """
    check_weights(weights)
    model = quantized(_checked(pipeline, contract, None), weights)
    return float(np.mean(model.predict(images) == pipeline.predict(images)))


def _checked(pipeline, contract, class_names) -> Lowered:
    try:
        check_is_fitted(innermost(pipeline))
    except (NotFittedError, TypeError) as error:
        raise InputError(f"Only a fitted pipeline can be exported: {error}") from error
    model = lowered(pipeline, contract.shape)
    classes, n_names = pipeline.classes_.tolist(), model.n_classes if class_names is None else len(class_names)
    if classes != list(range(n_names)):
        raise InputError(
            f"The pipeline was fitted on the labels {str(classes)[:60]}, and there are {n_names} class names; export "
            "needs one fitted on the numbers of the names, 0, 1, 2 and so on, all of them."
        )
    return model
