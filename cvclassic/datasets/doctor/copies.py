"""Findings on copies: exact and near ones, across classes, across given parts; and pictures that show nothing."""

from collections.abc import Iterator

import numpy as np

from cvclassic.datasets.dataset import LabelledImages
from cvclassic.datasets.doctor.finding import NOTE, SEVERE, WARNING, Finding, counted, percent, some
from cvclassic.datasets.groups import LARGE_GROUP, LARGE_SHARE
from cvclassic.datasets.near_copies import MOST_IMAGES, Copies


def copies_findings(source: LabelledImages, copies: Copies, names: list[str], *, own: bool) -> Iterator[Finding]:
    """What copies there are.

    Parameters
    ----------
    source : LabelledImages
    copies : Copies
    names : list of str
        Of the images.
    own : bool
        Whether the set is a user's, who can change it.
    """
    given = source.n_train is not None
    if given:
        kept = "where the test part is given, they may be in both parts"
    else:
        kept = "a comparison keeps them in one part" if own else "the splits of a named set don't heed that"
    what = "" if source.files else "image "  # arrays have numbers, and no names
    exact = _groups(copies.exact)
    if exact:
        files = [[names[i] for i in group] for group in exact]
        n = sum(len(group) - 1 for group in exact)
        height, width = source.images.shape[1:3]
        yield _of_copies(
            "exact_copies",
            WARNING,
            n,
            files,
            f"{counted(n, 'image is an exact copy of another', 'images are exact copies of others')} (the same pixels "
            f"at {width} x {height}), {_such_as(files, what)}. Each counts as often as it is there, and a picture that "
            f"was learned from says nothing about new ones; {kept}. {_advice(own, 'Keep one of each.')}",
        )
    near = [group for group in _groups(copies.near) if len(np.unique(copies.exact[group])) > 1]
    if near:
        groups = [_first_of_each(group, copies.exact) for group in near]
        files = [[names[i] for i in group] for group in groups]
        n = sum(len(group) - 1 for group in groups)
        limit = max(LARGE_GROUP, int(LARGE_SHARE * len(names)))
        if own and not given:
            kept += f", but for groups of more than {limit:,} images or a third of a class"
        yield _of_copies(
            "near_copies",
            WARNING,
            n,
            files,
            f"{counted(n, 'image is a near copy of another', 'images are near copies of others')} (as if saved again, "
            f"resized, trimmed or brightened), {_such_as(files, what)}. A pipeline that has learned from one knows the "
            f"others; {kept}. {_advice(own, 'Look at them, and keep one of each.')}",
        )
    mixed = [group for group in _groups(copies.near) if len(np.unique(source.labels[group])) > 1]
    if mixed:
        yield _conflicting(source, mixed, names, own)
    if given:
        yield from _leaked(source, copies, names, own)
    plain = np.flatnonzero(copies.plain)
    if len(plain):
        files = [names[i] for i in plain]
        yield Finding(
            "plain_pictures",
            WARNING,
            len(files),
            tuple(files),
            f"{counted(len(files), 'image is', 'images are')} of one color all over, or nearly: {some(files)}. Nothing "
            "in them tells their class, and near copies of them were not looked for. "
            f"{_advice(own, 'Look at them, and remove those that are damaged.')}",
        )
    if not copies.searched:
        yield Finding(
            "near_copies_not_searched",
            NOTE,
            len(names),
            (),
            f"Near copies were not looked for, because there are more than {MOST_IMAGES:,} different images. There may "
            "be some, and they may be on two sides of a split. Check a part of the set.",
        )


def _conflicting(source: LabelledImages, mixed: list[np.ndarray], names: list[str], own: bool) -> Finding:
    files = [[names[i] for i in group] for group in mixed]
    group = mixed[0]
    other = group[np.flatnonzero(source.labels[group] != source.labels[group[0]])[0]]
    pair = [f"{names[i]} ({source.class_names[source.labels[i]]})" for i in (group[0], other)]
    return _of_copies(
        "conflicting_labels",
        SEVERE if own else WARNING,
        sum(len(group) - 1 for group in mixed),
        files,
        f"{counted(len(mixed), 'picture is', 'pictures are')} in two or more classes, as exact or near copies, such as "
        f"{' and '.join(pair)}. No pipeline can be right about all of its copies, and what it learns is blurred. "
        f"{_advice(own, 'Decide on the class of each, and remove the other files.')}",
    )


def _leaked(source: LabelledImages, copies: Copies, names: list[str], own: bool) -> Iterator[Finding]:
    tested = np.arange(len(names)) >= source.n_train
    exact = tested & np.isin(copies.exact, copies.exact[~tested])
    leaked = np.flatnonzero(tested & np.isin(copies.near, copies.near[~tested]))
    if not len(leaked):
        return
    first = {number: i for i, number in reversed(list(enumerate(copies.near[: source.n_train].tolist())))}
    groups = [[names[first[copies.near[i]]], names[i]] for i in leaked]
    yield Finding(
        "leaked_test_images",
        SEVERE if own else WARNING,
        len(leaked),
        tuple(names[i] for i in leaked),
        f"{len(leaked):,} of {int(tested.sum()):,} test images ({percent(len(leaked), int(tested.sum()))}) are copies "
        f"of training images, {int(exact.sum()):,} exact and {len(leaked) - int(exact.sum()):,} near ones, such as "
        f"{groups[0][1]} of {groups[0][0]}. A pipeline may know them by heart, so that the accuracy comes out higher "
        "than on new pictures. "
        + _advice(own, "Remove them from one of the two parts; a comparison leaves exact ones out of training."),
        tuple(tuple(group) for group in groups),
    )


def _groups(numbers: np.ndarray) -> list[np.ndarray]:
    """Indices of the images that share a number, for each that several share; in order of the first."""
    order = np.argsort(numbers, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    return sorted((part for part in parts if len(part) > 1), key=lambda part: part[0])


def _first_of_each(group: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return group[np.sort(np.unique(exact[group], return_index=True)[1])]


def _such_as(files: list[list[str]], what: str) -> str:
    return f"such as {what}{files[0][1]} of {what}{files[0][0]}"


def _advice(own: bool, advice: str) -> str:
    return advice if own else "The set is a published one; know it when you read its figures."


def _of_copies(kind: str, severity: str, count: int, files: list[list[str]], text: str) -> Finding:
    groups = tuple(tuple(group) for group in files)
    return Finding(kind, severity, count, tuple(name for group in groups for name in group), text, groups)
