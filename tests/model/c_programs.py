"""C programs around exported headers, compiled and run."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZED = ("-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")

# Two source files include the header and use it.
MAIN = """\
#include <stdio.h>
#include "model.h"
int scores_of(const uint8_t *pixels, float *scores);
int main(void) {
    static uint8_t pixels[model_height * model_width * model_channels];
    float scores[model_n_classes];
    while (fread(pixels, sizeof pixels, 1, stdin) == 1) {
        const int32_t classes[2] = {model_predict(pixels), scores_of(pixels, scores)};
        fwrite(classes, sizeof classes, 1, stdout);
        fwrite(scores, sizeof scores, 1, stdout);
    }
    return 0;
}
"""
OTHER = """\
#include "model.h"
int scores_of(const uint8_t *pixels, float *scores);
int scores_of(const uint8_t *pixels, float *scores) {
    return model_scores(pixels, scores);
}
"""


def needed(compiler: str) -> str:
    """The compiler's path; the test is skipped where there is none."""
    found = shutil.which(compiler)
    if found is None:
        pytest.skip(f"{compiler} is not installed: exported C is not compiled by it here")
    return found


def compiled(folder: Path, compiler: str, *flags: str, **sources: str) -> Path:
    """The program of some C files, given as `name="text"`; what the compiler has to say is an error."""
    for name, text in sources.items():
        (folder / f"{name}.c").write_text(text, encoding="ascii")
    program = folder / "program"
    done = subprocess.run(
        [needed(compiler), *flags, *(f"{name}.c" for name in sources), "-o", program, "-lm"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert not done.stderr
    return program


def answers(program: Path, images: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes (n,) and scores (n, n_classes) that the program of `MAIN` and `OTHER` has for uint8 images."""
    done = subprocess.run([program], input=images.tobytes(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    found = np.frombuffer(done.stdout, np.int32).reshape(len(images), 2 + n_classes)
    assert (found[:, 0] == found[:, 1]).all()  # model_predict and model_scores agree
    return found[:, 0], found[:, 2:].copy().view(np.float32)
