"""Data sets by name: what there is, what runs when nothing is named, and `load`."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from cvclassic.datasets import builtin, standard
from cvclassic.datasets.dataset import Dataset, LabelledImages, drawn, with_findings
from cvclassic.datasets.pictures import load_pictures
from cvclassic.datasets.storage import at_hand, find_data_dir, reachable, shown, writable
from cvclassic.datasets.stored_set import SUFFIX as STORE_SUFFIX
from cvclassic.datasets.stored_set import load_stored
from cvclassic.decoding import PAD, is_url, local_path
from cvclassic.errors import DataError, InputError

_EMBEDDED = {
    "digits": ("1,797 handwritten digits of scikit-learn, 32 x 32 gray; needs no file", builtin.load_digits),
    "shapes": ("5,000 drawings of ten shapes, 32 x 32 RGB; needs no file", builtin.load_shapes),
}
_STANDARD = {
    "mnist": ("70,000 handwritten digits, 28 x 28 gray", standard.load_mnist),
    "fashion_mnist": ("70,000 pictures of clothes, 28 x 28 gray", standard.load_fashion_mnist),
    "cifar10": ("60,000 photographs of ten kinds of things, 32 x 32 RGB", standard.load_cifar10),
    "cifar100": ("60,000 photographs of a hundred kinds of things, 32 x 32 RGB", standard.load_cifar100),
    "opencv_digits": ("5,000 digits of OpenCV's HOG + SVM tutorial, 20 x 20 gray", standard.load_opencv_digits),
}


def load(
    name: str,
    *,
    data_dir: str | Path | None = None,
    offline: bool = False,
    image_size: int | None = None,
    resize: str = PAD,
    seed: int = 0,
    train_size: int | None = None,
    max_train_size: int | None = None,
    group: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Load a set and draw its splits.

    Parameters
    ----------
    name : str
        One of `names()`, in any case and with - or _, or the path of a user's own pictures, as
        `cvclassic.datasets.pictures.load_pictures` takes it: a folder, a zip or tar archive, or a CSV; or the URL of a
        folder or CSV; or a zarr store of `cvclassic.datasets.write_zarr`, which ends in .zarr.
    data_dir : path, optional
        Where standard sets lie and downloads go. Default: `$CVCLASSIC_DATA`, else `data/` of the checkout or of the
        current folder. Keras's own cache is read too.
    offline : bool
        Never touch the network.
    image_size : int, optional
        Height and width in pixels of a user's own pictures; None is what fits them
        (`cvclassic.datasets.image_size.usual_size`). Named sets have sizes of their own.
    resize : {"pad", "crop", "stretch"}
        How a user's own pictures become squares: see `cvclassic.decoding.InputContract`.
    seed : int
        Of the splits. Which images a set holds doesn't depend on it.
    train_size : int, optional
        Images of the training part (train and validation together) to use, a stratified sample; default all.
    max_train_size : int, optional
        The same as an upper bound; ignored where `train_size` is given.
    group : str, optional
        What tells which images of a folder belong together: see `cvclassic.datasets.groups.groups_of_files`. Exact
        copies in a folder always do. Not for named sets.
    progress : callable, optional
        Called while files are read, with the number of those that were done since it was called last, and that of all.

    Raises
    ------
    InputError
        For an unknown name, or a size that the set can't give.
    DataError
        For a set that is missing, damaged or not what it claims to be.
    """
    shown_name, source = load_source(
        name, data_dir=data_dir, offline=offline, image_size=image_size, resize=resize, group=group, progress=progress
    )
    used = source.apart().near_together()
    dataset = drawn(shown_name, used, seed=seed, train_size=train_size, max_train_size=max_train_size)
    return with_findings(dataset, source)


def load_source(
    name: str,
    *,
    data_dir: str | Path | None = None,
    offline: bool = False,
    image_size: int | None = None,
    resize: str = PAD,
    group: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[str, LabelledImages]:
    """The name that is shown, and the set as its source gives it; options and errors are those of `load`."""
    name = known_name(name) or name
    try:
        source = _load_named(name, find_data_dir(data_dir), offline, group)
        if source is None:
            place = _own_place(name, offline)
            if str(place).rstrip("/").endswith(STORE_SUFFIX):
                source = load_stored(place, image_size=image_size, group=group)
            else:
                source = load_pictures(place, image_size=image_size, resize=resize, group=group, progress=progress)
    except OSError as error:  # a file or folder that this user may not read, for one
        raise DataError(f"{name} can't be read: {error}.") from error
    return name if known_name(name) else _folder_name(name), source


def default_names(*, data_dir: str | Path | None = None, offline: bool = False) -> tuple[list[str], str | None]:
    """The sets that run when none is named: MNIST and CIFAR-10 as far as they can be had, else `digits` and `shapes`.

    Returns
    -------
    names : list of str
    note : str or None
        Where not both standard sets can be had: a line that says so, and how to get them.
    """
    folder = find_data_dir(data_dir)
    wanted = {"mnist": standard.MNIST, "cifar10": standard.CIFAR10}
    found = {name: at_hand(files, folder) for name, files in wanted.items()}
    missing = [name for name in wanted if not found[name]]
    if missing and not offline and writable(folder):
        answers = reachable([wanted[name].downloads[0][0] for name in missing])
        found.update(zip(missing, answers, strict=True))
    missing = [name for name in wanted if not found[name]]
    if not missing:
        return list(wanted), None
    chosen = [name for name in wanted if found[name]] or list(_EMBEDDED)
    why = "with --offline they are not downloaded" if offline else "they could not be downloaded"
    return chosen, (
        f"{' and '.join(missing)} not found in {shown(folder)} or Keras's cache, and {why}: running "
        f"{' and '.join(chosen)} instead. Put the files into {shown(folder)} (data/README.md says which), or name "
        "another folder with --data-dir."
    )


def known_name(text: str) -> str | None:
    """The named set that `text` means, in any case and with or without - and _; None for anything else, such as a path.

    A folder that is called like a set, but for that, is that folder.
    """
    by_spelling = {_spelled(name): name for name in (*_EMBEDDED, *_STANDARD)}
    name = by_spelling.get(_spelled(text))
    return None if name is None or (name != text and Path(text).is_dir()) else name


def names() -> list[tuple[str, str]]:
    """The named sets, each with one line that says what it is."""
    return [(name, description) for name, (description, _) in (_EMBEDDED | _STANDARD).items()]


def _load_named(name: str, data_dir: Path, offline: bool, group: str | None) -> LabelledImages | None:
    """The named set; None for anything else."""
    if group is not None and known_name(name):
        raise InputError(f"group (--group) is for folders of images; {name} has none. Remove it.")
    if name in _EMBEDDED:
        return _EMBEDDED[name][1]()
    if name in _STANDARD:
        source = _STANDARD[name][1](data_dir, offline)
        _check_training_part(name, source)
        return source
    return None


def _own_place(name: str, offline: bool) -> Path | str:
    """The folder or file, or the URL, that is meant; an error that says what there is instead."""
    if is_url(name):
        if offline:
            raise InputError(f"{name} is far away, and with offline (--offline) the network is not touched.")
        return name
    path = Path(local_path(name) or name).expanduser()
    if path.is_dir() or path.is_file():
        return path
    if path.exists():
        raise DataError(f"{path} is a device, pipe or socket; name a folder, an archive or a CSV.")
    if os.sep in name or "/" in name:
        raise DataError(
            f"There is no folder {path}. A data set is a folder of images, an archive or a CSV of such, or one of: "
            f"{_listed()}."
        )
    close = difflib.get_close_matches(name.lower(), [known for known, _ in names()], n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise InputError(f"Data set {name!r} is unknown: {hint}There are {_listed()}, or a path to a folder of images.")


def _spelled(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _folder_name(path: str) -> str:
    """The folder's own name, with what is no text in it (bytes that are no UTF-8) replaced."""
    if is_url(path):
        return path.rstrip("/").rpartition("/")[2].encode(errors="replace").decode()
    return Path(local_path(path) or path).expanduser().resolve().name.encode(errors="replace").decode()


def _check_training_part(name: str, source: LabelledImages) -> None:
    present = set(source.labels[: source.n_train].tolist())
    missing = [label for i, label in enumerate(source.class_names) if i not in present]
    if missing:
        raise DataError(
            f"{name} has no training image of {', '.join(missing)} ({source.provenance}). "
            "Delete it and get a whole copy."
        )


def _listed() -> str:
    return ", ".join(known for known, _ in names())
