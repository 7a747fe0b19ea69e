"""Folders with every trouble that `cvclassic check` tells, in known numbers; and how many near copies it finds.

    python benchmarks/troubled.py DEST

makes `DEST/troubled` (one folder of classes) and `DEST/parts` (with train and test) from what scikit-image and
scikit-learn ship, prints of each kind how many were planted and found, and ends with exit code 1 where they differ.
Then it measures near copies: originals of five sources, one changed copy of each (JPEG of quality 50; resized to 80 %;
2 pixels trimmed from each side; 15 % brighter or darker), in `DEST/copies`, all resized to 32 x 32 as by default.
Recall, and near copies that were not planted, in all four (2 cores of an AMD EPYC, 2026-11-25, 30 s):

    near copies  originals       jpeg     resize       crop brightness  not planted
    photographs        200      91.0%      96.0%      94.5%      93.0%            1
    textures           200      98.0%      98.0%      97.5%      98.0%            0
    32 x 32            200      89.5%      95.5%      71.0%      93.0%            1
    drawings           200      97.0%     100.0%      79.5%     100.0%            0
    digits             200     100.0%     100.0%      88.0%     100.0%            0

All other kinds were found in the numbers that were planted.
"""

import argparse
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
from pictures import patches, write
from skimage import data
from sklearn.datasets import load_sample_image

from cvclassic.datasets import load
from cvclassic.datasets.doctor import Check, check
from cvclassic.datasets.near_copies import find_copies
from cvclassic.datasets.pictures import load_pictures

CHANGES = ("jpeg", "resize", "crop", "brightness")
ORIGINALS = 200  # of each source at most


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dest", type=Path, help="folder for what is made; must not exist")
    dest = parser.parse_args().dest
    if dest.exists():
        raise SystemExit(f"{dest} is there already; remove it, or name another folder.")
    planted = {"troubled": troubled(dest / "troubled"), "parts": parts(dest / "parts")}
    wrong = 0
    for name, expected in planted.items():
        wrong += tell(name, expected, check(dest / name))
    recall(dest / "copies")
    return min(wrong, 1)


def troubled(folder: Path) -> dict[str, int]:
    """Three classes of photographs' patches, of very different numbers, with every trouble; counts by kind."""
    classes = {
        "stone": (data.gravel(), 15, 16),
        "leaf": (load_sample_image("flower.jpg"), 6, 8),
        "coin": (data.coins(), 3, 4),
    }
    for seed, (name, (image, rows, columns)) in enumerate(classes.items()):
        for k, patch in enumerate(patches(image, rows, columns, seed=seed)):
            side = 30 if name == "stone" else 44  # the shortcut: stones are of another size
            color = cv2.cvtColor(patch, cv2.COLOR_GRAY2RGB) if patch.ndim == 2 else patch
            _put(folder / name / f"{k:03}.png", cv2.resize(color, (side, side), interpolation=cv2.INTER_AREA))
    for k in range(6):
        shutil.copyfile(folder / "stone" / f"{k:03}.png", folder / "stone" / f"copy {k}.png")
    for k in range(2):
        shutil.copyfile(folder / "leaf" / f"{k:03}.png", folder / "coin" / f"taken for a coin {k}.png")
    for k in range(8):
        original = _get(folder / "leaf" / f"{10 + k:03}.png")
        _put(
            folder / "leaf" / f"near {k}{_suffix(CHANGES[k % 4])}", changed(original, CHANGES[k % 4], k), CHANGES[k % 4]
        )
    _put(folder / "stone" / "near a leaf.jpg", _get(folder / "leaf" / "030.png"), "jpeg")
    whole = cv2.imencode(".jpg", _get(folder / "leaf" / "031.png"))[1].tobytes()
    (folder / "leaf" / "cut off.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "stone" / "no picture.png").write_text("This is no picture.\n")
    for name in ("leaf", "coin"):
        (folder / name / "empty.png").touch()
    (folder / "stone" / "notes.txt").write_text("Taken on a Monday.\n")
    (folder / "stone" / ".hidden.png").write_bytes(whole)
    (folder / "beside.png").write_bytes(whole)
    cup, plain = data.coffee(), np.full((44, 44, 3), 250, np.uint8)
    for k in range(3):  # three times as wide as high
        _put(folder / "leaf" / f"wide {k}.png", cv2.resize(cup[100 * k : 100 * k + 90, 100:370], (90, 30)))
    for k in range(2):
        _put(folder / "leaf" / f"large {k}.png", data.hubble_deep_field()[400 * k : 400 * k + 400, 500:900])
        _put(folder / "leaf" / f"tiny {k}.png", data.chelsea()[50 * k + 100 : 50 * k + 106, 200:206])
        _put(folder / "coin" / f"plain {k}.png", plain - np.uint8(60 * k))
    deep = data.moon()[200:288, 200:288].astype(np.uint16) * 257
    for k in range(2):
        _put(folder / "leaf" / f"deep {k}.png", deep[:44, 44 * k : 44 * k + 44])
    n_gray = 15 * 16 + 3 * 4 + 6 + 2 + 2  # stones and coins, copies of stones, plain ones, and deep ones
    n_color = 6 * 8 + 2 + 8 + 1 + 3 + 2 + 2
    return {
        "exact_copies": 6 + 2,
        "near_copies": 8 + 1,
        "conflicting_labels": 2 + 1,
        "unreadable_files": 2,
        "empty_files": 2,
        "skipped_files": 3,
        "padding": 3,
        "lost_detail": 2,
        "tiny_pictures": 2,
        "plain_pictures": 2,
        "mixed_color": min(n_gray, n_color) + 2,  # the deep ones are both gray and of 16 bits
        "imbalance": 2,
        "few_images": 1,
        "shortcut": 1,
        "small_test": 1,
    }


def parts(folder: Path) -> dict[str, int]:
    """Two classes, each with a train and a test part, and test pictures that were learned from."""
    for seed, (name, image) in enumerate({"fur": data.chelsea()[:, 100:], "grass": data.grass()}.items()):
        for k, patch in enumerate(patches(image, 8, 10, seed=seed)):
            _put(folder / ("train" if k % 4 else "test") / name / f"{k:03}.png", cv2.resize(patch, (44, 44)))
    for k in range(1, 4):
        shutil.copyfile(folder / "train" / "fur" / f"{k:03}.png", folder / "test" / "fur" / f"seen {k}.png")
    for k, change in enumerate(CHANGES):
        original = _get(folder / "train" / "grass" / f"{4 * k + 1:03}.png")
        _put(folder / "test" / "grass" / f"seen {k}{_suffix(change)}", changed(original, change, k), change)
    return {"exact_copies": 3, "near_copies": 4, "leaked_test_images": 7}


def tell(name: str, expected: dict[str, int], found: Check) -> int:
    """Print what was planted and found; how many kinds differ, of those that are counted in files."""
    wrong = 0
    print(f"{name}: planted, found")
    for kind, count in expected.items():
        findings = [finding for finding in found.findings if finding.kind == kind]
        of_files = kind not in ("shortcut", "small_test")  # one of them is enough
        number = sum(finding.count for finding in findings) if of_files else min(len(findings), 1)
        wrong += number != count
        print(f"  {kind:20} {count:4} {number:4}{'' if number == count else '  differs'}")
    beside = sorted({finding.kind for finding in found.findings} - set(expected))
    print(f"  besides: {', '.join(beside) or 'nothing'}\n")
    return wrong


def recall(folder: Path) -> None:
    """Print how many planted near copies are found, and how many pairs are found that were not planted."""
    print(f"{'near copies':12} {'originals':>9} " + " ".join(f"{change:>10}" for change in CHANGES) + "  not planted")
    for source, originals in sources().items():
        shares, false = [], 0
        for change in CHANGES:
            where = folder / source / change
            for k, original in enumerate(originals):
                _put(where / "a" / f"{k:04}.png", original)
                _put(where / "b" / f"{k:04}{_suffix(change)}", changed(original, change, k), change)
            near = find_copies(load_pictures(where).images).near
            n = len(originals)
            shares.append(np.mean(near[:n] == near[n:]))
            planted = near[:n][near[:n] == near[n:]]
            false += 2 * n - len(np.unique(near)) - len(planted)
        print(f"{source:12} {len(originals):9} " + " ".join(f"{share:10.1%}" for share in shares) + f" {false:12}")


def sources() -> dict[str, list[np.ndarray]]:
    """Originals by source, gray or RGB: patches of photographs, small photographs' patches, drawings, digits."""
    photographs = [data.coffee(), data.astronaut(), data.chelsea(), data.camera(), load_sample_image("china.jpg")]
    textures = [data.brick(), data.grass(), data.gravel(), load_sample_image("flower.jpg"), data.immunohistochemistry()]
    small = [cv2.resize(patch, (32, 32), interpolation=cv2.INTER_AREA) for patch in _all_patches(photographs)]
    return {
        "photographs": _all_patches(photographs),
        "textures": _all_patches(textures),
        "32 x 32": small,
        "drawings": list(load("shapes").images[:ORIGINALS]),
        "digits": list(load("digits").images[:ORIGINALS]),
    }


def changed(image: np.ndarray, change: str, number: int) -> np.ndarray:
    """A near copy of an image; that of `jpeg` is made where it is written."""
    height, width = image.shape[:2]
    if change == "resize":
        return cv2.resize(image, (round(0.8 * width), round(0.8 * height)), interpolation=cv2.INTER_AREA)
    if change == "crop":
        return image[2:-2, 2:-2]
    if change == "brightness":
        return np.clip(np.rint(image * (1.15 if number % 2 else 0.85)), 0, 255).astype(np.uint8)
    return image


def _all_patches(images: list[np.ndarray]) -> list[np.ndarray]:
    return [patch for seed, image in enumerate(images) for patch in patches(image, 5, 8, seed=seed)][:ORIGINALS]


def _suffix(change: str) -> str:
    return ".jpg" if change == "jpeg" else ".png"


def _put(path: Path, image: np.ndarray, change: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if change == "jpeg":
        in_order = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        path.write_bytes(cv2.imencode(".jpg", in_order, [cv2.IMWRITE_JPEG_QUALITY, 50])[1].tobytes())
    else:
        write(path, image)


def _get(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


if __name__ == "__main__":
    sys.exit(main())
