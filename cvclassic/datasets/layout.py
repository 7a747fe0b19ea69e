"""Which pictures of a data set are of which class and part: by folders, or by a table."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cvclassic.datasets.files import Tree, Unused, joined
from cvclassic.errors import DataError

TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")
WHOLE = "whole"  # of a set without parts
# How the folders of parts, and parts in a table, may be called, in any case.
PART_NAMES = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}
_LEAST = {WHOLE: 3, TRAIN: 2, VALIDATION: 1, TEST: 1}  # images of each class, to draw from, train on, or be judged by


class Layout(NamedTuple):
    """Pictures with their classes and parts, not yet read.

    Attributes
    ----------
    names : list of str
        Of the files; those of a part together, in the order of `parts`, sorted by class and name.
    labels : ndarray of shape (n,), int64
        Indices into `class_names`.
    part_of : ndarray of shape (n,), int64
        Indices into `parts`.
    class_names : list of str
    parts : list of str
        Of `PARTS`, in that order, or `WHOLE` alone.
    places : list of str
        Of each part: what errors call it.
    skipped : list of Unused
    warnings : list of str
    groups : list of str or None, optional
        Of each file, what tells which belong together; None for one that stands for itself.
    """

    names: list[str]
    labels: np.ndarray
    part_of: np.ndarray
    class_names: list[str]
    parts: list[str]
    places: list[str]
    skipped: list[Unused]
    warnings: list[str]
    groups: list[str | None] | None = None

    def of(self, rows: np.ndarray) -> "Layout":
        """The same with these files only, by their places."""
        groups = self.groups and [self.groups[row] for row in rows]
        return self._replace(
            names=[self.names[row] for row in rows], labels=self.labels[rows], part_of=self.part_of[rows], groups=groups
        )

    def check_counts(self, *, reason: str = "") -> None:
        """DataError unless each part has enough images of each class; `reason` tells why some are not there."""
        for part, place in enumerate(self.places):
            counts = np.bincount(self.labels[self.part_of == part], minlength=len(self.class_names))
            least = _LEAST[self.parts[part]]
            short = [f"{name} ({n})" for name, n in zip(self.class_names, counts, strict=True) if n < least]
            if not counts.any():
                raise DataError(f"No class of {place} holds a readable image file. {reason}".strip())
            if short:
                raise DataError(
                    f"Each class of {place} needs {least} image files or more; too few in {', '.join(short)}. Add "
                    f"images, or remove the class. {reason}".strip()
                )


def layout_of_folders(tree: Tree) -> Layout:
    """The layout of class folders, or of folders for parts that hold class folders.

    Raises
    ------
    DataError
        For fewer than two classes, classes that differ between parts, or two folders for one part.
    """
    folders, warnings = _part_folders(tree)
    class_names = _class_names(tree, folders)
    names, labels, part_of, skipped = [], [], [], []
    for part, at in enumerate(folders.values()):
        for label, name in enumerate(class_names):
            found, passed = tree.files(joined(at, name))
            names += found
            labels += [label] * len(found)
            part_of += [part] * len(found)
            skipped += passed
    skipped += [unused for at in folders.values() for unused in tree.beside(at, class_names)]
    if WHOLE not in folders:
        skipped += tree.beside("", list(folders.values()))
    return Layout(
        names=names,
        labels=np.array(labels, np.int64),
        part_of=np.array(part_of, np.int64),
        class_names=class_names,
        parts=list(folders),
        places=[joined(tree.shown.rstrip("/"), at).rstrip("/") for at in folders.values()],
        skipped=skipped,
        warnings=warnings,
    )


def judged_by_validation(parts: Sequence[str], name: str) -> tuple[list[str], list[str]]:
    """The parts, where there is none to test on: what was to be for validation is it then; and a line that says so.

    Images that were set apart show what a pipeline is worth better than any that are drawn from the training part.
    """
    if TEST in parts or VALIDATION not in parts:
        return list(parts), []
    told = f"there is no test part: {name} is what is tested on, and validation images are drawn from the training part"
    return [TEST if part == VALIDATION else part for part in parts], [told]


def _part_folders(tree: Tree) -> tuple[dict[str, str], list[str]]:
    """The folder of each part, or of the whole; and lines that tell how it was understood."""
    folders = tree.subfolders("")
    found = [(PART_NAMES[name.lower()], name) for name in folders if name.lower() in PART_NAMES]
    parts = Counter(part for part, _ in found)
    if parts[TRAIN] and len(parts) > 1:
        twice = [name for part, name in found if parts[part] > 1]
        if twice:
            raise DataError(f"{tree.shown} has several folders for one part: {', '.join(twice)}. Leave one of them.")
        flat = [name for _, name in found if not tree.subfolders(name)]
        if flat:
            raise DataError(
                f"{joined(tree.shown, flat[0])} holds no class folders. Put each class's images into a folder of its "
                "own in it, or write a CSV of path, label and part."
            )
        by_part = dict(found)
        names, warnings = judged_by_validation(list(by_part), f"{by_part.get(VALIDATION)}/")
        others = [name for name in folders if name not in by_part.values()]
        if others:
            warnings.append(f"not read, beside {', '.join(by_part.values())} in {tree.shown}: {', '.join(others)}")
        at = dict(zip(names, by_part.values(), strict=True))
        return {part: at[part] for part in PARTS if part in at}, warnings
    if len(folders) < 2:
        there = f"found {folders[0]}" if folders else "found no folder in it"
        raise DataError(
            f"{tree.shown} is no folder of class folders: two or more are needed, {there}. Put each class's images "
            "into a folder of its own, or such folders into train/ and test/."
        )
    return {WHOLE: ""}, []


def _class_names(tree: Tree, folders: dict[str, str]) -> list[str]:
    names = {at: set(tree.subfolders(at)) for at in folders.values()}
    everywhere = set.intersection(*names.values())
    more = {at: sorted(own - everywhere) for at, own in names.items()}
    only = [f"only in {joined(tree.shown, at)}: {', '.join(own)}" for at, own in more.items() if own]
    if only:
        raise DataError(
            f"The classes of {', '.join(names)} in {tree.shown} differ; {'; '.join(only)}. All need the same class "
            "folders."
        )
    if len(everywhere) < 2:
        place = joined(tree.shown, next(iter(names)))
        raise DataError(f"{place} holds one class folder, {next(iter(everywhere))}; two or more are needed.")
    return sorted(everywhere)
