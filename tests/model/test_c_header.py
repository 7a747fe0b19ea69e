"""What a header promises and refuses: names, sizes of memory, parts that have no counterpart in C."""

import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler

from cvclassic.augmentation import MirrorAugmentation
from cvclassic.decoding import InputContract
from cvclassic.errors import InputError
from cvclassic.features import HOG, LBP, ColorGrid, ColorHistogram, Deskew, GaborBank, SobelHistogram
from cvclassic.model.c import to_c
from cvclassic.svm import KernelSVM, LinearSVM, OpenCVSVM
from tests.model.c_programs import STRICT, compiled, needed

RANDOM = np.random.default_rng(6)
GRAY = RANDOM.integers(0, 256, (60, 16, 18), dtype=np.uint8)
COLOR = RANDOM.integers(0, 256, (60, 16, 18, 3), dtype=np.uint8)
LABELS = np.arange(60) % 3
CLASSES = ("a", "b", "c")
ONE_CLASS = ("?",)


def contract_of(X):
    return InputContract(X.shape[1], X.shape[2], 3 if X.ndim == 4 else 1)


def header(*steps, X=GRAY, names=CLASSES, **options):
    return to_c(make_pipeline(*steps).fit(X, LABELS), contract_of(X), names, **options)


HOSTILE = [
    'quo"te',
    "back\\slash",
    "new\nline",
    "??/ and ??=",
    "*/ #error /*",
    "Käse 猫",
    "\udcff\udcfe",
    "%s%n",
    "1\x012",
    "a\u202eb",
    "",
]


def test_class_names_are_data_whatever_they_are(tmp_path):
    X, y = np.repeat(GRAY[: len(HOSTILE)], 2, axis=0), np.repeat(np.arange(len(HOSTILE)), 2)
    pipeline = make_pipeline(HOG(cell_size=8), LinearSVM()).fit(X, y)
    text = to_c(pipeline, contract_of(X), HOSTILE)
    (tmp_path / "model.h").write_text(text, encoding="ascii")
    main = """\
#include <stdio.h>
#include "model.h"
int main(void) {
    for (int k = 0; k < model_n_classes; ++k) {
        fputs(model_class_names[k], stdout);
        fputc(0, stdout);
    }
    return 0;
}
"""
    program = compiled(tmp_path, "gcc", *STRICT, "-Wtrigraphs", main=main)
    printed = subprocess.run([program], capture_output=True, check=True).stdout
    assert printed.split(b"\0")[:-1] == [name.encode("utf-8", "surrogateescape") for name in HOSTILE]


@pytest.mark.parametrize("name", ["", "9lives", "my-model", "a b", "größe", "x" * 32, "a;b", "_a", None])
def test_a_name_that_is_no_identifier_is_refused(name):
    with pytest.raises(InputError, match="can't begin the names of C functions"):
        header(HOG(cell_size=8), LinearSVM(), name=name)


def test_two_models_in_one_program(tmp_path):
    for name, cell in (("one", 8), ("two", 4)):
        text = header(HOG(cell_size=cell), LinearSVM(), name=name)
        (tmp_path / f"{name}.h").write_text(text, encoding="ascii")
    main = '#include "one.h"\n#include "two.h"\nint main(void) { return one_n_classes - two_n_classes; }\n'
    program = compiled(tmp_path, "gcc", *STRICT, main=main)
    assert subprocess.run([program]).returncode == 0


@pytest.mark.parametrize(
    ("part", "steps", "X"),
    [
        ("Deskew", [Deskew(), Deskew(), HOG(cell_size=8), LinearSVM()], GRAY),
        ("GaborBank", [FeatureUnion([("a", HOG(cell_size=8)), ("b", GaborBank())]), PCA(3), KernelSVM()], COLOR),
        ("MinMaxScaler", [LBP(), MinMaxScaler(), LinearSVM()], GRAY),
        ("Normalizer", [LBP(), Normalizer(norm="max"), LinearSVM()], GRAY),
        ("StandardScaler", [LBP(), PCA(3), StandardScaler(), LinearSVM()], GRAY),
        ("DummyClassifier", [LBP(), DummyClassifier()], GRAY),
        (r"KernelSVM\(kernel='poly'", [LBP(), KernelSVM(kernel="poly")], GRAY),
        (r"KernelSVM\(kernel='rbf', backend='nystroem'", [LBP(), KernelSVM(backend="nystroem")], GRAY),
        (r"OpenCVSVM\(kernel='chi2'", [LBP(), OpenCVSVM(kernel="chi2")], GRAY),
        ("MirrorAugmentation", [MirrorAugmentation(make_pipeline(LBP(), LinearSVM()))], GRAY),
    ],
)
def test_a_part_without_counterpart_is_named(part, steps, X):
    with pytest.raises(InputError, match=part + r".*can't be exported to C: "):
        header(*steps, X=X)


def test_a_pipeline_that_is_not_fitted_or_knows_other_classes_is_refused():
    pipeline = make_pipeline(HOG(cell_size=8), LinearSVM())
    with pytest.raises(InputError, match="Only a fitted pipeline"):
        to_c(pipeline, contract_of(GRAY), CLASSES)
    with pytest.raises(InputError, match=r"labels \[0, 1, 2\], and there are 2 class names"):
        header(HOG(cell_size=8), LinearSVM(), names=("a", "b"))
    pipeline.fit(GRAY, np.array(["x", "y", "z"])[LABELS])
    with pytest.raises(InputError, match=r"labels \['x', 'y', 'z'\]"):
        to_c(pipeline, contract_of(GRAY), CLASSES)


def test_images_of_another_shape_than_the_pipeline_was_fitted_on_are_refused():
    pipeline = make_pipeline(HOG(cell_size=8), LinearSVM()).fit(GRAY, LABELS)
    with pytest.raises(InputError, match=r"fitted on images of shape \(16, 18\)"):
        to_c(pipeline, InputContract(16, 20, 1), CLASSES)


def test_unknown_weights_are_refused():
    with pytest.raises(InputError, match="weights='int4' is unknown; use one of float, int16, int8"):
        header(HOG(cell_size=8), LinearSVM(), weights="int4")


def test_a_damaged_or_huge_model_is_refused():
    pipeline = make_pipeline(HOG(cell_size=8), KernelSVM()).fit(GRAY, LABELS)
    svm = pipeline[-1]
    svm.intercept_[0] = np.nan
    with pytest.raises(InputError, match="model_svm_bias of the fitted pipeline has NaN"):
        to_c(pipeline, contract_of(GRAY), CLASSES)
    svm.support_vectors_ = np.zeros((200_000, svm.n_features_in_), np.float32)
    with pytest.raises(InputError, match=r"more than 16 MiB.*use weights='int8', a linear SVM, PCA"):
        to_c(pipeline, contract_of(GRAY), CLASSES)


@pytest.mark.parametrize(
    ("space", "conversion"), [("hsv", cv2.COLOR_RGB2HSV), ("lab", cv2.COLOR_RGB2LAB), ("gray", cv2.COLOR_RGB2GRAY)]
)
def test_colors_are_opencvs(space, conversion, tmp_path):
    """Every red with every green, and of blue every fifth and the largest: 3.4 million colors."""
    (tmp_path / "model.h").write_text(header(ColorHistogram(color_space=space, bins=2), LinearSVM(), X=COLOR))
    main = f"""\
#include <stdio.h>
#include "model.h"
int main(void) {{
    for (int color = 0; color < 52 << 16; ++color) {{
        const uint8_t pixel[3] = {{(uint8_t)(color >> 8), (uint8_t)color, (uint8_t)((color >> 16) * 5)}};
        uint8_t converted[3];
        model_color_{space}(pixel, 0, 0, converted);
        fwrite(converted, 1, {1 if space == "gray" else 3}, stdout);
    }}
    return 0;
}}
"""
    program = compiled(tmp_path, "gcc", "-std=c99", "-O2", main=main)
    found = np.frombuffer(subprocess.run([program], capture_output=True, check=True).stdout, np.uint8)
    blue, red, green = np.meshgrid(np.arange(0, 256, 5), np.arange(256), np.arange(256), indexing="ij")
    colors = np.stack([red, green, blue], axis=-1).astype(np.uint8).reshape(-1, 256, 3)
    np.testing.assert_array_equal(found, cv2.cvtColor(colors, conversion).ravel())


ALL_PARTS = {
    "hog": ([HOG(cell_size=4), LinearSVM()], GRAY),
    "hog_color": ([HOG(cell_size=4), StandardScaler(), KernelSVM()], COLOR),
    "skimage": ([HOG(cell_size=4, convention="skimage", gamma_correction=True), LinearSVM()], COLOR),
    "felzenszwalb": ([HOG(cell_size=4, convention="felzenszwalb"), LinearSVM()], COLOR),
    "lbp": ([LBP(), PCA(5), KernelSVM()], COLOR),
    "sobel": ([SobelHistogram(normalization="l2"), LinearSVM()], COLOR),
    "color": ([ColorHistogram(bins=(4, 5, 6), joint=False, normalization="l2"), KernelSVM()], COLOR),
    "grid": ([ColorGrid(), LinearSVM()], COLOR),
    "deskew": ([Deskew(), SobelHistogram(), LinearSVM()], GRAY[:, :15, :17]),
    "two": ([FeatureUnion([("a", make_pipeline(HOG(cell_size=4), Normalizer())), ("b", LBP())]), LinearSVM()], GRAY),
}
USED = """\
#include "model.h"
typedef char as_promised[sizeof(model_scratch) == SCRATCH ? 1 : -1];
int answer(const uint8_t *pixels);
int answer(const uint8_t *pixels) { return model_predict(pixels); }
"""
CORTEX_M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")


@pytest.mark.parametrize("compiler", ["gcc", "clang", "arm-none-eabi-gcc"])
@pytest.mark.parametrize("name", ALL_PARTS)
def test_memory_is_what_the_comment_says(name, compiler, tmp_path):
    """Flash, stack and scratch memory of an object file by -Os."""
    compiler_path = needed(compiler)
    steps, X = ALL_PARTS[name]
    text = header(*steps, X=X, names=["", "", ""])  # names that a program doesn't use are not in it
    constants, code, scratch, stack = promised(text)
    (tmp_path / "model.h").write_text(text, encoding="ascii")
    (tmp_path / "use.c").write_text(USED.replace("SCRATCH", str(scratch)), encoding="ascii")
    flags = ["-std=c99", "-Os", *(CORTEX_M4 if compiler.startswith("arm") else ())]
    usage = [] if compiler == "clang" else ["-fstack-usage"]
    subprocess.run([compiler_path, *flags, *usage, "-c", "use.c"], cwd=tmp_path, check=True, timeout=120)
    assert constants <= flash_of(tmp_path / "use.o", compiler) <= constants + code
    if usage:  # of all functions together, as if each called the next
        lines = [line.split("\t") for line in (tmp_path / "use.su").read_text().splitlines()]
        assert {kind for *_, kind in lines} == {"static"}
        assert scratch <= sum(int(size) for _, size, _ in lines) <= scratch + stack


def promised(text):
    """Bytes of constants, code, scratch memory and stack that the leading comment names."""
    numbers = r"Flash: ([\d,]+) .*?at most ([\d,]+) of code.*?RAM: ([\d,]+) .*?beside it, (\d+) bytes of stack"
    return [int(n.replace(",", "")) for n in re.search(numbers, text, re.DOTALL).groups()]


def flash_of(path, compiler):
    """Bytes of code and constants in an object file: what `size` calls text, and initialized data."""
    tool = shutil.which(compiler.replace("gcc", "size")) if compiler.startswith("arm") else needed("size")
    figures = subprocess.run([tool, path], capture_output=True, text=True, check=True).stdout.splitlines()[1].split()
    assert int(figures[2]) == 0  # bss
    return int(figures[0]) + int(figures[1])
