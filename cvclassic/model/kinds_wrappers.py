"""What a `.cvc` file may hold of `cvclassic.augmentation`."""

from sklearn.base import BaseEstimator

from cvclassic.model.kinds import Kind, Shape, Value, agree, check_classes, estimator, integers
from cvclassic.model.tree import check


def _check(wrapper: BaseEstimator, shape: Shape, n_classes: int) -> None:
    check(wrapper.estimator_, shape, n_classes)
    agree(check_classes(wrapper.classes_, n_classes), f"classes_ of its {type(wrapper).__name__}")
    agree(len(wrapper.classes_) == len(wrapper.estimator_.classes_), f"classes_ of its {type(wrapper).__name__}")


def _restore(wrapper: BaseEstimator, fitted: dict[str, Value]) -> None:
    wrapper.estimator_, wrapper.classes_ = fitted["estimator_"], fitted["classes_"]
    wrapper.estimator = wrapper.estimator_  # as it was given it is not kept: with its parameters, it is the fitted one


KINDS = [
    Kind(
        f"cvclassic.augmentation.{name}",
        {"estimator_": estimator, "classes_": integers(1)},
        _check,
        left_out={"estimator": None},
        restore=_restore,
    )
    for name in ("AffineAugmentation", "MirrorAugmentation")
]
