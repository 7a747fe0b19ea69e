"""The sizes of the training part that a run learns from, for curves of accuracy over sample size."""

from collections.abc import Sequence
from dataclasses import replace

from cvclassic.datasets import Dataset
from cvclassic.errors import InputError
from cvclassic.runs.spec import ALL


def at_train_sizes(
    datasets: list[Dataset], sizes: Sequence[int | str], *, seed: int
) -> tuple[list[Dataset], list[str]]:
    """Each set at the largest of the sizes that it can give, with the others as its `smaller`.

    Parameters
    ----------
    datasets : with all training images that the run may use, which is what "all" means
    sizes : of the training part, validation included; those of `RunSpec.train_sizes`
    seed : of the splits

    Returns
    -------
    datasets
    notes : a line for each size that one of several sets can't give

    Raises
    ------
    InputError
        For a size that none of the sets can give, and for a set that can give none of the sizes.
    """
    parts: list[list[Dataset]] = [[] for _ in datasets]
    notes = []
    for size in sizes:
        refusals = []
        for dataset, found in zip(datasets, parts, strict=True):
            try:
                found.append(dataset if size == ALL else dataset.with_train_size(size, seed=seed))
            except InputError as error:
                refusals.append((dataset.name, error))
        if len(refusals) == len(datasets):
            raise InputError("; ".join(f"{name}: {error}" for name, error in refusals))
        notes += [f"{name} is left out at {size:,} training images: {error}" for name, error in refusals]
    for dataset, found in zip(datasets, parts, strict=True):
        if not found:
            raise InputError(f"{dataset.name} can be trained at none of these sizes. {' '.join(notes)}")
    return [_nested(found) for found in parts], notes


def _nested(parts: list[Dataset]) -> Dataset:
    parts = sorted(parts, key=lambda part: part.train_size)
    # Two parts with as many images to fit on have the same ones; what the larger has more is for validation.
    *smaller, largest = {len(part.train): part for part in parts}.values()
    return replace(largest, smaller=tuple(smaller))
