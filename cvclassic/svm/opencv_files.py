"""OpenCV's files of `cv2.ml.SVM` models (XML, YAML, JSON, each also .gz), read and written without `cv2.ml`.

`cv2.FileStorage`, which every OpenCV wheel has, checks and reads a file. Only the long list of support vectors, for
which it would need minutes from Python, is taken from the text.
"""

import gzip
import os
import re
import zlib
from pathlib import Path

import cv2
import numpy as np

from cvclassic.errors import InputError

KERNEL_NAMES = {
    "linear": "LINEAR",
    "poly": "POLY",
    "rbf": "RBF",
    "sigmoid": "SIGMOID",
    "chi2": "CHI2",
    "intersection": "INTER",
}
TYPES = ("C_SVC", "NU_SVC")


def read_model(path) -> dict:
    """The model in a file: `svm_type`, `kernel`, `C`, `nu`, `gamma`, `degree`, `coef0`, `tol`, `max_count`,
    `classes` (k,), `vectors` float32 (m, d), `weights` (m, pairs), `intercept` (pairs,).

    Raises
    ------
    InputError
        If the file is missing, damaged, or not a classifier of `cv2.ml.SVM`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no model file at {path}.")
    storage = None
    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
        return _model(storage.getFirstTopLevelNode(), path)
    except InputError:
        raise
    except (cv2.error, SystemError, ValueError, IndexError, EOFError, OSError, zlib.error) as error:
        # cv2 raises SystemError where its constructor fails, with the reason behind it.
        raise InputError(f"{path} can't be read as a model of cv2.ml.SVM: {error.__cause__ or error}") from error
    finally:
        if storage is not None:
            storage.release()


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


def _model(root, path):
    if root.empty() or root.getNode("support_vectors").empty() or root.getNode("decision_functions").empty():
        raise InputError(f"{path} is not a model of cv2.ml.SVM: it holds no support vectors and decision functions.")
    names = {theirs: ours for ours, theirs in KERNEL_NAMES.items()}
    svm_type, kernel = root.getNode("svmType").string(), root.getNode("kernel").getNode("type").string()
    if svm_type not in TYPES:
        raise InputError(f"{path} holds an SVM of type {svm_type or 'unknown'}; only {' and '.join(TYPES)} classify.")
    if kernel not in names:
        raise InputError(f"{path} holds an SVM with the kernel {kernel or 'unknown'}; use one of {', '.join(names)}.")
    classes = root.getNode("class_labels").mat().ravel().astype(np.int64)
    vectors = _support_vectors(root, path)
    pairs = len(classes) * (len(classes) - 1) // 2
    functions = root.getNode("decision_functions")
    if len(classes) < 2 or functions.size() != pairs:
        raise InputError(f"{path} is damaged: {len(classes)} classes, but {functions.size()} decision functions.")
    weights, intercept = np.zeros((len(vectors), pairs)), np.empty(pairs)
    for pair in range(pairs):
        function = functions.at(pair)
        alpha = np.array(_numbers(function.getNode("alpha")))
        index = np.array(_numbers(function.getNode("index")) or range(len(alpha)), dtype=np.intp)
        if len(alpha) != len(index) or len(alpha) != _real(function, "sv_count", -1) or (index < 0).any():
            raise InputError(f"{path} is damaged: decision function {pair} doesn't match its support vectors.")
        np.add.at(weights[:, pair], index, alpha)
        intercept[pair] = -function.getNode("rho").real()
    numbers = root.getNode("kernel")
    criteria = root.getNode("term_criteria")
    return {
        "svm_type": svm_type,
        "kernel": names[kernel],
        "C": _real(root, "C", 1.0),
        "nu": _real(root, "nu", 0.5),
        "gamma": _real(numbers, "gamma", 1.0),
        "degree": _real(numbers, "degree", 3.0),
        "coef0": _real(numbers, "coef0", 0.0),
        "tol": _real(criteria, "epsilon", 1e-3),
        "max_count": int(_real(criteria, "iterations", 1000)),
        "classes": classes,
        "vectors": vectors,
        "weights": weights,
        "intercept": intercept,
    }


def _support_vectors(root, path):
    rows, width = int(_real(root, "sv_total", 0)), int(_real(root, "var_count", 0))
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    # From the name to the next name in the file; what stands between are numbers, brackets, tags and list dashes.
    start = re.search(r'(?<![a-z_])support_vectors(>|"?:)', text)
    end = start and re.compile(r"</support_vectors>|\n\s*\"?(uncompressed_|decision_)").search(text, start.end())
    if not end:
        raise InputError(f"{path} is damaged: its list of support vectors has no beginning or no end.")
    section = re.sub(r"<[^>]*>|-\s*\[|[\[\],]", " ", text[start.end() : end.start()])
    values = np.array(section.split(), dtype=np.float32)
    if not rows or not width or len(values) != rows * width or not np.isfinite(values).all():
        raise InputError(f"{path} is damaged: {len(values)} numbers for {rows} support vectors of {width} features.")
    vectors = values.reshape(rows, width)
    for row in (0, rows - 1):
        if not np.array_equal(vectors[row], np.float32(_numbers(root.getNode("support_vectors").at(row)))):
            raise InputError(f"{path} is written in a way that can't be read here; save it again with OpenCV.")
    return vectors


def _numbers(node):
    if node.isInt() or node.isReal():  # in XML a list of one number is that number
        return [node.real()]
    return [node.at(i).real() for i in range(node.size())] if node.isSeq() else []


def _real(node, name, default):
    child = node.getNode(name)
    return default if child.empty() else child.real()


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
