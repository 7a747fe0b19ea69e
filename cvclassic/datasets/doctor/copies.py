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
    if source.n_train is not None:
        kept = "where the test part is given, they may be in both parts"
    else:
        kept = "a comparison keeps them in one part" if own else "the splits of a named set don't heed that"
    told = names if source.files else [f"image {name}" for name in names]  # in sentences
    exact = _groups(copies.exact)
    if exact:
        height, width = source.images.shape[1:3]
        n = sum(len(group) - 1 for group in exact)
        yield _of_copies(
            "exact_copies",
            WARNING,
            exact,
            names,
            f"{counted(n, 'image is an exact copy of another', 'images are exact copies of others')} (the same pixels "
            f"at {width} x {height}), such as {told[exact[0][1]]} of {told[exact[0][0]]}. Each counts as often as it "
            f"is there, and a picture that was learned from says nothing about new ones; {kept}. "
            f"{_advice(own, 'Keep one of each.')}",
        )
    near = [_first_of_each(group, copies.exact) for group in _groups(copies.near)]
    near = [group for group in near if len(group) > 1]
    if near:
        n = sum(len(group) - 1 for group in near)
        if own and source.n_train is None:
            limit = max(LARGE_GROUP, int(LARGE_SHARE * len(names)))
            kept += f", but for groups of more than {limit:,} images or a third of a class"
        yield _of_copies(
            "near_copies",
            WARNING,
            near,
            names,
            f"{counted(n, 'image is a near copy of another', 'images are near copies of others')} (as if saved again, "
            f"resized, trimmed or brightened), such as {told[near[0][1]]} of {told[near[0][0]]}. A pipeline that has "
            f"learned from one knows the others; {kept}. {_advice(own, 'Look at them, and keep one of each.')}",
        )
    mixed = [group for group in _groups(copies.near) if len(np.unique(source.labels[group])) > 1]
    if mixed:
        yield _conflicting(source, mixed, names, told, own)
    if source.n_train is not None:
        yield from _leaked(source, copies, names, told, own)
        yield from _leaked_to_validation(source, copies, names, told)
    plain = tuple(names[i] for i in np.flatnonzero(copies.plain))
    if plain:
        yield Finding(
            "plain_pictures",
            WARNING,
            len(plain),
            plain,
            f"{counted(len(plain), 'image is', 'images are')} of one color all over, or nearly: {some(plain)}. Nothing "
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


def _conflicting(
    source: LabelledImages, mixed: list[np.ndarray], names: list[str], told: list[str], own: bool
) -> Finding:
    group = mixed[0]
    other = group[np.flatnonzero(source.labels[group] != source.labels[group[0]])[0]]
    pair = [f"{told[i]} ({source.class_names[source.labels[i]]})" for i in (group[0], other)]
    return _of_copies(
        "conflicting_labels",
        SEVERE if own else WARNING,
        mixed,
        names,
        f"{counted(len(mixed), 'picture is', 'pictures are')} in two or more classes, as exact or near copies, such as "
        f"{' and '.join(pair)}. No pipeline can be right about all of its copies, and what it learns is blurred. "
        f"{_advice(own, 'Decide on the class of each, and remove the other files.')}",
    )


def _leaked(source: LabelledImages, copies: Copies, names: list[str], told: list[str], own: bool) -> Iterator[Finding]:
    tested = source.part_of == 2
    exact = tested & np.isin(copies.exact, copies.exact[~tested])
    pairs = _pairs(copies, source.part_of < 2, tested)
    if not pairs:
        return
    leaked = [i for _, i in pairs]
    yield Finding(
        "leaked_test_images",
        SEVERE if own else WARNING,
        len(leaked),
        tuple(names[i] for i in leaked),
        f"{len(leaked):,} of {int(tested.sum()):,} test images ({percent(len(leaked), int(tested.sum()))}) are copies "
        f"of training images, {int(exact.sum()):,} exact and {len(leaked) - int(exact.sum()):,} near ones, such as "
        f"{told[pairs[0][1]]} of {told[pairs[0][0]]}. A pipeline may know them by heart, so that accuracy comes out "
        f"higher than on new pictures. {_advice(own, 'Remove them from one of the two parts.')}",
        tuple((names[one], names[other]) for one, other in pairs),
    )


def _leaked_to_validation(
    source: LabelledImages, copies: Copies, names: list[str], told: list[str]
) -> Iterator[Finding]:
    validated = source.part_of == 1
    pairs = _pairs(copies, source.part_of == 0, validated)
    if not pairs:
        return
    yield Finding(
        "leaked_validation_images",
        WARNING,
        len(pairs),
        tuple(names[i] for _, i in pairs),
        f"{len(pairs):,} of {int(validated.sum()):,} validation images ({percent(len(pairs), int(validated.sum()))}) "
        f"are copies of training images, exact or near ones, such as {told[pairs[0][1]]} of {told[pairs[0][0]]}. What "
        "is chosen by them, or trained until they are told rightly, may be what knows them by heart; the test images "
        "are not concerned. A comparison does not learn from the exact copies. Remove the others from one of the two "
        "parts.",
        tuple((names[one], names[other]) for one, other in pairs),
    )


def _pairs(copies: Copies, learned: np.ndarray, judged: np.ndarray) -> list[tuple[int, int]]:
    """Of each image of the second mask that is a copy of one of the first mask: the first of those, and itself."""
    first: dict[int, int] = {}
    for i in np.flatnonzero(learned):
        first.setdefault(int(copies.near[i]), int(i))
    return [(first[number], int(i)) for i in np.flatnonzero(judged) if (number := int(copies.near[i])) in first]


def _groups(numbers: np.ndarray) -> list[np.ndarray]:
    """Indices of the images that share a number, for each that several share; in order of the first."""
    order = np.argsort(numbers, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    return sorted((part for part in parts if len(part) > 1), key=lambda part: part[0])


def _first_of_each(group: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return group[np.sort(np.unique(exact[group], return_index=True)[1])]


def _advice(own: bool, advice: str) -> str:
    return advice if own else "The set is a published one; know it when you read its figures."


def _of_copies(kind: str, severity: str, pictures: list[np.ndarray], names: list[str], text: str) -> Finding:
    groups = tuple(tuple(names[i] for i in images) for images in pictures)
    files = tuple(name for group in groups for name in group)
    return Finding(kind, severity, len(files) - len(groups), files, text, groups)
