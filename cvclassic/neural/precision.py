"""The precision that a network computes in, and which one is fastest on this processor."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cvclassic.neural.backend import prepare_backend

# Of Linux's names for what a processor can do: products of bfloat16 in tiles, in vectors.
BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}


def fastest_precision(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """`"mixed_bfloat16"` where the processor multiplies bfloat16 by itself (Linux on x86), `"float32"` elsewhere.

    What docs/champions.md says of both was measured on a processor with AMX.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return "float32"
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return "mixed_bfloat16" if BFLOAT16_FLAGS & set(flags) else "float32"


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Let layers that are made inside compute in this precision."""
    keras = prepare_backend()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
