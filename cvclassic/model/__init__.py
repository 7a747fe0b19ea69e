"""Models that are taken home: predict, save to a `.cvc` file, load, export.

Importing this package imports no estimators; each name is loaded when it is used.
"""

import importlib

_HOMES = {
    "Calibration": "cvclassic.model.calibration",
    "Model": "cvclassic.model.model",
    "fit_calibration": "cvclassic.model.calibration",
    "load_model": "cvclassic.model.files",
    "parse_cost": "cvclassic.model.decision",
    "read_model": "cvclassic.model.files",
    "register": "cvclassic.model.kinds",
    "unsavable": "cvclassic.model.tree",
}
__all__ = [*_HOMES]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
