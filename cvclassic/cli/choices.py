"""What options may be chosen from, as typer wants it; what has them imports too much to be asked here."""

from enum import StrEnum


class Preset(StrEnum):
    """The presets of `RunSpec`, as typer wants choices; it imports too much to be asked for them here."""

    quick = "quick"
    standard = "standard"
    full = "full"


class Augment(StrEnum):
    """`cvclassic.augmentation.AUGMENTATIONS`."""

    none = "none"
    mirror = "mirror"
    shift = "shift"
    affine = "affine"


class ClassWeight(StrEnum):
    """Those of `RunSpec`."""

    balanced = "balanced"
    none = "none"


class Metric(StrEnum):
    """`cvclassic.runs.spec.METRICS`."""

    accuracy = "accuracy"
    balanced_accuracy = "balanced_accuracy"
    macro_f1 = "macro_f1"


class Resize(StrEnum):
    """`cvclassic.decoding.RESIZES`."""

    pad = "pad"
    crop = "crop"
    stretch = "stretch"


class Keep(StrEnum):
    """Those of `RunSpec`."""

    contenders = "contenders"
    all = "all"
    none = "none"


class ExportFormat(StrEnum):
    """Those of `cvclassic.model.Model.export`."""

    onnx = "onnx"
    c = "c"


class Weights(StrEnum):
    """Those of `cvclassic.model.c.to_c`."""

    float = "float"
    int16 = "int16"
    int8 = "int8"
