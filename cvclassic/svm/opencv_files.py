"""OpenCV's files of `cv2.ml.SVM` models (XML, YAML, JSON, each also .gz), read and written without `cv2.ml`.

The text is read by `opencv_storage`; here it is checked that it makes a model.
"""

import gzip
import os
from pathlib import Path

import numpy as np

from cvclassic.errors import InputError
from cvclassic.svm.opencv_storage import StorageError, Tree, numbers, read_storage

KERNEL_NAMES = {
    "linear": "LINEAR",
    "poly": "POLY",
    "rbf": "RBF",
    "sigmoid": "SIGMOID",
    "chi2": "CHI2",
    "intersection": "INTER",
}
TYPES = ("C_SVC", "NU_SVC")
MOST_WEIGHTS = 2**27  # of support vectors in decision functions; they take 1 GiB


def read_model(path) -> dict:
    """The model in a file: `svm_type`, `kernel`, `C`, `nu`, `gamma`, `degree`, `coef0`, `tol`, `max_count`,
    `classes` (k,), `vectors` float32 (m, d), `weights` (m, pairs), `intercept` (pairs,).

    All numbers are finite, and in the ranges in which OpenCV trains.

    Raises
    ------
    InputError
        If the file is missing, damaged, too large, or not a classifier of `cv2.ml.SVM`.
    """
    path = Path(path)
    try:
        return _model(read_storage(path))
    except StorageError as error:
        reason = f"it {error}"
    except MemoryError:
        reason = "there is not enough memory for it"
    raise InputError(
        f"{path} can't be read as a model of cv2.ml.SVM: {reason}. Save it again with OpenCV, or take a whole copy."
    )


def write_model(path, model: dict) -> None:
    """Write what `read_model` returns, as OpenCV's own `save` would; the suffix chooses XML or YAML, .gz packs it."""
    path = Path(path)
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in (".xml", ".yml", ".yaml"):
        raise InputError(f"{path} should end in .xml, .yml or .yaml (or one of them and .gz), to say the format.")
    tree = _tree(model)
    text = _xml(tree) if suffix == ".xml" else _yaml(tree)
    data = text.encode("ascii")
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise InputError(f"The model can't be written to {path}: {error}") from error


def _model(storage: Tree) -> dict:
    root = next(iter(storage.values()), None) if isinstance(storage, dict) else None
    if not isinstance(root, dict) or not {"support_vectors", "decision_functions"} <= root.keys():
        raise StorageError("holds no support vectors and decision functions")
    svm_type, settings, criteria = root.get("svmType"), _dict(root, "kernel"), _dict(root, "term_criteria")
    names = {theirs: ours for ours, theirs in KERNEL_NAMES.items()}
    if svm_type not in TYPES:
        raise StorageError(f"holds an SVM of type {str(svm_type)[:40]}; only {' and '.join(TYPES)} classify")
    kernel = settings.get("type")
    if not isinstance(kernel, str) or kernel not in names:
        raise StorageError(f"holds an SVM with the kernel {str(kernel)[:40]}; OpenCV has {', '.join(names)}")
    model = {
        "svm_type": svm_type,
        "kernel": names[kernel],
        "C": _positive(root, "C", 1.0),
        "nu": _positive(root, "nu", 0.5),
        "gamma": _positive(settings, "gamma", 1.0),
        "degree": _positive(settings, "degree", 3.0),
        "coef0": _real(settings, "coef0", 0.0),
        "tol": _positive(criteria, "epsilon", 1e-3),
        "max_count": _count(criteria, "iterations", 1000),
    }
    if model["nu"] > 1:
        raise StorageError(f"has nu = {model['nu']:g}, which is at most 1")
    classes, vectors = _classes(root), _support_vectors(root)
    return model | {"classes": classes, "vectors": vectors} | _functions(root, len(classes), len(vectors))


def _classes(root: dict[str, Tree]) -> np.ndarray:
    found = numbers(_dict(root, "class_labels").get("data", ""))
    whole = np.array_equal(found, np.round(found)) and (np.abs(found) < 2**31).all()
    if not whole or len(found) < 2 or len(np.unique(found)) < len(found):
        raise StorageError("has class labels that are not two or more different whole numbers")
    return found.astype(np.int64)


def _support_vectors(root: dict[str, Tree]) -> np.ndarray:
    rows, height, width = root["support_vectors"], _count(root, "sv_total"), _count(root, "var_count")
    if not isinstance(rows, list) or len(rows) != height:
        raise StorageError(f"has not the {height:,} support vectors that it counts")
    vectors = None
    for number, row in enumerate(rows):
        values = numbers(row)
        if len(values) != width:
            raise StorageError(f"has a support vector of {len(values):,} numbers, where {width:,} were counted")
        if vectors is None:  # now that the first one is as long as it says
            vectors = np.empty((height, width), np.float32)
        with np.errstate(over="ignore"):
            vectors[number] = values
    if vectors is None or not np.isfinite(vectors).all():
        raise StorageError("has no support vectors, or numbers in them that are too large")
    return vectors


def _functions(root: dict[str, Tree], n_classes: int, n_vectors: int) -> dict[str, np.ndarray]:
    """Weights (n_vectors, pairs) and intercepts (pairs,) of the decision functions."""
    functions, pairs = root["decision_functions"], n_classes * (n_classes - 1) // 2
    if not isinstance(functions, list) or len(functions) != pairs:
        raise StorageError(f"has not the {pairs:,} decision functions that {n_classes:,} classes need")
    if n_vectors * pairs > MOST_WEIGHTS:
        raise StorageError(
            f"has {n_vectors:,} support vectors for {pairs:,} pairs of classes; too many to be read here"
        )
    weights, intercept = np.zeros((n_vectors, pairs)), np.empty(pairs)
    for pair, function in enumerate(functions):
        if not isinstance(function, dict):
            raise StorageError(f"has no decision function {pair}")
        alpha, index = numbers(function.get("alpha", "")), numbers(function.get("index", ""))
        index = index if len(index) else np.arange(len(alpha))
        places = index.astype(np.int64) if (np.abs(index) < n_vectors).all() else np.array([-1])
        if len(alpha) != len(places) or len(alpha) != _count(function, "sv_count", least=0) or (places < 0).any():
            raise StorageError(f"has a decision function {pair} that doesn't match its support vectors")
        if not np.array_equal(places, index):
            raise StorageError(f"has places of support vectors in decision function {pair} that are no whole numbers")
        np.add.at(weights[:, pair], places, alpha)
        intercept[pair] = -_real(function, "rho")
    if not np.isfinite(weights).all():
        raise StorageError("has weights that are too large")
    return {"weights": weights, "intercept": intercept}


def _dict(node: dict[str, Tree], name: str) -> dict[str, Tree]:
    found = node.get(name, {})
    if not isinstance(found, dict):
        raise StorageError(f"has no values below {name}")
    return found


def _real(node: dict[str, Tree], name: str, default: float | None = None) -> float:
    """One finite number; without a default it has to be there."""
    if name not in node and default is not None:
        return default
    found = numbers(node.get(name, ""))
    if len(found) != 1:
        raise StorageError(f"has no number {name}")
    return float(found[0])


def _positive(node: dict[str, Tree], name: str, default: float) -> float:
    found = _real(node, name, default)
    if found <= 0:
        raise StorageError(f"has {name} = {found:g}, which has to be above 0")
    return found


def _count(node: dict[str, Tree], name: str, default: int | None = None, least: int = 1) -> int:
    found = _real(node, name, default)
    if found != int(found) or not least <= found < 2**31:
        raise StorageError(f"has {name} = {found:g}, which has to be a whole number from {least} on")
    return int(found)


def _tree(model):
    """The nested names and values of OpenCV's format 3; arrays are written as lists of numbers."""
    kernel = {"type": KERNEL_NAMES[model["kernel"]]}
    if model["kernel"] == "poly":
        kernel["degree"] = float(model["degree"])
    if model["kernel"] != "linear":  # OpenCV refuses to load others without it, even where the kernel has no use for it
        kernel["gamma"] = float(model["gamma"])
    if model["kernel"] in ("poly", "sigmoid"):
        kernel["coef0"] = float(model["coef0"])
    functions = []
    for weights, intercept in zip(model["weights"].T, model["intercept"], strict=True):
        index = np.flatnonzero(weights)
        functions.append({"sv_count": len(index), "rho": float(-intercept), "alpha": weights[index], "index": index})
    return {
        "format": 3,
        "svmType": model["svm_type"],
        "kernel": kernel,
        **({"C": float(model["C"])} if model["svm_type"] == "C_SVC" else {"nu": float(model["nu"])}),
        "term_criteria": {"epsilon": float(model["tol"]), "iterations": int(model["max_count"])},
        "var_count": model["vectors"].shape[1],
        "class_count": len(model["classes"]),
        "class_labels": model["classes"].astype(np.int32).reshape(-1, 1),
        "sv_total": len(model["vectors"]),
        "support_vectors": list(model["vectors"]),
        "decision_functions": functions,
    }


def _xml(tree):
    def node(name, value):
        if isinstance(value, dict):
            return f"<{name}>" + "".join(node(*item) for item in value.items()) + f"</{name}>\n"
        if isinstance(value, list):
            return f"<{name}>\n" + "".join(node("_", item) for item in value) + f"</{name}>\n"
        if isinstance(value, np.ndarray) and value.ndim == 2:
            rows, cols = value.shape
            head = f'<{name} type_id="opencv-matrix"><rows>{rows}</rows><cols>{cols}</cols><dt>i</dt>'
            return f"{head}<data>{_joined(value, ' ')}</data></{name}>\n"
        return f"<{name}>{_joined(value, ' ') if isinstance(value, np.ndarray) else _scalar(value)}</{name}>\n"

    return f'<?xml version="1.0"?>\n<opencv_storage>\n{node("opencv_ml_svm", tree)}</opencv_storage>\n'


def _yaml(tree):
    def lines(value, indent):
        pad = "   " * indent
        for name, item in value.items():
            if isinstance(item, dict):
                yield f"{pad}{name}:"
                yield from lines(item, indent + 1)
            elif isinstance(item, list):
                yield f"{pad}{name}:"
                for element in item:
                    if isinstance(element, dict):
                        yield f"{pad}   -"
                        yield from lines(element, indent + 2)
                    else:
                        yield f"{pad}   - [ {_joined(element, ', ')} ]"
            elif isinstance(item, np.ndarray) and item.ndim == 2:
                yield f"{pad}{name}: !!opencv-matrix"
                yield f"{pad}   rows: {item.shape[0]}\n{pad}   cols: {item.shape[1]}\n{pad}   dt: i"
                yield f"{pad}   data: [ {_joined(item, ', ')} ]"
            elif isinstance(item, np.ndarray):
                yield f"{pad}{name}: [ {_joined(item, ', ')} ]"
            else:
                yield f"{pad}{name}: {_scalar(item)}"

    return "\n".join(["%YAML:1.0", "---", *lines({"opencv_ml_svm": tree}, 0)]) + "\n"


def _joined(array, separator):
    """Numbers with the digits that bring each back exactly; lines are broken, OpenCV reads no endless ones."""
    if array.dtype.kind in "iu":
        words = [str(value) for value in array.ravel()]
    else:
        words = [_real_text(value, 9 if array.dtype == np.float32 else 17) for value in array.ravel().tolist()]
    lines = [separator.join(words[i : i + 8]) for i in range(0, len(words), 8)]
    return f"{separator}\n            ".join(lines)


def _scalar(value):
    return _real_text(value, 17) if isinstance(value, float) else str(value)


def _real_text(value, digits):
    text = f"{value:.{digits}g}"
    return text if "." in text or "e" in text else f"{text}."  # a whole number without a point would be read as an int
