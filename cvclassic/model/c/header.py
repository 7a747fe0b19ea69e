"""The text of the header, put together from the templates, with what it takes of memory."""

import textwrap
from importlib import metadata
from itertools import count

import numpy as np

from cvclassic.decoding import InputContract
from cvclassic.errors import InputError
from cvclassic.features.extractor import NORMALIZATIONS
from cvclassic.model.c.extractors import lab_tables, template
from cvclassic.model.c.lowering import RBF, Affine, Extraction, Lowered, Normalization, Scaling
from cvclassic.model.c.quantization import Stored, stored, stored_coefficients
from cvclassic.model.c.source import array, filled, integer_constants, string, string_bytes

MOST_BYTES = 16 << 20  # of constants: beyond, their text is some 50 MB
# At most, by -Os of gcc and clang for x86-64 and of gcc for ARM Cortex-M4: what tests/model/test_c_header.py measures.
CODE_BYTES, CODE_BYTES_OF_EXTRACTOR, STACK_BYTES = 768, 1792, 512


class Header:
    """The text in the making, and the constants and scratch memory that it has so far."""

    def __init__(self, model: Lowered, contract: InputContract, class_names: list[str], name: str, weights: str):
        self._model, self._contract, self._class_names = model, contract, class_names
        self._name, self._weights = name, weights
        self._sections: list[str] = []  # the functions and constants, in the order of the header
        self._statements: list[str] = []  # what is done to one picture
        self._shared: set[str] = set()
        self._numbers = {kind: count(1) for kind in ("hog", "lbp", "color", "grid", "sobel", "scaling")}
        self._name_bytes = max(string_bytes(each) for each in class_names)
        self._constant_bytes = self._name_bytes * len(class_names)
        self._work_floats = self._n_extractors = 0

    def text(self) -> str:
        """The whole header."""
        if self._model.deskew:
            self._share("pixels")
            self._share("deskew")
            self._statements += [f"{self._name}_deskew(pixels, scratch->image);", "pixels = scratch->image;"]
        writers = {Extraction: self._extract, Normalization: self._normalize, Scaling: self._scale}
        for step in self._model.steps:
            writers[type(step)](step)
        features = "scratch->features"
        if self._model.projection is not None:
            self._affine("pca", self._model.projection, features, "scratch->components")
            features = "scratch->components"
        if isinstance(self._model.classifier, RBF):
            self._rbf(self._model.classifier, features)
        else:
            self._affine("svm", self._model.classifier, features, "scratch->decisions")
        self._add("one_vs_one" if self._model.duels else "one_vs_rest")
        words = {
            "STATEMENTS": "\n".join(f"    {statement}" for statement in self._statements),
            "PIXEL_FORMAT": self._pixel_format(),
        }
        self._add("model", words=words)
        guard = f"CVCLASSIC_{self._name}_H"
        opening = [self._comment(), f"#ifndef {guard}\n#define {guard}\n", self._declarations()]
        return "\n".join([*opening, *self._sections, f"#endif /* {guard} */\n"])

    def _extract(self, step: Extraction):
        made = template(step.extractor, self._contract.shape)
        part = self._part(made.kind)
        for shared in made.shared:
            self._share(shared)
        self._n_extractors += 1
        self._work_floats = max(self._work_floats, made.work_floats)
        self._sections.append(integer_constants(part, made.integers))
        for name, values in made.tables.items():
            self._constant(f"{part}_{name}", values)
        if made.color_space:
            self._share_color(made.color_space)
        suffix = "f" if made.real == "float" else ""
        words = {
            "PART_real": made.real,
            **{f"PART_{name}": name + suffix for name in ("sqrt", "fma")},
            "PART_abs": f"fabs{suffix}",
            "PART_COLOR": f"{self._name}_color_{made.color_space}",
        }
        for piece in made.pieces:
            self._add(piece, part, words)
        work = ", scratch->work" if made.work_floats else ""
        self._statements.append(f"{part}_extract(pixels, {_place(step.start)}{work});")
        for each in made.histograms:
            self._normalize(Normalization(each.norm, step.start + each.start, each.size), each.count, each.stride)

    def _normalize(self, step: Normalization, n: int = 1, stride: int = 0):
        self._share("normalize")
        norm = NORMALIZATIONS.index(step.norm)
        if n == 1:
            self._statements.append(f"{self._name}_normalize({_place(step.start)}, {step.size}, {norm});")
            return
        place = f"{_place(step.start)} + cell * {stride}"
        self._statements += [
            f"for (int cell = 0; cell < {n}; ++cell) {{",
            f"    {self._name}_normalize({place}, {step.size}, {norm});",
            "}",
        ]

    def _scale(self, step: Scaling):
        part = self._part("scaling")
        self._sections.append(integer_constants(part, {"n_values": len(step.factors)}))
        self._constant(f"{part}_factors", step.factors.astype(np.float32))
        self._constant(f"{part}_shifts", step.shifts.astype(np.float32))
        self._add("scaling", part)
        self._statements.append(f"{part}_apply({_place(step.start)});")

    def _affine(self, kind: str, affine: Affine, features: str, out: str):
        part, weights = f"{self._name}_{kind}", stored(affine.weights, self._weights)
        rows, columns = affine.weights.shape
        self._sections.append(integer_constants(part, {"rows": rows, "columns": columns}))
        scale = self._matrix(f"{part}_weights", weights, "row")
        # Around the center of the data: so rounded weights err least.
        self._constant(f"{part}_bias", (affine.bias - weights.dense() @ affine.center).astype(np.float32))
        self._add("affine", part, {"PART_SCALE(row)": scale})
        self._statements.append(f"{part}_apply({features}, {out});")

    def _rbf(self, rbf: RBF, features: str):
        part = f"{self._name}_svm"
        sizes = {"columns": rbf.vectors.shape[1], "classes": self._model.n_classes, "pairs": len(rbf.bias)}
        self._sections.append(integer_constants(part, sizes))
        coefficients = stored_coefficients(rbf, self._weights)
        words = {
            "PART_SCALE(vector)": self._matrix(f"{part}_vectors", stored(rbf.vectors, self._weights), "vector"),
            "PART_COEFFICIENT_SCALE(vector)": self._matrix(f"{part}_coefficients", coefficients, "vector"),
        }
        self._constant(f"{part}_first", rbf.first.astype(np.int32))
        self._constant(f"{part}_bias", rbf.bias.astype(np.float32))
        self._constant(f"{part}_gamma", np.array(rbf.gamma, np.float32))
        self._add("rbf", part, words)
        self._statements.append(f"{part}_apply({features}, scratch->decisions);")

    def _matrix(self, name: str, matrix: Stored, row: str) -> str:
        """Add a matrix; returns what a sum over its `row` is to be multiplied by."""
        self._constant(name, matrix.values)
        if matrix.scales is None:
            return "1.0f"
        self._constant(f"{name}_scales", matrix.scales)
        return f"{name}_scales[{row}]"

    def _constant(self, name: str, values: np.ndarray):
        if not np.isfinite(values).all():
            raise InputError(f"{name} of the fitted pipeline has NaN or infinity in it, and can't be exported.")
        self._constant_bytes += values.nbytes
        if self._constant_bytes > MOST_BYTES:
            raise InputError(
                f"The header would hold more than {MOST_BYTES >> 20} MiB of constants ({name} alone takes "
                f"{values.nbytes:,} bytes as {values.dtype.name}). C export is for small models: use weights='int8', "
                "a linear SVM, PCA before an RBF SVM, or fewer training images."
            )
        self._sections.append(array(name, values))

    def _part(self, kind: str) -> str:
        return f"{self._name}_{kind}{next(self._numbers[kind])}"

    def _share(self, file: str):
        if file not in self._shared:
            self._shared.add(file)
            self._add(file)

    def _share_color(self, color_space: str):
        if color_space == "lab" and "color_lab" not in self._shared:
            for name, values in lab_tables().items():
                self._constant(f"{self._name}_lab_{name}", values)
        self._share(f"color_{color_space}")

    def _add(self, file: str, part: str = "", words: dict[str, str] | None = None):
        self._sections.append(filled(file, {"MODEL": self._name, "PART": part}, words))

    def _declarations(self) -> str:
        contract, name, n_classes = self._contract, self._name, len(self._class_names)
        sizes = {"height": contract.height, "width": contract.width, "channels": contract.channels}
        fields = "\n".join(f"    {field};" for field, _ in self._scratch())
        names = ",\n".join(string(each) for each in self._class_names)
        return f"""\
#include <math.h>
#include <stddef.h>
#include <stdint.h>

{integer_constants(name, sizes | {"n_classes": n_classes})}
static const char {name}_class_names[{n_classes}][{self._name_bytes}] = {{
{names}
}};

/* Memory to work in; nothing in it needs to be set or kept. */
typedef struct {{
{fields}
}} {name}_scratch;
"""

    def _scratch(self) -> list[tuple[str, int]]:
        """The fields of the scratch struct, and their bytes."""
        model, contract = self._model, self._contract
        sizes = {"features": model.n_features, "components": 0, "work": self._work_floats}
        if model.projection is not None:
            sizes["components"] = len(model.projection.bias)
        sizes["decisions"] = len(model.classifier.bias)
        fields = [(f"float {name}[{size}]", 4 * size) for name, size in sizes.items() if size]
        if model.deskew:
            n = contract.height * contract.width * contract.channels
            fields.append((f"uint8_t image[{n}]", -(-n // 4) * 4))  # padded as floats are aligned
        return fields

    def _comment(self) -> str:
        name, contract, n = self._name, self._contract, len(self._class_names)
        scratch = f"{sum(size for _, size in self._scratch()):,}"
        constants, code = (f"{n:,}" for n in (self._constant_bytes, self._code_bytes()))
        text = f"""
A classifier of pictures, written by cvclassic {metadata.version("cvclassic")}:
{self._summary()}.
C99 or C++, without malloc; needs <math.h> alone (link with -lm).

Pictures: {contract.height} rows of {contract.width} pixels, {self._pixel_format()}, row by row, uint8_t.
Classes: {n}, numbered from 0; their names, in UTF-8, are in {name}_class_names.

    int k = {name}_predict(pixels);                      the class of one picture
    int k = {name}_scores(pixels, scores);               and {n} scores, the higher the likelier
    int k = {name}_classify(&scratch, pixels, scores);   the same with a {name}_scratch of yours; scores may be NULL

Flash: {constants} bytes of constants, and at most {code} of code by -Os, without the compiler's libraries.
RAM: {scratch} bytes of {name}_scratch, on the stack but for {name}_classify;
    beside it, {STACK_BYTES} bytes of stack suffice.
Each source file that includes and uses this has constants of its own: let one file do so.
"""
        return f"/*{_harmless(text)}*/"

    def _code_bytes(self) -> int:
        return CODE_BYTES + CODE_BYTES_OF_EXTRACTOR * (self._n_extractors + self._model.deskew)

    def _summary(self) -> str:
        extractors = [" ".join(repr(s.extractor).split()) for s in self._model.steps if isinstance(s, Extraction)]
        parts = ["Deskew"] * self._model.deskew + [" + ".join(extractors)]
        if self._model.projection is not None:
            parts.append(f"PCA to {len(self._model.projection.bias)} values")
        if isinstance(self._model.classifier, RBF):
            parts.append(f"RBF SVM of {len(self._model.classifier.vectors):,} support vectors")
        else:
            parts.append("linear SVM")
        return textwrap.fill(f"{', '.join(parts)}, {self._weights} weights", 110)

    def _pixel_format(self) -> str:
        return "each red, green, blue" if self._contract.channels == 3 else "each a gray level"


def _place(start: int) -> str:
    return f"scratch->features + {start}" if start else "scratch->features"


def _harmless(text: str) -> str:
    """`text` as it may stand in a C comment."""
    return text.encode("ascii", "backslashreplace").decode().replace("*/", "* /").replace("/*", "/ *")
