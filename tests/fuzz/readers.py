"""Everything that reads a file which somebody else may have made, with valid files to spoil. One entry each."""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pillow_heif  # noqa: F401  code that decoding loads when a file is HEIC, or turned into one
from PIL import Image, features

from cvclassic import datasets
from cvclassic.datasets.archives import opened_archive
from cvclassic.datasets.formats import read_cifar_batch, read_idx, read_mnist_npz, read_opencv_digits
from cvclassic.datasets.groups import groups_of_files
from cvclassic.datasets.standard import CIFAR10
from cvclassic.datasets.storage import unpack
from cvclassic.datasets.table import layout_of_table
from cvclassic.decoding import InputContract, read_contents, read_pictures
from cvclassic.errors import InputError
from cvclassic.features import Embedding
from cvclassic.model import read_model as read_cvc
from cvclassic.report.markdown import markdown
from cvclassic.report.results_json import json_text
from cvclassic.report.tables_csv import csv_text
from cvclassic.runs.encoding import npz
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.reading import read_run
from cvclassic.study.sentences import answer
from cvclassic.study.study import Study
from cvclassic.study.tables import results_table
from cvclassic.svm import OpenCVSVM
from tests.datasets.test_standard import python2_batch
from tests.fuzz.campaign import Reader, Target
from tests.fuzz.mutate import Way, at_random, at_the_ends, inside_gzip, inside_json, inside_png, inside_zip
from tests.model.models import small_model
from tests.model.mutations import mutated
from tests.runs.folders import jobs_of, outcome_of, record_of
from tests.tiny_onnx import write_backbone

Image.init()  # its plugins, which are code that it loads when a file's first bytes ask for one

MODELS = Path(__file__).parents[1] / "svm" / "opencv4_models"


def _written(folder: Path, contents: dict[str, bytes], *ways: Way) -> list[Target]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [Target(name, content, ways) for name, content in contents.items()]


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # without the time, so that an input is the same tomorrow


def _mnist(folder: Path) -> list[Target]:
    images, labels = _images(12), np.arange(12, dtype=np.uint8) % 10
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:4], "y_test": labels[:4]}
    packed = npz(arrays)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as source, zipfile.ZipFile(file, "w") as stored:
        for name in source.namelist():
            stored.writestr(zipfile.ZipInfo(name), source.read(name))
    return _written(folder, {"mnist.npz": file.getvalue(), "packed.npz": packed}, at_random, inside_zip, inside_zip)


def _images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def _idx(folder: Path) -> list[Target]:
    images, labels = _images(6), np.arange(6, dtype=np.uint8)
    contents = {
        "images.gz": _packed(struct.pack(">4I", 0x803, *images.shape) + images.tobytes()),
        "labels.gz": _packed(struct.pack(">2I", 0x801, len(labels)) + labels.tobytes()),
    }
    return _written(folder, contents, at_random, inside_gzip, inside_gzip)


def _cifar(folder: Path) -> list[Target]:
    pixels, labels = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8), [3, 0, 9]
    contents = {f"batch{n}": pickle.dumps({b"data": pixels, b"labels": labels}, protocol=n) for n in (3, 4)}
    contents["batch2"] = python2_batch(pixels, labels)
    return _written(folder, contents, at_random, at_the_ends, at_the_ends)


def _read_batch(folder: Path, name: str) -> None:
    path = folder / name
    read_cifar_batch(path, path.read_bytes(), "labels", 10)


def _digits_page(folder: Path) -> list[Target]:
    page = np.zeros((1000, 2000), np.uint8)
    contents = {"digits.png": cv2.imencode(".png", page)[1].tobytes()}
    return _written(folder, contents, at_random, inside_png, inside_png)


def _models(*suffixes: str) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in sorted(MODELS.iterdir()) if path.suffix in suffixes]


def _xml(folder: Path) -> list[Target]:
    return _written(folder, dict(_models(".xml")), at_random)


def _yaml(folder: Path) -> list[Target]:
    return _written(folder, dict(_models(".yml")), at_random)


def _json(folder: Path) -> list[Target]:
    tree = {
        "format": 3,
        "svmType": "C_SVC",
        "kernel": {"type": "RBF", "gamma": 0.5},
        "C": 1.0,
        "term_criteria": {"epsilon": 1e-3, "iterations": 1000},
        "var_count": 3,
        "class_count": 2,
        "class_labels": {"type_id": "opencv-nd-matrix", "sizes": [2], "dt": "i", "data": [0, 1]},
        "sv_total": 2,
        "support_vectors": [[0.5, 1.0, 0.0], [0.0, 2.0, 1.5]],
        "decision_functions": [{"sv_count": 2, "rho": 0.25, "alpha": [1.0, -1.0], "index": [0, 1]}],
    }
    content = json.dumps({"opencv_ml_svm": tree}, indent=1).encode()
    return _written(folder, {"model.json": content}, at_random, inside_json)


def _gzipped(folder: Path) -> list[Target]:
    contents = {name: _packed((MODELS / name.removesuffix(".gz")).read_bytes())
                for name in ("rbf-2.xml.gz", "rbf-10.yml.gz")}  # fmt: skip
    return _written(folder, contents, at_random, inside_gzip)


def _read_model(folder: Path, name: str) -> None:
    model = OpenCVSVM.load(folder / name)
    scores = model.decision_function(np.full((2, model.n_features_in_), 0.5, np.float32))
    assert len(model.predict(np.zeros((1, model.n_features_in_), np.float32))) == 1
    assert len(scores) == 2


def _run(folder: Path) -> Path:
    """A finished run of three jobs: of two classes with copies among the test images, and of folds."""
    digits = datasets.load("digits", train_size=60)
    test = digits.test[:20]
    small = datasets.from_arrays(
        digits.images[digits.used][:80], digits.labels[digits.used][:80] % 2, digits.images[test],
        digits.labels[test] % 2, name="even", groups=np.arange(100) // 2
    )  # fmt: skip
    jobs = jobs_of(small)
    run = folder / "run"
    with RunFolder.create(run) as opened:
        opened.begin(record_of(small, jobs=jobs), [small])
        for job in jobs:
            opened.clear(job)
            opened.keep(outcome_of(job, small))
    return run


def _of_run(folder: Path, names: Sequence[str], *ways: Way) -> list[Target]:
    run = _run(folder)
    found = sorted(path for path in run.rglob("*") if path.name in names)
    return [Target(path.relative_to(folder).as_posix(), path.read_bytes(), ways) for path in found]


def _predictions(folder: Path) -> list[Target]:
    return _of_run(folder, ["predictions.npz"], at_random, inside_zip, inside_zip)


def _run_json(folder: Path) -> list[Target]:
    return _of_run(folder, ["run.json", "dataset.json", "result.json"], at_random, inside_json, inside_json)


def _run_arrays(folder: Path) -> list[Target]:
    return _of_run(folder, ["test_images.npy", "class_examples.npy", "groups.npy", "leaked.npy"], at_random)


def _read_run(folder: Path, name: str) -> None:
    """What a report's text and figures are made of; its pictures and pages are made each on its own."""
    study = Study(read_run(folder / "run"))
    study.further_jobs()
    for dataset in study.datasets:
        assert " ".join(answer(dataset))
    assert csv_text(results_table(study))
    assert json_text(study)
    assert markdown(study, {}, [])


def _read_predictions(folder: Path, name: str) -> None:
    Study(read_run(folder / "run"))


def _onnx(folder: Path) -> list[Target]:
    path = write_backbone(folder / "tiny.onnx")
    return [Target(path.name, path.read_bytes(), (at_random,))]


def _backbone_json(folder: Path) -> list[Target]:
    path = write_backbone(folder / "tiny.onnx").with_suffix(".json")
    return [Target(path.name, path.read_bytes(), (at_random, inside_json))]


def _open_backbone(folder: Path, name: str) -> None:
    Embedding(folder / "tiny.onnx").open()


def _csv(folder: Path) -> list[Target]:
    rows = "".join(f'a/{number}.png,"patient {number % 3}",x\r\n' for number in range(9))
    return _written(folder, {"groups.csv": f"file,patient,more\r\n{rows}".encode()}, at_random)


def _read_groups(folder: Path, name: str) -> None:
    groups_of_files(f"{folder / name}:patient", [Path(f"a/{number}.png") for number in range(9)], 1)


def _tar(folder: Path) -> list[Target]:
    (folder / "unpacked").mkdir()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in CIFAR10.files:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = 600
            tar.addfile(member, io.BytesIO(bytes(600)))
    return _written(folder, {"cifar-10-python.tar.gz": _packed(file.getvalue())}, at_random, inside_gzip, inside_gzip)


def _read_tar(folder: Path, name: str) -> None:
    unpack(folder / name, CIFAR10, folder / "unpacked")


def _pictures(folder: Path) -> list[Target]:
    """A small picture in each format and kind, with right checksums too where it is a PNG."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 20, 30), dtype=np.uint8)
    gray, rgb = Image.fromarray(pixels[0]), Image.merge("RGB", [Image.fromarray(each) for each in pixels[:3]])
    turned = Image.Exif()
    turned[274] = 6
    suffixes = ("bmp", "jpg", "png", "webp", "tif", "gif", "ppm", "jp2", *["avif"] * features.check("avif"))
    kinds = {
        **{f"plain.{suffix}": (rgb, {}) for suffix in suffixes},
        "gray.jpg": (gray, {}),
        "progressive.jpg": (rgb, {"progressive": True, "exif": turned}),
        "cmyk.jpg": (Image.merge("CMYK", [Image.fromarray(each) for each in pixels]), {}),
        "deep.png": (Image.fromarray(pixels[0].astype(np.uint16) * 16), {}),
        "alpha.png": (Image.merge("RGBA", [Image.fromarray(each) for each in pixels]), {}),
        "packed.tif": (rgb, {"compression": "tiff_lzw"}),
        "float.tif": (Image.fromarray(pixels[0].astype(np.float32) / 255), {}),
        "lossless.webp": (rgb, {"lossless": True}),
    }
    for name, (picture, options) in kinds.items():
        picture.save(folder / name, **options)
    ways = {name: (at_random, inside_png, inside_png) if name.endswith("png") else (at_random, at_the_ends)
            for name in kinds}  # fmt: skip
    return [Target(name, (folder / name).read_bytes(), ways[name]) for name in kinds]


def _read_picture(folder: Path, name: str) -> None:
    found = read_pictures([folder / name], InputContract(16, 16, 3))
    for why in found.unreadable.values():
        raise InputError(f"{name}: {why}")
    assert found.images.shape == (1, 16, 16, 3)


def _archives(folder: Path) -> list[Target]:
    """Pictures of two classes in a zip and in tars."""
    os.environ["CVCLASSIC_CACHE"] = str(folder / "cache")
    picture = cv2.imencode(".png", np.eye(12, dtype=np.uint8) * 200)[1].tobytes()
    names = [f"set/{label}/{number}.png" for label in "ab" for number in range(3)]
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive, tarfile.open(fileobj=tarred, mode="w") as tar:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), picture, zipfile.ZIP_DEFLATED)
            member = tarfile.TarInfo(name)
            member.size = len(picture)
            tar.addfile(member, io.BytesIO(picture))
    targets = _written(folder, {"set.zip": zipped.getvalue()}, at_random, at_the_ends, inside_zip)
    targets += _written(folder, {"set.tar": tarred.getvalue()}, at_random)
    return targets + _written(folder, {"set.tar.gz": _packed(tarred.getvalue())}, at_random, inside_gzip)


def _read_archive(folder: Path, name: str) -> None:
    with opened_archive(folder / name) as archive:
        names = [each for part in archive.subfolders("") for each in archive.files(part)[0]]
        read_contents([archive.content(each) for each in names], InputContract(16, 16, 3))


def _table(folder: Path) -> list[Target]:
    rows = "".join(f'"{number}.png",{"cat" if number % 2 else "dog"},p{number // 3},train\r\n' for number in range(9))
    content = f"path,label,group,part\r\n{rows}9.png,cat,,test\r\n10.png,dog,,test\r\n".encode()
    return _written(folder, {"set.csv": content}, at_random)


def _models_in_files(folder: Path) -> list[Target]:
    models = {
        "hog.cvc": small_model("hog_linear_svm", 4),
        "color.cvc": small_model("color_histogram_svm", 2, color=True),
        "sobel.cvc": small_model("sobel_svm", 3),
    }
    for name, model in models.items():
        model.save(folder / name)
    return [Target(name, (folder / name).read_bytes(), (at_random, inside_zip, mutated)) for name in models]


def _read_cvc(folder: Path, name: str) -> None:
    """A file that is read makes a model that predicts."""
    model = read_cvc(folder / name)
    try:
        model.predict(np.zeros((2, *model.contract.shape), np.uint8))
    except InputError as error:  # of images, which have no name
        raise InputError(f"{name}: {error}") from error


READERS = {
    reader.name: reader
    for reader in (
        Reader("pictures", _pictures, _read_picture),
        Reader("picture-archives", _archives, _read_archive, writes=("cache",)),
        Reader("picture-tables", _table, lambda folder, name: layout_of_table(folder / name)),
        Reader("cvc", _models_in_files, _read_cvc),
        Reader("npz", _mnist, lambda folder, name: read_mnist_npz(folder / name)),
        Reader("idx", _idx, lambda folder, name: read_idx(folder / name)),
        Reader("cifar", _cifar, _read_batch),
        Reader("digits", _digits_page, lambda folder, name: read_opencv_digits(folder / name)),
        Reader("tar", _tar, _read_tar, writes=("unpacked",)),
        Reader("opencv-xml", _xml, _read_model),
        Reader("opencv-yaml", _yaml, _read_model),
        Reader("opencv-json", _json, _read_model),
        Reader("opencv-gz", _gzipped, _read_model),
        Reader("predictions", _predictions, _read_predictions),
        Reader("run-json", _run_json, _read_run),
        Reader("run-arrays", _run_arrays, _read_predictions),
        Reader("onnx", _onnx, _open_backbone),
        Reader("backbone-json", _backbone_json, _open_backbone),
        Reader("groups-csv", _csv, _read_groups),
    )
}
