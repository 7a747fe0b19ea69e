"""`check`: look a data set over before anything learns from it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cvclassic.datasets.arrays import labelled
from cvclassic.datasets.catalog import load_source
from cvclassic.datasets.dataset import LabelledImages
from cvclassic.datasets.doctor.copies import copies_findings
from cvclassic.datasets.doctor.counts import count_findings
from cvclassic.datasets.doctor.finding import SEVERITIES, Check
from cvclassic.datasets.doctor.pictures import color_findings, described, file_findings, size_findings
from cvclassic.datasets.doctor.shortcuts import shortcut_findings
from cvclassic.datasets.groups import together
from cvclassic.datasets.near_copies import find_copies
from cvclassic.decoding import PAD
from cvclassic.errors import InputError

Data = str | Path | Sequence[np.ndarray]


def check(
    data: Data,
    *,
    image_size: int | None = None,
    resize: str = PAD,
    group: str | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
) -> Check:
    """Look a data set over: copies, labels that contradict one another, files that can't be used, shortcuts, numbers.

    Parameters
    ----------
    data : name, path, or arrays
        As `cvclassic.compare` takes it; arrays are `(X, y)`, or `(X_train, y_train, X_test, y_test)`.
    image_size, resize, group, data_dir, offline
        As of `cvclassic.datasets.load`, for names and paths.

    Returns
    -------
    Check
        Its `findings`, severe ones first. docs/check.md tells what each kind means.

    Raises
    ------
    InputError
        For what is no data set, or can't be read.
    """
    if isinstance(data, str | Path):
        name, source = load_source(
            str(data), data_dir=data_dir, offline=offline, image_size=image_size, resize=resize, group=group
        )
        return diagnose(name, source)
    if not isinstance(data, Sequence) or len(data) not in (2, 4):
        raise InputError("check takes a name, a path, (X, y), or (X_train, y_train, X_test, y_test).")
    return diagnose("arrays", labelled(*data))


def diagnose(name: str, source: LabelledImages) -> Check:
    """What there is to say of a set as its source gives it, before its splits.

    `name` is what reports call it.
    """
    own = source.copies is not None  # folders and arrays have theirs, named sets not
    copies = source.copies if own and source.copies.searched else find_copies(source.images)
    files = source.files
    names = list(files.names) if files else [str(number) for number in range(len(source.labels))]
    groups = copies.near if source.groups is None else together(source.groups.tolist(), copies.near.tolist())
    findings = [
        *copies_findings(source, copies, names, own=own),
        *(file_findings(files) if files else ()),
        *count_findings(source),
        *shortcut_findings(source.images, source.labels, groups, files),
        *(size_findings(files, source.contract) if files else ()),
        *color_findings(source.images, names, files),
    ]
    given = ("train", "validation", "test") if source.n_validation else ("train", "", "test")
    parts = {"all": 0} if source.n_train is None else {part: k for k, part in enumerate(given) if part}
    return Check(
        name=name,
        image_shape=source.images.shape[1:],
        class_names=source.class_names,
        parts={
            part: tuple(np.bincount(source.labels[source.part_of == k], minlength=len(source.class_names)).tolist())
            for part, k in parts.items()
        },
        files=described(files) if files else "",
        findings=tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))),
    )
