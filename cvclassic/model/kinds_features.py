"""What a `.cvc` file may hold of `cvclassic.features`."""

from math import ceil, prod

import numpy as np

from cvclassic.errors import InputError
from cvclassic.features.embedding import Embedding, Frozen
from cvclassic.features.extractor import Extractor, as_pair
from cvclassic.features.mirror_parts import MirrorParts
from cvclassic.features.onnx import OnnxNetwork
from cvclassic.model.kinds import LARGEST, Kind, Shape, Value, agree, estimator, floats, maybe, number, sizes, whole
from cvclassic.model.kinds_sklearn import PCA_FITTED, SCALER_FITTED, check_pca, check_standard_scaler
from cvclassic.model.tree import check, unsavable

LARGEST_SIDE = 4096  # of what a backbone is given, in pixels
LARGEST_GABOR = 100_000  # pixels of all filters of a bank, side by side
LARGEST_BUFFER = 2**31  # bytes that PatchDictionary and PatchBank take for one image


def check_extractor(extractor: Extractor, shape: Shape, n_classes: int) -> Shape:
    """Its images are those that come in, and its parameters can be used with them."""
    name = type(extractor).__name__
    agree(shape is None or extractor.image_shape_ == shape, f"image_shape_ of its {name}")
    for parameter, value in extractor.get_params(deep=False).items():
        values = value if isinstance(value, list | tuple) else [value]
        if any(number(each) and abs(each) > LARGEST for each in values) or len(values) > LARGEST_GABOR:
            raise InputError(f"its {name} has {parameter}={str(value)[:80]}")
    extractor._check(extractor.image_shape_)
    n_features = extractor._n_features(extractor.image_shape_)
    agree(0 < n_features <= LARGEST, f"the number of features of its {name}")
    return (n_features,)


def _check_gabor(gabor: Extractor, shape: Shape, n_classes: int) -> Shape:
    """A filter is the longer, the lower its frequency and the narrower its band."""
    agree(number(gabor.bandwidth) and 0.01 <= gabor.bandwidth <= 100, "bandwidth of its GaborBank")
    octaves = 2.0**gabor.bandwidth
    reach = sum(ceil((octaves + 1) / (octaves - 1) / frequency) for frequency in np.atleast_1d(gabor.frequencies))
    agree(whole(gabor.orientations) and reach * gabor.orientations <= LARGEST_GABOR, "frequencies of its GaborBank")
    return check_extractor(gabor, shape, n_classes)


def _check_patches(patches: Extractor, shape: Shape, n_classes: int) -> Shape:
    found = check_extractor(patches, shape, n_classes)
    height, width, *channels = patches.image_shape_
    pixels = patches.patch_size**2 * (3 if channels else 1)
    agree(patches.mean_.shape == (pixels,), "mean_ of its PatchDictionary")
    agree(patches.whitening_.shape == (pixels, pixels), "whitening_ of its PatchDictionary")
    agree(patches.atoms_.shape == (patches.n_atoms, pixels), "atoms_ of its PatchDictionary")
    places = (height - patches.patch_size + 1) * (width - patches.patch_size + 1)
    agree(4 * places * (patches.n_atoms + 2 * pixels) <= LARGEST_BUFFER, "the size of its PatchDictionary's images")
    agree(number(patches.threshold), "threshold of its PatchDictionary")
    return found


def _check_bank(bank: Extractor, shape: Shape, n_classes: int) -> Shape:
    found = check_extractor(bank, shape, n_classes)
    _, width, *channels = bank.image_shape_
    pixels = bank.patch_size**2 * (3 if channels else 1)
    agree(bank.mean_.shape == (pixels,), "mean_ of its PatchBank")
    agree(bank.whitening_.shape == (pixels, pixels), "whitening_ of its PatchBank")
    agree(bank.filters_.shape == (bank.n_filters, pixels), "filters_ of its PatchBank")
    row = 4 * (width - bank.patch_size + 1) * (bank.n_filters + 2 * pixels)
    agree(row <= LARGEST_BUFFER, "the size of its PatchBank's images")
    # The kernel takes single precision alone.
    arrays = (bank.mean_, bank.whitening_, bank.filters_)
    agree(all(array.dtype == np.float32 for array in arrays), "an array of its PatchBank")
    return found


def _check_mirror_parts(parts: MirrorParts, shape: Shape, n_classes: int) -> Shape:
    found = check(parts.extractor_, shape, n_classes)
    agree(found is not None and len(found) == 1, "extractor_ of its MirrorParts")
    n_values = found[0] // 2 if hasattr(parts.extractor_, "mirror_pairs") else found[0]
    agree(parts.mean_.shape == (n_values,), "mean_ of its MirrorParts")
    axes = parts.symmetric_axes_
    agree(axes.shape == (n_values, axes.shape[1]) and axes.size > 0, "symmetric_axes_ of its MirrorParts")
    agree(parts.antisymmetric_axes_.shape == axes.shape, "antisymmetric_axes_ of its MirrorParts")
    return (2 * axes.shape[1],)


def _restore_mirror_parts(parts: MirrorParts, fitted: dict[str, Value]) -> None:
    for name, value in fitted.items():
        setattr(parts, name, value)
    parts.extractor = parts.extractor_  # as it was given it is not kept: with its parameters, it is the fitted one


def _check_deskew(deskew: object, shape: Shape, n_classes: int) -> Shape:
    agree(shape is None or len(shape) >= 2, "what its Deskew gets")
    return shape


def _refuse_embedding(embedding: Embedding) -> str | None:
    backbone = embedding.backbone
    if isinstance(backbone, str) or hasattr(backbone, "__fspath__") or _is_application(backbone):
        return None
    return f"its backbone is a {type(backbone).__name__}; it can be an ONNX file or a KerasApplication"


def _collect_embedding(embedding: Embedding) -> dict[str, Value]:
    if not hasattr(embedding, "frozen_"):
        return {}
    frozen = embedding.frozen_
    backbone = frozen.backbone
    is_onnx = isinstance(backbone, OnnxNetwork)
    return {
        "name": backbone.name,
        "network": backbone.content if is_onnx else None,
        "weights": None if is_onnx else backbone.arrays(),
        "frozen_size": frozen.size,
        "frozen_mean": frozen.mean,
        "frozen_std": frozen.std,
        "n_features_": embedding.n_features_,
        "image_shape_": embedding.image_shape_,
    }


def _restore_embedding(embedding: Embedding, fitted: dict[str, Value]) -> None:
    name, size = fitted["name"], as_pair(fitted["frozen_size"], "size")
    if max(size) > LARGEST_SIDE:
        raise InputError(f"its Embedding has a size of {size} pixels")
    if (fitted["network"] is None) == (fitted["weights"] is None):
        raise InputError("its Embedding has no backbone, or two")
    if fitted["network"] is not None:
        backbone = OnnxNetwork(fitted["network"], name)
        backbone.check_size(*size)
    else:
        from cvclassic.neural import KerasApplication

        backbone = KerasApplication.of_arrays(name, fitted["weights"])
    mean, std = fitted["frozen_mean"], fitted["frozen_std"]
    if min(std) <= 0:
        raise InputError("std of its Embedding is not positive")
    embedding.backbone = name
    embedding.frozen_ = Frozen(backbone, size, mean, std)
    embedding.n_features_, embedding.image_shape_ = fitted["n_features_"], fitted["image_shape_"]


def _check_embedding(embedding: Embedding, shape: Shape, n_classes: int) -> Shape:
    agree(shape is None or embedding.image_shape_ == shape, "image_shape_ of its Embedding")
    agree(0 < embedding.n_features_ <= LARGEST, "n_features_ of its Embedding")
    return (embedding.n_features_,)


def _is_application(backbone: object) -> bool:
    from cvclassic.neural import KerasApplication

    return type(backbone) is KerasApplication


def _three(value: Value) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(map(number, value))


def _arrays(value: Value) -> bool:
    return isinstance(value, list) and all(isinstance(each, np.ndarray) for each in value)


EMBEDDING = {
    "fitted": {
        "name": lambda value: isinstance(value, str) and len(value) < 1000,
        "network": maybe(lambda value: isinstance(value, bytes)),
        "weights": maybe(_arrays),
        "frozen_size": lambda value: sizes(value) and len(value) == 2 and prod(value) <= LARGEST,
        "frozen_mean": _three,
        "frozen_std": _three,
        "n_features_": whole,
        "image_shape_": sizes,
    },
    "check": _check_embedding,
    "left_out": {"backbone": "", "known": None},
    "collect": _collect_embedding,
    "restore": _restore_embedding,
    "refuse": _refuse_embedding,
}
"""Of `Embedding` and what is made of it; the backbone itself lies in the file."""

_SHAPE = {"image_shape_": lambda value: sizes(value) and len(value) in (2, 3)}
KINDS = [
    *(
        Kind(f"cvclassic.features.{name}", _SHAPE, check_extractor)
        for name in ("ColorGrid", "ColorHistogram", "HOG", "LBP", "SobelHistogram")
    ),
    Kind("cvclassic.features.GaborBank", _SHAPE, _check_gabor),
    Kind(
        "cvclassic.features.PatchDictionary",
        _SHAPE | {"mean_": floats(1), "whitening_": floats(2), "atoms_": floats(2)},
        _check_patches,
    ),
    Kind(
        "cvclassic.features.PatchBank",
        _SHAPE | {"mean_": floats(1), "whitening_": floats(2), "filters_": floats(2), "threshold_": number},
        _check_bank,
    ),
    Kind(
        "cvclassic.features.MirrorParts",
        {"extractor_": estimator}
        | {"mean_": floats(1), "symmetric_axes_": floats(2), "antisymmetric_axes_": floats(2)},
        _check_mirror_parts,
        left_out={"extractor": None},
        restore=_restore_mirror_parts,
        refuse=lambda parts: unsavable(parts.extractor),
    ),
    Kind("cvclassic.features.Deskew", check=_check_deskew),
    Kind("cvclassic.features.Embedding", **EMBEDDING),
    Kind("cvclassic.features.PCA", PCA_FITTED, check_pca),
    Kind("cvclassic.features.StandardScaler", SCALER_FITTED, check_standard_scaler),
]
