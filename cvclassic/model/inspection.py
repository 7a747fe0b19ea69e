"""What is in a model, in lines."""

from sklearn.base import BaseEstimator
from sklearn.pipeline import FeatureUnion, Pipeline

from cvclassic.model.model import Model


def described(model: Model, n_bytes: int) -> list[str]:
    """What a model is, for who has nothing but its file."""
    contract, figures = model.contract, model.figures
    kind = "RGB" if contract.channels == 3 else "gray"
    how = {"pad": "resized and padded", "crop": "cropped and resized", "stretch": "stretched"}[contract.resize]
    lines = [
        f"Classes: {', '.join(model.class_names)}",
        f"Pictures: {contract.height} x {contract.width} {kind}; others are {how} to that",
        f"Pipeline: {f'{name}: ' if (name := figures.get('pipeline')) else ''}{_words(model.pipeline)}",
        f"Probabilities: {_probabilities(model)}",
    ]
    if figures.get("answer"):
        lines.append(f"When it was made: {figures['answer']}")
    if isinstance(recall := figures.get("recall"), dict):
        told = ", ".join(f"{name} {100 * value:.0f} %" for name, value in recall.items() if _is_number(value))
        lines.append(f"Of each class it told: {told}")
    lines.append(f"Versions: {', '.join(f'{name} {version}' for name, version in model.versions.items())}")
    if model.fingerprint:
        lines.append(f"Training data: {figures.get('dataset', 'unknown')}, fingerprint {model.fingerprint}")
    return [*lines, f"File: {n_bytes:,} bytes"]


def _probabilities(model: Model) -> str:
    found = model.calibration
    if found is None:
        return "none; its scores were not calibrated"
    name = {"sigmoid": "a sigmoid of its score (Platt)", "temperature": "its scores, scaled by a temperature"}
    return f"{name[found.method]}, fitted on {found.n_images:,} pictures that were held out"


def _words(estimator: BaseEstimator) -> str:
    if isinstance(estimator, Pipeline):
        return " → ".join(_words(step) for _, step in estimator.steps if step not in (None, "passthrough"))
    if isinstance(estimator, FeatureUnion):
        return f"({' + '.join(_words(part) for _, part in estimator.transformer_list)})"
    if hasattr(estimator, "wrapped"):
        return f"{type(estimator).__name__}({_words(estimator.wrapped)})"
    return type(estimator).__name__


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
