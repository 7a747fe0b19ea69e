"""Classical computer vision that is fast, and an honest comparison of it with neural networks.

>>> import cvclassic
>>> c = cvclassic.compare("digits", pipelines=["hog_svm", "hog_linear_svm"])  # doctest: +SKIP
>>> print(c.answer)  # doctest: +SKIP
"""

import importlib

_HOMES = {
    "Comparison": "cvclassic.comparison",
    "Model": "cvclassic.model",
    "RunSpec": "cvclassic.runs.spec",
    "check": "cvclassic.datasets.doctor",
    "compare": "cvclassic.comparison",
    "load_comparison": "cvclassic.comparison",
    "load_model": "cvclassic.model",
    "evaluate": "cvclassic.evaluation",
    "resume": "cvclassic.comparison",
    "train": "cvclassic.training",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str):
    """Load a public name when it is used: `import cvclassic` alone costs nothing."""
    if name == "__version__":
        from importlib import metadata  # which takes a twentieth of a second

        return metadata.version("cvclassic")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
