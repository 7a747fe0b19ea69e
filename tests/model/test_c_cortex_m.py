"""Exported headers on an emulated Cortex-M, with and without a floating point unit, against the pipelines."""

import subprocess

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cvclassic.decoding import InputContract
from cvclassic.features import HOG, LBP, SobelHistogram
from cvclassic.model.c import to_c
from cvclassic.svm import KernelSVM, LinearSVM
from tests.model.c_programs import needed

pytestmark = pytest.mark.slow

LINKED = """\
MEMORY { code (rx) : ORIGIN = 0, LENGTH = 4M  data (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
ENTRY(start)
SECTIONS {
    .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > code
    .ARM.exidx : { *(.ARM.exidx*) } > code
    .data : { *(.data*) } > data
    .bss : { *(.bss*) *(COMMON) } > data
}
"""
MAIN = """\
#include "model.h"
#include "pictures.h"
static void ask_host(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
static void __attribute__((noinline)) run(void) {
    for (int i = 0; i < n_pictures; ++i) {
        const char text[2] = {(char)('0' + model_predict(pictures[i])), 0};
        ask_host(0x04, text); /* SYS_WRITE0 */
    }
}
void start(void);
void start(void) {
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* turns the floating point unit on, where there is one */
    __asm__ volatile("dsb\\nisb");
    run();
    const uint32_t success[2] = {0x20026, 0};
    ask_host(0x20, success); /* SYS_EXIT_EXTENDED */
}
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {(void *)0x20400000, (void *)start};
"""
MACHINES = {
    "mps2-an386": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "mps2-an385": ("-mcpu=cortex-m3",),
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    "steps",
    [[HOG(cell_size=4), LinearSVM()], [SobelHistogram(), StandardScaler(), KernelSVM()], [LBP(grid=2), LinearSVM()]],
    ids=["hog", "sobel", "lbp"],
)
def test_a_microcontroller_finds_the_classes_that_python_finds(machine, steps, tmp_path):
    gcc, qemu = needed("arm-none-eabi-gcc"), needed("qemu-system-arm")
    data = load_digits()
    X = np.kron(data.images, np.ones((2, 2))).astype(np.uint8) * 15
    pipeline = make_pipeline(*steps).fit(X[:300], data.target[:300])
    tested = X[300:1300]
    header = to_c(pipeline, InputContract(16, 16, 1), [str(k) for k in range(10)])
    rows = ",\n".join("{" + ", ".join(map(str, image.ravel())) + "}" for image in tested)
    pictures = f"enum {{ n_pictures = {len(tested)} }};\nstatic const uint8_t pictures[][256] = {{\n{rows}\n}};\n"
    for name, text in {"model.h": header, "pictures.h": pictures, "main.c": MAIN, "linked.ld": LINKED}.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    build = [gcc, "-Os", "-mthumb", *MACHINES[machine], "-nostartfiles", "-T", "linked.ld", "main.c", "-lm"]
    subprocess.run([*build, "-o", "model.elf"], cwd=tmp_path, check=True, timeout=120)
    emulate = [qemu, "-M", machine, "-nographic", "-semihosting-config", "enable=on,target=native"]
    done = subprocess.run([*emulate, "-kernel", "model.elf"], cwd=tmp_path, capture_output=True, timeout=240)
    assert done.returncode == 0
    found = np.array([int(digit) for digit in (done.stdout + done.stderr).decode()])
    # Compilers for these fuse products with sums: a picture in a thousand may be a tie that goes the other way.
    assert np.mean(found == pipeline.predict(tested)) >= 0.999
