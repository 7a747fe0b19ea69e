"""A folder of class folders of images, or of `train/` and `test/` that hold such folders."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from cvclassic.datasets.dataset import LabelledImages
from cvclassic.datasets.files import (
    CUT_OFF,
    EMPTY,
    LOCKED,
    NO_PICTURE,
    Facts,
    Files,
    Unused,
    beside,
    bits_of,
    listed,
    relative,
    unreadable_warning,
)
from cvclassic.datasets.groups import groups_of_files
from cvclassic.datasets.storage import shown
from cvclassic.errors import DataError, InputError

SMALLEST_SIZE = 8
_FILES_PER_TASK = 256
_JPEG = b"\xff\xd8"


def load_folder(folder: Path, *, image_size: int = 32, group: str | None = None) -> LabelledImages:
    """Read every image below the class folders of `folder`, resized to a square.

    Those in folders inside of a class folder are of that class. Hidden files and folders, links to folders, and files
    without an image's suffix are passed over. Orientation marks (EXIF) are followed, 16 bits
    become 8, transparent pixels become white. Images are averaged down and interpolated up; sides of different length
    are stretched to the square. The batch is gray where all images are.

    Parameters
    ----------
    folder : Path
        `folder/<class>/<image>`, or `folder/train/<class>/<image>` and `folder/test/<class>/<image>`.
    image_size : int
        Height and width in pixels, 8 or more.
    group : str, optional
        What tells which images belong together: see `groups.groups_of_files`. Exact copies always do.

    Raises
    ------
    DataError
        For fewer than two classes, a class without enough images, or classes that differ between train and test.
    InputError
        For an `image_size` below 8, or a `group` that finds none.
    """
    if image_size < SMALLEST_SIZE:
        raise InputError(f"image_size={image_size} is too small to see shapes in; use {SMALLEST_SIZE} or more pixels.")
    parts, warnings = _find_parts(folder)
    class_names = _class_names(parts)
    listings = [[listed(part / name) for name in class_names] for part in parts]
    counts = np.array([[len(paths) for paths, _ in listing] for listing in listings])
    _check_counts(folder, parts, class_names, counts)

    paths = [path for listing in listings for found, _ in listing for path in found]
    labels = np.tile(np.arange(len(class_names)), len(parts)).repeat(counts.ravel())
    part_of = np.arange(len(parts)).repeat(counts.sum(axis=1))
    images, facts, unreadable = _read(paths, image_size)
    unreadable = {number: Unused(relative(paths[number], folder), why) for number, why in sorted(unreadable.items())}
    if unreadable:
        warnings.append(unreadable_warning(folder, list(unreadable.values())))
        readable = np.array([number not in unreadable for number in range(len(paths))])
        images, labels, part_of = images[readable], labels[readable], part_of[readable]
        counts = [np.bincount(labels[part_of == part], minlength=len(class_names)) for part in range(len(parts))]
        _check_counts(folder, parts, class_names, counts, warnings[-1])
    names = [relative(path, folder) for number, path in enumerate(paths) if number not in unreadable]
    skipped = [unused for listing in listings for _, passed in listing for unused in passed]
    skipped += [unused for part in parts for unused in beside(part, class_names)]
    if len(parts) == 2:
        skipped += beside(folder, ("train", "test"))
    known = [] if group is None else [groups_of_files(group, [Path(name) for name in names], len(parts))]
    return LabelledImages(
        images=_drop_equal_channels(images),
        labels=labels.astype(np.int64),
        class_names=_shown_names(class_names),
        provenance=f"{shown(folder)}, {len(images):,} image files resized to {image_size} x {image_size}",
        traits=frozenset(),
        n_train=int((part_of == 0).sum()) if len(parts) == 2 else None,
        warnings=tuple(warnings),
        files=Files(
            names=tuple(names),
            facts=np.array([facts[number] for number in sorted(facts)], np.int64),
            unreadable=tuple(unreadable.values()),
            skipped=tuple(Unused(relative(name, folder), why) for name, why in skipped),
        ),
    ).grouped(*known)


def _find_parts(folder: Path) -> tuple[list[Path], list[str]]:
    """`[folder]`, or its train and test parts; and a warning for what stands beside those unread."""
    subfolders = _subfolders(folder)
    names = [path.name for path in subfolders]
    parts = [folder / "train", folder / "test"]
    if "train" in names and "test" in names and all(_subfolders(part) for part in parts):
        others = [name for name in names if name not in ("train", "test")]
        return parts, [f"not read, beside train and test in {folder}: {', '.join(others)}"] if others else []
    if len(subfolders) < 2:
        found = f"found {names[0]}" if names else "found no folder in it"
        raise DataError(
            f"{folder} is no folder of class folders: two or more are needed, {found}. "
            "Put each class's images into a folder of its own, or such folders into train/ and test/."
        )
    return [folder], []


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _class_names(parts: list[Path]) -> list[str]:
    names = [{path.name for path in _subfolders(part)} for part in parts]
    if len(parts) == 2 and names[0] != names[1]:
        only = [f"only in {part}: {', '.join(sorted(own - other))}" for part, own, other in
                zip(parts, names, reversed(names), strict=True) if own - other]  # fmt: skip
        raise DataError(f"The classes of train and test differ; {'; '.join(only)}. Both need the same class folders.")
    if len(names[0]) < 2:
        raise DataError(f"{parts[0]} holds one class folder, {next(iter(names[0]))}; two or more are needed.")
    return sorted(names[0])


def _shown_names(names: list[str]) -> tuple[str, ...]:
    """Names of folders as text: bytes that are no UTF-8 are replaced, and names that became equal are numbered."""
    shown = [name.encode(errors="replace").decode() for name in names]
    return tuple(
        name if shown.count(name) == 1 else f"{name} ({shown[:number].count(name) + 1})"
        for number, name in enumerate(shown)
    )


def _check_counts(folder: Path, parts: list[Path], class_names: list[str], counts, unreadable: str = "") -> None:
    """Two images of each class to train on, and one to test on."""
    needed = [2, 1] if len(parts) == 2 else [3]
    for part, part_counts, smallest in zip(parts, counts, needed, strict=True):
        short = [f"{name} ({n})" for name, n in zip(class_names, part_counts, strict=True) if n < smallest]
        if len(short) == len(class_names) and not any(part_counts):
            raise DataError(f"No class folder of {part} holds a readable image file. {unreadable}".strip())
        if short:
            raise DataError(
                f"Each class folder of {part} needs {smallest} image files or more; too few in {', '.join(short)}. "
                f"Add images, or remove the folder. {unreadable}".strip()
            )


def _read(paths: list[str], image_size: int) -> tuple[np.ndarray, dict[int, Facts], dict[int, str]]:
    """All images as RGB (n, image_size, image_size, 3) uint8; facts of those that can be read, why others can't."""
    images = np.zeros((len(paths), image_size, image_size, 3), np.uint8)
    facts: dict[int, Facts] = {}
    unreadable: dict[int, str] = {}

    def read_some(start: int) -> None:
        for i in range(start, min(start + _FILES_PER_TASK, len(paths))):
            found = _read_image(paths[i], image_size)
            if isinstance(found, str):
                unreadable[i] = found
            else:
                images[i], facts[i] = found

    # Reading and decoding release the interpreter's lock, so that threads are enough.
    with _quiet_opencv(), ThreadPoolExecutor() as pool:
        list(pool.map(read_some, range(0, len(paths), _FILES_PER_TASK)))
    return images, facts, unreadable


def _read_image(path: str, image_size: int) -> tuple[np.ndarray, Facts] | str:
    """The image, RGB of that size, and facts of its file; or why it can't be read."""
    try:
        with open(path, "rb") as file:
            content = file.read()
        if not content:
            return EMPTY
        if _is_cut_off(content):
            return CUT_OFF
        image = _decode(content)
        if image is None:
            return NO_PICTURE
        height, width = image.shape[:2]
        facts = Facts(len(content), height, width, 1 if image.ndim == 2 else 3, bits_of(content))
        how = cv2.INTER_AREA if height >= image_size and width >= image_size else cv2.INTER_LINEAR
        image = cv2.resize(image, (image_size, image_size), interpolation=how)
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB), facts
    except OSError:
        return LOCKED
    except cv2.error:  # more pixels than OpenCV agrees to decode, for one
        return NO_PICTURE


def _is_cut_off(content: bytes) -> bool:
    """Whether a JPEG file has no end after its last scan; OpenCV 4 would fill such a one up with gray."""
    return content.startswith(_JPEG) and b"\xff\xd9" not in content[content.rfind(b"\xff\xda") :]


def _decode(content: bytes) -> np.ndarray | None:
    """Gray or BGR, 8 bits, turned as its orientation mark says, on white where it is transparent."""
    values = np.frombuffer(content, np.uint8)
    if _may_have_alpha(content):
        image = cv2.imdecode(values, cv2.IMREAD_UNCHANGED)
        if image is not None and image.dtype in (np.uint8, np.uint16) and image.ndim == 3 and image.shape[2] == 4:
            most = np.iinfo(image.dtype).max
            alpha = image[..., 3:].astype(np.float32) / most
            return np.rint((image[..., :3] * alpha / most + (1 - alpha)) * 255).astype(np.uint8)
    return cv2.imdecode(values, cv2.IMREAD_ANYCOLOR)


def _may_have_alpha(content: bytes) -> bool:
    if content.startswith(b"\x89PNG"):
        return len(content) > 25 and content[25] in (3, 4, 6)  # the color type: palette, gray + alpha, RGB + alpha
    return not content.startswith((_JPEG, b"BM"))


def _drop_equal_channels(images: np.ndarray) -> np.ndarray:
    """The gray batch where red, green and blue agree everywhere, else the batch as it is."""
    for start in range(0, len(images), 1024):
        block = images[start : start + 1024]
        if not (np.array_equal(block[..., 0], block[..., 1]) and np.array_equal(block[..., 0], block[..., 2])):
            return images
    return np.ascontiguousarray(images[..., 0])


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """OpenCV prints a line for each damaged file; the warning of the data set names them instead."""
    log = getattr(cv2.utils, "logging", cv2)  # the place in OpenCV 5, and in 4
    level = log.setLogLevel(0)
    try:
        yield
    finally:
        log.setLogLevel(level)
